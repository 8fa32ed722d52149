//! A client in another language, from the published contract alone.

use std::path::Path;
use std::process::Command;

use crate::support::Server;

#[test]
fn a_python_client_ingests_and_compresses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var("TAMIS_TEST_PYTHON").unwrap_or_else(|_| {
        let prepared = root.join("target/python-client/bin/python");
        assert!(
            prepared.exists(),
            "run `cargo xtask test` once: it prepares Python with grpcio, or set TAMIS_TEST_PYTHON"
        );
        prepared.display().to_string()
    });
    let server = Server::start();
    let stubs = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .arg(root.join("tests/python/client.py"))
        .arg(root.join("proto"))
        .arg(stubs.path())
        .arg(server.url.trim_start_matches("http://"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok");
}
