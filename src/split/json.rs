//! JSON and JSON Lines: entries under their key path, arrays of records by record.
//!
//! Works on brackets and strings alone, without recursion over the input, so that it takes any text: what is
//! not JSON is cut at its commas and lines.

use super::section::{Piece, Section};
use super::sizes::Sizes;
use super::{Limits, Measure};
use crate::document::{BlockKind, ContextKind};
use crate::span::Span;

/// Deeper containers are not opened; their text is cut by lines and commas.
const MAX_DEPTH: usize = 64;
/// Neighbouring entries are merged into one block until it has this many tokens.
const MIN_BLOCK_TOKENS: usize = 32;

pub(super) fn sections(text: &str, span: Span, limits: Limits, measure: Measure<'_>) -> Vec<Section> {
    let source = &text[span.range()];
    let mut walk = Walk {
        text: source,
        source: source.as_bytes(),
        base: span.start as usize,
        containers: containers(source.as_bytes()),
        sizes: Sizes::new(source, measure),
        limit: limits.of_block(),
        sections: Vec::new(),
        path: Vec::new(),
        open: None,
    };
    walk.values();
    walk.close();
    walk.sections
}

/// An object or array with its brackets.
struct Container {
    start: usize,
    end: usize,
    /// How many containers are inside it.
    inside: usize,
}

/// All objects and arrays, by their beginnings; what is not closed ends with the text.
fn containers(source: &[u8]) -> Vec<Container> {
    let mut out: Vec<Container> = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while at < source.len() {
        match source[at] {
            b'"' => {
                at = after_string(source, at);
                continue;
            }
            b'{' | b'[' => {
                open.push(out.len());
                out.push(Container { start: at, end: source.len(), inside: 0 });
            }
            b'}' | b']' => {
                if let Some(n) = open.pop() {
                    out[n].end = at + 1;
                    out[n].inside = out.len() - n - 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    for n in open {
        out[n].inside = out.len() - n - 1;
    }
    out
}

/// One past the end of a string; an unclosed one ends with its line.
fn after_string(source: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < source.len() {
        match source[at] {
            b'\\' => at += 1,
            b'"' => return at + 1,
            b'\n' => return at,
            _ => {}
        }
        at += 1;
    }
    source.len()
}

struct Walk<'t> {
    text: &'t str,
    source: &'t [u8],
    base: usize,
    containers: Vec<Container>,
    sizes: Sizes,
    limit: usize,
    sections: Vec<Section>,
    /// Keys around the current place.
    path: Vec<(Span, ContextKind)>,
    /// The block being filled with small entries.
    open: Option<(usize, usize)>,
}

/// An entry of a container: a value, with its key and its comma.
struct Entry {
    start: usize,
    end: usize,
    key: Option<(usize, usize)>,
    /// The container that is its value, by its number.
    value: Option<usize>,
}

impl Walk<'_> {
    /// The values of the text: one for JSON, one a line for JSON Lines.
    fn values(&mut self) {
        let entries = self.entries(0, self.source.len(), 0);
        for entry in entries {
            self.entry(&entry, true, 0);
        }
    }

    fn entry(&mut self, entry: &Entry, is_record: bool, depth: usize) {
        let fits = self.sizes.of(entry.start, entry.end) <= self.limit;
        match entry.value.filter(|_| !fits && depth < MAX_DEPTH) {
            None => self.leaf(entry.start, entry.end, is_record),
            Some(container) => self.container(entry, container, depth),
        }
    }

    /// A value that is too large: its entries, under its key.
    fn container(&mut self, entry: &Entry, n: usize, depth: usize) {
        let (start, end) = (self.containers[n].start, self.containers[n].end);
        self.close();
        if let Some((from, to)) = entry.key {
            self.path.push((self.span(from, to), ContextKind::Scope));
        }
        self.leaf(entry.start, start + 1, false);
        let is_array = self.source[start] == b'[';
        let closed = end > start + 1 && matches!(self.source[end - 1], b'}' | b']');
        let inner_end = if closed { end - 1 } else { end };
        for inner in self.entries(start + 1, inner_end, n + 1) {
            let is_record = is_array && inner.value.is_some();
            self.entry(&inner, is_record, depth + 1);
        }
        self.closing(inner_end, entry.end);
        self.close();
        if entry.key.is_some() {
            self.path.pop();
        }
    }

    /// A closing bracket goes with the entry before it.
    fn closing(&mut self, start: usize, end: usize) {
        if let Some((from, _)) = self.open {
            self.open = Some((from, end));
            return;
        }
        let base = self.base as u64;
        let last = self.sections.last_mut().and_then(|s| s.blocks.last_mut());
        let fits = last.filter(|b| self.sizes.of((b.block.span.start - base) as usize, end) <= self.limit);
        match fits {
            Some(block) => (block.block.span.end, block.tokens) = (base + end as u64, None),
            None => self.leaf(start, end, false),
        }
    }

    /// The entries between two bytes; `next` is the first container at or after the first.
    fn entries(&self, from: usize, to: usize, mut next: usize) -> Vec<Entry> {
        let mut out = Vec::new();
        let (mut at, mut start) = (from, from);
        let (mut key, mut string, mut value) = (None, None, None);
        while at < to {
            match self.source[at] {
                b'"' => {
                    let end = after_string(self.source, at).min(to);
                    string = Some((at, end));
                    at = end;
                    continue;
                }
                b':' if key.is_none() => key = string,
                b'{' | b'[' => {
                    if let Some(container) = self.containers.get(next) {
                        value = Some(next);
                        at = container.end.max(at + 1).min(to);
                        next += container.inside + 1;
                        continue;
                    }
                }
                // At the top, every line is a value of its own.
                b',' | b'\n' if self.source[at] == b',' || from == 0 && value.is_some() => {
                    out.push(Entry { start, end: at + 1, key, value });
                    start = at + 1;
                    (key, string, value) = (None, None, None);
                }
                _ => {}
            }
            at += 1;
        }
        if self.source[start..to].iter().any(|b| !b.is_ascii_whitespace()) {
            out.push(Entry { start, end: to, key, value });
        }
        out
    }

    /// Adds an entry to the open block, or opens a new one; records are not merged.
    fn leaf(&mut self, start: usize, end: usize, is_record: bool) {
        if let Some((from, to)) = self.open {
            let small = self.sizes.of(from, to) < MIN_BLOCK_TOKENS.min(self.limit);
            if small && !is_record && self.sizes.of(from, end) <= self.limit {
                self.open = Some((from, end));
                return;
            }
            self.close();
        }
        self.open = Some((start, end));
    }

    fn close(&mut self) {
        let Some((start, end)) = self.open.take() else { return };
        if self.sections.last().is_none_or(|s| s.path != self.path) {
            self.sections.push(Section { path: self.path.clone(), blocks: Vec::new() });
        }
        if let Some(section) = self.sections.last_mut() {
            let span = Span::new(self.base + start, self.base + end);
            let tokens = self.sizes.of_lines(self.text, start, end);
            section.blocks.push(Piece::new(span, BlockKind::Entry, true).counted(tokens));
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start, self.base + end)
    }
}
