//! Plain prose: paragraphs by blank lines, list items by their markers, headings by what underlines them.

use super::lines::{Line, cover, is_rule, lines};
use crate::extract::shape::is_item;
use crate::extract::{Part, PartKind};
use crate::span::Span;

/// Longest line that is a heading if it is underlined, in bytes.
const MAX_HEADING_BYTES: usize = 120;
/// Every so many columns of indentation are a level of a list.
const COLUMNS_PER_LEVEL: usize = 2;
/// Deepest level of a list.
const MAX_LIST_DEPTH: usize = 32;

/// The parts of a stretch of prose.
pub(super) fn parts(text: &str, span: Span) -> Vec<Part> {
    let lines: Vec<Line<'_>> = lines(text, span).collect();
    let mut out = Vec::new();
    let mut open: Option<(usize, PartKind)> = None; // first line and role of the paragraph being read
    let mut base = 0; // indentation of the list's first item
    for (n, line) in lines.iter().enumerate() {
        let mut flush = |open: &mut Option<(usize, PartKind)>| {
            let Some((first, kind)) = open.take() else { return };
            out.push(Part::new(cover(&lines[first..n]), kind));
        };
        if line.is_blank() {
            flush(&mut open);
        } else if is_item(line.text) {
            let follows = matches!(open, Some((_, PartKind::Item(_))));
            flush(&mut open);
            if !follows && !matches!(out.last(), Some(Part { kind: PartKind::Item(_), .. })) {
                base = line.indent();
            }
            let level = 1 + line.indent().saturating_sub(base) / COLUMNS_PER_LEVEL;
            open = Some((n, PartKind::Item(level.min(MAX_LIST_DEPTH) as u8)));
        } else if let Some((first, PartKind::Paragraph)) = open
            && first + 1 == n
            && lines[first].text.len() <= MAX_HEADING_BYTES
            && is_rule(line.text, "=-", 3)
            && line.trimmed().len() + 2 >= lines[first].trimmed().chars().count()
        {
            let level = if line.trimmed().starts_with('=') { 1 } else { 2 };
            out.push(Part::new(cover(&lines[first..=n]), PartKind::Heading(level)));
            open = None;
        } else if open.is_none() {
            open = Some((n, PartKind::Paragraph));
        }
    }
    if let Some((first, kind)) = open {
        out.push(Part::new(cover(&lines[first..]), kind));
    }
    out
}
