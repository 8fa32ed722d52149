//! What searches hand over: hits, and vectors where they are kept.

use super::{SegmentId, Spread};
use crate::encode::{PackedVector, unpacked};
use crate::error::Result;

/// A segment found by a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Which.
    pub segment: SegmentId,
    /// Cosine for dense hits, BM25 for lexical ones.
    pub score: f32,
}

/// So many hits more are asked for of what breaks ties its own way, so that which of equal ones come last is ours to say.
pub(crate) const TIES: usize = 16;

impl Hit {
    /// The order of hits: by score, then by segment, so that equal scores have one order.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        other.score.total_cmp(&self.score).then(self.segment.cmp(&other.segment))
    }

    /// The best ones, best first.
    pub(crate) fn best(mut hits: Vec<Self>, limit: usize) -> Vec<Self> {
        hits.sort_by(Self::order);
        hits.truncate(limit);
        hits
    }
}

/// The nearest segments, and what cosines are like in the collection.
#[derive(Clone, Debug, Default)]
pub struct Nearest {
    /// Best first; ties in the order of the segments.
    pub hits: Vec<Hit>,
    /// Over the collection, whatever the filter: of all its segments, or of several thousand drawn from them.
    pub spread: Spread,
}

/// A segment's vector, where it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Which segment's.
    pub segment: SegmentId,
    /// The components.
    pub values: &'a [i8],
    /// What one step of a component is worth; 0 for a vector without a direction.
    pub scale: f32,
}

impl<'a> Row<'a> {
    /// The row of a segment's vector.
    #[must_use]
    pub fn of(segment: SegmentId, vector: &'a PackedVector) -> Self {
        Self { segment, values: &vector.values, scale: vector.scale }
    }

    /// The vector in floats.
    #[must_use]
    pub fn unpacked(&self) -> Vec<f32> {
        unpacked(self.values, self.scale)
    }

    /// The vector by itself.
    #[must_use]
    pub fn packed(&self) -> PackedVector {
        PackedVector { scale: self.scale, values: self.values.to_vec() }
    }
}

/// Segments that are alike, as the index keeps them together.
#[derive(Clone, Debug)]
pub struct Alike {
    /// Their mean direction.
    pub centroid: PackedVector,
    /// How many there are.
    pub segments: usize,
}

/// What takes rows one after the other; an error ends it.
pub type EachRow<'a> = dyn FnMut(Row<'_>) -> Result<()> + 'a;
