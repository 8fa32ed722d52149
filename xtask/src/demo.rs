//! One command from a fresh clone to answers.

use crate::run::{Result, root, run};

const QUESTIONS: &[&str] = &[
    "How is it guaranteed that the token budget is never exceeded?",
    "What happens to acknowledged documents when the process is killed?",
    "Which precision does the encoder use on which CPU?",
];

/// Builds in release, ingests this repository, asks three questions.
pub(crate) fn demo() -> Result {
    run("cargo", &["build", "--release", "--package", "tamis-cli"])?;
    let tamis = root().join("target/release/tamis").display().to_string();
    run(&tamis, &["models", "pull"])?;
    let data = root().join("target/demo").display().to_string();
    let corpus = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "src", "services", "proto"];
    let mut ingest = vec!["ingest", "--data-dir", &data, "--collection", "demo"];
    ingest.extend(corpus);
    run(&tamis, &ingest)?;
    for question in QUESTIONS {
        run(
            &tamis,
            &[
                "compress",
                "--data-dir",
                &data,
                "--collection",
                "demo",
                "--query",
                question,
                "--budget",
                "400",
                "--stats",
            ],
        )?;
    }
    Ok(())
}
