//! Clusters rows as a digest of very many passages does: centroids of a sample, moved by batches of all rows.
//!
//!     cargo run --release --example cluster_speed -- ROWS.f32 DIMENSION CLUSTERS LABELS.u32
//!
//! Reads 32-bit floats, row after row, writes each row's cluster, and prints the seconds between. For
//! `benches/clusters.py`.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Instant;

use ndarray::Array2;
use tamis::cluster::{SAMPLE_ROWS, learn};
use tamis::deadline::Deadline;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, dimension, clusters, labels] = arguments.as_slice() else {
        return Err("usage: cluster_speed ROWS.f32 DIMENSION CLUSTERS LABELS.u32".into());
    };
    let (dimension, clusters): (usize, usize) = (dimension.parse()?, clusters.parse()?);
    let bytes = std::fs::read(path)?;
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let rows = || values.chunks_exact(dimension);
    let start = Instant::now();
    let step = rows().len().div_ceil(SAMPLE_ROWS);
    let sample: Vec<f32> = rows().step_by(step).flatten().copied().collect();
    let sample = Array2::from_shape_vec((sample.len() / dimension, dimension), sample)?;
    let deadline = Deadline::none();
    let centroids = learn(&sample, clusters, &deadline)?.moved_by(&deadline, |take| rows().try_for_each(take))?;
    let of = |row: &[f32]| centroids.nearest(row).map_or(0, |(cluster, _)| cluster as u32);
    let found: Vec<u8> = rows().flat_map(|row| of(row).to_le_bytes()).collect();
    println!("{}", start.elapsed().as_secs_f64());
    Ok(std::fs::write(labels, found)?)
}
