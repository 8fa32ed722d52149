//! Log and spans.

use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::config::Config;

/// The name under which spans are sent.
const SERVICE: &str = "tamis";

/// Why neither log nor spans can be written.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The endpoint can't be used.
    #[error("otlp_endpoint: {0}")]
    Endpoint(String),
    /// Something logs already.
    #[error("log: {0}")]
    Log(#[from] tracing_subscriber::util::TryInitError),
}

/// Log and spans of this process; what is not yet sent is sent by [`Telemetry::finish`].
pub struct Telemetry {
    spans: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Begins to log to standard error, as the filter says, and to send spans where the settings say so. Needs tokio.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn begin(config: &Config, filter: EnvFilter) -> Result<Self, TelemetryError> {
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines = if config.log_format == "json" { lines.json().boxed() } else { lines.boxed() };
        let spans = config.otlp_endpoint.as_deref().map(|to| provider(to, config.otlp_share)).transpose()?;
        let sent = spans.as_ref().map(|p| tracing_opentelemetry::layer().with_tracer(p.tracer(SERVICE)));
        registry().with(filter).with(lines).with(sent).try_init()?;
        if spans.is_some() {
            global::set_text_map_propagator(TraceContextPropagator::new());
        }
        Ok(Self { spans })
    }

    /// Sends what is left. Blocks for as long as that takes, but not for ever.
    pub fn finish(self) {
        if let Some(Err(e)) = self.spans.map(|spans| spans.shutdown()) {
            tracing::warn!("spans: {e}");
        }
    }
}

fn provider(endpoint: &str, share: f64) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
    let exporter = exporter.map_err(|e| TelemetryError::Endpoint(e.to_string()))?;
    // Whoever calls decides for his calls; for all others the share does.
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)));
    let resource = Resource::builder().with_service_name(SERVICE).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_sampler(sampler).with_resource(resource).build())
}
