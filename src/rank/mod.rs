//! Candidates to scores: two ranked lists are fused, then every block of the candidates is scored.
//!
//! Everything here is arithmetic on what was computed at ingest: one query vector, dot products, terms.

mod blocks;
mod bridges;
pub mod cascade;
mod describe;
mod expected;
pub mod features;
mod feedback;
mod fusion;
mod infiniretri;
mod marginal;
mod model;
mod policy;
mod reading;
mod runs;
mod trees;
mod xl3m;

pub use blocks::{BlockScore, score_blocks};
pub use describe::describe;
pub(crate) use fusion::ranked;
pub use fusion::{Candidate, Lexical, fuse};
pub use infiniretri::read_by_attention;
pub(crate) use marginal::by_marginal_relevance;
pub(crate) use model::evidence;
pub use model::{Model, Scored};
pub use policy::{Effort, ReadingPolicy, Stage, Who};
pub use reading::{End, Heard, Readings, WasRead, read};
pub(crate) use reading::{Passage, RESERVE, best_passages, in_time, listen, signals};
pub use trees::{Node, Trees};
pub use xl3m::{Xl3m, read_by_certainty};

use crate::deadline::Deadline;
use crate::encode::{Encoder, Vector};
use crate::error::Result;
pub use crate::index::rounded;
use crate::index::terms::{self, Language};

/// A question as ranking needs it.
#[derive(Clone, Debug)]
pub struct Question {
    /// As it was asked.
    pub text: String,
    /// Its vector.
    pub vector: Vector,
    /// The language of its terms.
    pub language: Language,
    /// Its distinct terms.
    pub terms: Vec<String>,
}

impl Question {
    /// Encodes and analyses a question.
    ///
    /// # Errors
    /// The encoder's and the deadline's.
    pub fn new(text: &str, encoder: &dyn Encoder, deadline: &Deadline) -> Result<Self> {
        let vector = encoder.encode_query(text, deadline)?;
        let language = Language::of(text);
        Ok(Self { text: text.to_owned(), vector, language, terms: terms::of_query(language, text) })
    }
}
