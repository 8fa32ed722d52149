//! Writes extracted text with its parts.

use super::{Extracted, MAX_DOCUMENT_BYTES, Origin, Part, PartKind};
use crate::document::Place;
use crate::span::Span;

/// Text and structure of a document while it is extracted.
#[derive(Default)]
pub(super) struct Writer {
    out: Extracted,
}

impl Writer {
    /// What follows stands on this page, slide or sheet.
    pub(super) fn place(&mut self, label: String) {
        let from = self.out.text.len() as u64;
        // A page without text is no place.
        while self.out.places.last().is_some_and(|p| p.from >= from) {
            self.out.places.pop();
        }
        if self.out.places.last().is_none_or(|p| p.label != label) {
            self.out.places.push(Place { from, label });
        }
    }

    /// Adds a part; blanks around it are left out, and so is a part of nothing else.
    pub(super) fn part(&mut self, kind: PartKind, text: &str) {
        let text = text.trim_matches(['\n', '\r', ' ', '\t', '\u{a0}']);
        // Over the limit nothing more is taken: the text is refused by its size anyway.
        if text.is_empty() || self.out.text.len() > MAX_DOCUMENT_BYTES {
            return;
        }
        if let Some(last) = self.out.parts.last() {
            let tight = |kind| matches!(kind, PartKind::TableHead | PartKind::TableRow | PartKind::Item(_));
            self.out.text.push_str(if tight(last.kind) && tight(kind) { "\n" } else { "\n\n" });
        }
        let start = self.out.text.len();
        self.out.text.push_str(text);
        self.out.parts.push(Part::new(Span::new(start, self.out.text.len()), kind));
    }

    /// Adds an item of a list with its marker.
    pub(super) fn item(&mut self, depth: u8, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            let indent = "  ".repeat(usize::from(depth.clamp(1, 16)) - 1);
            let start = self.out.text.len();
            self.part(PartKind::Item(depth), &format!("- {text}"));
            // The indentation stands before the part, so that spans begin with the marker.
            if !indent.is_empty()
                && let Some(last) = self.out.parts.last_mut()
            {
                let at = last.span.start as usize;
                debug_assert!(at >= start, "the part was added just now");
                self.out.text.insert_str(at, &indent);
                last.span = Span::new(at + indent.len(), last.span.end as usize + indent.len());
            }
        }
    }

    /// Adds a row of a table.
    pub(super) fn row<C: AsRef<str>>(&mut self, is_head: bool, cells: &[C]) {
        let cells: Vec<String> = cells.iter().map(|c| one_line(c.as_ref())).collect();
        if cells.iter().any(|c| !c.is_empty()) {
            let line = cells.join(" | ");
            self.part(
                if is_head { PartKind::TableHead } else { PartKind::TableRow },
                line.trim_end_matches([' ', '|']),
            );
        }
    }

    /// Appends what another extractor found.
    pub(super) fn append(&mut self, other: &Extracted) {
        for part in &other.parts {
            if let Some(text) = part.span.slice(&other.text) {
                self.part(part.kind, text);
            }
        }
    }

    /// Says from which byte of the source the last part was made.
    pub(super) fn origin(&mut self, source: usize) {
        if let Some(last) = self.out.parts.last() {
            let text = last.span.start;
            if self.out.origins.last().is_none_or(|o| o.text < text) {
                self.out.origins.push(Origin { text, source: source as u64 });
            }
        }
    }

    pub(super) fn title(&mut self, title: &str) {
        let title = one_line(title);
        if !title.is_empty() && self.out.title.is_none() {
            self.out.title = Some(title);
        }
    }

    pub(super) fn metadata(&mut self, key: &str, value: crate::document::MetadataValue) {
        self.out.metadata.insert(key.to_owned(), value);
    }

    pub(super) fn finish(self) -> Extracted {
        self.out
    }
}

/// Text with every run of blanks as one space.
pub(super) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}
