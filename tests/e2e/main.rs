//! The binary over real sockets: what users do, and what goes wrong for them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod access;
mod answer;
mod cli;
mod crash;
mod digest;
mod disk;
// Its own tests use all of it.
#[allow(dead_code)]
#[path = "../qdrant/double/mod.rs"]
mod double;
mod eval;
mod flood;
mod http;
mod memory;
mod metrics;
mod python;
mod qdrant;
mod quotas;
mod reading;
mod server;
mod split;
mod stream;
mod summaries;
mod support;
mod tls;
mod transfer;
mod words;
