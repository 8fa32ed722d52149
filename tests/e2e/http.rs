//! HTTP with JSON, and gRPC-Web, as browsers and shells speak them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, succeed};

/// Status, headers and body of a call.
struct Told {
    status: u16,
    kind: String,
    origin: Option<String>,
    body: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// Names and data of server-sent events.
    fn events(&self) -> Vec<(String, Value)> {
        assert_eq!(self.kind, "text/event-stream", "{}", self.body);
        let field = |event: &str, name: &str| {
            event.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned()
        };
        let events = self.body.split("\n\n").filter(|e| !e.trim().is_empty());
        events.map(|e| (field(e, "event:"), serde_json::from_str(&field(e, "data:")).unwrap())).collect()
    }
}

fn call(server: &Server, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Told {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
    let agent: ureq::Agent = config.build().into();
    let mut request = agent.post(format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send(body.as_ref()).unwrap();
    let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (kind, origin) = (header("content-type").unwrap_or_default(), header("access-control-allow-origin"));
    Told {
        status: response.status().as_u16(),
        kind,
        origin,
        body: String::from_utf8_lossy(&response.body_mut().read_to_vec().unwrap()).into_owned(),
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn ask(server: &Server, path: &str, body: &Value) -> Told {
    call(server, path, &[JSON], body.to_string())
}

fn ingest(server: &Server) -> Told {
    let lines = [
        json!({"options": {"collection": "docs"}}),
        json!({"document": {"id": "soup", "text": "Leek soup takes 1.5 l of water.\n\nIt cooks for an hour."}}),
        json!({"document": {"id": "empty", "text": ""}}),
    ];
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    call(server, "/v1/ingest", &[("content-type", "application/x-ndjson")], lines.join("\n"))
}

fn question(text: &str) -> Value {
    json!({"query": text, "collection": "docs", "budget": {"max_tokens": 200}})
}

#[test]
fn every_call_goes_over_http_as_well() {
    let server = Server::start();
    let taken = ingest(&server).events();
    assert_eq!(taken.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["message", "message", "end"]);
    assert_eq!(taken[0].1["outcome"], "INGEST_OUTCOME_CREATED");
    assert_eq!(taken[1].1["error"]["reason"], "UNUSABLE_DOCUMENT");

    let told = ask(&server, "/v1/compress", &question("How much water?"));
    assert_eq!((told.status, told.kind.as_str()), (200, "application/json"), "{}", told.body);
    let context = told.json();
    assert!(context["text"].as_str().unwrap().contains("1.5 l of water"), "{context}");
    assert!(context["token_count"].as_u64().unwrap() <= 200);
    // What has its default value is there as well: programs need not know defaults.
    assert_eq!(context["not_kept"], json!([]));

    let streamed = ask(&server, "/v1/compress-stream", &json!({}));
    assert_eq!(streamed.events()[0].0, "error");
    let streamed = ask(&server, "/v1/compress-stream", &json!({"request": question("How much water?")}));
    let events = streamed.events();
    assert!(events.iter().all(|(name, _)| name != "error") && events.last().unwrap().0 == "end", "{events:?}");
    assert!(streamed.body.contains("1.5 l of water"));

    // Nothing at all stands for a message without fields; names may be written as JavaScript does.
    assert_eq!(call(&server, "/v1/list-collections", &[JSON], "").json()["collections"][0]["name"], "docs");
    let camel = json!({"query": "water", "collection": "docs", "budget": {"maxTokens": 200}});
    assert_eq!(ask(&server, "/v1/compress", &camel).status, 200);
    let stats = ask(&server, "/v1/get-collection-stats", &json!({"name": "docs"})).json();
    assert_eq!(stats["collection"]["documents"], "1");
}

#[test]
fn what_is_wrong_is_said_as_it_is_over_grpc() {
    let server = Server::start_with(&[("TAMIS_MAX_MESSAGE_BYTES", "100000")]);
    ingest(&server);
    let said = |path: &str, headers: &[(&str, &str)], body: &str| {
        let told = call(&server, path, headers, body);
        let error = told.json()["error"].clone();
        (told.status, error["code"].as_str().unwrap_or_default().to_owned(), error)
    };
    let is = |said: &(u16, String, Value), status: u16, code: &str| {
        assert_eq!((said.0, said.1.as_str()), (status, code), "{}", said.2);
    };
    let json = [JSON];
    is(&said("/v1/no-such", &json, "{}"), 404, "UNIMPLEMENTED");
    is(&said("/v1/compress", &[], "{}"), 415, "INVALID_ARGUMENT");
    is(&said("/v1/compress", &[("content-type", "text/plain")], "{}"), 415, "INVALID_ARGUMENT");
    is(&said("/v1/compress", &json, "{"), 400, "INVALID_ARGUMENT");
    is(&said("/v1/compress", &json, "{} {}"), 400, "INVALID_ARGUMENT");
    is(&said("/v1/compress", &json, "[1]"), 400, "INVALID_ARGUMENT");
    is(&said("/v1/compress", &json, r#"{"query": 7}"#), 400, "INVALID_ARGUMENT");
    is(&said("/v1/compress", &json, "{\"query\": \"\u{0}\"}"), 400, "INVALID_ARGUMENT");
    let unknown = said("/v1/compress", &json, r#"{"quary": "x"}"#);
    is(&unknown, 400, "INVALID_ARGUMENT");
    assert!(unknown.2["message"].as_str().unwrap().contains("quary"));
    is(&said("/v1/compress", &json, &format!("{{\"query\": \"{}\"}}", "x".repeat(200_000))), 413, "OUT_OF_RANGE");
    let deep = format!("{}{}", "{\"filter\":{\"not\":".repeat(500), "}}".repeat(500));
    is(&said("/v1/compress", &json, &deep), 400, "INVALID_ARGUMENT");
    let budget = said("/v1/compress", &json, &json!({"query": "x", "collection": "docs"}).to_string());
    is(&budget, 400, "INVALID_ARGUMENT");
    assert_eq!(budget.2["violations"][0]["field"], "budget", "{}", budget.2);
    let missing = said("/v1/get-collection", &json, r#"{"name": "none"}"#);
    is(&missing, 404, "NOT_FOUND");
    assert_eq!(missing.2["reason"], "NOT_FOUND");
    is(&said("/v1/compress", &[JSON, ("x-tamis-tenant", "a b")], &question("x").to_string()), 400, "INVALID_ARGUMENT");
    is(
        &said("/v1/compress", &[JSON, ("x-tamis-timeout-ms", "0")], &question("x").to_string()),
        504,
        "DEADLINE_EXCEEDED",
    );
    is(&said("/v1/compress", &[JSON, ("x-tamis-timeout-ms", "soon")], "{}"), 400, "INVALID_ARGUMENT");
    // A line of a stream that can't be read, after one that can.
    let lines = format!("{}\n{{\"document\": 7}}\n", json!({"options": {"collection": "docs"}}));
    let told = call(&server, "/v1/ingest", &[("content-type", "application/x-ndjson")], lines);
    let (name, error) = told.events().remove(0);
    assert_eq!((name.as_str(), &error["error"]["code"]), ("error", &json!("INVALID_ARGUMENT")), "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("line 2"), "{error}");
    assert_eq!(ask(&server, "/v1/compress", &question("water")).status, 200, "the next one is served");
}

#[test]
fn raw_bytes_that_are_no_call_do_no_harm() {
    let server = Server::start();
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let large = format!("POST /v1/compress HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(20_000));
    for sent in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03random bytes of TLS"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v1/compress HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /v1/compress HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\nzz\r\n",
        large.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(sent);
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert_eq!(call(&server, "/v1/list-collections", &[JSON], "").status, 200);
}

#[test]
fn browsers_of_named_origins_may_call() {
    let server = Server::start_with(&[("TAMIS_CORS_ORIGINS", "https://app.example.com")]);
    let from = |origin: &str| call(&server, "/v1/list-collections", &[JSON, ("origin", origin)], "").origin;
    assert_eq!(from("https://app.example.com").as_deref(), Some("https://app.example.com"));
    assert_eq!(from("https://evil.example.com"), None);
    // gRPC-Web: an empty message in a frame; the trailers are a frame of their own.
    let web =
        [("content-type", "application/grpc-web+proto"), ("accept", "application/grpc-web+proto"), ("x-grpc-web", "1")];
    let told = call(&server, "/tamis.v1.CollectionService/ListCollections", &web, [0, 0, 0, 0, 0]);
    assert_eq!((told.status, told.kind.as_str()), (200, "application/grpc-web+proto"));
    assert!(told.body.contains("grpc-status:0"), "{:?}", told.body);
}

#[test]
fn what_is_shipped_describes_what_is_served() {
    let server = Server::start();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let served =
        ureq::get(format!("{}/v1/openapi.json", server.url)).call().unwrap().body_mut().read_to_string().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (what, file) in [("api", "docs/openapi.json"), ("config", "docs/config.schema.json")] {
        let described = succeed(directory.path(), &["describe", what]);
        let shipped = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        assert!(described == shipped, "{file} is not what `tamis describe {what}` prints: write that to it");
    }
    let shipped: Value =
        serde_json::from_str(&std::fs::read_to_string(root.join("docs/openapi.json")).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&served).unwrap(), shipped);
}
