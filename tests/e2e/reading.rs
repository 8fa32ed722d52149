//! Requests that read: modes, rankers, deadlines, and what is said about it.

use std::time::Duration;

use tamis_proto::v1::filter::Kind;
use tamis_proto::v1::{
    Budget, CompressRequest, CompressResponse, Document, Filter, Mode, Ranker, ReadEnd, ReadStats, ReaderName,
    Xl3mOptions,
};
use tonic::{Code, Request};

use crate::support::{self, Server, document};

/// Twenty notes about the mill's machines; one says who repairs them.
fn notes() -> Vec<Document> {
    let mut notes: Vec<Document> = (0..20)
        .map(|n| {
            let text = format!(
                "Machine {n} of the mill was built in the year {}. It is repaired when it is broken. The people of the mill \
                 look after it and say it was never broken for {n} days.",
                1900 + n
            );
            document(&format!("n{n:02}"), &text)
        })
        .collect();
    notes.push(document("smith", "Broken machines of the mill go to Aurelia Voss, whose workshop is in Ghent."));
    notes
}

fn ask(mode: Mode) -> CompressRequest {
    CompressRequest {
        query: "who repairs the broken machines of the mill".into(),
        collection: "mill".into(),
        budget: Some(Budget { max_tokens: 90, tokenizer: String::new() }),
        mode: mode.into(),
        ..CompressRequest::default()
    }
}

/// What the last reader read.
fn read(response: &CompressResponse) -> ReadStats {
    response.stats.clone().unwrap().read.pop().unwrap()
}

/// Who read.
fn readers(response: &CompressResponse) -> Vec<ReaderName> {
    response.stats.iter().flat_map(|stats| stats.read.iter().map(ReadStats::reader)).collect()
}

/// Every excerpt is a slice of the note that it names.
fn check(response: &CompressResponse) {
    assert!(response.token_count <= 90, "{response:?}");
    for excerpt in &response.excerpts {
        let note = notes().into_iter().find(|n| n.id == excerpt.document_id).unwrap();
        let span = excerpt.span.unwrap();
        assert_eq!(&note.text[span.start as usize..span.end as usize], excerpt.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn precise_reads_and_says_what() {
    let server = Server::start();
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    let fast = client.compress(ask(Mode::Fast)).await.unwrap().into_inner();
    assert!(fast.stats.unwrap().read.is_empty());

    let request = CompressRequest { explain: Some(100), read_passages: Some(5), ..ask(Mode::Precise) };
    let precise = client.compress(request.clone()).await.unwrap().into_inner();
    check(&precise);
    let said = read(&precise);
    assert_eq!((said.passages, said.cut, said.end()), (5, 0, ReadEnd::Done));
    assert!(said.tokens > 100 && said.fingerprint.contains("SmolLM2"), "{said:?}");
    assert!(precise.stats.clone().unwrap().stages_ms.contains_key("read"));
    assert_eq!(readers(&precise), [ReaderName::Mini, ReaderName::Language]);
    let heard = |name: &str| precise.explanation.iter().filter(|b| b.parts.keys().any(|k| k.starts_with(name))).count();
    for name in ["mini head ", "language head "] {
        assert!(heard(name) > 0 && heard(name) < precise.explanation.len(), "five of twenty-one were read: {name}");
    }
    for block in &precise.explanation {
        let sum: f32 = ["sum", "trees", "mini", "language"].iter().filter_map(|part| block.parts.get(*part)).sum();
        assert!((sum - block.score).abs() < 1e-3, "{block:?}");
    }

    let again = client.compress(request).await.unwrap().into_inner();
    assert!(
        again.stats.as_ref().unwrap().read.iter().all(|r| (r.passages, r.tokens) == (5, 0)),
        "nothing is read twice"
    );
    assert_eq!(again.text, precise.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_chosen_by_mode_and_by_name() {
    let server = Server::start();
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    let (mini, language) = (ReaderName::Mini, ReaderName::Language);
    let anybody = ReaderName::Unspecified;
    for (mode, only, who) in [
        (Mode::Mini, anybody, vec![mini]),
        (Mode::Mini, mini, vec![mini]),
        (Mode::Precise, mini, vec![mini]),
        (Mode::Precise, language, vec![language]),
        (Mode::Auto, anybody, vec![mini, language]),
        (Mode::Auto, mini, vec![mini]),
    ] {
        let request = CompressRequest { read_with: only.into(), explain: Some(100), ..ask(mode) };
        let answer = client.compress(request).await.unwrap().into_inner();
        check(&answer);
        assert_eq!(readers(&answer), who, "{mode:?} {only:?}");
        let added = answer.explanation.iter().any(|b| b.parts.get("mini").is_some_and(|part| *part != 0.0));
        assert!(added == who.contains(&mini) || mode == Mode::Auto, "{mode:?} {only:?}: {:?}", answer.explanation);
        if mode == Mode::Mini {
            assert!(read(&answer).passages >= 20 && read(&answer).fingerprint.starts_with("reader-mini:"));
        }
    }
    for (mode, only, ranker) in [
        (Mode::Fast, mini, Ranker::Fused),
        (Mode::Mini, language, Ranker::Fused),
        (Mode::Mini, anybody, Ranker::Xl3m),
        (Mode::Precise, mini, Ranker::Infiniretri),
    ] {
        let request = CompressRequest { read_with: only.into(), ranker: ranker.into(), ..ask(mode) };
        let status = client.compress(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{mode:?} {only:?} {ranker:?}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reader_mini_does_not_take_is_said_and_left_to_others() {
    let server = Server::start();
    let chinese = "磨坊的机器坏了以后，由根特的奥蕾莉亚·沃斯修理。她的工作室在城里，已经有三十年的历史。机器修好以后，工人们继续工作。";
    server.ingest("mill", notes()).await;
    server.ingest("mill-zh", vec![document("zh", chinese)]).await;
    let mut client = server.contexts().await;
    let request =
        CompressRequest {
            query: "谁修理磨坊的机器？".into(), collection: "mill-zh".into(), ..ask(Mode::Mini)
        };
    let answer = client.compress(request).await.unwrap().into_inner();
    assert_eq!((read(&answer).end(), read(&answer).passages), (ReadEnd::Language, 0));
    assert!(answer.text.contains("沃斯"), "{}", answer.text);

    let long = format!("{} who repairs the broken machines of the mill", "of all that stands there, ".repeat(60));
    let request = CompressRequest { query: long.clone(), ..ask(Mode::Precise) };
    let answer = client.compress(request).await.unwrap().into_inner();
    let said = answer.stats.clone().unwrap().read;
    assert_eq!((said[0].end(), said[0].passages, said[1].end()), (ReadEnd::LongQuestion, 0, ReadEnd::Done));
    let status = client.compress(CompressRequest { query: long, ..ask(Mode::Mini) }).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("query"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_says_why_it_stopped() {
    let server = Server::start();
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    let auto = client.compress(ask(Mode::Auto)).await.unwrap().into_inner();
    check(&auto);
    for said in auto.stats.unwrap().read {
        assert!((0.0..=1.0).contains(&said.expected_gain.unwrap()), "{said:?}");
        match said.end() {
            ReadEnd::Sure => assert_eq!(said.passages, 0),
            ReadEnd::Done | ReadEnd::Settled => assert!(said.passages > 0),
            other => panic!("{other:?}"),
        }
    }
    let everything =
        CompressRequest { budget: Some(Budget { max_tokens: 4000, ..Budget::default() }), ..ask(Mode::Auto) };
    let everything = client.compress(everything).await.unwrap().into_inner();
    assert!(everything.text.contains("Aurelia") && everything.text.contains("Machine 7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rankers_of_long_text_keep_what_answers() {
    let server = Server::start();
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    for ranker in [Ranker::Xl3m, Ranker::Infiniretri] {
        let request = CompressRequest { ranker: ranker.into(), explain: Some(0), ..ask(Mode::Precise) };
        let answer = client.compress(request.clone()).await.unwrap().into_inner();
        check(&answer);
        assert!(read(&answer).tokens > 100);
        let ids: Vec<&str> = answer.excerpts.iter().map(|e| e.document_id.as_str()).collect();
        assert!(ids.is_sorted(), "in the order of the documents: {ids:?}");
        if ranker == Ranker::Xl3m {
            assert!(answer.explanation.iter().all(|b| b.parts["entropy"] >= 0.0), "{:?}", answer.explanation);
        }
        let inline = CompressRequest { collection: String::new(), documents: notes(), ..request };
        check_inline(&client.compress(inline).await.unwrap().into_inner());
    }
}

fn check_inline(response: &CompressResponse) {
    assert!(response.token_count <= 90 && !response.excerpts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_is_refused_or_said() {
    let server = Server::start();
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    for (request, field) in [
        (CompressRequest { read_passages: Some(3), ..ask(Mode::Fast) }, "read_passages"),
        (CompressRequest { read_passages: Some(0), ..ask(Mode::Precise) }, "read_passages"),
        (CompressRequest { read_passages: Some(1001), ..ask(Mode::Precise) }, "read_passages"),
        (CompressRequest { ranker: Ranker::Xl3m.into(), ..ask(Mode::Auto) }, "mode"),
        (CompressRequest { query: "why ".repeat(3000), ..ask(Mode::Mini) }, "query"),
        (CompressRequest { query: "why ".repeat(3000), ..ask(Mode::Precise) }, "query"),
        (
            CompressRequest { query: "why ".repeat(3000), ranker: Ranker::Infiniretri.into(), ..ask(Mode::Precise) },
            "query",
        ),
    ] {
        let status = client.compress(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(field), "{status}");
    }
    let empty = CompressRequest { collection: "empty".into(), ..ask(Mode::Precise) };
    assert_eq!(client.compress(empty).await.unwrap_err().code(), Code::NotFound);
    let filter = Some(Filter { kind: Some(Kind::Exists("no such field".into())) });
    let nothing = CompressRequest { filter, ..ask(Mode::Precise) };
    let nothing = client.compress(nothing).await.unwrap().into_inner();
    assert_eq!((nothing.text.as_str(), read(&nothing).passages, read(&nothing).end()), ("", 0, ReadEnd::Unspecified));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_deadline_cuts_what_is_read_and_not_the_answer() {
    // A language model that never opens: whoever opens a named pipe waits for somebody to write into it.
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("model.gguf");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let server = Server::start_with(&[("TAMIS_READER_MODEL", pipe.to_str().unwrap()), ("TAMIS_READ_THREADS", "3")]);
    server.ingest("mill", notes()).await;
    let client = server.contexts().await;
    let hurried = |ranker: Ranker| {
        let mut client = client.clone();
        let mut request = Request::new(CompressRequest {
            ranker: ranker.into(),
            read_with: ReaderName::Language.into(),
            xl3m: (ranker == Ranker::Xl3m).then(|| Xl3mOptions { baseline: true, ..Xl3mOptions::default() }),
            ..ask(Mode::Precise)
        });
        // Much more than all but reading takes.
        request.set_timeout(Duration::from_secs(10));
        async move { client.compress(request).await.unwrap().into_inner() }
    };
    let (certain, attentive, fused) =
        tokio::join!(hurried(Ranker::Xl3m), hurried(Ranker::Infiniretri), hurried(Ranker::Fused));
    for hurried in [certain, attentive, fused] {
        check(&hurried);
        assert_eq!((read(&hurried).end(), read(&hurried).passages), (ReadEnd::Deadline, 0));
        assert!(read(&hurried).cut > 0 && !hurried.excerpts.is_empty());
    }
    let server = Server::start();
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    let calm = client.compress(ask(Mode::Precise)).await.unwrap().into_inner();
    assert_eq!(read(&calm).end(), ReadEnd::Done);
    let mut request = Request::new(ask(Mode::Precise));
    request.set_timeout(Duration::from_millis(1));
    let status = client.compress(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reader_that_is_said() {
    let server = Server::start_with(&[("TAMIS_READER", "off")]);
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    let status = client.compress(ask(Mode::Precise)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("there is no language model"), "{status}");
    assert!(client.compress(ask(Mode::Fast)).await.is_ok() && client.compress(ask(Mode::Mini)).await.is_ok());

    let server = Server::start_with(&[("TAMIS_MINI", "off")]);
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    let status = client.compress(ask(Mode::Precise)).await.unwrap_err();
    assert!(status.message().contains("there is no reader-mini"), "{status}");

    let server = Server::start_with(&[("TAMIS_READER_MODEL", "/no/such/model.gguf")]);
    server.ingest("mill", notes()).await;
    let mut client = server.contexts().await;
    let status = client.compress(ask(Mode::Precise)).await.unwrap_err();
    assert!(status.message().contains("/no/such/model.gguf"), "{status}");
    assert!(client.compress(ask(Mode::Fast)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_does_not_keep_fast_questions_waiting() {
    let server = Server::start_with(&[("TAMIS_READ_THREADS", "1"), ("TAMIS_READ_QUEUE", "2")]);
    server.ingest("mill", notes()).await;
    let client = server.contexts().await;
    let slow = |n: usize| {
        let mut client = client.clone();
        let request = CompressRequest { query: format!("who repairs machine {n}"), ..ask(Mode::Precise) };
        tokio::spawn(async move { client.compress(request).await })
    };
    let reading: Vec<_> = (0..8).map(slow).collect();
    for _ in 0..5 {
        assert!(client.clone().compress(ask(Mode::Fast)).await.is_ok(), "with all readers busy");
    }
    let mut refused = 0;
    for answer in reading {
        match answer.await.unwrap() {
            Ok(answer) => check(&answer.into_inner()),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "one reads, two wait");
}

#[test]
fn the_command_line_shows_what_was_read() {
    let directory = tempfile::tempdir().unwrap();
    for note in notes() {
        std::fs::write(directory.path().join(format!("{}.txt", note.id)), note.text).unwrap();
    }
    let question = ["compress", "--query", "who repairs the broken machines", "--budget", "80", "."];
    let arguments = [&question[..], &["--mode", "precise", "--explain=2", "--format", "json"]].concat();
    let answer = support::json(directory.path(), &arguments);
    assert!(answer["text"].as_str().unwrap().contains("Aurelia"), "{answer}");
    let read = answer["stats"]["read"].as_array().unwrap();
    assert_eq!((&read[0]["reader"], &read[1]["reader"]), (&"mini".into(), &"language".into()), "{read:?}");
    assert_eq!(read[1]["end"], "done");
    assert!(answer["explanation"].as_array().unwrap().iter().any(|b| b["read"] == "yes"), "{answer}");
    let shown = support::succeed(directory.path(), &[&question[..], &["--mode", "auto", "--stats"]].concat());
    assert!(shown.contains("passages read ("), "{shown}");
    let wrong = [&question[..], &["--read-passages", "3"]].concat();
    assert!(support::fail(directory.path(), &wrong).1.contains("read_passages"));
}

#[test]
fn a_passage_is_read_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    std::fs::write(d.join("note.txt"), "A sieve has a drum. <Aurelia> repairs it in Ghent.").unwrap();
    let arguments = ["read", "-q", "who repairs the sieve?", "note.txt", "--certainty"];
    let read = support::json(d, &[&arguments[..], &["--plot", "note.html", "--format", "json"]].concat());
    let text: String = read["tokens"].as_array().unwrap().iter().map(|t| t["text"].as_str().unwrap()).collect();
    assert_eq!(text, "A sieve has a drum. <Aurelia> repairs it in Ghent.");
    assert!(read["tokens_read"].as_u64().unwrap() > 20 && read["certainty"][0]["entropy"].as_f64().unwrap() > 0.0);
    assert!(std::fs::read_to_string(d.join("note.html")).unwrap().contains("&lt;"));
    let wrong = support::fail(d, &[&arguments[..], &["--plot", "note.gif"]].concat()).1;
    assert!(wrong.contains(".html"), "{wrong}");
    assert!(support::fail(d, &["read", "-q", "x", "nothing.txt"]).1.contains("nothing.txt"));

    let read = support::json(
        d,
        &["read", "-q", "who repairs the sieve?", "note.txt", "--read-with", "mini", "--format", "json"],
    );
    let share = |part: &str| {
        let tokens =
            read["tokens"].as_array().unwrap().iter().filter(|t| part.contains(t["text"].as_str().unwrap().trim()));
        tokens.map(|t| t["share"].as_f64().unwrap()).fold(0.0, f64::max)
    };
    assert!(share("Aurelia") > share("sieve") && read["answers"].as_f64().unwrap() > 0.0, "{read}");
}

#[test]
fn passages_are_read_before_anybody_asks() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    std::fs::create_dir(d.join("notes")).unwrap();
    for note in notes() {
        std::fs::write(d.join("notes").join(format!("{}.txt", note.id)), note.text).unwrap();
    }
    let ingest = ["ingest", "notes", "--precompute", "reader"];
    let told = support::fail(d, &[&ingest[..], &["--data-dir", "none"]].concat()).1;
    assert!(told.contains("reader_states_disk_mib"), "{told}");
    let kept = ["--data-dir", "kept", "--reader-states-disk-mib", "200"];
    let summary = support::json(d, &[&ingest[..], &kept, &["--format", "json"]].concat());
    assert_eq!((&summary["precomputed"], &summary["new"]), (&summary["segments"], &21.into()), "{summary}");
    let question = ["compress", "--query", "who repairs the broken machines", "--budget", "80", "--mode", "precise"];
    let ask = |store: &[&str]| support::json(d, &[&question[..], store, &["--format", "json"]].concat());
    let before = ask(&kept);
    // The same passages, read with the question.
    let summary = support::json(d, &["ingest", "notes", ".", "--data-dir", "kept", "--dry-run", "--format", "json"]);
    assert!(
        summary["files"].as_array().unwrap().iter().all(|f| !f["id"].as_str().unwrap().contains("kept")),
        "{summary}"
    );
    assert!(summary["skipped"].to_string().contains("the store itself"), "{summary}");
    support::succeed(d, &["ingest", "notes", "--data-dir", "fresh"]);
    let fresh = ask(&["--data-dir", "fresh", "--reader-states-mib", "200"]);
    let [read, all] = [&before, &fresh].map(|a| a["stats"]["read"][1]["tokens"].as_u64().unwrap());
    assert!(4 * read < all, "{read} of {all} tokens");
    assert_eq!(before["text"], fresh["text"]);
}
