//! reStructuredText to parts: titles by their underlines, directives, literal blocks, lists, both tables.

use super::lines::{Line, cover, is_rule, lines};
use crate::extract::shape::is_item;
use crate::extract::{Language, Part, PartKind};
use crate::span::Span;

const ADORNMENTS: &str = "=-~^\"'`#*+:.<>_";
/// Directives whose text is prose.
const PROSE_DIRECTIVES: &[&str] = &[
    "note",
    "warning",
    "tip",
    "hint",
    "important",
    "caution",
    "danger",
    "error",
    "attention",
    "admonition",
    "seealso",
    "versionadded",
    "versionchanged",
    "deprecated",
    "topic",
    "sidebar",
    "epigraph",
    "rubric",
    "glossary",
    "container",
];
const CODE_DIRECTIVES: &[&str] = &["code-block", "code", "sourcecode", "prompt", "parsed-literal", "testcode"];

/// Directives that say nothing to a reader.
const SILENT_DIRECTIVES: &[&str] = &[
    "image",
    "contents",
    "toctree",
    "include",
    "literalinclude",
    "raw",
    "highlight",
    "currentmodule",
    "index",
    "default-role",
    "role",
    "meta",
    "sectnum",
    "target-notes",
    "header",
    "footer",
    "class",
    "only",
    "tabularcolumns",
];

pub(super) fn parts(text: &str, span: Span) -> Vec<Part> {
    let lines: Vec<Line<'_>> = lines(text, span).collect();
    let mut parser = Parser { lines: &lines, at: 0, styles: Vec::new(), parts: Vec::new() };
    while parser.at < lines.len() {
        parser.block();
    }
    parser.parts
}

struct Parser<'t> {
    lines: &'t [Line<'t>],
    at: usize,
    /// Styles of titles in the order of their first use: their levels.
    styles: Vec<(char, bool)>,
    parts: Vec<Part>,
}

impl Parser<'_> {
    fn block(&mut self) {
        let line = &self.lines[self.at];
        if line.is_blank() {
            self.at += 1;
        } else if self.title() || self.simple_table() || self.grid_table() {
        } else if let Some(directive) =
            line.trimmed().strip_prefix(".. ").or(Some("").filter(|_| line.trimmed() == ".."))
        {
            self.directive(directive);
        } else if is_item(line.text) || line.trimmed().starts_with("#. ") {
            self.item();
        } else if is_field(line.trimmed()) {
            let end = self.indented_after(self.at, line.indent());
            self.push(end, PartKind::Entry);
        } else {
            self.paragraph();
        }
    }

    /// Adds the lines up to `end` as a part.
    fn push(&mut self, end: usize, kind: PartKind) {
        let end = end.clamp(self.at + 1, self.lines.len());
        self.parts.push(Part::new(cover(&self.lines[self.at..end]), kind));
        self.at = end;
    }

    fn text(&self, n: usize) -> &str {
        self.lines.get(n).map_or("", |l| l.trimmed())
    }

    fn is_title_rule(&self, n: usize) -> bool {
        self.lines.get(n).is_some_and(|l| l.indent() == 0 && is_rule(l.text, ADORNMENTS, 2))
    }

    fn title(&mut self) -> bool {
        let (over, title) = if self.is_title_rule(self.at) { (true, self.at + 1) } else { (false, self.at) };
        let width = self.text(title).chars().count();
        let rule = self.text(title + 1);
        let matches = width > 0
            && self.is_title_rule(title + 1)
            && rule.chars().count() >= width.min(4)
            && (!over || rule == self.text(self.at))
            && (over || self.lines[title].indent() == 0)
            && !self.is_title_rule(title);
        if matches {
            let style = (rule.chars().next().unwrap_or('='), over);
            let level = self.styles.iter().position(|s| *s == style).unwrap_or_else(|| {
                self.styles.push(style);
                self.styles.len() - 1
            });
            self.push(title + 2, PartKind::Heading((level + 1).min(255) as u8));
        }
        matches
    }

    /// The first line at or after `n + 1` that is not indented more than `indent`; blank lines at the end are not taken.
    fn indented_after(&self, n: usize, indent: usize) -> usize {
        let mut end = n + 1;
        for (m, line) in self.lines.iter().enumerate().skip(n + 1) {
            if line.is_blank() {
                continue;
            }
            if line.indent() <= indent {
                break;
            }
            end = m + 1;
        }
        end
    }

    fn directive(&mut self, directive: &str) {
        let name = directive.split("::").next().unwrap_or_default().trim();
        let argument = directive.split_once("::").map_or("", |(_, a)| a.trim());
        let is_directive = directive.contains("::") && !name.is_empty();
        if is_directive && PROSE_DIRECTIVES.contains(&name) {
            if argument.is_empty() {
                self.push(self.at + 1, PartKind::Metadata);
            } else {
                self.paragraph();
            }
            return;
        }
        let end = self.indented_after(self.at, self.lines[self.at].indent());
        if is_directive && CODE_DIRECTIVES.contains(&name) {
            // Options and the directive itself are no code.
            let body = (self.at + 1..end).find(|n| !is_field(self.text(*n)) && !self.text(*n).is_empty());
            let language = Language::named(argument);
            if let Some(body) = body {
                self.push(body, PartKind::Metadata);
                self.push(end, PartKind::Code(language));
            } else {
                self.push(end, PartKind::Metadata);
            }
        } else if directive.starts_with('[') {
            self.push(end, PartKind::Entry); // a footnote or citation
        } else if is_directive && (name == "csv-table" || name == "list-table" || name == "table" || name == "figure") {
            self.push(self.at + 1, PartKind::Paragraph);
        } else if is_directive && !SILENT_DIRECTIVES.contains(&name) {
            // `.. function:: open(file)`: what is described, then its description as prose.
            self.push(self.at + 1, PartKind::Entry);
        } else {
            self.push(end, PartKind::Metadata); // a comment, a target, an image, a table of contents
        }
    }

    fn item(&mut self) {
        let indent = self.lines[self.at].indent();
        let mut end = self.at + 1;
        while let Some(line) = self.lines.get(end) {
            if line.is_blank() || line.indent() <= indent || is_item(line.text) {
                break;
            }
            end += 1;
        }
        self.push(end, PartKind::Item((1 + indent / 2).min(32) as u8));
    }

    fn paragraph(&mut self) {
        let indent = self.lines[self.at].indent();
        let mut end = self.at + 1;
        while let Some(line) = self.lines.get(end) {
            if line.is_blank() || self.text(end).starts_with(".. ") || self.is_title_rule(end + 1) && line.indent() == 0
            {
                break;
            }
            end += 1;
        }
        let literal = self.text(end - 1).ends_with("::");
        self.push(end, PartKind::Paragraph);
        if literal {
            let body_end = self.indented_after(self.at.saturating_sub(1), indent);
            if body_end > self.at {
                self.push(body_end, PartKind::Code(None));
            }
        }
    }

    /// `===  ===` borders; the lines between the first two are the header if a third follows.
    fn simple_table(&mut self) -> bool {
        let is_border = |n: usize| {
            let text = self.text(n);
            text.starts_with("==") && text.contains(' ') && text.chars().all(|c| c == '=' || c == ' ')
        };
        if !is_border(self.at) {
            return false;
        }
        let mut borders = vec![self.at];
        for n in self.at + 1..self.lines.len() {
            if is_border(n) {
                borders.push(n);
                if borders.len() == 3 || self.text(n + 1).is_empty() {
                    break;
                }
            }
        }
        let Some(last) = borders.last().copied().filter(|_| borders.len() > 1) else { return false };
        if borders.len() == 3 {
            self.push(borders[1] + 1, PartKind::TableHead);
        } else {
            self.push(self.at + 1, PartKind::Metadata);
        }
        self.rows(last, |line| !line.text.starts_with(' '));
        self.push(last + 1, PartKind::Metadata);
        true
    }

    /// `+---+---+` borders; what stands before `+===+` is the header.
    fn grid_table(&mut self) -> bool {
        let lines = self.lines;
        let is_border = |n: usize| {
            let text = lines.get(n).map_or("", |l| l.trimmed());
            text.starts_with("+-") || text.starts_with("+=")
        };
        if !is_border(self.at) {
            return false;
        }
        let end =
            (self.at..self.lines.len()).find(|n| !self.text(*n).starts_with(['+', '|'])).unwrap_or(self.lines.len());
        let head = (self.at..end).find(|n| self.text(*n).starts_with("+="));
        if let Some(head) = head {
            self.push(head + 1, PartKind::TableHead);
        }
        while self.at < end {
            let next = (self.at + 1..end).find(|n| is_border(*n)).map_or(end, |n| n + 1);
            self.push(next, PartKind::TableRow);
        }
        true
    }

    /// The lines up to `end` as rows; a row begins where `begins` says so.
    fn rows(&mut self, end: usize, begins: impl Fn(&Line<'_>) -> bool) {
        while self.at < end {
            let next = (self.at + 1..end).find(|n| begins(&self.lines[*n])).unwrap_or(end);
            self.push(next, PartKind::TableRow);
        }
    }
}

/// `:name: value`
fn is_field(text: &str) -> bool {
    text.strip_prefix(':').and_then(|t| t.split_once(':')).is_some_and(|(name, rest)| {
        !name.is_empty() && !name.starts_with(' ') && (rest.is_empty() || rest.starts_with(' '))
    })
}
