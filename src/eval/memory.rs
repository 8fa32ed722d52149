//! What models said, remembered on disk, so that a second evaluation starts at once.

mod encoder;
mod reader;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition};

use crate::encode::Fingerprint;
use crate::error::{Error, Result};
use crate::hash::Beginning;

pub use encoder::RememberingEncoder;
pub use reader::RememberingReader;

const SAID: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("vectors");
/// Bytes are written so many at a time: a crash loses no more, and a write costs little of the whole.
const SAVE_EVERY_BYTES: usize = 4 * 1024 * 1024;

/// The beginning of a hash of what a model was asked.
type Key = Beginning;

/// A file of answers by key.
struct Memory {
    file: Database,
    unsaved: Mutex<Unsaved>,
}

#[derive(Default)]
struct Unsaved {
    said: HashMap<Key, Vec<u8>>,
    bytes: usize,
}

impl Memory {
    /// Opens the memory of a model in a folder, or begins one.
    fn open(kind: &str, fingerprint: &Fingerprint, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let name = blake3::hash(fingerprint.0.as_bytes()).to_hex();
        let path = folder.join(format!("{kind}-{}.redb", &name[..16]));
        let refuse = |e: &dyn std::fmt::Display| Error::Store { path: path.clone(), reason: e.to_string() };
        let file = Database::create(&path).map_err(|e| match e {
            DatabaseError::DatabaseAlreadyOpen => {
                refuse(&"another eval has it open: wait for it, or use --vectors DIR")
            }
            e => refuse(&e),
        })?;
        let begin = file.begin_write().map_err(|e| refuse(&e))?;
        begin.open_table(SAID).map_err(|e| refuse(&e))?;
        begin.commit().map_err(|e| refuse(&e))?;
        Ok(Self { file, unsaved: Mutex::default() })
    }

    /// What was said to these, as `unpack` makes it of the bytes.
    fn known<T>(&self, keys: &[Key], unpack: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<Option<T>>, redb::Error> {
        let read = self.file.begin_read()?;
        let table = read.open_table(SAID)?;
        let unsaved = self.unsaved();
        let get = |key: &Key| match unsaved.said.get(key) {
            Some(bytes) => Ok(unpack(bytes)),
            None => Ok(table.get(key.as_slice())?.and_then(|v| unpack(v.value()))),
        };
        keys.iter().map(get).collect()
    }

    fn remember(&self, key: Key, said: Vec<u8>) -> Result<(), redb::Error> {
        let mut unsaved = self.unsaved();
        unsaved.bytes += said.len() + key.len();
        unsaved.said.insert(key, said);
        if unsaved.bytes >= SAVE_EVERY_BYTES { self.save(&mut unsaved) } else { Ok(()) }
    }

    fn save(&self, unsaved: &mut Unsaved) -> Result<(), redb::Error> {
        let write = self.file.begin_write()?;
        {
            let mut table = write.open_table(SAID)?;
            for (key, said) in &unsaved.said {
                table.insert(key.as_slice(), said.as_slice())?;
            }
        }
        write.commit()?;
        *unsaved = Unsaved::default();
        Ok(())
    }

    fn unsaved(&self) -> MutexGuard<'_, Unsaved> {
        // Between any two statements that hold the lock the map is sound.
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes everything to disk.
    fn flush(&self) -> Result<(), redb::Error> {
        self.save(&mut self.unsaved())
    }
}
