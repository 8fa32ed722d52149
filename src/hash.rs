//! The beginning of a hash: what is remembered is known by it.

/// 128 bits: enough that no two things that are ever remembered share one.
pub(crate) type Beginning = [u8; 16];

/// The hash of several texts, wherever one ends and the next begins.
pub(crate) fn of_texts<const N: usize>(texts: [&str; N]) -> Beginning {
    of_parts(&texts.map(str::as_bytes))
}

/// The same of any bytes.
pub(crate) fn of_parts(parts: &[&[u8]]) -> Beginning {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    beginning(hasher.finalize())
}

/// The beginning of a finished hash.
pub(crate) fn beginning(hash: blake3::Hash) -> Beginning {
    std::array::from_fn(|n| hash.as_bytes()[n])
}
