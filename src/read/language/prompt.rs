//! The one text that a reader reads: title, passage, question.

use std::ops::Range;

use super::super::Reading;
use super::super::tokens::{Token, Tokens};
use crate::error::Result;

/// What stands around a passage and its question: with the bare question the heads say nothing, with a chat's
/// template no more than with this.
pub(super) const BEFORE_QUESTION: &str = "\n\nQuestion: ";
pub(super) const AFTER_QUESTION: &str = "\nAnswer:";

/// The tokens of a reading.
pub(super) struct Prompt {
    pub(super) ids: Vec<i64>,
    /// Which are the passage's.
    pub(super) passage: Range<usize>,
    /// Their bytes in it.
    pub(super) places: Vec<Range<usize>>,
    /// Which are the question's.
    pub(super) question: Range<usize>,
}

impl Prompt {
    pub(super) fn of(reading: &Reading<'_>, tokenizer: &Tokens) -> Result<Self> {
        let before = if reading.title.is_empty() { String::new() } else { format!("{}\n", reading.title) };
        let text = format!("{before}{}{BEFORE_QUESTION}{}{AFTER_QUESTION}", reading.text, reading.question);
        let passage = before.len()..before.len() + reading.text.len();
        let tokens = tokenizer.read(&text)?;
        let inside = |token: &Token| token.bytes.start < passage.end && token.bytes.end > passage.start;
        let first = tokens.iter().position(inside).unwrap_or(0);
        let end = tokens.iter().rposition(inside).map_or(first, |n| n + 1);
        let asked_at = passage.end + BEFORE_QUESTION.len();
        let question = tokens.iter().position(|t| t.bytes.end > asked_at).unwrap_or(tokens.len().saturating_sub(1));
        let answer =
            tokens.iter().position(|t| t.bytes.end > asked_at + reading.question.len()).unwrap_or(tokens.len());
        // A token that reaches out of the passage counts with what it has inside.
        let bytes = |t: &Token| {
            let within = |at: usize| at.clamp(passage.start, passage.end) - passage.start;
            within(t.bytes.start)..within(t.bytes.end)
        };
        let places = tokens[first..end].iter().map(bytes).collect();
        Ok(Self { ids: tokens.iter().map(|t| t.id).collect(), passage: first..end, places, question: question..answer })
    }
}
