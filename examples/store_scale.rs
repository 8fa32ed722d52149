//! What a large embedded store takes: to be filled, to be opened, in memory, to be exported and imported, and to answer.
//!
//!     cargo run --release --example store_scale -- ~/.cache/tamis/eval/vectors-*.redb QUESTIONS.txt SEGMENTS
//!
//! The vectors are those that `tamis eval` has kept, over and over with a little noise. The questions, one a line, are asked
//! as they stand: words strung together at random are as far from one passage as from any other, and no index but a complete
//! look would tell which are nearest. A text has sixty words, of which few are frequent and many are rare as in any language:
//! the frequent ones are those of the questions.

#![allow(clippy::print_stdout)]

mod stored;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tamis::compress::{CompressRequest, Compressor, Corpus};
use tamis::deadline::Deadline;
use tamis::encode::{Encoder, EncoderSettings, OnnxEncoder, PackedVector};
use tamis::fit::Budget;
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{Filter, Index, Scope};
use tamis::models::{Cache, Silent};
use tamis::tokenize;
use tamis::transfer::{self, Import};

const WORDS: usize = 60;
const QUESTIONS: usize = 200;
const NEAREST: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, directory] = arguments.as_slice()
        && flag == "--open"
    {
        return open(directory);
    }
    let [path, questions, segments] = arguments.as_slice() else {
        return Err("usage: store_scale VECTORS.redb QUESTIONS.txt SEGMENTS".into());
    };
    let segments = segments.parse::<usize>()?;
    let asked = std::fs::read_to_string(questions)?;
    let words = by_frequency(&asked);
    // From all parts of the file.
    let questions: Vec<&str> =
        asked.lines().step_by((asked.lines().count() / QUESTIONS).max(1)).take(QUESTIONS).collect();
    let real = stored::read(path, 50_000)?;
    let vectors: Vec<PackedVector> = (0..segments).map(|n| noisy(&real[n % real.len()], n)).collect();
    let encoder: Arc<dyn Encoder> =
        Arc::new(OnnxEncoder::load(&EncoderSettings::default(), &Cache::from_environment()?, &Silent)?);

    let directory = tempfile::tempdir()?;
    let (index, scope) =
        stored::store(directory.path(), encoder.fingerprint().clone(), &vectors, &|n| text(n, &words))?;
    drop(index);
    // In a process of its own, whose memory holds nothing else.
    std::process::Command::new(std::env::current_exe()?).arg("--open").arg(directory.path()).status()?;
    let index: Arc<dyn Index> = Arc::new(EmbeddedIndex::open(directory.path())?);

    let view = index.view(&scope)?;
    let mut found = 0;
    for question in &questions {
        let question = encoder.encode_query(question, &Deadline::none())?.pack();
        let hits = view.dense(&question, &Filter::All, NEAREST)?.hits;
        let mut scores: Vec<f32> = vectors.iter().map(|v| v.cosine(&question)).collect();
        let (_, worst, _) = scores.select_nth_unstable_by(NEAREST - 1, |a, b| b.total_cmp(a));
        found += hits.iter().filter(|hit| hit.score >= *worst).count();
    }
    println!("recall@{NEAREST} of the questions: {:.4}", found as f64 / (questions.len() * NEAREST) as f64);

    moved(&index, &scope, &encoder)?;
    let compressor = Compressor::new(encoder, index);
    let (mut all, mut stages) = (Vec::new(), BTreeMap::<&str, f64>::new());
    for query in &questions {
        let corpus = Corpus::Collection { scope: scope.clone(), filter: Filter::All };
        let request = CompressRequest::new(*query, corpus, Budget::new(512, tokenize::named("o200k_base")?)?);
        let one = Instant::now();
        let answer = compressor.compress(&request, &Deadline::none())?;
        all.push(one.elapsed().as_secs_f64() * 1e3);
        for (stage, ms) in answer.stats.stages_ms {
            *stages.entry(stage).or_default() += ms / questions.len() as f64;
        }
    }
    all.sort_by(f64::total_cmp);
    let (middle, late) = (all[all.len() / 2], all[all.len() * 95 / 100]);
    let stages: Vec<String> = stages.iter().map(|(stage, ms)| format!("{stage} {ms:.1}")).collect();
    println!("a context: p50 {middle:.1} ms, p95 {late:.1} ms; on average {}", stages.join(", "));
    Ok(())
}

/// Writes the collection to a file, as a backup does, and takes it into an empty store.
fn moved(index: &Arc<dyn Index>, scope: &Scope, encoder: &Arc<dyn Encoder>) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("c.tamis");
    let (mut file, start) = (BufWriter::new(File::create(&path)?), Instant::now());
    let mut write = |frame: Vec<u8>| file.write_all(&frame).map_err(tamis::error::Error::io(&path));
    transfer::export(&|| index.view(scope), &scope.collection, true, &Deadline::none(), &mut write)?;
    file.into_inner()?.sync_all()?;
    let (kept, megabytes) = (start.elapsed().as_secs_f64(), std::fs::metadata(&path)?.len() as f64 / 1e6);

    let (mut file, start) = (BufReader::new(File::open(&path)?), Instant::now());
    let empty: Arc<dyn Index> = Arc::new(EmbeddedIndex::open(&directory.path().join("store"))?);
    let mut import = Import::new(encoder.clone(), empty, scope.clone(), Box::new(|_| Ok(())));
    while let Some(frame) = transfer::next_frame(&mut file)? {
        import.take(&frame, &Deadline::none())?;
    }
    let (documents, seconds) = (import.finish()?.written, start.elapsed().as_secs_f64());
    println!("exported in {kept:.1} s, {megabytes:.0} MB; {documents} documents imported in {seconds:.1} s");
    Ok(())
}

/// Opens a store and says what that takes.
fn open(directory: &str) -> Result<(), Box<dyn Error>> {
    let (before, start) = (resident()?, Instant::now());
    let index = EmbeddedIndex::open(Path::new(directory))?;
    let scope = index.scopes()?.pop().ok_or("no collection")?;
    index.view(&scope)?;
    let (seconds, megabytes) = (start.elapsed().as_secs_f64(), (resident()? - before) / 1e6);
    println!("opened in {seconds:.1} s, {megabytes:.0} MB");
    Ok(())
}

/// A number that looks random and is the same for the same input.
fn mixed(n: usize) -> usize {
    let bits = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let bits = (bits ^ (bits >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (bits >> 20) as usize
}

/// The words of questions, the most frequent one first.
fn by_frequency(questions: &str) -> Vec<String> {
    let mut counts = BTreeMap::<String, usize>::new();
    for word in questions.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(word, _)| word).collect()
}

/// Of rank r with a probability of about 1/r, up to a hundred thousand.
fn word(n: usize, words: &[String]) -> String {
    let share = (mixed(n) % 1_000_000) as f64 / 1_000_000.0;
    let rank = 100_000f64.powf(share) as usize;
    words.get(rank - 1).cloned().unwrap_or_else(|| format!("w{rank}"))
}

fn text(n: usize, words: &[String]) -> String {
    let words: Vec<String> = (0..WORDS).map(|w| word(n * WORDS + w, words)).collect();
    format!("{}.\n", words.join(" "))
}

fn noisy(vector: &PackedVector, n: usize) -> PackedVector {
    let noise = |(c, value): (usize, &i8)| value.saturating_add((mixed(n * 397 + c) % 17) as i8 - 8);
    let values = vector.values.iter().enumerate().map(noise).collect();
    PackedVector { scale: vector.scale, values }
}

/// Bytes of memory that the process has.
fn resident() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes * 1024.0)
}
