//! Splitting: nothing lost, nothing too long, boundaries where people would put them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod again;
mod any_bytes;
mod bad_input;
mod check;
mod corpus;
mod documents;
mod encodings;
mod found;
mod functions;
mod properties;
mod real;
mod sentences;
mod structure;
