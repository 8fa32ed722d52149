//! Vectors as they are computed and as they are stored.

use serde::{Deserialize, Serialize};
use simsimd::SpatialSimilarity;

/// A vector of unit length.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector(Vec<f32>);

impl Vector {
    /// Scales to unit length; a vector of zeros, or one that is not finite, becomes zeros.
    #[must_use]
    pub fn normalised(mut values: Vec<f32>) -> Self {
        let norm = values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        let factor = if norm.is_finite() && norm > 0.0 { (1.0 / norm) as f32 } else { 0.0 };
        values.iter_mut().for_each(|v| *v = if factor == 0.0 { 0.0 } else { *v * factor });
        Self(values)
    }

    /// The components.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Cosine with a vector of the same dimension.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }

    /// One byte per component and one scale.
    #[must_use]
    pub fn pack(&self) -> PackedVector {
        let largest = self.0.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            return PackedVector { scale: 0.0, values: vec![0; self.0.len()] };
        }
        let scale = largest / 127.0;
        PackedVector { scale, values: self.0.iter().map(|v| (v / scale).round() as i8).collect() }
    }
}

/// A vector of unit length in one byte per component.
///
/// Loses nothing in ranking (mean reciprocal rank .305 against .302 in floats on the prototypes), and
/// its products are integers: the same on every CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedVector {
    /// What one step of a component is worth.
    pub scale: f32,
    /// The components.
    pub values: Vec<i8>,
}

impl PackedVector {
    /// Cosine with another packed vector of the same dimension; 0 where the dimensions differ.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f32 {
        dot(&self.values, &other.values) * self.scale * other.scale
    }

    /// The vector in floats.
    pub(crate) fn unpacked(&self) -> Vec<f32> {
        unpacked(&self.values, self.scale)
    }

    /// The scale in little-endian, then the components.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.values.len());
        out.extend_from_slice(&self.scale.to_le_bytes());
        out.extend(self.values.iter().map(|v| v.to_le_bytes()[0]));
        out
    }

    /// What [`Self::to_bytes`] wrote; `None` for fewer than four bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (scale, values) = bytes.split_first_chunk::<4>()?;
        let values = values.iter().map(|b| i8::from_le_bytes([*b])).collect();
        Some(Self { scale: f32::from_le_bytes(*scale), values })
    }
}

/// Packed components in floats.
pub(crate) fn unpacked(values: &[i8], scale: f32) -> Vec<f32> {
    values.iter().map(|v| f32::from(*v) * scale).collect()
}

/// Inner product of two rows of bytes, exact in integers.
pub(crate) fn dot(a: &[i8], b: &[i8]) -> f32 {
    <i8 as SpatialSimilarity>::dot(a, b).map_or(0.0, |d| d as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_keeps_the_cosine(a in prop::collection::vec(-1.0f32..1.0, 384), b in prop::collection::vec(-1.0f32..1.0, 384)) {
            let (a, b) = (Vector::normalised(a), Vector::normalised(b));
            prop_assert!((a.cosine(&b) - a.pack().cosine(&b.pack())).abs() < 0.01);
        }
    }

    #[test]
    fn zeros_and_infinities_have_no_direction() {
        for values in [vec![0.0; 4], vec![f32::INFINITY, 0.0, 0.0, 0.0], vec![f32::NAN; 4]] {
            let v = Vector::normalised(values);
            assert_eq!(v.cosine(&v), 0.0);
            assert_eq!(v.pack().cosine(&v.pack()), 0.0);
        }
    }
}
