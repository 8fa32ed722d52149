//! Digests: every aspect once, with how often it is said.

use tamis_proto::v1::filter::Kind;
use tamis_proto::v1::metadata_value::Kind as ValueKind;
use tamis_proto::v1::{
    Budget, CompressRequest, CompressResponse, DigestOptions, Document, FieldValue, Filter, MetadataValue, Mode,
};
use tonic::Code;

use crate::support::{self, Server, document};

fn number(value: f64) -> MetadataValue {
    MetadataValue { kind: Some(ValueKind::NumberValue(value)) }
}

/// Reviews of two sieves: most of the first praise its mesh, some complain about its price, one tells of a wasp.
fn reviews() -> Vec<Document> {
    let of = |item: f64, n: usize, text: String, rating: f64| {
        let mut review = document(&format!("r{item}-{n:02}"), &text);
        review.metadata = [("item", number(item)), ("rating", number(rating))].map(|(k, v)| (k.to_owned(), v)).into();
        review
    };
    let adjectives = ["fine", "dense", "even", "tight", "smooth", "delicate", "regular", "close"];
    let mesh = (0..24).map(|n| {
        let text =
            format!("The mesh is {} and purées come out silky, better than sieve number {n}.", adjectives[n % 8]);
        of(1.0, n, text, 5.0)
    });
    let price = (24..36)
        .map(|n| of(1.0, n, format!("It costs far too much money: I paid {n} dollars, a rip-off of a price."), 2.0));
    let wasp = [of(1.0, 36, "A wasp stung our dog in the garden while the parcel was being opened.".into(), 3.0)];
    let other = (0..8).map(|n| of(2.0, n, format!("The handle of this one broke after {n} weeks of use."), 1.0));
    mesh.chain(price).chain(wasp).chain(other).collect()
}

fn ask(max_tokens: u32) -> CompressRequest {
    let item = FieldValue { field: "item".into(), value: Some(number(1.0)) };
    CompressRequest {
        collection: "reviews".into(),
        filter: Some(Filter { kind: Some(Kind::Equals(item)) }),
        budget: Some(Budget { max_tokens, tokenizer: String::new() }),
        mode: Mode::Digest.into(),
        digest: Some(DigestOptions { facts: vec!["rating".into(), "colour".into()], ..DigestOptions::default() }),
        ..CompressRequest::default()
    }
}

/// Within the budget, and every excerpt a slice of the review that it names.
fn check(response: &CompressResponse, max_tokens: u32) {
    assert!(response.token_count <= max_tokens, "{response:?}");
    for excerpt in &response.excerpts {
        let review = reviews().into_iter().find(|r| r.id == excerpt.document_id).unwrap();
        let span = excerpt.span.unwrap();
        assert_eq!(&review.text[span.start as usize..span.end as usize], excerpt.text);
        assert!(response.text.contains(&excerpt.text));
    }
    let digest = response.digest.clone().unwrap();
    let told: u32 = digest.clusters.iter().map(|c| c.excerpts).sum();
    assert_eq!(told as usize, response.excerpts.len());
    assert_eq!(digest.clusters.iter().map(|c| c.passages).sum::<u64>(), digest.passages);
    assert_eq!(digest.untold as usize, digest.clusters.iter().filter(|c| c.excerpts == 0).count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_tells_every_aspect_and_counts_exactly() {
    let server = Server::start();
    server.ingest("reviews", reviews()).await;
    let mut client = server.contexts().await;
    let response = client.compress(ask(400)).await.unwrap().into_inner();
    check(&response, 400);
    let digest = response.digest.clone().unwrap();
    assert_eq!((digest.passages, digest.documents, digest.untold), (37, 37, 0));
    for aspect in ["mesh", "price", "wasp"] {
        assert!(response.text.contains(aspect), "{aspect}: {}", response.text);
    }
    assert!(!response.text.contains("handle"), "the other product's: {}", response.text);
    let rating = &digest.facts[0];
    let values: Vec<(&str, u64)> = rating.values.iter().map(|v| (v.value.as_str(), v.documents)).collect();
    assert_eq!(values, [("5", 24), ("2", 12), ("3", 1)]);
    let mean = rating.numbers.unwrap().mean;
    assert!((mean - 147.0 / 37.0).abs() < 1e-12 && rating.missing == 0);
    assert_eq!((digest.facts[1].documents, digest.facts[1].missing), (0, 37), "no review has a colour");
    // No cluster mixes those who praise with those who complain.
    for cluster in digest.clusters.iter().filter(|c| !c.outliers) {
        assert_eq!(cluster.facts[0].values.len(), 1, "{cluster:?}");
        assert!(cluster.cohesion > 0.3 && !cluster.keywords.is_empty());
    }
    assert!(response.text.contains("rating: 5 (24), 2 (12), 3 (1); mean 3.973, 2 to 5"), "{}", response.text);

    // The order in which documents came does not count, nor whether they are stored.
    let mut backwards = reviews();
    backwards.reverse();
    server.ingest("backwards", backwards).await;
    let again = CompressRequest { collection: "backwards".into(), ..ask(400) };
    assert_eq!(client.compress(again).await.unwrap().into_inner().text, response.text);
    let documents = reviews().into_iter().filter(|r| r.id.starts_with("r1-")).collect();
    let inline = CompressRequest { collection: String::new(), filter: None, documents, ..ask(400) };
    let inline = client.compress(inline).await.unwrap().into_inner();
    assert_eq!(inline.digest.unwrap().clusters.len(), digest.clusters.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_and_a_number_of_clusters_are_heeded() {
    let server = Server::start();
    server.ingest("reviews", reviews()).await;
    let mut client = server.contexts().await;
    let options = |clusters, passages| Some(DigestOptions { clusters, passages, ..DigestOptions::default() });
    let two = CompressRequest { digest: options(Some(2), None), ..ask(300) };
    let two = client.compress(two).await.unwrap().into_inner();
    check(&two, 300);
    assert_eq!(two.digest.unwrap().clusters.iter().filter(|c| !c.outliers).count(), 2);
    let asked = CompressRequest {
        query: "is it too expensive".into(),
        filter: None,
        digest: options(Some(1), Some(10)),
        ..ask(300)
    };
    let asked = client.compress(asked).await.unwrap().into_inner();
    check(&asked, 300);
    assert_eq!(asked.digest.clone().unwrap().passages, 10);
    assert!(asked.excerpts.iter().all(|e| e.text.contains("price")), "{}", asked.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn little_and_equal_text_is_told_too() {
    let server = Server::start();
    let mut client = server.contexts().await;
    let options = |clusters| Some(DigestOptions { clusters, ..DigestOptions::default() });
    let inline = |documents, clusters, max_tokens| CompressRequest {
        collection: String::new(),
        filter: None,
        documents,
        digest: options(clusters),
        ..ask(max_tokens)
    };
    let one = vec![document("one", "The tamis is a drum sieve.")];
    let one = client.compress(inline(one, Some(9), 60)).await.unwrap().into_inner();
    assert_eq!((one.excerpts.len(), one.digest.unwrap().clusters.len()), (1, 1));
    let same: Vec<_> =
        (0..12).map(|n| document(&format!("s{n}"), "All of these sieves say the very same thing.")).collect();
    let same = client.compress(inline(same, None, 120)).await.unwrap().into_inner();
    assert_eq!(same.excerpts.len(), 1, "said once: {}", same.text);
    assert_eq!(same.excerpts[0].also_in.len(), 11, "and cited from all");
    let title = Document { media_type: "text/markdown".into(), ..document("t", "# Only a title") };
    let title = client.compress(inline(vec![title], None, 60)).await.unwrap().into_inner();
    assert!(title.token_count <= 60 && title.digest.unwrap().passages == 1);
    // Too little for all clusters: fewer are told, and that is said.
    let small = client.compress(inline(reviews(), Some(8), 90)).await.unwrap().into_inner();
    check(&small, 90);
    assert!(small.digest.unwrap().untold > 0 && !small.excerpts.is_empty());
    let status = client.compress(inline(reviews(), None, 8)).await.unwrap_err();
    assert!(status.message().contains("smallest budget"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_with_a_digest_is_refused() {
    let server = Server::start();
    server.ingest("reviews", reviews()).await;
    let mut client = server.contexts().await;
    let digest = |digest: DigestOptions| CompressRequest { digest: Some(digest), ..ask(200) };
    let options = DigestOptions::default;
    for (request, field) in [
        (CompressRequest { must_keep: vec!["mesh".into()], ..ask(200) }, "must_keep"),
        (CompressRequest { explain: Some(3), ..ask(200) }, "explain"),
        (CompressRequest { mode: Mode::Fast.into(), query: "mesh".into(), ..ask(200) }, "digest"),
        (digest(DigestOptions { clusters: Some(0), ..options() }), "clusters"),
        (digest(DigestOptions { clusters: Some(257), ..options() }), "clusters"),
        (digest(DigestOptions { passages: Some(5), ..options() }), "digest.passages"),
        (digest(DigestOptions { facts: vec![String::new()], ..options() }), "digest.facts"),
        (digest(DigestOptions { facts: vec!["f".into(); 33], ..options() }), "digest.facts"),
    ] {
        let status = client.compress(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(field), "{field}: {status}");
    }
    let nobody = Filter { kind: Some(Kind::Exists("no such field".into())) };
    let nothing = client.compress(CompressRequest { filter: Some(nobody), ..ask(200) }).await.unwrap().into_inner();
    assert_eq!((nothing.text.as_str(), nothing.digest.unwrap().clusters.len()), ("", 0));
    let missing = CompressRequest { collection: "missing".into(), ..ask(200) };
    assert_eq!(client.compress(missing).await.unwrap_err().code(), Code::NotFound);
}

#[test]
fn the_command_line_tells_clusters() {
    let directory = tempfile::tempdir().unwrap();
    let lines: Vec<String> = reviews()
        .iter()
        .filter(|r| r.id.starts_with("r1-"))
        .map(|r| {
            let rating = if r.text.contains("mesh") { 5 } else { 2 };
            serde_json::json!({"doc_id": r.id, "text": r.text, "rating": rating}).to_string()
        })
        .collect();
    std::fs::write(directory.path().join("c.jsonl"), lines.join("\n")).unwrap();
    std::fs::write(directory.path().join("q.jsonl"), r#"{"query_id":"q1","question":"What is said of the sieve?"}"#)
        .unwrap();
    let files = ["--input-jsonl", "c.jsonl", "--queries-jsonl", "q.jsonl"];
    let flags = [&["compress", "--digest", "--fact", "rating", "--budget", "300"][..], &files].concat();
    let answer = support::json(directory.path(), &flags);
    let clusters = answer["clusters"].as_array().unwrap();
    assert_eq!(clusters.iter().map(|c| c["size"].as_u64().unwrap()).sum::<u64>(), 37);
    let excerpts = answer["excerpts"].as_array().unwrap().len() as u64;
    let told = clusters.iter().flat_map(|c| c["excerpts"].as_array().unwrap()).map(|n| n.as_u64().unwrap());
    assert_eq!(told.collect::<Vec<_>>(), (0..excerpts).collect::<Vec<_>>());
    assert_eq!(answer["digest"]["facts"]["rating"]["values"], serde_json::json!({"2": 13, "5": 24}));
    assert_eq!(answer["query_id"], "q1");
    std::fs::write(directory.path().join("note.txt"), "The tamis is a drum sieve. It was sold in Ghent.").unwrap();
    let shown = support::succeed(directory.path(), &["compress", "--digest", "--budget", "90", "--stats", "note.txt"]);
    assert!(shown.contains("drum sieve") && shown.contains("in 1 cluster"), "{shown}");
    for wrong in [&["--digest", "--explain"][..], &["--clusters", "3", "-q", "x"], &["--digest", "--clusters", "0"]] {
        let flags = [&["compress", "--budget", "90", "note.txt"][..], wrong].concat();
        assert_eq!(support::fail(directory.path(), &flags).0, 2, "{wrong:?}");
    }
}

#[test]
fn clusters_are_shown_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("reviews");
    std::fs::create_dir(&folder).unwrap();
    let own: Vec<Document> = reviews().into_iter().filter(|r| r.id.starts_with("r1-")).collect();
    own.iter().for_each(|review| std::fs::write(folder.join(format!("{}.txt", review.id)), &review.text).unwrap());
    let flags = ["cluster", "--clusters", "2", "--format", "json", "--plot", "map.svg", "reviews"];
    let shown = support::json(directory.path(), &flags);
    let places = shown["places"].as_array().unwrap();
    assert_eq!((places.len(), shown["digest"]["passages"].as_u64()), (37, Some(37)));
    assert!(places.iter().any(|p| p["told"] == true) && places.iter().any(|p| p["told"] == false), "{places:?}");
    // What is alike lies together: the clusters' middles are further apart than their members from them.
    let clusters = shown["clusters"].as_array().unwrap();
    let middle = |cluster: u64| {
        let own: Vec<f64> =
            places.iter().filter(|p| p["cluster"] == cluster).map(|p| p["x"].as_f64().unwrap()).collect();
        own.iter().sum::<f64>() / own.len() as f64
    };
    assert!((middle(0) - middle(1)).abs() > 0.3, "{places:?}");
    let drawn = std::fs::read_to_string(directory.path().join("map.svg")).unwrap();
    assert_eq!(drawn.matches("r=\"4\"").count(), 37);
    assert!(drawn.contains(clusters[0]["keywords"][0].as_str().unwrap()));
    let text = support::succeed(directory.path(), &["cluster", "--plot", "map.png", "reviews"]);
    assert!(text.contains("37 passages") && text.contains(" %"), "{text}");
    assert!(std::fs::read(directory.path().join("map.png")).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(support::fail(directory.path(), &["cluster", "--plot", "map.gif", "reviews"]).0, 2);
}
