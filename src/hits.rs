//! How often caches have what is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what was asked of a cache; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Hits(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Hits {
    /// Counts one question to the cache, and passes its answer on.
    pub(crate) fn counted<T>(&self, found: Option<T>) -> Option<T> {
        let count = if found.is_some() { &self.0.hits } else { &self.0.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// How often the cache had it.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.0.hits.load(Ordering::Relaxed)
    }

    /// How often it had not.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.0.misses.load(Ordering::Relaxed)
    }
}
