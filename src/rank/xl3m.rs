//! XL3M (arXiv 2405.17755, section 3): segments of fixed length with overlap, each read alone before the question; where
//! the next token is certain, the answer stands. The most certain segments make the context, in their own order.

use std::collections::HashMap;
use std::ops::Range;

use super::fusion::Candidate;
use super::policy::Who;
use super::reading::{End, Heard, RESERVE, Readings, in_time};
use super::runs::{Run, runs};
use super::{BlockScore, Question, blocks, rounded};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::read::{LazyReader, Of, Reader, Reading};
use crate::runtime::in_parallel;

/// How it reads. The paper's own lengths are not public; these are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xl3m {
    /// Tokens of a segment.
    pub window: usize,
    /// Tokens that it shares with the one before it.
    pub overlap: usize,
    /// Whether only segments count that make the reader more certain than the question alone does.
    pub baseline: bool,
}

impl Default for Xl3m {
    fn default() -> Self {
        Self { window: 256, overlap: 32, baseline: false }
    }
}

/// A segment of a run.
struct Window {
    run: usize,
    bytes: Range<usize>,
    /// The best fast score of its blocks: what is read first where time is short.
    promise: f32,
}

/// Reads the chosen candidates and orders their blocks by the certainty of the best segment that holds them, certain
/// ones first; all others are left out. Where not one segment could be read in time the order stays as it was.
///
/// # Errors
/// The reader's; a deadline that comes near ends the reading, and is no error.
pub fn read_by_certainty(
    question: &Question,
    candidates: &[Candidate],
    chosen: &[usize],
    scores: &mut Vec<BlockScore>,
    reader: &LazyReader,
    how: Xl3m,
    deadline: &Deadline,
) -> Result<Readings> {
    let until = deadline.reserving(RESERVE);
    let mut readings = Readings::of(Who::Language);
    let Some(reader) = in_time(reader.get(&until))? else {
        return Ok(readings.too_late(chosen));
    };
    let reader = reader.as_ref();
    // Above this the reader was no more certain than without the segment.
    let mut most = f32::MAX;
    if how.baseline {
        let alone = Reading { title: "", text: "", question: &question.text };
        let Some(alone) = in_time(reader.certainty(&alone, Of::Answer, &until))? else {
            return Ok(readings.too_late(chosen));
        };
        readings.was_read.tokens += alone.read;
        most = alone.entropy;
    }
    let kept: Vec<(usize, usize)> = scores.iter().map(|s| (s.candidate, s.block)).collect();
    let fast: HashMap<(usize, usize), f32> = scores.iter().map(|s| ((s.candidate, s.block), s.fast())).collect();
    let runs = runs(candidates, chosen, &kept);
    let mut windows = Vec::new();
    for (n, run) in runs.iter().enumerate() {
        for bytes in windows_of(run, reader, how)? {
            let inside = run.blocks.iter().filter(|b| holds(&bytes, &b.bytes)).map(|b| fast[&b.at]);
            windows.push(Window { run: n, promise: inside.fold(f32::MIN, f32::max), bytes });
        }
    }
    windows.sort_by(|a, b| b.promise.total_cmp(&a.promise));
    let reading = |window: &Window| {
        let run = &runs[window.run];
        let text = run.text.get(window.bytes.clone()).unwrap_or_default();
        reader.certainty(&Reading { title: run.title, text, question: &question.text }, Of::Answer, &until)
    };
    let read = in_parallel(windows.len(), reader.parallelism(), |n| in_time(reading(&windows[n])))?;
    readings.was_read.fingerprint = reader.fingerprint().to_string();
    readings.was_read.end = End::Done;
    let mut entropies: HashMap<(usize, usize), f32> = HashMap::new();
    for (window, certainty) in windows.iter().zip(read) {
        let Some(certainty) = certainty else {
            readings.was_read.cut += 1;
            readings.was_read.end = End::Deadline;
            continue;
        };
        readings.was_read.passages += 1;
        readings.was_read.tokens += certainty.read;
        for block in runs[window.run].blocks.iter().filter(|b| holds(&window.bytes, &b.bytes)) {
            let least = entropies.entry(block.at).or_insert(f32::MAX);
            *least = least.min(certainty.entropy);
        }
    }
    if readings.was_read.passages == 0 {
        return Ok(readings);
    }
    scores.retain(|s| entropies.get(&(s.candidate, s.block)).is_some_and(|entropy| *entropy < most));
    for score in scores.iter_mut() {
        let entropy = entropies[&(score.candidate, score.block)];
        score.score = rounded(-entropy);
        readings.hear(score, Heard { entropy: Some(entropy), ..Heard::default() });
    }
    blocks::sort(scores, candidates);
    Ok(readings)
}

/// Bytes of the segments: all of the same length, the last one longer into what was read before.
fn windows_of(run: &Run<'_>, reader: &dyn Reader, how: Xl3m) -> Result<Vec<Range<usize>>> {
    let tokens = reader.tokens(&run.text)?;
    let stride = how.window.saturating_sub(how.overlap).max(1);
    let mut out = Vec::new();
    let mut first = 0;
    while first < tokens.len() {
        let end = (first + how.window).min(tokens.len());
        let begin = if end == tokens.len() { end.saturating_sub(how.window) } else { first };
        // A token may be part of a character.
        let (start, end_byte) = (tokens[begin].start, tokens[end - 1].end);
        out.push(run.text.floor_char_boundary(start)..run.text.ceil_char_boundary(end_byte));
        if end == tokens.len() {
            break;
        }
        first += stride;
    }
    Ok(out)
}

/// Whether at least half of a block is in a window.
fn holds(window: &Range<usize>, block: &Range<usize>) -> bool {
    let shared = window.end.min(block.end).saturating_sub(window.start.max(block.start));
    2 * shared >= block.len() && shared > 0
}
