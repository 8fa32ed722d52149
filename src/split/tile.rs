//! Makes a splitter's output lossless: blocks tile the text up to whitespace.

use super::section::{Piece, Section};
use crate::document::BlockKind;
use crate::span::Span;

/// Characters that no block needs to hold.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// Trims blocks, drops empty and overlapping parts, and gives every passed-over piece of text to a
/// block: to the one that follows on the same line, else to one of its own.
pub(super) fn complete(text: &str, sections: Vec<Section>) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::with_capacity(sections.len());
    let mut done = 0; // everything before this byte is tiled
    for section in sections {
        let mut blocks = Vec::with_capacity(section.blocks.len());
        for mut piece in section.blocks {
            let clipped = Span::new((piece.block.span.start as usize).max(done), piece.block.span.end as usize);
            let span = trim(text, clipped);
            if span.is_empty() {
                continue;
            }
            let gap = trim(text, Span::new(done, span.start as usize));
            if piece.block.span.trim(text) != span {
                piece.tokens = None; // it lost what another block has
            }
            piece.block.span = span;
            if !gap.is_empty() {
                let between = &text[gap.end as usize..span.start as usize];
                if between.contains('\n') {
                    blocks.push(Piece::new(gap, BlockKind::Sentence, true));
                } else {
                    piece.block.span = gap.cover(span);
                    piece.tokens = None;
                }
            }
            done = span.end as usize;
            blocks.push(piece);
        }
        if !blocks.is_empty() {
            out.push(Section { path: section.path, blocks });
        }
    }
    let rest = trim(text, Span::new(done, text.len()));
    if !rest.is_empty() {
        let piece = Piece::new(rest, BlockKind::Sentence, true);
        match out.last_mut() {
            Some(last) => last.blocks.push(piece),
            None => out.push(Section { path: Vec::new(), blocks: vec![piece] }),
        }
    }
    out
}

/// The span without blanks at both ends.
fn trim(text: &str, span: Span) -> Span {
    let Some(slice) = span.slice(text) else { return Span::new(span.start as usize, span.start as usize) };
    let start = span.start as usize + (slice.len() - slice.trim_start_matches(is_blank).len());
    Span::new(start, start + slice.trim_matches(is_blank).len())
}
