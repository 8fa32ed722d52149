//! Below the sentence: dropped words leave marks, and what is left carries its places.

use tamis_proto::v1::{Budget, CompressRequest, CompressResponse, DigestOptions, Document, Mode, WordOptions};
use tonic::Code;

use crate::support::{self, Server, document};

const PROSE: &str = "The old drum sieve was sold together with eleven other kitchen tools at the rather crowded autumn market in \
    Ghent by Anna de Smet in 1650. It had never been repaired before, although the thin wooden frame had become quite loose \
    over the many long years of daily use. Nobody in the whole town would have paid more than 12.50 florins for such a sieve, \
    as everybody who was there that day kept telling everyone else. The catalogue calls it a \"fine hair tamis of the third \
    kind\", which is what the people of that time usually called a sieve with a very dense mesh.";

fn documents() -> Vec<Document> {
    let code = Document {
        media_type: "text/x-python".into(),
        ..document(
            "code",
            "def sieve(flour, mesh, frame, hand, time, table):\n    return flour and mesh and frame and hand\n",
        )
    };
    vec![document("prose", PROSE), code]
}

fn ask(drop: f32, no_marks: bool) -> CompressRequest {
    CompressRequest {
        query: "who sold the sieve".into(),
        documents: documents(),
        budget: Some(Budget { max_tokens: 300, tokenizer: String::new() }),
        words: (drop > 0.0).then_some(WordOptions { drop, no_marks }),
        ..CompressRequest::default()
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "…").collect::<Vec<_>>().join(" ")
}

/// Every excerpt is what its places say, in their order.
fn check(response: &CompressResponse) {
    for excerpt in &response.excerpts {
        let text = documents().into_iter().find(|d| d.id == excerpt.document_id).unwrap().text;
        let slice = |span: &tamis_proto::v1::Span| &text[span.start as usize..span.end as usize];
        let whole = excerpt.span.unwrap();
        if excerpt.kept.is_empty() {
            assert_eq!(slice(&whole), excerpt.text);
            continue;
        }
        assert!(excerpt.kept.windows(2).all(|w| w[0].end < w[1].start), "{:?}", excerpt.kept);
        assert!(excerpt.kept.iter().all(|k| whole.start <= k.start && k.end <= whole.end));
        let kept: Vec<&str> = excerpt.kept.iter().map(slice).collect();
        assert_eq!(squeezed(&kept.join(" ")), squeezed(&excerpt.text));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_dropped_and_what_must_stay_stays() {
    let server = Server::start();
    let mut client = server.contexts().await;
    let whole = client.compress(ask(0.0, false)).await.unwrap().into_inner();
    assert!(whole.excerpts.iter().all(|e| e.kept.is_empty()) && !whole.text.contains('…'));
    let less = client.compress(ask(0.4, false)).await.unwrap().into_inner();
    check(&less);
    assert!(less.token_count < whole.token_count, "{} of {}: {}", less.token_count, whole.token_count, less.text);
    assert!(less.text.contains('…') && less.excerpts.iter().any(|e| e.kept.len() > 1));
    for stays in
        ["sold", "Ghent", "Anna de Smet", "1650", "never", "Nobody", "12.50 florins", "fine hair tamis of the third"]
    {
        assert!(less.text.contains(stays), "{stays}: {}", less.text);
    }
    assert!(less.text.contains("return flour and mesh and frame and hand"), "code is left whole: {}", less.text);
    let unmarked = client.compress(ask(0.4, true)).await.unwrap().into_inner();
    check(&unmarked);
    assert!(!unmarked.text.contains('…') && unmarked.token_count < less.token_count);
    assert_eq!(client.compress(ask(0.4, false)).await.unwrap().into_inner().text, less.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_asked_is_refused() {
    let server = Server::start();
    let mut client = server.contexts().await;
    let far = client.compress(ask(0.99, false)).await.unwrap_err();
    assert_eq!(far.code(), Code::InvalidArgument);
    assert!(far.message().contains("words.drop: must be from 0.05 to 0.9"), "{}", far.message());
    let digest = DigestOptions::default();
    let digest = CompressRequest { mode: Mode::Digest.into(), digest: Some(digest), ..ask(0.3, false) };
    assert!(client.compress(digest).await.unwrap_err().message().starts_with("words: does not go with a digest"));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.txt"), PROSE).unwrap();
    let arguments = ["compress", "-q", "who sold the sieve", "-b", "300", "--drop-words=0.4", "a.txt"];
    assert!(support::succeed(directory.path(), &arguments).contains('…'));
}
