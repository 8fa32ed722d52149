//! `cargo xtask load`: the figures of docs/operations.md, "Under load".

use crate::run::{Result, root, run};

/// Builds in release and lets the load test run; the first argument is for how many seconds it soaks.
pub(crate) fn load() -> Result {
    // Both at once: packages built one by one have other features, and would be built twice.
    run("cargo", &["build", "--release", "--quiet", "--workspace", "--bin", "tamis", "--example", "load"])?;
    let release = root().join("target/release");
    let (tamis, load) =
        (release.join("tamis").display().to_string(), release.join("examples/load").display().to_string());
    let folder = root().join("docs").display().to_string();
    let soak = std::env::args().nth(2).unwrap_or_else(|| "600".into());
    run(&load, &[&tamis, &folder, &soak])
}
