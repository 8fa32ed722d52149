//! Plain prose: paragraphs by blank lines, list items by their markers, sentences inside.

use super::sentence::sentences;
use super::{Piece, Section};
use crate::document::BlockKind;
use crate::span::Span;

pub(super) fn sections(text: &str, span: Span) -> Vec<Section> {
    vec![Section { context: Vec::new(), blocks: pieces(text, span) }]
}

/// The sentences and list items of a stretch of prose.
pub(super) fn pieces(text: &str, span: Span) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut found = Vec::new();
    let mut paragraph: Option<(Span, BlockKind)> = None;
    let mut flush = |paragraph: &mut Option<(Span, BlockKind)>| {
        let Some((span, kind)) = paragraph.take() else { return };
        found.clear();
        sentences(text, span, &mut found);
        out.extend(found.iter().enumerate().map(|(n, s)| Piece::new(*s, kind, n == 0)));
    };
    let mut at = span.start as usize;
    for line in text[span.range()].split_inclusive('\n') {
        let here = Span::new(at, at + line.len());
        at += line.len();
        if line.trim().is_empty() {
            flush(&mut paragraph);
        } else if is_list_line(line) {
            flush(&mut paragraph);
            paragraph = Some((here, BlockKind::ListItem));
        } else {
            paragraph = Some(paragraph.map_or((here, BlockKind::Sentence), |(p, kind)| (p.cover(here), kind)));
        }
    }
    flush(&mut paragraph);
    out
}

/// `- `, `* `, `• `, `1. `, `2) `, `(a) `.
pub(super) fn is_list_line(line: &str) -> bool {
    let line = line.trim_start();
    let Some((marker, rest)) = line.split_once(char::is_whitespace) else { return false };
    if rest.trim().is_empty() {
        return false;
    }
    match marker {
        "-" | "*" | "+" | "•" | "–" => true,
        _ => {
            let inner = marker.trim_start_matches('(').trim_end_matches(['.', ')']);
            inner.len() < marker.len()
                && !inner.is_empty()
                && inner.len() <= 3
                && (inner.chars().all(|c| c.is_ascii_digit()) || (marker.starts_with('(') && inner.len() == 1))
        }
    }
}
