//! No tenant reads, changes or counts what is another's, whatever it asks for.

use tamis::document::MetadataValue;
use tamis::error::Error;
use tamis::index::{Filter, Index, SegmentId, Selector};

use super::{Doc, connect, ids, put, scope_of, servers, settings, stage, text, vector};

#[test]
fn tenants_are_apart() {
    let (urls, double) = servers("tenants");
    for url in &urls {
        let index = connect(url);
        let (ours, theirs) = (scope_of("us", "c"), scope_of("them", "c"));
        for scope in [&ours, &theirs] {
            index.create_collection(scope, &settings()).unwrap();
        }
        let secret = Doc::new("a", &["the secret sieve", "more of it"]).with("kind", text("secret"));
        put(&index, &theirs, &[secret]);
        put(&index, &ours, &[Doc::new("a", &["our own sieve"])]);
        let (view, other) = (index.view(&ours).unwrap(), index.view(&theirs).unwrap());
        assert_eq!((ids(&view, "secret").len(), ids(&other, "secret").len()), (0, 1));
        // An id that was guessed.
        let revision = other.document(&"a".parse().unwrap()).unwrap().unwrap().revision;
        let guessed = view.segments(&[SegmentId { revision, ordinal: 0 }]).unwrap_err();
        assert!(!guessed.to_string().contains("secret"), "{guessed}");
        assert!(view.document_of(revision).is_none());
        for filter in [
            Filter::All,
            Filter::Equals("kind".into(), text("secret")),
            Filter::Not(Box::new(Filter::Equals("kind".into(), MetadataValue::Bool(true)))),
            Filter::Or(vec![Filter::All, Filter::Exists("kind".into())]),
            Filter::Prefix("$id".into(), String::new()),
        ] {
            let found = view.dense(&vector(1), &filter, 100).unwrap().hits;
            assert!(found.iter().all(|hit| hit.segment.revision != revision), "{filter:?}");
            view.scan(&filter, &mut |row| {
                assert_ne!(row.segment.revision, revision);
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(view.statistics(&["secret".into(), "siev".into()]).unwrap().holding, [0, 1]);
        // What is abandoned, published over or deleted is one's own.
        index.abandon(&ours, &[revision]).unwrap();
        let mut stolen = (*other.document(&"a".parse().unwrap()).unwrap().unwrap()).clone();
        stolen.id = "b".parse().unwrap();
        index.publish(&ours, vec![stolen]).unwrap();
        assert_eq!(index.collection(&ours).unwrap().documents, 1);
        assert_eq!(index.delete(&ours, &Selector::Prefix(String::new())).unwrap(), 1);
        assert_eq!(ids(&index.view(&theirs).unwrap(), "secret"), ["a"]);
        index.delete_collection(&ours).unwrap();
        assert!(matches!(index.view(&ours), Err(Error::NotFound { .. })));
        assert_eq!(ids(&index.view(&theirs).unwrap(), "secret"), ["a"]);
        let names = |tenant: &str| index.collections(&tenant.parse().unwrap()).unwrap().len();
        assert_eq!((names("us"), names("them")), (0, 1));
        index.delete_collection(&theirs).unwrap();
    }
    assert_eq!(double.tenants("tamis-segments-16"), ["tenant"], "the cluster keeps a tenant's points together");
}

#[test]
fn a_collection_made_anew_holds_nothing_of_the_old_one() {
    let (urls, _double) = servers("anew");
    for url in urls {
        let index = connect(&url);
        let scope = scope_of("us", "c");
        index.create_collection(&scope, &settings()).unwrap();
        let late = stage(&index, &scope, &Doc::new("late", &["a late sieve"]));
        index.delete_collection(&scope).unwrap();
        index.create_collection(&scope, &settings()).unwrap();
        assert!(matches!(index.publish(&scope, vec![late]), Err(Error::Unavailable { .. })));
        assert_eq!(index.collection(&scope).unwrap().documents, 0);
        assert!(ids(&index.view(&scope).unwrap(), "siev").is_empty());
        index.delete_collection(&scope).unwrap();
    }
}
