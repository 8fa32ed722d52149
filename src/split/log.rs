//! Logs: a record is a line with the lines that continue it, such as a stack trace.

use super::lines::{Line, cover, lines};
use crate::extract::shape::has_time;
use crate::extract::{Part, PartKind};
use crate::span::Span;

/// Share of unindented lines that must carry a time for the time to mark records.
const TIMED_SHARE: f64 = 0.3;

pub(super) fn parts(text: &str, span: Span) -> Vec<Part> {
    let lines: Vec<Line<'_>> = lines(text, span).filter(|l| !l.is_blank()).collect();
    let unindented = lines.iter().filter(|l| l.indent() == 0);
    let (mut all, mut timed) = (0u32, 0u32);
    for line in unindented {
        all += 1;
        timed += u32::from(has_time(line.text));
    }
    let by_time = timed > 0 && f64::from(timed) >= TIMED_SHARE * f64::from(all);
    let begins =
        |line: &Line<'_>| line.indent() == 0 && if by_time { has_time(line.text) } else { !is_continuation(line.text) };
    let mut out = Vec::new();
    let mut first = 0;
    for n in 1..=lines.len() {
        if n == lines.len() || begins(&lines[n]) {
            out.push(Part::new(cover(&lines[first..n]), PartKind::Entry));
            first = n;
        }
    }
    out
}

/// Whether a line without a time continues the record before it.
fn is_continuation(line: &str) -> bool {
    ["at ", "Caused by", "Traceback", "...", "}", ")", "]", "+", "|"].iter().any(|c| line.starts_with(c))
}
