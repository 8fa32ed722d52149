//! States in files of a folder: bounded, the oldest go first.
//!
//! A file each, because values of a megabyte take up to twice their size in a database's pages, and the limit is a promise.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::{Key, State};
use crate::error::{Error, Result};
use crate::hash::beginning;

/// Ends the name of a file that is being written.
const UNFINISHED: &str = "part";
/// Bytes of a hash before every state: after a crash of the machine a file may have a name and no content.
const HASH: usize = 16;

/// A folder of states.
pub(super) struct Disk {
    folder: PathBuf,
    limit: u64,
    kept: Mutex<Kept>,
}

/// What is in the folder.
#[derive(Default)]
struct Kept {
    bytes: u64,
    /// With their lengths, the oldest first.
    by_age: VecDeque<(Key, u64)>,
    keys: HashSet<Key>,
}

impl Disk {
    /// Opens a folder, or begins one, for so many bytes.
    pub(super) fn open(folder: &Path, limit: u64) -> Result<Self> {
        let failed = Error::io(folder);
        let list = || -> std::io::Result<Vec<(SystemTime, Key, u64)>> {
            fs::create_dir_all(folder)?;
            let mut found = Vec::new();
            for entry in fs::read_dir(folder)? {
                let (entry, path) = entry.map(|e| (e.metadata(), e.path()))?;
                if path.extension().is_some_and(|e| e == UNFINISHED) {
                    fs::remove_file(&path)?;
                } else if let Some(key) = path.file_name().and_then(|name| key_of(&name.to_string_lossy())) {
                    let entry = entry?;
                    found.push((entry.modified()?, key, entry.len()));
                }
            }
            Ok(found)
        };
        let mut found = list().map_err(failed)?;
        found.sort_unstable();
        let kept = Kept {
            bytes: found.iter().map(|(_, _, length)| length).sum(),
            keys: found.iter().map(|(_, key, _)| *key).collect(),
            by_age: found.into_iter().map(|(_, key, length)| (key, length)).collect(),
        };
        let disk = Self { folder: folder.to_owned(), limit, kept: Mutex::new(kept) };
        // The limit may be lower than the last time.
        disk.make_room(&mut disk.kept(), 0)?;
        Ok(disk)
    }

    /// Whether it is there.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.kept().keys.contains(key)
    }

    /// `None` also for what is damaged.
    pub(super) fn get(&self, key: &Key) -> Result<Option<State>> {
        if !self.has(key) {
            return Ok(None);
        }
        let path = self.path(key);
        match fs::read(&path) {
            Ok(bytes) => {
                let whole =
                    bytes.split_at_checked(HASH).filter(|(hash, state)| *hash == &beginning(blake3::hash(state))[..]);
                Ok(whole.and_then(|(_, state)| State::unpacked(state)))
            }
            // Dropped since it was looked for.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(&path)(e)),
        }
    }

    /// Keeps a state; one that is larger than the limit is not kept.
    pub(super) fn put(&self, key: &Key, state: &State) -> Result<()> {
        let state = state.packed();
        let bytes = [&beginning(blake3::hash(&state))[..], &state].concat();
        let length = bytes.len() as u64;
        if length > self.limit {
            return Ok(());
        }
        let path = self.path(key);
        let mut kept = self.kept();
        // A damaged one is replaced.
        if kept.keys.contains(key) && fs::metadata(&path).is_ok_and(|m| m.len() == length) {
            return fs::write(&path, bytes).map_err(Error::io(&path));
        }
        kept.forget(key);
        self.make_room(&mut kept, length)?;
        let unfinished = path.with_extension(UNFINISHED);
        fs::write(&unfinished, bytes).map_err(Error::io(&unfinished))?;
        fs::rename(&unfinished, &path).map_err(Error::io(&path))?;
        kept.keys.insert(*key);
        kept.by_age.push_back((*key, length));
        kept.bytes += length;
        Ok(())
    }

    /// Drops the oldest until so many bytes more fit.
    fn make_room(&self, kept: &mut Kept, more: u64) -> Result<()> {
        while kept.bytes + more > self.limit {
            let Some((key, _)) = kept.by_age.front().copied() else { break };
            let path = self.path(&key);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(&path)(e)),
                _ => kept.forget(&key),
            }
        }
        Ok(())
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // It is a cache: where a panic left it behind the folder, a file is looked for in vain, or found at the next start.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget(&mut self, key: &Key) {
        self.keys.remove(key);
        if let Some(at) = self.by_age.iter().position(|(k, _)| k == key)
            && let Some((_, length)) = self.by_age.remove(at)
        {
            self.bytes -= length;
        }
    }
}

/// The key that a file's name tells; `None` for files of others.
fn key_of(name: &str) -> Option<Key> {
    let mut key = Key::default();
    if name.len() != 2 * key.len() || !name.is_ascii() {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(name.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}
