//! The files of a model directory, and what they say about pooling, prefixes and lengths.

use std::path::{Path, PathBuf};

use fastembed::TokenizerFiles;
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::encode::{ModelChoice, Pooling};
use crate::error::{Error, Result};
use crate::models::{self, Cache, Progress, catalog};
use crate::onnx::BertShape;

/// The network as it came.
pub(crate) enum Network {
    /// A graph.
    Onnx(Vec<u8>),
    /// Weights only; the graph is written here.
    Weights(Vec<u8>),
}

impl Network {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Onnx(bytes) | Self::Weights(bytes) => bytes,
        }
    }
}

/// A model read from disk.
pub(crate) struct ModelFiles {
    pub(crate) name: String,
    pub(crate) network: Network,
    pub(crate) shape: BertShape,
    pub(super) tokenizer: Vec<u8>,
    pub(super) pooling: Pooling,
    pub(super) query_prefix: String,
    pub(super) passage_prefix: String,
    pub(super) max_length: usize,
    pub(super) max_length_possible: usize,
    config: Vec<u8>,
    tokenizer_config: Vec<u8>,
    special_tokens: Vec<u8>,
}

/// Longest text where the model's files do not say.
const DEFAULT_MAX_LENGTH: usize = 256;

impl ModelFiles {
    pub(crate) fn read(choice: &ModelChoice, cache: &Cache, progress: &dyn Progress) -> Result<Self> {
        match choice {
            ModelChoice::Default => {
                let artifact = &catalog::ENCODER;
                let directory = models::obtain(artifact, cache, progress)?;
                for file in artifact.files {
                    models::read_verified(artifact, &directory, file)?;
                }
                Self::from_directory(artifact.name.to_owned(), &directory)
            }
            ModelChoice::Hub(name) => Self::from_directory(name.clone(), &models::fetch(name, cache)?),
            ModelChoice::Directory(path) => {
                let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into());
                Self::from_directory(name, path)
            }
        }
    }

    fn from_directory(name: String, directory: &Path) -> Result<Self> {
        let read = |file: &str| -> Result<Vec<u8>> {
            let path = directory.join(file);
            std::fs::read(&path).map_err(|e| Error::model(&name, format!("{}: {e}", path.display())))
        };
        let optional = |file: &str| -> Value {
            std::fs::read(directory.join(file))
                .ok()
                .and_then(|b| serde_json::from_slice(&b).ok())
                .unwrap_or(Value::Null)
        };
        let network = match first_file(directory, &["model.onnx", "onnx/model.onnx"]) {
            Some(path) => Network::Onnx(std::fs::read(&path).map_err(Error::io(&path))?),
            None if directory.join("model.safetensors").is_file() => Network::Weights(read("model.safetensors")?),
            None => {
                let reason = format!("{} holds neither model.onnx nor model.safetensors", directory.display());
                return Err(Error::model(&name, reason));
            }
        };
        let config = read("config.json")?;
        let shape: BertShape =
            serde_json::from_slice(&config).map_err(|e| Error::model(&name, format!("config.json: {e}")))?;
        let pooling = optional("1_Pooling/config.json");
        let prompts = optional("config_sentence_transformers.json")["prompts"].clone();
        let prompt =
            |keys: &[&str]| -> String { keys.iter().find_map(|k| prompts[*k].as_str()).unwrap_or_default().to_owned() };
        let stated = optional("sentence_bert_config.json")["max_seq_length"].as_u64();
        let possible = if shape.max_position_embeddings > 0 { shape.max_position_embeddings } else { usize::MAX };
        Ok(Self {
            network,
            tokenizer: read("tokenizer.json")?,
            pooling: if pooling["pooling_mode_cls_token"] == Value::Bool(true) { Pooling::Cls } else { Pooling::Mean },
            query_prefix: prompt(&["query"]),
            passage_prefix: prompt(&["passage", "document"]),
            max_length: stated.map_or(DEFAULT_MAX_LENGTH, |n| n as usize).min(possible),
            max_length_possible: possible,
            config,
            tokenizer_config: read("tokenizer_config.json")?,
            special_tokens: read("special_tokens_map.json")?,
            shape,
            name,
        })
    }

    /// The tokenizer without truncation and padding, for counting and offsets.
    pub(crate) fn plain_tokenizer(&self) -> Result<Tokenizer> {
        let bad = |e: tokenizers::Error| Error::model(&self.name, format!("tokenizer.json: {e}"));
        let mut tokenizer = Tokenizer::from_bytes(&self.tokenizer).map_err(bad)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(bad)?;
        Ok(tokenizer)
    }

    pub(super) fn into_tokenizer_files(self) -> TokenizerFiles {
        TokenizerFiles {
            tokenizer_file: self.tokenizer,
            config_file: self.config,
            special_tokens_map_file: self.special_tokens,
            tokenizer_config_file: self.tokenizer_config,
        }
    }
}

fn first_file(directory: &Path, names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|n| directory.join(n)).find(|p| p.is_file())
}
