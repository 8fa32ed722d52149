//! What can go wrong, as types: every error names the field, the limit and the way out.

use std::path::{Path, PathBuf};

/// Result of the library's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the library.
///
/// The server maps each variant once to a gRPC status (`services/server`), so a variant stands for
/// *what the caller can do about it*, not for the place where it happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request field holds something that can't be used.
    #[error("{field}: {reason}")]
    InvalidArgument {
        /// The field, as named in the public API.
        field: &'static str,
        /// What is wrong, and what would be accepted.
        reason: String,
    },
    /// A request field is over its limit.
    #[error("{field}: {actual} is over the limit of {limit}")]
    LimitExceeded {
        /// The field, as named in the public API.
        field: &'static str,
        /// The largest accepted value.
        limit: u64,
        /// The value received.
        actual: u64,
    },
    /// A tenant has or does as much as it may.
    #[error("quota {quota}: {actual} would be over this tenant's limit of {limit}")]
    QuotaExceeded {
        /// `documents`, `bytes`, `requests_per_s`, `calls` or `streams`.
        quota: &'static str,
        /// The tenant's limit.
        limit: u64,
        /// What it would have with this.
        actual: u64,
    },
    /// No single block fits the budget.
    #[error(
        "budget.max_tokens: nothing fits into {max_tokens} tokens; the smallest budget that would hold an excerpt is {minimum}"
    )]
    BudgetInfeasible {
        /// The budget asked for, in tokens.
        max_tokens: u32,
        /// The smallest budget, in tokens, under which one block could be rendered.
        minimum: u32,
    },
    /// The caller may not do this there.
    #[error("this credential has not the role {role} for {what}")]
    PermissionDenied {
        /// `read`, `ingest` or `admin`.
        role: &'static str,
        /// What it was asked for: a collection, or all of them.
        what: String,
    },
    /// A named thing does not exist (for this tenant).
    #[error("{kind} {name:?} does not exist")]
    NotFound {
        /// What was looked for: `collection`, `document`, `model`.
        kind: &'static str,
        /// Its name or id.
        name: String,
    },
    /// A named thing exists already.
    #[error("{kind} {name:?} already exists")]
    AlreadyExists {
        /// What was to be made.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The collection's vectors were made by another encoder: they can't be compared with ours.
    #[error(
        "collection {collection:?} was encoded with fingerprint {stored}, this process encodes with {ours}: \
         start with the same model, temperature and precision, or ingest into a new collection"
    )]
    FingerprintMismatch {
        /// The collection's name.
        collection: String,
        /// The fingerprint kept with the collection.
        stored: String,
        /// The fingerprint of this process's encoder.
        ours: String,
    },
    /// A document can't be taken in; nothing of it was stored.
    #[error("document {id:?}: {reason}")]
    UnusableDocument {
        /// The document's id.
        id: String,
        /// Why.
        reason: String,
    },
    /// Another process has the store open.
    #[error("{} is in use by another process: stop it, or talk to it with --server", path.display())]
    StoreLocked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The store was written by another version of Tamis.
    #[error(
        "{} has store format {found}, this version reads format {expected}: use the version that wrote it, \
         or ingest into another --data-dir", path.display()
    )]
    StoreVersion {
        /// The store's directory.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The format this version reads and writes.
        expected: u32,
    },
    /// The store can't be read or written.
    #[error("store {}: {reason}", path.display())]
    Store {
        /// The file or directory.
        path: PathBuf,
        /// What happened, and what helps.
        reason: String,
    },
    /// A service that we need can't be reached or is overloaded; the same may succeed in a moment.
    #[error("{service} is unavailable: {reason}")]
    Unavailable {
        /// Its address.
        service: String,
        /// What it or the network said.
        reason: String,
    },
    /// A model is missing, damaged or unsuitable.
    #[error("model {model}: {reason}")]
    Model {
        /// The model's name or path.
        model: String,
        /// What is wrong, and the ways out.
        reason: String,
    },
    /// ONNX Runtime refused to load or run a graph.
    #[error("encoder: {0}")]
    Encoder(String),
    /// The same of a reader's graph, or its tokenizer refused a text.
    #[error("reader: {0}")]
    Reader(String),
    /// The language model that summarises does not answer, or not what was asked.
    #[error("summarizer: {0}")]
    Summarizer(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The caller is gone or asked to stop.
    #[error("cancelled by the caller")]
    Cancelled,
    /// The caller's deadline passed before the work was done.
    #[error("deadline exceeded during {stage}")]
    DeadlineExceeded {
        /// The stage that noticed: `encode`, `index`, `retrieve`, `rank`, `fit`.
        stage: &'static str,
    },
}

impl Error {
    /// Shorthand for [`Error::InvalidArgument`].
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidArgument { field, reason: reason.into() }
    }

    /// An [`Error::Io`] with its path, for use in `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Model`].
    pub fn model(model: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Model { model: model.into(), reason: reason.into() }
    }

    /// An [`Error::Store`]; says what helps where the disk is full.
    pub fn store(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        let mut reason = reason.to_string();
        if reason.contains("No space left on device") {
            reason = "the disk is full; free some space and try again (what was acknowledged is safe)".into();
        }
        Self::Store { path: path.as_ref().to_path_buf(), reason }
    }
}
