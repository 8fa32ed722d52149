//! What a change has to pass.

use crate::run::{Result, python_environment, root, run, run_with};

/// The linter of the public contract, from PyPI.
const BUF: &str = "buf-bin==1.75.0";
/// What the Python client test needs.
const PYTHON_CLIENT: &[&str] = &["grpcio==1.85.1", "grpcio-tools==1.85.1", "grpcio-status==1.85.1"];

/// Format, lints, models, tests.
pub(crate) fn test() -> Result {
    run("cargo", &["fmt", "--all", "--check"])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    // Provisioned before the tests, so that a machine that is offline says so once and clearly.
    run("cargo", &["run", "--quiet", "--package", "tamis-cli", "--", "models", "pull"])?;
    let python = python_environment("python-client", PYTHON_CLIENT)?.join("bin/python").display().to_string();
    run_with("cargo", &["test", "--workspace"], &[("TAMIS_TEST_PYTHON", &python)])
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
