//! Subtitles (SubRip, WebVTT): cues with their numbers and times, together until a sentence ends.

use super::lines::{Line, cover, lines};
use crate::extract::{Part, PartKind};
use crate::span::Span;

/// Cues that no sentence ends are cut here.
const MAX_CUES: usize = 6;

pub(super) fn parts(text: &str, span: Span) -> Vec<Part> {
    let lines: Vec<Line<'_>> = lines(text, span).collect();
    let mut out = Vec::new();
    let (mut first, mut cues) = (0, 0);
    for cue in cues_of(&lines) {
        if cues == 0 {
            first = cue.0;
        }
        if !is_timed(&lines[cue.0..cue.1]) {
            // A header or a note.
            if cues > 0 {
                out.push(Part::new(cover(&lines[first..cue.0]), PartKind::Turn(0)));
            }
            out.push(Part::new(cover(&lines[cue.0..cue.1]), PartKind::Entry));
            cues = 0;
            continue;
        }
        cues += 1;
        let last = lines[cue.1 - 1].trimmed().trim_end_matches(['"', '”', '」', ')', '>']);
        let ends = last.ends_with(['.', '!', '?', '…', '。', '！', '？', '।', '؟']) && !last.ends_with("...");
        if ends || cues == MAX_CUES {
            out.push(Part::new(cover(&lines[first..cue.1]), PartKind::Turn(0)));
            cues = 0;
        }
    }
    if cues > 0 {
        out.push(Part::new(cover(&lines[first..]), PartKind::Turn(0)));
    }
    out
}

fn is_timed(lines: &[Line<'_>]) -> bool {
    lines.iter().take(2).any(|l| l.text.contains("-->"))
}

/// Runs of lines between blank lines, as ranges of line numbers.
fn cues_of(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut first = None;
    for (n, line) in lines.iter().enumerate() {
        match (line.is_blank(), first) {
            (true, Some(from)) => {
                out.push((from, n));
                first = None;
            }
            (false, None) => first = Some(n),
            _ => {}
        }
    }
    out.extend(first.map(|from| (from, lines.len())));
    out
}
