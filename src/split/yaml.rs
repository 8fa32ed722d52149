//! What the YAML grammar's scanner can not take: it keeps its indentation levels in a buffer of fixed size, whose
//! overflow ends the process, and counts lines in 16 bits.

use super::lines::lines;
use crate::span::Span;

/// The scanner's buffer holds about 250 levels.
const MAX_DEPTH: usize = 200;
/// Lines parsed at a time.
pub(super) const MAX_LINES: usize = 30_000;

/// Whether a text is nested deeper than the scanner can take, at most.
pub(super) fn is_too_deep(source: &str) -> bool {
    let mut open: Vec<usize> = Vec::new();
    let mut brackets: usize = 0;
    for line in lines(source, Span::new(0, source.len())) {
        if line.is_blank() {
            continue;
        }
        let indent = line.text.len() - line.text.trim_start().len();
        while open.last().is_some_and(|column| *column > indent) {
            open.pop();
        }
        let mut column = indent;
        let mut rest = &line.text[indent..];
        // `- - ? x`: every marker opens a level.
        while let Some(inner) =
            rest.strip_prefix(['-', '?', ':']).filter(|r| r.is_empty() || r.starts_with([' ', '\t']))
        {
            push(&mut open, column);
            column += rest.len() - inner.trim_start().len();
            rest = inner.trim_start();
        }
        push(&mut open, column);
        for byte in line.text.bytes() {
            match byte {
                b'[' | b'{' => brackets += 1,
                b']' | b'}' => brackets = brackets.saturating_sub(1),
                _ => {}
            }
        }
        if open.len() + brackets > MAX_DEPTH {
            return true;
        }
    }
    false
}

fn push(open: &mut Vec<usize>, column: usize) {
    if open.last().is_none_or(|last| *last < column) {
        open.push(column);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_by_indents_markers_and_brackets() {
        assert!(!is_too_deep("a:\n  b:\n    - c\n    - d: [1, {e: f}]\ng: 1\n"));
        assert!(is_too_deep(&("- ".repeat(254) + "x")));
        assert!(is_too_deep(&"[".repeat(300)));
        assert!(is_too_deep(&(0..300).map(|n| " ".repeat(n) + "a:\n").collect::<String>()));
        assert!(!is_too_deep(&"- a: 1\n  b: 2\n".repeat(5000)));
    }
}
