//! Certificates, from PEM files.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What both sides may speak, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The server's side of TLS 1.2 and 1.3.
pub(crate) struct Tls(pub(super) TlsAcceptor);

impl Tls {
    /// From a certificate chain, its key and, where clients must show a certificate, who signs those.
    pub(super) fn load(files: &[&Path]) -> Result<Self, String> {
        let [cert, key, client_ca @ ..] = files else { return Err("a certificate and a key are read".into()) };
        let chain = certificates("tls_cert", cert)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("tls_key: {}: {e}", key.display()))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS: {e}"))?;
        let builder = match client_ca {
            [] => builder.with_no_client_auth(),
            [ca, ..] => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("tls_client_ca", ca)? {
                    roots.add(certificate).map_err(|e| format!("tls_client_ca: {}: {e}", ca.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|e| format!("tls_client_ca: {e}"))?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|e| format!("tls_cert and tls_key: {e}"))?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{setting}: {}: {e}", path.display());
    let read = CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))?;
    let all = read.collect::<Result<Vec<_>, _>>().map_err(|e| wrong(&e))?;
    if all.is_empty() { Err(wrong(&"holds no certificate")) } else { Ok(all) }
}
