//! Qdrant's engine behind Qdrant's protocol, for the tests of the index in a cluster.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::run::{Result, python_environment, root};

/// The engine as a library, and the protocol's messages.
const PACKAGES: &[&str] = &["qdrant-edge-py==0.9.0", "qdrant-client==1.20.0", "grpcio==1.85.1"];

/// A running engine; it ends when this is dropped.
pub(crate) struct Engine {
    child: Child,
    /// Where it listens.
    pub(crate) url: String,
}

impl Engine {
    pub(crate) fn start() -> Result<Self> {
        let python = python_environment("qdrant-engine", PACKAGES)?.join("bin/python");
        let program = root().join("tests/qdrant/engine/serve.py");
        let said = |e| format!("{}: {e}", program.display());
        // It ends with its input, also where this process is killed.
        let mut child =
            Command::new(python).arg(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(said)?;
        let mut url = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut url).map_err(said)?;
        }
        let engine = Self { child, url: url.trim().to_owned() };
        if engine.url.is_empty() { Err(format!("{} said no address", program.display())) } else { Ok(engine) }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Whether it ended well is its own affair: the tests are done.
        let _ = self.child.wait();
    }
}
