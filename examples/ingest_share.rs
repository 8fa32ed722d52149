//! Ingests files one after the other and says how much of the time is encoding:
//!
//!     cargo run --release --example ingest_share -- FILE...

#![allow(clippy::print_stdout)] // an example

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tamis::deadline::Deadline;
use tamis::document::Document;
use tamis::encode::{Encoder, EncoderSettings, Fingerprint, OnnxEncoder, Priority, Vector};
use tamis::error::Result;

use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{BlockVectors, Index, Scope};
use tamis::ingest::{Ingestor, settings_for};
use tamis::models::{Cache, Silent};

/// Documents published at a time.
const BATCH: usize = 64;

/// An encoder that adds up the time spent in it.
struct Timed {
    inner: OnnxEncoder,
    nanoseconds: AtomicU64,
}

impl Timed {
    fn time<R>(&self, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        self.nanoseconds.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }
}

impl Encoder for Timed {
    fn fingerprint(&self) -> &Fingerprint {
        self.inner.fingerprint()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn max_tokens(&self) -> usize {
        self.inner.max_tokens()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }

    fn encode_query(&self, text: &str, deadline: &Deadline) -> Result<Vector> {
        self.inner.encode_query(text, deadline)
    }

    fn encode_passages(&self, texts: &[&str], priority: Priority, deadline: &Deadline) -> Result<Vec<Vector>> {
        self.time(|| self.inner.encode_passages(texts, priority, deadline))
    }

    fn encode_pooled(
        &self,
        text: &str,
        ranges: &[Range<usize>],
        priority: Priority,
        deadline: &Deadline,
    ) -> Result<(Vector, Vec<Vector>)> {
        self.time(|| self.inner.encode_pooled(text, ranges, priority, deadline))
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let inner = OnnxEncoder::load(&EncoderSettings::default(), &Cache::from_environment()?, &Silent)?;
    let encoder = Arc::new(Timed { inner, nanoseconds: AtomicU64::new(0) });
    let index: Arc<dyn Index> = Arc::new(EmbeddedIndex::open(directory.path())?);
    let scope = Scope::new("default".parse()?, "share".parse()?);
    index.create_collection(&scope, &settings_for(encoder.as_ref(), BlockVectors::Separate))?;
    let ingestor = Ingestor::new(encoder.clone(), index);
    let start = Instant::now();
    let (mut bytes, mut documents, mut blocks) = (0, 0, 0);
    let mut batch = Vec::new();
    for path in std::env::args().skip(1) {
        let text = std::fs::read(&path)?;
        let length = text.len();
        let document = Document {
            id: path.parse()?,
            uri: path,
            title: String::new(),
            media_type: String::new(),
            metadata: Default::default(),
            content: text.into(),
        };
        let Ok(staged) = ingestor.stage(&scope, document, &Deadline::none()) else { continue };
        bytes += length;
        documents += 1;
        blocks += staged.head.blocks;
        batch.push(staged);
        if batch.len() >= BATCH {
            ingestor.publish(&scope, std::mem::take(&mut batch))?;
        }
    }
    ingestor.publish(&scope, batch)?;
    let total = start.elapsed().as_secs_f64();
    let encoding = encoder.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
    println!(
        "{documents} documents, {blocks} blocks, {bytes} bytes in {total:.1} s: {:.1} kB/s, {:.1} documents/s, {:.1} % encoding",
        bytes as f64 / total / 1e3,
        documents as f64 / total,
        100.0 * encoding / total
    );
    Ok(())
}
