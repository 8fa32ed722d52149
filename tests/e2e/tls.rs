//! Encrypted connections, and connections that do not speak.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use crate::support::{Server, fail, succeed, tamis};

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key, in these files.
    fn sign(&self, directory: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        std::fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
    }
}

async fn connect(
    server: &Server,
    ca: &str,
    identity: Option<(String, String)>,
) -> Result<Channel, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).domain_name("localhost");
    if let Some((cert, key)) = identity {
        tls = tls.identity(Identity::from_pem(cert, key));
    }
    let url = server.url.replace("http://", "https://");
    Channel::from_shared(url).unwrap().tls_config(tls).unwrap().connect().await
}

fn settings(directory: &Path) -> Vec<(&'static str, String)> {
    let path = |name: &str| directory.join(name).display().to_string();
    vec![("TAMIS_TLS_CERT", path("server.pem")), ("TAMIS_TLS_KEY", path("server.key"))]
}

fn start(directory: &Path, settings: &[(&'static str, String)]) -> Server {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    Server::start_on(directory, &settings)
}

/// Whether a call over this channel comes to the services.
async fn speaks(channel: Channel) -> bool {
    let mut client = tamis_proto::v1::collection_service_client::CollectionServiceClient::new(channel);
    client.list_collections(tamis_proto::v1::ListCollectionsRequest {}).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_and_changed_ones_are_taken_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let (first, second) = (Authority::new(), Authority::new());
    first.sign(d, "server");
    let server = start(d, &settings(d));
    let kept = connect(&server, &first.pem, None).await.unwrap();
    assert!(speaks(kept.clone()).await);
    assert!(connect(&server, &second.pem, None).await.is_err(), "somebody else's");
    let plain = Channel::from_shared(server.url.clone()).unwrap().connect().await;
    assert!(
        match plain {
            Ok(channel) => !speaks(channel).await,
            Err(_) => true,
        },
        "nothing goes in the clear"
    );

    // The command line, with the authority's certificate and without.
    std::fs::write(d.join("ca.pem"), &first.pem).unwrap();
    let url = server.url.replace("http://127.0.0.1", "https://localhost");
    succeed(d, &["serve", "--health", "--server", &url, "--ca", "ca.pem"]);
    assert!(fail(d, &["collections", "list", "--server", &url]).1.contains("can't be reached"));
    assert!(fail(d, &["collections", "list", "--server", &server.url, "--ca", "ca.pem"]).1.contains("https://"));

    // One that is no certificate is not taken; a new one is, and what is connected stays so.
    std::fs::write(d.join("server.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(connect(&server, &first.pem, None).await.is_ok());
    second.sign(d, "server");
    let begun = Instant::now();
    while connect(&server, &second.pem, None).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the new certificate is not taken");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(connect(&server, &first.pem, None).await.is_err());
    assert!(speaks(kept).await, "what was connected goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_show_certificates_where_they_must() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let (ours, theirs) = (Authority::new(), Authority::new());
    ours.sign(d, "server");
    ours.sign(d, "client");
    std::fs::write(d.join("ca.pem"), &ours.pem).unwrap();
    let mut settings = settings(d);
    settings.push(("TAMIS_TLS_CLIENT_CA", d.join("ca.pem").display().to_string()));
    let server = start(d, &settings);
    let read = |name: &str| std::fs::read_to_string(d.join(name)).unwrap();
    let known = Some((read("client.pem"), read("client.key")));
    assert!(speaks(connect(&server, &ours.pem, known).await.unwrap()).await);
    theirs.sign(d, "stranger");
    for unknown in [None, Some((read("stranger.pem"), read("stranger.key")))] {
        let there = match connect(&server, &ours.pem, unknown).await {
            Ok(channel) => speaks(channel).await,
            Err(_) => false,
        };
        assert!(!there);
    }
    let url = server.url.replace("http://127.0.0.1", "https://localhost");
    let shown = ["--ca", "ca.pem", "--client-cert", "client.pem", "--client-key", "client.key"];
    succeed(d, &[&["collections", "list", "--server", &url], shown.as_slice()].concat());
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    let said = |settings: &[(&str, &str)]| {
        let told = tamis(d, &["config", "check"]).envs(settings.iter().copied()).output().unwrap();
        assert!(!told.status.success());
        String::from_utf8(told.stderr).unwrap()
    };
    std::fs::write(d.join("empty.pem"), "").unwrap();
    Authority::new().sign(d, "server");
    Authority::new().sign(d, "other");
    assert!(said(&[("TAMIS_TLS_CERT", "server.pem")]).contains("tls_key"));
    assert!(said(&[("TAMIS_TLS_CERT", "empty.pem"), ("TAMIS_TLS_KEY", "server.key")]).contains("holds no certificate"));
    assert!(said(&[("TAMIS_TLS_CERT", "server.pem"), ("TAMIS_TLS_KEY", "empty.pem")]).contains("tls_key: empty.pem"));
    assert!(said(&[("TAMIS_TLS_CERT", "server.pem"), ("TAMIS_TLS_KEY", "other.key")]).contains("tls_cert and tls_key"));
    assert!(said(&[("TAMIS_TLS_CERT", "none.pem"), ("TAMIS_TLS_KEY", "server.key")]).contains("none.pem"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_connects_and_says_nothing_is_let_go_and_takes_no_place_from_others() {
    let server = Server::start_with(&[("TAMIS_HANDSHAKE_TIMEOUT_S", "1"), ("TAMIS_MAX_CONNECTIONS", "8")]);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // Half a request, never finished.
    silent[0].write_all(b"POST /v1/compress").unwrap();
    let begun = Instant::now();
    assert!(speaks(server.channel().await).await);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert!(matches!(stream.read(&mut [0; 64]), Ok(_) | Err(_)), "it ends");
    }
}
