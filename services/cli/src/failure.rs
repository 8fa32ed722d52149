//! Why a command failed: one line that says what to do, and an exit code.

use std::process::ExitCode;

use tonic::{Code, Status};

/// The end of a command that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something that can't be: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The server refused or could not.
    #[error("{}", said(.0))]
    Status(Box<Status>),
    /// The library, in this process.
    #[error("{0}")]
    Library(#[from] tamis::error::Error),
    /// A server, in this process.
    #[error("{0}")]
    Server(#[from] tamis_server::AppError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
    /// The reader of our output has gone, as in `tamis ... | head`.
    #[error("output closed")]
    OutputClosed,
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl Failure {
    pub(crate) fn report(self) -> ExitCode {
        match &self {
            Self::OutputClosed => return ExitCode::SUCCESS,
            _ => crate::say!("tamis: {}", self.to_string().replace('\n', " ")),
        }
        if matches!(self, Self::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
    }
}

fn said(status: &Status) -> String {
    match status.code() {
        Code::Unavailable if status.message().contains("transport") || status.message().contains("connect") => {
            format!("the server can't be reached ({}): is it running, and is --server right?", status.message())
        }
        Code::Unknown if status.message().is_empty() => format!("the server failed: {status}"),
        _ => status.message().to_owned(),
    }
}

/// An error of writing to standard output.
pub(crate) fn output(e: std::io::Error) -> Failure {
    if e.kind() == std::io::ErrorKind::BrokenPipe { Failure::OutputClosed } else { Failure::Other(e.to_string()) }
}
