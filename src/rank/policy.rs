//! How much is read, what it counts, and when: learnt from labelled questions.

use serde::{Deserialize, Serialize};

use super::cascade::Cascade;
use crate::error::{Error, Result};

/// What ships: made by `tamis calibrate cascade`, with the evidence beside it in docs/evaluation.md.
const SHIPPED: &str = include_str!("../../models/reading.toml");

/// How much is read, and what it counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingPolicy {
    /// Passages that are read: those whose best block scores highest.
    pub passages: usize,
    /// Passages that are read at most where no more is read than needed.
    pub passages_as_needed: usize,
    /// What a deviation of the signal counts, in units of the fast score.
    pub weight: f32,
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

    /// Reads a policy from TOML.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what is missing, unknown or out of range.
    pub fn parse(text: &str) -> Result<Self> {
        let policy: Self = toml::from_str(text).map_err(|e| Error::invalid("reading", e.to_string()))?;
        match policy.passages.min(policy.passages_as_needed) > 0
            && policy.weight.is_finite()
            && policy.reach.is_finite()
        {
            true => Ok(policy),
            false => Err(Error::invalid("reading", "passages must be at least 1, weight and reach numbers")),
        }
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
        assert!(policy.passages_as_needed <= policy.passages && policy.weight > 0.0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let sound = ReadingPolicy::shipped().to_toml().unwrap();
        for (wrong, reason) in [
            (sound.replace("best_relevance", "best_relevanse"), "best_relevanse"),
            (sound.replace("below_cut", "# below_cut"), "below_cut is missing"),
            (sound.replace("passages_as_needed = 8", "passages_as_needed = 0"), "at least 1"),
            (sound.replace("reach = 2.0", "reach = nan"), "numbers"),
            (format!("pages = 3\n{sound}"), "unknown field"),
        ] {
            let error = ReadingPolicy::parse(&wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
