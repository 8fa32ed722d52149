//! Which heads of a model look answers up: a table made by `tamis calibrate heads`, kept beside the model.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Rows;
use crate::error::{Error, Result};
use crate::onnx::Head;

/// That of the default model, with its evidence.
const SHIPPED: &str = include_str!("../../models/heads.toml");

/// The heads to listen to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadTable {
    /// The model that it was made for: name and beginning of its hash.
    pub model: String,
    /// From where the heads' attention is looked at.
    pub rows: Rows,
    /// Layer and head, both from 0.
    pub heads: Vec<Head>,
    /// How it was chosen.
    pub evidence: Evidence,
    /// What would have been chosen without each of the sets, and how well that does on it.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// What a choice was made on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Questions whose best passages were read.
    pub questions: usize,
    /// Share of questions whose first block, by these heads alone, is wanted.
    pub first: f64,
    /// Mean reciprocal rank of the first wanted block, by these heads and the fast score.
    pub reciprocal_rank: f64,
    /// The interval of the latter.
    pub interval: [f64; 2],
    /// The same for the best heads of any number and layer.
    pub best: f64,
}

/// A choice that never saw a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The set.
    pub set: String,
    /// From where.
    pub rows: Rows,
    /// The heads.
    pub heads: Vec<Head>,
    /// Mean reciprocal rank on the set.
    pub reciprocal_rank: f64,
}

impl HeadTable {
    /// The default model's.
    #[must_use]
    pub fn shipped() -> Self {
        // Compiled in, and read by a test: it can't be damaged.
        #[allow(clippy::expect_used)]
        Self::parse(SHIPPED).expect("models/heads.toml is sound")
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what is no such table, or names no head.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text).map_err(|e| Error::invalid("reader.heads", e.to_string()))?;
        match table.heads.is_empty() {
            true => Err(Error::invalid("reader.heads", "names no head")),
            false => Ok(table),
        }
    }

    /// Reads a table from a file.
    ///
    /// # Errors
    /// [`Error::Io`], and as for [`Self::parse`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::parse(&std::fs::read_to_string(path).map_err(Error::io(path))?)
    }

    /// As TOML.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for numbers that can't be written.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::invalid("reader.heads", e.to_string()))
    }

    /// The table as it would be had it never seen a set; itself where it did not see it.
    #[must_use]
    pub fn without(&self, set: &str) -> Self {
        match self.left_out.iter().find(|l| l.set == set) {
            Some(left) => Self { rows: left.rows, heads: left.heads.clone(), ..self.clone() },
            None => self.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_can_be_read_and_written() {
        let table = HeadTable::shipped();
        assert_eq!(HeadTable::parse(&table.to_toml().unwrap()).unwrap(), table);
        assert_eq!(table.without("no such set"), table);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, reason) in
            [("heads = [", "unclosed"), ("model = \"x\"", "missing field"), ("x = 1", "unknown field")]
        {
            let error = HeadTable::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
