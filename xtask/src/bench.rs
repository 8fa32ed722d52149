//! The figures of `docs/performance.md`.

use crate::run::{Result, python_environment, root, run};

/// What `benches/latency.py` needs.
const CLIENT: &[&str] = &["grpcio==1.85.1", "grpcio-tools==1.85.1"];
/// What `benches/encoder.py` compares with; large.
const REFERENCE: &[&str] = &["sentence-transformers"];

/// Latency, then the encoder against sentence-transformers.
pub(crate) fn bench() -> Result {
    run("cargo", &["build", "--release", "--package", "tamis-cli"])?;
    run("cargo", &["build", "--release", "--package", "tamis", "--example", "encode"])?;
    let at = |path: &str| root().join(path).display().to_string();
    let python = python_environment("bench-client", CLIENT)?.join("bin/python").display().to_string();
    run(&python, &[&at("benches/latency.py"), &at("target/release/tamis"), &at("proto")])?;
    let python = python_environment("bench-reference", REFERENCE)?.join("bin/python").display().to_string();
    let model = model_directory()?;
    run(&python, &[&at("benches/encoder.py"), &at("target/release/examples/encode"), &model])
}

/// Where the encoder's files are, as `tamis models pull` says.
fn model_directory() -> Result<String> {
    let output = std::process::Command::new(root().join("target/release/tamis"))
        .args(["models", "pull", "all-minilm-l6-v2"])
        .output()
        .map_err(|e| format!("tamis does not start: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().rsplit_once(" in ").map(|(_, path)| path.to_owned()).ok_or_else(|| format!("tamis said {said:?}"))
}
