//! What a reader is opened with.

use std::path::PathBuf;

use super::super::{HeadTable, Rows, StateSettings};
use crate::encode::Precision;
use crate::error::{Error, Result};
use crate::onnx::{Head, LlamaShape};

/// Longest pass, unless the settings say otherwise.
const WINDOW: usize = 2048;
/// Most sessions, unless the settings say otherwise: each has its own copy of the weights.
const MAX_SESSIONS: usize = 4;

/// Which model, and how it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct ReaderSettings {
    /// A GGUF of LLaMA's architecture; without it, SmolLM2-135M-Instruct is provisioned.
    pub model: Option<PathBuf>,
    /// A `tokenizer.json` to use in place of the file's own tokenizer.
    pub tokenizer: Option<PathBuf>,
    /// Arithmetic.
    pub precision: Precision,
    /// Heads to listen to.
    pub listen: Listen,
    /// Most tokens of one pass.
    pub window: usize,
    /// Sessions, each on one thread.
    pub sessions: usize,
    /// What is kept of passages for other questions; nothing by default.
    pub states: StateSettings,
}

/// Which heads are listened to.
#[derive(Clone, Debug, PartialEq)]
pub enum Listen {
    /// Those of a table made by `tamis calibrate heads`; without one, that of the default model.
    Table(Option<HeadTable>),
    /// These.
    Heads(Vec<Head>, Rows),
    /// All of the first so many layers; all layers where there are fewer.
    Layers(usize),
}

impl Listen {
    /// The heads that are meant, for this model.
    pub(super) fn heads(&self, model: &str, shape: &LlamaShape) -> Result<(Vec<Head>, Rows)> {
        match self {
            Self::Heads(heads, rows) => Ok((heads.clone(), *rows)),
            Self::Layers(layers) => {
                let all =
                    (0..(*layers).min(shape.layers)).flat_map(|layer| (0..shape.heads).map(move |head| [layer, head]));
                Ok((all.map(Head::from).collect(), Rows::Mean))
            }
            Self::Table(table) => {
                let table = table.clone().unwrap_or_else(HeadTable::shipped);
                if table.model != model {
                    let made_for = table.model;
                    let reason = format!(
                        "are of {made_for}, and the model is {model}: run `tamis calibrate heads` for this one"
                    );
                    return Err(Error::invalid("reader.heads", reason));
                }
                Ok((table.heads, table.rows))
            }
        }
    }
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self {
            model: None,
            tokenizer: None,
            precision: Precision::Auto,
            listen: Listen::Table(None),
            window: WINDOW,
            sessions: std::thread::available_parallelism().map_or(1, usize::from).min(MAX_SESSIONS),
            states: StateSettings::default(),
        }
    }
}
