//! `tamis serve`: the gRPC server, until it is told to stop.

use tamis_server::serve::SERVICES;
use tamis_server::{App, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::line;
use crate::args::{Global, ServeArgs};
use crate::connect::configuration;
use crate::failure::{Failure, Result};
use crate::progress::Bar;

pub(crate) async fn run(global: &Global, args: ServeArgs) -> Result {
    let mut config = configuration(global)?;
    if let Some(address) = args.listen {
        config.listen = address;
    }
    if args.print_config {
        return line(config.to_toml().trim_end());
    }
    if args.health {
        let url = global.server.clone().unwrap_or_else(|| format!("http://{}", config.listen));
        return health(url).await;
    }
    // The address first: a port in use is told at once, not after the models are loaded.
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| Failure::Other(format!("{}: {e}; choose another address with --listen", config.listen)))?;
    let address = listener.local_addr().map_err(|e| Failure::Other(e.to_string()))?;
    let (index, data_dir) = (config.index.clone(), config.data_dir.clone());
    let app = tokio::task::spawn_blocking(move || App::open(&config, false, &Bar::default()));
    let app = app.await.map_err(|e| Failure::Other(e.to_string()))??;
    let stop = stop_signal()?;
    tracing::info!(fingerprint = app.fingerprint(), index, data_dir = %data_dir.display(), "ready");
    // For scripts that wait for this line, and for people.
    line(&format!("listening on {address}"))?;
    serve::serve(app, listener, stop).await.map_err(|e| Failure::Other(e.to_string()))
}

/// Ends with the first SIGTERM or SIGINT.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let failed = |e: std::io::Error| Failure::Other(format!("signals: {e}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Asked twice, it does not wait for anybody.
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

async fn health(url: String) -> Result {
    let channel = tonic::transport::Endpoint::from_shared(url.clone())
        .map_err(|e| Failure::Usage(format!("{url:?}: {e}")))?
        .connect()
        .await
        .map_err(|_| Failure::Other(format!("{url} can't be reached")))?;
    // A server without its index is alive, but not ready.
    let request = HealthCheckRequest { service: SERVICES[0].to_owned() };
    let status = HealthClient::new(channel).check(request).await?.into_inner().status();
    match status {
        ServingStatus::Serving => line("serving"),
        other => Err(Failure::Other(format!("{url} is {}", other.as_str_name()))),
    }
}
