//! Where the passages of a digest lie on a map.

use std::collections::HashMap;

use ndarray::Array2;

use super::gather::Clustered;
use crate::cluster::map;
use crate::document::Revision;
use crate::encode::PackedVector;
use crate::error::Result;
use crate::fit::Context;
use crate::index::{Row, SegmentId, View};
use crate::span::Span;

/// Most passages on a map.
pub const MAX_PLACES: usize = 2000;

/// A passage on a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Along the direction in which passages differ most.
    pub x: f32,
    /// Along the next one.
    pub y: f32,
    /// Its cluster's place in the digest's list.
    pub cluster: usize,
    /// An excerpt of the context is of this passage.
    pub told: bool,
}

/// Places of so many passages as a map has room for; all that are told of are among them where they stand for others.
pub(super) fn places(clustered: &Clustered, view: &dyn View, context: &Context) -> Result<Vec<Place>> {
    let targets =
        clustered.clusters.iter().enumerate().flat_map(|(n, group)| group.targets.iter().map(move |t| (n, t)));
    let step = targets.clone().count().div_ceil(MAX_PLACES).max(1);
    let shown: Vec<(usize, &(SegmentId, PackedVector))> = targets.step_by(step).collect();
    let mut told: HashMap<Revision, Vec<Span>> = HashMap::new();
    context.excerpts.iter().for_each(|e| told.entry(e.source.revision).or_default().push(e.span));
    let flat: Vec<f32> = shown.iter().flat_map(|(_, (id, vector))| Row::of(*id, vector).unpacked()).collect();
    let dimension = flat.len().checked_div(shown.len()).unwrap_or(0);
    let rows = Array2::from_shape_vec((shown.len(), dimension), flat).unwrap_or_default();
    let mut out = Vec::with_capacity(shown.len());
    for ((cluster, (id, _)), [x, y]) in shown.into_iter().zip(map(&rows)) {
        let is_told = match told.get(&id.revision) {
            Some(spans) => {
                let segments = view.segments(&[*id])?;
                segments.iter().any(|s| spans.iter().any(|span| s.covered.contains(*span)))
            }
            None => false,
        };
        out.push(Place { x, y, cluster, told: is_told });
    }
    Ok(out)
}
