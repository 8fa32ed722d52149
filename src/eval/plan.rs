//! What is compared, and how.

use std::sync::Arc;

use super::system::System;
use crate::compress::{Readers, WhoReads};
use crate::error::Result;
use crate::rank::{Model, ReadingPolicy};
use crate::tokenize::TokenCounter;

/// What to compare, and how.
#[derive(Clone)]
pub struct Plan {
    /// The systems.
    pub systems: Vec<System>,
    /// The budgets, in tokens.
    pub budgets: Vec<u32>,
    /// Whose tokens.
    pub tokenizer: Arc<dyn TokenCounter>,
    /// How the system under test scores blocks.
    pub model: Model,
    /// For random orders and intervals.
    pub seed: u64,
    /// Who reads for the systems that read.
    pub readers: Readers,
    /// How much of it, and what it counts.
    pub policy: ReadingPolicy,
}

impl Plan {
    /// Who reads for a system; nobody for those that do not read.
    pub(super) fn reading(&self, system: System) -> Result<Option<WhoReads<'_>>> {
        match system.asks_for() {
            Some((mode, only, ranker)) => self.readers.reading(&self.policy, mode, ranker, only, None),
            None => Ok(None),
        }
    }
}
