//! Parts to sections: heading paths, sentences, and what rows and items need shown before them.

use super::section::{Piece, Section, Shown};
use super::sentence::sentences;
use super::{Limits, Measure, code, json, parts};
use crate::document::{BlockKind, ContextKind};
use crate::extract::{Language, MediaType, Part, PartKind};
use crate::span::Span;

/// Longest line or item that is shown before a list, in bytes.
const MAX_LEAD_BYTES: usize = 400;
/// A header may take this share of a segment's limit; a longer one is not repeated.
const MAX_HEADER_SHARE: usize = 2;
/// Text has about so many bytes a token; what is much longer is not worth counting to see whether it fits.
const USUAL_BYTES_PER_TOKEN: usize = 4;
/// A fence with no more than this is an example to be read as a whole.
const MAX_WHOLE_CODE_TOKENS: usize = 64;
/// What is longer than this many bytes per token of its limit is not measured to know that it is too long.
const MAX_BYTES_PER_TOKEN: usize = 16;

pub(super) fn sections(text: &str, parts: &[Part], limits: Limits, measure: Measure<'_>) -> Vec<Section> {
    let mut outline = Outline {
        text,
        limits,
        measure,
        headings: Vec::new(),
        sections: Vec::new(),
        lead: None,
        items: Vec::new(),
        header: None,
        found: Vec::new(),
    };
    for (n, part) in parts.iter().enumerate() {
        outline.take(joined(parts, n, *part));
    }
    outline.sections
}

/// A header without rows is a row, and headers of several lines are one.
fn joined(parts: &[Part], n: usize, part: Part) -> Part {
    if part.kind != PartKind::TableHead {
        return part;
    }
    let kind_at = |n: usize| parts.get(n).map(|p| p.kind);
    match kind_at(n + 1) {
        Some(PartKind::TableRow) => {
            let first = (0..=n).rev().take_while(|m| kind_at(*m) == Some(PartKind::TableHead)).last().unwrap_or(n);
            Part::new(parts[first].span.cover(part.span), part.kind)
        }
        // The last line of the header stands for all of it.
        Some(PartKind::TableHead) => {
            Part::new(Span::new(part.span.start as usize, part.span.start as usize), part.kind)
        }
        _ => Part::new(part.span, PartKind::TableRow),
    }
}

/// The document so far.
struct Outline<'t> {
    text: &'t str,
    limits: Limits,
    measure: Measure<'t>,
    headings: Vec<(u8, Span)>,
    sections: Vec<Section>,
    /// The line that a list right below it follows from.
    lead: Option<Shown>,
    /// The items around the current place.
    items: Vec<(u8, Shown)>,
    /// The header of the current table.
    header: Option<Shown>,
    /// Kept for its memory.
    found: Vec<Span>,
}

impl Outline<'_> {
    fn take(&mut self, part: Part) {
        let Part { span, kind } = part;
        let span = span.trim(self.text);
        if span.is_empty() {
            return;
        }
        if !matches!(kind, PartKind::TableRow) {
            self.header = None;
        }
        match kind {
            PartKind::Heading(level) => self.heading(level, span),
            PartKind::Paragraph => self.paragraph(span),
            PartKind::Item(depth) => self.item(depth, span),
            PartKind::TableHead => {
                let tokens = self.fitting(span, self.limits.segment / MAX_HEADER_SHARE);
                self.push(Piece::new(span, BlockKind::TableHead, true).counted(tokens));
                if tokens.is_some() {
                    self.header = Some(Shown::new(span, ContextKind::Header, None));
                }
            }
            PartKind::TableRow => {
                let piece = Piece::new(span, BlockKind::TableRow, false).after(self.header.as_ref());
                self.push(piece);
            }
            PartKind::Code(language) => self.code(language, span),
            PartKind::Entry => self.push(Piece::new(span, BlockKind::Entry, true)),
            PartKind::Turn(head) => self.turn(span, head as usize),
            PartKind::Metadata => self.push(Piece::new(span, BlockKind::Metadata, true)),
            PartKind::Nested(media) => self.nested(media, span),
        }
    }

    fn push(&mut self, piece: Piece) {
        // A scope of nested code ends with it.
        let in_scope = |s: &Section| s.path.len() > self.headings.len();
        if self.sections.last().is_none_or(in_scope) {
            self.sections.push(Section { path: self.path(), blocks: Vec::new() });
        }
        if let Some(section) = self.sections.last_mut() {
            section.blocks.push(piece);
        }
    }

    /// The tokens of a span, if they are not more than `most`.
    fn fitting(&self, span: Span, most: usize) -> Option<usize> {
        let may_fit = span.len() <= most.saturating_mul(MAX_BYTES_PER_TOKEN);
        may_fit.then(|| (self.measure)(&self.text[span.range()])).filter(|tokens| *tokens <= most)
    }

    fn heading(&mut self, level: u8, span: Span) {
        self.lead = None;
        self.items.clear();
        self.headings.retain(|(l, _)| *l < level);
        self.headings.push((level, span));
        self.sections.push(Section { path: self.path(), blocks: vec![Piece::new(span, BlockKind::Heading, true)] });
    }

    /// Cuts a stretch into sentences of one kind; `shown` goes before the first and `later` before the others.
    fn sentences(&mut self, span: Span, kind: BlockKind, shown: Option<&Shown>, later: Option<&Shown>) -> Option<Span> {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        sentences(self.text, span, &mut found);
        for (n, sentence) in found.iter().enumerate() {
            self.push(Piece::new(*sentence, kind, n == 0).after(if n == 0 { shown } else { later }));
        }
        let last = found.last().copied();
        self.found = found;
        last
    }

    fn paragraph(&mut self, span: Span) {
        let last = self.sentences(span, BlockKind::Sentence, None, None);
        let leads = |s: &Span| s.len() <= MAX_LEAD_BYTES && self.text[s.range()].ends_with([':', '：']);
        self.lead = last.filter(leads).map(|s| Shown::new(s, ContextKind::LeadIn, None));
    }

    fn item(&mut self, depth: u8, span: Span) {
        self.items.retain(|(d, _)| *d < depth);
        let outer = self.items.last().map(|(_, s)| s.clone()).or_else(|| self.lead.clone());
        if let tokens @ Some(_) = self.fitting(span, self.limits.of_block()) {
            self.push(Piece::new(span, BlockKind::ListItem, true).after(outer.as_ref()).counted(tokens));
        } else {
            self.sentences(span, BlockKind::ListItem, outer.as_ref(), outer.as_ref());
        }
        if span.len() <= MAX_LEAD_BYTES {
            self.items.push((depth, Shown::new(span, ContextKind::LeadIn, outer.as_ref())));
        }
    }

    /// Code is handed to its own splitter; fences belong to the blocks beside them.
    fn code(&mut self, language: Option<Language>, span: Span) {
        let few = MAX_WHOLE_CODE_TOKENS.min(self.limits.of_block());
        if span.len() <= few * USUAL_BYTES_PER_TOKEN
            && let tokens @ Some(_) = self.fitting(span, few)
        {
            return self.push(Piece::new(span, BlockKind::Code, true).counted(tokens));
        }
        let inner = inside_fences(self.text, span);
        let mut sections = match language {
            Some(language) => code::sections(self.text, inner, language, self.limits, self.measure),
            None => vec![Section { path: Vec::new(), blocks: code::paragraphs(self.text, inner) }],
        };
        sections.retain(|s| !s.blocks.is_empty());
        let Some(first) = sections.first_mut().and_then(|s| s.blocks.first_mut()) else {
            return self.push(Piece::new(span, BlockKind::Code, true));
        };
        // Lines count at most what they count one by one, so the fences' tokens are added.
        let with = |tokens: Option<usize>, fence: &str| Some(tokens? + (self.measure)(fence));
        first.tokens = with(first.tokens, &self.text[span.start as usize..inner.start as usize]);
        first.block.span = Span::new(span.start as usize, first.block.span.end as usize);
        if let Some(last) = sections.last_mut().and_then(|s| s.blocks.last_mut()) {
            last.tokens = with(last.tokens, &self.text[inner.end as usize..span.end as usize]);
            last.block.span = last.block.span.cover(Span::new(inner.end as usize, span.end as usize));
        }
        self.within(sections);
    }

    /// Takes sections of nested code or data: their scopes stand under the headings here.
    fn within(&mut self, sections: Vec<Section>) {
        let path = self.path();
        for section in sections {
            if section.path.is_empty() {
                section.blocks.into_iter().for_each(|piece| self.push(piece));
            } else {
                self.sections.push(Section { path: [path.clone(), section.path].concat(), ..section });
            }
        }
    }

    fn path(&self) -> Vec<(Span, ContextKind)> {
        self.headings.iter().map(|(_, s)| (*s, ContextKind::Heading)).collect()
    }

    fn turn(&mut self, span: Span, head: usize) {
        if let tokens @ Some(_) = self.fitting(span, self.limits.of_block()) {
            return self.push(Piece::new(span, BlockKind::Turn, true).counted(tokens));
        }
        let head = Span::new(span.start as usize, span.start as usize + head.min(span.len())).trim(self.text);
        let speaker = Some(Shown::new(head, ContextKind::Speaker, None)).filter(|_| !head.is_empty());
        self.sentences(span, BlockKind::Turn, None, speaker.as_ref());
    }

    fn nested(&mut self, media: MediaType, span: Span) {
        match media {
            MediaType::Code(language) => self.code(Some(language), span),
            MediaType::Json | MediaType::JsonLines => {
                let sections = json::sections(self.text, span, self.limits, self.measure);
                self.within(sections);
            }
            media => {
                for part in parts(self.text, span, media) {
                    // Parsers of text give no nested parts of other types, so this goes one level deep.
                    self.take(part);
                }
            }
        }
    }
}

/// The code between fences, or all of it where there are none.
fn inside_fences(text: &str, span: Span) -> Span {
    let source = &text[span.range()];
    let opening = source.trim_start();
    let Some(fence) = ["```", "~~~", "----", "...."].iter().find(|f| opening.starts_with(**f)) else { return span };
    let first = source.find('\n').map_or(source.len(), |n| n + 1);
    let body = &source[first..];
    let last = body.trim_end().rfind('\n').map_or(0, |n| n + 1);
    let closed = body[last..].trim().starts_with(fence);
    let end = if closed { first + last } else { source.len() };
    Span::new(span.start as usize + first, span.start as usize + end)
}
