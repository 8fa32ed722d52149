//! Who is let in, as whom, and for what.

use std::path::Path;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tamis_proto::v1::collection_service_client::CollectionServiceClient;
use tamis_proto::v1::{
    CreateCollectionRequest, DeleteCollectionRequest, ExportCollectionRequest, GetCollectionRequest,
    ListCollectionsRequest, RetrieveRequest, SwitchCollectionsRequest,
};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::{Server, document, fail, requests, run, succeed};

/// A key of this name, made by the command line.
fn key(directory: &Path, arguments: &[&str]) -> String {
    let file = directory.join("keys.toml").display().to_string();
    succeed(directory, &[&["keys", "new", "--file", &file], arguments].concat()).trim().to_owned()
}

fn server(directory: &Path, more: &[(&str, &str)]) -> Server {
    let file = directory.join("keys.toml").display().to_string();
    Server::start_on(directory, &[&[("TAMIS_API_KEYS", file.as_str())], more].concat())
}

/// A message from whoever has this credential, as this tenant.
fn from<T>(message: T, credential: &str, tenant: &str) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    if !credential.is_empty() {
        metadata.insert("authorization", AsciiMetadataValue::try_from(credential).unwrap());
    }
    if !tenant.is_empty() {
        metadata.insert("x-tamis-tenant", tenant.parse().unwrap());
    }
    request
}

fn retrieval(collection: &str) -> RetrieveRequest {
    RetrieveRequest { query: "mesh".into(), collection: collection.into(), limit: 1, ..RetrieveRequest::default() }
}

async fn retrieve(server: &Server, credential: &str, tenant: &str, collection: &str) -> Result<String, Status> {
    let asked = server.contexts().await.retrieve(from(retrieval(collection), credential, tenant)).await?;
    Ok(asked.into_inner().segments.first().map(|s| s.text.clone()).unwrap_or_default())
}

async fn ingest(server: &Server, credential: &str, tenant: &str, collection: &str) -> Result<(), Status> {
    let sent = requests(collection, vec![document("a", "A sieve has a mesh.")]);
    let mut stream = server.documents().await.ingest(from(sent, credential, tenant)).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

async fn collections(server: &Server) -> CollectionServiceClient<Channel> {
    CollectionServiceClient::new(server.channel().await)
}

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|i| i.reason).unwrap_or_default())
}

fn refused<T: std::fmt::Debug>(told: Result<T, Status>, code: Code, why: &str) -> Status {
    let status = told.unwrap_err();
    assert_eq!(reason(&status), (code, why.to_owned()), "{status}");
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_for_its_tenant_its_collections_and_its_roles() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let bearer = |key: String| format!("Bearer {key}");
    let writer = bearer(key(d, &["writer", "--tenant", "acme", "--role", "ingest"]));
    let reader = bearer(key(d, &["reader", "--tenant", "acme", "--in", "docs"]));
    let admin = bearer(key(d, &["admin", "--tenant", "acme", "--role", "admin"]));
    let other = bearer(key(d, &["other", "--tenant", "globex", "--role", "admin"]));
    let any = bearer(key(d, &["front", "--any-tenant"]));
    let server = server(d, &[]);

    ingest(&server, &writer, "", "docs").await.unwrap();
    ingest(&server, &writer, "acme", "plans").await.unwrap();
    assert_eq!(retrieve(&server, &reader, "", "docs").await.unwrap(), "A sieve has a mesh.");
    assert_eq!(retrieve(&server, &any, "acme", "docs").await.unwrap(), "A sieve has a mesh.");

    // Nobody, nobody known, and somebody else.
    const NO: Code = Code::Unauthenticated;
    refused(retrieve(&server, "", "acme", "docs").await, NO, "CREDENTIAL_MISSING");
    for malformed in ["Basic YTpi", "Bearer", "Bearer ", &format!("Bearer {}", "x".repeat(9000))] {
        refused(retrieve(&server, malformed, "", "docs").await, NO, "CREDENTIAL_MALFORMED");
    }
    let (half, _) = reader.split_at(reader.len() - 1);
    for unknown in [half, "Bearer tms_reader_", "Bearer tms_nobody_AAAA", "Bearer a.b.c"] {
        refused(retrieve(&server, unknown, "", "docs").await, NO, "CREDENTIAL_INVALID");
    }
    const NOT: Code = Code::PermissionDenied;
    refused(retrieve(&server, &reader, "globex", "docs").await, NOT, "TENANT_MISMATCH");
    refused(retrieve(&server, &other, "acme", "docs").await, NOT, "TENANT_MISMATCH");
    // Whether there is such a collection is not told to those who may not see it.
    assert_eq!(retrieve(&server, &other, "", "docs").await.unwrap_err().code(), Code::NotFound);
    for name in ["plans", "no-such"] {
        let status = refused(retrieve(&server, &reader, "", name).await, NOT, "PERMISSION_DENIED");
        assert_eq!(status.message(), format!("this credential has not the role read for collection {name}"));
    }

    // Roles do not grow.
    refused(retrieve(&server, &writer, "", "docs").await, NOT, "PERMISSION_DENIED");
    refused(ingest(&server, &reader, "", "docs").await, NOT, "PERMISSION_DENIED");
    let mut client = collections(&server).await;
    let name = || "docs".to_owned();
    for credential in [&writer, &reader] {
        let deletion = from(DeleteCollectionRequest { name: name() }, credential, "");
        refused(client.delete_collection(deletion).await, NOT, "PERMISSION_DENIED");
        let switch = SwitchCollectionsRequest { name: name(), other: "plans".into() };
        refused(client.switch_collections(from(switch, credential, "")).await, NOT, "PERMISSION_DENIED");
        let export = ExportCollectionRequest { name: name(), vectors: false };
        refused(client.export_collection(from(export, credential, "")).await, NOT, "PERMISSION_DENIED");
    }
    let creation = CreateCollectionRequest { name: "new".into(), ..CreateCollectionRequest::default() };
    refused(client.create_collection(from(creation, &reader, "")).await, NOT, "PERMISSION_DENIED");

    // What is listed is what may be read.
    let list = client.list_collections(from(ListCollectionsRequest {}, &reader, "")).await.unwrap().into_inner();
    assert_eq!(list.collections.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["docs"]);
    let all = client.list_collections(from(ListCollectionsRequest {}, &admin, "")).await.unwrap().into_inner();
    assert_eq!(all.collections.len(), 2);
    client.delete_collection(from(DeleteCollectionRequest { name: name() }, &admin, "")).await.unwrap();
    let gone = client.get_collection(from(GetCollectionRequest { name: name() }, &admin, "")).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);

    // Over HTTP as well, before the body is read.
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let over_http = |authorization: &str| {
        let request =
            agent.post(format!("{}/v1/list-collections", server.url)).header("content-type", "application/json");
        let mut told = request.header("authorization", authorization).send("{").unwrap();
        let body: serde_json::Value = serde_json::from_str(&told.body_mut().read_to_string().unwrap()).unwrap();
        (told.status().as_u16(), told.headers().contains_key("www-authenticate"), body["error"]["reason"].clone())
    };
    assert_eq!(over_http("Bearer tms_nobody_AAAA"), (401, true, json!("CREDENTIAL_INVALID")));
    assert_eq!(over_http(&reader).0, 400, "let in, and told that half an object is none");

    // The file has no key that could be used.
    let file = std::fs::read_to_string(d.join("keys.toml")).unwrap();
    assert!(file.contains("id = \"writer\"") && !file.contains(writer.splitn(3, '_').last().unwrap()));
    let listed = succeed(d, &["keys", "list", "--file", "keys.toml"]);
    assert!(listed.contains("reader: tenant acme, read, docs, for ever"), "{listed}");
    assert!(fail(d, &["keys", "new", "reader", "--file", "keys.toml"]).1.contains("twice"));
    assert!(fail(d, &["keys", "new", "Big", "--file", "keys.toml"]).1.contains("an id has"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_while_calls_come() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let old = format!("Bearer {}", key(d, &["old", "--role", "ingest", "--role", "read"]));
    let server = server(d, &[]);
    ingest(&server, &old, "", "docs").await.unwrap();
    // The new one beside the old one, then the old one gone; a file that can't be read changes nothing.
    let new = format!("Bearer {}", key(d, &["new"]));
    let both = std::fs::read_to_string(d.join("keys.toml")).unwrap();
    let until = async |credential: &str, code: Option<Code>| {
        for _ in 0..100 {
            let told = retrieve(&server, credential, "", "docs").await;
            if told.err().map(|s| s.code()) == code {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{code:?} is waited for in vain");
    };
    until(&new, None).await;
    assert!(retrieve(&server, &old, "", "docs").await.is_ok(), "both are good for a while");
    std::fs::write(d.join("keys.toml"), "[[key]]\nid = 7").unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(retrieve(&server, &old, "", "docs").await.is_ok(), "what can't be read is not taken");
    let at = both.rfind("[[key]]").unwrap();
    std::fs::write(d.join("keys.toml"), &both[at..]).unwrap();
    until(&old, Some(Code::Unauthenticated)).await;
    until(&new, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_token_says_who_calls() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    // An Ed25519 key pair (RFC 8037, appendix A).
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "use": "sig",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    std::fs::write(d.join("keys.json"), set.to_string()).unwrap();
    let digits = "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let der = (0..digits.len()).step_by(2).map(|n| u8::from_str_radix(&digits[n..n + 2], 16).unwrap());
    let private = EncodingKey::from_ed_der(&der.collect::<Vec<_>>());
    let keys = d.join("keys.json").display().to_string();
    let settings =
        [("TAMIS_JWT_KEYS", keys.as_str()), ("TAMIS_JWT_ISSUER", "https://issuer"), ("TAMIS_JWT_AUDIENCE", "tamis")];
    let server = Server::start_on(d, &settings);
    let token = |tenant: &str, roles: &[&str], expires: i64| {
        let end = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap() + expires;
        let claims = json!({"iss": "https://issuer", "aud": "tamis", "exp": end, "tenant": tenant, "roles": roles});
        let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::EdDSA) };
        format!("Bearer {}", encode(&header, &claims, &private).unwrap())
    };
    let writer = token("acme", &["ingest"], 60);
    ingest(&server, &writer, "", "docs").await.unwrap();
    assert!(retrieve(&server, &token("acme", &["read"], 60), "acme", "docs").await.is_ok());
    refused(retrieve(&server, &writer, "", "docs").await, Code::PermissionDenied, "PERMISSION_DENIED");
    refused(retrieve(&server, &writer, "globex", "docs").await, Code::PermissionDenied, "TENANT_MISMATCH");
    // Replayed after its end, by somebody else's key, and signed by nobody.
    let expired = token("acme", &["read"], -120);
    let status = refused(retrieve(&server, &expired, "", "docs").await, Code::Unauthenticated, "CREDENTIAL_INVALID");
    assert!(status.message().contains("expired"), "{status}");
    let (rest, _) = expired.rsplit_once('.').unwrap();
    let unsigned = format!("Bearer eyJhbGciOiJub25lIn0.{}.", rest.split('.').nth(1).unwrap());
    for forged in [unsigned, format!("{rest}.AAAA"), "Bearer tms_a_b".into()] {
        refused(retrieve(&server, &forged, "", "docs").await, Code::Unauthenticated, "CREDENTIAL_INVALID");
    }
    assert!(retrieve(&server, &token("acme", &["read"], 60), "", "docs").await.is_ok(), "the next one is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_and_refusals_are_written_down_without_text_or_keys() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let secret = key(d, &["boss", "--role", "admin"]);
    let log = d.join("log");
    let mut command = crate::support::tamis(d, &["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
    command.env("TAMIS_API_KEYS", d.join("keys.toml")).env("TAMIS_LOG_FORMAT", "json").env("TAMIS_LOG", "trace");
    command.stderr(std::fs::File::create(&log).unwrap()).stdout(std::process::Stdio::piped());
    let server = Server::of(command.spawn().unwrap(), d);
    let bearer = format!("Bearer {secret}");
    let canary = "the canary sings at dawn";
    let sent = requests("docs", vec![document("a", canary)]);
    let mut stream = server.documents().await.ingest(from(sent, &bearer, "")).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    let asked =
        RetrieveRequest { query: "xylophone canary".into(), collection: "docs".into(), limit: 1, ..Default::default() };
    server.contexts().await.retrieve(from(asked, &bearer, "")).await.unwrap();
    let mut client = collections(&server).await;
    client.delete_collection(from(DeleteCollectionRequest { name: "docs".into() }, &bearer, "")).await.unwrap();
    refused(retrieve(&server, "Bearer tms_boss_wrong", "", "docs").await, Code::Unauthenticated, "CREDENTIAL_INVALID");
    server.terminate();
    drop(server);
    let log = std::fs::read_to_string(log).unwrap();
    let lines = log.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let audit: Vec<_> = lines.filter(|l| l["target"] == "tamis::audit").map(|l| l["fields"].clone()).collect();
    let told = |n: usize, key: &str| audit[n][key].as_str().unwrap_or_default().to_owned();
    assert_eq!(audit.len(), 2, "{audit:?}");
    assert_eq!(
        (told(0, "method"), told(0, "caller"), told(0, "collections"), told(0, "outcome")),
        ("DeleteCollection".into(), "boss".into(), "docs".into(), "OK".into())
    );
    assert_eq!((told(1, "method"), told(1, "outcome")), ("Retrieve".into(), "CREDENTIAL_INVALID".into()));
    for never in [canary, "xylophone", secret.splitn(3, '_').last().unwrap()] {
        assert!(!log.contains(never), "{never} is in the log");
    }
}

#[test]
fn nobody_is_let_in_from_elsewhere_by_accident() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let said = fail(d, &["serve", "--listen", "0.0.0.0:0"]);
    assert!(said.1.contains("api_keys or jwt_keys") && said.1.contains("--allow-anonymous"), "{said:?}");
    let checked = run(d, &["config", "check"]);
    assert!(checked.status.success());
    let never = crate::support::tamis(d, &["config", "check"]).env("TAMIS_ANONYMOUS", "never").output().unwrap();
    assert!(String::from_utf8_lossy(&never.stderr).contains("set api_keys or jwt_keys"));
    let missing = crate::support::tamis(d, &["config", "check"]).env("TAMIS_API_KEYS", "none.toml").output().unwrap();
    assert!(String::from_utf8_lossy(&missing.stderr).contains("none.toml"));
    let unsafe_set =
        [("TAMIS_JWT_KEYS", "http://example.com/jwks"), ("TAMIS_JWT_ISSUER", "i"), ("TAMIS_JWT_AUDIENCE", "a")];
    let open = crate::support::tamis(d, &["config", "check"]).envs(unsafe_set).output().unwrap();
    assert!(String::from_utf8_lossy(&open.stderr).contains("https://"));
}
