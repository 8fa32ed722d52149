//! Settings: defaults < file (TOML) < environment (`TAMIS_...`) < flags. Unknown keys are errors.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tamis::encode::{EncoderSettings, ModelChoice};
use tamis::error::Error;
use tamis::index::Index;
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::qdrant::QdrantIndex;
use tamis::read::{HeadTable, Listen, MiniSettings, ReaderSettings, StateSettings};

use crate::summarizer::EndpointSettings;

pub(crate) const MIB: usize = 1024 * 1024;
/// The index that needs no service.
pub const EMBEDDED: &str = "embedded";
/// Keys and values of passages, in the data directory.
const READER_STATES: &str = "reader-states";

/// Every setting of the server, flat; a file's keys and `TAMIS_` variables have these names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Where collections are kept: `embedded`, in the data directory, or `qdrant://HOST:PORT`, in a cluster
    /// (docs/scaling.md has its options).
    pub index: String,
    /// The embedded store's directory.
    pub data_dir: PathBuf,
    /// A model directory instead of the default encoder; `hub:NAME` in builds with the feature `hub`.
    pub model_dir: Option<PathBuf>,
    /// Attention temperature tau, 0.5 to 1.0.
    pub temperature: f32,
    /// `auto`, `fp32`, `int8` or `bf16`.
    pub precision: String,
    /// `mean` or `cls`; the model's own where absent.
    pub pooling: Option<String>,
    /// Put before every question; the model's own where absent.
    pub query_prefix: Option<String>,
    /// Put before every passage; the model's own where absent.
    pub passage_prefix: Option<String>,
    /// Longest text the encoder reads, in its tokens; the model's own where absent.
    pub max_length: Option<usize>,
    /// Texts encoded at once; 0: one per core.
    pub sessions: usize,
    /// Threads that answer questions; 0: one per core.
    pub query_threads: usize,
    /// Questions that may wait for a thread; more are refused with RESOURCE_EXHAUSTED.
    pub query_queue: usize,
    /// Threads that split and encode documents; 0: one per core.
    pub ingest_threads: usize,
    /// Largest request message, in bytes.
    pub max_message_bytes: usize,
    /// Time limit of a question that sets none, in seconds.
    pub default_timeout_s: u64,
    /// Directory of `tokenizer.json` files that requests may name by file name.
    pub tokenizer_dir: Option<PathBuf>,
    /// How much is read and what it counts, as `tamis calibrate cascade` wrote it; what ships where absent.
    pub reading: Option<PathBuf>,
    /// When reader-mini is loaded: `lazy`, with the first request that needs it; `eager`, at the start; `off`, never.
    pub mini: String,
    /// An adapter instead of the one that ships, trained on the encoder's weights (docs/adapt.md).
    pub mini_adapter: Option<PathBuf>,
    /// When the language model is loaded: `lazy`, with the first request that needs it; `eager`, at the start; `off`,
    /// never.
    pub reader: String,
    /// A GGUF of LLaMA's architecture instead of the default reader.
    pub reader_model: Option<PathBuf>,
    /// A `tokenizer.json` instead of the reader's own tokenizer.
    pub reader_tokenizer: Option<PathBuf>,
    /// The reader's heads, as `tamis calibrate heads` wrote them; those that ship where absent.
    pub reader_heads: Option<PathBuf>,
    /// The reader's arithmetic: `auto`, `fp32`, `int8` or `bf16`.
    pub reader_precision: String,
    /// Longest text the reader reads at once, in its tokens.
    pub reader_window: usize,
    /// Passages read at once; 0: one per core, at most 4, because each takes memory of its own.
    pub reader_sessions: usize,
    /// What the reader heard is kept in so many MiB, so that the same passage is not read twice for one question.
    pub reader_cache_mib: usize,
    /// Passages' keys and values are kept in so many MiB of memory (8.8 kB a token), so that another question to
    /// the same passage costs its own tokens only; 0 keeps none.
    pub reader_states_mib: usize,
    /// The same in files of the data directory, which outlives the process; 0 keeps none.
    pub reader_states_disk_mib: usize,
    /// Where a language model summarises clusters for digests that ask for it: the address of an endpoint that speaks
    /// OpenAI's chat completions, for example `http://127.0.0.1:8000/v1`; nobody does where absent.
    pub summarizer_url: Option<String>,
    /// The model's name there.
    pub summarizer_model: String,
    /// The environment variable that holds the endpoint's key; none is sent where absent.
    pub summarizer_key_env: Option<String>,
    /// Time limit of one call, in seconds.
    pub summarizer_timeout_s: u64,
    /// A call that fails for a reason that may pass is repeated so often.
    pub summarizer_retries: u32,
    /// Calls at once, of all requests together.
    pub summarizer_concurrency: usize,
    /// Most tokens of passages in one call, at least 256.
    pub summarizer_input_tokens: usize,
    /// Summaries are kept in so many MiB, so that the same passages are not summarised twice.
    pub summarizer_cache_mib: usize,
    /// Questions that are read for at once; 0: one per core.
    pub read_threads: usize,
    /// Questions that may wait to be read for; more are refused with RESOURCE_EXHAUSTED.
    pub read_queue: usize,
    /// Most documents of a tenant, over all its collections; 0: no limit.
    pub quota_documents: u64,
    /// Most MiB of text of a tenant; 0: no limit.
    pub quota_bytes_mib: u64,
    /// Most requests of a tenant in a second; 0: no limit.
    pub quota_requests_per_s: u64,
    /// Most streams of a tenant at once, in and out; 0: no limit.
    pub quota_streams: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7420)),
            index: EMBEDDED.into(),
            data_dir: default_data_dir(),
            model_dir: None,
            temperature: 1.0,
            precision: "auto".into(),
            pooling: None,
            query_prefix: None,
            passage_prefix: None,
            max_length: None,
            sessions: 0,
            query_threads: 0,
            query_queue: 256,
            ingest_threads: 0,
            max_message_bytes: 64 * 1024 * 1024,
            default_timeout_s: 60,
            tokenizer_dir: None,
            reading: None,
            mini: "lazy".into(),
            mini_adapter: None,
            reader: "lazy".into(),
            reader_model: None,
            reader_tokenizer: None,
            reader_heads: None,
            reader_precision: "auto".into(),
            reader_window: 2048,
            reader_sessions: 0,
            reader_cache_mib: 64,
            reader_states_mib: 0,
            reader_states_disk_mib: 0,
            summarizer_url: None,
            summarizer_model: String::new(),
            summarizer_key_env: None,
            summarizer_timeout_s: 30,
            summarizer_retries: 2,
            summarizer_concurrency: 4,
            summarizer_input_tokens: 3000,
            summarizer_cache_mib: 16,
            read_threads: 0,
            read_queue: 64,
            quota_documents: 0,
            quota_bytes_mib: 0,
            quota_requests_per_s: 0,
            quota_streams: 0,
        }
    }
}

/// `$XDG_DATA_HOME/tamis`, else `~/.local/share/tamis`, else `tamis-data` here.
fn default_data_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .map(|p| p.join("tamis"))
        .or_else(|| set("HOME").map(|p| p.join(".local/share/tamis")))
        .unwrap_or_else(|| "tamis-data".into())
}

/// A setting that can't be used, with where it came from.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(String);

/// Variables that are not settings of the server but of the library, the command line and the tests.
const OTHER_VARIABLES: &[&str] = &[
    "TAMIS_CACHE_DIR",
    "TAMIS_ONNXRUNTIME",
    "TAMIS_SERVER",
    "TAMIS_TENANT",
    "TAMIS_COLLECTION",
    "TAMIS_CONFIG",
    "TAMIS_LOG",
];
/// Variables for tests begin with this.
const TEST_PREFIX: &str = "TAMIS_TEST_";

impl Config {
    /// Reads the file, if one is named, and then the environment.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that can't be read, an unknown key, or a value of the wrong type.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut table = match file {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|e| ConfigError(format!("{}: {e}", path.display())))?;
                text.parse::<toml::Table>().map_err(|e| ConfigError(format!("{}: {e}", path.display())))?
            }
            None => toml::Table::new(),
        };
        let mut variables: Vec<(String, String)> = environment
            .filter(|(name, value)| {
                name.starts_with("TAMIS_")
                    && !value.is_empty()
                    && !OTHER_VARIABLES.contains(&name.as_str())
                    && !name.starts_with(TEST_PREFIX)
            })
            .collect();
        variables.sort();
        for (name, value) in variables {
            let key = name["TAMIS_".len()..].to_ascii_lowercase();
            // Numbers as numbers, all else as text; the typed structure below has the last word.
            let value = match (value.parse::<i64>(), value.parse::<f64>()) {
                (Ok(n), _) => toml::Value::Integer(n),
                (_, Ok(n)) => toml::Value::Float(n),
                _ => toml::Value::String(value),
            };
            table.insert(key, value);
        }
        if let Some(toml::Value::Integer(n)) = table.get("temperature") {
            let n = *n as f64;
            table.insert("temperature".into(), toml::Value::Float(n));
        }
        table.try_into().map_err(|e| ConfigError(format!("{e}")))
    }

    /// Opens the index.
    ///
    /// # Errors
    /// The library's, for an address that can't be used and a store that can't be opened or reached.
    pub fn open_index(&self) -> tamis::error::Result<Arc<dyn Index>> {
        Ok(match self.index.as_str() {
            EMBEDDED => Arc::new(EmbeddedIndex::open(&self.data_dir)?),
            address => Arc::new(QdrantIndex::connect(address.parse()?)?),
        })
    }

    /// The encoder's part.
    ///
    /// # Errors
    /// The library's, for a value out of range.
    pub fn encoder(&self) -> tamis::error::Result<EncoderSettings> {
        let settings = EncoderSettings {
            model: self.model_dir.as_deref().map_or(ModelChoice::Default, ModelChoice::parse),
            temperature: self.temperature,
            precision: self.precision.parse()?,
            pooling: self.pooling.as_deref().map(str::parse).transpose()?,
            query_prefix: self.query_prefix.clone(),
            passage_prefix: self.passage_prefix.clone(),
            max_length: self.max_length,
            sessions: or_cores(self.sessions),
        };
        settings.check()?;
        Ok(settings)
    }

    /// Reader-mini's part. The adapter that ships belongs to the default encoder, whatever encodes here.
    ///
    /// # Errors
    /// The library's, for a value out of range.
    pub fn mini(&self) -> tamis::error::Result<MiniSettings> {
        let encoder = self.encoder()?;
        Ok(MiniSettings {
            base: if self.mini_adapter.is_some() { encoder.model } else { ModelChoice::Default },
            adapter: self.mini_adapter.clone(),
            precision: encoder.precision,
            sessions: encoder.sessions,
        })
    }

    /// The language model's part.
    ///
    /// # Errors
    /// The library's, for a value out of range or a table of heads that can't be read.
    pub fn reader(&self) -> tamis::error::Result<ReaderSettings> {
        Ok(ReaderSettings {
            model: self.reader_model.clone(),
            tokenizer: self.reader_tokenizer.clone(),
            precision: self.reader_precision.parse()?,
            listen: Listen::Table(self.reader_heads.as_deref().map(HeadTable::open).transpose()?),
            window: self.reader_window,
            sessions: match self.reader_sessions {
                0 => ReaderSettings::default().sessions,
                asked => asked,
            },
            states: StateSettings {
                memory: self.reader_states_mib.saturating_mul(MIB),
                disk: (self.reader_states_disk_mib > 0).then(|| {
                    (self.data_dir.join(READER_STATES), (self.reader_states_disk_mib as u64).saturating_mul(MIB as u64))
                }),
            },
        })
    }

    /// Who summarises, if anybody does.
    ///
    /// # Errors
    /// The library's, for an address or a size that can't be used, or a key that is not there.
    pub fn summarizer(&self) -> tamis::error::Result<Option<EndpointSettings>> {
        let Some(url) = self.summarizer_url.clone() else { return Ok(None) };
        let key = |name: &String| {
            let missing = || Error::invalid("summarizer_key_env", format!("the variable {name} is not set"));
            std::env::var(name).ok().filter(|key| !key.is_empty()).ok_or_else(missing)
        };
        Ok(Some(EndpointSettings {
            url,
            model: self.summarizer_model.clone(),
            api_key: self.summarizer_key_env.as_ref().map(key).transpose()?,
            timeout: Duration::from_secs(self.summarizer_timeout_s.max(1)),
            retries: self.summarizer_retries,
            concurrency: self.summarizer_concurrency,
            max_input: self.summarizer_input_tokens,
        }))
    }

    /// As TOML, for `--print-config`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }
}

/// A number of threads; 0 means one per core.
pub(crate) fn or_cores(n: usize) -> usize {
    if n > 0 { n } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn environment_wins_over_file_and_file_over_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "listen = \"127.0.0.1:1\"\nquery_queue = 5\n").unwrap();
        let config =
            Config::load(Some(file.path()), env(&[("TAMIS_LISTEN", "127.0.0.1:2"), ("TAMIS_TEMPERATURE", "1")]))
                .unwrap();
        assert_eq!((config.listen.port(), config.query_queue), (2, 5));
        assert_eq!(config.precision, "auto");
        assert_eq!(Config::load(None, env(&[])).unwrap().to_toml(), Config::default().to_toml());
    }

    #[test]
    fn unknown_keys_are_errors() {
        let error = Config::load(None, env(&[("TAMIS_LISTENN", "x")])).unwrap_err();
        assert!(error.to_string().contains("unknown field `listenn`"), "{error}");
        assert!(Config::load(None, env(&[("TAMIS_CACHE_DIR", "/x"), ("HOME", "/y")])).is_ok());
    }
}
