//! Bytes to text with a media type: what may be split, and by which splitter.

mod media;

pub use media::{Language, MediaType};

use crate::document::Document;
use crate::error::{Error, Result};

/// Largest accepted text of one document, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024 * 1024;

/// Share of control characters above which a text is taken for binary data.
const MAX_CONTROL_SHARE: f64 = 0.02;
/// How much of a text is looked at to tell text from binary data, in bytes.
const SNIFFED_BYTES: usize = 64 * 1024;

/// Decodes a document's bytes.
///
/// # Errors
/// [`Error::UnusableDocument`] where the bytes are not UTF-8 or look like binary data. A byte order
/// mark stays part of the text, so that spans count the bytes of the source.
pub fn text(id: &str, bytes: Vec<u8>) -> Result<String> {
    let unusable = |reason: String| Error::UnusableDocument { id: id.to_owned(), reason };
    if is_binary(&bytes) {
        return Err(unusable("binary data, not text".into()));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        unusable(format!("invalid UTF-8 at byte {at}; convert the file to UTF-8"))
    })
}

/// Checks a document that came as text already.
///
/// # Errors
/// [`Error::UnusableDocument`] for text that is empty, only whitespace or binary data, and
/// [`Error::LimitExceeded`] for text over [`MAX_DOCUMENT_BYTES`].
pub fn check(document: &Document) -> Result<()> {
    let unusable = |reason: &str| Error::UnusableDocument { id: document.id.to_string(), reason: reason.into() };
    if document.text.len() > MAX_DOCUMENT_BYTES {
        return Err(Error::LimitExceeded {
            field: "document.text",
            limit: MAX_DOCUMENT_BYTES as u64,
            actual: document.text.len() as u64,
        });
    }
    if document.text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(unusable("empty: there is no text to store"));
    }
    if is_binary(document.text.as_bytes()) {
        return Err(unusable("binary data, not text"));
    }
    Ok(())
}

/// Whether bytes look like binary data: NUL bytes or other control characters, near the beginning, at a
/// rate that text does not have.
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(SNIFFED_BYTES)];
    let control = head.iter().filter(|b| matches!(b, 0..=8 | 14..=26 | 28..=31 | 127)).count();
    control as f64 > MAX_CONTROL_SHARE * head.len() as f64
}
