//! The weights of the features, as learnt from labelled questions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::{COUNT, Features, NAMES};
use crate::error::{Error, Result};

/// What ships: made by `tamis eval --tune`, with the evidence beside it in docs/evaluation.md.
const SHIPPED: &str = include_str!("../../models/ranking.toml");

/// One weight per feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights([f32; COUNT]);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    weights: BTreeMap<String, f32>,
}

impl Weights {
    /// The weights that ship.
    #[must_use]
    pub fn shipped() -> Self {
        // Compiled in, and read by a test: it can't be damaged.
        #[allow(clippy::expect_used)]
        Self::parse(SHIPPED).expect("models/ranking.toml is sound")
    }

    /// Reads weights from TOML: `[weights]`, then every feature by its name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for features that are missing, unknown or no numbers.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: String| Error::invalid("ranking.weights", reason);
        let file: File = toml::from_str(text).map_err(|e| refuse(e.to_string()))?;
        if let Some(unknown) = file.weights.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(refuse(format!("{unknown:?} is no feature; use {}", NAMES.join(", "))));
        }
        let mut weights = [0.0; COUNT];
        for (weight, name) in weights.iter_mut().zip(NAMES) {
            *weight = *file.weights.get(name).ok_or_else(|| refuse(format!("{name} is missing")))?;
            if !weight.is_finite() {
                return Err(refuse(format!("{name} is no number")));
            }
        }
        Ok(Self(weights))
    }

    /// From values in the order of the features.
    #[must_use]
    pub fn of(values: [f32; COUNT]) -> Self {
        Self(values)
    }

    /// As TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let lines = NAMES.iter().zip(&self.0).map(|(name, weight)| format!("{name} = {weight:.4}\n"));
        format!("[weights]\n{}", lines.collect::<String>())
    }

    /// The weighted sum.
    #[must_use]
    pub fn score(&self, features: &Features) -> f32 {
        self.0.iter().zip(features).map(|(w, f)| w * f).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_can_be_read_and_written() {
        let weights = Weights::shipped();
        assert_eq!(Weights::parse(&weights.to_toml()).unwrap(), weights);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let complete = Weights::of([1.0; COUNT]).to_toml();
        for (text, reason) in [
            (complete.replace("bridge", "brigde"), "brigde"),
            (complete.replace("expected = 1.0000\n", ""), "expected is missing"),
            (complete.replace("first = 1.0000", "first = nan"), "first is no number"),
        ] {
            let error = Weights::parse(&text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
