//! What operators see of a server: log, spans, metrics, probes.

mod log;
pub(crate) mod metrics;
mod probes;

pub use log::{Telemetry, TelemetryError};
pub(crate) use metrics::{Kept, Metrics};
pub(crate) use probes::serve;
