//! What was split before, split anew: by other rules, or into segments of another size.
//!
//! Where the text itself tells its structure, it is split as if it had just come. Of a text that was extracted, the parts are
//! known no more; its blocks are kept, with the headings above them and what is shown before them, and segments are filled
//! with them anew.

use super::section::{Piece, Section, Shown};
use super::{Limits, Measure, pack, sections, semantic, tile};
use crate::document::{BlockKind, Segment};
use crate::extract::MediaType;
use crate::span::Span;

/// Splits a text that was split into these segments.
#[must_use]
pub fn split_again(
    text: &str,
    media: MediaType,
    segments: &[Segment],
    limits: Limits,
    measure: Measure<'_>,
) -> Vec<Segment> {
    let sections =
        if media.is_extracted() { kept(text, segments) } else { sections(text, &[], media, limits, measure) };
    let places = semantic::places(segments);
    pack::segments(text, tile::complete(text, sections), &places, limits, measure)
}

/// The sections that segments were filled from.
fn kept(text: &str, segments: &[Segment]) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    let mut end = 0;
    for segment in segments {
        let path = semantic::named(segment);
        if out.last().is_none_or(|last| last.path != path) {
            out.push(Section { path, blocks: Vec::new() });
        }
        for (n, block) in segment.blocks.iter().enumerate() {
            let between = Span { start: end, end: block.span.start.max(end) }.slice(text).unwrap_or_default();
            // Extracted text has an empty line between parts, and a line's end between items.
            let opens = match block.kind {
                BlockKind::TableRow => false,
                BlockKind::ListItem => between.contains('\n'),
                BlockKind::Sentence | BlockKind::Turn => end == 0 || between.contains("\n\n"),
                _ => true,
            };
            let outwards = segment.shown_before(n).fold(None, |outer: Option<Shown>, context| {
                Some(Shown::new(context.span, context.kind, outer.as_ref()))
            });
            let piece = Piece::new(block.span, block.kind, opens).after(outwards.as_ref());
            if let Some(section) = out.last_mut() {
                section.blocks.push(piece);
            }
            end = block.span.end;
        }
    }
    out
}
