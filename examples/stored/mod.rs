//! Vectors stored as the segments of a collection, for examples that time what a large one takes.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tamis::document::{Block, BlockKind, MetadataValue, Segment};
use tamis::encode::{Fingerprint, PackedVector};
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{BlockVectors, Boundaries, CollectionSettings, DocumentHead, Index, Scope, StoredSegment};
use tamis::span::Span;

/// Segments of a document.
const SEGMENTS: usize = 20;
/// Documents of a batch.
const DOCUMENTS: usize = 500;
/// What a segment says, by its number, where that does not matter.
#[allow(dead_code)] // of examples that time texts too
pub fn same(_: usize) -> String {
    "One sentence.\n".into()
}

/// A store in which every vector is a segment's with the text of its number, in documents of twenty, and every second
/// document has `part` 1.
pub fn store(
    directory: &Path,
    fingerprint: Fingerprint,
    vectors: &[PackedVector],
    text: &dyn Fn(usize) -> String,
) -> Result<(EmbeddedIndex, Scope), Box<dyn Error>> {
    let scope = Scope::new("default".parse()?, "c".parse()?);
    let index = EmbeddedIndex::open(directory)?;
    index.create_collection(
        &scope,
        &CollectionSettings {
            fingerprint,
            dimension: vectors[0].values.len(),
            splitter: 1,
            block_vectors: BlockVectors::Separate,
            boundaries: Boundaries::default(),
            overlap: 0,
            in_place_of: None,
        },
    )?;
    let (mut longest, start) = (0.0_f64, Instant::now());
    for (n, batch) in vectors.chunks(SEGMENTS * DOCUMENTS).enumerate() {
        let one = Instant::now();
        let heads =
            batch.chunks(SEGMENTS).enumerate().map(|(m, rows)| stage(&index, &scope, n * DOCUMENTS + m, rows, text));
        index.publish(&scope, heads.collect::<Result<_, _>>()?)?;
        longest = longest.max(one.elapsed().as_secs_f64());
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{} segments stored in {seconds:.1} s, a batch at most {longest:.1} s", vectors.len());
    Ok((index, scope))
}

/// So many of the vectors that `tamis eval` has kept: sentences and passages of its sets.
pub fn read(path: &str, count: usize) -> Result<Vec<PackedVector>, Box<dyn Error>> {
    let file = Database::open(path)?;
    let table = file.begin_read()?.open_table(TableDefinition::<&[u8], &[u8]>::new("vectors"))?;
    let mut vectors = Vec::with_capacity(count);
    for entry in table.iter()?.take(count) {
        let entry = entry?;
        let (scale, values) = entry.1.value().split_first_chunk::<4>().ok_or("a vector is cut off")?;
        let values = values.iter().map(|b| i8::from_le_bytes([*b])).collect();
        vectors.push(PackedVector { scale: f32::from_le_bytes(*scale), values });
    }
    if vectors.len() < count { Err(format!("{path} has {} vectors only", vectors.len()).into()) } else { Ok(vectors) }
}

fn stage(
    index: &EmbeddedIndex,
    scope: &Scope,
    n: usize,
    rows: &[PackedVector],
    text: &dyn Fn(usize) -> String,
) -> Result<DocumentHead, Box<dyn Error>> {
    let mut end = 0;
    let segment = |(m, vector): (usize, &PackedVector)| {
        let text = text(n * SEGMENTS + m);
        let span = Span::new(end, end + text.len());
        end += text.len();
        StoredSegment {
            segment: Segment { blocks: vec![Block { span, kind: BlockKind::Sentence }], ..Segment::default() },
            heading: String::new(),
            covered: span,
            far: Vec::new(),
            lead: String::new(),
            text,
            vector: vector.clone(),
            block_vectors: vec![Some(vector.clone())],
        }
    };
    let segments: Vec<StoredSegment> = rows.iter().enumerate().map(segment).collect();
    let revision = index.begin(scope)?;
    let head = DocumentHead {
        id: format!("d{n:07}").parse()?,
        revision,
        uri: String::new(),
        title: String::new(),
        media_type: "text/plain".into(),
        metadata: [("part".to_owned(), MetadataValue::Text((n % 2).to_string()))].into(),
        content_hash: String::new(),
        bytes: end as u64,
        segments: rows.len() as u32,
        blocks: rows.len() as u32,
    };
    index.append(scope, &head, 0, &segments)?;
    Ok(head)
}
