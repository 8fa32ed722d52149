//! `tamis ingest`: files into a collection, with a summary of what became of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use serde_json::json;
use tamis_proto::v1::ingest_request::Part;
use tamis_proto::v1::{
    AbandonDocument, Document, EndDocument, IngestOptions, IngestOutcome, IngestRequest, IngestResponse, MetadataValue,
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::files::{self, Found};
use super::line;
use crate::args::{Global, IngestArgs, OutputFormat, Precompute, Shard};
use crate::connect::{Connection, Store, configuration};
use crate::failure::{Failure, Result};
use crate::filter;
use crate::progress;

/// Larger files are sent in chunks of this size, so that they are never whole in this process.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Messages that may wait for the server.
const QUEUED: usize = 4;
/// Reasons shown one by one in the summary.
const MAX_SHOWN: usize = 20;

/// What became of everything.
#[derive(Default)]
struct Summary {
    counts: BTreeMap<&'static str, u64>,
    skipped: Vec<(String, String)>,
    failed: Vec<(String, String)>,
    bytes: u64,
    blocks: u64,
    segments: u64,
    /// Segments that the reader has read; `None` where that was not asked for.
    precomputed: Option<u64>,
}

pub(crate) async fn run(global: &Global, args: IngestArgs) -> Result {
    let metadata = args.metadata.iter().map(|m| filter::pair("--meta", m)).collect::<Result<BTreeMap<_, _>>>()?;
    let (stdin, paths): (Vec<String>, Vec<String>) = args.paths.iter().cloned().partition(|p| p == "-");
    let precomputed = args.precompute.map(|_| 0);
    let mut summary = Summary { precomputed, ..Summary::default() };
    let mut found: Vec<(PathBuf, u64)> = Vec::new();
    for file in files::find(&paths, args.no_ignore)? {
        match file {
            Found::File { path, bytes } if args.shard.takes(&files::name_of(&path)) => found.push((path, bytes)),
            Found::File { .. } => {}
            Found::Skipped { path, reason } => summary.skipped.push((path, reason)),
        }
    }
    leave_store(&configuration(global)?.data_dir, &mut found, &mut summary.skipped);
    let total: u64 = found.iter().map(|(_, bytes)| bytes).sum();
    if args.dry_run {
        return dry_run(global, &found, total, &summary);
    }
    let connection = Connection::open(global, Store::Kept).await?;
    let bar = progress::bytes("ingest", total);
    let started = std::time::Instant::now();
    let (requests, outgoing) = mpsc::channel(QUEUED);
    let sender = Sender {
        requests,
        metadata: metadata.into_iter().collect(),
        bar: bar.clone(),
        shard: args.shard,
        skipped: Vec::new(),
        failed: Vec::new(),
    };
    let precompute_reader = args.precompute == Some(Precompute::Reader);
    let options = IngestOptions { collection: global.collection.clone(), precompute_reader };
    let sending =
        tokio::spawn(sender.send_all(options, found, stdin.first().map(|_| args.id.clone()), args.input_jsonl));
    let mut client = connection.documents();
    let mut responses = client.ingest(ReceiverStream::new(outgoing)).await?.into_inner();
    let mut end = Ok(());
    loop {
        match responses.message().await {
            Ok(Some(response)) => summary.add(response),
            Ok(None) => break,
            Err(status) => {
                end = Err(Failure::from(status));
                break;
            }
        }
    }
    drop(responses);
    let sender = match end {
        Ok(()) => Some(sending.await.map_err(|e| Failure::Other(e.to_string()))?),
        Err(_) => {
            sending.abort();
            None
        }
    };
    summary.bytes = bar.position();
    bar.finish_and_clear();
    if let Some(sender) = sender {
        summary.skipped.extend(sender.skipped);
        summary.failed.extend(sender.failed);
    }
    summary.print(global, started.elapsed().as_secs_f64())?;
    connection.close().await?;
    end?;
    if summary.failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Other(format!("{} documents failed", summary.failed.len())))
    }
}

/// The store's own files are no documents.
fn leave_store(store: &Path, found: &mut Vec<(PathBuf, u64)>, skipped: &mut Vec<(String, String)>) {
    let Ok(store) = store.canonicalize() else { return };
    let before = found.len();
    found.retain(|(path, _)| path.canonicalize().map_or(true, |path| !path.starts_with(&store)));
    if found.len() < before {
        skipped.push((store.display().to_string(), "the store itself".into()));
    }
}

fn dry_run(global: &Global, found: &[(PathBuf, u64)], total: u64, summary: &Summary) -> Result {
    if global.format == OutputFormat::Json {
        let files: Vec<_> = found.iter().map(|(p, b)| json!({"id": files::name_of(p), "bytes": b})).collect();
        let skipped: Vec<_> = summary.skipped.iter().map(|(p, r)| json!({"path": p, "reason": r})).collect();
        return line(&json!({"files": files, "skipped": skipped, "bytes": total}).to_string());
    }
    for (path, bytes) in found {
        line(&format!("{bytes:>10}  {}", files::name_of(path)))?;
    }
    for (path, reason) in &summary.skipped {
        line(&format!("   skipped  {path}: {reason}"))?;
    }
    line(&format!("{} files, {total} bytes would be sent; nothing was", found.len()))
}

/// The sending half: reads files and puts them on the stream.
struct Sender {
    requests: mpsc::Sender<IngestRequest>,
    metadata: std::collections::HashMap<String, MetadataValue>,
    bar: ProgressBar,
    /// The lines that are sent; of files, it was chosen before.
    shard: Shard,
    skipped: Vec<(String, String)>,
    failed: Vec<(String, String)>,
}

impl Sender {
    async fn send_all(
        mut self,
        options: IngestOptions,
        found: Vec<(PathBuf, u64)>,
        stdin: Option<String>,
        jsonl: Option<PathBuf>,
    ) -> Self {
        self.send(Part::Options(options)).await;
        for (path, bytes) in found {
            let name = files::name_of(&path);
            match tokio::fs::File::open(&path).await {
                Ok(file) => self.send_reader(name, file, bytes).await,
                Err(e) => self.failed.push((name, e.to_string())),
            }
        }
        if let Some(id) = stdin {
            self.send_reader(id, tokio::io::stdin(), 0).await;
        }
        if let Some(path) = jsonl {
            self.send_lines(&path).await;
        }
        // Nothing more comes: the server may end the stream.
        let (closed, _) = mpsc::channel(1);
        self.requests = closed;
        self
    }

    /// A server that is gone is noticed by the receiving half.
    async fn send(&self, part: Part) {
        let _ = self.requests.send(IngestRequest { part: Some(part) }).await;
    }

    async fn send_reader(&mut self, name: String, mut source: impl AsyncRead + Unpin, size: u64) {
        let mut first = vec![0; CHUNK_BYTES];
        let length = match fill(&mut source, &mut first).await {
            Ok(length) => length,
            Err(e) => return self.failed.push((name, e.to_string())),
        };
        first.truncate(length);
        if first.iter().all(u8::is_ascii_whitespace) && length < CHUNK_BYTES {
            self.bar.inc(length as u64);
            return self.skipped.push((name, "empty".into()));
        }
        if !tamis::extract::is_supported(&name, &first) {
            self.bar.inc(size.max(length as u64));
            return self.skipped.push((name, "binary data, not text".into()));
        }
        let head =
            Document { id: name.clone(), uri: name.clone(), metadata: self.metadata.clone(), ..Document::default() };
        self.send(Part::Begin(head)).await;
        let mut chunk = first;
        loop {
            let length = chunk.len();
            self.send(Part::Chunk(chunk)).await;
            self.bar.inc(length as u64);
            if length < CHUNK_BYTES {
                break;
            }
            chunk = vec![0; CHUNK_BYTES];
            match fill(&mut source, &mut chunk).await {
                Ok(length) => chunk.truncate(length),
                Err(e) => {
                    self.failed.push((name, e.to_string()));
                    return self.send(Part::Abandon(AbandonDocument {})).await;
                }
            }
        }
        self.send(Part::End(EndDocument {})).await;
    }

    async fn send_lines(&mut self, path: &Path) {
        let source: Box<dyn AsyncRead + Unpin + Send> = if path.as_os_str() == "-" {
            Box::new(tokio::io::stdin())
        } else {
            match tokio::fs::File::open(path).await {
                Ok(file) => Box::new(file),
                Err(e) => return self.failed.push((path.display().to_string(), e.to_string())),
            }
        };
        let mut lines = BufReader::new(source).lines();
        for number in 1.. {
            match lines.next_line().await {
                Ok(None) => break,
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => match super::batch::document(&line) {
                    Ok(document) if !self.shard.takes(&document.id) => {}
                    Ok(mut document) => {
                        document.metadata.extend(self.metadata.clone());
                        self.bar.inc(document.text.len() as u64);
                        self.send(Part::Document(document)).await;
                    }
                    Err(e) => self.failed.push((format!("{}:{number}", path.display()), e)),
                },
                Err(e) => {
                    self.failed.push((format!("{}:{number}", path.display()), e.to_string()));
                    break;
                }
            }
        }
    }
}

/// Reads until the buffer is full or the source ends.
async fn fill(source: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]).await? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

impl Summary {
    fn add(&mut self, response: IngestResponse) {
        let name = match response.outcome() {
            IngestOutcome::Created => "new",
            IngestOutcome::Replaced => "changed",
            IngestOutcome::Unchanged => "unchanged",
            IngestOutcome::MetadataUpdated => "metadata",
            IngestOutcome::Refused | IngestOutcome::Unspecified => {
                let error = response.error.unwrap_or_default();
                // What is no text is passed over, like a binary file; anything else is a failure.
                let list = if error.reason == "UNUSABLE_DOCUMENT" { &mut self.skipped } else { &mut self.failed };
                list.push((response.document_id, error.message));
                return;
            }
        };
        *self.counts.entry(name).or_default() += 1;
        self.blocks += u64::from(response.blocks);
        self.segments += u64::from(response.segments);
        self.precomputed = self.precomputed.map(|sum| sum + u64::from(response.precomputed));
    }

    fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    fn print(&self, global: &Global, seconds: f64) -> Result {
        if global.format == OutputFormat::Json {
            let reasons = |list: &[(String, String)]| -> Vec<_> {
                list.iter().map(|(id, reason)| json!({"id": id, "reason": reason})).collect()
            };
            return line(
                &json!({
                    "new": self.count("new"), "changed": self.count("changed"), "unchanged": self.count("unchanged"),
                    "metadata_updated": self.count("metadata"), "blocks": self.blocks, "segments": self.segments,
                    "bytes": self.bytes, "seconds": seconds, "precomputed": self.precomputed,
                    "skipped": reasons(&self.skipped), "failed": reasons(&self.failed),
                })
                .to_string(),
            );
        }
        line(&format!(
            "{} new, {} changed, {} unchanged, {} skipped, {} failed: {} blocks in {} segments, {:.1} kB in {seconds:.1} s",
            self.count("new"),
            self.count("changed") + self.count("metadata"),
            self.count("unchanged"),
            self.skipped.len(),
            self.failed.len(),
            self.blocks,
            self.segments,
            self.bytes as f64 / 1e3,
        ))?;
        if let Some(precomputed) = self.precomputed {
            line(&format!("the reader has read {precomputed} of {} segments", self.segments))?;
        }
        for (what, list) in [("skipped", &self.skipped), ("failed", &self.failed)] {
            for (id, reason) in list.iter().take(MAX_SHOWN) {
                line(&format!("  {what} {id}: {reason}"))?;
            }
            if list.len() > MAX_SHOWN {
                line(&format!("  ... and {} more {what}; --format json shows all", list.len() - MAX_SHOWN))?;
            }
        }
        Ok(())
    }
}
