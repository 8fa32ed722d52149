//! Qdrant on a real socket, in memory: what our index calls of it, as the server does it, and what goes wrong on demand.
//!
//! What a call asks for and this does not know is refused, so that no test passes because something was overlooked.

mod matching;
mod points;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::{Qdrant, QdrantServer};
use qdrant_client::qdrant::quantization_config::Quantization;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{CreateCollection, HealthCheckReply, HealthCheckRequest, PointStruct, QuantizationType};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is refused.
    Refuse(Code),
    /// It is done, and then nobody hears of it.
    Lose,
    /// It waits.
    Delay(Duration),
}

/// A collection of the server.
pub(crate) struct Collection {
    pub(crate) made: CreateCollection,
    pub(crate) points: BTreeMap<String, PointStruct>,
    /// Fields with an index, and whether it knows ranges.
    pub(crate) indexes: BTreeMap<String, bool>,
    /// Fields that say who owns a point.
    pub(crate) tenants: BTreeSet<String>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) collections: BTreeMap<String, Collection>,
    faults: Vec<(String, Fault)>,
}

/// The services, over one state.
#[derive(Clone)]
pub(crate) struct Service {
    state: Arc<Mutex<State>>,
    api_key: Option<String>,
    version: String,
}

/// A running server; it ends when this is dropped.
pub struct Double {
    pub address: SocketAddr,
    service: Service,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Double {
    pub fn start() -> Self {
        Self::start_as("1.18.3", None)
    }

    pub fn start_as(version: &str, api_key: Option<&str>) -> Self {
        let service =
            Service { state: Arc::default(), api_key: api_key.map(str::to_owned), version: version.to_owned() };
        Self::serve(service, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn serve(service: Service, at: SocketAddr) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (sender, receiver) = std::sync::mpsc::channel();
        let of = service.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(at).await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                let most = 64 * 1024 * 1024;
                let serving = tonic::transport::Server::builder()
                    .add_service(QdrantServer::new(of.clone()))
                    .add_service(CollectionsServer::new(of.clone()))
                    .add_service(PointsServer::new(of).max_decoding_message_size(most))
                    .serve_with_incoming(TcpListenerStream::new(listener));
                // Without waiting for open connections: as a machine that dies.
                tokio::select! { served = serving => served.unwrap(), _ = stopped => {} }
            });
            runtime.shutdown_timeout(Duration::ZERO);
        });
        let address = receiver.recv().unwrap();
        Self { address, service, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("qdrant://{}", self.address)
    }

    /// Stops serving; what is stored stays for [`Self::up`].
    pub fn down(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Serves again, at the same address.
    pub fn up(&mut self) {
        let again = Self::serve(self.service.clone(), self.address);
        *self = again;
    }

    /// The next call of this name meets a fault.
    pub fn next(&self, call: &str, fault: Fault) {
        self.state().faults.push((call.to_owned(), fault));
    }

    /// Points of a collection of the server.
    pub fn points(&self, collection: &str) -> usize {
        self.state().collections.get(collection).map_or(0, |c| c.points.len())
    }

    /// Fields of a collection that say who owns a point.
    pub fn tenants(&self, collection: &str) -> Vec<String> {
        self.state().collections[collection].tenants.iter().cloned().collect()
    }

    /// Shards and copies that were asked for, and whether vectors are kept in int8.
    pub fn made(&self, collection: &str) -> (Option<u32>, Option<u32>, bool) {
        let made = &self.state().collections[collection].made;
        let dense = match made.vectors_config.as_ref().and_then(|config| config.config.as_ref()) {
            Some(Config::ParamsMap(map)) => map.map.get("dense"),
            _ => None,
        };
        let config = dense.and_then(|dense| dense.quantization_config.as_ref()?.quantization.as_ref());
        let is_int8 = matches!(config, Some(Quantization::Scalar(s)) if s.r#type() == QuantizationType::Int8);
        (made.shard_number, made.replication_factor, is_int8)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.service.state()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.down();
    }
}

impl Service {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Does a call, unless a fault waits for it.
    pub(crate) async fn call<Q, A>(
        &self,
        name: &str,
        request: Request<Q>,
        act: impl FnOnce(&mut State, Q) -> Result<A, Status>,
    ) -> Result<Response<A>, Status> {
        if let Some(key) = &self.api_key {
            let given = request.metadata().get("api-key").and_then(|given| given.to_str().ok());
            if given != Some(key) {
                return Err(Status::unauthenticated("Must provide an API key or an Authorization bearer token"));
            }
        }
        let fault = {
            let mut state = self.state();
            let at = state.faults.iter().position(|(call, _)| call == name);
            at.map(|at| state.faults.remove(at).1)
        };
        match fault {
            Some(Fault::Refuse(code)) => return Err(Status::new(code, "a fault on demand")),
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::Lose) => {
                act(&mut self.state(), request.into_inner())?;
                return Err(Status::unavailable("the connection broke"));
            }
            None => {}
        }
        act(&mut self.state(), request.into_inner()).map(Response::new)
    }
}

impl State {
    pub(crate) fn collection(&mut self, name: &str) -> Result<&mut Collection, Status> {
        let missing = || Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"));
        self.collections.get_mut(name).ok_or_else(missing)
    }
}

#[tonic::async_trait]
impl Qdrant for Service {
    async fn health_check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckReply>, Status> {
        let version = self.version.clone();
        self.call("health_check", request, |_, _| {
            Ok(HealthCheckReply { title: "qdrant - vector search engine".into(), version, commit: None })
        })
        .await
    }
}
