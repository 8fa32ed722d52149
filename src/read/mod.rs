//! Readers: what sees passage and question together.
//!
//! [`ReaderMini`] is the encoder with a trained adapter: it says of every token how likely it belongs to an answer. A small
//! causal language model, [`LanguageReader`], reads `title, passage, question` once. Two things can be heard from one pass:
//! where its attention goes (InfiniRetri, arXiv 2502.12962: what is looked up stands where the question looks), and
//! how certain it is of what comes next (XL3M, arXiv 2405.17755: a passage that answers makes the next token
//! certain). A request names one of them, and nothing beyond it is computed.

mod cached;
mod gguf;
mod heads;
mod infini;
mod language;
mod lazy;
mod mini;
mod parts;
mod picture;
mod states;
mod tokens;

use std::ops::Range;

pub use cached::CachedReader;
pub use gguf::Gguf;
pub use heads::{Evidence, HeadTable, LeftOut};
pub use infini::{InfiniRetri, InfiniRetriSettings, Kept};
pub use language::{LanguageReader, Listen, ReaderSettings};
pub use lazy::LazyReader;
pub use mini::{Adapter, MiniSettings, ReaderMini};
pub use parts::parts;
pub use picture::{Shaded, html, shaded, svg};
use serde::{Deserialize, Serialize};
pub use states::StateSettings;

use crate::deadline::Deadline;
use crate::encode::Fingerprint;
use crate::error::{Error, Result};
use crate::hash::{Beginning, of_texts};
use crate::onnx::Head;

/// What is read: a passage, and the question to it.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The title of its document; may be empty.
    pub title: &'a str,
    /// The passage.
    pub text: &'a str,
    /// The question.
    pub question: &'a str,
}

impl Reading<'_> {
    /// What it is remembered by, together with what was listened for.
    pub(crate) fn hash(&self, listened_for: &str) -> Beginning {
        of_texts([listened_for, self.title, self.text, self.question])
    }
}

/// From where the attention is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// The last token, from which the answer would begin.
    Last,
    /// Every token from the question's first one on.
    Question,
    /// The mean of these, as one row.
    Mean,
}

/// What the passage's tokens draw, of the heads that are listened to: attention, or odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// The passage's tokens, as bytes of its text.
    pub tokens: Vec<Range<usize>>,
    /// Tokens that were read before the passage. Where there are none, the passage's first token is the first of all,
    /// which draws most of the attention whatever it says (a sink: arXiv 2309.17453).
    pub before: usize,
    /// The heads, in the order of their layers.
    pub heads: Vec<Head>,
    /// For every head and every row, one after the other, what each token draws. Of a language model, its share of the
    /// attention: at most 1 together, the rest goes to title, question and template. Of reader-mini, the odds that it belongs
    /// to an answer.
    pub shares: Vec<f32>,
    /// For every head and every row, the share that goes to the question's own tokens; of reader-mini, the odds that the
    /// passage answers.
    pub to_question: Vec<f32>,
    /// Rows of a head.
    pub rows: usize,
    /// Tokens that were read, template and question included; 0 where it was remembered.
    pub read: usize,
}

impl Attention {
    /// A head's shares from one of its rows, one for every token.
    #[must_use]
    pub fn of(&self, head: usize, row: usize) -> &[f32] {
        let from = (head * self.rows + row) * self.tokens.len();
        self.shares.get(from..from + self.tokens.len()).unwrap_or_default()
    }
}

/// Of what certainty is asked. Every token costs a product with the whole vocabulary, so no more is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The answer's first token.
    Answer,
    /// That, and the question's tokens.
    Question,
    /// These, and the passage's.
    Passage,
}

/// How certain the reader is. Natural logarithms.
#[derive(Clone, Debug, PartialEq)]
pub struct Certainty {
    /// Entropy of the token after the last one (XL3M, section 3): small where the passage answers.
    pub entropy: f32,
    /// Mean negative log-likelihood of the question's tokens given the passage (LongLLMLingua, arXiv 2310.06839,
    /// section 4.1): small where the passage is about the question. 0 where it was not asked for.
    pub question: f32,
    /// Negative log-likelihood of every token of the passage, with its bytes (SirLLM, arXiv 2405.12528): large where it
    /// says what could not be guessed. Empty where it was not asked for.
    pub tokens: Vec<(Range<usize>, f32)>,
    /// Tokens that were read, template and question included; 0 where it was remembered.
    pub read: usize,
}

/// A reader: one pass over passage and question.
pub trait Reader: Send + Sync {
    /// What its signals mean: weights, tokenizer, template, heads and precision.
    fn fingerprint(&self) -> &Fingerprint;

    /// Most tokens of one pass.
    fn window(&self) -> usize;

    /// The rows that its heads were chosen for.
    fn rows(&self) -> Rows;

    /// The languages that it was found to help in, as ISO 639-3 codes; none where it reads all.
    fn languages(&self) -> &[String] {
        &[]
    }

    /// Whether the parts of what is longer than the window share a block, so that each is read with one before it.
    fn overlaps(&self) -> bool {
        false
    }

    /// How many passes can run at a time.
    fn parallelism(&self) -> usize;

    /// Tokens of one pass over this.
    ///
    /// # Errors
    /// [`crate::error::Error::Reader`] where the tokenizer refuses the text.
    fn count_tokens(&self, reading: &Reading<'_>) -> Result<usize>;

    /// The tokens of a text by itself, as its bytes.
    ///
    /// # Errors
    /// [`crate::error::Error::Reader`] where the tokenizer refuses the text.
    fn tokens(&self, text: &str) -> Result<Vec<Range<usize>>>;

    /// Keeps of a passage what does not depend on the question, which is left out. Whether something is kept: not by
    /// readers that keep nothing, and not of passages that are longer than the window.
    ///
    /// # Errors
    /// [`crate::error::Error::Reader`], [`crate::error::Error::Io`] where it can't be kept, the deadline's.
    fn prepare(&self, _passage: &Reading<'_>, _deadline: &Deadline) -> Result<bool> {
        Ok(false)
    }

    /// Where its attention goes.
    ///
    /// # Errors
    /// [`crate::error::Error::LimitExceeded`] for what is longer than the window, [`crate::error::Error::Reader`], the
    /// deadline's.
    fn attention(&self, reading: &Reading<'_>, rows: Rows, deadline: &Deadline) -> Result<Attention>;

    /// How certain it is.
    ///
    /// # Errors
    /// As for [`Self::attention`].
    fn certainty(&self, reading: &Reading<'_>, of: Of, deadline: &Deadline) -> Result<Certainty>;
}

fn failed(e: ort::Error) -> Error {
    Error::Reader(e.to_string())
}

/// The values of an output.
fn finite(output: &ort::value::DynValue) -> Result<Vec<f32>> {
    let (_, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
    if values.iter().any(|v| !v.is_finite()) {
        return Err(Error::Reader("the network gave values that are no numbers".into()));
    }
    Ok(values.to_vec())
}
