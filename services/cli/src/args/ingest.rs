//! Options of `tamis ingest`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct IngestArgs {
    /// Files, folders, glob patterns, or - for standard input
    #[arg(required_unless_present = "input_jsonl", value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Documents as JSON lines: {"doc_id","title","text","uri"?,"metadata"?}; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) input_jsonl: Option<PathBuf>,
    /// Metadata for every document; numbers and true/false are recognised
    #[arg(long = "meta", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Id of the document on standard input
    #[arg(long, default_value = "stdin")]
    pub(crate) id: String,
    /// Take files that .gitignore excludes and hidden ones too
    #[arg(long)]
    pub(crate) no_ignore: bool,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take the I-th of N parts of the documents, counted from 0, so that several jobs share one folder or list
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    pub(crate) shard: Shard,
    /// Read every passage now, so that the first question to it costs no more than the second (needs
    /// --reader-states-disk-mib, then as well as later)
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) precompute: Option<Precompute>,
}

/// A part of all documents. A document's id alone says which it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// Whether a document is in it.
    pub(crate) fn takes(self, id: &str) -> bool {
        let hash = blake3::hash(id.as_bytes());
        u64::from_le_bytes(std::array::from_fn(|n| hash.as_bytes()[n])) % self.of == self.number
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((number, of)) if number < of => Ok(Self { number, of }),
            _ => Err("expected I/N with I from 0 to N-1, for example 0/4".into()),
        }
    }
}

/// What is computed before anybody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Precompute {
    /// Keys and values of the reader.
    Reader,
}
