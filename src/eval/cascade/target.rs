//! Whose part of the policy is calibrated, and what it is compared with.

use std::str::FromStr;

use super::super::one_of;
use super::super::system::System;
use crate::error::{Error, Result};
use crate::rank::cascade::{COUNT, Cascade};
use crate::rank::{ReadingPolicy, Stage, Who};

/// Whose part of the policy is calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Reader-mini's, over the fast ranking.
    Mini,
    /// The language model's, over the fast ranking.
    Language,
    /// The language model's, over what reader-mini made of it.
    LanguageAfterMini,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mini, Self::Language, Self::LanguageAfterMini];

    /// Its name in flags and in the policy's file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mini => "mini",
            Self::Language => "language",
            Self::LanguageAfterMini => "language_after_mini",
        }
    }

    /// The readers that are needed.
    #[must_use]
    pub fn reads_with(self, who: Who) -> bool {
        self.full().reads_with(who)
    }

    /// What is there without it, all of it read, and read as needed.
    pub(super) fn without(self) -> System {
        if self == Self::LanguageAfterMini { System::Mini } else { System::Fast }
    }

    pub(super) fn full(self) -> System {
        match self {
            Self::Mini => System::Mini,
            Self::Language => System::Language,
            Self::LanguageAfterMini => System::Precise,
        }
    }

    pub(super) fn as_needed(self) -> System {
        match self {
            Self::Mini => System::AutoMini,
            Self::Language => System::AutoLanguage,
            Self::LanguageAfterMini => System::Auto,
        }
    }

    pub(super) fn of(self, policy: &ReadingPolicy) -> &Stage {
        match self {
            Self::Mini => &policy.mini,
            Self::Language => &policy.language,
            Self::LanguageAfterMini => &policy.language_after_mini,
        }
    }

    /// The policy with another stage in this place.
    #[must_use]
    pub fn put(self, policy: ReadingPolicy, stage: Stage) -> ReadingPolicy {
        match self {
            Self::Mini => ReadingPolicy { mini: stage, ..policy },
            Self::Language => ReadingPolicy { language: stage, ..policy },
            Self::LanguageAfterMini => ReadingPolicy { language_after_mini: stage, ..policy },
        }
    }

    /// The same, and what comes before it reads everything.
    pub(super) fn with(self, policy: &ReadingPolicy, stage: Stage) -> ReadingPolicy {
        let policy = policy.clone();
        let mini = match self {
            Self::LanguageAfterMini => {
                let passages_as_needed = policy.mini.passages;
                Stage { cascade: ALWAYS, reach: f32::MAX, passages_as_needed, ..policy.mini }
            }
            _ => policy.mini,
        };
        self.put(ReadingPolicy { mini, ..policy }, stage)
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        one_of("stage", &Self::ALL, Self::name, s)
    }
}

/// Reads whatever the scores say.
pub(super) const ALWAYS: Cascade = Cascade { offset: 0.0, weights: [0.0; COUNT], threshold: 0.0 };
