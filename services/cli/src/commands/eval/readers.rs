//! The readers that measuring needs, with what they said before.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tamis::compress::Readers;
use tamis::encode::Fingerprint;
use tamis::error::Result;
use tamis::eval::RememberingReader;
use tamis::models::Cache;
use tamis::rank::Who;
use tamis::read::{HeadTable, LanguageReader, LazyReader, Listen, Reader, ReaderMini};
use tamis_server::Config;

use crate::args::LeftOutArgs;
use crate::progress::Bar;

impl LeftOutArgs {
    /// Whether every set has readers of its own.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.heads_left_out || self.adapters_left_out.is_some()
    }
}

/// Readers that remember. A memory is opened once, whoever shares it.
pub(crate) struct Remembering<'a> {
    config: &'a Config,
    cache: &'a Cache,
    memory: &'a Path,
    opened: HashMap<Fingerprint, Arc<RememberingReader>>,
}

impl<'a> Remembering<'a> {
    pub(crate) fn new(config: &'a Config, cache: &'a Cache, memory: &'a Path) -> Self {
        Self { config, cache, memory, opened: HashMap::new() }
    }

    /// Those that are needed; where a set is named, as they are without it.
    pub(crate) fn open(
        &mut self,
        needed: impl Fn(Who) -> bool,
        left_out: Option<(&LeftOutArgs, &str)>,
    ) -> Result<Readers> {
        let mut readers = Readers::default();
        if needed(Who::Mini) {
            let mut settings = self.config.mini()?;
            if let Some((LeftOutArgs { adapters_left_out: Some(folder), .. }, set)) = left_out {
                settings.adapter = Some(folder.join(format!("{set}.safetensors")));
            }
            let mini = ReaderMini::open(&settings, self.cache, &Bar::default())?;
            readers.mini = Some(self.remembering(Arc::new(mini))?);
        }
        if needed(Who::Language) {
            let mut settings = self.config.reader()?;
            if let (Some((LeftOutArgs { heads_left_out: true, .. }, set)), Listen::Table(table)) =
                (left_out, &settings.listen)
            {
                settings.listen = Listen::Table(Some(table.clone().unwrap_or_else(HeadTable::shipped).without(set)));
            }
            let language = LanguageReader::open(settings, self.cache, &Bar::default())?;
            readers.language = Some(self.remembering(Arc::new(language))?);
        }
        Ok(readers)
    }

    fn remembering(&mut self, reader: Arc<dyn Reader>) -> Result<LazyReader> {
        let fingerprint = reader.fingerprint().clone();
        let known = match self.opened.get(&fingerprint) {
            Some(known) => known.clone(),
            None => Arc::new(RememberingReader::open(reader, self.memory)?),
        };
        self.opened.insert(fingerprint, known.clone());
        Ok(LazyReader::opened(known))
    }

    /// Writes what they said to disk, and closes them.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.opened.drain().try_for_each(|(_, reader)| reader.flush())
    }
}
