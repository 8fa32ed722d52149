//! Blocks of text that was split and not ranked.

use crate::document::{BlockKind, Segment};
use crate::fit::{Piece, Quote};
use crate::span::Span;

/// A block that may be kept.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) span: Span,
    pub(super) kind: BlockKind,
    pub(super) text: String,
    /// What stands between it and the one before, where that is of the same segment.
    joined: Option<String>,
    heading: String,
    context: Vec<Quote>,
}

impl Block {
    /// The block as a piece of a source.
    pub(super) fn piece(&self, source: usize, score: f32) -> Piece {
        Piece {
            source,
            span: self.span,
            text: self.text.clone(),
            joined: self.joined.clone(),
            heading: self.heading.clone(),
            place: String::new(),
            context: self.context.clone(),
            score,
            first: false,
            repeats: Vec::new(),
            kept: Vec::new(),
        }
    }
}

/// A segment's blocks that can be kept, with their places in the document that the text begins at byte `at` of, and for
/// each where, in the text, the next one begins.
pub(super) fn blocks<'s>(segment: &'s Segment, text: &'s str, at: u64) -> impl Iterator<Item = (Block, u64)> + 's {
    let heading = segment.heading(text);
    let all = &segment.blocks;
    all.iter().enumerate().filter(|(_, block)| !block.kind.is_label()).map(move |(n, block)| {
        let end = all.get(n + 1).map_or(block.span.end, |next| next.span.start);
        let follows = n.checked_sub(1).and_then(|before| all.get(before)).filter(|before| !before.kind.is_label());
        let slice = |from: u64, to: u64| text.get(from as usize..to as usize).unwrap_or_default().to_owned();
        let quote = |span: Span| Quote { span: span.moved(at), text: slice(span.start, span.end) };
        let kept = Block {
            span: block.span.moved(at),
            kind: block.kind,
            text: slice(block.span.start, block.span.end),
            joined: follows.map(|before| slice(before.span.end, block.span.start)),
            heading: heading.clone(),
            context: segment.shown_before(n).map(|c| quote(c.span)).collect(),
        };
        (kept, end)
    })
}
