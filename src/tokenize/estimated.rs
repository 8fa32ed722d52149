//! Counts for models without a public tokenizer: o200k_base times a safety factor.

use super::{TokenCount, TokenCounter};
use crate::error::{Error, Result};

/// Public comparisons report up to 1.55 times the tokens of `o200k_base` for models whose tokenizer
/// is not published; the default stays above them.
pub const DEFAULT_SAFETY_FACTOR: f64 = 1.6;

/// `ceil(factor x o200k_base)`.
pub(super) struct Estimated {
    name: String,
    factor: f64,
}

impl Estimated {
    pub(super) fn new(name: &str, factor: f64) -> Self {
        Self { name: name.to_owned(), factor }
    }

    pub(super) fn parse(name: &str, factor: &str) -> Result<Self> {
        match factor.parse::<f64>() {
            Ok(factor) if (1.0..=4.0).contains(&factor) => Ok(Self::new(name, factor)),
            _ => Err(Error::invalid("budget.tokenizer", format!("{name:?}: the factor is a number from 1.0 to 4.0"))),
        }
    }
}

impl TokenCounter for Estimated {
    fn name(&self) -> &str {
        &self.name
    }

    fn count(&self, text: &str) -> TokenCount {
        let exact = bpe_openai::o200k_base().count(text);
        TokenCount::of((exact as f64 * self.factor).ceil() as usize)
    }

    fn is_estimate(&self) -> bool {
        true
    }
}
