//! Segments: filled to the encoder's length with whole blocks of one section.

use super::section::{Piece, Section};
use super::{Limits, Measure};
use crate::document::{Block, ContextKind, ContextSpan, Place, Segment};
use crate::span::Span;

/// A paragraph that does not fit the rest of a segment opens a new one if this share is already used.
const FULL_ENOUGH: f64 = 0.5;
/// A section with fewer tokens goes with the first one inside it: a lone heading, the first line of a class.
const TINY_SECTION_TOKENS: usize = 24;

pub(super) fn segments(
    text: &str,
    sections: Vec<Section>,
    places: &[Place],
    limits: Limits,
    measure: Measure<'_>,
) -> Vec<Segment> {
    let limit = limits.segment.max(1);
    let mut out = Vec::new();
    let mut open = Open::default();
    for section in sections {
        let sized = sized_blocks(text, &section.blocks, limits, measure);
        let paragraphs = paragraph_sizes(&sized);
        let fits = open.tokens + sized.first().map_or(0, |(_, tokens)| *tokens) <= limit;
        if !(fits && open.leads_into(&section)) {
            open.flush(&mut out, places);
        }
        open.path = section.path;
        for (n, (piece, tokens)) in sized.into_iter().enumerate() {
            let overflows = open.tokens + tokens > limit;
            let breaks_well =
                piece.opens && open.tokens + paragraphs[n] > limit && open.tokens as f64 >= FULL_ENOUGH * limit as f64;
            if overflows || breaks_well {
                let last = open.last(limits.overlap);
                open.flush(&mut out, places);
                open.read_again(last, limit.saturating_sub(tokens));
            }
            open.push(piece, tokens);
        }
    }
    open.flush(&mut out, places);
    out
}

/// The segment being filled.
#[derive(Default)]
struct Open {
    path: Vec<(Span, ContextKind)>,
    blocks: Vec<Piece>,
    sizes: Vec<usize>,
    /// Sum of the sizes, and of the blocks that are read again.
    tokens: usize,
    lead: Option<Span>,
}

impl Open {
    fn push(&mut self, piece: Piece, tokens: usize) {
        self.blocks.push(piece);
        self.sizes.push(tokens);
        self.tokens += tokens;
    }

    /// Whether what there is so far is only the beginning of the section that comes.
    fn leads_into(&self, next: &Section) -> bool {
        let only_labels = self.blocks.iter().all(|p| p.block.kind.is_label());
        // A few words of prose before a heading are not under it; the first line of a class leads to its methods.
        let is_code = next.path.last().is_some_and(|(_, kind)| *kind == ContextKind::Scope);
        (only_labels || (is_code && self.tokens <= TINY_SECTION_TOKENS)) && next.path.starts_with(&self.path)
    }

    /// The last blocks with their sizes, from the last one on.
    fn last(&self, count: usize) -> Vec<(Span, usize)> {
        let last = self.blocks.iter().zip(&self.sizes).rev().take(count);
        last.map(|(piece, tokens)| (piece.block.span, *tokens)).collect()
    }

    /// Blocks of the segment before, as many as fit.
    fn read_again(&mut self, last: Vec<(Span, usize)>, room: usize) {
        for (span, tokens) in last {
            if self.tokens + tokens > room {
                break;
            }
            self.tokens += tokens;
            self.lead = Some(self.lead.map_or(span, |lead| lead.cover(span)));
        }
    }

    fn flush(&mut self, out: &mut Vec<Segment>, places: &[Place]) {
        self.tokens = 0;
        self.sizes.clear();
        let lead = self.lead.take();
        if self.blocks.is_empty() {
            return;
        }
        let blocks = std::mem::take(&mut self.blocks);
        let shown = |p: &Piece| p.shown.as_ref().map_or_else(Vec::new, super::section::Shown::spans);
        let blocks = blocks.iter().map(|p| (p.block, shown(p))).collect();
        out.push(Segment { lead, ..assembled(&self.path, blocks, places) });
    }
}

/// A segment of blocks, each with what has to be shown before it, outermost first.
pub(super) fn assembled(
    path: &[(Span, ContextKind)],
    blocks: Vec<(Block, Vec<(Span, ContextKind)>)>,
    places: &[Place],
) -> Segment {
    let end = blocks.len() as u32;
    let mut context: Vec<ContextSpan> =
        path.iter().map(|(span, kind)| ContextSpan { span: *span, kind: *kind, first: 0, end }).collect();
    let named = context.len();
    for (n, (block, shown)) in blocks.iter().enumerate() {
        // What does not stand before the block is no context of it: parts of broken syntax may overlap.
        let before = |(span, _): &&(Span, ContextKind)| !span.is_empty() && span.end <= block.span.start;
        for (span, kind) in shown.iter().filter(before) {
            let known = context[named..].iter_mut().rev().find(|c| c.span == *span && c.end as usize == n);
            match known {
                Some(known) => known.end += 1,
                None => context.push(ContextSpan { span: *span, kind: *kind, first: n as u32, end: n as u32 + 1 }),
            }
        }
    }
    let blocks: Vec<Block> = blocks.into_iter().map(|(block, _)| block).collect();
    let mut segment = Segment { blocks, context, ..Segment::default() };
    segment.places = within(places, segment.span()).to_vec();
    segment
}

/// The places that a span touches: the last that begins before it, and those that begin inside.
fn within(places: &[Place], span: Span) -> &[Place] {
    let first = places.partition_point(|p| p.from <= span.start).saturating_sub(1);
    let end = places.partition_point(|p| p.from < span.end);
    places.get(first..end).unwrap_or_default()
}

/// Blocks with their tokens; those over the limit are cut.
fn sized_blocks(text: &str, pieces: &[Piece], limits: Limits, measure: Measure<'_>) -> Vec<(Piece, usize)> {
    let limit = limits.of_block();
    let mut out = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let span = piece.block.span;
        let slice = &text[span.range()];
        // A token has at least one byte of text, so short blocks need no second look.
        let measured = || if slice.len() <= CUT_WINDOW { measure(slice) } else { usize::MAX };
        let tokens = piece.tokens.filter(|tokens| *tokens <= limit).unwrap_or_else(measured);
        if tokens <= limit {
            out.push((piece.clone(), tokens));
            continue;
        }
        for (n, (part, tokens)) in cut(text, span, limit, measure).into_iter().enumerate() {
            let part = Piece::new(part, piece.block.kind, piece.opens && n == 0).after(piece.shown.as_ref());
            out.push((part, tokens));
        }
    }
    out
}

/// For every block that opens a paragraph, the tokens of the whole paragraph.
fn paragraph_sizes(sized: &[(Piece, usize)]) -> Vec<usize> {
    let mut sizes = vec![0; sized.len()];
    let mut total = 0;
    for (n, (piece, tokens)) in sized.iter().enumerate().rev() {
        total += tokens;
        sizes[n] = total;
        if piece.opens {
            total = 0;
        }
    }
    sizes
}

/// Text is measured in windows of this many bytes while cutting, so that a line of 10 MB costs linear time.
const CUT_WINDOW: usize = 16 * 1024;

/// Cuts an over-long span into parts within the limit: at the end of a line, a clause or a word; only
/// where none is near, between two characters.
fn cut(text: &str, span: Span, limit: usize, measure: Measure<'_>) -> Vec<(Span, usize)> {
    let mut out = Vec::new();
    let mut start = span.start as usize;
    let end = span.end as usize;
    while start < end {
        let rest = &text[start..end];
        let skipped = rest.len() - rest.trim_start().len();
        start += skipped;
        if start >= end {
            break;
        }
        // As it will stand: without the blanks that a part ends with.
        let counted = |size: usize| measure(text[start..start + size].trim_end());
        let mut size = floor_boundary(text, start, (end - start).min(CUT_WINDOW).min(limit.saturating_mul(8).max(16)));
        let mut tokens = counted(size);
        // Shrink in proportion until it fits; one character always does, whatever its tokens.
        while tokens > limit {
            let shrunk = (size.saturating_mul(limit) / tokens).min(size.saturating_sub(1));
            let next = floor_boundary(text, start, shrunk);
            if next == 0 {
                size = text[start..].chars().next().map_or(1, char::len_utf8);
                tokens = counted(size).min(limit);
                break;
            }
            size = next;
            tokens = counted(size);
        }
        if start + size < end {
            let nice = nice_end(&text[start..start + size]);
            // Less text may be more tokens, where a token ends with what is cut off.
            let fewer = if nice < size { counted(nice) } else { usize::MAX };
            if fewer <= limit {
                (size, tokens) = (nice, fewer);
            }
        }
        let part = Span::new(start, start + size).trim(text);
        if !part.is_empty() {
            out.push((part, tokens));
        }
        start += size;
    }
    out
}

/// The largest character boundary at or below `start + size`, relative to `start`.
fn floor_boundary(text: &str, start: usize, size: usize) -> usize {
    let mut size = size.min(text.len() - start);
    while size > 0 && !text.is_char_boundary(start + size) {
        size -= 1;
    }
    size
}

/// Where to end a part: after the last line break, clause or word in its second half, else at its end.
fn nice_end(part: &str) -> usize {
    let half = part.len() / 2;
    let after_last = |matches: fn(char) -> bool| {
        part.char_indices().rev().find(|(at, c)| *at >= half && matches(*c)).map(|(at, c)| at + c.len_utf8())
    };
    after_last(|c| c == '\n')
        .or_else(|| after_last(|c| matches!(c, ';' | '。' | '，' | '、' | '}')))
        .or_else(|| after_last(char::is_whitespace))
        .or_else(|| after_last(|c| matches!(c, ',' | '/' | ')' | ']' | '|')))
        .unwrap_or(part.len())
}
