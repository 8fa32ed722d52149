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

/// Stretches of at most so many bytes and lines that can be read by themselves: from the second half on, the first
/// line at the margin begins the next one. A longer line is a stretch of its own.
pub(super) fn windows(text: &str, span: Span, max_bytes: usize, max_lines: usize) -> Vec<Span> {
    let mut out = Vec::new();
    let (mut start, mut count) = (span.start as usize, 0);
    for line in lines(text, span) {
        let at = line.span.start as usize;
        let at_margin = !line.is_blank() && line.indent() == 0 && !line.text.starts_with(['}', ')', ']', '#']);
        let half = at - start > max_bytes / 2 || count > max_lines / 2;
        let full = line.span.end as usize - start > max_bytes || count >= max_lines;
        if count > 0 && (full || (at_margin && half)) {
            out.push(Span::new(start, at));
            (start, count) = (at, 0);
        }
        count += 1;
    }
    out.push(Span::new(start, span.end as usize));
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_tile_the_text_and_begin_at_the_margin() {
        let text = "a:\n  b: 1\n  c: 2\n".repeat(10_000);
        let windows = windows(&text, Span::new(0, text.len()), 40_000, usize::MAX);
        assert!(windows.len() > 2);
        assert!(windows.windows(2).all(|w| w[0].end == w[1].start));
        assert!(windows.iter().all(|w| text[w.range()].starts_with("a:") && w.len() <= 40_000));
    }
}
