//! An encoder that remembers what it has encoded.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{Key, Memory};
use crate::deadline::Deadline;
use crate::encode::{Encoder, Fingerprint, PackedVector, Priority, Vector};
use crate::error::{Error, Result};
use crate::hash::beginning;

/// Texts encoded at a time.
const BATCH: usize = 512;

/// Passages come from the file where they are known; everything else goes to the encoder. Vectors are
/// remembered packed, as an index stores them.
pub struct RememberingEncoder {
    inner: Arc<dyn Encoder>,
    memory: Memory,
}

impl RememberingEncoder {
    /// Opens the memory of an encoder in a folder, or begins one.
    ///
    /// # Errors
    /// [`Error::Store`] where the file can't be used, for one because another process has it open.
    pub fn open(inner: Arc<dyn Encoder>, folder: &Path) -> Result<Self> {
        let memory = Memory::open("vectors", inner.fingerprint(), folder)?;
        Ok(Self { inner, memory })
    }

    /// Writes everything to disk.
    ///
    /// # Errors
    /// [`Error::Encoder`] where the file can't be written.
    pub fn flush(&self) -> Result<()> {
        self.memory.flush().map_err(|e| failed(&e))
    }
}

fn failed(e: &dyn std::fmt::Display) -> Error {
    Error::Encoder(format!("the memory of vectors: {e}"))
}

fn unpacked(bytes: &[u8]) -> Option<Vector> {
    PackedVector::from_bytes(bytes).map(|packed| Vector::normalised(packed.unpacked()))
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
        let keys: Vec<Key> = texts.iter().map(|text| beginning(blake3::hash(text.as_bytes()))).collect();
        let mut vectors = self.memory.known(&keys, unpacked).map_err(|e| failed(&e))?;
        let missing: Vec<usize> = (0..texts.len()).filter(|n| vectors[*n].is_none()).collect();
        for batch in missing.chunks(BATCH) {
            let some: Vec<&str> = batch.iter().map(|n| texts[*n]).collect();
            // Of equal importance, whoever asks: nobody waits for one document more than for another.
            let encoded = self.inner.encode_passages(&some, Priority::Ingest, deadline)?;
            for (n, vector) in batch.iter().zip(&encoded) {
                let bytes = vector.pack().to_bytes();
                // What is remembered and what is new are alike to the last bit.
                vectors[*n] = unpacked(&bytes);
                self.memory.remember(keys[*n], bytes).map_err(|e| failed(&e))?;
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
