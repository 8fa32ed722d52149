//! What is compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::one_of;
use crate::compress::{Mode, Ranker};
use crate::error::{Error, Result};
use crate::rank::{Who, Xl3m};
use crate::read::InfiniRetriSettings;

/// A way to make contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// Tamis as served.
    Fast,
    /// The same, the best passages read by reader-mini.
    Mini,
    /// The same, read by the language model.
    Language,
    /// The same, read by reader-mini and then by the language model.
    Precise,
    /// The same, each where the ranking so far is unsure.
    Auto,
    /// Reader-mini alone, where the fast ranking is unsure.
    AutoMini,
    /// The language model alone, where the fast ranking is unsure.
    AutoLanguage,
    /// XL3M over the best passages.
    Xl3m,
    /// InfiniRetri over the best passages.
    InfiniRetri,
    /// Tamis as served, where what is unlike the better blocks counts as well.
    Diverse,
    /// Tamis as served, with words dropped.
    Words,
    /// A digest: what the passages say, cluster by cluster.
    Digest,
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
    /// Whole passages by both, each list's softmax summed.
    PassageSoft,
    /// Sentence vectors, bare.
    Sentence,
    /// Sentence vectors of "title: sentence": the simple strong baseline.
    TitleSentence,
    /// The same by maximal marginal relevance.
    Mmr,
}

impl System {
    /// Every system, the one under test first.
    pub const ALL: [Self; 21] = [
        Self::Fast,
        Self::Mini,
        Self::Language,
        Self::Precise,
        Self::Auto,
        Self::AutoMini,
        Self::AutoLanguage,
        Self::Xl3m,
        Self::InfiniRetri,
        Self::Diverse,
        Self::Words,
        Self::Digest,
        Self::TitleSentence,
        Self::Mmr,
        Self::Sentence,
        Self::PassageFused,
        Self::PassageSoft,
        Self::PassageDense,
        Self::PassageBm25,
        Self::Lead,
        Self::Random,
    ];

    /// Whether it chooses among whole passages.
    pub(super) fn ranks_passages(self) -> bool {
        matches!(self, Self::PassageBm25 | Self::PassageDense | Self::PassageFused | Self::PassageSoft)
    }

    /// Whether it chooses among sentences, each scored by itself.
    pub(super) fn takes_sentences(self) -> bool {
        matches!(self, Self::Random | Self::Lead | Self::Sentence | Self::TitleSentence | Self::Mmr)
    }

    /// Whether a reader is needed.
    #[must_use]
    pub fn reads(self) -> bool {
        self.reads_with(Who::Mini) || self.reads_with(Who::Language)
    }

    /// Whether this one is.
    #[must_use]
    pub fn reads_with(self, who: Who) -> bool {
        match self {
            Self::Precise | Self::Auto => true,
            Self::Mini | Self::AutoMini => who == Who::Mini,
            Self::Language | Self::AutoLanguage | Self::Xl3m | Self::InfiniRetri => who == Who::Language,
            _ => false,
        }
    }

    /// Whether it is for questions of another kind, and compared only where it is asked for.
    #[must_use]
    pub fn is_asked_for(self) -> bool {
        matches!(self, Self::Digest | Self::Diverse | Self::Words)
    }

    /// The request that it stands for, as served; `None` for what is not Tamis.
    pub(super) fn asks_for(self) -> Option<(Mode, Option<Who>, Ranker)> {
        let fused = |mode, only| Some((mode, only, Ranker::Fused));
        match self {
            Self::Fast => fused(Mode::Fast, None),
            Self::Mini => fused(Mode::Mini, None),
            Self::Language => fused(Mode::Precise, Some(Who::Language)),
            Self::Precise => fused(Mode::Precise, None),
            Self::Auto => fused(Mode::Auto, None),
            Self::AutoMini => fused(Mode::Auto, Some(Who::Mini)),
            Self::AutoLanguage => fused(Mode::Auto, Some(Who::Language)),
            Self::Xl3m => Some((Mode::Precise, None, Ranker::Xl3m(Xl3m::default()))),
            Self::InfiniRetri => Some((Mode::Precise, None, Ranker::InfiniRetri(InfiniRetriSettings::default()))),
            _ => None,
        }
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
            Self::Mini => "mini",
            Self::Language => "language",
            Self::Precise => "precise",
            Self::Auto => "auto",
            Self::AutoMini => "auto-mini",
            Self::AutoLanguage => "auto-language",
            Self::Xl3m => "xl3m",
            Self::InfiniRetri => "infiniretri",
            Self::Diverse => "diverse",
            Self::Words => "words",
            Self::Digest => "digest",
            Self::Random => "random",
            Self::Lead => "lead",
            Self::PassageBm25 => "passage-bm25",
            Self::PassageDense => "passage-dense",
            Self::PassageFused => "passage-fused",
            Self::PassageSoft => "passage-soft",
            Self::Sentence => "sentence",
            Self::TitleSentence => "title-sentence",
            Self::Mmr => "mmr",
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
