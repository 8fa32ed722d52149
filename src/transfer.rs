//! Collections as files: out of one index and into another, with vectors or without.
//!
//! A file is a sequence of frames: the length of a payload (4 bytes, little-endian), the first 8 bytes of its BLAKE3 hash,
//! and the payload, a MessagePack map of one key. The first frame is [`Frame::Collection`]; every document is a
//! [`Frame::Document`] followed by its segments in order, some dozens to a [`Frame::Segments`]; the last is
//! [`Frame::End`]. Neither side holds more than one document, and of one with vectors only some dozens of segments.
//!
//! An import publishes documents whole and skips those that are there already, so one that was cut off goes on when it is
//! run again.

mod export;
mod import;
mod reindex;

use std::io::Read;

pub use export::export;
pub use import::{Admit, Import, Imported};
pub use reindex::{Reindexed, reindex};
use serde::{Deserialize, Serialize};

use crate::document::CollectionName;
use crate::error::{Error, Result};
use crate::index::{CollectionSettings, DocumentHead, StoredSegment};

/// Version of the format.
pub const VERSION: u32 = 1;
/// Longest payload, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024 * 1024;
/// Bytes before a payload.
const PREFIX_BYTES: usize = 12;
/// Segments of a frame.
const SEGMENTS: usize = 64;

/// What a file consists of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// What follows.
    Collection {
        /// [`VERSION`].
        version: u32,
        /// The collection's name.
        name: CollectionName,
        /// How it was split and encoded.
        settings: CollectionSettings,
        /// Whether vectors are there; without them, whoever imports encodes anew.
        vectors: bool,
    },
    /// A document; its revision means nothing elsewhere.
    Document(Box<DocumentHead>),
    /// The next of its segments.
    Segments(Vec<StoredSegment>),
    /// That was all.
    End {
        /// Documents that there were.
        documents: u64,
    },
}

impl Frame {
    /// The frame as it stands in a file.
    fn packed(&self) -> Result<Vec<u8>> {
        let payload = rmp_serde::to_vec_named(self).map_err(|e| Error::store("export", e))?;
        if payload.len() > MAX_FRAME_BYTES {
            let (limit, actual) = (MAX_FRAME_BYTES as u64, payload.len() as u64);
            return Err(Error::LimitExceeded { field: "frame", limit, actual });
        }
        let mut frame = Vec::with_capacity(PREFIX_BYTES + payload.len());
        frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        frame.extend_from_slice(&blake3::hash(&payload).as_bytes()[..8]);
        frame.extend_from_slice(&payload);
        Ok(frame)
    }

    /// The frame of these bytes, which have to be one whole frame.
    fn unpacked(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| Error::invalid("frame", format!("{what}: the file is damaged, or no export"));
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged("too short"))?;
        let (hash, payload) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("too short"))?;
        if u32::from_le_bytes(*length) as usize != payload.len() {
            return Err(damaged("of another length than it says"));
        }
        if blake3::hash(payload).as_bytes()[..8] != *hash {
            return Err(damaged("its checksum is wrong"));
        }
        rmp_serde::from_slice(payload).map_err(|e| damaged(&e.to_string()))
    }
}

/// The next frame of a file, as bytes for [`Import::take`]; `None` at the end.
///
/// # Errors
/// [`Error::InvalidArgument`] on `frame` where the file ends inside of it, or is no export; [`Error::Io`].
pub fn next_frame(file: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut frame = vec![0; PREFIX_BYTES];
    let mut read = 0;
    while read < PREFIX_BYTES {
        match file.read(&mut frame[read..]).map_err(Error::io("import"))? {
            0 if read == 0 => return Ok(None),
            0 => return Err(cut_off()),
            n => read += n,
        }
    }
    let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(Error::invalid("frame", format!("says it has {length} bytes: the file is damaged, or no export")));
    }
    let copied = file.take(length as u64).read_to_end(&mut frame).map_err(Error::io("import"))?;
    if copied < length { Err(cut_off()) } else { Ok(Some(frame)) }
}

fn cut_off() -> Error {
    Error::invalid("frame", "the file ends in the middle; what was whole is imported, run it again with the whole file")
}

#[cfg(test)]
mod tests;
