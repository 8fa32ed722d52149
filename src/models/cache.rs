//! The directory where provisioned artifacts are kept.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::catalog::Artifact;
use crate::error::{Error, Result};

/// `TAMIS_CACHE_DIR`, else `$XDG_CACHE_HOME/tamis`, else `~/.cache/tamis`.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache that the environment names.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where none of the variables is set, not even `HOME`.
    pub fn from_environment() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        set("TAMIS_CACHE_DIR")
            .or_else(|| set("XDG_CACHE_HOME").map(|p| p.join("tamis")))
            .or_else(|| set("HOME").map(|p| p.join(".cache/tamis")))
            .map(Self::at)
            .ok_or_else(|| Error::invalid("TAMIS_CACHE_DIR", "set it: neither XDG_CACHE_HOME nor HOME is set"))
    }

    /// A cache at a place of one's own.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The cache's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an artifact's files are, or would be.
    #[must_use]
    pub fn directory_of(&self, artifact: &Artifact) -> PathBuf {
        self.root.join("models").join(format!("{}-{}", artifact.name, artifact.version))
    }

    /// Forgets an artifact, so that the next use fetches it again.
    ///
    /// # Errors
    /// [`Error::Io`] where its directory can't be removed.
    pub fn remove(&self, artifact: &Artifact) -> Result<()> {
        let _lock = self.lock(artifact)?;
        let directory = self.directory_of(artifact);
        match std::fs::remove_dir_all(&directory) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(directory)(e)),
            _ => Ok(()),
        }
    }

    /// Waits until no other process provisions this artifact. The lock ends with the returned file.
    pub(super) fn lock(&self, artifact: &Artifact) -> Result<File> {
        let directory = self.root.join("models");
        std::fs::create_dir_all(&directory).map_err(Error::io(&directory))?;
        let path = directory.join(format!(".{}-{}.lock", artifact.name, artifact.version));
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io(&path))?;
        file.lock().map_err(Error::io(&path))?;
        Ok(file)
    }
}
