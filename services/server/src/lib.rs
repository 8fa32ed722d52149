//! The gRPC server: translation, limits and lifecycle around the library.
//!
//! # Layout
//!
//! - [`config`]: every setting, from defaults, file, environment and flags.
//! - [`app`]: what all calls share: encoder, index, thread pools.
//! - `transport`: connections, TLS.
//! - `gateway`: HTTP with JSON, on the same contract; `contract`: that contract as data.
//! - `gate`: the one door of all calls: [`identity`] says who calls, metrics and the audit log how it ended.
//! - `call`: tenant, role, deadline and cancellation of one call.
//! - `work`: bounded pools of threads for what computes, short work first; nothing computes on tokio's threads;
//!   [`threads`]: none interrupts another, and who gives way to whom.
//! - `memory`: how many bytes of requests may be here at once.
//! - `context`, `ingest`, `collection`: one file per service, wire types in and out.
//! - `convert`: metadata, filters and documents between wire and library.
//! - `status`: every error once to a gRPC status with `google.rpc` details.
//! - `summarizer`: a language model behind an HTTP endpoint, for digests that ask for summaries.
//! - [`telemetry`]: log, spans, metrics, probes; `reload`: files that may change while the server runs.
//! - [`serve`]: health, reflection, graceful shutdown; [`local`]: the same without a socket.

pub mod app;
mod call;
mod collection;
pub mod config;
mod context;
mod contract;
mod convert;
mod gate;
mod gateway;
pub mod identity;
mod ingest;
pub mod local;
mod memory;
mod pace;
mod quota;
mod reload;
pub mod serve;
mod status;
mod summarizer;
pub mod telemetry;
pub mod threads;
mod transport;
mod upkeep;
mod work;

pub use app::{App, AppError, Reach};
pub use config::{Config, ConfigError, EMBEDDED, Loaded};
pub use contract::SERVICES;
pub use gateway::openapi;
pub use tamis_proto::v1;
