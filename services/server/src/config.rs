//! Settings: defaults < file (TOML) < environment (`TAMIS_...`) < flags. Unknown keys are errors.
//!
//! [`layers`] puts a [`Config`] together and knows where each value came from; `parts` turns it into what the
//! library wants.

mod check;
pub mod layers;
mod parts;

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use layers::{ConfigError, Loaded};

pub(crate) const MIB: usize = 1024 * 1024;
/// The index that needs no service.
pub const EMBEDDED: &str = "embedded";

/// Every setting of the server, flat; a file's keys and `TAMIS_` variables have these names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// When work has had to wait a quarter longer than it takes, for so many milliseconds, what would have to is refused with
    /// RESOURCE_EXHAUSTED until that is over; 0: never, it waits as long as there is room.
    pub shed_after_ms: u64,
    /// Threads that split and encode documents; 0: one per core.
    pub ingest_threads: usize,
    /// Largest request message, in bytes.
    pub max_message_bytes: usize,
    /// Most MiB of requests that are here at once, of all callers together; more wait, and are refused after a while.
    pub message_memory_mib: usize,
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
    /// What citations say of stored documents' sources, by how their uris begin: `https://wiki.example/ = internal`; `*` for all
    /// others, which else are `unknown`.
    pub trust_labels: Vec<String>,
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
    /// Most calls of a tenant at once; 0: no limit.
    pub quota_calls: u64,
    /// Most streams of a tenant at once, in and out; 0: no limit.
    pub quota_streams: u64,
    /// A file of API keys, as `tamis keys new` writes it. With it, or with `jwt_keys`, every call needs a credential.
    pub api_keys: Option<PathBuf>,
    /// Whose tokens (JWT) are taken: a file or the address of a key set (JWKS). Needs `jwt_issuer` and `jwt_audience`.
    pub jwt_keys: Option<String>,
    /// Who must have issued a token (`iss`).
    pub jwt_issuer: Option<String>,
    /// For whom a token must be (`aud`).
    pub jwt_audience: Option<String>,
    /// The claim that names the tenant; `*` in it lets the call choose.
    pub jwt_tenant_claim: String,
    /// The claim that lists roles: `read`, `ingest`, `admin`.
    pub jwt_roles_claim: String,
    /// The claim that lists collections, with `*` at the end for all that begin so; a token without it is good for all.
    pub jwt_collections_claim: String,
    /// How far clocks may be apart, in seconds, at most 300.
    pub jwt_leeway_s: u64,
    /// Who may call without a credential: `auto`, everybody where no credentials are set up and the address is this
    /// machine's own; `always`; `never`.
    pub anonymous: String,
    /// The server's certificate chain (PEM); then it speaks TLS only. Changed files are taken without a restart.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    pub tls_key: Option<PathBuf>,
    /// Who must have signed a client's certificate (PEM); without one of theirs, no connection.
    pub tls_client_ca: Option<PathBuf>,
    /// Connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// Calls at once on one connection.
    pub max_concurrent_streams: u32,
    /// Largest header block of a call, in bytes.
    pub max_header_bytes: u32,
    /// How long a new connection may take until it has said what it wants, in seconds.
    pub handshake_timeout_s: u64,
    /// Origins whose pages may call, for browsers: `https://app.example.com`, or `*` for all.
    pub cors_origins: Vec<String>,
    /// How long the server goes on taking calls after it was told to stop, in seconds, so that whoever sends them notices.
    pub drain_s: u64,
    /// Where metrics and probes are served over plain HTTP: `/metrics`, `/livez`, `/readyz`; nowhere where absent.
    pub metrics_listen: Option<SocketAddr>,
    /// How the log is written: `text` or `json`.
    pub log_format: String,
    /// Where spans are sent (OTLP over gRPC), for example `http://127.0.0.1:4317`; nowhere where absent.
    pub otlp_endpoint: Option<String>,
    /// Share of calls whose spans are sent, 0 to 1.
    pub otlp_share: f64,
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
            shed_after_ms: 500,
            ingest_threads: 0,
            max_message_bytes: 64 * 1024 * 1024,
            message_memory_mib: 1024,
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
            trust_labels: Vec::new(),
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
            quota_calls: 0,
            quota_streams: 0,
            api_keys: None,
            jwt_keys: None,
            jwt_issuer: None,
            jwt_audience: None,
            jwt_tenant_claim: "tenant".into(),
            jwt_roles_claim: "roles".into(),
            jwt_collections_claim: "collections".into(),
            jwt_leeway_s: 30,
            anonymous: "auto".into(),
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            max_connections: 1024,
            max_concurrent_streams: 256,
            max_header_bytes: 16 * 1024,
            handshake_timeout_s: 10,
            cors_origins: Vec::new(),
            drain_s: 0,
            metrics_listen: None,
            log_format: "text".into(),
            otlp_endpoint: None,
            otlp_share: 1.0,
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

/// A number of threads; 0 means one per core.
pub(crate) fn or_cores(n: usize) -> usize {
    if n > 0 { n } else { std::thread::available_parallelism().map_or(1, usize::from) }
}
