//! `cargo xtask load`: the figures of docs/operations.md, "Under load".

use crate::run::{Result, root, run};

/// Builds in release and lets the load test run; the first argument is for how many seconds it soaks.
pub(crate) fn load() -> Result {
    run("cargo", &["build", "--release", "--quiet", "--package", "tamis-cli"])?;
    let tamis = root().join("target/release/tamis").display().to_string();
    let folder = root().join("docs").display().to_string();
    let soak = std::env::args().nth(2).unwrap_or_else(|| "600".into());
    let example = ["run", "--release", "--quiet", "--package", "tamis-server", "--example", "load", "--"];
    run("cargo", &[&example[..], &[&tamis, &folder, &soak]].concat())
}
