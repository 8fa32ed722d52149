//! What operators see: metrics, probes, settings that change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use tamis_proto::v1::CompressRequest;
use tonic::Code;

use crate::support::{Server, document, succeed, tamis};

/// An address that nobody has.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Status and body.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.get(format!("http://{address}{path}")).call().unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|l| l.rsplit(' ').next())
        .and_then(|v| v.parse().ok())
        .unwrap_or_else(|| panic!("{name} in {metrics}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted() {
    let address = free_address();
    let server = Server::start_with(&[("TAMIS_METRICS_LISTEN", &address)]);
    server.ingest("docs", vec![document("a", "A sieve has a mesh."), document("b", "")]).await;
    let budget = tamis_proto::v1::Budget { max_tokens: 100, ..Default::default() };
    let asked =
        CompressRequest { query: "mesh".into(), collection: "docs".into(), budget: Some(budget), ..Default::default() };
    let mut contexts = server.contexts().await;
    let context = contexts.compress(asked.clone()).await.unwrap().into_inner();
    let missing = CompressRequest { collection: "none-of-ours".into(), ..asked };
    assert_eq!(contexts.compress(missing).await.unwrap_err().code(), Code::NotFound);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (status, metrics) = get(&address, "/metrics");
    assert_eq!(status, 200);
    for (name, expected) in [
        ("tamis_calls_total{method=\"Compress\",code=\"OK\"}", 1.0),
        ("tamis_calls_total{method=\"Compress\",code=\"NOT_FOUND\"}", 1.0),
        ("tamis_calls_total{method=\"Ingest\",code=\"OK\"}", 1.0),
        ("tamis_refused_total{reason=\"NOT_FOUND\"}", 1.0),
        ("tamis_documents_total{outcome=\"created\"}", 1.0),
        ("tamis_documents_total{outcome=\"refused\"}", 1.0),
        ("tamis_context_tokens_total", f64::from(context.token_count)),
        ("tamis_stage_duration_seconds_count{stage=\"retrieve\"}", 1.0),
        ("tamis_call_duration_seconds_count{method=\"Compress\"}", 2.0),
        ("tamis_queue_depth{pool=\"query\"}", 0.0),
        ("tamis_calls_in_flight", 0.0),
        ("tamis_ready", 1.0),
    ] {
        assert!((value(&metrics, name) - expected).abs() < 1e-9, "{name} is not {expected} in {metrics}");
    }
    assert!(value(&metrics, "tamis_resident_memory_bytes") > 1e7);
    assert!(!metrics.contains("none-of-ours") && !metrics.contains("docs"), "nothing that callers make up");
    assert_eq!(get(&address, "/livez"), (200, "alive\n".into()));
    assert_eq!(get(&address, "/readyz"), (200, "ready\n".into()));
    assert_eq!(get(&address, "/elsewhere").0, 404);
}

/// Dashboard and alerts on one side, what a server tells on the other.
#[test]
fn everything_that_is_watched_is_exposed_and_the_other_way_round() {
    let address = free_address();
    let _server = Server::start_with(&[("TAMIS_METRICS_LISTEN", &address)]);
    let metrics = get(&address, "/metrics").1;
    let mut exposed = BTreeMap::new();
    for line in metrics.lines().filter_map(|l| l.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let ends: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        exposed.extend(ends.iter().map(|end| (format!("{name}{end}"), name.to_owned())));
    }
    let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/monitoring");
    let mut shown = BTreeSet::from(["tamis_build".to_owned()]);
    for file in ["alerts.yaml", "dashboard.json"] {
        let text = std::fs::read_to_string(deploy.join(file)).unwrap();
        for (at, _) in text.match_indices("tamis_") {
            let name: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            shown.insert(exposed.get(&name).unwrap_or_else(|| panic!("{file}: no server exposes {name}")).clone());
        }
        // Values of labels that can't be.
        for (at, _) in text.match_indices("reason=~") {
            let list = text[at..].split('"').nth(1).unwrap().trim_end_matches('\\');
            for reason in list.split('|') {
                assert!(metrics.contains(&format!("reason=\"{reason}\"")), "{file}: no failure is a {reason}");
            }
        }
    }
    let hidden: Vec<_> = exposed.values().filter(|name| !shown.contains(*name)).collect();
    assert!(hidden.is_empty(), "nothing shows {hidden:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so_and_takes_calls_until_it_is_noticed() {
    let address = free_address();
    let server = Server::start_with(&[("TAMIS_METRICS_LISTEN", &address), ("TAMIS_DRAIN_S", "2")]);
    server.ingest("docs", vec![document("a", "A sieve has a mesh.")]).await;
    server.terminate();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(get(&address, "/readyz").0, 503);
    assert_eq!(get(&address, "/livez").0, 200);
    // Whoever has not noticed yet is served.
    assert_eq!(server.ingest("docs", vec![document("b", "Another mesh.")]).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_again_on_sighup() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let file = d.join("tamis.toml");
    std::fs::write(&file, "quota_documents = 1\n").unwrap();
    let log = d.join("log");
    let mut command = tamis(d, &["serve", "--listen", "127.0.0.1:0", "--data-dir", "data", "--config", "tamis.toml"]);
    command.stderr(std::fs::File::create(&log).unwrap()).stdout(std::process::Stdio::piped());
    let server = Server::of(command.spawn().unwrap(), d);
    let two = || vec![document("a", "A sieve."), document("b", "A mesh.")];
    let refused = |told: &[tamis_proto::v1::IngestResponse]| told.iter().filter(|r| r.error.is_some()).count();
    assert_eq!(refused(&server.ingest("docs", two()).await), 1);
    let hang_up = || {
        assert!(Command::new("kill").args(["-HUP", &server.child.id().to_string()]).status().unwrap().success());
    };
    std::fs::write(&file, "quota_docments = 2\n").unwrap();
    hang_up();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(refused(&server.ingest("docs", two()).await), 1, "a file that can't be used changes nothing");
    std::fs::write(&file, "quota_documents = 2\nquery_queue = 7\n").unwrap();
    hang_up();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(refused(&server.ingest("docs", two()).await), 0);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("is quota_documents meant?"), "{log}");
    assert!(log.contains("need a restart") && log.contains("query_queue"), "{log}");
}

#[test]
fn settings_say_where_they_come_from() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    std::fs::write(d.join("tamis.toml"), "query_queue = 9\nsummarizer_url = \"https://me:secret@host/v1\"\n").unwrap();
    let arguments = ["serve", "--print-config", "--config", "tamis.toml", "--listen", "127.0.0.1:1"];
    let printed = tamis(d, &arguments).env("TAMIS_READ_QUEUE", "5").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    for line in
        ["query_queue = 9  # tamis.toml", "read_queue = 5  # TAMIS_READ_QUEUE", "listen = \"127.0.0.1:1\"  # a flag"]
    {
        assert!(printed.lines().any(|l| l == line), "{line} in {printed}");
    }
    assert!(printed.contains("https://***@host/v1") && !printed.contains("secret"));
    assert_eq!(succeed(d, &["config", "check", "--config", "tamis.toml"]).trim(), "the settings can be used");
}

/// What a collector of spans got: paths and bodies.
async fn collector() -> (String, std::sync::Arc<std::sync::Mutex<Vec<u8>>>) {
    let got = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = got.clone();
    let take = move |request: axum::extract::Request| {
        let kept = kept.clone();
        async move {
            assert_eq!(request.uri().path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
            let body = axum::body::to_bytes(request.into_body(), 1 << 24).await.unwrap();
            kept.lock().unwrap().extend_from_slice(&body);
            // An empty message, and all is well.
            let mut response = axum::response::Response::new(axum::body::Body::from(vec![0; 5]));
            response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            response.headers_mut().insert("grpc-status", "0".parse().unwrap());
            response
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(take);
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_routes(tonic::service::Routes::from(router));
    tokio::spawn(server.serve_with_incoming(incoming));
    (url, got)
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_sent_with_the_callers_trace() {
    let (url, got) = collector().await;
    let server = Server::start_with(&[("TAMIS_OTLP_ENDPOINT", &url)]);
    server.ingest("docs", vec![document("a", "The canary sings.")]).await;
    let budget = tamis_proto::v1::Budget { max_tokens: 100, ..Default::default() };
    let asked = CompressRequest {
        query: "bird song".into(),
        collection: "docs".into(),
        budget: Some(budget),
        ..Default::default()
    };
    let mut request = tonic::Request::new(asked);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    request.metadata_mut().insert("traceparent", format!("00-{trace}-00f067aa0ba902b7-01").parse().unwrap());
    server.contexts().await.compress(request).await.unwrap();
    // What is not yet sent goes when the server stops.
    server.terminate();
    let id: Vec<u8> = (0..16).map(|n| u8::from_str_radix(&trace[2 * n..2 * n + 2], 16).unwrap()).collect();
    let has = |what: &[u8]| got.lock().unwrap().windows(what.len()).any(|w| w == what);
    for _ in 0..100 {
        if has(&id) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(has(&id) && has(b"Compress") && has(b"retrieve") && has(b"tamis"));
    assert!(!has(b"canary sings") && !has(b"bird song"), "spans hold no text");
}
