//! How much is read, what it counts, and when: learnt from labelled questions.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cascade::Cascade;
use crate::error::{Error, Result};

/// What ships: made by `tamis calibrate cascade`, with the evidence beside it in docs/evaluation.md.
const SHIPPED: &str = include_str!("../../models/reading.toml");

/// Who reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Who {
    /// The encoder with an adapter.
    Mini,
    /// The small language model.
    #[default]
    Language,
}

impl Who {
    /// Its name in settings, on the wire and in explanations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mini => "mini",
            Self::Language => "language",
        }
    }
}

/// How much is read by whom, and what it counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingPolicy {
    /// Of reader-mini, over the fast ranking.
    pub mini: Stage,
    /// Of the language model, over the fast ranking.
    pub language: Stage,
    /// Of the language model, over what reader-mini made of it.
    pub language_after_mini: Stage,
}

/// How much one reader reads, and what it counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Passages that are read: those whose best block scores highest.
    pub passages: usize,
    /// Passages that are read at most where no more is read than needed.
    pub passages_as_needed: usize,
    /// What a deviation of the signal counts, in units of the fast score.
    pub weight: f32,
    /// Blocks that draw less than about this draw the same: nothing.
    pub least: f32,
    /// Where no more is read than needed: a passage whose best block is further below the budget's cut ends it, because
    /// hardly any signal lifts a block so far.
    pub reach: f32,
    /// When it is read at all, where it is not always.
    pub cascade: Cascade,
}

impl ReadingPolicy {
    /// The policy that ships.
    #[must_use]
    pub fn shipped() -> Self {
        // Compiled in, and read by a test: it can't be damaged.
        #[allow(clippy::expect_used)]
        Self::parse(SHIPPED).expect("models/reading.toml is sound")
    }

    /// Reads a policy from a file.
    ///
    /// # Errors
    /// [`Error::Io`], and as for [`Self::parse`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::parse(&std::fs::read_to_string(path).map_err(Error::io(path))?)
    }

    /// Reads a policy from TOML.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what is missing, unknown or out of range.
    pub fn parse(text: &str) -> Result<Self> {
        let policy: Self = toml::from_str(text).map_err(|e| Error::invalid("reading", e.to_string()))?;
        let is_sound = |stage: &Stage| {
            let numbers = [stage.weight, stage.reach, stage.least];
            stage.passages.min(stage.passages_as_needed) > 0
                && numbers.iter().all(|n| n.is_finite())
                && stage.least > 0.0
        };
        if !policy.stages().into_iter().all(is_sound) {
            return Err(Error::invalid(
                "reading",
                "passages must be at least 1, weight and reach numbers, least more than 0",
            ));
        }
        Ok(policy)
    }

    fn stages(&self) -> [&Stage; 3] {
        [&self.mini, &self.language, &self.language_after_mini]
    }

    /// As TOML.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for numbers that can't be written.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::invalid("reading", e.to_string()))
    }
}

/// Whether everything that the policy allows is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Everything.
    Full,
    /// Nothing where the fast ranking is sure, and no more once the rest can't change what is kept.
    AsNeeded {
        /// Blocks that the budget keeps, about.
        cut: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_can_be_read_and_written() {
        let policy = ReadingPolicy::shipped();
        assert_eq!(ReadingPolicy::parse(&policy.to_toml().unwrap()).unwrap(), policy);
        assert!(policy.stages().iter().all(|s| s.passages_as_needed <= s.passages && s.weight > 0.0));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let sound = ReadingPolicy::shipped().to_toml().unwrap();
        for (wrong, reason) in [
            (sound.replace("best_relevance", "best_relevanse"), "best_relevanse"),
            (sound.replace("below_cut", "# below_cut"), "below_cut is missing"),
            (sound.replace("passages_as_needed = 8", "passages_as_needed = 0"), "at least 1"),
            (sound.replace("reach = 2.0", "reach = nan"), "numbers"),
            (sound.replace("least = 0.001", "least = 0.0"), "least more than 0"),
            (format!("pages = 3\n{sound}"), "unknown field"),
        ] {
            let error = ReadingPolicy::parse(&wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
