//! An encoder that remembers on disk what it has encoded, so that a second evaluation starts at once.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use crate::deadline::Deadline;
use crate::encode::{Encoder, Fingerprint, PackedVector, Priority, Vector};
use crate::error::{Error, Result};

const VECTORS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("vectors");
/// Texts encoded between two writes.
const BATCH: usize = 512;
/// So many vectors are lost at most.
const SAVE_EVERY: usize = 4096;

/// Passages come from the file where they are known; everything else goes to the encoder. Vectors are
/// remembered packed, as an index stores them.
pub struct RememberingEncoder {
    inner: Arc<dyn Encoder>,
    file: Database,
    unsaved: AtomicUsize,
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
        let file = Database::create(&path).map_err(|e| refuse(&e))?;
        let begin = file.begin_write().map_err(|e| refuse(&e))?;
        begin.open_table(VECTORS).map_err(|e| refuse(&e))?;
        begin.commit().map_err(|e| refuse(&e))?;
        Ok(Self { inner, file, unsaved: AtomicUsize::new(0) })
    }

    fn known(&self, keys: &[[u8; 16]]) -> Result<Vec<Option<Vector>>, redb::Error> {
        let read = self.file.begin_read()?;
        let table = read.open_table(VECTORS)?;
        let get = |key: &[u8; 16]| Ok(table.get(key.as_slice())?.and_then(|v| unpacked(v.value())));
        keys.iter().map(get).collect()
    }

    fn remember(&self, entries: &[(&[u8; 16], PackedVector)]) -> Result<(), redb::Error> {
        let mut write = self.file.begin_write()?;
        // What a crash loses is encoded again; every so often it is made to last.
        let before = self.unsaved.fetch_add(entries.len(), Ordering::Relaxed);
        if before + entries.len() < SAVE_EVERY {
            write.set_durability(Durability::None)?;
        } else {
            self.unsaved.store(0, Ordering::Relaxed);
        }
        {
            let mut table = write.open_table(VECTORS)?;
            for (key, vector) in entries {
                table.insert(key.as_slice(), packed(vector).as_slice())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// Writes everything to disk.
    ///
    /// # Errors
    /// [`Error::Encoder`] where the file can't be written.
    pub fn flush(&self) -> Result<()> {
        let write = self.file.begin_write().map_err(|e| failed(&e))?;
        write.commit().map_err(|e| failed(&e))
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

    fn encode_passages(&self, texts: &[&str], priority: Priority, deadline: &Deadline) -> Result<Vec<Vector>> {
        let key = |text: &&str| -> [u8; 16] {
            let hash = blake3::hash(text.as_bytes());
            std::array::from_fn(|n| hash.as_bytes()[n])
        };
        let keys: Vec<[u8; 16]> = texts.iter().map(key).collect();
        let mut vectors = self.known(&keys).map_err(|e| failed(&e))?;
        let missing: Vec<usize> = (0..texts.len()).filter(|n| vectors[*n].is_none()).collect();
        for batch in missing.chunks(BATCH) {
            let some: Vec<&str> = batch.iter().map(|n| texts[*n]).collect();
            let encoded = self.inner.encode_passages(&some, priority, deadline)?;
            let entries: Vec<_> = batch.iter().zip(&encoded).map(|(n, v)| (&keys[*n], v.pack())).collect();
            self.remember(&entries).map_err(|e| failed(&e))?;
            for (n, (_, vector)) in batch.iter().zip(&entries) {
                // What is remembered and what is new are alike to the last bit.
                vectors[*n] = unpacked(&packed(vector));
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
