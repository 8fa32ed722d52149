//! What a point is found by: the keys of its payload, and its id.

use std::collections::HashMap;

use qdrant_client::qdrant::Value;

use crate::hash;

pub(super) const TENANT: &str = "tenant";
pub(super) const COLLECTION: &str = "collection";
/// Of a collection: its record. Of a document: its head. Of a segment: all of it.
pub(super) const STORED: &str = "stored";
/// Changes with every change of the collection.
pub(super) const EPOCH: &str = "epoch";
/// The id of the document's head.
pub(super) const DOCUMENT: &str = "document";
pub(super) const REVISION: &str = "revision";
pub(super) const ORDINAL: &str = "ordinal";
/// When it was written, in seconds since 1970.
pub(super) const WRITTEN: &str = "written";
pub(super) const BYTES: &str = "bytes";
/// What filters ask for.
pub(super) const FACETS: &str = "facets";
/// Hashes of the segment's terms, to count those that hold one.
pub(super) const TERMS: &str = "terms";
pub(super) const DRAW: &str = "draw";
/// The packed vector.
pub(super) const VECTOR: &str = "vector";

/// What a point holds, by key.
pub(super) type Payload = HashMap<String, Value>;

/// A point's id from what it is.
pub(super) fn point_id(parts: &[&[u8]]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(hash::of_parts(parts)));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
