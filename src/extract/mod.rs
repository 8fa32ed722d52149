//! A document's bytes to text with a structure: what is split, and how it is cited.
//!
//! Text formats (Markdown, source code, CSV, ...) are taken byte for byte: spans count the bytes of the
//! file. From the others text is extracted, and spans count the bytes of the extracted text, which is what
//! is stored: HTML, mail, notebooks, PDF, office documents, books, and text in other encodings than UTF-8.

mod archive;
mod docx;
mod encoding;
mod epub;
mod front_matter;
mod html;
mod language;
mod mail;
mod media;
mod notebook;
mod odt;
mod part;
mod pdf;
mod pptx;
pub(crate) mod shape;
mod sheet;
mod sniff;
mod writer;
mod xml;

pub use language::Language;
pub use media::MediaType;
pub use part::{Part, PartKind};

use crate::document::{Content, Document, Metadata, Place};
use crate::error::{Error, Result};

/// Largest accepted document, and largest text extracted from one, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024 * 1024;

/// Share of control characters above which a text is taken for binary data.
const MAX_CONTROL_SHARE: f64 = 0.02;
/// So many of them stand in any text.
const STRAY_CONTROLS: f64 = 2.0;
/// How much of a text is looked at to tell text from binary data, in bytes.
const SNIFFED_BYTES: usize = 64 * 1024;

/// A document as text.
#[derive(Clone, Debug, Default)]
pub struct Extracted {
    /// What the document was.
    pub media: MediaType,
    /// The text that is stored.
    pub text: String,
    /// The text's structure, where extraction found it; empty where the text itself tells.
    pub parts: Vec<Part>,
    /// Pages, slides and sheets, in order.
    pub places: Vec<Place>,
    /// Where parts come from, in order, for sources that are text themselves; empty where spans count the
    /// source's bytes anyway, and where the source is no text.
    pub origins: Vec<Origin>,
    /// Whether the text was decoded from another encoding than UTF-8.
    pub decoded: bool,
    /// Title, where the document names one.
    pub title: Option<String>,
    /// What the document says of itself.
    pub metadata: Metadata,
}

/// Where in the source a part of extracted text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// First byte in the extracted text.
    pub text: u64,
    /// First byte in the source.
    pub source: u64,
}

impl Extracted {
    /// Whether the text is not the document's own bytes: spans count the bytes of what was extracted.
    #[must_use]
    pub fn is_extracted(&self) -> bool {
        self.decoded || !self.parts.is_empty()
    }

    /// The byte of the source at which the part around a byte of the text begins, where that is known.
    #[must_use]
    pub fn source_of(&self, byte: u64) -> Option<u64> {
        if self.origins.is_empty() {
            return None;
        }
        let after = self.origins.partition_point(|o| o.text <= byte);
        after.checked_sub(1).and_then(|n| self.origins.get(n)).map(|o| o.source)
    }

    /// Text of a type that needs no extraction.
    #[must_use]
    pub fn text(text: impl Into<String>, media: MediaType) -> Self {
        Self { media, text: text.into(), ..Self::default() }
    }
}

/// Why a file can't be used, in words for the person who sent it.
pub(crate) type Unusable = String;

/// Reads a document's content, which is apart from it so that it can be moved.
///
/// # Errors
/// [`Error::InvalidArgument`] for an unknown media type, [`Error::LimitExceeded`] for content over
/// [`MAX_DOCUMENT_BYTES`], and [`Error::UnusableDocument`] for content that is empty, binary data, damaged,
/// encrypted or without text.
pub fn read(document: &Document, content: Content) -> Result<Extracted> {
    let name = if document.uri.is_empty() { document.id.as_str() } else { &document.uri };
    let media = |bytes: &[u8]| {
        if document.media_type.is_empty() {
            Ok(MediaType::guess(name, bytes))
        } else {
            MediaType::parse(&document.media_type)
        }
    };
    match content {
        Content::Text(text) => from_text(document.id.as_str(), media(text.as_bytes())?, text),
        Content::Bytes(bytes) => from_bytes(document.id.as_str(), media(&bytes)?, bytes),
    }
}

/// Reads a file: its name and content say what it is.
///
/// # Errors
/// As for [`read`].
pub fn read_file(name: &str, content: Vec<u8>) -> Result<Extracted> {
    let media = MediaType::guess(name, &content);
    from_bytes(name, media, content)
}

/// Reads content of a known type.
///
/// # Errors
/// As for [`read`].
pub fn from_bytes(id: &str, media: MediaType, content: Vec<u8>) -> Result<Extracted> {
    check_size(content.len())?;
    let unusable = |reason: Unusable| Error::UnusableDocument { id: id.to_owned(), reason };
    if content.is_empty() {
        return Err(unusable("empty: there is no text to store".into()));
    }
    let extracted = match media {
        MediaType::Pdf => pdf::extract(content),
        MediaType::Docx => docx::extract(content),
        MediaType::Pptx => pptx::extract(content),
        MediaType::Xlsx => sheet::extract(content),
        MediaType::Odt => odt::extract(content),
        MediaType::Epub => epub::extract(content),
        MediaType::Mail => mail::extract(&content),
        _ => {
            let (text, decoded) = encoding::decode(content).map_err(unusable)?;
            return Ok(Extracted { decoded, ..from_text(id, media, text)? });
        }
    };
    let extracted = extracted.map_err(unusable)?;
    check(id, &extracted.text)?;
    Ok(Extracted { media, ..extracted })
}

fn from_text(id: &str, media: MediaType, text: String) -> Result<Extracted> {
    check(id, &text)?;
    let unusable = |reason: Unusable| Error::UnusableDocument { id: id.to_owned(), reason };
    match media {
        MediaType::Html => {
            let extracted = html::extract(&text);
            check(id, &extracted.text)?;
            Ok(Extracted { media, ..extracted })
        }
        MediaType::Notebook => {
            let extracted = notebook::extract(&text).map_err(unusable)?;
            check(id, &extracted.text)?;
            Ok(Extracted { media, ..extracted })
        }
        MediaType::Markdown => {
            let (title, metadata) = front_matter::read(&text);
            Ok(Extracted { title, metadata, ..Extracted::text(text, media) })
        }
        media if media.is_container() || media == MediaType::Mail => from_bytes(id, media, text.into_bytes()),
        media => Ok(Extracted::text(text, media)),
    }
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes > MAX_DOCUMENT_BYTES {
        let (limit, actual) = (MAX_DOCUMENT_BYTES as u64, bytes as u64);
        return Err(Error::LimitExceeded { field: "document.text", limit, actual });
    }
    Ok(())
}

/// Text has to be there, and has to be text.
fn check(id: &str, text: &str) -> Result<()> {
    check_size(text.len())?;
    let unusable = |reason: &str| Error::UnusableDocument { id: id.to_owned(), reason: reason.into() };
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(unusable("empty: there is no text to store"));
    }
    if is_binary(text.as_bytes()) {
        return Err(unusable("binary data, not text"));
    }
    Ok(())
}

/// Whether a file is of a type that can be taken in, by its name and a first look; damaged files may still
/// be refused when they are read.
#[must_use]
pub fn is_supported(name: &str, content: &[u8]) -> bool {
    MediaType::guess(name, content).is_container() || encoding::is_utf16(content) || !is_binary(content)
}

/// Whether bytes look like binary data: NUL bytes or other control characters, near the beginning, at a
/// rate that text does not have.
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(SNIFFED_BYTES)];
    let control = head.iter().filter(|b| matches!(b, 0..=8 | 14..=26 | 28..=31 | 127)).count();
    control as f64 > MAX_CONTROL_SHARE * head.len() as f64 + STRAY_CONTROLS
}
