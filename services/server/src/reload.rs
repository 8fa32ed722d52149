//! What is read from files that may change while the server runs: certificates and keys.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

type Load<T> = fn(&[&Path]) -> Result<T, String>;

/// Something made of files, made anew when they have changed.
pub(crate) struct Watched<T> {
    paths: Vec<PathBuf>,
    load: Load<T>,
    current: RwLock<Arc<T>>,
    /// The hash of what was read last, whether it could be used or not.
    seen: Mutex<blake3::Hash>,
}

impl<T> Watched<T> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// What `load` says.
    pub(crate) fn new(paths: &[&Path], load: Load<T>) -> Result<Self, String> {
        let seen = Mutex::new(contents(paths));
        let current = RwLock::new(Arc::new(load(paths)?));
        Ok(Self { paths: paths.iter().map(|p| (*p).to_owned()).collect(), load, current, seen })
    }

    /// What was read last and could be used.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again where they have changed. What can't be used is told, and what was before is used on. Blocks.
    pub(crate) fn refresh(&self) {
        let paths: Vec<&Path> = self.paths.iter().map(PathBuf::as_path).collect();
        let now = contents(&paths);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        match (self.load)(&paths) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                tracing::info!(files = ?self.paths, "taken anew");
            }
            Err(e) => tracing::error!("{}; what was before is used on", e.trim_end().replace('\n', " ")),
        }
    }
}

/// The contents of files, hashed: times are not kept by everything that mounts secrets.
fn contents(paths: &[&Path]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        let content = std::fs::read(path).unwrap_or_default();
        hasher.update(&(content.len() as u64).to_le_bytes()).update(&content);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_files_are_taken_and_unusable_ones_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("1");
        let load = |paths: &[&Path]| {
            std::fs::read_to_string(paths[0]).map_err(|e| e.to_string())?.parse::<u32>().map_err(|e| e.to_string())
        };
        let watched = Watched::new(&[file.path()], load).unwrap();
        write("2");
        assert_eq!(*watched.current(), 1);
        watched.refresh();
        assert_eq!(*watched.current(), 2);
        write("two");
        watched.refresh();
        assert_eq!(*watched.current(), 2);
        write("3");
        watched.refresh();
        assert_eq!(*watched.current(), 3);
        assert!(Watched::new(&[Path::new("/nowhere")], load).is_err());
    }
}
