//! What all calls share.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tamis::compress::{Compressor, Readers, TrustLabels};
use tamis::encode::{Encoder, OnnxEncoder};
use tamis::error::{Error, Result};
use tamis::hits::Hits;
use tamis::index::Index;
use tamis::ingest::Ingestor;
use tamis::models::{Cache, Progress, Silent};
use tamis::rank::ReadingPolicy;
use tamis::read::{CachedReader, LanguageReader, LazyReader, Reader, ReaderMini};
use tamis::summarize::{CachedSummarizer, Summarizer};
use tamis::tokenize::{self, TokenCounter};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConfigError, Loaded, MIB, or_cores};
use crate::identity::{Identity, IdentityError};
use crate::memory::Memory;
use crate::quota::Quotas;
use crate::summarizer::Endpoint;
use crate::telemetry::{Kept, Metrics};
use crate::threads::Gives;
use crate::transport::Transport;
use crate::work::Work;

/// Documents that may wait for an ingest thread.
const INGEST_QUEUE: usize = 16;
/// Tokenizers kept in memory.
const MAX_TOKENIZERS: usize = 32;

/// Encoder, index, thread pools, limits; cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) encoder: Arc<dyn Encoder>,
    pub(crate) index: Arc<dyn Index>,
    pub(crate) ingestor: Ingestor,
    /// Shared, because a ranking's trees are not copied for every call.
    pub(crate) compressor: Arc<Compressor>,
    pub(crate) queries: Work,
    pub(crate) reads: Work,
    pub(crate) documents: Work,
    pub(crate) default_timeout: Duration,
    pub(crate) max_message_bytes: usize,
    /// Whether the reader keeps anything of passages.
    pub(crate) keeps_states: bool,
    pub(crate) quotas: Quotas,
    pub(crate) identity: Arc<Identity>,
    pub(crate) metrics: Metrics,
    pub(crate) memory: Memory,
    pub(crate) transport: Transport,
    pub(crate) limits: Limits,
    pub(crate) stopping: CancellationToken,
    tokenizers: Arc<Tokenizers>,
}

/// Who reaches a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The process that it runs in: whoever it is may everything, and name tokenizers by any path.
    Process,
    /// Others, over sockets.
    Network,
}

/// What connections and calls may take.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) streams: u32,
    pub(crate) header_bytes: u32,
    pub(crate) origins: Vec<String>,
    /// How long the server takes calls after it was told to stop.
    pub(crate) drain: Duration,
}

/// Why a server can't be begun.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The library's.
    #[error(transparent)]
    Library(#[from] Error),
    /// The settings'.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys or certificates can't be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl App {
    /// Loads the encoder, opens the store and starts the threads.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn open(config: &Config, reach: Reach, progress: &dyn Progress) -> Result<Self, AppError> {
        let (identity, transport) = match reach {
            Reach::Process => (Identity::open(), Transport::plain(config)),
            Reach::Network => {
                config.check_exposure()?;
                (Identity::new(config)?, Transport::new(config)?)
            }
        };
        // The store before the models: a lock or a wrong path is told before anything is fetched.
        let index = config.open_index()?;
        let encoder: Arc<dyn Encoder> =
            Arc::new(OnnxEncoder::load(&config.encoder()?, &Cache::from_environment()?, progress)?);
        let policy = config.reading.as_deref().map_or_else(|| Ok(ReadingPolicy::shipped()), ReadingPolicy::open)?;
        let metrics = Metrics::default();
        // Whoever has the server for himself may wait as he likes.
        let sheds = reach == Reach::Network && config.shed_after_ms > 0;
        let burst = sheds.then(|| Duration::from_millis(config.shed_after_ms));
        let pool = |name, threads, queued, gives| {
            Work::start(name, or_cores(threads), queued, (gives, burst), &metrics).map_err(Error::io("threads"))
        };
        Ok(Self {
            ingestor: Ingestor::new(encoder.clone(), index.clone()),
            compressor: Arc::new(
                Compressor::new(encoder.clone(), index.clone())
                    .with_readers(readers(config, &metrics)?)
                    .with_policy(policy)
                    .with_trust(TrustLabels::new(&config.trust_labels)?)
                    .with_summarizer(summarizer(config, &metrics)?),
            ),
            encoder,
            index,
            queries: pool("query", config.query_threads, config.query_queue.max(1), Gives::Little)?,
            reads: pool("read", config.read_threads, config.read_queue.max(1), Gives::Little)?,
            documents: pool("ingest", config.ingest_threads, INGEST_QUEUE, Gives::Much)?,
            default_timeout: Duration::from_secs(config.default_timeout_s.max(1)),
            max_message_bytes: config.max_message_bytes,
            keeps_states: config.reader != "off" && config.reader_states_mib + config.reader_states_disk_mib > 0,
            quotas: Quotas::new(config),
            identity: Arc::new(identity),
            metrics,
            memory: Memory::new(config.message_memory_mib),
            transport,
            limits: Limits {
                streams: config.max_concurrent_streams,
                header_bytes: config.max_header_bytes,
                origins: config.cors_origins.clone(),
                drain: Duration::from_secs(config.drain_s),
            },
            stopping: CancellationToken::new(),
            tokenizers: Arc::new(Tokenizers {
                directory: config.tokenizer_dir.clone(),
                any_path: reach == Reach::Process,
                loaded: Mutex::default(),
            }),
        })
    }

    /// Takes keys and certificates that have changed. Blocks.
    pub fn refresh(&self) {
        self.identity.refresh();
        self.transport.refresh();
    }

    /// Takes what changed in the settings, as far as that can be done while serving; says what can't.
    pub fn reload(&self, before: &Loaded, now: &Loaded) {
        self.refresh();
        let (taken, left): (Vec<_>, Vec<_>) =
            before.changed(now).into_iter().partition(|key| key.starts_with("quota_"));
        self.quotas.limit(&now.config);
        tracing::info!(?taken, "reloaded");
        if !left.is_empty() {
            tracing::warn!(?left, "changed, and need a restart");
        }
    }

    /// What the encoder's vectors mean.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.encoder.fingerprint().to_string()
    }

    pub(crate) fn tokenizer(&self, name: &str) -> Result<Arc<dyn TokenCounter>> {
        self.tokenizers.named(name)
    }
}

/// Whether a server could begin with these settings, as far as that shows without opening index and models.
///
/// # Errors
/// [`AppError`].
pub fn check(config: &Config) -> Result<(), AppError> {
    config.check_exposure()?;
    Identity::new(config)?;
    Transport::new(config)?;
    config.encoder()?;
    config.mini()?;
    config.reader()?;
    config.summarizer()?;
    Ok(())
}

/// The readers, as the settings want them.
fn readers(config: &Config, metrics: &Metrics) -> Result<Readers> {
    let (mini, language) = (config.mini()?, config.reader()?);
    let (hits, states) = (metrics.cache(Kept::Readings), metrics.cache(Kept::States));
    let bytes = config.reader_cache_mib.saturating_mul(MIB);
    Ok(Readers {
        mini: lazy("mini", &config.mini, (bytes, hits.clone()), move || {
            Ok(Arc::new(ReaderMini::open(&mini, &Cache::from_environment()?, &Silent)?))
        })?,
        language: lazy("reader", &config.reader, (bytes, hits), move || {
            let reader = LanguageReader::open(language.clone(), &Cache::from_environment()?, &Silent)?;
            reader.warm_up()?;
            Ok(Arc::new(reader.counted(states.clone())))
        })?,
    })
}

/// Who summarises, if the settings name one; what it said is kept.
fn summarizer(config: &Config, metrics: &Metrics) -> Result<Option<Arc<dyn Summarizer>>> {
    let Some(settings) = config.summarizer()? else { return Ok(None) };
    let bytes = config.summarizer_cache_mib.saturating_mul(MIB);
    let summarizer = CachedSummarizer::new(Arc::new(Endpoint::new(settings)?), bytes);
    Ok(Some(Arc::new(summarizer.counted(metrics.cache(Kept::Summaries)))))
}

/// A reader that is opened when it is needed, from the start, or not at all; what it hears is kept in so many bytes.
fn lazy(
    field: &'static str,
    when: &str,
    (bytes, hits): (usize, Hits),
    open: impl Fn() -> Result<Arc<dyn Reader>> + Send + Sync + 'static,
) -> Result<Option<LazyReader>> {
    let begin = match when {
        "lazy" => false,
        "eager" => true,
        "off" => return Ok(None),
        other => return Err(Error::invalid(field, format!("{other:?}: use lazy, eager or off"))),
    };
    let reader = LazyReader::new(move || {
        let reader = open()?;
        tracing::info!(fingerprint = %reader.fingerprint(), "reader is open");
        Ok(Arc::new(CachedReader::new(reader, bytes).counted(hits.clone())))
    });
    if begin {
        reader.begin();
    }
    Ok(Some(reader))
}

struct Tokenizers {
    directory: Option<std::path::PathBuf>,
    any_path: bool,
    loaded: Mutex<HashMap<String, Arc<dyn TokenCounter>>>,
}

impl Tokenizers {
    fn named(&self, name: &str) -> Result<Arc<dyn TokenCounter>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tokenizer) = loaded.get(name) {
            return Ok(tokenizer.clone());
        }
        let is_file = Path::new(name).extension().is_some_and(|e| e == "json");
        let tokenizer = if is_file && !self.any_path { self.in_directory(name)? } else { tokenize::named(name)? };
        if loaded.len() >= MAX_TOKENIZERS {
            loaded.clear();
        }
        loaded.insert(name.to_owned(), tokenizer.clone());
        Ok(tokenizer)
    }

    /// A file of the tokenizer directory, by its bare name: requests can't reach anything else.
    fn in_directory(&self, name: &str) -> Result<Arc<dyn TokenCounter>> {
        let refuse = |reason: &str| Err(Error::invalid("budget.tokenizer", format!("{name:?}: {reason}")));
        let bare = Path::new(name).file_name().is_some_and(|f| f == name);
        match &self.directory {
            None => refuse("this server has no tokenizer_dir; use a built-in tokenizer"),
            Some(_) if !bare => refuse("name a file of the server's tokenizer_dir, without directories"),
            Some(directory) => tokenize::named(&directory.join(name).display().to_string()),
        }
    }
}
