//! What cells are worth: the share of the 50 nearest that a search by cells finds, and its time beside an exact one.
//!
//!     cargo run --release --example dense_search -- ~/.cache/tamis/eval/vectors-*.redb ROWS
//!
//! The vectors are those that `tamis eval` has kept: sentences and passages of its sets. 400 of them are the questions.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Instant;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tamis::document::{Block, BlockKind, Segment};
use tamis::encode::{Fingerprint, PackedVector};
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{BlockVectors, Boundaries, CollectionSettings, DocumentHead, Filter, Index, Scope, StoredSegment};
use tamis::span::Span;

const QUESTIONS: usize = 400;
const NEAREST: usize = 50;
const SEGMENTS: usize = 20;
const DOCUMENTS: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, rows] = arguments.as_slice() else { return Err("usage: dense_search VECTORS.redb ROWS".into()) };
    let mut vectors = read(path, rows.parse::<usize>()? + QUESTIONS)?;
    let questions = vectors.split_off(vectors.len() - QUESTIONS);

    let directory = tempfile::tempdir()?;
    let scope = Scope::new("default".parse()?, "c".parse()?);
    let mut index = EmbeddedIndex::open(directory.path())?;
    index.create_collection(
        &scope,
        &CollectionSettings {
            fingerprint: Fingerprint("eval".into()),
            dimension: vectors[0].values.len(),
            splitter: 1,
            block_vectors: BlockVectors::Separate,
            boundaries: Boundaries::default(),
            overlap: 0,
        },
    )?;
    let (mut longest, start) = (0.0_f64, Instant::now());
    for (n, batch) in vectors.chunks(SEGMENTS * DOCUMENTS).enumerate() {
        let one = Instant::now();
        let heads = batch.chunks(SEGMENTS).enumerate().map(|(m, rows)| stage(&index, &scope, n * DOCUMENTS + m, rows));
        index.publish(&scope, heads.collect::<Result<_, _>>()?)?;
        longest = longest.max(one.elapsed().as_secs_f64());
    }
    println!(
        "{} segments stored in {:.1} s, a batch at most {longest:.1} s",
        vectors.len(),
        start.elapsed().as_secs_f64()
    );

    let (mut found, mut by_cells, mut exact) = (0, Vec::new(), Vec::new());
    let view = index.view(&scope)?;
    for question in &questions {
        let one = Instant::now();
        let hits = view.dense(question, &Filter::All, NEAREST)?.hits;
        by_cells.push(one.elapsed().as_secs_f64());
        let one = Instant::now();
        let mut scores: Vec<f32> = vectors.iter().map(|v| v.cosine(question)).collect();
        let (_, worst, _) = scores.select_nth_unstable_by(NEAREST - 1, |a, b| b.total_cmp(a));
        exact.push(one.elapsed().as_secs_f64());
        found += hits.iter().filter(|hit| hit.score >= *worst).count();
    }
    let groups = view.alike().map_or(0, |alike| alike.len());
    let recall = found as f64 / (QUESTIONS * NEAREST) as f64;
    println!(
        "{groups} cells, recall@{NEAREST} {recall:.4}, median {:.2} ms, exact {:.2} ms",
        middle(by_cells),
        middle(exact)
    );

    drop((view, index));
    let start = Instant::now();
    index = EmbeddedIndex::open(directory.path())?;
    index.view(&scope)?;
    println!("opened again in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn read(path: &str, count: usize) -> Result<Vec<PackedVector>, Box<dyn Error>> {
    let file = Database::open(path)?;
    let table = file.begin_read()?.open_table(TableDefinition::<&[u8], &[u8]>::new("vectors"))?;
    let mut vectors = Vec::with_capacity(count);
    for entry in table.iter()?.take(count) {
        let entry = entry?;
        let (scale, values) = entry.1.value().split_first_chunk::<4>().ok_or("a vector is cut off")?;
        let values = values.iter().map(|b| i8::from_le_bytes([*b])).collect();
        vectors.push(PackedVector { scale: f32::from_le_bytes(*scale), values });
    }
    if vectors.len() < count { Err(format!("{path} has {} vectors only", vectors.len()).into()) } else { Ok(vectors) }
}

fn stage(
    index: &EmbeddedIndex,
    scope: &Scope,
    n: usize,
    rows: &[PackedVector],
) -> Result<DocumentHead, Box<dyn Error>> {
    let segment = |(m, vector): (usize, &PackedVector)| {
        let span = Span::new(m, m + 1);
        StoredSegment {
            segment: Segment { blocks: vec![Block { span, kind: BlockKind::Sentence }], ..Segment::default() },
            heading: String::new(),
            covered: span,
            far: Vec::new(),
            lead: String::new(),
            text: "x".into(),
            vector: vector.clone(),
            block_vectors: Vec::new(),
        }
    };
    let segments: Vec<StoredSegment> = rows.iter().enumerate().map(segment).collect();
    let revision = index.begin(scope)?;
    index.append(scope, revision, 0, &segments)?;
    Ok(DocumentHead {
        id: format!("d{n:07}").parse()?,
        revision,
        uri: String::new(),
        title: String::new(),
        media_type: "text/plain".into(),
        metadata: Default::default(),
        content_hash: String::new(),
        bytes: rows.len() as u64,
        segments: rows.len() as u32,
        blocks: rows.len() as u32,
    })
}

/// The median, in milliseconds.
fn middle(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2] * 1000.0
}
