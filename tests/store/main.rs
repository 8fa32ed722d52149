//! The embedded store by itself: replacing, deleting, recovering, and stores it must refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cells;
mod crash;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tamis::document::{Block, BlockKind, Revision, Segment};
use tamis::encode::{Fingerprint, PackedVector};
use tamis::error::Error;
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{
    BlockVectors, Boundaries, CollectionSettings, DocumentHead, Filter, Index, Scope, Selector, StoredSegment, View,
};
use tamis::span::Span;

fn scope() -> Scope {
    Scope::new("default".parse().unwrap(), "c".parse().unwrap())
}

fn open(path: &Path) -> EmbeddedIndex {
    open_with(path, 4)
}

fn open_with(path: &Path, dimension: usize) -> EmbeddedIndex {
    let index = EmbeddedIndex::open(path).unwrap();
    let settings = CollectionSettings {
        fingerprint: Fingerprint("test".into()),
        dimension,
        splitter: 1,
        block_vectors: BlockVectors::Separate,
        boundaries: Boundaries::default(),
        overlap: 0,
        in_place_of: None,
    };
    match index.create_collection(&scope(), &settings) {
        Ok(()) | Err(Error::AlreadyExists { .. }) => index,
        Err(e) => panic!("{e}"),
    }
}

fn vector(n: u8) -> PackedVector {
    PackedVector { scale: 1.0 / 127.0, values: vec![(n % 120) as i8, 100, (n / 2) as i8, 5] }
}

fn segment(text: &str, n: u8) -> StoredSegment {
    let span = Span::new(0, text.len());
    StoredSegment {
        segment: Segment { blocks: vec![Block { span, kind: BlockKind::Sentence }], ..Segment::default() },
        heading: String::new(),
        covered: span,
        far: Vec::new(),
        lead: String::new(),
        text: text.into(),
        vector: vector(n),
        block_vectors: vec![Some(vector(n))],
    }
}

/// Stages one document of one segment and returns its head.
fn stage(index: &EmbeddedIndex, id: &str, text: &str) -> DocumentHead {
    let revision = index.begin(&scope()).unwrap();
    let head = head(id, text, revision);
    index.append(&scope(), &head, 0, &[segment(text, id.len() as u8)]).unwrap();
    head
}

fn head(id: &str, text: &str, revision: Revision) -> DocumentHead {
    DocumentHead {
        id: id.parse().unwrap(),
        revision,
        uri: String::new(),
        title: String::new(),
        media_type: "text/plain".into(),
        metadata: Default::default(),
        content_hash: text.into(),
        bytes: text.len() as u64,
        segments: 1,
        blocks: 1,
    }
}

fn put(index: &EmbeddedIndex, documents: &[(&str, &str)]) {
    let heads = documents.iter().map(|(id, text)| stage(index, id, text)).collect();
    index.publish(&scope(), heads).unwrap();
}

/// Ids that vectors find, and ids that a term finds, sorted.
fn found(view: &Arc<dyn View>, term: &str) -> (Vec<String>, Vec<String>) {
    let names = |hits: Vec<tamis::index::Hit>| {
        let mut ids: Vec<String> =
            hits.iter().map(|h| view.document_of(h.segment.revision).unwrap().id.to_string()).collect();
        ids.sort();
        ids
    };
    let dense = view.dense(&vector(1), &Filter::All, 100).unwrap().hits;
    let lexical = view.lexical(&[term.to_owned()], &Filter::All, 100).unwrap();
    (names(dense), names(lexical))
}

fn both(ids: &[&str]) -> (Vec<String>, Vec<String>) {
    let ids: Vec<String> = ids.iter().map(|s| (*s).to_owned()).collect();
    (ids.clone(), ids)
}

#[test]
fn readers_keep_their_state_while_writers_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    put(&index, &[("a", "old sieve"), ("b", "another sieve")]);
    let before = index.view(&scope()).unwrap();
    put(&index, &[("a", "new sieve"), ("c", "third sieve")]);
    assert_eq!(index.delete(&scope(), &Selector::Ids(vec!["b".parse().unwrap()])).unwrap(), 1);
    assert_eq!(found(&before, "siev"), both(&["a", "b"]));
    let head = before.document(&"a".parse().unwrap()).unwrap().unwrap();
    let id = tamis::index::SegmentId { revision: head.revision, ordinal: 0 };
    assert_eq!(before.segments(&[id]).unwrap()[0].text, "old sieve", "the whole old revision is still there");
    let after = index.view(&scope()).unwrap();
    assert_eq!(found(&after, "siev"), both(&["a", "c"]));
    assert!(after.segments(&[id]).is_err());
    assert_eq!(found(&after, "new").1, ["a"]);
}

#[test]
fn one_id_twice_in_a_batch_leaves_the_later_one() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    put(&index, &[("a", "first sieve"), ("a", "second sieve")]);
    let view = index.view(&scope()).unwrap();
    assert_eq!(found(&view, "siev"), both(&["a"]));
    assert_eq!(found(&view, "first").1, Vec::<String>::new());
    assert_eq!(index.collection(&scope()).unwrap().documents, 1);
}

#[test]
fn deletes_by_prefix_and_by_filter() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    put(&index, &[("x/1", "sieve"), ("x/2", "sieve"), ("y/1", "sieve")]);
    assert_eq!(index.delete(&scope(), &Selector::Prefix("x/".into())).unwrap(), 2);
    let filter = Filter::Prefix("$id".into(), "nothing".into());
    assert_eq!(index.delete(&scope(), &Selector::Matching(filter)).unwrap(), 0);
    assert_eq!(found(&index.view(&scope()).unwrap(), "siev"), both(&["y/1"]));
}

#[test]
fn derived_parts_are_rebuilt_when_they_are_lost_or_behind() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    put(&index, &[("a", "sieve"), ("b", "sieve")]);
    drop(index);
    let lexical = directory.path().join("lexical");
    let behind = tempfile::tempdir().unwrap();
    copy_all(&lexical, &behind.path().join("lexical"));
    // Behind: the truth goes on, the lexical index of before comes back.
    let index = open(directory.path());
    put(&index, &[("c", "sieve"), ("a", "new sieve")]);
    drop(index);
    fs::remove_dir_all(&lexical).unwrap();
    copy_all(&behind.path().join("lexical"), &lexical);
    assert_eq!(found(&open(directory.path()).view(&scope()).unwrap(), "siev"), both(&["a", "b", "c"]));
    // Lost.
    fs::remove_dir_all(&lexical).unwrap();
    assert_eq!(found(&open(directory.path()).view(&scope()).unwrap(), "siev"), both(&["a", "b", "c"]));
    // Damaged.
    for entry in fs::read_dir(fs::read_dir(&lexical).unwrap().next().unwrap().unwrap().path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(path, b"damaged").unwrap();
        }
    }
    assert_eq!(found(&open(directory.path()).view(&scope()).unwrap(), "siev"), both(&["a", "b", "c"]));
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_all(&path, &target) } else { fs::copy(&path, target).map(|_| ()).unwrap() }
    }
}

#[test]
fn what_was_never_published_is_gone_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    put(&index, &[("a", "sieve")]);
    let orphan = stage(&index, "b", "orphaned sieve");
    put(&index, &[("c", "sieve")]); // makes the orphan's segments durable
    drop(index);
    let index = open(directory.path());
    let view = index.view(&scope()).unwrap();
    assert_eq!(found(&view, "siev"), both(&["a", "c"]));
    let id = tamis::index::SegmentId { revision: orphan.revision, ordinal: 0 };
    assert!(view.segments(&[id]).is_err(), "its segments are removed");
    assert!(index.begin(&scope()).unwrap() > orphan.revision, "its number is not given again");
}

#[test]
fn metadata_of_a_replaced_revision_comes_too_late() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    put(&index, &[("a", "old sieve")]);
    let old = index.view(&scope()).unwrap().document(&"a".parse().unwrap()).unwrap().unwrap();
    put(&index, &[("a", "new sieve")]);
    index.publish(&scope(), vec![DocumentHead::clone(&old)]).unwrap();
    let now = index.view(&scope()).unwrap();
    assert_eq!(now.document(&"a".parse().unwrap()).unwrap().unwrap().content_hash, "new sieve");
    assert_eq!(found(&now, "siev"), both(&["a"]));
}

#[test]
fn many_documents_and_replacements_stay_consistent() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    let ids: Vec<String> = (0..300).map(|n| format!("d{n}")).collect();
    for round in 0..30 {
        // More dead rows than living ones: the vectors are compacted on the way.
        let texts: Vec<String> = ids.iter().map(|id| format!("sieve {id} round{round}")).collect();
        put(&index, &ids.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect::<Vec<_>>());
    }
    let view = index.view(&scope()).unwrap();
    assert_eq!(view.dense(&vector(1), &Filter::All, 1000).unwrap().hits.len(), 300);
    assert_eq!(view.lexical(&["round29".into()], &Filter::All, 1000).unwrap().len(), 300);
    assert_eq!(view.lexical(&["round28".into()], &Filter::All, 1000).unwrap().len(), 0);
    drop((view, index));
    assert_eq!(open(directory.path()).collection(&scope()).unwrap().segments, 300);
}

#[test]
fn stores_that_can_not_be_opened_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    put(&index, &[("a", "sieve")]);
    assert!(matches!(EmbeddedIndex::open(directory.path()), Err(Error::StoreLocked { .. })));
    drop(index);
    let file = directory.path().join("truth.redb");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 3]).unwrap();
    let error = EmbeddedIndex::open(directory.path()).err().expect("a truncated store is refused").to_string();
    assert!(error.contains("truth.redb"), "{error}");
    fs::write(&file, b"this is no database at all, and long enough to be read as one").unwrap();
    let error = EmbeddedIndex::open(directory.path()).err().expect("another file is refused").to_string();
    assert!(error.contains("truth.redb"), "{error}");
}

#[test]
fn a_store_of_another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let database = redb::Database::open(directory.path().join("truth.redb")).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(redb::TableDefinition::<&str, u64>::new("meta")).unwrap().insert("format", 99).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = EmbeddedIndex::open(directory.path()).err().unwrap();
    assert!(matches!(error, Error::StoreVersion { found: 99, .. }), "{error}");
}

#[test]
fn metadata_numbers_come_back_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    let mut head = stage(&index, "a", "sieve");
    let exact = tamis::document::MetadataValue::Number(0.945_270_695_553_922_3);
    head.metadata.insert("share".into(), exact.clone());
    index.publish(&scope(), vec![head]).unwrap();
    drop(index);
    let index = open(directory.path());
    let view = index.view(&scope()).unwrap();
    assert_eq!(view.document(&"a".parse().unwrap()).unwrap().unwrap().metadata["share"], exact);
    assert_eq!(view.dense(&vector(1), &Filter::Equals("share".into(), exact), 10).unwrap().hits.len(), 1);
}

#[test]
fn an_idle_collection_does_not_make_the_file_grow() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    let idle = Scope::new("default".parse().unwrap(), "idle".parse().unwrap());
    index.create_collection(&idle, &index.collection(&scope()).unwrap().settings).unwrap();
    assert_eq!(index.collection(&idle).unwrap().documents, 0); // opened, and never written again
    let long = "sieve ".repeat(20_000);
    let size = || fs::metadata(directory.path().join("truth.redb")).unwrap().len();
    for _ in 0..10 {
        put(&index, &[("a", &long)]);
    }
    let after_ten = size();
    for _ in 0..60 {
        put(&index, &[("a", &long)]);
    }
    assert!(size() <= after_ten * 2, "{after_ten} bytes after 10 replacements, {} after 70", size());
}

#[test]
fn a_deleted_collection_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let index = open(directory.path());
    put(&index, &[("a", "sieve")]);
    let orphan = stage(&index, "b", "never published");
    index.delete_collection(&scope()).unwrap();
    assert!(matches!(index.view(&scope()), Err(Error::NotFound { .. })));
    drop(index);
    let database = redb::Database::open(directory.path().join("truth.redb")).unwrap();
    let read = redb::ReadableDatabase::begin_read(&database).unwrap();
    let table = redb::TableDefinition::<(u64, u32), &[u8]>::new("segments");
    let left = redb::ReadableTableMetadata::len(&read.open_table(table).unwrap()).unwrap();
    assert_eq!(left, 0, "neither published nor staged text, such as revision {:?}", orphan.revision);
}
