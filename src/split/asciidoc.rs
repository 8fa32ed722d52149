//! AsciiDoc to parts: titles, delimited blocks, lists, definitions, tables.

use super::lines::{Line, cover, is_rule, lines};
use crate::extract::{Language, Part, PartKind};
use crate::span::Span;

pub(super) fn parts(text: &str, span: Span) -> Vec<Part> {
    let lines: Vec<Line<'_>> = lines(text, span).collect();
    let mut parser = Parser { lines: &lines, at: 0, attributes: String::new(), parts: Vec::new() };
    while parser.at < lines.len() {
        parser.block();
    }
    parser.parts
}

struct Parser<'t> {
    lines: &'t [Line<'t>],
    at: usize,
    /// The `[...]` line above the block that comes.
    attributes: String,
    parts: Vec<Part>,
}

impl Parser<'_> {
    fn block(&mut self) {
        let line = self.lines[self.at];
        let text = line.trimmed();
        if line.is_blank() {
            self.at += 1;
            return;
        }
        if let Some(level) = title_level(text) {
            self.push(self.at + 1, PartKind::Heading(level));
        } else if text.starts_with('[') && text.ends_with(']') && !text.starts_with("[[") {
            self.attributes = text.to_owned();
            self.push(self.at + 1, PartKind::Metadata);
            return; // they belong to the next block
        } else if is_attribute(text) || text.starts_with("//") && !is_rule(text, "/", 4) || text.starts_with("[[") {
            self.push(self.at + 1, PartKind::Metadata);
        } else if text.starts_with("|===") || text.starts_with(",===") {
            self.table();
        } else if is_rule(text, "-.+/", 4) || text.starts_with("```") {
            self.verbatim(text);
        } else if is_rule(text, "=*_", 4) || text == "--" || text == "'''" || text == "<<<" || text == "+" {
            self.push(self.at + 1, PartKind::Metadata); // the border of a block whose blocks come next
        } else if let Some(depth) = item_depth(text) {
            let end = self.end_of_paragraph(|text| item_depth(text).is_some());
            self.push(end, PartKind::Item(depth));
        } else if text.contains(":: ") || text.ends_with("::") {
            let end = self.end_of_paragraph(|text| text.contains(":: ") || text.ends_with("::"));
            self.push(end, PartKind::Entry);
        } else {
            let end = self.end_of_paragraph(|_| false);
            self.push(end, PartKind::Paragraph);
        }
        self.attributes.clear();
    }

    fn push(&mut self, end: usize, kind: PartKind) {
        let end = end.clamp(self.at + 1, self.lines.len());
        self.parts.push(Part::new(cover(&self.lines[self.at..end]), kind));
        self.at = end;
    }

    /// Where the paragraph that begins here ends: at a blank line, a border, or a line that begins another.
    fn end_of_paragraph(&self, begins_another: impl Fn(&str) -> bool) -> usize {
        let ends = |l: &Line<'_>| {
            let text = l.trimmed();
            l.is_blank()
                || text == "+"
                || is_rule(text, "-.+/=*_", 4)
                || text.starts_with("|===")
                || begins_another(text)
        };
        let rest = &self.lines[self.at + 1..];
        self.at + 1 + rest.iter().position(ends).unwrap_or(rest.len())
    }

    fn verbatim(&mut self, border: &str) {
        let fence = if border.starts_with("```") { "```" } else { border };
        let rest = &self.lines[self.at + 1..];
        let end = self.at + 1 + rest.iter().position(|l| l.trimmed() == fence).map_or(rest.len(), |n| n + 1);
        let kind = match border.as_bytes().first() {
            Some(b'/') => PartKind::Metadata,
            Some(b'`') => PartKind::Code(Language::named(border.trim_start_matches('`'))),
            _ => {
                let mut words = self.attributes.trim_matches(['[', ']']).split(',');
                let style = words.next().unwrap_or_default();
                let language = words.next().filter(|_| style.is_empty() || style.starts_with("source"));
                PartKind::Code(language.and_then(|l| Language::named(l.trim().trim_matches('"'))))
            }
        };
        self.push(end, kind);
    }

    fn table(&mut self) {
        let border = self.text(self.at).to_owned();
        let rest = &self.lines[self.at + 1..];
        let end = self.at + 1 + rest.iter().position(|l| l.trimmed() == border).unwrap_or(rest.len());
        let has_header = self.attributes.contains("header")
            || (!self.text(self.at + 1).is_empty() && self.text(self.at + 2).is_empty() && self.at + 3 < end);
        let columns = self.columns(end);
        self.push(self.at + 1, PartKind::Metadata);
        let mut is_first = true;
        while self.at < end {
            if self.lines[self.at].is_blank() {
                self.at += 1;
                continue;
            }
            // A row goes on until it has all its cells and the next line begins a cell.
            let (mut next, mut cells) = (self.at, 0);
            while next < end && (cells < columns || !self.text(next).contains('|') && !self.text(next).is_empty()) {
                cells += cells_of(self.text(next));
                next += 1;
            }
            let kind = if is_first && has_header { PartKind::TableHead } else { PartKind::TableRow };
            self.push(next.max(self.at + 1), kind);
            is_first = false;
        }
        if self.at < self.lines.len() {
            self.push(self.at + 1, PartKind::Metadata);
        }
    }

    /// Columns of the table that begins here: by its attributes, else the cells of its first line.
    fn columns(&self, end: usize) -> usize {
        let stated = self.attributes.split_once("cols=").map(|(_, c)| c.trim_start_matches('"'));
        let stated = stated.map(|c| c.split(['"', ']']).next().unwrap_or_default());
        let counted = stated.map(|c| match c.split_once('*') {
            Some((n, _)) => n.trim().parse().unwrap_or(1),
            None => c.split(',').count(),
        });
        let first = (self.at + 1..end).map(|n| self.text(n)).find(|t| !t.is_empty());
        counted.unwrap_or_else(|| first.map_or(1, cells_of)).max(1)
    }

    fn text(&self, n: usize) -> &str {
        self.lines.get(n).map_or("", |l| l.trimmed())
    }
}

/// Cells that a line begins.
fn cells_of(text: &str) -> usize {
    let escaped = text.matches("\\|").count();
    text.matches('|').count().saturating_sub(escaped)
}

/// `== Title`
fn title_level(text: &str) -> Option<u8> {
    let bare = text.trim_start_matches(['=', '#']);
    let level = text.len() - bare.len();
    ((1..=6).contains(&level) && bare.starts_with(' ') && !bare.trim().is_empty()).then_some(level as u8)
}

/// `:name: value`
fn is_attribute(text: &str) -> bool {
    text.strip_prefix(':').and_then(|t| t.split_once(':')).is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '!'))
    })
}

/// The depth of a list item: the length of its marker.
fn item_depth(text: &str) -> Option<u8> {
    let (marker, rest) = text.split_once(' ')?;
    let same = |c: char| marker.chars().all(|m| m == c);
    let is_marker = same('*') || same('.') || marker == "-" || {
        let number = marker.trim_end_matches('.');
        number.len() < marker.len()
            && !number.is_empty()
            && number.len() <= 3
            && number.chars().all(|c| c.is_ascii_digit())
    };
    let depth = if marker.starts_with(['*', '.']) { marker.len() } else { 1 };
    (is_marker && depth <= 5 && !rest.trim().is_empty()).then_some(depth as u8)
}
