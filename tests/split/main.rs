//! Splitting: nothing lost, nothing too long, boundaries where people would put them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod check;
mod documents;
mod encodings;
mod functions;
mod properties;
mod real;
mod sentences;
mod structure;
