//! Documents that come piece by piece.

use std::fs;

use tamis_proto::v1::compress_stream_response::Part;
use tamis_proto::v1::{
    Budget, CompressRequest, CompressResponse, CompressStreamRequest, Document, Excerpt, Mode, Ranker, StreamProgress,
};
use tonic::{Code, Status};

use crate::support::{self, Server};

const NEEDLE: &str = "The secret code of the bakery is 74-Lima.";

/// A long text about nothing, with the needle in it.
fn haystack(paragraphs: usize) -> String {
    (0..paragraphs)
        .map(|n| {
            let needle = if n == paragraphs / 3 { format!(" {NEEDLE}") } else { String::new() };
            format!(
                "Train {n} arrives at noon. It waits for {} minutes and leaves when everybody is on board.{needle}\n\n",
                n % 40
            )
        })
        .collect()
}

fn first() -> CompressStreamRequest {
    let request = CompressRequest {
        query: "What is the secret code of the bakery?".into(),
        budget: Some(Budget { max_tokens: 100, tokenizer: String::new() }),
        ..CompressRequest::default()
    };
    let document = Document { id: "trains".into(), ..Document::default() };
    CompressStreamRequest { request: Some(request), document: Some(document), ..CompressStreamRequest::default() }
}

fn piece(bytes: &[u8]) -> CompressStreamRequest {
    CompressStreamRequest { piece: bytes.to_vec(), ..CompressStreamRequest::default() }
}

async fn answer(
    server: &Server,
    messages: Vec<CompressStreamRequest>,
) -> Result<(CompressResponse, Vec<Excerpt>, Vec<StreamProgress>), Status> {
    // An unoptimised encoder beside other tests is slow: nothing here is about deadlines.
    let mut request = tonic::Request::new(tokio_stream::iter(messages));
    request.set_timeout(std::time::Duration::from_secs(300));
    let mut stream = server.contexts().await.compress_stream(request).await?.into_inner();
    let (mut excerpts, mut progress) = (Vec::new(), Vec::new());
    while let Some(response) = stream.message().await? {
        match response.part.unwrap() {
            Part::Excerpt(excerpt) => excerpts.push(excerpt),
            Part::Progress(p) => progress.push(p),
            Part::Context(context) => return Ok((context, excerpts, progress)),
        }
    }
    panic!("an answer has an end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_needle_is_found_wherever_pieces_end() {
    let server = Server::start();
    let text = format!("{}Ünd noch etwas: 東京.\n", haystack(8000));
    assert!(text.len() > 700_000);
    let with = |mode: Mode, ranker: Ranker| {
        let mut message = first();
        let request = message.request.take().unwrap();
        let request = CompressRequest { mode: mode.into(), ranker: ranker.into(), ..request };
        CompressStreamRequest { request: Some(request), ..message }
    };
    for (size, mode, ranker) in [(10_007, Mode::Fast, Ranker::Unspecified), (300_001, Mode::Fast, Ranker::Infiniretri)]
    {
        let mut messages = vec![with(mode, ranker)];
        messages.extend(text.as_bytes().chunks(size).map(piece));
        let (context, excerpts, progress) = answer(&server, messages).await.unwrap();
        assert!(context.text.contains(NEEDLE) && context.token_count <= 100, "{}", context.text);
        for excerpt in &excerpts {
            let span = excerpt.span.unwrap();
            assert_eq!(&text[span.start as usize..span.end as usize], excerpt.text);
        }
        assert!(!progress.is_empty() && progress.windows(2).all(|p| p[0].bytes < p[1].bytes), "{progress:?}");
        let stats = context.stats.unwrap();
        assert!(stats.candidates >= 32 && stats.stages_ms["encode"] > 0.0, "{stats:?}");
        let read = stats.read.first().map_or(0, |read| read.passages);
        assert_eq!(read > 0, (mode, ranker) != (Mode::Fast, Ranker::Unspecified), "{mode:?} {ranker:?}: {read} read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_answered_as_the_whole_document_is() {
    let server = Server::start();
    let text = haystack(600);
    let ask = CompressRequest { must_keep: vec!["Train 77 ".into()], explain: Some(3), ..first().request.unwrap() };
    let messages = vec![CompressStreamRequest { request: Some(ask.clone()), ..first() }, piece(text.as_bytes())];
    let (streamed, excerpts, _) = answer(&server, messages).await.unwrap();
    let whole = CompressRequest {
        documents: vec![Document { id: "trains".into(), text, ..Document::default() }],
        order: tamis_proto::v1::ContextOrder::Document.into(),
        ..ask
    };
    let whole = server.contexts().await.compress(whole).await.unwrap().into_inner();
    assert_eq!(streamed.text, whole.text);
    assert_eq!(
        excerpts.iter().map(|e| e.span).collect::<Vec<_>>(),
        whole.excerpts.iter().map(|e| e.span).collect::<Vec<_>>()
    );
    assert!(streamed.text.contains("Train 77 ") && streamed.confidence > 0.0 && streamed.explanation.len() > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_read_if_it_is_asked_for() {
    let server = Server::start();
    let text = haystack(250);
    let mut message = CompressStreamRequest { read_everything: true, ..first() };
    let status = answer(&server, vec![message.clone()]).await.unwrap_err();
    assert!(status.message().contains("infiniretri"), "{status}");
    message.request.as_mut().unwrap().ranker = Ranker::Infiniretri.into();
    let (context, ..) = answer(&server, vec![message, piece(text.as_bytes())]).await.unwrap();
    assert!(context.text.contains(NEEDLE), "{}", context.text);
    assert!(context.stats.unwrap().read[0].tokens > 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_with_pieces_is_refused() {
    let server = Server::start();
    let with = |change: &dyn Fn(&mut CompressRequest, &mut Document)| {
        let mut message = first();
        let (mut request, mut document) = (message.request.take().unwrap(), message.document.take().unwrap());
        change(&mut request, &mut document);
        CompressStreamRequest { request: Some(request), document: Some(document), ..message }
    };
    for (message, field) in [
        (with(&|r, _| r.collection = "x".into()), "collection"),
        (with(&|r, _| r.must_keep = vec![String::new()]), "must_keep"),
        (with(&|r, _| r.min_relevance = 1.5), "min_relevance"),
        (with(&|r, _| r.query = String::new()), "query"),
        (with(&|r, _| (r.mode, r.read_passages) = (Mode::Precise.into(), Some(0))), "read_passages"),
        (with(&|r, _| r.read_passages = Some(3)), "read_passages"),
        (with(&|r, _| (r.mode, r.ranker) = (Mode::Auto.into(), Ranker::Xl3m.into())), "mode"),
        (with(&|_, d| d.media_type = "application/pdf".into()), "media_type"),
        (with(&|_, d| d.media_type = "text/csv".into()), "media_type"),
        (with(&|_, d| d.text = "x".into()), "document.text"),
        (CompressStreamRequest { document: None, piece: b"x".to_vec(), ..first() }, "piece"),
    ] {
        let status = answer(&server, vec![message]).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(field), "{field}: {status}");
    }
    let status = answer(&server, vec![first(), piece(b"some text, and then \xff\xfe\n")]).await.unwrap_err();
    assert!(status.message().contains("not UTF-8 at byte 20"), "{status}");
    let (nothing, ..) = answer(&server, vec![first()]).await.unwrap();
    assert_eq!((nothing.text.as_str(), nothing.token_count), ("", 0));
}

#[test]
fn the_command_line_streams_a_file() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("trains.txt"), haystack(3000)).unwrap();
    let arguments =
        ["compress", "--query", "What is the secret code of the bakery?", "--budget", "80", "--stream", "trains.txt"];
    let shown = support::succeed(directory.path(), &[&arguments[..], &["--stats"]].concat());
    assert!(shown.contains(NEEDLE) && !shown.contains("passages read"), "{shown}");
    let read = support::succeed(directory.path(), &[&arguments[..], &["--stats", "--mode", "precise"]].concat());
    assert!(read.contains(NEEDLE) && read.contains("8 passages read"), "{read}");
    let missing = ["compress", "--query", "x", "--budget", "80", "--stream", "nothing.txt"];
    assert!(support::fail(directory.path(), &missing).1.contains("nothing.txt"));
}
