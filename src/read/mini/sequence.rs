//! What reader-mini reads: `[CLS] question [SEP] title. passage [SEP]`, as `training/tamis_training/lessons.py` builds it.

use std::ops::Range;

use tokenizers::Tokenizer;

use super::super::Reading;
use crate::error::{Error, Result};

/// Most tokens of a title; what comes later says little.
const MAX_TITLE: usize = 32;

/// One sequence.
pub(super) struct Sequence {
    pub(super) ids: Vec<i64>,
    /// The passage's tokens, as bytes of its text.
    pub(super) places: Vec<Range<usize>>,
    /// Tokens of the question, `[CLS]` and `[SEP]` included.
    asked: usize,
}

impl Sequence {
    /// 0 for the question, 1 for all behind it.
    pub(super) fn types(&self) -> Vec<i64> {
        (0..self.ids.len()).map(|n| i64::from(n >= self.asked)).collect()
    }

    /// Where the passage's tokens stand.
    pub(super) fn passage(&self) -> Range<usize> {
        let end = self.ids.len() - 1;
        end - self.places.len()..end
    }
}

/// Makes sequences.
pub(super) struct Sequences {
    tokenizer: Tokenizer,
    start: i64,
    end: i64,
    window: usize,
}

impl Sequences {
    pub(super) fn new(model: &str, tokenizer: Tokenizer, window: usize) -> Result<Self> {
        let special = |token: &str| {
            tokenizer
                .token_to_id(token)
                .map(i64::from)
                .ok_or_else(|| Error::model(model, format!("tokenizer.json: {token} is missing")))
        };
        let (start, end) = (special("[CLS]")?, special("[SEP]")?);
        Ok(Self { start, end, window, tokenizer })
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn tokens(&self, text: &str) -> Result<Vec<Range<usize>>> {
        Ok(self.encode(text)?.1)
    }

    /// The sequence of a reading, however long.
    pub(super) fn of(&self, reading: &Reading<'_>) -> Result<Sequence> {
        let (question, _) = self.encode(reading.question)?;
        // The passage needs the other half.
        let (limit, actual) = (self.window as u64 / 2, question.len() as u64);
        if actual > limit {
            return Err(Error::LimitExceeded { field: "query", limit, actual });
        }
        let mut ids = vec![self.start];
        ids.extend(question);
        ids.push(self.end);
        let asked = ids.len();
        if !reading.title.is_empty() {
            ids.extend(self.encode(&format!("{}.", reading.title))?.0.into_iter().take(MAX_TITLE));
        }
        let (passage, places) = self.encode(reading.text)?;
        ids.extend(passage);
        ids.push(self.end);
        Ok(Sequence { ids, places, asked })
    }

    fn encode(&self, text: &str) -> Result<(Vec<i64>, Vec<Range<usize>>)> {
        let encoding = self.tokenizer.encode(text, false).map_err(|e| Error::Reader(e.to_string()))?;
        let ids = encoding.get_ids().iter().copied().map(i64::from).collect();
        Ok((ids, encoding.get_offsets().iter().map(|(start, end)| *start..*end).collect()))
    }
}
