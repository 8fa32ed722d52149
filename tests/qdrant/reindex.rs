//! Collections that take each other's place, in a directory and in a cluster.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tamis::deadline::Deadline;
use tamis::document::{Content, Document};
use tamis::encode::{Encoder, Fingerprint, Priority, Vector};
use tamis::error::{Error, Result};
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{BlockVectors, Boundaries, Index, Scope, SegmentId, Selector, Splitting};
use tamis::ingest::{Ingestor, Outcome, settings_for};
use tamis::transfer::reindex;

use super::{Doc, connect, ids, mixed, put, scope, scope_of, servers, settings, stage};

/// An encoder whose vectors are numbers made of the text's bytes.
struct Named(Fingerprint, usize, usize);

impl Named {
    fn by(name: &str, dimension: usize) -> Arc<dyn Encoder> {
        Self::reading(name, dimension, 256)
    }

    fn reading(name: &str, dimension: usize, tokens: usize) -> Arc<dyn Encoder> {
        Arc::new(Self(Fingerprint(name.into()), dimension, tokens))
    }
}

impl Encoder for Named {
    fn fingerprint(&self) -> &Fingerprint {
        &self.0
    }

    fn dimension(&self) -> usize {
        self.1
    }

    fn max_tokens(&self) -> usize {
        self.2
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn encode_query(&self, text: &str, _: &Deadline) -> Result<Vector> {
        let seed = text.bytes().fold(self.1 as u64, |seed, b| mixed(seed ^ u64::from(b)) % 1_000_003);
        let number = |c: usize| (mixed(seed * 131 + c as u64) % 2001) as f32 / 1000.0 - 1.0;
        Ok(Vector::normalised((0..self.1).map(number).collect()))
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
        let whole = self.encode_query(text, deadline)?;
        Ok((whole.clone(), vec![whole; ranges.len()]))
    }
}

/// A directory's index and a cluster's, for each of them.
fn on_each(test: &str, run: &dyn Fn(Arc<dyn Index>)) {
    let directory = tempfile::tempdir().unwrap();
    run(Arc::new(EmbeddedIndex::open(directory.path()).unwrap()));
    let (urls, _double) = servers(test);
    urls.iter().for_each(|url| run(Arc::new(connect(url))));
}

fn version(id: usize, version: usize) -> Document {
    let content = Content::Text(format!("Sieve {id} is of version{version}. It has a mesh."));
    let (id, uri, title) = (format!("d{id:02}").parse().unwrap(), String::new(), String::new());
    Document { id, uri, title, media_type: "text/plain".into(), metadata: [].into(), content }
}

#[test]
fn what_is_written_meanwhile_is_there_afterwards() {
    const DOCUMENTS: usize = 11;
    on_each("reindex", &|index| {
        let (old, new) = (Named::by("old", 16), Named::by("new", 24));
        index.create_collection(&scope(), &settings_for(old.as_ref(), BlockVectors::Separate)).unwrap();
        let ingestor = Ingestor::new(old.clone(), index.clone());
        let write = |id: usize, n: usize| -> Result<()> {
            let staged = ingestor.stage(&scope(), version(id, n), &Deadline::none())?;
            ingestor.publish(&scope(), vec![staged])
        };
        (0..DOCUMENTS).for_each(|id| write(id, 0).unwrap());
        let begun = AtomicBool::new(false);
        let (acknowledged, refused) = std::thread::scope(|threads| {
            let writer = threads.spawn(|| {
                let mut acknowledged: HashMap<usize, Option<usize>> = (0..DOCUMENTS).map(|id| (id, Some(0))).collect();
                let mut refused = None;
                for n in 1.. {
                    let id = n * 7 % DOCUMENTS;
                    match write(id, n) {
                        Ok(()) => acknowledged.insert(id, Some(n)),
                        Err(Error::FingerprintMismatch { .. } | Error::Unavailable { .. }) => {
                            refused = Some((id, n));
                            break;
                        }
                        Err(e) => panic!("{e}"),
                    };
                    assert!(n < 200_000, "nobody ends this");
                    begun.store(true, Ordering::Relaxed);
                    if n % 5 == 0 {
                        let gone = (n + 3) % DOCUMENTS;
                        let name = format!("d{gone:02}").parse().unwrap();
                        let selector = Selector::Ids(vec![name]);
                        // Where names were switched meanwhile, it is to be sent again.
                        while let Err(e) = index.delete(&scope(), &selector) {
                            assert!(matches!(e, Error::Unavailable { .. }), "{e}");
                        }
                        acknowledged.insert(gone, None);
                    }
                }
                (acknowledged, refused)
            });
            while !begun.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let beside = "c-new".parse().unwrap();
            let done =
                reindex(&new, &index, &scope(), &beside, Splitting::default(), false, &Deadline::none()).unwrap();
            assert_eq!(done.before, *old.fingerprint());
            assert!(done.encoded >= DOCUMENTS as u64 / 2, "{done:?}");
            writer.join().unwrap()
        });
        let view = index.view(&scope()).unwrap();
        assert_eq!((&view.settings().fingerprint, view.settings().dimension), (new.fingerprint(), 24));
        for (id, wanted) in acknowledged {
            let head = view.document(&format!("d{id:02}").parse().unwrap()).unwrap();
            let found = head.map(|head| {
                let stored = view.segments(&[SegmentId { revision: head.revision, ordinal: 0 }]).unwrap();
                assert_eq!(stored[0].vector.values.len(), 24);
                stored[0].text.split("version").nth(1).unwrap().split('.').next().unwrap().parse::<usize>().unwrap()
            });
            // What was refused in a cluster may have been written all the same.
            let is = found == wanted || refused.is_some_and(|(of, n)| of == id && found == Some(n));
            assert!(is, "document {id}: {found:?}, not {wanted:?}");
        }
        assert!(matches!(index.view(&scope_of("default", "c-new")), Err(Error::NotFound { .. })));
        let again =
            reindex(&new, &index, &scope(), &"x".parse().unwrap(), Splitting::default(), false, &Deadline::none())
                .unwrap_err();
        assert!(again.to_string().contains("already"), "{again}");
        index.delete_collection(&scope()).unwrap();
    });
}

#[test]
fn an_interrupted_one_goes_on_and_the_old_one_can_be_kept() {
    on_each("interrupted", &|index| {
        let (old, new) = (Named::by("old", 16), Named::by("new", 16));
        index.create_collection(&scope(), &settings_for(old.as_ref(), BlockVectors::Separate)).unwrap();
        let ingestor = Ingestor::new(old.clone(), index.clone());
        let stage = |id| ingestor.stage(&scope(), version(id, 0), &Deadline::none()).unwrap();
        ingestor.publish(&scope(), (0..70).map(stage).collect()).unwrap();
        let beside = "kept".parse().unwrap();
        let over = Deadline::none();
        over.cancel();
        assert!(matches!(
            reindex(&new, &index, &scope(), &beside, Splitting::default(), true, &over),
            Err(Error::Cancelled)
        ));
        assert_eq!(index.view(&scope()).unwrap().settings().fingerprint, *old.fingerprint(), "it is as it was");
        let done = reindex(&new, &index, &scope(), &beside, Splitting::default(), true, &Deadline::none()).unwrap();
        assert_eq!((done.encoded, done.documents), (70, 70));
        let kept = scope_of("default", "kept");
        assert_eq!(index.collection(&kept).unwrap().documents, 70);
        index.switch(&scope(), &kept).unwrap();
        assert_eq!(index.view(&scope()).unwrap().settings().fingerprint, *old.fingerprint());
        // What the kept one has already is not encoded again.
        let done = reindex(&new, &index, &scope(), &beside, Splitting::default(), false, &Deadline::none()).unwrap();
        assert_eq!((done.encoded, done.documents), (0, 70));
        let wrong =
            reindex(&old, &index, &scope(), &scope().collection, Splitting::default(), false, &Deadline::none())
                .unwrap_err();
        assert!(matches!(wrong, Error::InvalidArgument { field: "beside", .. }), "{wrong}");
        // Somebody's own collection of that name is not taken for a rest.
        let own = scope_of("default", "own");
        index.create_collection(&own, &settings_for(old.as_ref(), BlockVectors::Separate)).unwrap();
        ingestor.publish(&own, vec![ingestor.stage(&own, version(99, 0), &Deadline::none()).unwrap()]).unwrap();
        let wrong = reindex(&old, &index, &scope(), &own.collection, Splitting::default(), false, &Deadline::none())
            .unwrap_err();
        assert!(matches!(wrong, Error::InvalidArgument { field: "beside", .. }), "{wrong}");
        assert_eq!(index.collection(&own).unwrap().documents, 1);
        assert_eq!(index.view(&scope()).unwrap().settings().fingerprint, *new.fingerprint(), "it is as it was");
        index.delete_collection(&own).unwrap();
        index.delete_collection(&scope()).unwrap();
    });
}

/// Everything that a collection holds, by what it says.
fn held(index: &dyn Index, scope: &Scope) -> Vec<(String, u32, String)> {
    let view = index.view(scope).unwrap();
    let mut held = Vec::new();
    for head in view.documents("", None, usize::MAX).unwrap() {
        for ordinal in 0..head.segments {
            let stored = view.segments(&[SegmentId { revision: head.revision, ordinal }]).unwrap().remove(0);
            held.push((head.id.to_string(), ordinal, format!("{} {stored:?}", head.blocks)));
        }
    }
    held.sort();
    held
}

#[test]
fn a_collection_split_otherwise_is_as_if_it_had_been_ingested_so() {
    on_each("split", &|index| {
        let encoder = Named::by("one", 16);
        let sentence =
            |n: usize| format!("Sentence {n} of the guide says what a mesh of {} holes lets through.", n * 7);
        let section = |n: usize| format!("## Part {n}\n\n{}\n\n", (0..40).map(sentence).collect::<Vec<_>>().join(" "));
        let guide = Document {
            media_type: "text/markdown".into(),
            content: Content::Text(format!("# Guide\n\n{}", (0..3).map(section).collect::<String>())),
            ..version(1, 0)
        };
        let page = |n: usize| format!("<h2>Page {n}</h2><p>{}</p>", (0..40).map(sentence).collect::<String>());
        let site = Document {
            media_type: "text/html".into(),
            content: Content::Text(format!("<h1>Site</h1>{}", (0..3).map(page).collect::<String>())),
            ..version(2, 0)
        };
        let ingest = |scope: &Scope| {
            let ingestor = Ingestor::new(encoder.clone(), index.clone());
            let staged =
                [&guide, &site].map(|document| ingestor.stage(scope, document.clone(), &Deadline::none()).unwrap());
            ingestor.publish(scope, staged.into()).unwrap();
        };
        let plain = settings_for(encoder.as_ref(), BlockVectors::Separate);
        index.create_collection(&scope(), &plain).unwrap();
        ingest(&scope());
        let beside = "beside".parse().unwrap();
        let split = |splitting| reindex(&encoder, &index, &scope(), &beside, splitting, false, &Deadline::none());
        let again = split(Splitting { overlap: Some(0), ..Splitting::default() }).unwrap_err();
        assert!(again.to_string().contains("already"), "{again}");
        let semantic = Some(Boundaries::Semantic);
        for wanted in [
            Splitting { overlap: Some(2), ..Splitting::default() },
            Splitting { block_vectors: Some(BlockVectors::Pooled), overlap: Some(0), ..Splitting::default() },
            Splitting { block_vectors: Some(BlockVectors::Separate), boundaries: semantic, ..Splitting::default() },
        ] {
            let done = split(wanted).unwrap();
            assert_eq!((done.encoded, done.documents), (2, 2));
            let settings = index.view(&scope()).unwrap().settings().clone();
            let fresh = scope_of("default", "fresh");
            index.create_collection(&fresh, &plain.clone().split(wanted).unwrap()).unwrap();
            ingest(&fresh);
            assert_eq!(held(index.as_ref(), &scope()), held(index.as_ref(), &fresh), "{wanted:?}");
            let of_fresh = index.view(&fresh).unwrap().settings().clone();
            assert_eq!(tamis::index::CollectionSettings { in_place_of: None, ..settings }, of_fresh);
            // What is there is what an ingest would bring.
            let staged =
                Ingestor::new(encoder.clone(), index.clone()).stage(&scope(), guide.clone(), &Deadline::none());
            assert_eq!(staged.unwrap().outcome, Outcome::Unchanged);
            index.delete_collection(&fresh).unwrap();
        }
        for (wrong, field) in [
            (Splitting { overlap: Some(3), ..Splitting::default() }, "overlap"),
            (Splitting { block_vectors: Some(BlockVectors::Pooled), ..Splitting::default() }, "boundaries"),
        ] {
            let refused = split(wrong).unwrap_err();
            assert!(matches!(refused, Error::InvalidArgument { field: of, .. } if of == field), "{refused}");
        }
        let far = Splitting { boundaries: Some(Boundaries::Structure), overlap: Some(999), ..Splitting::default() };
        assert!(matches!(split(far).unwrap_err(), Error::LimitExceeded { field: "overlap", limit: 16, actual: 999 }));
        index.delete_collection(&scope()).unwrap();
    });
}

/// An encoder that reads less than the one before it has all of every text to read.
#[test]
fn segments_are_as_long_as_the_new_encoder_reads() {
    let directory = tempfile::tempdir().unwrap();
    let index: Arc<dyn Index> = Arc::new(EmbeddedIndex::open(directory.path()).unwrap());
    let (long, short) = (Named::by("long", 16), Named::reading("short", 16, 40));
    index.create_collection(&scope(), &settings_for(long.as_ref(), BlockVectors::Separate)).unwrap();
    let ingestor = Ingestor::new(long.clone(), index.clone());
    let text: String = (0..60).map(|n| format!("Number {n} of these sentences has nine words only. ")).collect();
    let document =
        Document { content: Content::Text(format!("<p>{text}</p>")), media_type: "text/html".into(), ..version(1, 0) };
    let staged = ingestor.stage(&scope(), document, &Deadline::none()).unwrap();
    ingestor.publish(&scope(), vec![staged]).unwrap();
    let longest = || {
        let view = index.view(&scope()).unwrap();
        let head = view.document(&"d01".parse().unwrap()).unwrap().unwrap();
        let ids: Vec<_> = (0..head.segments).map(|ordinal| SegmentId { revision: head.revision, ordinal }).collect();
        let words = |s: &Arc<tamis::index::StoredSegment>| s.passage().split_whitespace().count();
        view.segments(&ids).unwrap().iter().map(words).max().unwrap()
    };
    assert!(longest() > 100);
    let beside = "beside".parse().unwrap();
    reindex(&short, &index, &scope(), &beside, Splitting::default(), false, &Deadline::none()).unwrap();
    assert!((20..=32).contains(&longest()), "{}", longest());
}

#[test]
fn names_are_switched_and_writes_on_their_way_are_refused() {
    on_each("switched", &|index| {
        let (one, other) = (scope_of("default", "one"), scope_of("default", "other"));
        for scope in [&one, &other] {
            index.create_collection(scope, &settings()).unwrap();
        }
        put(index.as_ref(), &one, &[Doc::new("a", &["a drum"]), Doc::new("b", &["a fine drum"])]);
        put(index.as_ref(), &other, &[Doc::new("a", &["a mesh"])]);
        let before = index.view(&one).unwrap();
        let late = stage(index.as_ref(), &one, &Doc::new("c", &["a late drum"]));
        index.switch(&one, &other).unwrap();
        let found = |scope, term| ids(&index.view(scope).unwrap(), term);
        assert_eq!((found(&one, "mesh"), found(&one, "drum")), (vec!["a".to_owned()], vec![]));
        assert_eq!(found(&other, "drum"), ["a", "b"]);
        assert_eq!(ids(&before, "drum"), ["a", "b"], "a view shows what it did");
        let refused = index.publish(&one, vec![late.clone()]).unwrap_err();
        assert!(matches!(refused, Error::Unavailable { .. }), "{refused}");
        index.abandon(&one, &[late.revision]).unwrap();
        assert_eq!((found(&one, "late"), found(&other, "late")), (vec![], vec![]));
        put(index.as_ref(), &one, &[Doc::new("c", &["a late drum"])]);
        assert_eq!(found(&one, "late"), ["c"]);
        let names: Vec<String> =
            index.collections(&one.tenant).unwrap().into_iter().map(|c| c.name.to_string()).collect();
        assert_eq!(names, ["one", "other"]);
        let nowhere = scope_of("default", "nowhere");
        assert!(matches!(index.switch(&one, &nowhere), Err(Error::NotFound { .. })));
        assert!(matches!(index.switch(&one, &scope_of("stranger", "other")), Err(Error::InvalidArgument { .. })));
        index.delete_collection(&one).unwrap();
        index.delete_collection(&other).unwrap();
    });
}
