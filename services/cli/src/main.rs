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

use args::Arguments;
use clap::Parser;
use tamis_server::threads::take_turns;
use tracing_subscriber::EnvFilter;

/// Also that of the encoder's runtime. Under questions beside re-ingestion glibc's keeps ever more that nobody uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse(); // a wrong flag ends here, with exit code 2
    // A server's settings say how it logs; it begins when it has read them.
    if !matches!(arguments.command, args::Command::Serve(_)) {
        tracing_subscriber::fmt().with_env_filter(log_filter("error")).with_writer(std::io::stderr).init();
    }
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_start(take_turns).build();
    let runtime = match threads {
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

/// What is logged: as `TAMIS_LOG` says, or this.
fn log_filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_env("TAMIS_LOG").unwrap_or_else(|_| EnvFilter::new(default))
}
