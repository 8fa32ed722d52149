//! What cells are worth: the share of the 50 nearest that a search by cells finds, and its time beside an exact one.
//!
//!     cargo run --release --example dense_search -- ~/.cache/tamis/eval/vectors-*.redb ROWS
//!
//! The vectors are those that `tamis eval` has kept: sentences and passages of its sets. 400 of them are the questions.

#![allow(clippy::print_stdout)]

mod stored;

use std::error::Error;
use std::time::Instant;

use tamis::encode::Fingerprint;
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{Filter, Index};

const QUESTIONS: usize = 400;
const NEAREST: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, rows] = arguments.as_slice() else { return Err("usage: dense_search VECTORS.redb ROWS".into()) };
    let mut vectors = stored::read(path, rows.parse::<usize>()? + QUESTIONS)?;
    let questions = vectors.split_off(vectors.len() - QUESTIONS);

    let directory = tempfile::tempdir()?;
    let (mut index, scope) = stored::store(directory.path(), Fingerprint("eval".into()), &vectors, &stored::same)?;

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

/// The median, in milliseconds.
fn middle(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2] * 1000.0
}
