//! An encoder that remembers on disk what it has encoded, so that a second evaluation starts at once.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition};

use crate::deadline::Deadline;
use crate::encode::{Encoder, Fingerprint, PackedVector, Priority, Vector};
use crate::error::{Error, Result};

const VECTORS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("vectors");
/// Texts encoded at a time.
const BATCH: usize = 512;
/// Vectors are written so many at a time: a crash loses no more, and a write costs little of the whole.
const SAVE_EVERY: usize = 4096;

/// The beginning of a text's hash.
type Key = [u8; 16];

/// Passages come from the file where they are known; everything else goes to the encoder. Vectors are
/// remembered packed, as an index stores them.
pub struct RememberingEncoder {
    inner: Arc<dyn Encoder>,
    file: Database,
    unsaved: Mutex<HashMap<Key, Vec<u8>>>,
}

impl RememberingEncoder {
    /// Opens the memory of an encoder in a folder, or begins one.
    ///
    /// # Errors
    /// [`Error::Store`] where the file can't be used, for one because another process has it open.
    pub fn open(inner: Arc<dyn Encoder>, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let name = blake3::hash(inner.fingerprint().0.as_bytes()).to_hex();
        let path = folder.join(format!("vectors-{}.redb", &name[..16]));
        let refuse = |e: &dyn std::fmt::Display| Error::Store { path: path.clone(), reason: e.to_string() };
        let file = Database::create(&path).map_err(|e| match e {
            DatabaseError::DatabaseAlreadyOpen => {
                refuse(&"another eval has it open: wait for it, or use --vectors DIR")
            }
            e => refuse(&e),
        })?;
        let begin = file.begin_write().map_err(|e| refuse(&e))?;
        begin.open_table(VECTORS).map_err(|e| refuse(&e))?;
        begin.commit().map_err(|e| refuse(&e))?;
        Ok(Self { inner, file, unsaved: Mutex::default() })
    }

    fn known(&self, keys: &[Key]) -> Result<Vec<Option<Vector>>, redb::Error> {
        let read = self.file.begin_read()?;
        let table = read.open_table(VECTORS)?;
        let unsaved = self.unsaved();
        let get = |key: &Key| match unsaved.get(key) {
            Some(bytes) => Ok(unpacked(bytes)),
            None => Ok(table.get(key.as_slice())?.and_then(|v| unpacked(v.value()))),
        };
        keys.iter().map(get).collect()
    }

    fn remember(&self, key: Key, vector: Vec<u8>) -> Result<(), redb::Error> {
        let mut unsaved = self.unsaved();
        unsaved.insert(key, vector);
        if unsaved.len() >= SAVE_EVERY { self.save(&mut unsaved) } else { Ok(()) }
    }

    fn save(&self, unsaved: &mut HashMap<Key, Vec<u8>>) -> Result<(), redb::Error> {
        let write = self.file.begin_write()?;
        {
            let mut table = write.open_table(VECTORS)?;
            for (key, vector) in unsaved.iter() {
                table.insert(key.as_slice(), vector.as_slice())?;
            }
        }
        write.commit()?;
        unsaved.clear();
        Ok(())
    }

    fn unsaved(&self) -> MutexGuard<'_, HashMap<Key, Vec<u8>>> {
        // Between any two statements that hold the lock the map is sound.
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes everything to disk.
    ///
    /// # Errors
    /// [`Error::Encoder`] where the file can't be written.
    pub fn flush(&self) -> Result<()> {
        self.save(&mut self.unsaved()).map_err(|e| failed(&e))
    }
}

fn failed(e: &dyn std::fmt::Display) -> Error {
    Error::Encoder(format!("the memory of vectors: {e}"))
}

fn packed(vector: &PackedVector) -> Vec<u8> {
    let mut bytes = vector.scale.to_le_bytes().to_vec();
    bytes.extend(vector.values.iter().map(|v| v.to_le_bytes()[0]));
    bytes
}

fn unpacked(bytes: &[u8]) -> Option<Vector> {
    let (scale, values) = bytes.split_first_chunk::<4>()?;
    let scale = f32::from_le_bytes(*scale);
    Some(Vector::normalised(values.iter().map(|v| f32::from(i8::from_le_bytes([*v])) * scale).collect()))
}

impl Encoder for RememberingEncoder {
    fn fingerprint(&self) -> &Fingerprint {
        self.inner.fingerprint()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn max_tokens(&self) -> usize {
        self.inner.max_tokens()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }

    fn encode_query(&self, text: &str, deadline: &Deadline) -> Result<Vector> {
        self.inner.encode_query(text, deadline)
    }

    fn encode_passages(&self, texts: &[&str], _: Priority, deadline: &Deadline) -> Result<Vec<Vector>> {
        let key = |text: &&str| -> Key {
            let hash = blake3::hash(text.as_bytes());
            std::array::from_fn(|n| hash.as_bytes()[n])
        };
        let keys: Vec<Key> = texts.iter().map(key).collect();
        let mut vectors = self.known(&keys).map_err(|e| failed(&e))?;
        let missing: Vec<usize> = (0..texts.len()).filter(|n| vectors[*n].is_none()).collect();
        for batch in missing.chunks(BATCH) {
            let some: Vec<&str> = batch.iter().map(|n| texts[*n]).collect();
            // Of equal importance, whoever asks: nobody waits for one document more than for another.
            let encoded = self.inner.encode_passages(&some, Priority::Ingest, deadline)?;
            for (n, vector) in batch.iter().zip(&encoded) {
                let bytes = packed(&vector.pack());
                // What is remembered and what is new are alike to the last bit.
                vectors[*n] = unpacked(&bytes);
                self.remember(keys[*n], bytes).map_err(|e| failed(&e))?;
            }
        }
        vectors.into_iter().collect::<Option<_>>().ok_or_else(|| failed(&"a vector is missing"))
    }

    fn encode_pooled(
        &self,
        text: &str,
        ranges: &[Range<usize>],
        priority: Priority,
        deadline: &Deadline,
    ) -> Result<(Vector, Vec<Vector>)> {
        self.inner.encode_pooled(text, ranges, priority, deadline)
    }
}
