//! A summarizer that is not asked the same twice.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Completion, Cost, Prompt, Summarizer};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::hash::{Beginning, of_texts};
use crate::hits::Hits;

/// About how much a summary takes: to size the cache's tables with.
const TYPICAL_BYTES: usize = 512;

/// Keeps completions in a bounded part of the memory, by what was asked of whom.
pub struct CachedSummarizer {
    inner: Arc<dyn Summarizer>,
    known: Cache<Beginning, Arc<str>, Bytes>,
    hits: Hits,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Beginning, Arc<str>> for Bytes {
    fn weight(&self, _: &Beginning, text: &Arc<str>) -> u64 {
        text.len() as u64 + 64
    }
}

impl CachedSummarizer {
    /// A cache of so many bytes before a summarizer.
    #[must_use]
    pub fn new(inner: Arc<dyn Summarizer>, bytes: usize) -> Self {
        Self { inner, known: Cache::with_weighter(bytes / TYPICAL_BYTES, bytes as u64, Bytes), hits: Hits::default() }
    }

    /// The same, which counts here how often it had what was asked for.
    #[must_use]
    pub fn counted(self, hits: Hits) -> Self {
        Self { hits, ..self }
    }
}

impl Summarizer for CachedSummarizer {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn max_input(&self) -> usize {
        self.inner.max_input()
    }

    fn parallelism(&self) -> usize {
        self.inner.parallelism()
    }

    fn complete(&self, prompt: &Prompt, deadline: &Deadline) -> Result<Completion> {
        let key = of_texts([self.name(), &prompt.system, &prompt.user, &prompt.max_tokens.to_string()]);
        if let Some(text) = self.hits.counted(self.known.get(&key)) {
            let cost = Cost { cached: 1, ..Cost::default() };
            return Ok(Completion { text: text.as_ref().to_owned(), cost });
        }
        let completion = self.inner.complete(prompt, deadline)?;
        self.known.insert(key, completion.text.as_str().into());
        Ok(completion)
    }
}
