//! The digest of very many passages: time and memory, of a whole collection and of half of it by a filter.
//!
//!     cargo run --release --example digest_many -- ~/.cache/tamis/eval/vectors-*.redb ROWS [KEPT]
//!
//! Of ROWS vectors that `tamis eval` has kept, as often as it takes, with a little noise, KEPT segments are stored.

#![allow(clippy::print_stdout)]

mod stored;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use tamis::compress::{Compressor, Corpus, DigestRequest};
use tamis::deadline::Deadline;
use tamis::document::MetadataValue;
use tamis::encode::{Encoder, EncoderSettings, OnnxEncoder, PackedVector};
use tamis::fit::{Budget, Format};
use tamis::index::Filter;
use tamis::models::{Cache, Silent};
use tamis::tokenize;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, rows, kept) = match arguments.as_slice() {
        [path, rows] => (path, rows, rows),
        [path, rows, kept] => (path, rows, kept),
        _ => return Err("usage: digest_many VECTORS.redb ROWS [KEPT]".into()),
    };
    let vectors = stored::read(path, rows.parse()?)?;
    let noisy = |(n, vector): (usize, &PackedVector)| {
        let shift = |(c, value): (usize, &i8)| value.saturating_add((((n / vectors.len()) * 31 + c * 7) % 5) as i8);
        PackedVector { scale: vector.scale, values: vector.values.iter().enumerate().map(shift).collect() }
    };
    let many: Vec<PackedVector> = vectors.iter().cycle().take(kept.parse()?).enumerate().map(noisy).collect();
    let encoder = Arc::new(OnnxEncoder::load(&EncoderSettings::default(), &Cache::from_environment()?, &Silent)?);
    let directory = tempfile::tempdir()?;
    let (index, scope) = stored::store(directory.path(), encoder.fingerprint().clone(), &many, &stored::same)?;
    drop((many, vectors));
    // Linux: from here on, the most memory is counted anew.
    std::fs::write("/proc/self/clear_refs", "5")?;
    println!("{} MB of memory before", memory()?);
    let compressor = Compressor::new(encoder, Arc::new(index));
    let half = Filter::Equals("part".into(), MetadataValue::Text("1".into()));
    for (what, filter) in [("all", Filter::All), ("half, by a filter", half)] {
        let request = DigestRequest {
            query: None,
            corpus: Corpus::Collection { scope: scope.clone(), filter },
            budget: Budget::new(1024, tokenize::named("o200k_base")?)?,
            format: Format::default(),
            clusters: None,
            facts: vec!["part".into()],
            passages: None,
            map: false,
            summary: None,
        };
        let start = Instant::now();
        let digest = compressor.digest(&request, &Deadline::none())?;
        let seconds = start.elapsed().as_secs_f64();
        let cohesion: f64 = digest.clusters.iter().map(|c| f64::from(c.cohesion) * c.passages as f64).sum::<f64>()
            / digest.passages as f64;
        let (clusters, passages) = (digest.clusters.len(), digest.passages);
        println!(
            "{what}: {passages} passages in {clusters} clusters in {seconds:.1} s, cohesion {cohesion:.3}, at most {} MB",
            memory()?
        );
    }
    Ok(())
}

/// The most memory that the process has had, in megabytes.
fn memory() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
