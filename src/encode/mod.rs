//! Text to vectors: the encoder, its precision, and vectors as they are stored.
//!
//! [`OnnxEncoder`] runs a transformer through `fastembed` on ONNX Runtime, one text per run on a pool of
//! single-threaded sessions, so that a vector never depends on what else was encoded at the time.

mod onnx;
mod settings;
mod vector;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use onnx::OnnxEncoder;
pub(crate) use onnx::{ModelFiles, Network};
pub use settings::{EncoderSettings, ModelChoice, Pooling};
pub use vector::{PackedVector, Vector};
pub(crate) use vector::{dot, unpacked};

use crate::deadline::Deadline;
use crate::error::Result;
pub use crate::runtime::{Precision, Priority};

/// Everything that decides what a vector means: weights, tokenizer, temperature, pooling, length,
/// prefixes and precision. Vectors with different fingerprints never meet.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A bi-encoder: text to a vector of unit length.
pub trait Encoder: Send + Sync {
    /// What its vectors mean.
    fn fingerprint(&self) -> &Fingerprint;

    /// Number of components of a vector.
    fn dimension(&self) -> usize;

    /// Longest text it reads, in its own tokens, special tokens not counted. The rest is not read.
    fn max_tokens(&self) -> usize;

    /// Tokens of a text, in the encoder's own tokenizer, without special tokens.
    fn count_tokens(&self, text: &str) -> usize;

    /// The vector of a question.
    ///
    /// # Errors
    /// [`crate::error::Error::Encoder`], or the deadline's.
    fn encode_query(&self, text: &str, deadline: &Deadline) -> Result<Vector>;

    /// The vectors of passages, in their order; one text per run of the network.
    ///
    /// # Errors
    /// [`crate::error::Error::Encoder`], or the deadline's.
    fn encode_passages(&self, texts: &[&str], priority: Priority, deadline: &Deadline) -> Result<Vec<Vector>>;

    /// One pass over `text`: the vector of the whole, and one pooled from the tokens inside each byte
    /// range (late pooling). A range without a token, beyond the longest text, gets the whole's vector.
    ///
    /// # Errors
    /// [`crate::error::Error::Encoder`], or the deadline's.
    fn encode_pooled(
        &self,
        text: &str,
        ranges: &[Range<usize>],
        priority: Priority,
        deadline: &Deadline,
    ) -> Result<(Vector, Vec<Vector>)>;
}
