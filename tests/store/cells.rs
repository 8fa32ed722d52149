//! Searching a large collection by cells: what is found, what is not opened, and that a restart changes nothing.

use std::sync::Arc;

use tamis::document::DocumentId;
use tamis::encode::{PackedVector, Vector};
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{DocumentHead, Filter, Hit, Index, Selector, StoredSegment, View};

use super::{head, open_with, scope, segment};

const DIMENSION: usize = 16;
const SEGMENTS: usize = 1000;
const NEAREST: usize = 50;

/// A vector near one of 150 directions; the same for the same number.
fn row(n: usize) -> PackedVector {
    let noise = |n: usize, c: usize| {
        let bits = (n as u64 * 1_000_003 + c as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((bits ^ (bits >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let topic = 1_000_000 + n % 150;
    Vector::normalised((0..DIMENSION).map(|c| noise(topic, c) + 0.5 * noise(n, c)).collect()).pack()
}

/// Stores the rows of these documents, a thousand each.
fn put(index: &EmbeddedIndex, documents: std::ops::Range<usize>) {
    let stage = |n: usize| -> DocumentHead {
        let revision = index.begin(&scope()).unwrap();
        let rows = n * SEGMENTS..(n + 1) * SEGMENTS;
        let segments: Vec<StoredSegment> = rows.map(|n| StoredSegment { vector: row(n), ..segment("x", 1) }).collect();
        let head = DocumentHead { segments: SEGMENTS as u32, ..head(&format!("d{n:03}"), "x", revision) };
        index.append(&scope(), &head, 0, &segments).unwrap();
        head
    };
    index.publish(&scope(), documents.map(stage).collect()).unwrap();
}

fn nearest(view: &Arc<dyn View>, n: usize, filter: &Filter) -> Vec<Hit> {
    view.dense(&row(n), filter, NEAREST).unwrap().hits
}

/// The same by looking at every row.
fn exact(view: &Arc<dyn View>, n: usize, filter: &Filter) -> Vec<Hit> {
    let (query, mut all) = (row(n), Vec::new());
    view.scan(filter, &mut |row| {
        all.push(Hit { segment: row.segment, score: query.cosine(&row.packed()) });
        Ok(())
    })
    .unwrap();
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.segment.cmp(&b.segment)));
    all.truncate(NEAREST);
    all
}

fn grouped(view: &Arc<dyn View>) -> usize {
    view.alike().unwrap().iter().map(|alike| alike.segments).sum()
}

#[test]
fn a_large_collection_is_searched_by_cells_and_finds_what_counts() {
    let directory = tempfile::tempdir().unwrap();
    let index = open_with(directory.path(), DIMENSION);
    put(&index, 0..99);
    assert!(index.view(&scope()).unwrap().alike().is_none(), "99,000 segments are looked at one by one");

    put(&index, 99..102);
    let view = index.view(&scope()).unwrap();
    assert_eq!(grouped(&view), 102_000);
    let recall = |view: &Arc<dyn View>| {
        let found = (0..40).map(|n| {
            let (hits, worst) = (nearest(view, n * 37, &Filter::All), exact(view, n * 37, &Filter::All)[NEAREST - 1]);
            hits.iter().filter(|hit| hit.score >= worst.score).count()
        });
        found.sum::<usize>() as f64 / (40 * NEAREST) as f64
    };
    assert!(recall(&view) >= 0.99, "{}", recall(&view));

    // What comes later goes into the cells that there are; what is deleted is found no more, and counted no more.
    put(&index, 102..110);
    index.delete(&scope(), &Selector::Prefix("d00".into())).unwrap();
    let view = index.view(&scope()).unwrap();
    assert_eq!(grouped(&view), 100_000);
    assert!(recall(&view) >= 0.99, "{}", recall(&view));
    let gone = nearest(&view, 0, &Filter::All);
    assert!(gone.iter().all(|hit| view.document_of(hit.segment.revision).is_some()), "row 0 was of d000");

    // One document of a hundred: where a filter leaves little, all of it is looked at.
    let ids: Vec<DocumentId> = vec!["d044".parse().unwrap()];
    let one = Filter::ids(ids);
    let of = |view: &Arc<dyn View>| exact(view, 44_002, &one).iter().map(|hit| hit.segment).collect::<Vec<_>>();
    assert_eq!(nearest(&view, 44_002, &one).iter().map(|hit| hit.segment).collect::<Vec<_>>()[..10], of(&view)[..10]);

    let before: Vec<Vec<Hit>> = (0..20).map(|n| nearest(&view, n, &Filter::All)).collect();
    drop((view, index));
    let view = open_with(directory.path(), DIMENSION).view(&scope()).unwrap();
    assert_eq!(before, (0..20).map(|n| nearest(&view, n, &Filter::All)).collect::<Vec<_>>(), "after a restart");
    assert_eq!(grouped(&view), 100_000);
}

#[test]
fn vectors_without_a_direction_are_no_trouble() {
    let directory = tempfile::tempdir().unwrap();
    let index = open_with(directory.path(), DIMENSION);
    let zeros = PackedVector { scale: 0.0, values: vec![0; DIMENSION] };
    let segments = vec![StoredSegment { vector: zeros.clone(), ..segment("x", 1) }; 100_000];
    let revision = index.begin(&scope()).unwrap();
    let head = DocumentHead { segments: 100_000, ..head("zeros", "x", revision) };
    index.append(&scope(), &head, 0, &segments).unwrap();
    index.publish(&scope(), vec![head]).unwrap();
    let view = index.view(&scope()).unwrap();
    assert_eq!(grouped(&view), 100_000);
    for query in [zeros, row(3)] {
        assert_eq!(view.dense(&query, &Filter::All, NEAREST).unwrap().hits.len(), NEAREST);
    }
}
