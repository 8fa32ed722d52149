//! A reader that does not read the same passage twice for the same question.

use std::ops::Range;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Attention, Certainty, Of, Reader, Reading, Rows};
use crate::deadline::Deadline;
use crate::encode::Fingerprint;
use crate::error::Result;
use crate::hash::Beginning;
use crate::hits::Hits;

/// About how much a passage takes: to size the cache's tables with.
const TYPICAL_BYTES: usize = 8 * 1024;

/// Keeps what was heard in a bounded part of the memory.
pub struct CachedReader {
    inner: Arc<dyn Reader>,
    heard: Cache<Beginning, Heard, Bytes>,
    hits: Hits,
}

#[derive(Clone)]
enum Heard {
    Attention(Arc<Attention>),
    Certainty(Arc<Certainty>),
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Beginning, Heard> for Bytes {
    fn weight(&self, _: &Beginning, heard: &Heard) -> u64 {
        let values = match heard {
            Heard::Attention(a) => 4 * (a.shares.len() + a.to_question.len()) + 16 * (a.tokens.len() + a.heads.len()),
            Heard::Certainty(c) => 24 * c.tokens.len(),
        };
        (values + 128) as u64
    }
}

impl CachedReader {
    /// A cache of so many bytes before a reader.
    #[must_use]
    pub fn new(inner: Arc<dyn Reader>, bytes: usize) -> Self {
        Self { inner, heard: Cache::with_weighter(bytes / TYPICAL_BYTES, bytes as u64, Bytes), hits: Hits::default() }
    }

    /// The same, which counts here how often it had what was asked for.
    #[must_use]
    pub fn counted(self, hits: Hits) -> Self {
        Self { hits, ..self }
    }

    fn known(&self, key: &Beginning) -> Option<Heard> {
        self.hits.counted(self.heard.get(key))
    }
}

impl Reader for CachedReader {
    fn fingerprint(&self) -> &Fingerprint {
        self.inner.fingerprint()
    }

    fn window(&self) -> usize {
        self.inner.window()
    }

    fn rows(&self) -> Rows {
        self.inner.rows()
    }

    fn languages(&self) -> &[String] {
        self.inner.languages()
    }

    fn overlaps(&self) -> bool {
        self.inner.overlaps()
    }

    fn parallelism(&self) -> usize {
        self.inner.parallelism()
    }

    fn count_tokens(&self, reading: &Reading<'_>) -> Result<usize> {
        self.inner.count_tokens(reading)
    }

    fn tokens(&self, text: &str) -> Result<Vec<Range<usize>>> {
        self.inner.tokens(text)
    }

    fn prepare(&self, passage: &Reading<'_>, deadline: &Deadline) -> Result<bool> {
        self.inner.prepare(passage, deadline)
    }

    fn attention(&self, reading: &Reading<'_>, rows: Rows, deadline: &Deadline) -> Result<Attention> {
        let key = reading.hash(&format!("{rows:?}"));
        if let Some(Heard::Attention(known)) = self.known(&key) {
            return Ok(Attention { read: 0, ..known.as_ref().clone() });
        }
        let attention = self.inner.attention(reading, rows, deadline)?;
        self.heard.insert(key, Heard::Attention(Arc::new(attention.clone())));
        Ok(attention)
    }

    fn certainty(&self, reading: &Reading<'_>, of: Of, deadline: &Deadline) -> Result<Certainty> {
        let key = reading.hash(&format!("{of:?}"));
        if let Some(Heard::Certainty(known)) = self.known(&key) {
            return Ok(Certainty { read: 0, ..known.as_ref().clone() });
        }
        let certainty = self.inner.certainty(reading, of, deadline)?;
        self.heard.insert(key, Heard::Certainty(Arc::new(certainty.clone())));
        Ok(certainty)
    }
}
