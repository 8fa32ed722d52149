//! Text to blocks to segments, without losing a byte.
//!
//! Two steps, each with one job:
//!
//! 1. A splitter for the media type (`prose`, `markdown`, `code`) cuts the text into *sections*: runs of
//!    blocks under one heading path or scope.
//! 2. `pack` fills segments with whole blocks of one section, up to the encoder's length, and cuts
//!    the rare block that is longer than that.
//!
//! Between the two, `tile` makes every splitter lossless: whatever non-whitespace text a splitter
//! passed over becomes part of a block.
//!
//! ```
//! use tamis::{extract::MediaType, split::{split, Limits}};
//!
//! let text = "# Soup\n\nSift the flour. Add 1.5 l of water.\n";
//! let words = |s: &str| s.split_whitespace().count();
//! let segments = split(text, MediaType::Markdown, Limits { block: 40, segment: 120 }, &words);
//! let blocks: Vec<&str> = segments.iter()
//!     .flat_map(|s| &s.blocks)
//!     .map(|b| b.span.slice(text).unwrap())
//!     .collect();
//! assert_eq!(blocks, ["# Soup", "Sift the flour.", "Add 1.5 l of water."]);
//! assert_eq!(segments[0].heading(text), "Soup");
//! ```

mod code;
mod grammar;
mod markdown;
mod pack;
mod prose;
mod sentence;
mod tile;

use crate::document::{Block, BlockKind, Segment};
use crate::extract::MediaType;
use crate::span::Span;

/// Version of the splitting rules; part of a collection's settings, so that a change is noticed.
pub const SPLITTER_VERSION: u32 = 1;

/// Upper limits in tokens of the measure handed to [`split`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest block; longer sentences and statements are cut at lines, words, then characters.
    pub block: usize,
    /// Longest segment, without its context spans.
    pub segment: usize,
}

/// Counts tokens of a text, normally the encoder's.
pub type Measure<'a> = &'a dyn Fn(&str) -> usize;

/// A run of blocks under one heading path or scope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    context: Vec<Span>,
    blocks: Vec<Piece>,
}

/// A block before packing: knows whether a paragraph or declaration begins with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    block: Block,
    opens: bool,
}

impl Piece {
    fn new(span: Span, kind: BlockKind, opens: bool) -> Self {
        Self { block: Block { span, kind }, opens }
    }
}

/// Splits a text into segments of blocks.
///
/// The blocks tile the text up to whitespace: they are in order, disjoint, not empty, on character
/// boundaries, and every character outside them is whitespace. No segment is longer than
/// `limits.segment` by the sum of its blocks' measures. Work is linear in the text.
#[must_use]
pub fn split(text: &str, media: MediaType, limits: Limits, measure: Measure<'_>) -> Vec<Segment> {
    let sections = match media {
        MediaType::Plain => prose::sections(text, Span::new(0, text.len())),
        MediaType::Markdown => markdown::sections(text, limits, measure),
        MediaType::Code(language) => code::sections(text, Span::new(0, text.len()), language, limits, measure),
    };
    pack::segments(text, tile::complete(text, sections), limits, measure)
}
