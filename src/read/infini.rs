//! InfiniRetri (arXiv 2502.12962, section 3): text of any length, read piece by piece, with a memory of whole sentences.
//!
//! Every step reads what was kept so far, the next chunk and the question. The tokens that the question attends to most
//! are chosen, and the sentences that own one of them are kept for the next step. The paper listens to all heads of the
//! last layer; the reader listens to the heads that were calibrated for it. The paper bounds what is kept by the number of
//! chosen tokens alone; here it has a hard cap, filled with the best sentences.

use std::ops::Range;

use super::{Attention, Reader, Reading, Rows};
use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// How it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfiniRetriSettings {
    /// New tokens of a step, at most.
    pub chunk: usize,
    /// Tokens that are chosen in a step.
    pub top: usize,
    /// Neighbouring tokens that count for each other: about the length of an answer.
    pub phrase: usize,
    /// Whether rows of the question count by how much they attend to the question itself, as the first step finds it.
    pub weigh_question: bool,
    /// Most tokens of the sentences that are kept.
    pub cap: usize,
}

impl Default for InfiniRetriSettings {
    /// The paper's values, but for the chunk, which with what is kept has to fit into the reader's window.
    fn default() -> Self {
        Self { chunk: 1024, top: 300, phrase: 8, weigh_question: true, cap: 768 }
    }
}

/// A sentence that is kept, and what the caller knows it by.
#[derive(Clone, Debug)]
pub struct Kept<T> {
    /// Its text, with what stands between it and the next one.
    pub text: String,
    /// What the caller knows it by.
    pub what: T,
    /// Its tokens.
    pub tokens: usize,
    /// The attention to its best three tokens, in the last step.
    pub score: f32,
}

/// Reads sentence after sentence.
pub struct InfiniRetri<'r, T> {
    reader: &'r dyn Reader,
    title: String,
    question: String,
    settings: InfiniRetriSettings,
    weights: Option<Vec<f32>>,
    kept: Vec<Kept<T>>,
    pending: Vec<Kept<T>>,
    pending_tokens: usize,
    read: usize,
}

impl<'r, T: Clone> InfiniRetri<'r, T> {
    /// Begins to read for a question.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for settings of 0, [`Error::LimitExceeded`] for a question that leaves no room in the
    /// reader's window.
    pub fn new(reader: &'r dyn Reader, title: &str, question: &str, mut settings: InfiniRetriSettings) -> Result<Self> {
        if [settings.chunk, settings.top, settings.phrase, settings.cap].contains(&0) {
            return Err(Error::invalid("infiniretri", "chunk, top, phrase and cap must be at least 1"));
        }
        let asked = reader.count_tokens(&Reading { title, text: "", question })?;
        let window = reader.window();
        // Joined texts can have a few tokens more than their parts.
        let room = window.saturating_sub(asked + asked / 8 + 32);
        if room < window / 8 {
            return Err(Error::LimitExceeded { field: "query", limit: (window / 2) as u64, actual: asked as u64 });
        }
        settings.cap = settings.cap.min(room / 2);
        settings.chunk = settings.chunk.min(room - settings.cap);
        let (title, question) = (title.to_owned(), question.to_owned());
        let (kept, pending) = (Vec::new(), Vec::new());
        Ok(Self { reader, title, question, settings, weights: None, kept, pending, pending_tokens: 0, read: 0 })
    }

    /// Takes the next sentence; reads a chunk whenever one is full.
    ///
    /// # Errors
    /// The reader's; the deadline's, and then what was kept is still there.
    pub fn push(&mut self, text: &str, what: T, deadline: &Deadline) -> Result<()> {
        let tokens = self.reader.tokens(text)?.len();
        if tokens > self.settings.chunk {
            // Longer than a step: its halves are kept or dropped by themselves.
            let middle = text.floor_char_boundary(text.len() / 2);
            self.push(&text[..middle], what.clone(), deadline)?;
            return self.push(&text[middle..], what, deadline);
        }
        if self.pending_tokens + tokens > self.settings.chunk {
            self.step(deadline)?;
        }
        self.pending_tokens += tokens;
        self.pending.push(Kept { text: text.to_owned(), what, tokens, score: 0.0 });
        Ok(())
    }

    /// Reads what is left, and gives what is kept, in the order of the text.
    ///
    /// # Errors
    /// As for [`Self::push`].
    pub fn finish(&mut self, deadline: &Deadline) -> Result<()> {
        if self.pending.is_empty() { Ok(()) } else { self.step(deadline) }
    }

    /// What is kept so far, in the order of the text.
    #[must_use]
    pub fn kept(&self) -> &[Kept<T>] {
        &self.kept
    }

    /// Tokens that were read.
    #[must_use]
    pub fn tokens_read(&self) -> usize {
        self.read
    }

    /// Reads what is kept and what is pending, and keeps of both what the question looks at.
    fn step(&mut self, deadline: &Deadline) -> Result<()> {
        let all = || self.kept.iter().chain(&self.pending);
        let text: String = all().map(|s| s.text.as_str()).collect();
        let mut at = 0;
        let spans: Vec<Range<usize>> = all()
            .map(|sentence| {
                at += sentence.text.len();
                at - sentence.text.len()..at
            })
            .collect();
        let reading = Reading { title: &self.title, text: &text, question: &self.question };
        let attention = self.reader.attention(&reading, Rows::Question, deadline)?;
        self.read += attention.read;
        let weights = match &self.weights {
            // Frozen after the first step, as long as the question is cut into as many tokens.
            Some(weights) if weights.len() == attention.rows => weights.clone(),
            _ => question_weights(&attention, self.settings.weigh_question),
        };
        let scores = token_scores(&attention, &weights, self.settings.phrase);
        self.weights = Some(weights);
        let mut sentences: Vec<Kept<T>> = self.kept.drain(..).chain(self.pending.drain(..)).collect();
        self.pending_tokens = 0;
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let least = order.get(self.settings.top - 1).map_or(f32::MIN, |n| scores[*n]);
        let mut token = 0;
        let mut owns = Vec::with_capacity(sentences.len());
        for (sentence, span) in sentences.iter_mut().zip(&spans) {
            let mut best = [0.0f32; 3];
            let mut chosen = false;
            while token < scores.len() && attention.tokens[token].start < span.end {
                chosen |= scores[token] >= least;
                if scores[token] > best[2] {
                    best[2] = scores[token];
                    best.sort_by(|a, b| b.total_cmp(a));
                }
                token += 1;
            }
            sentence.score = best.iter().sum();
            owns.push(chosen);
        }
        let mut by_score: Vec<usize> = (0..sentences.len()).filter(|n| owns[*n]).collect();
        by_score.sort_by(|a, b| sentences[*b].score.total_cmp(&sentences[*a].score).then(a.cmp(b)));
        let mut left = self.settings.cap;
        let mut keep = vec![false; sentences.len()];
        for n in by_score {
            if sentences[n].tokens <= left {
                left -= sentences[n].tokens;
                keep[n] = true;
            }
        }
        let kept = sentences.into_iter().zip(keep).filter(|(_, keep)| *keep);
        self.kept = kept.map(|(sentence, _)| sentence).collect();
        Ok(())
    }
}

/// What each row of the question counts: the attention it gives to the question itself, of all heads together.
fn question_weights(attention: &Attention, weigh: bool) -> Vec<f32> {
    let of_row = |row: usize| (0..attention.heads.len()).map(|h| attention.to_question[h * attention.rows + row]).sum();
    (0..attention.rows).map(|row| if weigh { of_row(row) } else { 1.0 }).collect()
}

/// `sum_i w_i^2 sum_d S[i, j + d]` over the heads together, where d runs over a phrase around token j (section 3).
fn token_scores(attention: &Attention, weights: &[f32], phrase: usize) -> Vec<f32> {
    let mut looked_at = vec![0.0f64; attention.tokens.len()];
    for head in 0..attention.heads.len() {
        for (row, weight) in weights.iter().enumerate() {
            let weight = f64::from(*weight).powi(2);
            let row = attention.of(head, row);
            looked_at.iter_mut().zip(row).for_each(|(sum, share)| *sum += weight * f64::from(*share));
        }
    }
    // The first token of all is a sink, whatever it says.
    if attention.before == 0 {
        looked_at.first_mut().into_iter().for_each(|sink| *sink = 0.0);
    }
    let (after, n) = ((phrase - 1) / 2, looked_at.len());
    let before = phrase - 1 - after;
    (0..n).map(|j| looked_at[j.saturating_sub(before)..(j + after + 1).min(n)].iter().sum::<f64>() as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_four_before_and_three_behind() {
        let shares = (0..12).map(|n| if n == 6 { 0.5 } else { 0.0 }).collect();
        let tokens = (0..12).map(|n| n..n + 1).collect();
        let heads = vec![crate::onnx::Head { layer: 0, head: 0 }];
        let attention = Attention { tokens, before: 1, heads, shares, to_question: vec![0.5], rows: 1, read: 20 };
        let scores = token_scores(&attention, &[2.0], 8);
        let looked_at: Vec<usize> = (0..12).filter(|n| scores[*n] > 0.0).collect();
        assert_eq!(looked_at, [3, 4, 5, 6, 7, 8, 9, 10], "token j sums j-4 to j+3");
        assert_eq!(scores[6], 2.0);
        assert_eq!(question_weights(&attention, true), [0.5]);
        assert_eq!(question_weights(&attention, false), [1.0]);
    }
}
