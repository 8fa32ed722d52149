//! Markdown (CommonMark with GitHub's tables, task lists, footnotes and alerts, and front matter) to parts.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::lines::{cover, lines};
use crate::extract::{Language, Part, PartKind};
use crate::span::Span;

pub(super) fn parts(text: &str, span: Span) -> Vec<Part> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut found = Found { text, base: span.start as usize, parts: Vec::new(), items: Vec::new() };
    // Depth inside a block that was taken whole.
    let mut inside = 0usize;
    for (event, range) in Parser::new_ext(&text[span.range()], options).into_offset_iter() {
        match event {
            Event::Start(_) if inside > 0 => inside += 1,
            Event::Start(tag) if found.takes(&tag, &range) => inside = 1,
            Event::End(TagEnd::Item) if inside == 0 => found.end_item(range.end),
            Event::End(tag) if !is_container(tag) => inside = inside.saturating_sub(1),
            Event::End(_) if inside > 0 => inside -= 1,
            _ => {}
        }
    }
    found.parts
}

fn is_container(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::List(_) | TagEnd::Item | TagEnd::BlockQuote(_) | TagEnd::FootnoteDefinition)
}

struct Found<'t> {
    text: &'t str,
    base: usize,
    parts: Vec<Part>,
    /// Items around the current place: where they begin, until their first part is found.
    items: Vec<Option<usize>>,
}

impl Found<'_> {
    /// Takes a block; `false` where its inner blocks come next.
    fn takes(&mut self, tag: &Tag<'_>, range: &Range<usize>) -> bool {
        let kind = match tag {
            Tag::Paragraph => {
                let item = self.items.last_mut().and_then(Option::take);
                match item {
                    Some(start) => self.push(start, range.end, PartKind::Item(self.depth())),
                    None => self.push(range.start, range.end, PartKind::Paragraph),
                }
                return true;
            }
            Tag::Item => {
                self.end_of_own_text(range.start);
                self.items.push(Some(range.start));
                return false;
            }
            Tag::List(_) | Tag::BlockQuote(_) | Tag::FootnoteDefinition(_) => {
                self.end_of_own_text(range.start);
                return false;
            }
            Tag::Heading { level, .. } => PartKind::Heading(*level as u8),
            Tag::HtmlBlock if !self.has_words(range) => PartKind::Metadata,
            Tag::HtmlBlock => PartKind::Paragraph,
            // Front matter stands at the front; elsewhere, rules and prose look like it.
            Tag::MetadataBlock(_) if self.text[..self.base + range.start].trim_start_matches('\u{feff}').is_empty() => {
                PartKind::Metadata
            }
            Tag::MetadataBlock(_) => PartKind::Paragraph,
            Tag::CodeBlock(kind) => PartKind::Code(language(kind)),
            Tag::Table(_) => {
                self.end_of_own_text(range.start);
                self.table(range);
                return true;
            }
            // Inline tags of a tight item: part of the item.
            _ => return true,
        };
        self.end_of_own_text(range.start);
        self.push(range.start, range.end, kind);
        true
    }

    fn push(&mut self, start: usize, end: usize, kind: PartKind) {
        self.parts.push(Part::new(Span::new(self.base + start, self.base + end).trim(self.text), kind));
    }

    fn depth(&self) -> u8 {
        u8::try_from(self.items.len()).unwrap_or(u8::MAX)
    }

    /// The innermost item's own text ends where a block inside it begins.
    fn end_of_own_text(&mut self, at: usize) {
        let Some(start) = self.items.last_mut().and_then(Option::take) else { return };
        // A marker alone goes with the block that stands behind it.
        if self.text[self.base + start..self.base + at].contains(char::is_alphanumeric) {
            self.push(start, at, PartKind::Item(self.depth()));
        }
    }

    fn end_item(&mut self, at: usize) {
        self.end_of_own_text(at);
        self.items.pop();
    }

    /// The first two lines are the header, every other line is a row.
    fn table(&mut self, range: &Range<usize>) {
        let span = Span::new(self.base + range.start, self.base + range.end);
        let lines: Vec<_> = lines(self.text, span).filter(|l| !l.is_blank()).collect();
        let (head, rows) = lines.split_at(lines.len().min(2));
        self.parts.push(Part::new(cover(head).trim(self.text), PartKind::TableHead));
        self.parts.extend(rows.iter().map(|row| Part::new(row.span.trim(self.text), PartKind::TableRow)));
    }

    /// Whether an HTML block holds text beside tags and comments.
    fn has_words(&self, range: &Range<usize>) -> bool {
        let mut rest = &self.text[self.base + range.start..self.base + range.end];
        while let Some(open) = rest.find('<') {
            if rest[..open].contains(char::is_alphanumeric) {
                return true;
            }
            let end = if rest[open..].starts_with("<!--") { "-->" } else { ">" };
            let Some(close) = rest[open..].find(end) else { return false };
            rest = &rest[open + close + end.len()..];
        }
        rest.contains(char::is_alphanumeric)
    }
}

fn language(kind: &CodeBlockKind<'_>) -> Option<Language> {
    match kind {
        CodeBlockKind::Fenced(info) => {
            let name = info.trim_start_matches(['{', '.']).split([' ', ',', '{', '}', ':']).next();
            name.and_then(Language::named)
        }
        CodeBlockKind::Indented => None,
    }
}
