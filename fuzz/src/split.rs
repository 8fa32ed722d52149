//! Bytes of a format, extracted and split, with every invariant checked.
//!
//! `TAMIS_FUZZ` names the format, as `any_bytes` understands it.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tamis::extract;

#[path = "../../tests/split/any_bytes.rs"]
mod any_bytes;
#[path = "../../tests/split/check.rs"]
#[allow(dead_code)]
mod check;

/// Longer inputs only make everything slower.
const MAX_BYTES: usize = 64 * 1024;

fuzz_target!(|data: &[u8]| {
    if data.len() > MAX_BYTES {
        return;
    }
    let (media, bytes) = any_bytes::document(format(), data);
    if let Ok(source) = extract::from_bytes("x", media, bytes) {
        check::check(&source);
    }
});

fn format() -> &'static str {
    static FORMAT: OnceLock<String> = OnceLock::new();
    FORMAT.get_or_init(|| std::env::var("TAMIS_FUZZ").expect("TAMIS_FUZZ names the format"))
}
