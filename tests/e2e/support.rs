//! Starting the binary, and talking to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tamis_proto::v1::context_service_client::ContextServiceClient;
use tamis_proto::v1::ingest_request::Part;
use tamis_proto::v1::ingest_service_client::IngestServiceClient;
use tamis_proto::v1::{Document, IngestOptions, IngestRequest, IngestResponse};
use tempfile::TempDir;
use tonic::transport::Channel;

pub const BINARY: &str = env!("CARGO_BIN_EXE_tamis");

/// `tamis` with these arguments, in a directory, without the caller's settings.
pub fn tamis(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for name in ["TAMIS_SERVER", "TAMIS_TENANT", "TAMIS_COLLECTION", "TAMIS_CONFIG", "TAMIS_DATA_DIR"] {
        command.env_remove(name);
    }
    // Small and soon open: many servers run side by side.
    command.env("TAMIS_READER_PRECISION", "int8").env("TAMIS_READER_SESSIONS", "2");
    command.args(arguments).current_dir(directory).env("XDG_DATA_HOME", directory.join(".data"));
    command
}

pub fn run(directory: &Path, arguments: &[&str]) -> Output {
    tamis(directory, arguments).stdin(Stdio::null()).output().unwrap()
}

/// Standard output of a run that must succeed.
pub fn succeed(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn json(directory: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(directory, arguments)).unwrap()
}

/// Exit code and standard error of a run that must fail, with one line.
pub fn fail(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = run(directory, arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap().trim().to_owned())
}

/// A running `tamis serve`; killed when dropped.
pub struct Server {
    pub child: Child,
    pub url: String,
    pub data: PathBuf,
    _directory: Option<TempDir>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self::start_on(directory.path(), environment);
        server._directory = Some(directory);
        server
    }

    pub fn start_on(data: &Path, environment: &[(&str, &str)]) -> Self {
        Self::of(Self::command(data).envs(environment.iter().copied()).spawn().unwrap(), data)
    }

    /// What starts a server, on a port that it chooses and says.
    pub fn command(data: &Path) -> Command {
        let mut command = tamis(data, &["serve", "--listen", "127.0.0.1:0", "--data-dir", &data.display().to_string()]);
        command.stdout(Stdio::piped());
        command
    }

    /// A server that was begun, once it listens.
    pub fn of(mut child: Child, data: &Path) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("said {line:?}"));
        Self { url: format!("http://{address}"), child, data: data.to_path_buf(), _directory: None }
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(self.url.clone()).unwrap().connect().await.unwrap()
    }

    pub async fn contexts(&self) -> ContextServiceClient<Channel> {
        ContextServiceClient::new(self.channel().await)
    }

    pub async fn documents(&self) -> IngestServiceClient<Channel> {
        IngestServiceClient::new(self.channel().await)
    }

    /// Sends documents and waits for all acknowledgements.
    pub async fn ingest(&self, collection: &str, documents: Vec<Document>) -> Vec<IngestResponse> {
        let mut stream = self.documents().await.ingest(requests(collection, documents)).await.unwrap().into_inner();
        let mut responses = Vec::new();
        while let Some(response) = stream.message().await.unwrap() {
            responses.push(response);
        }
        responses
    }

    /// SIGKILL.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.data.clone()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn document(id: &str, text: &str) -> Document {
    Document { id: id.into(), text: text.into(), ..Document::default() }
}

pub fn part(part: Part) -> IngestRequest {
    IngestRequest { part: Some(part) }
}

/// An ingest stream of whole documents.
pub fn requests(collection: &str, documents: Vec<Document>) -> impl tokio_stream::Stream<Item = IngestRequest> + use<> {
    let options = Part::Options(IngestOptions { collection: collection.into(), ..IngestOptions::default() });
    let parts = std::iter::once(options).chain(documents.into_iter().map(Part::Document)).map(part);
    tokio_stream::iter(parts.collect::<Vec<_>>())
}
