//! Which arithmetic networks compute in.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Arithmetic of the matrix products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// bf16 where the CPU computes in it, else int8.
    #[default]
    Auto,
    /// 32-bit floats: the reference, the same on all CPUs.
    Fp32,
    /// 8-bit integers, activations quantised per text.
    Int8,
    /// 16-bit brain floats through OpenVINO.
    Bf16,
}

impl Precision {
    /// Replaces [`Precision::Auto`] by what this CPU does best: `bf16` with avx512_bf16 (every CPU with
    /// AMX has it too), else `int8`.
    #[must_use]
    pub fn resolve(self) -> Self {
        match self {
            Self::Auto if cpu_has_bf16() => Self::Bf16,
            Self::Auto => Self::Int8,
            fixed => fixed,
        }
    }

    /// `auto`, `fp32`, `int8` or `bf16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
            Self::Bf16 => "bf16",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu_has_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_has_bf16() -> bool {
    false
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        [Self::Auto, Self::Fp32, Self::Int8, Self::Bf16]
            .into_iter()
            .find(|p| p.name() == s)
            .ok_or_else(|| Error::invalid("encoder.precision", format!("{s:?}: use auto, fp32, int8 or bf16")))
    }
}
