//! Peak memory of ingesting one large text file, with everything real but the arithmetic of the network:
//! encoding 100 MB takes hours on two cores, and its memory does not grow with the document.
//!
//!     cargo run --release --example ingest_memory -- 100

#![allow(clippy::print_stdout)] // an example

use std::ops::Range;
use std::sync::Arc;

use tamis::deadline::Deadline;
use tamis::document::Document;
use tamis::encode::{Encoder, EncoderSettings, Fingerprint, OnnxEncoder, Priority, Vector};
use tamis::error::Result;
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{BlockVectors, Index, Scope};
use tamis::ingest::{Ingestor, settings_for};
use tamis::models::{Cache, Silent};

/// The real encoder, loaded and used for counting tokens and for one text in a thousand; the other
/// vectors are made from a hash.
struct Sampled(OnnxEncoder);

impl Sampled {
    fn vector(&self, text: &str, priority: Priority, deadline: &Deadline) -> Result<Vector> {
        let hash = blake3::hash(text.as_bytes());
        if hash.as_bytes()[0] == 0 && hash.as_bytes()[1] < 64 {
            return Ok(self.0.encode_passages(&[text], priority, deadline)?.remove(0));
        }
        let mut components = vec![0.0; self.0.dimension()];
        let mut reader = blake3::Hasher::new().update(hash.as_bytes()).finalize_xof();
        let mut bytes = vec![0u8; components.len()];
        reader.fill(&mut bytes);
        components.iter_mut().zip(bytes).for_each(|(c, b)| *c = f32::from(b) - 127.5);
        Ok(Vector::normalised(components))
    }
}

impl Encoder for Sampled {
    fn fingerprint(&self) -> &Fingerprint {
        self.0.fingerprint()
    }

    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    fn max_tokens(&self) -> usize {
        self.0.max_tokens()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }

    fn encode_query(&self, text: &str, deadline: &Deadline) -> Result<Vector> {
        self.0.encode_query(text, deadline)
    }

    fn encode_passages(&self, texts: &[&str], priority: Priority, deadline: &Deadline) -> Result<Vec<Vector>> {
        texts.iter().map(|t| self.vector(t, priority, deadline)).collect()
    }

    fn encode_pooled(
        &self,
        text: &str,
        ranges: &[Range<usize>],
        priority: Priority,
        deadline: &Deadline,
    ) -> Result<(Vector, Vec<Vector>)> {
        self.0.encode_pooled(text, ranges, priority, deadline)
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let megabytes: usize = std::env::args().nth(1).map_or(Ok(100), |n| n.parse())?;
    let mut text = String::with_capacity(megabytes * 1_000_000);
    for n in 0.. {
        if text.len() >= megabytes * 1_000_000 {
            break;
        }
        text.push_str(&format!("Sentence number {n} of a long report speaks of sieve {} and its mesh. ", n * 7 % 1001));
        if n % 5 == 4 {
            text.push_str("\n\n");
        }
    }
    let directory = tempfile::tempdir()?;
    let encoder = OnnxEncoder::load(&EncoderSettings::default(), &Cache::from_environment()?, &Silent)?;
    let encoder: Arc<dyn Encoder> = Arc::new(Sampled(encoder));
    let index: Arc<dyn Index> = Arc::new(EmbeddedIndex::open(directory.path())?);
    let scope = Scope::new("default".parse()?, "memory".parse()?);
    index.create_collection(&scope, &settings_for(encoder.as_ref(), BlockVectors::Separate))?;
    println!("loaded: {} MB", resident_peak()?);
    let document = Document {
        id: "large".parse()?,
        uri: "large.txt".into(),
        title: String::new(),
        media_type: String::new(),
        metadata: Default::default(),
        content: text.into(),
    };
    let start = std::time::Instant::now();
    let ingestor = Ingestor::new(encoder, index);
    let staged = ingestor.stage(&scope, document, &Deadline::none())?;
    let (blocks, segments) = (staged.head.blocks, staged.head.segments);
    println!("staged: {} MB after {:.0} s", resident_peak()?, start.elapsed().as_secs_f64());
    ingestor.publish(&scope, vec![staged])?;
    println!(
        "published: {} MB after {:.0} s; {megabytes} MB of text, {blocks} blocks, {segments} segments",
        resident_peak()?,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Peak resident memory of this process, in megabytes.
fn resident_peak() -> std::result::Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).ok_or("no VmHWM: Linux only")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes / 1000)
}
