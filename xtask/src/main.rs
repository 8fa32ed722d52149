//! `cargo xtask`: the project's habits as commands. `cargo xtask help` lists them.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a command line tool

mod bench;
mod crash;
mod demo;
mod engine;
mod eval;
mod fuzz;
mod load;
mod reproduce;
mod run;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo     build in release, ingest this repository, ask three questions
cargo xtask test     format check, lints, every test
cargo xtask doc      the documentation, warnings are errors
cargo xtask proto    lint the public contract with buf
cargo xtask deploy   check container, chart, manifests, alerts and dashboard without a cluster
cargo xtask fuzz     any bytes as a format: `fuzz md 10` for ten minutes, `fuzz md keep` for the
                     tests, `fuzz all` for every format
cargo xtask crash    end a process that writes a store, between any two steps: `crash 1000` times
cargo xtask load     what a server does under load, and under too much of it: rewrites nothing, prints
cargo xtask reproduce  build the release twice from nothing, compare the bytes (40 minutes on 2 cores)
cargo xtask eval     what contexts keep of labelled questions: rewrites docs/evaluation.md (--quick: a sample, shown)
cargo xtask bench    measure the figures of docs/performance.md (see its first section)";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let result = match command.as_str() {
        "crash" => crash::crash(),
        "bench" => bench::bench(),
        "eval" => eval::eval(),
        "fuzz" => fuzz::fuzz(),
        "load" => load::load(),
        "reproduce" => reproduce::reproduce(),
        "demo" => demo::demo(),
        "test" => test::test(),
        "doc" => test::doc(),
        "proto" => test::proto(),
        "deploy" => test::deploy(),
        "help" | "" => {
            println!("{HELP}");
            Ok(())
        }
        other => {
            eprintln!("xtask: no command {other:?}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
