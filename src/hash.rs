//! The beginning of a hash: what is remembered is known by it.

/// 128 bits: enough that no two things that are ever remembered share one.
pub(crate) type Beginning = [u8; 16];

/// The beginning of a finished hash.
pub(crate) fn beginning(hash: blake3::Hash) -> Beginning {
    std::array::from_fn(|n| hash.as_bytes()[n])
}
