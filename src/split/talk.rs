//! Chat transcripts: a turn is what one speaker says until the next one speaks.

use super::lines::{Line, cover, lines};
use crate::extract::shape::speaker;
use crate::extract::{Part, PartKind};
use crate::span::Span;

pub(super) fn parts(text: &str, span: Span) -> Vec<Part> {
    let lines: Vec<Line<'_>> = lines(text, span).filter(|l| !l.is_blank()).collect();
    let mut out = Vec::new();
    let mut open: Option<(usize, usize)> = None; // the turn's first line, and bytes of its head
    for (n, line) in lines.iter().enumerate() {
        let head = speaker(line.text);
        if n > 0 && head.is_none() {
            continue;
        }
        if let Some((first, bytes)) = open.take() {
            out.push(Part::new(cover(&lines[first..n]), PartKind::Turn(bytes as u32)));
        }
        open = Some((n, head.unwrap_or(0)));
    }
    if let Some((first, bytes)) = open {
        out.push(Part::new(cover(&lines[first..]), PartKind::Turn(bytes as u32)));
    }
    out
}
