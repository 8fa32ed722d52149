//! What holds for every text that is split.

use tamis::document::{BlockKind, Segment};
use tamis::extract::{Extracted, MediaType};
use tamis::split::{Limits, split};

pub const LIMITS: Limits = Limits { block: 24, segment: 60, overlap: 0 };

/// Words, roughly as a tokenizer counts them; long words are several.
pub fn tokens(text: &str) -> usize {
    text.split_whitespace().map(|w| 1 + w.len() / 8).sum()
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c == '\u{feff}')
}

/// Splits and checks the invariants.
pub fn check(source: &Extracted) -> Vec<Segment> {
    check_with(source, LIMITS)
}

/// The same with other limits.
pub fn check_with(source: &Extracted, limits: Limits) -> Vec<Segment> {
    let segments = split(source, limits, &tokens);
    check_segments(source, &segments, limits);
    segments
}

/// Checks the invariants of what a text was split into.
pub fn check_segments(source: &Extracted, segments: &[Segment], limits: Limits) {
    let (text, media) = (source.text.as_str(), source.media);
    let mut end = 0;
    for segment in segments {
        assert!(!segment.blocks.is_empty());
        let mut sum = 0;
        for (n, block) in segment.blocks.iter().enumerate() {
            let (start, stop) = (block.span.start as usize, block.span.end as usize);
            assert!(start >= end && stop > start, "{media:?}: {:?} after {end}", block.span);
            let between = text.get(end..start).expect("spans are on character boundaries");
            assert!(is_blank(between), "{media:?}: lost {between:?}");
            let size = tokens(text.get(start..stop).expect("spans are on character boundaries"));
            assert!(size <= limits.block, "{media:?}: a block of {size}: {:?}", &text[start..stop]);
            sum += size;
            end = stop;
            for context in segment.shown_before(n) {
                assert!(context.span.slice(text).is_some_and(|t| !t.is_empty()));
                assert!(context.span.end <= block.span.start, "{media:?}: context stands before what needs it");
            }
        }
        if let Some(lead) = segment.lead {
            let text = lead.slice(text).expect("spans are on character boundaries");
            assert!(lead.end <= segment.span().start && !text.is_empty(), "{media:?}: {lead:?}");
        }
        assert!(sum <= limits.segment, "{media:?}: a segment of {sum}");
        for context in &segment.context {
            assert!(context.span.slice(text).is_some());
            assert!(context.first < context.end && context.end as usize <= segment.blocks.len());
        }
    }
    assert!(is_blank(&text[end..]), "{media:?}: lost {:?}", &text[end..]);
}

/// The same for a text of a type that needs no extraction.
pub fn check_text(text: &str, media: MediaType) -> Vec<Segment> {
    check(&Extracted::text(text, media))
}

/// Every block as `kind text`, with what is shown before it, under the headings of its segments.
pub fn outline(source: &Extracted, limits: Limits) -> String {
    let text = source.text.as_str();
    let mut out = String::new();
    for segment in split(source, limits, &tokens) {
        let place = segment.place(segment.span());
        out.push_str(format!("== {} {place}", segment.heading(text)).trim_end());
        out.push('\n');
        for (n, block) in segment.blocks.iter().enumerate() {
            let shown: Vec<&str> = segment.shown_before(n).map(|c| &text[c.span.range()]).collect();
            let before = if shown.is_empty() { String::new() } else { format!(" <{}>", shown.join("> <")) };
            out.push_str(&format!("{}{before}: {}\n", block.kind.name(), &text[block.span.range()]));
        }
    }
    out
}

/// The blocks of some kinds, in order.
pub fn blocks<'t>(source: &'t Extracted, limits: Limits, kinds: &[BlockKind]) -> Vec<&'t str> {
    let segments = split(source, limits, &tokens);
    let all = segments.into_iter().flat_map(|s| s.blocks);
    all.filter(|b| kinds.contains(&b.kind)).map(|b| &source.text[b.span.range()]).collect()
}
