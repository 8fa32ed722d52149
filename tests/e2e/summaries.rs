//! Digests with summaries, from an endpoint that may do anything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tamis::models::{self, Cache, Silent, catalog};
use tamis_proto::v1::{Budget, CompressRequest, CompressResponse, DigestOptions, Document, Mode, SummaryMethod};
use tonic::{Code, Request};

use crate::support::{self, Server, document};

/// What an endpoint does with a call.
#[derive(Clone)]
enum Act {
    /// Answers with a status and a body.
    Answer(u16, String),
    /// Says nothing.
    Hang,
    /// Closes the connection.
    Reset,
}

/// An endpoint that acts by its script, call by call, and repeats the last act; remembers what it was asked.
struct Endpoint {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, script) = (log.clone(), script.clone());
                std::thread::spawn(move || serve(stream, &log, &script));
            }
        });
        Self { url, asked }
    }

    fn environment<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = [("TAMIS_SUMMARIZER_URL", self.url.as_str()), ("TAMIS_SUMMARIZER_MODEL", "scripted")];
        own.into_iter().chain(more.iter().copied()).collect()
    }

    fn calls(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>, script: &[Act]) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let act = {
            let mut log = log.lock().unwrap();
            log.push(head + &String::from_utf8(body).unwrap());
            script[(log.len() - 1).min(script.len() - 1)].clone()
        };
        match act {
            Act::Answer(status, body) => {
                let head =
                    format!("HTTP/1.1 {status} Said\r\nretry-after: 0\r\ncontent-length: {}\r\n\r\n", body.len());
                if stream.write_all((head + &body).as_bytes()).is_err() {
                    return;
                }
            }
            Act::Hang => std::thread::sleep(Duration::from_secs(60)),
            Act::Reset => return,
        }
    }
}

fn completion(text: &str) -> Act {
    let usage = serde_json::json!({"prompt_tokens": 100, "completion_tokens": 10});
    let body = serde_json::json!({"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage});
    Act::Answer(200, body.to_string())
}

fn reviews() -> Vec<Document> {
    let of = |n: usize| {
        let text = if n.is_multiple_of(2) {
            format!("The mesh of sieve {n} is fine and purées come out silky, says Anna.")
        } else {
            format!("It costs far too much money: I paid {n} dollars, a rip-off of a price.")
        };
        document(&format!("r{n:02}"), &text)
    };
    (0..20).map(of).collect()
}

fn ask(clusters: u32) -> CompressRequest {
    let summary = SummaryMethod::Hierarchical.into();
    CompressRequest {
        collection: "reviews".into(),
        budget: Some(Budget { max_tokens: 400, tokenizer: String::new() }),
        mode: Mode::Digest.into(),
        digest: Some(DigestOptions { clusters: Some(clusters), summary, ..DigestOptions::default() }),
        ..CompressRequest::default()
    }
}

/// The digest of a server whose endpoint acts like this, and the endpoint.
async fn digest(script: Vec<Act>, environment: &[(&str, &str)]) -> (CompressResponse, Endpoint) {
    let endpoint = Endpoint::start(script);
    let server = Server::start_with(&endpoint.environment(environment));
    server.ingest("reviews", reviews()).await;
    let response = server.contexts().await.compress(ask(2)).await.unwrap().into_inner();
    assert!(response.token_count <= 400);
    assert!(!response.excerpts.is_empty() && response.excerpts.iter().all(|e| response.text.contains(&e.text)));
    (response, endpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cluster_is_summarised_and_what_no_passage_says_is_marked() {
    let endpoint = Endpoint::start(vec![completion("Anna praises the mesh. In 1650 it was sold in Ghent.")]);
    let server =
        Server::start_with(&endpoint.environment(&[("TAMIS_SUMMARIZER_KEY_ENV", "THE_KEY"), ("THE_KEY", "s3cret")]));
    server.ingest("reviews", reviews()).await;
    let mut client = server.contexts().await;
    let response = client.compress(ask(2)).await.unwrap().into_inner();
    let told = response.digest.clone().unwrap();
    assert!(told.warnings.is_empty(), "{:?}", told.warnings);
    let clusters: Vec<_> = told.clusters.iter().filter(|c| !c.outliers).collect();
    assert_eq!(clusters.len(), 2);
    for cluster in clusters {
        let summary = cluster.summary.clone().unwrap();
        assert_eq!((summary.model.as_str(), summary.passages), ("scripted", cluster.passages));
        assert!(summary.not_in_passages.ends_with(&["1650".to_owned(), "Ghent".to_owned()]), "{summary:?}");
        assert!(cluster.excerpts > 0, "a summary stands above what proves it");
    }
    assert!(response.text.contains("(summary by scripted) Anna praises the mesh. In 1650"), "{}", response.text);
    assert!(response.text.contains("[not in the passages: 1650, Ghent]"), "{}", response.text);
    assert!(response.token_count <= 400);
    let cost = told.cost.unwrap();
    assert_eq!((cost.calls, cost.cached, cost.prompt_tokens), (endpoint.calls() as u64, 0, 100 * cost.calls));
    let asked = endpoint.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|a| a.starts_with("POST /v1/chat/completions") && a.contains("Bearer s3cret")));
    assert!(asked.iter().any(|a| a.contains("purées come out silky")), "{asked:?}");
    // Asked again, nobody is called.
    let again = client.compress(ask(2)).await.unwrap().into_inner();
    assert_eq!((again.text, again.digest.unwrap().cost.unwrap().cached), (response.text, cost.calls));
    assert_eq!(endpoint.calls(), asked.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again() {
    let busy = Act::Answer(429, "slow down".into());
    let script = vec![busy, Act::Answer(503, String::new()), Act::Reset, completion("The mesh is praised.")];
    let one_at_a_time = [("TAMIS_SUMMARIZER_CONCURRENCY", "1"), ("TAMIS_SUMMARIZER_RETRIES", "3")];
    let (response, endpoint) = digest(script, &one_at_a_time).await;
    let told = response.digest.unwrap();
    assert!(told.warnings.is_empty(), "{:?}", told.warnings);
    let cost = told.cost.unwrap();
    assert_eq!((cost.retries, endpoint.calls() as u64), (3, cost.calls + 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_is_a_warning_and_the_clusters_tell_themselves() {
    let huge = format!("{{\"choices\": [{{\"message\": {{\"content\": \"{}\"}}}}]}}", "word ".repeat(2_000_000));
    let cases = [
        (Act::Hang, "did not answer in time"),
        (Act::Answer(200, "<html><h1>Welcome</h1></html>".into()), "answered no completion"),
        (Act::Answer(200, "{\"choices\": []}".into()), "the answer is empty"),
        (Act::Answer(200, huge), "answered more than 1048576 bytes"),
        (Act::Answer(401, "{\"error\": \"no such key\"}".into()), "no such key"),
        (Act::Answer(429, String::new()), "429 Too Many Requests (2 calls)"),
        (Act::Answer(302, String::new()), "302 Found"),
        (completion(&"an endless sentence ".repeat(200)), "its first sentence is over"),
    ];
    for (act, reason) in cases {
        let environment = [("TAMIS_SUMMARIZER_TIMEOUT_S", "1"), ("TAMIS_SUMMARIZER_RETRIES", "1")];
        let (response, _) = digest(vec![act], &environment).await;
        let told = response.digest.unwrap();
        assert_eq!(told.warnings.len(), told.clusters.len());
        assert!(told.warnings[0].contains(reason), "{reason}: {:?}", told.warnings);
        assert!(told.clusters.iter().all(|c| c.summary.is_none()) && !response.text.contains("summary by"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_leaves_time_for_the_digest_itself() {
    let endpoint = Endpoint::start(vec![Act::Hang]);
    let server = Server::start_with(&endpoint.environment(&[]));
    server.ingest("reviews", reviews()).await;
    let mut request = Request::new(ask(2));
    request.set_timeout(Duration::from_secs(8));
    let response = server.contexts().await.compress(request).await.unwrap().into_inner();
    assert!(!response.digest.unwrap().warnings.is_empty() && !response.excerpts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_needs_a_summarizer() {
    let server = Server::start();
    server.ingest("reviews", reviews()).await;
    let refused = server.contexts().await.compress(ask(2)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("summarizer_url"), "{}", refused.message());
    let directory = tempfile::tempdir().unwrap();
    for (flags, reason) in [
        (vec!["--summarizer-url", "ftp://x", "--summarizer-model", "m"], "http://HOST"),
        (vec!["--summarizer-url", "http://127.0.0.1:1/v1"], "summarizer_model"),
    ] {
        let arguments = [vec!["compress", "--digest", "--summary", "--budget", "100"], flags].concat();
        assert!(support::fail(directory.path(), &arguments).1.contains(reason));
    }
}

/// llama.cpp's server with the language model that reads; it ends when this is dropped.
struct LlamaCpp {
    url: String,
    child: Child,
}

impl LlamaCpp {
    fn start(python: &str) -> Self {
        let cache = Cache::from_environment().unwrap();
        let file = catalog::READER.files.iter().find(|f| f.name.ends_with(".gguf")).unwrap();
        let model = models::obtain(&catalog::READER, &cache, &Silent).unwrap().join(file.name);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/openai_server.py");
        let mut command = Command::new(python);
        command.arg(script).arg(model).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { url: url.trim().to_owned(), child }
    }
}

impl Drop for LlamaCpp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// With a real model: at the endpoint `TAMIS_TEST_OPENAI_URL`, or run by the Python of `TAMIS_TEST_OPENAI_PYTHON`.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_model_summarises() {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/openai-server/bin/python");
    let python = std::env::var("TAMIS_TEST_OPENAI_PYTHON").ok();
    let python = python.or_else(|| prepared.exists().then(|| prepared.display().to_string()));
    let (url, _server) = match (std::env::var("TAMIS_TEST_OPENAI_URL"), python) {
        (Ok(url), _) => (url, None),
        (Err(_), Some(python)) => {
            let server = LlamaCpp::start(&python);
            (server.url.clone(), Some(server))
        }
        (Err(_), None) => {
            eprintln!("skipped: `cargo xtask test` prepares a server, or set TAMIS_TEST_OPENAI_URL to that of another");
            return;
        }
    };
    let environment = [
        ("TAMIS_SUMMARIZER_URL", url.as_str()),
        ("TAMIS_SUMMARIZER_MODEL", "local"),
        ("TAMIS_SUMMARIZER_TIMEOUT_S", "120"),
        ("TAMIS_DEFAULT_TIMEOUT_S", "300"),
    ];
    let server = Server::start_with(&environment);
    server.ingest("reviews", reviews()).await;
    let response = server.contexts().await.compress(ask(2)).await.unwrap().into_inner();
    let told = response.digest.clone().unwrap();
    assert!(told.clusters.iter().any(|c| c.summary.is_some()), "{:?}", told.warnings);
    assert!(response.token_count <= 400 && told.cost.unwrap().completion_tokens > 0);
}
