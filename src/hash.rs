//! The beginning of a hash: what is remembered is known by it.

/// 128 bits: enough that no two things that are ever remembered share one.
pub(crate) type Beginning = [u8; 16];

/// The hash of several texts, wherever one ends and the next begins.
pub(crate) fn of_texts<const N: usize>(texts: [&str; N]) -> Beginning {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    beginning(hasher.finalize())
}

/// The beginning of a finished hash.
pub(crate) fn beginning(hash: blake3::Hash) -> Beginning {
    std::array::from_fn(|n| hash.as_bytes()[n])
}
