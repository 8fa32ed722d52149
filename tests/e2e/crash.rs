//! SIGKILL during ingest: what was acknowledged is there, once, and both halves of the index agree, whichever index it is.

use std::collections::{BTreeMap, BTreeSet};

use tamis_proto::v1::{
    FieldValues, Filter, GetCollectionRequest, IngestOutcome, ListDocumentsRequest, MetadataValue, RetrieveRequest,
    collection_service_client::CollectionServiceClient, filter::Kind, metadata_value,
};

use crate::support::{Server, document, requests};

const ROUNDS: u64 = 10;
const DOCUMENTS: u64 = 60;

/// Documents of a round: new ones, and some from before with another text.
fn batch(round: u64) -> Vec<(String, String)> {
    (0..DOCUMENTS)
        .map(|n| {
            let id = if n % 3 == 0 { format!("shared-{n:03}") } else { format!("round-{round}-{n:03}") };
            (
                id,
                format!("Marker w{round}x{n} stands here. The mesh of sieve {n} has {} holes in round {round}.", n * 7),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_documents_survive_kill_9() {
    survive(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_documents_survive_kill_9_in_a_cluster() {
    let Ok(url) = std::env::var("TAMIS_TEST_QDRANT_URL") else {
        eprintln!("skipped: TAMIS_TEST_QDRANT_URL names no cluster");
        return;
    };
    let join = if url.contains('?') { '&' } else { '?' };
    survive(&[("TAMIS_INDEX", &format!("{url}{join}prefix=test-crash-{}", std::process::id()))]).await;
}

/// Servers with these variables, killed one after the other.
async fn survive(environment: &[(&str, &str)]) {
    let directory = tempfile::tempdir().unwrap();
    // Id to the texts it may have: the last acknowledged one, and one that was under way when the server died.
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for round in 0..ROUNDS {
        let server = Server::start_on(directory.path(), environment);
        check(&server, &expected).await;
        let documents = batch(round);
        let sent = documents.iter().map(|(id, text)| document(id, text)).collect();
        let mut stream = server.documents().await.ingest(requests("crash", sent)).await.unwrap().into_inner();
        let mut acknowledged = 0;
        // A different moment every round: before the first acknowledgement, in between, and after the last.
        let stop_after = round * 7;
        while acknowledged < stop_after {
            match stream.message().await {
                Ok(Some(response)) => {
                    assert_ne!(response.outcome(), IngestOutcome::Refused, "{response:?}");
                    let (id, text) = &documents[response.index as usize];
                    expected.insert(id.clone(), vec![text.clone()]);
                    acknowledged += 1;
                }
                _ => break,
            }
        }
        if stop_after == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
        server.kill();
        // Published but not acknowledged, or acknowledged but not read by us: may be there, whole.
        for (id, text) in &documents {
            let texts = expected.entry(id.clone()).or_insert_with(|| vec![String::new()]);
            if !texts.contains(text) {
                texts.push(text.clone());
            }
        }
    }
    let server = Server::start_on(directory.path(), environment);
    check(&server, &expected).await;
}

/// Every id is there with one of its texts (an empty text allows it to be absent), once, found by vectors
/// and by terms alike.
async fn check(server: &Server, expected: &BTreeMap<String, Vec<String>>) {
    if expected.is_empty() {
        return;
    }
    let request = ListDocumentsRequest { collection: "crash".into(), page_size: 10_000, ..Default::default() };
    let Ok(listed) = server.documents().await.list_documents(request).await else {
        assert!(expected.values().all(|texts| texts.contains(&String::new())), "the collection is gone");
        return;
    };
    let listed: Vec<_> = listed.into_inner().documents;
    let ids: BTreeSet<&str> = listed.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids.len(), listed.len(), "an id stands there twice");
    let mut contexts = server.contexts().await;
    for (id, texts) in expected {
        let Some(found) = listed.iter().find(|d| d.id == *id) else {
            assert!(texts.contains(&String::new()), "{id} was acknowledged and is gone");
            continue;
        };
        let value = MetadataValue { kind: Some(metadata_value::Kind::StringValue(id.clone())) };
        let only = Filter { kind: Some(Kind::In(FieldValues { field: "$id".into(), values: vec![value] })) };
        let query = texts.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let request =
            RetrieveRequest { query, collection: "crash".into(), filter: Some(only), limit: 10, ..Default::default() };
        let segments = contexts.retrieve(request).await.unwrap().into_inner().segments;
        assert_eq!(segments.len(), found.segments as usize, "{id}: {segments:?}");
        for segment in &segments {
            assert!(texts.contains(&segment.text), "{id}: {:?} is none of {texts:?}", segment.text);
            assert_eq!(segment.revision, found.revision);
            assert!(segment.dense_rank.is_some() && segment.lexical_rank.is_some(), "{id}: {segment:?}");
        }
    }
    let request = GetCollectionRequest { name: "crash".into() };
    let counts = CollectionServiceClient::new(server.channel().await).get_collection(request).await.unwrap();
    let counts = counts.into_inner().collection.unwrap();
    assert_eq!(counts.documents as usize, listed.len());
    assert_eq!(counts.segments, listed.iter().map(|d| u64::from(d.segments)).sum::<u64>());
}
