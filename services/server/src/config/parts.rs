//! What the library wants, from the settings.

use std::sync::Arc;
use std::time::Duration;

use tamis::encode::{EncoderSettings, ModelChoice};
use tamis::error::Error;
use tamis::index::Index;
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::qdrant::QdrantIndex;
use tamis::read::{HeadTable, Listen, MiniSettings, ReaderSettings, StateSettings};

use super::{Config, EMBEDDED, MIB, or_cores};
use crate::summarizer::EndpointSettings;

/// Keys and values of passages, in the data directory.
const READER_STATES: &str = "reader-states";

impl Config {
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
}
