//! Lines with their places, for the parsers that read a text line by line.

use crate::span::Span;

/// A line.
#[derive(Clone, Copy)]
pub(super) struct Line<'t> {
    /// With its line break.
    pub(super) span: Span,
    /// Without its line break.
    pub(super) text: &'t str,
}

impl<'t> Line<'t> {
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Width of the leading blanks; a tab goes to the next multiple of four.
    pub(super) fn indent(&self) -> usize {
        let mut width = 0;
        for c in self.text.chars() {
            match c {
                ' ' => width += 1,
                '\t' => width += 4 - width % 4,
                _ => break,
            }
        }
        width
    }

    /// The text without blanks around it.
    pub(super) fn trimmed(&self) -> &'t str {
        self.text.trim()
    }
}

/// The lines of a stretch of text.
pub(super) fn lines(text: &str, span: Span) -> impl Iterator<Item = Line<'_>> {
    let mut at = span.start as usize;
    text[span.range()].split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        Line { span: Span::new(start, at), text: line.trim_end_matches(['\n', '\r']) }
    })
}

/// A run of lines as one span.
pub(super) fn cover(lines: &[Line<'_>]) -> Span {
    match (lines.first(), lines.last()) {
        (Some(first), Some(last)) => first.span.cover(last.span),
        _ => Span::new(0, 0),
    }
}

/// Whether a line is made of one punctuation character, at least so many times.
pub(super) fn is_rule(text: &str, characters: &str, at_least: usize) -> bool {
    let text = text.trim();
    let Some(first) = text.chars().next() else { return false };
    characters.contains(first) && text.chars().all(|c| c == first) && text.len() >= at_least * first.len_utf8()
}
