//! The services over a socket: contracts, limits, and clients that misbehave.

use std::time::Duration;

use tamis_proto::v1::compress_stream_response::Part as StreamPart;
use tamis_proto::v1::ingest_request::Part;
use tamis_proto::v1::{
    Budget, CompressRequest, CompressStreamRequest, CountTokensRequest, Document, EndDocument, ExpandRequest, Filter,
    FilterList, IngestOptions, IngestOutcome, ListDocumentsRequest, Span, filter::Kind,
};
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::support::{Server, document, part, requests};

fn ask(query: &str, collection: &str, max_tokens: u32) -> CompressRequest {
    CompressRequest {
        query: query.into(),
        collection: collection.into(),
        budget: Some(Budget { max_tokens, tokenizer: String::new() }),
        ..CompressRequest::default()
    }
}

fn outcomes(responses: &[tamis_proto::v1::IngestResponse]) -> Vec<IngestOutcome> {
    responses.iter().map(|r| r.outcome()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_small_documents_in_one_stream() {
    let server = Server::start();
    // Few texts, many documents; some ids twice, some empty.
    let mut documents: Vec<Document> =
        (0..10_000).map(|n| document(&format!("d{n:05}"), &format!("Note {}.", n % 10))).collect();
    documents[500].text = "  ".into();
    documents[9_000].id = "d00007".into();
    documents[9_000].text = "The last word on seven.".into();
    let responses = server.ingest("many", documents).await;
    assert_eq!(responses.len(), 10_000);
    assert!(responses.iter().enumerate().all(|(n, r)| r.index == n as u64), "acknowledged in order");
    assert_eq!(responses[500].outcome(), IngestOutcome::Refused);
    assert_eq!(responses[500].error.as_ref().unwrap().reason, "UNUSABLE_DOCUMENT");
    assert_eq!(responses[9_000].outcome(), IngestOutcome::Replaced);
    let request = ListDocumentsRequest { collection: "many".into(), page_size: 6_000, ..Default::default() };
    let first = server.documents().await.list_documents(request.clone()).await.unwrap().into_inner();
    let request = ListDocumentsRequest { page_token: first.next_page_token.clone(), ..request };
    let second = server.documents().await.list_documents(request).await.unwrap().into_inner();
    assert_eq!((first.documents.len(), second.documents.len()), (6_000, 3_998));
    assert!(second.next_page_token.is_empty());
    let answer =
        server.contexts().await.compress(ask("the last word on seven", "many", 60)).await.unwrap().into_inner();
    assert_eq!(answer.excerpts[0].text, "The last word on seven.");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_again_and_again_ends_with_the_last_text() {
    let server = Server::start();
    server.ingest("twice", vec![document("a", "First version.")]).await;
    let again = ["Second version.", "First version.", "Third version.", "Third version."];
    let responses = server.ingest("twice", again.iter().map(|t| document("a", t)).collect()).await;
    assert_eq!(
        outcomes(&responses),
        [IngestOutcome::Replaced, IngestOutcome::Replaced, IngestOutcome::Replaced, IngestOutcome::Unchanged]
    );
    let answer = server.contexts().await.compress(ask("version", "twice", 50)).await.unwrap().into_inner();
    assert_eq!(answer.excerpts.len(), 1);
    assert_eq!(answer.excerpts[0].text, "Third version.");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_in_chunks_and_protocol_errors() {
    let server = Server::start();
    let text = "Größe zählt. 東京都は大きい。".repeat(50);
    let begin = |id: &str| Part::Begin(Document { id: id.into(), ..Document::default() });
    let mut parts =
        vec![Part::Options(IngestOptions { collection: "chunks".into(), ..IngestOptions::default() }), begin("whole")];
    // Chunks of 7 bytes end inside characters.
    parts.extend(text.as_bytes().chunks(7).map(|c| Part::Chunk(c.to_vec())));
    parts.extend([
        Part::End(EndDocument {}),
        begin("latin1"),
        Part::Chunk(b"caf\xe9 au lait".to_vec()),
        Part::End(EndDocument {}),
        begin("broken.pdf"),
        Part::Chunk(b"%PDF-1.7 and nothing more".to_vec()),
        Part::End(EndDocument {}),
    ]);
    let stream = tokio_stream::iter(parts.into_iter().map(part).collect::<Vec<_>>());
    let mut responses = server.documents().await.ingest(stream).await.unwrap().into_inner();
    let whole = responses.message().await.unwrap().unwrap();
    assert_eq!((whole.document_id.as_str(), whole.outcome()), ("whole", IngestOutcome::Created));
    let latin1 = responses.message().await.unwrap().unwrap();
    assert_eq!(latin1.outcome(), IngestOutcome::Created, "other encodings are detected");
    let broken = responses.message().await.unwrap().unwrap();
    assert!(broken.error.unwrap().message.contains("not a PDF"));
    let request = ExpandRequest {
        collection: "chunks".into(),
        document_id: "whole".into(),
        span: Some(Span { start: 0, end: 5 }),
        blocks: 1000,
        ..ExpandRequest::default()
    };
    let all = server.contexts().await.expand(request.clone()).await.unwrap().into_inner();
    assert_eq!(all.text, text.trim());
    let cut = ExpandRequest { span: Some(Span { start: 3, end: 4 }), blocks: 1, ..request.clone() };
    assert_eq!(&text[..all.span.unwrap().end as usize], all.text);
    assert!(server.contexts().await.expand(cut).await.is_ok(), "a span inside a block is widened to it");
    let long = ExpandRequest { span: Some(Span { start: 0, end: 2 << 20 }), ..request.clone() };
    let status = server.contexts().await.expand(long).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "LIMIT_EXCEEDED");
    let outside = ExpandRequest { span: Some(Span { start: 0, end: 1 << 19 }), ..request };
    assert_eq!(server.contexts().await.expand(outside).await.unwrap_err().code(), Code::InvalidArgument);

    for broken in [vec![Part::Chunk(vec![65])], vec![begin("x"), begin("y")], vec![begin("x")]] {
        let stream = tokio_stream::iter(broken.into_iter().map(part).collect::<Vec<_>>());
        let mut responses = server.documents().await.ingest(stream).await.unwrap().into_inner();
        let status = responses.message().await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_field_limit_and_reason() {
    let server = Server::start();
    server.ingest("e", vec![document("a", "A sentence about sieves.")]).await;
    let mut client = server.contexts().await;

    let status = client.compress(ask("sieves", "e", 2)).await.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (status.code(), info.reason.as_str(), info.domain.as_str()),
        (Code::FailedPrecondition, "BUDGET_INFEASIBLE", "tamis")
    );
    let minimum: u32 = info.metadata["minimum"].parse().unwrap();
    assert!(client.compress(ask("sieves", "e", minimum)).await.is_ok());

    let status = client.compress(ask(&"x".repeat(70_000), "e", 20)).await.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.metadata["limit"].as_str()), ("LIMIT_EXCEEDED", "65536"));
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "query");

    let deep = (0..40).fold(Filter { kind: Some(Kind::Exists("x".into())) }, |f, _| Filter {
        kind: Some(Kind::And(FilterList { filters: vec![f] })),
    });
    let status = client.compress(CompressRequest { filter: Some(deep), ..ask("x", "e", 20) }).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "filter");

    let status = client.compress(CompressRequest { budget: None, ..ask("x", "e", 20) }).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "budget");

    for tokenizer in ["/etc/passwd.json", "../x.json", "nope"] {
        let request = CountTokensRequest { tokenizer: tokenizer.into(), texts: vec!["x".into()] };
        let status = client.count_tokens(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "budget.tokenizer");
    }
    let newer: [(CompressRequest, &str); 5] = [
        (CompressRequest { mode: 99, ..ask("x", "e", 20) }, "mode"),
        (CompressRequest { format: -1, ..ask("x", "e", 20) }, "format"),
        (CompressRequest { order: 9, ..ask("x", "e", 20) }, "order"),
        (CompressRequest { read_with: 9, ..ask("x", "e", 20) }, "read_with"),
        (CompressRequest { ranker: 9, ..ask("x", "e", 20) }, "ranker"),
    ];
    for (request, field) in newer {
        let status = client.compress(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    let both = CompressRequest { documents: vec![document("a", "b")], ..ask("x", "e", 20) };
    assert_eq!(client.compress(both).await.unwrap_err().code(), Code::InvalidArgument);
    let huge = CompressRequest { documents: vec![document("a", &"b ".repeat(40 << 20))], ..ask("x", "", 20) };
    let status = client.compress(huge).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");
    assert!(client.compress(ask("sieves", "e", 50)).await.is_ok(), "and the server serves the next");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_the_same_answer() {
    let server = Server::start();
    server
        .ingest(
            "s",
            vec![document("a", "Sift the flour. Melt the butter."), document("b", "Butter melts at 32 degrees.")],
        )
        .await;
    let mut client = server.contexts().await;
    let whole = client.compress(ask("butter", "s", 60)).await.unwrap().into_inner();
    let request = CompressStreamRequest { request: Some(ask("butter", "s", 60)), ..CompressStreamRequest::default() };
    let mut stream = client.compress_stream(tokio_stream::once(request)).await.unwrap().into_inner();
    let mut excerpts = Vec::new();
    let mut end = None;
    while let Some(response) = stream.message().await.unwrap() {
        match response.part.unwrap() {
            StreamPart::Excerpt(e) => excerpts.push(e),
            StreamPart::Context(c) => end = Some(c),
            StreamPart::Progress(p) => panic!("nothing is sent: {p:?}"),
        }
    }
    assert_eq!((excerpts, end.unwrap().text), (whole.excerpts, whole.text));
}

#[tokio::test(flavor = "multi_thread")]
async fn inline_documents_stand_in_their_own_order() {
    let server = Server::start();
    let documents = (0..12).map(|n| document("", &format!("Sieve number {n}."))).collect();
    let order = tamis_proto::v1::ContextOrder::Document.into();
    let request = CompressRequest { documents, order, ..ask("sieve", "", 1000) };
    let answer = server.contexts().await.compress(request).await.unwrap().into_inner();
    let ids: Vec<String> = answer.excerpts.iter().map(|e| e.document_id.clone()).collect();
    assert_eq!(ids, (1..=12).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_do_not_see_each_other() {
    let server = Server::start();
    let mut documents = server.documents().await;
    for tenant in ["red", "blue"] {
        let mut request = Request::new(requests("c", vec![document("same", &format!("The secret of {tenant}."))]));
        request.metadata_mut().insert("x-tamis-tenant", tenant.parse().unwrap());
        let mut stream = documents.ingest(request).await.unwrap().into_inner();
        while stream.message().await.unwrap().is_some() {}
    }
    let mut client = server.contexts().await;
    for tenant in ["red", "blue"] {
        let mut request = Request::new(ask("what is the secret", "c", 100));
        request.metadata_mut().insert("x-tamis-tenant", tenant.parse().unwrap());
        let answer = client.compress(request).await.unwrap().into_inner();
        assert_eq!(answer.excerpts.len(), 1);
        assert_eq!(answer.excerpts[0].text, format!("The secret of {tenant}."));
    }
    let status = client.compress(ask("secret", "c", 100)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "the default tenant has no such collection");
    let mut request = Request::new(ask("secret", "c", 100));
    request.metadata_mut().insert("x-tamis-tenant", "../red".parse().unwrap());
    assert_eq!(client.compress(request).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_stop_the_work() {
    let server = Server::start();
    let long: String = (0..4000).map(|n| format!("Sentence number {n} speaks of sieve {}. ", n * 3)).collect();
    let mut request =
        Request::new(CompressRequest { documents: vec![document("long", &long)], ..ask("sieve 12", "", 100) });
    request.set_timeout(Duration::from_millis(400));
    let started = std::time::Instant::now();
    let status = server.contexts().await.compress(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "encoding all of it takes far longer");
    // The thread is free again: a small request is answered although all threads had such work.
    let small = CompressRequest { documents: vec![document("s", "A sieve.")], ..ask("sieve", "", 100) };
    assert!(server.contexts().await.compress(small).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_a_typed_error() {
    let server = Server::start_with(&[("TAMIS_QUERY_THREADS", "1"), ("TAMIS_QUERY_QUEUE", "1")]);
    let text: String = (0..150).map(|n| format!("Sentence number {n} speaks of many sieves. ")).collect();
    let client = server.contexts().await;
    let calls: Vec<_> = (0..24)
        .map(|_| {
            let mut client = client.clone();
            let request = CompressRequest { documents: vec![document("d", &text)], ..ask("sieves", "", 100) };
            tokio::spawn(async move { client.compress(request).await })
        })
        .collect();
    let (mut answered, mut refused) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => answered += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
                refused += 1;
            }
        }
    }
    assert!(answered >= 1 && refused >= 1, "{answered} answered, {refused} refused");
    let small = CompressRequest { documents: vec![document("s", "A sieve.")], ..ask("sieve", "", 100) };
    assert!(server.contexts().await.compress(small).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_loses_nothing_it_finished() {
    let server = Server::start();
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    sender
        .send(part(Part::Options(IngestOptions { collection: "gone".into(), ..IngestOptions::default() })))
        .await
        .unwrap();
    sender.send(part(Part::Document(document("done", "This one is complete.")))).await.unwrap();
    sender.send(part(Part::Begin(document("half", "")))).await.unwrap();
    sender.send(part(Part::Chunk(b"never ended".to_vec()))).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut responses = server.documents().await.ingest(stream).await.unwrap().into_inner();
    let first = responses.message().await.unwrap().unwrap();
    assert_eq!(first.document_id, "done");
    drop((responses, sender));
    let request = ListDocumentsRequest { collection: "gone".into(), ..Default::default() };
    let listed = server.documents().await.list_documents(request).await.unwrap().into_inner().documents;
    assert_eq!(listed.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_what_was_taken() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start_on(directory.path(), &[]);
    let (sender, receiver) = tokio::sync::mpsc::channel(2048);
    sender
        .send(part(Part::Options(IngestOptions { collection: "stop".into(), ..IngestOptions::default() })))
        .await
        .unwrap();
    for n in 0..200 {
        sender.send(part(Part::Document(document(&format!("d{n}"), &format!("Text number {n}."))))).await.unwrap();
    }
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut responses = server.documents().await.ingest(stream).await.unwrap().into_inner();
    let mut acknowledged = vec![responses.message().await.unwrap().unwrap().document_id];
    server.terminate();
    let end = loop {
        match responses.message().await {
            Ok(Some(response)) => acknowledged.push(response.document_id),
            Ok(None) => break None,
            Err(status) => break Some(status),
        }
    };
    // The stream stays open on our side: the server ends it, and says that there may be more to send.
    assert_eq!(end.map(|s| s.code()), Some(Code::Unavailable));
    // The sender is still open, and the server ends all the same.
    drop(responses);
    let status = tokio::task::spawn_blocking(move || server.child.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
    let server = Server::start_on(directory.path(), &[]);
    let request = ListDocumentsRequest { collection: "stop".into(), page_size: 1000, ..Default::default() };
    let listed = server.documents().await.list_documents(request).await.unwrap().into_inner().documents;
    for id in acknowledged {
        assert!(listed.iter().any(|d| d.id == id), "{id} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_reflection_and_locks() {
    let server = Server::start();
    let said = crate::support::succeed(&server.data, &["serve", "--health", "--server", &server.url]);
    assert_eq!(said.trim(), "serving");
    let data = server.data.display().to_string();
    let (code, said) = crate::support::fail(&server.data, &["collections", "list", "--data-dir", &data]);
    assert!(code == 1 && said.contains("is in use by another process"), "{said}");
    let address = server.url.trim_start_matches("http://");
    let (code, said) = crate::support::fail(&server.data, &["serve", "--listen", address]);
    assert!(code == 1 && said.contains("choose another address with --listen"), "{said}");

    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_request, server_reflection_response};
    let ask = server_reflection_request::MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
    let mut client = ServerReflectionClient::new(server.channel().await);
    let mut stream = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let response = stream.message().await.unwrap().unwrap().message_response.unwrap();
    let server_reflection_response::MessageResponse::ListServicesResponse(list) = response else {
        panic!("{response:?}")
    };
    let names: Vec<&str> = list.service.iter().map(|s| s.name.as_str()).collect();
    for name in
        ["tamis.v1.ContextService", "tamis.v1.IngestService", "tamis.v1.CollectionService", "grpc.health.v1.Health"]
    {
        assert!(names.contains(&name), "{names:?}");
    }
}
