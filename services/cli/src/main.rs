//! `tamis`: ingest, retrieve and compress from the command line, and serve.
//!
//! Every command speaks gRPC: to `--server`, or to the same services in this process, over an in-memory
//! channel. [`args`] says what can be asked, [`connect`] finds the server, [`commands`] hold one command
//! each.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a command line tool

/// A line on standard error; nobody may be reading it any more.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($argument)*);
    }};
}
pub(crate) use say;

mod args;
mod commands;
mod connect;
mod failure;
mod filter;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use args::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse(); // a wrong flag ends here, with exit code 2
    let log = tracing_subscriber::EnvFilter::try_from_env("TAMIS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(arguments.default_log()));
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            crate::say!("tamis: threads can't be started: {e}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
