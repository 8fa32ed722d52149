//! Which segments say what cosines are like over a collection.
//!
//! A score is standardised by the mean and the deviation of the cosines of a question to all segments. Those of a sample
//! say the same, and every store can hand out the same sample, whatever the order and the number of machines that it keeps
//! segments in: those whose *draw*, a hash of their vector, is least (a bottom-k sketch; Cohen and Kaplan, "Summarizing
//! data using bottom-k sketches", PODC 2007). Equal vectors draw alike, and it does not matter which of them is taken.

/// Segments of a sample; a smaller collection is taken whole.
pub(crate) const SAMPLE_SEGMENTS: usize = 4096;

/// What a segment drew, by the bytes of its packed vector. Below 2^62, so that any store's integers hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn of(components: &[u8]) -> Self {
        let hash = blake3::hash(components);
        Self(u64::from_le_bytes(std::array::from_fn(|n| hash.as_bytes()[n])) >> 2)
    }
}
