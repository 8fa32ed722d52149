//! What was split is split anew.

use std::fs;
use std::path::{Path, PathBuf};

use tamis::document::{ContextKind, Segment};
use tamis::extract::{self, Extracted};
use tamis::span::Span;
use tamis::split::{Limits, split, split_again};

use crate::check::{check_segments, tokens};

const WIDE: Limits = Limits { block: 60, segment: 200, overlap: 0 };
const NARROW: Limits = Limits { block: 24, segment: 60, overlap: 0 };

/// The documents that tests have of every kind.
fn documents() -> Vec<(String, Extracted)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/split");
    let folders = ["documents", "real", "code", ""].map(|folder| data.join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.is_file()).collect();
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        // Some of them can't be read, which is what they are for.
        extract::read_file(name, fs::read(file).unwrap()).ok().map(|source| (name.to_owned(), source))
    };
    let documents: Vec<_> = files.iter().filter_map(read).collect();
    let extracted = documents.iter().filter(|(_, source)| source.media.is_extracted()).count();
    assert!(extracted > 8 && documents.len() > extracted + 10, "{extracted} of {}", documents.len());
    documents
}

fn again(source: &Extracted, before: &[Segment], limits: Limits) -> Vec<Segment> {
    let segments = split_again(&source.text, source.media, before, limits, &tokens);
    check_segments(source, &segments, limits);
    segments
}

/// Every block's span with the headings above it and what is shown before it.
fn blocks(segments: &[Segment]) -> Vec<(Span, Vec<(ContextKind, u64)>)> {
    let of = |segment: &Segment| {
        let named: Vec<_> =
            segment.context.iter().filter(|c| !c.kind.is_shown()).map(|c| (c.kind, c.span.start)).collect();
        let block = |n: usize| {
            let shown = segment.shown_before(n).map(|c| (c.kind, c.span.start));
            (segment.blocks[n].span, named.iter().copied().chain(shown).collect())
        };
        (0..segment.blocks.len()).map(block).collect::<Vec<_>>()
    };
    segments.iter().flat_map(of).collect()
}

#[test]
fn with_the_same_limits_nothing_changes() {
    for limits in [WIDE, NARROW, Limits { overlap: 2, ..WIDE }] {
        for (name, source) in documents() {
            let before = split(&source, limits, &tokens);
            assert_eq!(again(&source, &before, limits), before, "{name}");
        }
    }
}

#[test]
fn what_tells_its_structure_is_split_as_if_it_had_just_come() {
    for (name, source) in documents().into_iter().filter(|(_, source)| !source.media.is_extracted()) {
        let before = split(&source, WIDE, &tokens);
        for limits in [NARROW, Limits { overlap: 1, ..NARROW }] {
            assert_eq!(again(&source, &before, limits), split(&source, limits, &tokens), "{name}");
        }
    }
}

#[test]
fn blocks_of_extracted_text_are_kept_with_what_they_need() {
    for (name, source) in documents().into_iter().filter(|(_, source)| source.media.is_extracted()) {
        let before = split(&source, Limits { block: NARROW.block, ..WIDE }, &tokens);
        let after = again(&source, &before, NARROW);
        assert_eq!(blocks(&after), blocks(&before), "{name}");
        let overlapping = again(&source, &before, Limits { overlap: 2, ..NARROW });
        assert_eq!(blocks(&overlapping), blocks(&before), "{name}");
        let places = |segments: &[Segment]| {
            let place = |s: &Segment| s.blocks.iter().map(|b| s.place(b.span).to_owned()).collect::<Vec<_>>();
            segments.iter().flat_map(place).collect::<Vec<_>>()
        };
        assert_eq!(places(&after), places(&before), "{name}");
        let longest = before.iter().map(|s| s.blocks.len()).max().unwrap();
        assert!(after.len() >= before.len() || longest == 1, "{name}");
    }
}
