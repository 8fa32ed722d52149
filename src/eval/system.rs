//! What is compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::one_of;
use crate::error::{Error, Result};

/// A way to make contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// Tamis as served.
    Fast,
    /// The same, the best passages read by a language model.
    Precise,
    /// The same, where the fast ranking is unsure.
    Auto,
    /// XL3M over the best passages.
    Xl3m,
    /// InfiniRetri over the best passages.
    InfiniRetri,
    /// Blocks in a random order.
    Random,
    /// Blocks from the beginning.
    Lead,
    /// Whole passages by BM25, cut at the budget.
    PassageBm25,
    /// Whole passages by cosine, cut at the budget.
    PassageDense,
    /// Whole passages by both, fused: rerank and cut.
    PassageFused,
    /// Sentence vectors, bare.
    Sentence,
    /// Sentence vectors of "title: sentence": the simple strong baseline.
    TitleSentence,
}

impl System {
    /// Every system, the one under test first.
    pub const ALL: [Self; 12] = [
        Self::Fast,
        Self::Precise,
        Self::Auto,
        Self::Xl3m,
        Self::InfiniRetri,
        Self::TitleSentence,
        Self::Sentence,
        Self::PassageFused,
        Self::PassageDense,
        Self::PassageBm25,
        Self::Lead,
        Self::Random,
    ];

    /// Whether it chooses among whole passages.
    pub(super) fn ranks_passages(self) -> bool {
        matches!(self, Self::PassageBm25 | Self::PassageDense | Self::PassageFused)
    }

    /// Whether it chooses among sentences, each scored by itself.
    pub(super) fn takes_sentences(self) -> bool {
        matches!(self, Self::Random | Self::Lead | Self::Sentence | Self::TitleSentence)
    }

    /// Whether a reader is needed.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::Precise | Self::Auto | Self::Xl3m | Self::InfiniRetri)
    }

    /// Whether a model reads the question.
    pub(super) fn encodes_questions(self) -> bool {
        !matches!(self, Self::Random | Self::Lead | Self::PassageBm25)
    }

    /// Its name in flags and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Precise => "precise",
            Self::Auto => "auto",
            Self::Xl3m => "xl3m",
            Self::InfiniRetri => "infiniretri",
            Self::Random => "random",
            Self::Lead => "lead",
            Self::PassageBm25 => "passage-bm25",
            Self::PassageDense => "passage-dense",
            Self::PassageFused => "passage-fused",
            Self::Sentence => "sentence",
            Self::TitleSentence => "title-sentence",
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for System {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        one_of("system", &Self::ALL, Self::name, s)
    }
}
