//! What a user may choose about the encoder.

use std::path::PathBuf;
use std::str::FromStr;

use super::Precision;
use crate::error::{Error, Result};
use crate::models::{Cache, catalog};

/// Which model encodes.
#[derive(Clone, Debug, Default)]
pub enum ModelChoice {
    /// all-MiniLM-L6-v2, from the cache or provisioned.
    #[default]
    Default,
    /// A directory with `model.onnx` (or `onnx/model.onnx`) or BERT weights in `model.safetensors`,
    /// and the tokenizer files of Hugging Face.
    Directory(PathBuf),
    /// A model of fastembed's catalogue by its name on the Hugging Face hub; needs the feature `hub`.
    Hub(String),
}

impl ModelChoice {
    /// Where its files lie; nothing for one of the hub.
    #[must_use]
    pub fn directory(&self, cache: &Cache) -> Option<PathBuf> {
        match self {
            Self::Default => Some(cache.directory_of(&catalog::ENCODER)),
            Self::Directory(path) => Some(path.clone()),
            Self::Hub(_) => None,
        }
    }

    /// `hub:NAME`, or a directory.
    #[must_use]
    pub fn parse(text: &std::path::Path) -> Self {
        match text.to_str().and_then(|t| t.strip_prefix("hub:")) {
            Some(name) => Self::Hub(name.to_owned()),
            None => Self::Directory(text.to_path_buf()),
        }
    }
}

/// How token vectors become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over all tokens.
    Mean,
    /// The first token.
    Cls,
}

impl FromStr for Pooling {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "mean" => Ok(Self::Mean),
            "cls" => Ok(Self::Cls),
            _ => Err(Error::invalid("encoder.pooling", format!("{s:?}: use mean or cls"))),
        }
    }
}

/// Settings of the encoder. What is `None` comes from the model's own files.
#[derive(Clone, Debug)]
pub struct EncoderSettings {
    /// The model.
    pub model: ModelChoice,
    /// Attention temperature tau of TempScale, 0.5 to 1.0; 1.0 is the model as trained.
    pub temperature: f32,
    /// Arithmetic.
    pub precision: Precision,
    /// Pooling.
    pub pooling: Option<Pooling>,
    /// Put before every question.
    pub query_prefix: Option<String>,
    /// Put before every passage.
    pub passage_prefix: Option<String>,
    /// Longest text in tokens, special tokens included.
    pub max_length: Option<usize>,
    /// Texts encoded at once, one thread each.
    pub sessions: usize,
}

impl Default for EncoderSettings {
    fn default() -> Self {
        Self {
            model: ModelChoice::Default,
            temperature: 1.0,
            precision: Precision::Auto,
            pooling: None,
            query_prefix: None,
            passage_prefix: None,
            max_length: None,
            sessions: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl EncoderSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with the field and its range.
    pub fn check(&self) -> Result<()> {
        if !(0.5..=1.0).contains(&self.temperature) {
            return Err(Error::invalid(
                "encoder.temperature",
                format!("{} is outside 0.5 to 1.0 (below, attention collapses again)", self.temperature),
            ));
        }
        if !(1..=256).contains(&self.sessions) {
            return Err(Error::invalid("encoder.sessions", format!("{} is outside 1 to 256", self.sessions)));
        }
        if self.max_length.is_some_and(|n| !(16..=8192).contains(&n)) {
            return Err(Error::invalid("encoder.max_length", "use 16 to 8192 tokens"));
        }
        Ok(())
    }
}
