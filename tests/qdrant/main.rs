//! The index in a Qdrant cluster: what the embedded one answers it answers alike, tenants are apart, and nothing is lost
//! when calls are.
//!
//! Everything runs against a server on a real socket in this process (`double`). What needs no faults runs against what
//! `TAMIS_TEST_QDRANT_URL` names too, in collections of its own: a cluster, or Qdrant's engine behind Qdrant's protocol
//! (`engine/serve.py`), which `cargo xtask test` starts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod alike;
mod double;
mod faults;
mod reindex;
mod tenants;

use std::sync::Arc;

use double::Double;
use tamis::document::{Block, BlockKind, Metadata, MetadataValue, Segment};
use tamis::encode::{Fingerprint, PackedVector, Vector};
use tamis::index::qdrant::QdrantIndex;
use tamis::index::{
    BlockVectors, Boundaries, CollectionSettings, DocumentHead, Filter, Index, Scope, StoredSegment, View,
};
use tamis::span::Span;

const DIMENSION: usize = 16;

fn scope() -> Scope {
    scope_of("default", "c")
}

fn scope_of(tenant: &str, collection: &str) -> Scope {
    Scope::new(tenant.parse().unwrap(), collection.parse().unwrap())
}

fn settings() -> CollectionSettings {
    CollectionSettings {
        fingerprint: Fingerprint("test".into()),
        dimension: DIMENSION,
        splitter: 1,
        block_vectors: BlockVectors::Separate,
        boundaries: Boundaries::default(),
        overlap: 0,
        in_place_of: None,
    }
}

fn connect(url: &str) -> QdrantIndex {
    QdrantIndex::connect(url.parse().unwrap()).unwrap()
}

/// The servers that a test runs against, by their addresses; the second value keeps the first server running.
fn servers(test: &str) -> (Vec<String>, Double) {
    let double = Double::start();
    let mut urls = vec![double.url()];
    match std::env::var("TAMIS_TEST_QDRANT_URL") {
        Ok(url) => {
            let join = if url.contains('?') { '&' } else { '?' };
            urls.push(format!("{url}{join}prefix=test-{test}-{}", std::process::id()));
        }
        Err(_) => eprintln!("{test}: not run against Qdrant itself, TAMIS_TEST_QDRANT_URL names none"),
    }
    (urls, double)
}

/// A number that looks random and is the same for the same input.
fn mixed(n: u64) -> u64 {
    let bits = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 8
}

fn vector(n: u64) -> PackedVector {
    let number = |c: usize| (mixed(n * 131 + c as u64) % 2001) as f32 / 1000.0 - 1.0;
    Vector::normalised((0..DIMENSION).map(number).collect()).pack()
}

/// A document of some segments, each a sentence.
#[derive(Clone)]
struct Doc {
    id: String,
    texts: Vec<String>,
    metadata: Metadata,
}

impl Doc {
    fn new(id: &str, texts: &[&str]) -> Self {
        Self { id: id.into(), texts: texts.iter().map(|t| (*t).to_owned()).collect(), metadata: Metadata::new() }
    }

    fn with(mut self, field: &str, value: MetadataValue) -> Self {
        self.metadata.insert(field.into(), value);
        self
    }
}

fn text(value: &str) -> MetadataValue {
    MetadataValue::Text(value.into())
}

/// Writes a document under a new revision that nobody sees yet.
fn stage(index: &dyn Index, scope: &Scope, doc: &Doc) -> DocumentHead {
    let mut end = 0;
    let segments: Vec<StoredSegment> = (0_u64..)
        .zip(&doc.texts)
        .map(|(n, text)| {
            let span = Span::new(end, end + text.len());
            end += text.len();
            let seed = text.bytes().fold(n, |seed, b| mixed(seed ^ u64::from(b)) % 1_000_003);
            StoredSegment {
                segment: Segment { blocks: vec![Block { span, kind: BlockKind::Sentence }], ..Segment::default() },
                heading: String::new(),
                covered: span,
                far: Vec::new(),
                lead: String::new(),
                text: text.clone(),
                vector: vector(seed),
                block_vectors: vec![Some(vector(seed))],
            }
        })
        .collect();
    let head = DocumentHead {
        id: doc.id.parse().unwrap(),
        revision: index.begin(scope).unwrap(),
        uri: format!("file:///{}", doc.id),
        title: format!("Title of {}", doc.id),
        media_type: "text/plain".into(),
        metadata: doc.metadata.clone(),
        content_hash: doc.texts.concat(),
        bytes: end as u64,
        segments: segments.len() as u32,
        blocks: segments.len() as u32,
    };
    index.append(scope, &head, 0, &segments).unwrap();
    head
}

fn put(index: &dyn Index, scope: &Scope, docs: &[Doc]) {
    index.publish(scope, docs.iter().map(|doc| stage(index, scope, doc)).collect()).unwrap();
}

/// Ids of documents that a term finds, sorted.
fn ids(view: &Arc<dyn View>, term: &str) -> Vec<String> {
    let hits = view.lexical(&[term.to_owned()], &Filter::All, 100).unwrap();
    let mut ids: Vec<String> =
        hits.iter().map(|hit| view.document_of(hit.segment.revision).unwrap().id.to_string()).collect();
    ids.sort();
    ids.dedup();
    ids
}
