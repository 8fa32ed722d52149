//! Conversations that are longer than their budget.

use std::io::Write;

use serde_json::json;
use tamis_proto::v1::{Budget, CompressRequest, Document, MemoryOptions, Mode};
use tonic::Code;

use crate::support::{self, Server, document};

/// Small talk, with one thing said in the middle that nobody could guess.
fn turns() -> Vec<Document> {
    let mut texts = vec!["You are a helpful assistant who answers in short sentences.".to_owned()];
    for n in 0..24 {
        texts.push(if n == 11 {
            "By the way, the vault's override phrase is marmalade zeppelin quadrant, and Ottoline guards it.".into()
        } else if n % 2 == 0 {
            "How are you today? I am fine, thank you very much.".into()
        } else {
            "That is good to hear. I hope you have a nice day, and thank you very much.".into()
        });
    }
    texts.push("Thank you. What shall we talk about next?".into());
    texts
        .iter()
        .zip(1..)
        .map(|(text, n)| Document { title: format!("turn {n}"), ..document(&n.to_string(), text) })
        .collect()
}

fn ask(max_tokens: u32, memory: Option<MemoryOptions>) -> CompressRequest {
    CompressRequest {
        documents: turns(),
        budget: Some(Budget { max_tokens, tokenizer: String::new() }),
        mode: Mode::Memory.into(),
        memory,
        ..CompressRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opening_the_newest_and_the_surprising_are_kept() {
    let server = Server::start();
    let mut client = server.contexts().await;
    let kept = client.compress(ask(160, None)).await.unwrap().into_inner();
    assert!(kept.token_count <= 160);
    for stays in ["helpful assistant", "marmalade zeppelin", "talk about next"] {
        assert!(kept.text.contains(stays), "{stays}: {}", kept.text);
    }
    for excerpt in &kept.excerpts {
        let turn = turns().into_iter().find(|t| t.id == excerpt.document_id).unwrap();
        let span = excerpt.span.unwrap();
        assert_eq!(&turn.text[span.start as usize..span.end as usize], excerpt.text);
    }
    let order: Vec<u32> = kept.excerpts.iter().map(|e| e.document_id.parse().unwrap()).collect();
    assert!(order.is_sorted(), "turns stand in their order: {order:?}");
    let read = &kept.stats.unwrap().read[0];
    assert!(read.tokens > 100 && read.cut == 0 && !read.fingerprint.is_empty());
    // The same again, and nothing is read twice.
    let again = client.compress(ask(160, None)).await.unwrap().into_inner();
    assert_eq!((again.text, again.stats.unwrap().read[0].tokens), (kept.text, 0));
    // What is old counts less, down to nothing.
    let forgets = MemoryOptions { opening: Some(0), newest: Some(2), decay: Some(0.3) };
    let forgotten = client.compress(ask(160, Some(forgets))).await.unwrap().into_inner();
    assert!(
        !forgotten.text.contains("marmalade") && !forgotten.text.contains("helpful assistant"),
        "{}",
        forgotten.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_conversation_is_refused() {
    let server = Server::start_with(&[("TAMIS_READER", "off")]);
    let mut client = server.contexts().await;
    let mut refused = async |request: CompressRequest, reason: &str| {
        let status = client.compress(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(reason), "{}", status.message());
    };
    refused(ask(160, None), "there is no language model here").await;
    refused(ask(160, Some(MemoryOptions { decay: Some(0.0), ..MemoryOptions::default() })), "memory.decay").await;
    refused(CompressRequest { documents: Vec::new(), ..ask(160, None) }, "bring the turns").await;
    refused(CompressRequest { query: "who?".into(), ..ask(160, None) }, "query: does not go with a memory").await;
    refused(CompressRequest { collection: "c".into(), ..ask(160, None) }, "collection: does not go with").await;
    refused(CompressRequest { min_relevance: 0.5, ..ask(160, None) }, "min_relevance: does not go with").await;
    let fast =
        CompressRequest { mode: Mode::Fast.into(), query: "who?".into(), ..ask(160, Some(MemoryOptions::default())) };
    refused(fast, "memory: goes with the mode memory").await;
}

#[test]
fn the_command_line_reads_chats() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(directory.path().join("chat.jsonl")).unwrap();
    for (n, turn) in turns().iter().enumerate() {
        let role = if n % 2 == 0 { "assistant" } else { "user" };
        writeln!(file, "{}", json!({"role": role, "content": turn.text})).unwrap();
    }
    writeln!(file, "{}", json!({"role": "user", "content": " "})).unwrap();
    let kept = support::succeed(directory.path(), &["compress", "--memory", "chat.jsonl", "-b", "160"]);
    assert!(kept.contains("marmalade") && kept.contains("] user"), "{kept}");
    let (code, error) =
        support::fail(directory.path(), &["compress", "--memory", "chat.jsonl", "-b", "160", "-q", "who?"]);
    assert!(code == 2 && error.contains("--query"), "{error}");
    std::fs::write(directory.path().join("bad.jsonl"), "{\"role\": 1}\n").unwrap();
    assert!(
        support::fail(directory.path(), &["compress", "--memory", "bad.jsonl", "-b", "160"]).1.contains("bad.jsonl:1:")
    );
}
