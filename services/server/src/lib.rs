//! The gRPC server: translation, limits and lifecycle around the library.
//!
//! # Layout
//!
//! - [`config`]: every setting, from defaults, file, environment and flags.
//! - [`app`]: what all calls share: encoder, index, thread pools.
//! - `work`: bounded pools of threads for what computes; nothing computes on tokio's threads.
//! - `call`: tenant, deadline and cancellation of one call.
//! - `context`, `ingest`, `collection`: one file per service, wire types in and out.
//! - `convert`: metadata, filters and documents between wire and library.
//! - `status`: every error once to a gRPC status with `google.rpc` details.
//! - `summarizer`: a language model behind an HTTP endpoint, for digests that ask for summaries.
//! - [`serve`]: sockets, health, reflection, graceful shutdown; [`local`]: the same without a socket.

pub mod app;
mod call;
mod collection;
pub mod config;
mod context;
mod convert;
mod ingest;
pub mod local;
mod quota;
pub mod serve;
mod status;
mod summarizer;
mod upkeep;
mod work;

pub use app::App;
pub use config::{Config, EMBEDDED};
pub use tamis_proto::v1;
