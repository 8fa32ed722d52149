//! A reader that remembers what it has heard.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::Memory;
use crate::deadline::Deadline;
use crate::encode::Fingerprint;
use crate::error::{Error, Result};
use crate::read::{Attention, Certainty, Of, Reader, Reading, Rows};

/// Attention of one row comes from the file where it is known; everything else goes to the reader.
pub struct RememberingReader {
    inner: Arc<dyn Reader>,
    memory: Memory,
}

impl RememberingReader {
    /// Opens the memory of a reader in a folder, or begins one.
    ///
    /// # Errors
    /// [`Error::Store`] where the file can't be used, for one because another process has it open.
    pub fn open(inner: Arc<dyn Reader>, folder: &Path) -> Result<Self> {
        let memory = Memory::open("readings", inner.fingerprint(), folder)?;
        Ok(Self { inner, memory })
    }

    /// Writes everything to disk.
    ///
    /// # Errors
    /// [`Error::Reader`] where the file can't be written.
    pub fn flush(&self) -> Result<()> {
        self.memory.flush().map_err(|e| failed(&e))
    }
}

fn failed(e: &dyn std::fmt::Display) -> Error {
    Error::Reader(format!("the memory of readings: {e}"))
}

impl Reader for RememberingReader {
    fn fingerprint(&self) -> &Fingerprint {
        self.inner.fingerprint()
    }

    fn window(&self) -> usize {
        self.inner.window()
    }

    fn rows(&self) -> Rows {
        self.inner.rows()
    }

    fn languages(&self) -> &[String] {
        self.inner.languages()
    }

    fn overlaps(&self) -> bool {
        self.inner.overlaps()
    }

    fn parallelism(&self) -> usize {
        self.inner.parallelism()
    }

    fn count_tokens(&self, reading: &Reading<'_>) -> Result<usize> {
        self.inner.count_tokens(reading)
    }

    fn tokens(&self, text: &str) -> Result<Vec<Range<usize>>> {
        self.inner.tokens(text)
    }

    fn prepare(&self, passage: &Reading<'_>, deadline: &Deadline) -> Result<bool> {
        self.inner.prepare(passage, deadline)
    }

    fn attention(&self, reading: &Reading<'_>, rows: Rows, deadline: &Deadline) -> Result<Attention> {
        if rows == Rows::Question {
            return self.inner.attention(reading, rows, deadline);
        }
        let key = reading.hash(&format!("{rows:?}"));
        let unpack = |bytes: &[u8]| postcard::from_bytes::<Attention>(bytes).ok();
        let mut known = self.memory.known(&[key], unpack).map_err(|e| failed(&e))?;
        if let Some(attention) = known.pop().flatten() {
            return Ok(attention);
        }
        let attention = self.inner.attention(reading, rows, deadline)?;
        let bytes = postcard::to_allocvec(&attention).map_err(|e| failed(&e))?;
        self.memory.remember(key, bytes).map_err(|e| failed(&e))?;
        Ok(attention)
    }

    fn certainty(&self, reading: &Reading<'_>, of: Of, deadline: &Deadline) -> Result<Certainty> {
        self.inner.certainty(reading, of, deadline)
    }
}
