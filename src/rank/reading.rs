//! The third look: what a reader finds in the passages that the fast score puts first.
//!
//! A block's signal is the attention that its tokens get from where the answer would begin, summed over the heads
//! that look answers up. The reader alone is no better than vectors; standardised within the question and added to the
//! fast score, it keeps what neither would (docs/evaluation.md).

use std::collections::HashSet;
use std::time::Duration;

use super::features::standardise;
use super::fusion::Candidate;
use super::{BlockScore, Question, blocks, rounded};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::read::{Attention, Reader, Reading, Rows};
use crate::runtime::in_parallel;
use crate::span::Span;

/// What reading leaves of the deadline for fitting the context.
const RESERVE: Duration = Duration::from_millis(100);
/// Keeps the logarithm of no attention finite.
const LEAST: f32 = 1e-3;

/// How much is read, and what it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precise {
    /// Passages that are read: those whose best block scores highest.
    pub passages: usize,
    /// What a deviation of the signal counts, in units of the fast score.
    pub weight: f32,
}

impl Default for Precise {
    fn default() -> Self {
        Self { passages: 12, weight: 1.0 }
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WasRead {
    /// Passages.
    pub passages: usize,
    /// Tokens, with question and template.
    pub tokens: usize,
    /// Passages that were to be read and were not, because the deadline was near or they are longer than the reader's
    /// window.
    pub left_out: usize,
}

/// Reads the best passages and puts the blocks in a new order. Blocks that were not read keep their score.
///
/// # Errors
/// The reader's; a deadline that comes near ends the reading, and is no error.
pub fn read(
    question: &Question,
    candidates: &[Candidate],
    scores: &mut [BlockScore],
    reader: &dyn Reader,
    how: Precise,
    deadline: &Deadline,
) -> Result<WasRead> {
    let mut seen = HashSet::new();
    let best: Vec<usize> = scores.iter().map(|s| s.candidate).filter(|c| seen.insert(*c)).take(how.passages).collect();
    let until = deadline.sooner_by(RESERVE);
    let heard = in_parallel(best.len(), reader.parallelism(), |n| {
        let candidate = &candidates[best[n]];
        let text = candidate.stored.slice(candidate.stored.segment.span()).unwrap_or_default();
        let reading = Reading { title: &candidate.document.title, text, question: &question.text };
        match reader.attention(&reading, Rows::Last, &until) {
            Ok(attention) => Ok(Some(attention)),
            Err(Error::DeadlineExceeded { .. } | Error::LimitExceeded { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    })?;
    let mut was_read = WasRead::default();
    let mut read: Vec<(usize, f32)> = Vec::new();
    for (candidate, attention) in best.iter().zip(&heard) {
        let Some(attention) = attention else {
            was_read.left_out += 1;
            continue;
        };
        was_read.passages += 1;
        was_read.tokens += attention.read;
        let segment = &candidates[*candidate].stored.segment;
        let start = segment.span().start;
        for (n, score) in scores.iter().enumerate().filter(|(_, s)| s.candidate == *candidate) {
            read.push((n, signal(attention, segment.blocks[score.block].span, start, &candidates[*candidate])));
        }
    }
    let mut signals: Vec<f32> = read.iter().map(|(_, signal)| *signal).collect();
    standardise(&mut signals);
    for ((n, _), signal) in read.iter().zip(signals) {
        scores[*n].score = rounded(scores[*n].score + how.weight * signal);
    }
    blocks::sort(scores, candidates);
    Ok(was_read)
}

/// The logarithm of the attention to a block's letters and digits: dots and brackets draw attention that says nothing.
fn signal(attention: &Attention, block: Span, start: u64, candidate: &Candidate) -> f32 {
    let text = candidate.stored.slice(candidate.stored.segment.span()).unwrap_or_default();
    let bytes = (block.start - start) as usize..(block.end - start) as usize;
    let counts = |n: &usize| {
        let token = &attention.tokens[*n];
        token.start < bytes.end
            && token.end > bytes.start
            && text.get(token.clone()).is_some_and(|t| t.contains(char::is_alphanumeric))
    };
    let after_sink = usize::from(attention.before == 0);
    let counted: Vec<usize> = (after_sink..attention.tokens.len()).filter(counts).collect();
    let of_head = |head: usize| counted.iter().map(|n| attention.of(head, 0)[*n]).sum::<f32>();
    ((0..attention.heads.len()).map(of_head).sum::<f32>() + LEAST).ln()
}
