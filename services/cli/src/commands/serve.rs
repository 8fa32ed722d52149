//! `tamis serve`: the server, until it is told to stop.

use std::net::SocketAddr;

use tamis_server::SERVICES;
use tamis_server::telemetry::Telemetry;
use tamis_server::{App, Loaded, Reach, serve};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use toml::{Table, Value};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::line;
use crate::args::{Global, ServeArgs};
use crate::connect::{channel, loaded};
use crate::failure::{Failure, Result};
use crate::log_filter;
use crate::progress::Bar;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// What is logged where `TAMIS_LOG` does not say.
const DEFAULT_LOG: &str = "info,ort=warn";

pub(crate) async fn run(global: &Global, args: ServeArgs) -> Result {
    let loaded = settings(global, &args)?;
    let config = loaded.config.clone();
    if args.print_config {
        return line(loaded.print().trim_end());
    }
    if args.health {
        let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
        let url = global.remote.server.clone().unwrap_or_else(|| format!("{scheme}://{}", config.listen));
        return health(global, &url).await;
    }
    let telemetry = Telemetry::begin(&config, log_filter(DEFAULT_LOG)).map_err(|e| Failure::Usage(e.to_string()))?;
    // The addresses first: a port in use is told at once, not after the models are loaded. Nobody is let wait there meanwhile:
    // who finds no server tries another one.
    let place = Place::take(config.listen, "--listen")?;
    let probes = config.metrics_listen.map(|address| Place::take(address, "--metrics-listen")).transpose()?;
    let (index, data_dir) = (config.index.clone(), config.data_dir.clone());
    let app = tokio::task::spawn_blocking(move || App::open(&config, Reach::Network, &Bar::default()));
    let app = app.await.map_err(|e| Failure::Other(e.to_string()))??;
    let listener = place.listen()?;
    let probes = probes.map(Place::listen).transpose()?;
    let address = listener.local_addr().map_err(|e| Failure::Other(e.to_string()))?;
    let stop = stop_signal()?;
    let reloading = reload(app.clone(), loaded, global, &args)?;
    tracing::info!(fingerprint = app.fingerprint(), index, data_dir = %data_dir.display(), "ready");
    // For scripts that wait for this line, and for people.
    line(&format!("listening on {address}"))?;
    let served = tokio::select! {
        served = serve::serve(app, listener, probes, stop) => served,
        never = reloading => match never {},
    };
    let _ = tokio::task::spawn_blocking(move || telemetry.finish()).await;
    served.map_err(|e| Failure::Other(e.to_string()))
}

/// An address that nobody else can take, where nobody is listened to yet.
struct Place {
    socket: TcpSocket,
    address: SocketAddr,
    flag: &'static str,
}

impl Place {
    fn take(address: SocketAddr, flag: &'static str) -> Result<Self> {
        let bound = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // A server that was here before leaves connections behind that are still closing.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        };
        let socket = bound().map_err(|e| in_use(address, flag, &e))?;
        Ok(Self { socket, address, flag })
    }

    fn listen(self) -> Result<TcpListener> {
        self.socket.listen(BACKLOG).map_err(|e| in_use(self.address, self.flag, &e))
    }
}

fn in_use(address: SocketAddr, flag: &str, e: &std::io::Error) -> Failure {
    Failure::Other(format!("{address}: {e}; choose another address with {flag}"))
}

fn settings(global: &Global, args: &ServeArgs) -> Result<Loaded> {
    let mut flags = Table::new();
    for (key, value) in [
        ("listen", args.listen.map(|a| a.to_string())),
        ("metrics_listen", args.metrics_listen.map(|a| a.to_string())),
        ("anonymous", args.allow_anonymous.then(|| "always".to_owned())),
    ] {
        flags.extend(value.map(|value| (key.to_owned(), Value::String(value))));
    }
    flags.extend(args.drain_s.map(|seconds| ("drain_s".to_owned(), Value::Integer(seconds.into()))));
    loaded(global, flags)
}

/// Reads the settings again whenever SIGHUP comes.
fn reload(
    app: App,
    mut before: Loaded,
    global: &Global,
    args: &ServeArgs,
) -> Result<impl Future<Output = std::convert::Infallible>> {
    let mut hang_up = signal(SignalKind::hangup()).map_err(|e| Failure::Other(format!("signals: {e}")))?;
    Ok(async move {
        loop {
            hang_up.recv().await;
            match settings(global, args) {
                Ok(now) => {
                    tokio::task::block_in_place(|| app.reload(&before, &now));
                    before = now;
                }
                Err(e) => tracing::error!("not reloaded: {e}"),
            }
        }
    })
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

async fn health(global: &Global, url: &str) -> Result {
    let channel = channel(&global.remote, url).await?;
    // A server without its index is alive, but not ready.
    let request = HealthCheckRequest { service: SERVICES[0].to_owned() };
    let status = HealthClient::new(channel).check(request).await?.into_inner().status();
    match status {
        ServingStatus::Serving => line("serving"),
        other => Err(Failure::Other(format!("{url} is {}", other.as_str_name()))),
    }
}
