//! How much room there is on the disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// What a write must find free. redb takes no write after one that failed, and answers only from the pages that it has in
/// memory, so a disk that is nearly full refuses what comes before redb meets its end. It is twice what redb keeps unwritten.
const RESERVE: u64 = 128 * 1024 * 1024;
/// Bytes that must find room before a store that failed is worth opening anew: more than that writes.
const OPENING: usize = 4 * 1024 * 1024;

/// Whether there is room for a write to a file or directory.
///
/// # Errors
/// [`Error::Store`] where there is not.
pub(super) fn for_writing(path: &Path) -> Result<()> {
    // A disk that does not tell has to be tried.
    let Ok(disk) = rustix::fs::statvfs(path) else { return Ok(()) };
    if disk.f_bavail.saturating_mul(disk.f_frsize) >= RESERVE {
        return Ok(());
    }
    let reason = format!(
        "the disk is full; free some space and try again (less than {} MiB are left; what was acknowledged is safe)",
        RESERVE >> 20
    );
    Err(Error::store(path, reason))
}

/// Whether a directory takes what opening a store writes.
pub(super) fn for_opening(directory: &Path) -> bool {
    let path = directory.join("room");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![1; OPENING])?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    written.and(removed).is_ok()
}
