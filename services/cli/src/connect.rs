//! Finds the server: the one at `--server`, or one in this process.

use std::str::FromStr;
use std::sync::Arc;

use tamis_proto::v1::collection_service_client::CollectionServiceClient;
use tamis_proto::v1::context_service_client::ContextServiceClient;
use tamis_proto::v1::ingest_service_client::IngestServiceClient;
use tamis_server::local::Local;
use tamis_server::{App, Config, EMBEDDED};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::args::Global;
use crate::failure::{Failure, Result};
use crate::progress::Bar;

/// Largest message in either direction, in bytes.
const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;

/// Time limit of calls to a server in this process, in seconds: none to speak of.
const NO_TIMEOUT_S: u64 = 365 * 24 * 3600;

/// Adds the tenant to every call.
#[derive(Clone)]
pub(crate) struct WithTenant(AsciiMetadataValue);

impl Interceptor for WithTenant {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        request.metadata_mut().insert("x-tamis-tenant", self.0.clone());
        Ok(request)
    }
}

type Service = InterceptedService<Channel, WithTenant>;

/// A connection; ends an in-process server when [`Connection::close`] is called.
pub(crate) struct Connection {
    channel: Channel,
    tenant: WithTenant,
    local: Option<Local>,
    /// Holds the store of a connection that keeps nothing.
    _scratch: Option<Arc<tempfile::TempDir>>,
}

/// Whether a command works on the store, or only on what it brings along.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// The user's.
    Kept,
    /// None: an in-process server gets a scratch directory, so that it needs no lock.
    Scratch,
}

impl Connection {
    pub(crate) async fn open(global: &Global, store: Store) -> Result<Self> {
        let tenant = AsciiMetadataValue::from_str(&global.tenant)
            .map_err(|_| Failure::Usage(format!("--tenant {:?}: not ASCII", global.tenant)))?;
        let tenant = WithTenant(tenant);
        if let Some(url) = &global.server {
            let endpoint = Endpoint::from_shared(url.clone())
                .map_err(|e| Failure::Usage(format!("--server {url:?}: {e}; expected http://HOST:PORT")))?;
            let channel = endpoint.connect().await.map_err(|e| {
                Failure::Other(format!("the server at {url} can't be reached ({}): is it running?", root_cause(&e)))
            })?;
            return Ok(Self { channel, tenant, local: None, _scratch: None });
        }
        let mut config = configuration(global)?;
        // The person at the terminal is the deadline.
        config.default_timeout_s = NO_TIMEOUT_S;
        let mut scratch = None;
        if store == Store::Scratch {
            let directory = tempfile::tempdir().map_err(|e| Failure::Other(format!("no temporary directory: {e}")))?;
            config.index = EMBEDDED.into();
            config.data_dir = directory.path().to_path_buf();
            scratch = Some(Arc::new(directory));
        }
        let app = tokio::task::spawn_blocking(move || App::open(&config, true, &Bar::default()));
        let app = app.await.map_err(|e| Failure::Other(e.to_string()))??;
        let local = Local::start(app);
        Ok(Self { channel: local.channel(), tenant, local: Some(local), _scratch: scratch })
    }

    pub(crate) fn contexts(&self) -> ContextServiceClient<Service> {
        ContextServiceClient::with_interceptor(self.channel.clone(), self.tenant.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn documents(&self) -> IngestServiceClient<Service> {
        IngestServiceClient::with_interceptor(self.channel.clone(), self.tenant.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn collections(&self) -> CollectionServiceClient<Service> {
        CollectionServiceClient::with_interceptor(self.channel.clone(), self.tenant.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Ends an in-process server, after it has finished what it took.
    pub(crate) async fn close(self) -> Result {
        drop(self.channel);
        match self.local {
            Some(local) => local.stop().await.map_err(|e| Failure::Other(e.to_string())),
            None => Ok(()),
        }
    }
}

/// File, environment and flags, in this order.
pub(crate) fn configuration(global: &Global) -> Result<Config> {
    let mut config =
        Config::load(global.config.as_deref(), std::env::vars()).map_err(|e| Failure::Usage(e.to_string()))?;
    if let Some(index) = &global.index {
        config.index.clone_from(index);
    }
    if let Some(directory) = &global.data_dir {
        config.data_dir.clone_from(directory);
    }
    if let Some(directory) = &global.encoder.model_dir {
        config.model_dir = Some(directory.clone());
    }
    if let Some(precision) = &global.encoder.precision {
        config.precision.clone_from(precision);
    }
    if let Some(temperature) = global.encoder.temperature {
        config.temperature = temperature;
    }
    if let Some(model) = &global.reader.reader_model {
        config.reader_model = Some(model.clone());
    }
    if let Some(adapter) = &global.reader.mini_adapter {
        config.mini_adapter = Some(adapter.clone());
    }
    if let Some(heads) = &global.reader.reader_heads {
        config.reader_heads = Some(heads.clone());
    }
    if let Some(mib) = global.reader.reader_states_mib {
        config.reader_states_mib = mib;
    }
    if let Some(mib) = global.reader.reader_states_disk_mib {
        config.reader_states_disk_mib = mib;
    }
    if let Some(url) = &global.summarizer.summarizer_url {
        config.summarizer_url = Some(url.clone());
    }
    if let Some(model) = &global.summarizer.summarizer_model {
        config.summarizer_model.clone_from(model);
    }
    config.encoder().map_err(|e| Failure::Usage(e.to_string()))?;
    Ok(config)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
