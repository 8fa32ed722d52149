//! Sockets, health, reflection, and stopping without losing what was taken.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic_health::ServingStatus;

use crate::app::App;
use crate::collection::Collections;
use crate::context::Contexts;
use crate::contract::SERVICES;
use crate::ingest::Documents;
use crate::v1::collection_service_server::CollectionServiceServer;
use crate::v1::context_service_server::ContextServiceServer;
use crate::v1::ingest_service_server::IngestServiceServer;
use crate::{gateway, telemetry, transport, upkeep};

/// Largest response, in bytes.
const MAX_RESPONSE_BYTES: usize = 256 * 1024 * 1024;
/// How often an idle connection is asked whether it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The sockets' or HTTP/2's.
    #[error("serving: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// Server reflection could not be built from the descriptors.
    #[error("reflection: {0}")]
    Reflection(String),
}

/// Serves on a listener until `shutdown`; then takes no more, finishes what it took, and returns. Metrics and probes are on a
/// listener of their own, if there is one.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    app: App,
    listener: TcpListener,
    probes: Option<TcpListener>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    if let Some(probes) = probes {
        tokio::spawn(telemetry::serve(app.clone(), probes, stop));
    }
    let incoming = transport::accept(listener, app.transport.clone(), app.metrics.connections.clone());
    serve_incoming(app, incoming, shutdown).await
}

/// The same on any stream of connections.
///
/// # Errors
/// [`ServeError`].
pub async fn serve_incoming<C, S>(app: App, incoming: S, shutdown: impl Future<Output = ()>) -> Result<(), ServeError>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    C::ConnectInfo: Clone + Send + Sync + 'static,
    S: Stream<Item = std::io::Result<C>>,
{
    let (health, health_service) = tonic_health::server::health_reporter();
    for service in SERVICES {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
    app.metrics.set_ready(true);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tamis_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|e| ServeError::Reflection(e.to_string()))?;
    tokio::spawn(upkeep::run(app.clone(), health.clone()));
    let (stopping, drain, metrics) = (app.stopping.clone(), app.limits.drain, app.metrics.clone());
    let shutdown = async move {
        shutdown.await;
        tracing::info!("stopping: taking no more, finishing what was taken");
        metrics.set_ready(false);
        for service in SERVICES {
            health.set_service_status(service, ServingStatus::NotServing).await;
        }
        tokio::time::sleep(drain).await;
        // Ingest streams stay open as long as the client likes; they have to be told.
        stopping.cancel();
    };
    let limits = app.limits.clone();
    let services = services(&app).add_service(health_service).add_service(reflection);
    Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .http2_adaptive_window(Some(true))
        .http2_max_header_list_size(limits.header_bytes)
        .max_concurrent_streams(limits.streams)
        .add_routes(gateway::routes(&app, services.into_axum_router()))
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await?;
    Ok(())
}

/// The services themselves.
fn services(app: &App) -> Routes {
    let limit = app.max_message_bytes;
    let contexts = ContextServiceServer::new(Contexts::new(app.clone()))
        .max_decoding_message_size(limit)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    let documents = IngestServiceServer::new(Documents::new(app.clone()))
        .max_decoding_message_size(limit)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    let collections = CollectionServiceServer::new(Collections::new(app.clone())).max_decoding_message_size(limit);
    Routes::new(contexts).add_service(documents).add_service(collections)
}
