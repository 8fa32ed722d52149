//! Metrics and probes over plain HTTP, apart from the services.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// OpenMetrics, which Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until the token is cancelled.
pub(crate) async fn serve(app: App, listener: TcpListener, stop: CancellationToken) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .with_state(app);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(e) = served.await {
        tracing::error!("metrics and probes: {e}");
    }
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], app.metrics.encode())
}

/// What would only get well by a restart says so here.
async fn alive(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.metrics.wants_restart() {
        (StatusCode::SERVICE_UNAVAILABLE, "the store takes no writes before it is opened anew\n")
    } else {
        (StatusCode::OK, "alive\n")
    }
}

async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.metrics.is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}
