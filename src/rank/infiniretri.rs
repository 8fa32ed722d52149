//! InfiniRetri over candidates: whole documents, or what the fast ranking puts first of them, read in their own order.

use std::collections::HashMap;

use super::fusion::Candidate;
use super::policy::Who;
use super::reading::{End, Heard, RESERVE, Readings, in_time};
use super::runs::runs;
use super::{BlockScore, Question, blocks, rounded};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::read::{InfiniRetri, InfiniRetriSettings, LazyReader};

/// Reads the chosen candidates and keeps, of the blocks, those that were kept at the end, by the attention they got; all
/// others are left out. Where the deadline comes near, what was kept until then counts.
///
/// # Errors
/// The reader's, and [`crate::error::Error::LimitExceeded`] for a question that leaves no room in its window.
pub fn read_by_attention(
    question: &Question,
    candidates: &[Candidate],
    chosen: &[usize],
    scores: &mut Vec<BlockScore>,
    reader: &LazyReader,
    how: InfiniRetriSettings,
    deadline: &Deadline,
) -> Result<Readings> {
    let until = deadline.reserving(RESERVE);
    let can_be_kept: Vec<(usize, usize)> = scores.iter().map(|s| (s.candidate, s.block)).collect();
    let mut readings = Readings::of(Who::Language);
    let Some(reader) = in_time(reader.get(&until))? else {
        return Ok(readings.too_late(chosen));
    };
    let mut infini = InfiniRetri::new(reader.as_ref(), "", &question.text, how)?;
    readings.was_read.fingerprint = reader.fingerprint().to_string();
    readings.was_read.end = End::Done;
    let mut read = || -> Result<()> {
        for run in runs(candidates, chosen, &can_be_kept) {
            for (n, block) in run.blocks.iter().enumerate() {
                // With what stands between it and the next one.
                let end = run.blocks.get(n + 1).map_or(run.text.len(), |next| next.bytes.start);
                let text = run.text.get(block.bytes.start..end).unwrap_or_default();
                infini.push(text, block.at, &until)?;
            }
            readings.was_read.passages += 1;
        }
        infini.finish(&until)
    };
    let all = in_time(read())?;
    if all.is_none() {
        readings.was_read.end = End::Deadline;
    }
    readings.was_read.tokens = infini.tokens_read();
    let mut attention: HashMap<(usize, usize), f32> = HashMap::new();
    for kept in infini.kept() {
        let most = attention.entry(kept.what).or_insert(0.0);
        *most = most.max(kept.score);
    }
    if attention.is_empty() {
        return Ok(readings);
    }
    scores.retain(|s| attention.contains_key(&(s.candidate, s.block)));
    let most = attention.values().copied().fold(f32::MIN_POSITIVE, f32::max);
    for score in scores.iter_mut() {
        let share = attention[&(score.candidate, score.block)] / most;
        score.score = rounded(share);
        score.language = share;
        readings.hear(score, Heard::default());
    }
    blocks::sort(scores, candidates);
    Ok(readings)
}
