//! Text to blocks to segments, without losing a byte.
//!
//! Three steps, each with one job:
//!
//! 1. What is known of the text's structure becomes *sections*, runs of blocks under one heading path or
//!    scope. For markup (`markdown`, `rst`, ...), tables, logs, conversations and what an extractor found,
//!    parts are turned into blocks by `outline`; source code and JSON have splitters of their own.
//! 2. `tile` makes every splitter lossless: whatever a splitter passed over becomes part of a block.
//! 3. `pack` fills segments with whole blocks of one section, up to the encoder's length, and cuts the
//!    rare block that is longer than its limit.
//!
//! ```
//! use tamis::{extract::{Extracted, MediaType}, split::{split, Limits}};
//!
//! let source = Extracted::text("# Soup\n\nSift the flour. Add 1.5 l of water.\n", MediaType::Markdown);
//! let words = |s: &str| s.split_whitespace().count();
//! let segments = split(&source, Limits { block: 40, segment: 120, overlap: 0 }, &words);
//! let blocks: Vec<&str> = segments.iter()
//!     .flat_map(|s| &s.blocks)
//!     .map(|b| b.span.slice(&source.text).unwrap())
//!     .collect();
//! assert_eq!(blocks, ["# Soup", "Sift the flour.", "Add 1.5 l of water."]);
//! assert_eq!(segments[0].heading(&source.text), "Soup");
//! ```

mod abbreviations;
mod again;
mod asciidoc;
mod code;
mod grammar;
mod json;
mod lines;
mod log;
mod markdown;
mod outline;
mod pack;
mod prose;
mod rst;
mod section;
pub mod semantic;
mod sentence;
mod sizes;
mod subtitles;
mod table;
mod talk;
mod tile;
mod yaml;

use crate::document::Segment;
use crate::extract::{Extracted, MediaType, Part};
use crate::span::Span;

pub use again::split_again;
use section::Section;

/// Version of the splitting rules; part of a collection's settings, so that a change is noticed.
pub const SPLITTER_VERSION: u32 = 3;

/// Upper limits in tokens of the measure handed to [`split`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest block; longer sentences and statements are cut at lines, clauses, words, then characters.
    pub block: usize,
    /// Longest segment, without its context spans.
    pub segment: usize,
    /// Blocks at the end of a segment that are also read with the next one, where both are of one section.
    /// They count towards its limit.
    pub overlap: usize,
}

impl Limits {
    fn of_block(&self) -> usize {
        self.block.min(self.segment).max(1)
    }
}

/// Counts tokens of a text, normally the encoder's.
///
/// Whole lines must not count more together than one by one, nor a part more than the whole: tokenizers that
/// never join text across a line break or count words keep to that.
pub type Measure<'a> = &'a dyn Fn(&str) -> usize;

/// The sentences of one paragraph.
pub(crate) fn sentences(paragraph: &str) -> Vec<Span> {
    let mut out = Vec::new();
    sentence::sentences(paragraph, Span::new(0, paragraph.len()), &mut out);
    out
}

/// Splits a text into segments of blocks.
///
/// The blocks tile the text up to whitespace: they are in order, disjoint, not empty, on character
/// boundaries, and every character outside them is whitespace. No block is longer than `limits.block` and
/// no segment longer than `limits.segment` by the sum of its blocks' measures, except where a single
/// character is. Work is linear in the text.
#[must_use]
pub fn split(source: &Extracted, limits: Limits, measure: Measure<'_>) -> Vec<Segment> {
    let sections = sections(&source.text, &source.parts, source.media, limits, measure);
    pack::segments(&source.text, tile::complete(&source.text, sections), &source.places, limits, measure)
}

/// The sections of a text of which an extractor knows these parts; without any, the text itself tells.
fn sections(text: &str, known: &[Part], media: MediaType, limits: Limits, measure: Measure<'_>) -> Vec<Section> {
    let whole = Span::new(0, text.len());
    if !known.is_empty() {
        return outline::sections(text, known, limits, measure);
    }
    match media {
        MediaType::Code(language) => code::sections(text, whole, language, limits, measure),
        MediaType::Json | MediaType::JsonLines => json::sections(text, whole, limits, measure),
        media => outline::sections(text, &parts(text, whole, media), limits, measure),
    }
}

/// The parts of a text of a type that is parsed into parts; of all others, the paragraphs.
fn parts(text: &str, span: Span, media: MediaType) -> Vec<Part> {
    match media {
        MediaType::Markdown => markdown::parts(text, span),
        MediaType::ReStructuredText => rst::parts(text, span),
        MediaType::AsciiDoc => asciidoc::parts(text, span),
        MediaType::Csv | MediaType::Tsv => table::parts(text, span, media),
        MediaType::Log => log::parts(text, span),
        MediaType::Chat => talk::parts(text, span),
        MediaType::Subtitles => subtitles::parts(text, span),
        _ => prose::parts(text, span),
    }
}
