//! The third look: what readers find in the passages that were put first before, reader-mini after the fast score and the
//! language model after that.
//!
//! A block's signal is what its tokens draw: of reader-mini the odds that they belong to an answer, of the language model
//! attention from where the answer would begin, summed over the heads that look answers up. Its logarithm, standardised
//! within the question, is added to the score so far: the readers err differently (docs/evaluation.md).

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use super::features::standardise;
use super::fusion::Candidate;
use super::policy::{Effort, Stage, Who};
use super::{BlockScore, Question, blocks};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::index::terms;
use crate::onnx::Head;
use crate::read::{self, Attention, LazyReader, Reader, Reading, Rows};
use crate::runtime::in_parallel;

/// What reading leaves of the deadline for fitting the context, at least.
pub(crate) const RESERVE: Duration = Duration::from_millis(50);
/// Passages that are read before it is asked whether more are needed.
const WAVE: usize = 4;

/// Why no more was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// There was nothing to read.
    #[default]
    Nothing,
    /// All passages that were to be read were.
    Done,
    /// The ranking so far was sure enough.
    Sure,
    /// What was left could not change the order at the budget any more.
    Settled,
    /// The deadline was near.
    Deadline,
    /// What is asked about is in a language in which the reader was not found to help.
    Language,
    /// The question is longer than the reader takes, and others read as well.
    LongQuestion,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WasRead {
    /// By whom.
    pub who: Who,
    /// Passages.
    pub passages: usize,
    /// Tokens, with question and template.
    pub tokens: usize,
    /// Passages that were to be read and were not, because the deadline was near.
    pub cut: usize,
    /// Why no more was read.
    pub end: End,
    /// How likely reading keeps an answer that the ranking so far would not, 0 to 1; `None` where nobody asked.
    pub expected_gain: Option<f32>,
    /// What read; empty where nobody was needed.
    pub fingerprint: String,
}

/// What was read, and what was heard of every block.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// How much.
    pub was_read: WasRead,
    /// The heads that were listened to.
    pub heads: Vec<Head>,
    /// By candidate and block.
    heard: HashMap<(usize, usize), Heard>,
    /// Candidates that the deadline cut.
    cut: HashSet<usize>,
}

/// What was heard of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// What its tokens draw, by head: of reader-mini odds, of a language model a share of attention.
    pub heads: Vec<f32>,
    /// Entropy of what would follow the best segment that holds it and the question, in nats; of XL3M only.
    pub entropy: Option<f32>,
}

impl Readings {
    /// What was heard of a block; `None` where its passage was not read.
    #[must_use]
    pub fn heard(&self, score: &BlockScore) -> Option<&Heard> {
        self.heard.get(&(score.candidate, score.block))
    }

    /// Whether the deadline cut the block's passage.
    #[must_use]
    pub fn was_cut(&self, score: &BlockScore) -> bool {
        self.cut.contains(&score.candidate)
    }
}

/// Has a reader read the best passages, and puts the blocks in a new order. Blocks that were not read keep their score.
///
/// # Errors
/// The reader's, and [`Error::LimitExceeded`] for a question that is longer than its window; a deadline that comes
/// near ends the reading, and is no error.
pub fn read(
    question: &Question,
    candidates: &[Candidate],
    scores: &mut [BlockScore],
    (who, reader): (Who, &LazyReader),
    stage: &Stage,
    effort: Effort,
    deadline: &Deadline,
) -> Result<Readings> {
    let until = deadline.reserving(RESERVE);
    let mut readings = Readings::of(who);
    let most = if effort == Effort::Full { stage.passages } else { stage.passages_as_needed };
    let best = best_passages(scores, most);
    if best.is_empty() {
        return Ok(readings);
    }
    if let Effort::AsNeeded { cut } = effort {
        let expected = stage.cascade.expected_gain(scores, cut);
        readings.was_read.expected_gain = Some(expected);
        if expected < stage.cascade.threshold {
            readings.was_read.end = End::Sure;
            return Ok(readings);
        }
    }
    let Some(reader) = in_time(reader.get(&until))? else {
        return Ok(readings.too_late(&best));
    };
    readings.was_read.fingerprint = reader.fingerprint().to_string();
    let first = &candidates[best[0]].stored;
    if !helps_in(reader.languages(), &question.text, first.passage()) {
        readings.was_read.end = End::Language;
        return Ok(readings);
    }
    readings.was_read.end = End::Done;
    let tops: Vec<f32> = best.iter().map(|c| top_of(*c, scores)).collect();
    let mut at = 0;
    while at < best.len() && readings.was_read.end == End::Done {
        let wave = match effort {
            Effort::Full => &best[at..],
            Effort::AsNeeded { cut } if tops[at] + stage.reach < scores[cut.clamp(1, scores.len()) - 1].score => {
                readings.was_read.end = End::Settled;
                break;
            }
            Effort::AsNeeded { .. } => &best[at..(at + WAVE).min(best.len())],
        };
        for (n, passage) in
            listen(question, candidates, wave, reader.as_ref(), reader.rows(), &until)?.into_iter().enumerate()
        {
            match passage {
                Some(passage) => readings.add(wave[n], passage),
                None => readings.cut(&wave[n..=n]),
            }
        }
        at += wave.len();
        readings.fuse(scores, candidates, stage);
    }
    if readings.was_read.end == End::Deadline {
        readings.cut(&best[at..]);
    }
    Ok(readings)
}

/// Whether a reader of these languages reads this question and this passage: not where one is certainly in another one.
/// A reader that names no language reads all.
fn helps_in(languages: &[String], question: &str, passage: &str) -> bool {
    let reads = |text: &str| {
        let language = terms::certain_language(text);
        language.is_none_or(|language| languages.iter().any(|l| l == language))
    };
    languages.is_empty() || (reads(question) && reads(passage))
}

/// The score of a candidate's best block.
fn top_of(candidate: usize, scores: &[BlockScore]) -> f32 {
    scores.iter().filter(|s| s.candidate == candidate).map(|s| s.score).fold(f32::MIN, f32::max)
}

impl Readings {
    /// Nothing read so far.
    pub(super) fn of(who: Who) -> Self {
        Self { was_read: WasRead { who, ..WasRead::default() }, ..Self::default() }
    }

    fn add(&mut self, candidate: usize, passage: Passage) {
        self.was_read.passages += 1;
        self.was_read.tokens += passage.tokens;
        self.heads = passage.heads;
        for (block, heads) in passage.blocks.into_iter().enumerate() {
            self.heard.insert((candidate, block), Heard { heads, ..Heard::default() });
        }
    }

    /// Nothing was read, because the question is too long.
    pub(crate) fn of_long_question(who: Who) -> Self {
        let mut readings = Self::of(who);
        readings.was_read.end = End::LongQuestion;
        readings
    }

    /// Of these candidates nothing could be read in time.
    pub(super) fn too_late(mut self, candidates: &[usize]) -> Self {
        self.cut(candidates);
        self
    }

    /// Notes what was heard of a block.
    pub(super) fn hear(&mut self, score: &BlockScore, heard: Heard) {
        self.heard.insert((score.candidate, score.block), heard);
    }

    fn cut(&mut self, passages: &[usize]) {
        self.was_read.cut += passages.len();
        self.was_read.end = End::Deadline;
        self.cut.extend(passages);
    }

    /// Adds the signals, standardised over the blocks that were read, to the fast scores.
    fn fuse(&mut self, scores: &mut [BlockScore], candidates: &[Candidate], stage: &Stage) {
        let read: Vec<usize> = (0..scores.len()).filter(|n| self.heard(&scores[*n]).is_some()).collect();
        let attention = |n: &usize| self.heard(&scores[*n]).map_or(0.0, |h| h.heads.iter().sum());
        let signals = signals(&read.iter().map(attention).collect::<Vec<f32>>(), stage.least);
        for (n, signal) in read.into_iter().zip(signals) {
            scores[n].add(self.was_read.who, stage.weight * signal);
        }
        blocks::sort(scores, candidates);
    }
}

/// The candidates in the order of their best blocks, so many of them.
pub(crate) fn best_passages(scores: &[BlockScore], limit: usize) -> Vec<usize> {
    let mut seen = HashSet::new();
    scores.iter().map(|s| s.candidate).filter(|c| seen.insert(*c)).take(limit).collect()
}

/// What attention to blocks, of all heads together, says of them: its logarithm, standardised. `least` keeps that of no
/// attention finite.
pub(crate) fn signals(attention: &[f32], least: f32) -> Vec<f32> {
    let mut signals: Vec<f32> = attention.iter().map(|share| (share + least).ln()).collect();
    standardise(&mut signals);
    signals
}

/// A passage that was read.
pub(crate) struct Passage {
    pub(crate) tokens: usize,
    pub(crate) heads: Vec<Head>,
    /// Attention by block and head, the mean of the rows.
    pub(crate) blocks: Vec<Vec<f32>>,
    /// The same from the last row.
    pub(crate) last: Vec<Vec<f32>>,
}

/// Reads passages, several at a time; `None` for those that the deadline cut.
pub(crate) fn listen(
    question: &Question,
    candidates: &[Candidate],
    passages: &[usize],
    reader: &dyn Reader,
    rows: Rows,
    until: &Deadline,
) -> Result<Vec<Option<Passage>>> {
    in_parallel(passages.len(), reader.parallelism(), |n| {
        in_time(passage(question, &candidates[passages[n]], reader, rows, until))
    })
}

/// `None` where the deadline ended it: that is no error of the reading.
pub(crate) fn in_time<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Error::DeadlineExceeded { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

fn passage(
    question: &Question,
    candidate: &Candidate,
    reader: &dyn Reader,
    rows: Rows,
    until: &Deadline,
) -> Result<Passage> {
    let segment = &candidate.stored.segment;
    let start = segment.span().start;
    let text = candidate.stored.passage();
    let blocks: Vec<Range<usize>> =
        segment.blocks.iter().map(|b| (b.span.start - start) as usize..(b.span.end - start) as usize).collect();
    let whole = Reading { title: &candidate.document.title, text, question: &question.text };
    let nothing = vec![Vec::new(); blocks.len()];
    let mut read = Passage { tokens: 0, heads: Vec::new(), blocks: nothing.clone(), last: nothing };
    match reader.attention(&whole, rows, until) {
        Ok(attention) => read.add(&attention, text, 0, &blocks),
        Err(Error::LimitExceeded { .. }) => {
            // Parts may share a block: it is heard where it draws most.
            for part in read::parts(reader, &whole, &blocks)? {
                let text = &text[part.clone()];
                let attention = reader.attention(&Reading { text, ..whole }, rows, until)?;
                read.add(&attention, text, part.start, &blocks);
            }
        }
        Err(e) => return Err(e),
    }
    Ok(read)
}

impl Passage {
    /// Adds what was heard of a part of the passage, which begins at byte `at`.
    fn add(&mut self, attention: &Attention, part: &str, at: usize, blocks: &[Range<usize>]) {
        self.tokens += attention.read;
        self.heads.clone_from(&attention.heads);
        for (n, block) in blocks.iter().enumerate() {
            let (start, end) = (block.start.saturating_sub(at), block.end.saturating_sub(at));
            self.blocks[n].resize(attention.heads.len(), 0.0);
            self.last[n].resize(attention.heads.len(), 0.0);
            if start < part.len() && start < end {
                // A block that was halved is the sum of its parts.
                let is_whole = block.start >= at && end <= part.len();
                let add = |sum: &mut f32, more: f32| *sum = if is_whole { sum.max(more) } else { *sum + more };
                let sums = self.blocks[n].iter_mut().zip(&mut self.last[n]);
                for ((mean, last), rows) in sums.zip(attention_to(attention, part, start..end)) {
                    add(mean, rows.iter().sum::<f32>() / rows.len() as f32);
                    add(last, rows.last().copied().unwrap_or(0.0));
                }
            }
        }
    }
}

/// Every head's attention to the letters and digits of some bytes, row by row: dots and brackets draw attention that
/// says nothing, and so does a sink.
fn attention_to(attention: &Attention, text: &str, bytes: Range<usize>) -> Vec<Vec<f32>> {
    let counts = |n: &usize| {
        let token = &attention.tokens[*n];
        token.start < bytes.end
            && token.end > bytes.start
            && text.get(token.clone()).is_some_and(|t| t.contains(char::is_alphanumeric))
    };
    let after_sink = usize::from(attention.before == 0);
    let counted: Vec<usize> = (after_sink..attention.tokens.len()).filter(counts).collect();
    let of_row = |head: usize, row: usize| counted.iter().map(|n| attention.of(head, row)[*n]).sum::<f32>();
    let of_head = |head: usize| (0..attention.rows).map(|row| of_row(head, row)).collect();
    (0..attention.heads.len()).map(of_head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_tell_more_attention_from_less() {
        let told = signals(&[0.0, 0.001, 0.1, 0.5], 1e-3);
        assert!(told.is_sorted() && told.iter().sum::<f32>().abs() < 1e-5, "{told:?}");
        assert_eq!(signals(&[0.2, 0.2], 1e-3), [0.0, 0.0]);
        assert!(signals(&[], 1e-3).is_empty());
    }
}
