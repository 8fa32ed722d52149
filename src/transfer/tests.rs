//! Files that are not what an export writes.

use std::ops::Range;
use std::sync::Arc;

use super::*;
use crate::deadline::Deadline;
use crate::document::{Block, BlockKind, Revision, Segment};
use crate::encode::{Encoder, Fingerprint, PackedVector, Priority, Vector};
use crate::index::embedded::EmbeddedIndex;
use crate::index::{Index, Scope};
use crate::ingest;
use crate::span::Span;
use crate::split::SPLITTER_VERSION;

/// Gives every text one vector.
struct Same(Fingerprint);

impl Encoder for Same {
    fn fingerprint(&self) -> &Fingerprint {
        &self.0
    }

    fn dimension(&self) -> usize {
        4
    }

    fn max_tokens(&self) -> usize {
        64
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len()
    }

    fn encode_query(&self, _: &str, _: &Deadline) -> Result<Vector> {
        Ok(Vector::normalised(vec![1.0, 2.0, 3.0, 4.0]))
    }

    fn encode_passages(&self, texts: &[&str], _: Priority, deadline: &Deadline) -> Result<Vec<Vector>> {
        texts.iter().map(|text| self.encode_query(text, deadline)).collect()
    }

    fn encode_pooled(
        &self,
        text: &str,
        ranges: &[Range<usize>],
        _: Priority,
        deadline: &Deadline,
    ) -> Result<(Vector, Vec<Vector>)> {
        let blocks = ranges.iter().map(|_| self.encode_query(text, deadline)).collect::<Result<_>>()?;
        Ok((self.encode_query(text, deadline)?, blocks))
    }
}

fn head(segments: u32, bytes: u64) -> DocumentHead {
    DocumentHead {
        id: "a".parse().unwrap(),
        revision: Revision(7),
        uri: String::new(),
        title: "A".into(),
        media_type: "text/plain".into(),
        metadata: Default::default(),
        content_hash: "h".into(),
        bytes,
        segments,
        blocks: segments,
    }
}

fn segment(at: u64, text: &str) -> StoredSegment {
    let span = Span { start: at, end: at + text.len() as u64 };
    let vector = PackedVector { scale: 0.01, values: vec![1, 2, 3, 4] };
    StoredSegment {
        segment: Segment { blocks: vec![Block { span, kind: BlockKind::Sentence }], ..Segment::default() },
        heading: String::new(),
        lead: String::new(),
        far: Vec::new(),
        covered: span,
        text: text.into(),
        vector: vector.clone(),
        block_vectors: vec![Some(vector)],
    }
}

/// What an import of these frames after the first makes of it, and how many documents are there then.
fn imported(vectors: bool, frames: &[Frame]) -> (Result<Imported>, u64) {
    let directory = tempfile::tempdir().unwrap();
    let encoder: Arc<dyn Encoder> = Arc::new(Same(Fingerprint("same".into())));
    let index: Arc<dyn Index> = Arc::new(EmbeddedIndex::open(directory.path()).unwrap());
    let scope = Scope::new("default".parse().unwrap(), "c".parse().unwrap());
    let mut import = Import::new(encoder.clone(), index.clone(), scope.clone(), Box::new(|_| Ok(())));
    let settings = ingest::settings_for(encoder.as_ref(), crate::index::BlockVectors::Separate);
    let first = Frame::Collection { version: VERSION, name: "other".parse().unwrap(), settings, vectors };
    let mut told = Ok(());
    for frame in std::iter::once(&first).chain(frames) {
        told = import.take(&frame.packed().unwrap(), &Deadline::none());
        if told.is_err() {
            break;
        }
    }
    let told = match told {
        Ok(()) => import.finish(),
        Err(e) => import.give_up().and(Err(e)),
    };
    assert_eq!(index.check(false).unwrap(), [], "nothing contradicts itself");
    (told, index.collection(&scope).map_or(0, |info| info.documents))
}

fn document(segments: Vec<StoredSegment>) -> Vec<Frame> {
    let bytes = segments.iter().map(|s| s.text.len() as u64).sum();
    let mut head = head(segments.len() as u32, bytes);
    head.content_hash = head.hash_content(SPLITTER_VERSION, segments.iter().map(|s| s.text.as_str()));
    vec![Frame::Document(Box::new(head)), Frame::Segments(segments), Frame::End { documents: 1 }]
}

#[test]
fn what_an_export_writes_is_taken() {
    for vectors in [true, false] {
        let (told, documents) = imported(vectors, &document(vec![segment(0, "One sieve. "), segment(11, "Two.")]));
        assert_eq!((told.unwrap(), documents), (Imported { written: 1, unchanged: 0 }, 1));
    }
}

#[test]
fn segments_that_no_ingest_made_are_refused() {
    type Spoil = fn(&mut StoredSegment);
    let spoil: [(&str, Spoil); 9] = [
        ("a block beyond the text", |s| s.segment.blocks[0].span.end = 1000),
        ("a block that ends before it begins", |s| s.segment.blocks[0].span = Span { start: 9, end: 2 }),
        ("no block", |s| s.segment.blocks.clear()),
        ("a text of another length", |s| s.text.push('x')),
        ("a gap before it", |s| s.covered.start = 3),
        ("a vector of another length", |s| s.vector.values.push(1)),
        ("a vector too few", |s| s.block_vectors.clear()),
        ("a scale that is no number", |s| s.vector.scale = f32::NAN),
        ("a cut character", |s| s.text = "Ein Si\u{f6}b. ".into()),
    ];
    for (what, spoil) in spoil {
        let mut spoilt = segment(0, "One sieve. ");
        spoil(&mut spoilt);
        if what == "a cut character" {
            spoilt.segment.blocks[0].span.end = 7;
        }
        let mut frames = document(vec![segment(0, "One sieve. ")]);
        frames[1] = Frame::Segments(vec![spoilt]);
        let (told, documents) = imported(true, &frames);
        assert!(matches!(told, Err(Error::InvalidArgument { field: "frame", .. })), "{what}: {told:?}");
        assert_eq!(documents, 0, "{what}");
    }
}

#[test]
fn frames_out_of_order_are_refused() {
    let whole = document(vec![segment(0, "One sieve. ")]);
    let (a, s, end) = (whole[0].clone(), whole[1].clone(), whole[2].clone());
    let long = Frame::Document(Box::new(head(1, 500)));
    for (what, frames, documents) in [
        ("no document", vec![s.clone(), end.clone()], 0),
        ("too few segments", vec![a.clone(), end.clone()], 0),
        ("too many segments", vec![a.clone(), s.clone(), Frame::Segments(vec![segment(11, "Two.")]), end.clone()], 0),
        ("too few bytes", vec![long, s.clone(), end.clone()], 0),
        ("another number of documents", vec![a.clone(), s.clone(), Frame::End { documents: 2 }], 1),
        ("no end", vec![a.clone(), s.clone()], 0),
        ("something after the end", vec![a, s, end.clone(), end], 1),
    ] {
        let (told, there) = imported(true, &frames);
        assert!(matches!(told, Err(Error::InvalidArgument { field: "frame", .. })), "{what}: {told:?}");
        assert_eq!(there, documents, "{what}");
    }
}

#[test]
fn any_bytes_are_told_from_a_file() {
    let frame = Frame::End { documents: 3 }.packed().unwrap();
    let mut file = [frame.clone(), frame.clone()].concat();
    file.truncate(file.len() - 1);
    let mut file = file.as_slice();
    assert_eq!(next_frame(&mut file).unwrap(), Some(frame.clone()));
    assert!(next_frame(&mut file).unwrap_err().to_string().contains("in the middle"));
    assert_eq!(next_frame(&mut [].as_slice()).unwrap(), None);
    assert!(next_frame(&mut [0xff; 64].as_slice()).unwrap_err().to_string().contains("no export"));
    for n in 0..frame.len() {
        let mut flipped = frame.clone();
        flipped[n] ^= 0x10;
        assert!(Frame::unpacked(&flipped).is_err(), "byte {n}");
        assert!(Frame::unpacked(&frame[..n]).is_err(), "{n} bytes");
    }
}
