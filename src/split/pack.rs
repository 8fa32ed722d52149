//! Segments: filled to the encoder's length with whole blocks of one section.

use super::{Limits, Measure, Piece, Section};
use crate::document::{Block, Segment};
use crate::span::Span;

/// A paragraph that does not fit the rest of a segment opens a new one if this share is already used.
const FULL_ENOUGH: f64 = 0.5;

pub(super) fn segments(text: &str, sections: Vec<Section>, limits: Limits, measure: Measure<'_>) -> Vec<Segment> {
    let limit = limits.segment.max(1);
    let mut out = Vec::new();
    for section in sections {
        let sized = sized_blocks(text, &section.blocks, limits, measure);
        let paragraphs = paragraph_sizes(&sized);
        let mut blocks: Vec<Block> = Vec::new();
        let mut filled = 0;
        for (n, (piece, tokens)) in sized.iter().enumerate() {
            let overflows = filled + tokens > limit;
            let breaks_well =
                piece.opens && filled + paragraphs[n] > limit && filled as f64 >= FULL_ENOUGH * limit as f64;
            if !blocks.is_empty() && (overflows || breaks_well) {
                out.push(Segment { blocks: std::mem::take(&mut blocks), context: section.context.clone() });
                filled = 0;
            }
            blocks.push(piece.block);
            filled += tokens;
        }
        if !blocks.is_empty() {
            out.push(Segment { blocks, context: section.context });
        }
    }
    out
}

/// Blocks with their tokens; those over the limit are cut.
fn sized_blocks(text: &str, pieces: &[Piece], limits: Limits, measure: Measure<'_>) -> Vec<(Piece, usize)> {
    let limit = limits.block.min(limits.segment).max(1);
    let mut out = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let span = piece.block.span;
        let slice = &text[span.range()];
        // A token has at least one byte of text, so short blocks need no second look.
        let tokens = if slice.len() <= CUT_WINDOW { measure(slice) } else { usize::MAX };
        if tokens <= limit {
            out.push((*piece, tokens));
            continue;
        }
        for (n, (part, tokens)) in cut(text, span, limit, measure).into_iter().enumerate() {
            out.push((Piece::new(part, piece.block.kind, piece.opens && n == 0), tokens));
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
        let mut size = floor_boundary(text, start, (end - start).min(CUT_WINDOW).min(limit.saturating_mul(8).max(16)));
        let mut tokens = measure(&text[start..start + size]);
        // Shrink in proportion until it fits; one character always does, whatever its tokens.
        while tokens > limit {
            let shrunk = (size * limit / tokens).min(size.saturating_sub(1));
            let next = floor_boundary(text, start, shrunk);
            if next == 0 {
                size = text[start..].chars().next().map_or(1, char::len_utf8);
                tokens = measure(&text[start..start + size]).min(limit);
                break;
            }
            size = next;
            tokens = measure(&text[start..start + size]);
        }
        if start + size < end {
            let nice = nice_end(&text[start..start + size]);
            if nice < size {
                size = nice;
                tokens = measure(&text[start..start + size]).min(limit);
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
