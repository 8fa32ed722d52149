//! What a tenant may have and do, and what it hears when that is reached.

use std::collections::HashMap;

use tamis_proto::v1::{DeleteDocumentsRequest, IngestOutcome, RetrieveRequest, StringList, delete_documents_request};
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::support::{Server, document, requests};

fn numbers(status: &tonic::Status) -> HashMap<String, String> {
    let info = status.get_details_error_info().unwrap();
    assert_eq!((status.code(), info.reason.as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"), "{status}");
    info.metadata
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_and_bytes_end_where_the_quota_does() {
    let server = Server::start_with(&[("TAMIS_QUOTA_DOCUMENTS", "3"), ("TAMIS_QUOTA_BYTES_MIB", "1")]);
    let texts = |ids: &[&str]| ids.iter().map(|id| document(id, "A sieve has a mesh.")).collect::<Vec<_>>();
    let told = server.ingest("c", texts(&["a", "b", "c", "d"])).await;
    let refused: Vec<_> = told.iter().filter(|r| r.outcome() == IngestOutcome::Refused).collect();
    assert_eq!(refused.len(), 1, "{told:?}");
    let error = refused[0].error.clone().unwrap();
    assert_eq!(error.reason, "QUOTA_EXCEEDED");
    assert!(error.message.contains("documents: 4") && error.message.contains("limit of 3"), "{}", error.message);
    // In another collection as well, and what is there can be replaced.
    let told = server.ingest("other", texts(&["e"])).await;
    assert_eq!(told[0].outcome(), IngestOutcome::Refused);
    let kept = told_id(&server).await;
    let told = server.ingest("c", vec![document(&kept, "A sieve has a finer mesh.")]).await;
    assert_eq!(told[0].outcome(), IngestOutcome::Replaced);
    // Another tenant has its own.
    let mut request = Request::new(requests("c", texts(&["a"])));
    request.metadata_mut().insert("x-tamis-tenant", "them".parse().unwrap());
    let mut stream = server.documents().await.ingest(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().outcome(), IngestOutcome::Created);
    // Room that was made is found.
    let ids = StringList { values: vec![kept] };
    let selector = Some(delete_documents_request::Selector::Ids(ids));
    let delete = DeleteDocumentsRequest { collection: "c".into(), selector };
    server.documents().await.delete_documents(delete).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(server.ingest("c", texts(&["e"])).await[0].outcome(), IngestOutcome::Created);
    let long = server.ingest("c", vec![document("e", &"A sieve has a mesh. ".repeat(60_000))]).await;
    assert!(long[0].error.clone().unwrap().message.contains("quota bytes"), "{long:?}");
}

/// One of the documents that there are.
async fn told_id(server: &Server) -> String {
    let request = tamis_proto::v1::ListDocumentsRequest { collection: "c".into(), ..Default::default() };
    server.documents().await.list_documents(request).await.unwrap().into_inner().documents.remove(0).id
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_streams_are_counted() {
    let server = Server::start_with(&[("TAMIS_QUOTA_REQUESTS_PER_S", "20"), ("TAMIS_QUOTA_STREAMS", "2")]);
    server.ingest("c", vec![document("a", "A sieve has a mesh.")]).await;
    let ask =
        || RetrieveRequest { query: "mesh".into(), collection: "c".into(), limit: 1, ..RetrieveRequest::default() };
    let mut contexts = server.contexts().await;
    let mut refused = None;
    for _ in 0..200 {
        if let Err(status) = contexts.retrieve(ask()).await {
            refused = Some(status);
            break;
        }
    }
    let refused = refused.expect("two hundred requests in less than a second or two");
    assert_eq!(numbers(&refused)["limit"], "20");
    assert!(refused.get_details_retry_info().is_some());
    let mut them = Request::new(ask());
    them.metadata_mut().insert("x-tamis-tenant", "them".parse().unwrap());
    assert_eq!(contexts.retrieve(them).await.unwrap_err().code(), Code::NotFound, "another tenant is let in");
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;

    // Streams that stay open.
    let waiting = |_: usize| {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        (sender, tokio_stream::wrappers::ReceiverStream::new(receiver))
    };
    let mut documents = server.documents().await;
    let ((first, one), (_second, two), (_third, three)) = (waiting(0), waiting(1), waiting(2));
    let (_a, _b) = (documents.ingest(one).await.unwrap(), documents.ingest(two).await.unwrap());
    let refused = documents.ingest(three).await.unwrap_err();
    assert_eq!((numbers(&refused)["limit"].as_str(), numbers(&refused)["actual"].as_str()), ("2", "3"));
    drop(first);
    let mut tries = 0;
    while documents.ingest(waiting(3).1).await.is_err() {
        tries += 1;
        assert!(tries < 50, "a stream that ended makes room");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_are_counted_until_they_end() {
    let server = Server::start_with(&[("TAMIS_QUOTA_CALLS", "2")]);
    server.ingest("c", vec![document("a", "A sieve has a mesh.")]).await;
    let ask = || RetrieveRequest { query: "mesh".into(), collection: "c".into(), limit: 1, ..Default::default() };
    // Two streams that stay open are two calls.
    let (first, one) = tokio::sync::mpsc::channel(1);
    let (_second, two) = tokio::sync::mpsc::channel(1);
    let mut documents = server.documents().await;
    let open = |receiver| tokio_stream::wrappers::ReceiverStream::new(receiver);
    let (_a, _b) = (documents.ingest(open(one)).await.unwrap(), documents.ingest(open(two)).await.unwrap());
    let refused = server.contexts().await.retrieve(ask()).await.unwrap_err();
    assert_eq!((numbers(&refused)["limit"].as_str(), refused.message().contains("quota calls")), ("2", true));
    let mut them = Request::new(ask());
    them.metadata_mut().insert("x-tamis-tenant", "them".parse().unwrap());
    assert_eq!(
        server.contexts().await.retrieve(them).await.unwrap_err().code(),
        Code::NotFound,
        "another tenant is let in"
    );
    drop(first);
    let mut tries = 0;
    while server.contexts().await.retrieve(ask()).await.is_err() {
        tries += 1;
        assert!(tries < 50, "a call that ended makes room");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
