//! Two levels of centroids over a collection's vectors, so that a search opens few of them.
//!
//! Squeezed Attention (arXiv 2411.09688) clusters the keys of a fixed context beforehand, compares a query with the
//! centroids, two levels of them, and looks only into clusters above a threshold. Here the keys are segment vectors: a
//! *topic* holds *cells*, a cell some dozens of segments that are alike. A new segment goes to the nearest topic and there
//! to the nearest cell. A search computes what a cell can hold at best, opens the cells in that order, and stops where the
//! next one can't reach what it has found already.
//!
//! "At best" is an estimate: the angle between question and centroid, less a part of the mean angle between the centroid
//! and its segments. The whole angle of the farthest segment would make it a bound, which in 384 dimensions excludes almost
//! nothing. How large a part, the *reach*, is learnt with the cells: as large as it takes for segments of the collection
//! to find [`FOUND`] of the segments nearest to them.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::cluster::{SAMPLE_ROWS, roughly};
use crate::deadline::Deadline;
use crate::encode::{PackedVector, Vector};
use crate::error::{Error, Result};
use crate::index::{Row, SpreadOf};

/// Collections of fewer segments are searched whole: it takes a few milliseconds, of which cells would spare one or two.
pub(super) const MIN_ROWS: usize = 100_000;
/// Segments of a cell, on average.
const CELL_ROWS: usize = 64;
/// Segments of a cell that its centroid is learnt from.
const LEARNT_FROM: usize = 24;
/// Segments whose neighbours the reach is learnt from, and how many neighbours of each.
const ASKED: usize = 256;
const NEIGHBOURS: usize = 50;
/// Of these neighbours, so many are found.
const FOUND: f64 = 0.998;
/// Narrower cells count as so wide: copies of one text would make the reach of all others too long.
const MIN_ANGLE: f32 = 0.4;

/// The centroids, as they are stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cells {
    /// Segments that there were.
    learnt_from: u64,
    topics: Vec<PackedVector>,
    /// Where each topic's cells begin among the cells, and where the last one's end.
    begins: Vec<u32>,
    cells: Vec<Cell>,
    /// The part of a cell's mean angle that its segments are expected to be nearer than its centroid.
    reach: f32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    centroid: PackedVector,
    /// Mean angle between it and its segments, at least [`MIN_ANGLE`].
    angle: f32,
}

impl Cells {
    /// Learns them from rows of unit length, of which `row` gives the n-th of `count`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no row.
    pub(super) fn learn<'a>(count: usize, row: &(dyn Fn(usize) -> Row<'a> + Sync)) -> Result<Self> {
        let topics = ((count as f64 / CELL_ROWS as f64).sqrt().round() as usize).clamp(1, SAMPLE_ROWS);
        let sample: Vec<Row<'_>> = drawn(count, SAMPLE_ROWS).map(row).collect();
        let topics = centroids(&sample, topics)?;
        let mut of_topic: Vec<Vec<usize>> = vec![Vec::new(); topics.len()];
        let topic_of = in_parallel(count, &|n| nearest(topics.iter().enumerate(), &row(n)));
        topic_of.into_iter().enumerate().for_each(|(n, topic)| of_topic[topic].push(n));
        let mut learnt = Self {
            learnt_from: count as u64,
            begins: vec![0],
            cells: Vec::with_capacity(count / CELL_ROWS + topics.len()),
            reach: 0.0,
            topics,
        };
        let mut cell_of = vec![0; count];
        for rows in &of_topic {
            let cells = rows.len().div_ceil(CELL_ROWS);
            let sample: Vec<Row<'_>> = drawn(rows.len(), cells * LEARNT_FROM).map(|n| row(rows[n])).collect();
            // A topic that none of all rows is nearest to stays, without a segment, for those to come.
            let centroids = if sample.is_empty() { Vec::new() } else { centroids(&sample, cells)? };
            let mut angles = vec![SpreadOf::default(); centroids.len()];
            let nearest_cell = |n: usize| {
                let row = row(rows[n]);
                let cell = nearest(centroids.iter().enumerate(), &row);
                (cell, angle(cosine(&centroids[cell], &row)))
            };
            for (n, (cell, angle)) in rows.iter().zip(in_parallel(rows.len(), &nearest_cell)) {
                angles[cell].add(angle);
                cell_of[*n] = learnt.cells.len() + cell;
            }
            let cells = centroids.into_iter().zip(angles);
            let cell =
                |(centroid, angles): (_, SpreadOf)| Cell { centroid, angle: angles.spread().mean.max(MIN_ANGLE) };
            learnt.cells.extend(cells.map(cell));
            learnt.begins.push(learnt.cells.len() as u32);
        }
        learnt.reach = learnt.reach_of(count, row, &cell_of);
        Ok(learnt)
    }

    /// The part of the cells' angles that it takes to find the neighbours of some of the rows.
    fn reach_of<'a>(&self, count: usize, row: &(dyn Fn(usize) -> Row<'a> + Sync), cell_of: &[usize]) -> f32 {
        let asked: Vec<usize> = drawn(count, ASKED).collect();
        let needed = |n: usize| -> Vec<f32> {
            let query = row(asked[n]).packed();
            // It is its own neighbour without any search.
            let others = (0..count).filter(|other| *other != asked[n]);
            let mut all: Vec<(f32, usize)> = others.map(|n| (cosine(&query, &row(n)), n)).collect();
            if all.len() > NEIGHBOURS {
                all.select_nth_unstable_by(NEIGHBOURS - 1, |a, b| b.0.total_cmp(&a.0));
                all.truncate(NEIGHBOURS);
            }
            let farthest = angle(all.iter().map(|(cosine, _)| *cosine).fold(1.0, f32::min));
            let of = |(_, n): &(f32, usize)| {
                let cell = &self.cells[cell_of[*n]];
                let missing = angle(cell.centroid.cosine(&query)) - farthest;
                (missing / cell.angle).max(0.0)
            };
            all.iter().map(of).collect()
        };
        let mut needed: Vec<f32> = in_parallel(asked.len(), &needed).into_iter().flatten().collect();
        needed.sort_by(f32::total_cmp);
        needed.get((needed.len() as f64 * FOUND) as usize).or(needed.last()).copied().unwrap_or(0.0)
    }

    /// Whether a collection of so many segments has become another one since.
    pub(super) fn outgrown(&self, segments: usize) -> bool {
        let then = self.learnt_from as usize;
        segments * 2 >= then * 3 || segments * 4 <= then
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell of a row: the nearest one of the nearest topic that has any.
    pub(super) fn of(&self, row: &Row<'_>) -> usize {
        let cells = |topic: usize| self.begins[topic] as usize..self.begins[topic + 1] as usize;
        let with_cells = self.topics.iter().enumerate().filter(|(topic, _)| !cells(*topic).is_empty());
        let cells = cells(nearest(with_cells, row));
        nearest(cells.map(|n| (n, &self.cells[n].centroid)), row)
    }

    /// The cells with the cosine that their segments may reach, the highest first.
    pub(super) fn by_reach(&self, query: &PackedVector) -> Vec<(f32, usize)> {
        let reach = |cell: &Cell| {
            let to_centroid = angle(cell.centroid.cosine(query));
            (to_centroid - self.reach * cell.angle).max(0.0).cos()
        };
        let mut cells: Vec<(f32, usize)> = self.cells.iter().map(reach).zip(0..).collect();
        cells.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        cells
    }

    /// The n-th cell's centroid.
    pub(super) fn centroid(&self, n: usize) -> &PackedVector {
        &self.cells[n].centroid
    }
}

/// What `of` says of every number below `count`, in their order, computed on all cores.
fn in_parallel<T: Send>(count: usize, of: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = count.div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let start = |from: usize| scope.spawn(move || (from..count.min(from + part)).map(of).collect::<Vec<T>>());
        let threads: Vec<_> = (0..count).step_by(part).map(start).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e)));
        joined.flatten().collect()
    })
}

/// So many of the numbers below `count`, or all: by the golden ratio, which no period in the order of documents meets.
fn drawn(count: usize, many: usize) -> impl Iterator<Item = usize> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let nth = move |n: usize| ((n as f64 * GOLDEN).fract() * count as f64) as usize;
    (0..many.min(count)).map(move |n| if many < count { nth(n) } else { n })
}

/// Directions of clusters of rows, of every cluster the mean of its rows.
fn centroids(rows: &[Row<'_>], clusters: usize) -> Result<Vec<PackedVector>> {
    let dimension = rows.first().map_or(0, |row| row.values.len());
    let flat: Vec<f32> = rows.iter().flat_map(Row::unpacked).collect();
    let matrix =
        Array2::from_shape_vec((rows.len(), dimension), flat).map_err(|e| Error::invalid("vectors", e.to_string()))?;
    let clusters = roughly(&matrix, clusters, &Deadline::none())?;
    let mut sums = Array2::<f32>::zeros((clusters.len(), dimension));
    for row in matrix.rows() {
        let of = row.as_slice().and_then(|row| clusters.nearest(row)).map_or(0, |(cluster, _)| cluster);
        let mut sum = sums.row_mut(of);
        sum += &row;
    }
    let direction = |sum: ndarray::ArrayView1<'_, f32>| Vector::normalised(sum.to_vec()).pack();
    Ok(sums.rows().into_iter().map(direction).collect())
}

/// The number of the nearest centroid, the first of several; 0 of none.
fn nearest<'a>(centroids: impl Iterator<Item = (usize, &'a PackedVector)>, row: &Row<'_>) -> usize {
    let mut best = (f32::NEG_INFINITY, 0);
    for (n, centroid) in centroids {
        let cosine = cosine(centroid, row);
        if cosine > best.0 {
            best = (cosine, n);
        }
    }
    best.1
}

fn cosine(centroid: &PackedVector, row: &Row<'_>) -> f32 {
    crate::encode::dot(&centroid.values, row.values) * centroid.scale * row.scale
}

fn angle(cosine: f32) -> f32 {
    cosine.clamp(-1.0, 1.0).acos()
}
