//! States in a file: bounded, the oldest go first.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Key, State};
use crate::error::{Error, Result};

/// States with their ages.
const STATES: TableDefinition<'_, &[u8], (u64, &[u8])> = TableDefinition::new("states");
/// Keys by age.
const AGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("ages");
/// redb's own cache: what is read goes into memory as states anyway.
const PAGES: usize = 4 * 1024 * 1024;
/// Bytes that are gathered before they are written: each write waits for the disk.
const GATHER: u64 = 32 * 1024 * 1024;

/// A file of states.
pub(super) struct Disk {
    path: PathBuf,
    file: Database,
    limit: u64,
    written: Mutex<Written>,
}

/// What is in the file, and what is to be written.
struct Written {
    bytes: u64,
    next: u64,
    waiting: Vec<(Key, Vec<u8>)>,
    waiting_bytes: u64,
}

impl Disk {
    /// Opens a file, or begins one, for so many bytes of states.
    pub(super) fn open(path: &Path, limit: u64) -> Result<Self> {
        let refuse = |e: redb::Error| Error::Store { path: path.to_owned(), reason: e.to_string() };
        let open = || -> Result<(Database, Written), redb::Error> {
            let file = Database::builder().set_cache_size(PAGES).create(path)?;
            let begin = file.begin_write()?;
            let (mut bytes, mut next) = (0, 0);
            {
                let states = begin.open_table(STATES)?;
                for entry in states.iter()? {
                    bytes += entry?.1.value().1.len() as u64;
                }
                let ages = begin.open_table(AGES)?;
                if let Some((age, _)) = ages.last()? {
                    next = age.value() + 1;
                }
            }
            begin.commit()?;
            Ok((file, Written { bytes, next, waiting: Vec::new(), waiting_bytes: 0 }))
        };
        let (file, written) = open().map_err(refuse)?;
        let disk = Self { path: path.to_owned(), file, limit, written: Mutex::new(written) };
        // The limit may be lower than the last time.
        disk.flush()?;
        Ok(disk)
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<State>> {
        if let Some((_, waiting)) = self.written().waiting.iter().find(|(k, _)| k == key) {
            return Ok(State::unpacked(waiting));
        }
        let get = || -> Result<Option<State>, redb::Error> {
            let states = self.file.begin_read()?.open_table(STATES)?;
            Ok(states.get(key.as_slice())?.and_then(|entry| State::unpacked(entry.value().1)))
        };
        get().map_err(|e| self.refuse(e))
    }

    /// Whether it is there, or will be.
    pub(super) fn has(&self, key: &Key) -> Result<bool> {
        if self.written().waiting.iter().any(|(k, _)| k == key) {
            return Ok(true);
        }
        let has = || -> Result<bool, redb::Error> {
            Ok(self.file.begin_read()?.open_table(STATES)?.get(key.as_slice())?.is_some())
        };
        has().map_err(|e| self.refuse(e))
    }

    pub(super) fn put(&self, key: &Key, state: &State) -> Result<()> {
        let bytes = state.packed();
        let mut written = self.written();
        written.waiting_bytes += bytes.len() as u64;
        written.waiting.push((*key, bytes));
        if written.waiting_bytes < GATHER.min(self.limit) {
            return Ok(());
        }
        self.write(&mut written).map_err(|e| self.refuse(e))
    }

    /// Writes what waits.
    pub(super) fn flush(&self) -> Result<()> {
        self.write(&mut self.written()).map_err(|e| self.refuse(e))
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        // Changed whole, after what it tells of is on disk.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, written: &mut Written) -> Result<(), redb::Error> {
        let (mut bytes, mut next) = (written.bytes, written.next);
        let write = self.file.begin_write()?;
        {
            let (mut states, mut ages) = (write.open_table(STATES)?, write.open_table(AGES)?);
            for (key, state) in &written.waiting {
                let before = states.insert(key.as_slice(), (next, state.as_slice()))?;
                let before = before.map(|old| (old.value().0, old.value().1.len()));
                if let Some((age, length)) = before {
                    ages.remove(age)?;
                    bytes -= length as u64;
                }
                ages.insert(next, key.as_slice())?;
                bytes += state.len() as u64;
                next += 1;
            }
            while bytes > self.limit {
                let Some((_, key)) = ages.pop_first()? else { break };
                if let Some(old) = states.remove(key.value())? {
                    bytes -= old.value().1.len() as u64;
                }
            }
        }
        write.commit()?;
        *written = Written { bytes, next, waiting: Vec::new(), waiting_bytes: 0 };
        Ok(())
    }

    fn refuse(&self, e: redb::Error) -> Error {
        Error::Store { path: self.path.clone(), reason: e.to_string() }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It is a cache: what can't be written will be read again.
        drop(self.flush());
    }
}
