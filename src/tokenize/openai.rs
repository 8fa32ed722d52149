//! OpenAI's public vocabularies, exact, through the `bpe-openai` crate.

use super::{TokenCount, TokenCounter};

/// One of the built-in byte-pair vocabularies.
pub(super) struct OpenAi {
    name: &'static str,
    bpe: &'static bpe_openai::Tokenizer,
}

impl OpenAi {
    pub(super) fn o200k() -> Self {
        Self { name: "o200k_base", bpe: bpe_openai::o200k_base() }
    }

    pub(super) fn cl100k() -> Self {
        Self { name: "cl100k_base", bpe: bpe_openai::cl100k_base() }
    }
}

impl TokenCounter for OpenAi {
    fn name(&self) -> &str {
        self.name
    }

    fn count(&self, text: &str) -> TokenCount {
        TokenCount::of(self.bpe.count(text))
    }
}
