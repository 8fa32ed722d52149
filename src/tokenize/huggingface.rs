//! Any Hugging Face `tokenizer.json`.

use std::path::Path;

use tokenizers::Tokenizer;

use super::{TokenCount, TokenCounter};
use crate::error::{Error, Result};

/// A tokenizer read from a file; truncation and padding that the file asks for are switched off,
/// because they would make counts wrong.
pub(super) struct HuggingFace {
    name: String,
    tokenizer: Tokenizer,
}

impl HuggingFace {
    pub(super) fn from_file(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let unusable = |reason: String| Error::invalid("budget.tokenizer", format!("{name}: {reason}"));
        let bytes = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| unusable(format!("not a tokenizer.json: {e}")))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| unusable(e.to_string()))?;
        Ok(Self { name, tokenizer })
    }
}

impl TokenCounter for HuggingFace {
    fn name(&self) -> &str {
        &self.name
    }

    fn count(&self, text: &str) -> TokenCount {
        match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => TokenCount::of(encoding.len()),
            // A vocabulary without an unknown token can refuse a text. One token a byte is the most any
            // byte-level vocabulary needs, so a budget still can't be exceeded.
            Err(_) => TokenCount::of(text.len()),
        }
    }
}
