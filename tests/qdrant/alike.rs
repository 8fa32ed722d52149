//! The same documents in both indexes, and the same answers.

use std::sync::Arc;

use tamis::compress::{CompressRequest, Compressor, Corpus};
use tamis::deadline::Deadline;
use tamis::document::{Content, Document, Metadata, MetadataValue};
use tamis::encode::{Encoder, EncoderSettings, OnnxEncoder};
use tamis::error::Error;
use tamis::fit::Budget;
use tamis::index::embedded::EmbeddedIndex;
use tamis::index::{BlockVectors, Filter, Hit, Index, Selector, View};
use tamis::ingest::{Ingestor, settings_for};
use tamis::models::{Cache, Silent};
use tamis::tokenize;

use super::{Doc, connect, mixed, put, scope, servers, settings, stage, text, vector};

const WORDS: [&str; 12] =
    ["sieve", "mesh", "flour", "drum", "wood", "silk", "purée", "42", "river", "mill", "bread", "東京"];

/// A document that is the same for the same number.
fn doc(n: u64, version: u64) -> Doc {
    let word = |m: u64| WORDS[(mixed(n * 977 + version * 31 + m) % WORDS.len() as u64) as usize];
    let sentence = |s: u64| (0..4 + mixed(n + s) % 9).map(|m| word(s * 50 + m)).collect::<Vec<_>>().join(" ") + ". ";
    let texts = (0..1 + mixed(n) % 4).map(sentence).collect();
    let doc = Doc { id: format!("folder-{}/d{n:03}", n % 3), texts, metadata: Metadata::new() };
    let doc =
        doc.with("year", MetadataValue::Number(2000.0 + (n % 20) as f64)).with("kind", text(WORDS[(n % 5) as usize]));
    let doc = if n.is_multiple_of(2) { doc.with("new", MetadataValue::Bool(n.is_multiple_of(4))) } else { doc };
    // Most are dates; some are none, and some have no end of digits.
    let date = match n % 8 {
        0..=4 => format!("2024-0{}-{:02}", 1 + n % 7, 1 + n % 28),
        5 => "soon".to_owned(),
        6 => format!("{n}").repeat(20),
        _ => format!("2024-03-{:02}T10:00:00Z", 1 + n % 28),
    };
    let doc = if n.is_multiple_of(5) { doc } else { doc.with("date", text(&date)) };
    let day = format!("2023-12-{:02}", 1 + n % 28);
    let days = MetadataValue::List(vec![day.clone(), "2023-12-05".into()]);
    let doc = doc.with("days", if n.is_multiple_of(6) { days } else { text(&day) }).with("day", text(&day));
    let doc = doc.with("depth", MetadataValue::Number(7.5 - n as f64));
    let doc = doc.with("path", text(&format!("/a/b{}/{n}", n % 4)));
    let tags = MetadataValue::List(vec![format!("t{}", n % 7), "all".into()]);
    if n.is_multiple_of(3) { doc.with("tags", tags) } else { doc }
}

/// What happened to both collections.
fn history(index: &dyn Index) {
    let scope = scope();
    put(index, &scope, &(0..60).map(|n| doc(n, 0)).collect::<Vec<_>>());
    put(index, &scope, &(10..30).map(|n| doc(n, 1)).collect::<Vec<_>>());
    assert_eq!(
        index.delete(&scope, &Selector::Ids(vec!["folder-0/d003".parse().unwrap(), "none".parse().unwrap()])).unwrap(),
        1
    );
    let nineteen = Filter::Equals("year".into(), MetadataValue::Number(2019.0));
    assert_eq!(index.delete(&scope, &Selector::Matching(nineteen)).unwrap(), 3);
    put(index, &scope, &[doc(3, 2), doc(3, 3)]);
    assert_eq!(index.delete(&scope, &Selector::Prefix("folder-2/d05".into())).unwrap(), 3);
    // New metadata for the revision that is there.
    let view = index.view(&scope).unwrap();
    let mut head = (*view.document(&"folder-1/d001".parse().unwrap()).unwrap().unwrap()).clone();
    head.metadata.insert("kind".into(), text("changed"));
    index.publish(&scope, vec![head]).unwrap();
}

/// Hits by what they say, not by the numbers of their revisions.
fn named(view: &Arc<dyn View>, hits: &[Hit]) -> Vec<(String, u32, f32)> {
    let name =
        |hit: &Hit| (view.document_of(hit.segment.revision).unwrap().id.to_string(), hit.segment.ordinal, hit.score);
    let mut named: Vec<_> = hits.iter().map(name).collect();
    named.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)).then(a.1.cmp(&b.1)));
    named
}

fn filters() -> Vec<Filter> {
    let number = |n: f64| MetadataValue::Number(n);
    let kind = |value: &str| Filter::Equals("kind".into(), text(value));
    let years =
        Filter::Range { field: "year".into(), from: Some((number(2004.0), true)), to: Some((number(2012.0), false)) };
    let between = |field: &str, from: Option<(MetadataValue, bool)>, to: Option<(MetadataValue, bool)>| Filter::Range {
        field: field.into(),
        from,
        to,
    };
    let at = |value: &str, included| Some((text(value), included));
    let n = |value: f64, included| Some((number(value), included));
    vec![
        between("date", at("2024-03-07", true), None),
        between("date", at("2024-02-15", false), at("2024-03-08", true)),
        between("date", None, at("2024-03", false)),
        between("date", at("4", true), at("z", true)),
        between("day", at("2023-12-05", true), at("2023-12-20", false)),
        between("day", at("2023-12-05", false), n(3.0, true)),
        between("day", None, None),
        between("days", None, at("2023-12-05", true)),
        Filter::Prefix("days".into(), "2023-12-0".into()),
        between("depth", n(-20.0, true), n(-3.5, false)),
        between("depth", None, n(0.0, true)),
        between("depth", n(f64::NAN, true), None),
        between("year", n(2010.0, false), None),
        between("kind", at("m", true), at("sieve", true)),
        between("new", None, n(1.0, true)),
        between("$id", at("folder-1", true), at("folder-2/d02", true)),
        Filter::Prefix("day".into(), "2023-12-1".into()),
        Filter::Prefix("date".into(), "2024-03".into()),
        Filter::Prefix("date".into(), "66666666666666666666666666666666666".into()),
        Filter::Prefix("day".into(), String::new()),
        Filter::Prefix("path".into(), "/a/b2/".into()),
        Filter::Prefix("path".into(), "/a/b2".into()),
        Filter::Prefix("$uri".into(), "folder".into()),
        Filter::All,
        kind("sieve"),
        kind("changed"),
        kind("nothing has it"),
        Filter::Equals("tags".into(), text("t3")),
        Filter::Equals("tags".into(), MetadataValue::List(vec!["t3".into(), "all".into()])),
        Filter::Equals("new".into(), MetadataValue::Bool(true)),
        Filter::Equals("year".into(), text("2004")),
        Filter::In("year".into(), vec![number(2001.0), number(2007.0), number(f64::NAN)]),
        Filter::In("kind".into(), Vec::new()),
        Filter::In("$id".into(), vec![text("folder-1/d001"), text("folder-0/d003")]),
        Filter::Exists("new".into()),
        Filter::Not(Box::new(Filter::Exists("new".into()))),
        Filter::Not(Box::new(Filter::All)),
        Filter::Prefix("$id".into(), "folder-1/".into()),
        Filter::Prefix("tags".into(), "t".into()),
        years.clone(),
        Filter::Not(Box::new(years.clone())),
        Filter::And(vec![years.clone(), Filter::Or(vec![kind("mesh"), kind("drum")])]),
        Filter::And(Vec::new()),
        Filter::Or(Vec::new()),
        Filter::Or(vec![Filter::All, kind("mesh")]),
    ]
}

fn same(ours: &Arc<dyn View>, theirs: &Arc<dyn View>) {
    for filter in filters() {
        for (n, limit) in [(1, 5), (2, 200), (3, 1)] {
            let (a, b) =
                (ours.dense(&vector(n), &filter, limit).unwrap(), theirs.dense(&vector(n), &filter, limit).unwrap());
            assert_eq!(named(ours, &a.hits), named(theirs, &b.hits), "{filter:?}");
            assert_eq!(a.spread, b.spread);
        }
        for terms in [vec!["siev"], vec!["mesh", "flour", "42"], vec!["東京", "nowhere"], vec![]] {
            let terms: Vec<String> = terms.into_iter().map(str::to_owned).collect();
            let hits = |view: &Arc<dyn View>| named(view, &view.lexical(&terms, &filter, 200).unwrap());
            assert_eq!(hits(ours), hits(theirs), "{terms:?} {filter:?}");
            let (a, b) = (ours.statistics(&terms).unwrap(), theirs.statistics(&terms).unwrap());
            assert_eq!((a.segments, a.holding), (b.segments, b.holding));
        }
        let scanned = |view: &Arc<dyn View>| {
            let mut rows = Vec::new();
            view.scan(&filter, &mut |row| {
                rows.push((row.segment, row.values.to_vec()));
                Ok(())
            })
            .unwrap();
            let name = |(id, values): (tamis::index::SegmentId, Vec<i8>)| {
                let stored = view.segments(&[id]).unwrap().remove(0);
                (view.document_of(id.revision).unwrap().id.to_string(), id.ordinal, values, stored.text.clone())
            };
            let mut rows: Vec<_> = rows.into_iter().map(name).collect();
            rows.sort();
            rows
        };
        assert_eq!(scanned(ours), scanned(theirs), "{filter:?}");
    }
    for prefix in ["", "folder-1/", "x"] {
        assert_eq!(listed(ours, prefix), listed(theirs, prefix));
    }
}

/// Everything that the pages of a listing have, whose order is the index's own.
fn listed(view: &Arc<dyn View>, prefix: &str) -> Vec<(String, Metadata, u64)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = view.documents(prefix, after.as_ref(), 7).unwrap();
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        all.extend(page.iter().map(|head| (head.id.to_string(), head.metadata.clone(), head.bytes)));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.windows(2).all(|two| two[0].0 != two[1].0), "no document twice");
    all
}

#[test]
fn both_indexes_answer_alike() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = EmbeddedIndex::open(directory.path()).unwrap();
    embedded.create_collection(&scope(), &settings()).unwrap();
    history(&embedded);
    let (urls, _double) = servers("alike");
    for url in urls {
        let cluster = connect(&url);
        cluster.create_collection(&scope(), &settings()).unwrap();
        let again = cluster.create_collection(&scope(), &settings());
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        history(&cluster);
        same(&embedded.view(&scope()).unwrap(), &cluster.view(&scope()).unwrap());
        let counts = |index: &dyn Index| {
            let info = index.collection(&scope()).unwrap();
            (info.documents, info.segments, info.bytes, info.settings)
        };
        assert_eq!(counts(&embedded), counts(&cluster));
        assert_eq!(cluster.sweep(&scope(), std::time::Duration::ZERO).unwrap(), 0, "nothing is left behind");
        cluster.delete_collection(&scope()).unwrap();
        assert!(matches!(cluster.view(&scope()), Err(Error::NotFound { .. })));
        assert!(matches!(cluster.delete_collection(&scope()), Err(Error::NotFound { .. })));
    }
}

#[test]
fn what_is_abandoned_or_too_late_is_never_seen() {
    let (urls, _double) = servers("abandoned");
    for url in urls {
        let index = connect(&url);
        index.create_collection(&scope(), &settings()).unwrap();
        put(&index, &scope(), &[Doc::new("a", &["old sieve"])]);
        let staged = stage(&index, &scope(), &Doc::new("a", &["new sieve"]));
        let published = index.view(&scope()).unwrap().document(&staged.id).unwrap().unwrap();
        index.abandon(&scope(), &[staged.revision, published.revision]).unwrap();
        let view = index.view(&scope()).unwrap();
        assert_eq!(super::ids(&view, "old"), ["a"], "what is published stays");
        assert!(super::ids(&view, "new").is_empty());
        // Its segments are gone: a head that names them would show a document without text.
        index.publish(&scope(), vec![staged]).unwrap();
        assert_eq!(super::ids(&index.view(&scope()).unwrap(), "old"), ["a"]);
        index.delete_collection(&scope()).unwrap();
    }
}

/// Files of this repository, and questions taken from them.
fn corpus() -> (Vec<Document>, Vec<String>) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut questions = Vec::new();
    let read = |path: &&str| {
        let content = std::fs::read_to_string(root.join(path)).unwrap();
        let sentences = content.split(['.', ':', '\n']).map(str::trim);
        let words = |s: &str| s.split_whitespace().take(14).collect::<Vec<_>>().join(" ");
        questions.extend(sentences.filter(|s| s.split_whitespace().count() > 4).map(words));
        let metadata = [("bytes".to_owned(), MetadataValue::Number(content.len() as f64))].into();
        let content = Content::Text(content);
        let (id, uri) = (path.parse().unwrap(), format!("file:///{path}"));
        Document { id, uri, title: String::new(), media_type: String::new(), metadata, content }
    };
    let documents =
        ["README.md", "docs/architecture.md", "docs/adapt.md", "src/span.rs", "Cargo.toml"].iter().map(read);
    let documents = documents.collect();
    let step = (questions.len() / 300).max(1);
    (documents, questions.into_iter().step_by(step).take(300).collect())
}

#[test]
fn three_hundred_contexts_are_the_same_byte_for_byte() {
    let settings = EncoderSettings { sessions: 2, ..EncoderSettings::default() };
    let encoder: Arc<dyn Encoder> =
        Arc::new(OnnxEncoder::load(&settings, &Cache::from_environment().unwrap(), &Silent).unwrap());
    let (documents, questions) = corpus();
    assert_eq!(questions.len(), 300);
    let directory = tempfile::tempdir().unwrap();
    let (urls, _double) = servers("contexts");
    let mut indexes: Vec<Arc<dyn Index>> = vec![Arc::new(EmbeddedIndex::open(directory.path()).unwrap())];
    indexes.extend(urls.iter().map(|url| Arc::new(connect(url)) as Arc<dyn Index>));
    let told = |index: &Arc<dyn Index>| -> Vec<String> {
        index.create_collection(&scope(), &settings_for(encoder.as_ref(), BlockVectors::Separate)).unwrap();
        let ingestor = Ingestor::new(encoder.clone(), index.clone());
        let stage = |document: &Document| ingestor.stage(&scope(), document.clone(), &Deadline::none()).unwrap();
        ingestor.publish(&scope(), documents.iter().map(stage).collect()).unwrap();
        let compressor = Compressor::new(encoder.clone(), index.clone());
        let context = |(n, question): (usize, &String)| {
            let filter = match n % 5 {
                0 => Filter::Prefix("$uri".into(), "file:///docs/".into()),
                1 => Filter::Not(Box::new(Filter::In("$id".into(), vec![text("README.md")]))),
                _ => Filter::All,
            };
            let budget = Budget::new([128, 256, 512][n % 3], tokenize::named("o200k_base").unwrap()).unwrap();
            let corpus = Corpus::Collection { scope: scope(), filter };
            let request = CompressRequest::new(question, corpus, budget);
            let answer = compressor.compress(&request, &Deadline::none()).unwrap();
            format!("{}\n{}", answer.context.text, answer.confidence)
        };
        questions.iter().enumerate().map(context).collect()
    };
    let ours = told(&indexes[0]);
    assert!(ours.iter().filter(|text| text.len() > 100).count() > 290, "contexts hold text");
    for index in &indexes[1..] {
        let theirs = told(index);
        for (n, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "question {n}: {}", questions[n]);
        }
        index.delete_collection(&scope()).unwrap();
    }
}
