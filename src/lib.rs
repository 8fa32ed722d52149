//! Tamis: retrieval and context compression under an exact token budget.
//!
//! A RAG application has documents and a question; a language model has room for so many tokens. Tamis
//! stands between them: it keeps documents split and encoded, and answers a question with verbatim,
//! cited excerpts that fit a budget exactly.
//!
//! # The way through the house
//!
//! Data flows one way, and a module knows only what stands before it in this list.
//!
//! | ingest: a document becomes searchable | |
//! |---|---|
//! | [`extract`] | bytes to text with a media type |
//! | [`split`] | text to blocks (kept or dropped whole) and segments (retrieved) |
//! | [`models`], [`onnx`], [`encode`] | weights, the graph that runs them, text to vectors |
//! | [`cluster`] | vectors that are alike, for the index and for digests |
//! | [`index`] | documents, terms and vectors on disk, searched through one consistent view |
//! | [`ingest`] | **the first verb**: all of them in a row |
//! | [`transfer`] | collections as files, from one index to another |
//!
//! | compress: a question becomes a context | |
//! |---|---|
//! | [`rank`] | two ranked lists fused, then every block scored |
//! | [`tokenize`] | counting as the target model counts |
//! | [`summarize`] | a cluster in a language model's words, where a digest asks for that |
//! | [`fit`] | the best blocks under the budget, rendered with citations |
//! | [`compress`] | **the second verb**: encode, retrieve, rank, fit; or a digest of many passages |
//! | [`eval`] | what contexts keep of labelled questions, beside what simpler systems keep |
//!
//! Shared by all: [`document`], [`span`], [`error`], [`deadline`].
//!
//! The library is synchronous and knows no network; the gRPC server (`services/server`) and the command
//! line (`services/cli`) are thin shells around [`ingest::Ingestor`] and [`compress::Compressor`].

pub mod cluster;
pub mod compress;
pub mod deadline;
pub mod document;
pub mod encode;
pub mod error;
pub mod eval;
pub mod extract;
pub mod fit;
mod hash;
pub mod hits;
pub mod index;
pub mod ingest;
pub mod models;
pub mod onnx;
pub mod rank;
pub mod read;
pub mod runtime;
pub mod span;
pub mod split;
pub mod summarize;
pub mod tokenize;
pub mod transfer;
