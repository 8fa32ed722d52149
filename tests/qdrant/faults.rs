//! Calls that are refused, lost or late, servers that are down, and servers that are not ours.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tamis::deadline::Deadline;
use tamis::document::{Content, Document};
use tamis::encode::{Encoder, EncoderSettings, OnnxEncoder};
use tamis::error::Error;
use tamis::index::qdrant::QdrantIndex;
use tamis::index::{BlockVectors, CollectionSettings, DocumentHead, Filter, Index};
use tamis::ingest::{Ingestor, Outcome, Staged, settings_for};
use tamis::models::{Cache, Silent};
use tonic::Code;

use super::double::{Double, Fault};
use super::{Doc, connect, ids, put, scope, scope_of, settings, stage, vector};

fn refused(url: &str) -> String {
    let Err(error) = url.parse().and_then(QdrantIndex::connect) else { panic!("{url} was taken") };
    error.to_string()
}

#[test]
fn what_passes_is_tried_again() {
    let double = Double::start();
    let index = connect(&double.url());
    index.create_collection(&scope(), &settings()).unwrap();
    for call in ["upsert", "get", "delete", "set_payload", "query", "count", "scroll"] {
        double.next(call, Fault::Refuse(Code::Unavailable));
        double.next(call, Fault::Lose);
        put(&index, &scope(), &[Doc::new("a", &["a sieve", "its mesh"])]);
        let view = index.view(&scope()).unwrap();
        assert_eq!(ids(&view, "siev"), ["a"], "{call}");
        assert_eq!(view.dense(&vector(1), &Filter::All, 10).unwrap().hits.len(), 2, "{call}");
    }
    assert_eq!(double.points("tamis-segments-16"), 2, "nothing is there twice");
}

#[test]
fn a_server_that_is_down_is_told_in_time_and_found_again() {
    let mut double = Double::start();
    let index = connect(&format!("{}?timeout_s=2", double.url()));
    index.create_collection(&scope(), &settings()).unwrap();
    put(&index, &scope(), &[Doc::new("a", &["a sieve"])]);
    double.down();
    let start = Instant::now();
    let down = index.view(&scope()).map(|_| ()).unwrap_err();
    assert!(matches!(&down, Error::Unavailable { .. }), "{down}");
    assert!(start.elapsed() < Duration::from_secs(5));
    double.up();
    assert_eq!(ids(&index.view(&scope()).unwrap(), "siev"), ["a"]);
    slow(&double, 2);
    let start = Instant::now();
    let late = index.view(&scope()).unwrap().dense(&vector(1), &Filter::All, 10).unwrap_err();
    assert!(late.to_string().contains("timeout_s"), "{late}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// The next so many queries take a minute.
fn slow(double: &Double, queries: usize) {
    (0..queries).for_each(|_| double.next("query", Fault::Delay(Duration::from_secs(60))));
}

#[test]
fn a_slow_call_is_made_again_and_none_outlasts_its_caller() {
    let double = Double::start();
    let index = connect(&format!("{}?timeout_s=50", double.url()));
    index.create_collection(&scope(), &settings()).unwrap();
    put(&index, &scope(), &[Doc::new("a", &["a sieve"])]);
    let search = |deadline: &Deadline| {
        let start = Instant::now();
        let found = index.view_until(&scope(), deadline).unwrap().dense(&vector(1), &Filter::All, 10);
        assert!(start.elapsed() < Duration::from_secs(20), "{found:?}");
        found
    };
    slow(&double, 1);
    assert_eq!(search(&Deadline::none()).unwrap().hits.len(), 1, "the second call beside it answers");
    slow(&double, 2);
    let late = search(&Deadline::after(Duration::from_millis(500))).unwrap_err();
    assert!(matches!(late, Error::DeadlineExceeded { stage: "index" }), "{late}");
    slow(&double, 2);
    let deadline = Deadline::none();
    let gone = deadline.clone();
    let caller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        gone.cancel();
    });
    assert!(matches!(search(&deadline).unwrap_err(), Error::Cancelled));
    caller.join().unwrap();
    let over = Deadline::after(Duration::ZERO);
    assert!(matches!(index.view_until(&scope(), &over), Err(Error::DeadlineExceeded { .. })));
}

#[test]
fn a_batch_that_fails_half_way_is_known_document_by_document() {
    let double = Double::start();
    let index: Arc<dyn Index> = Arc::new(connect(&double.url()));
    let encoder: Arc<dyn Encoder> =
        Arc::new(OnnxEncoder::load(&EncoderSettings::default(), &Cache::from_environment().unwrap(), &Silent).unwrap());
    index.create_collection(&scope(), &settings_for(encoder.as_ref(), BlockVectors::Separate)).unwrap();
    let ingestor = Ingestor::new(encoder, index.clone());
    let stage = |n: usize| {
        let content = Content::Text(format!("Sieve {n} has {n} holes."));
        let (id, uri, title) = (format!("d{n:02}").parse().unwrap(), String::new(), String::new());
        let document = Document { id, uri, title, media_type: "text/plain".into(), metadata: [].into(), content };
        ingestor.stage(&scope(), document, &Deadline::none()).unwrap()
    };
    let staged: Vec<Staged> = (0..40).map(stage).collect();
    let heads: Vec<DocumentHead> = staged.iter().map(|s| s.head.clone()).collect();
    // Heads are written by 32; the client tries once more by itself.
    double.next("upsert", Fault::Delay(Duration::ZERO));
    (0..2).for_each(|_| double.next("upsert", Fault::Refuse(Code::Internal)));
    ingestor.publish(&scope(), staged).unwrap_err();
    let visible = ingestor.visible(&scope(), &heads);
    assert_eq!(visible.iter().filter(|is| **is).count(), 32);
    assert_eq!(double.points("tamis-segments-384"), 32, "what is not visible is given up");
    let again: Vec<Staged> = (0..40).map(stage).collect();
    let unchanged: Vec<bool> = again.iter().map(|s| s.outcome == Outcome::Unchanged).collect();
    assert_eq!(unchanged, visible);
    ingestor.publish(&scope(), again).unwrap();
    assert_eq!(double.points("tamis-segments-384"), 40);
}

#[test]
fn what_a_crash_leaves_is_not_seen_and_can_be_swept() {
    let double = Double::start();
    let index = connect(&double.url());
    index.create_collection(&scope(), &settings()).unwrap();
    put(&index, &scope(), &[Doc::new("a", &["old sieve", "old mesh"]), Doc::new("b", &["old drum"])]);
    // The old revision's segments stay, as if the process had died after the new head.
    // Twice, because the client tries once more by itself.
    for _ in 0..2 {
        double.next("delete", Fault::Refuse(Code::Internal));
    }
    put(&index, &scope(), &[Doc::new("a", &["new sieve"])]);
    let _never_published = stage(&index, &scope(), &Doc::new("c", &["orphaned sieve"]));
    assert_eq!(double.points("tamis-segments-16"), 5);
    let view = index.view(&scope()).unwrap();
    assert_eq!((ids(&view, "siev"), ids(&view, "old")), (vec!["a".to_owned()], vec!["b".to_owned()]));
    let hits = index.view(&scope()).unwrap().dense(&vector(1), &Filter::All, 1).unwrap().hits;
    assert_eq!(hits.len(), 1, "what is stale takes no place");
    assert_eq!(index.sweep(&scope(), Duration::from_secs(3600)).unwrap(), 0, "what may yet be published stays");
    assert_eq!(index.sweep(&scope(), Duration::ZERO).unwrap(), 3);
    assert_eq!(double.points("tamis-segments-16"), 2);
    let view = index.view(&scope()).unwrap();
    assert_eq!(view.statistics(&["siev".into()]).unwrap().segments, 2);
}

#[test]
fn an_index_that_was_not_made_is_made_later() {
    let double = Double::start();
    // Whoever makes the collections dies before their indexes.
    for _ in 0..2 {
        double.next("create_field_index", Fault::Refuse(Code::Internal));
    }
    assert!(refused(&double.url()).contains("a fault on demand"));
    let index = connect(&double.url());
    index.create_collection(&scope(), &settings()).unwrap();
    assert_eq!(double.tenants("tamis-collections"), ["tenant"]);
    put(&index, &scope(), &[Doc::new("a", &["a sieve"])]);
    let address = format!("{}?prefix=small&quantize=true&shards=3&replicas=2", double.url());
    connect(&address).create_collection(&scope(), &settings()).unwrap();
    assert_eq!(double.made("small-segments-16"), (Some(3), Some(2), true));
}

#[test]
fn no_reader_sees_half_a_revision() {
    let double = Double::start();
    let index = connect(&double.url());
    index.create_collection(&scope(), &settings()).unwrap();
    // Every segment of a version says which it is.
    let version = |id: usize, n: usize| {
        let texts: Vec<String> = (0..5).map(|m| format!("sieve {m} version{n}. ")).collect();
        Doc { texts, ..Doc::new(&format!("d{id}"), &[]) }
    };
    for id in 0..4 {
        put(&index, &scope(), &[version(id, 0)]);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let writers: Vec<_> = (0..50)
            .map(|writer| {
                let index = &index;
                threads
                    .spawn(move || (1..4).for_each(|n| put(index, &scope(), &[version(writer % 4, writer * 10 + n)])))
            })
            .collect();
        for _ in 0..2 {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let view = index.view(&scope()).unwrap();
                    let mut hits = view.dense(&vector(7), &Filter::All, 100).unwrap().hits;
                    hits.extend(view.lexical(&["siev".into()], &Filter::All, 100).unwrap());
                    for id in 0..4 {
                        let of = |hit: &&tamis::index::Hit| {
                            view.document_of(hit.segment.revision)
                                .is_some_and(|head| head.id.as_str() == format!("d{id}"))
                        };
                        let segments: Vec<_> = hits.iter().filter(of).map(|hit| hit.segment).collect();
                        let texts = view.segments(&segments).unwrap();
                        let versions: BTreeSet<&str> =
                            texts.iter().filter_map(|stored| stored.text.split("version").nth(1)).collect();
                        assert!(versions.len() <= 1, "{versions:?}");
                    }
                }
            });
        }
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(index.collection(&scope()).unwrap().segments, 20);
    index.sweep(&scope(), Duration::ZERO).unwrap();
    assert_eq!(double.points("tamis-segments-16"), 20, "each document once and whole");
}

#[test]
fn a_wrong_key_an_old_server_and_strangers_are_refused() {
    let double = Double::start_as("1.18.3", Some("right"));
    let url = double.url();
    assert!(refused(&url).contains("api_key_env"));
    assert!(
        refused(&format!("{url}?api_key_env=TAMIS_TEST_NO_SUCH_KEY")).contains("TAMIS_TEST_NO_SUCH_KEY is not set")
    );
    // PATH is set, and is no key.
    assert!(refused(&format!("{url}?api_key_env=PATH")).contains("refuses the key"));
    let old = Double::start_as("1.12.0", None);
    let said = refused(&old.url());
    assert!(said.contains("1.12.0") && said.contains("1.18"), "{said}");
    assert!(refused("qdrant://127.0.0.1:1?timeout_s=1").contains("127.0.0.1:1"));

    let double = Double::start();
    let index = connect(&double.url());
    index.create_collection(&scope(), &settings()).unwrap();
    // Another encoder's vectors live beside ours.
    let other = CollectionSettings { dimension: 8, ..settings() };
    index.create_collection(&scope_of("default", "other"), &other).unwrap();
    // A collection that somebody else made under our name.
    stranger(&double.url(), "x-segments-16");
    let theirs = connect(&format!("{}?prefix=x", double.url()));
    let said = theirs.create_collection(&scope(), &settings()).unwrap_err().to_string();
    assert!(said.contains("x-segments-16") && said.contains("prefix"), "{said}");
}

/// Makes a collection without terms, as somebody else would.
fn stranger(url: &str, name: &str) {
    use qdrant_client::qdrant::{CreateCollectionBuilder, Distance, VectorParamsBuilder};
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = qdrant_client::Qdrant::from_url(&url.replace("qdrant://", "http://")).skip_compatibility_check();
    let made = CreateCollectionBuilder::new(name).vectors_config(VectorParamsBuilder::new(16, Distance::Cosine));
    runtime.block_on(client.build().unwrap().create_collection(made)).unwrap();
}
