//! Counting tokens as the target language model will: the currency of budgets.
//!
//! A [`TokenCounter`] is obtained by name from [`named`]: `o200k_base` and `cl100k_base` are built in,
//! a path to a Hugging Face `tokenizer.json` is read from disk, and `estimated` (optionally
//! `estimated:FACTOR`) serves models whose tokenizer is not public, with a stated safety factor.

mod estimated;
mod huggingface;
mod openai;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use estimated::DEFAULT_SAFETY_FACTOR;
use estimated::Estimated;
use huggingface::HuggingFace;
use openai::OpenAi;

use crate::error::{Error, Result};

/// A number of tokens of some named tokenizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenCount(pub u32);

impl TokenCount {
    /// From a length; counts beyond `u32::MAX` saturate.
    #[must_use]
    pub fn of(n: usize) -> Self {
        Self(u32::try_from(n).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for TokenCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the tokens of a text, without the special tokens a chat template would add.
pub trait TokenCounter: Send + Sync {
    /// The name under which a request asked for it.
    fn name(&self) -> &str;

    /// The number of tokens of `text`.
    fn count(&self, text: &str) -> TokenCount;

    /// Whether the count is an estimate with a safety factor and not the model's own.
    fn is_estimate(&self) -> bool {
        false
    }
}

/// The tokenizer used where a request names none.
pub const DEFAULT_TOKENIZER: &str = "o200k_base";

/// Finds a tokenizer by name or by path.
///
/// ```
/// let tokenizer = tamis::tokenize::named("o200k_base")?;
/// assert_eq!(tokenizer.count("A tamis is a drum sieve.").0, 8);
/// # Ok::<(), tamis::error::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] on `budget.tokenizer` for an unknown name, an unreadable file, or a
/// factor outside 1.0 to 4.0.
pub fn named(name: &str) -> Result<Arc<dyn TokenCounter>> {
    match name {
        "" => named(DEFAULT_TOKENIZER),
        "o200k_base" => Ok(Arc::new(OpenAi::o200k())),
        "cl100k_base" => Ok(Arc::new(OpenAi::cl100k())),
        "estimated" => Ok(Arc::new(Estimated::new(name, DEFAULT_SAFETY_FACTOR))),
        _ => match name.strip_prefix("estimated:") {
            Some(factor) => Ok(Arc::new(Estimated::parse(name, factor)?)),
            None if Path::new(name).extension().is_some_and(|e| e == "json") => {
                Ok(Arc::new(HuggingFace::from_file(Path::new(name))?))
            }
            None => Err(Error::invalid(
                "budget.tokenizer",
                format!(
                    "{name:?} is unknown: use o200k_base, cl100k_base, estimated, estimated:FACTOR, \
                     or the path of a tokenizer.json"
                ),
            )),
        },
    }
}
