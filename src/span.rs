//! Byte ranges of a document's text: the currency in which everything is cited.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A half-open byte range `[start, end)` of a document's text, on UTF-8 character boundaries.
///
/// ```
/// use tamis::span::Span;
/// let text = "naïve café";
/// let span = Span::new(7, 12);
/// assert_eq!(span.slice(text), Some("café"));
/// assert_eq!(Span::new(0, 3).slice(text), None, "byte 3 is inside the two bytes of ï");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl Span {
    /// The range `[start, end)`; an `end` before `start` gives the empty range at `start`.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u64, end: end.max(start) as u64 }
    }

    /// The same range, so many bytes further on.
    #[must_use]
    pub(crate) fn moved(self, by: u64) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether the range holds no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// The range as `usize`, for slicing.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The slice of `text`, or `None` if the range is outside it or cuts a character.
    #[must_use]
    pub fn slice<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.get(self.range())
    }

    /// Whether the other range lies within this one.
    #[must_use]
    pub fn contains(&self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn cover(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The range without leading and trailing whitespace of the text it spans.
    ///
    /// Returns an empty range where there is nothing else, or where the range does not fit `text`.
    #[must_use]
    pub fn trim(self, text: &str) -> Self {
        let Some(slice) = self.slice(text) else { return Self { start: self.start, end: self.start } };
        let start = self.start as usize + (slice.len() - slice.trim_start().len());
        Self::new(start, start + slice.trim().len())
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}
