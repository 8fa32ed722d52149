//! Finds the server: the one at `--server`, or one in this process.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use tamis_proto::v1::collection_service_client::CollectionServiceClient;
use tamis_proto::v1::context_service_client::ContextServiceClient;
use tamis_proto::v1::ingest_service_client::IngestServiceClient;
use tamis_server::local::Local;
use tamis_server::{App, Config, EMBEDDED, Loaded, Reach};
use toml::{Table, Value};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::args::{Global, RemoteFlags};
use crate::failure::{Failure, Result};
use crate::progress::Bar;

/// Largest message in either direction, in bytes.
const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;

/// Time limit of calls to a server in this process, in seconds: none to speak of.
const NO_TIMEOUT_S: u64 = 365 * 24 * 3600;

/// Adds to every call who asks, and for whom.
#[derive(Clone)]
pub(crate) struct Caller {
    tenant: Option<AsciiMetadataValue>,
    credential: Option<AsciiMetadataValue>,
}

impl Caller {
    fn of(global: &Global) -> Result<Self> {
        let ascii = |name: &str, value: &str| {
            AsciiMetadataValue::from_str(value).map_err(|_| Failure::Usage(format!("{name}: is not ASCII")))
        };
        let key = match &global.remote.api_key_file {
            Some(path) => Some(read("--api-key-file", path)?),
            None => std::env::var("TAMIS_API_KEY").ok(),
        };
        let key = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty() && global.remote.server.is_some());
        let credential = key.map(|key| ascii("the API key", &format!("Bearer {key}"))).transpose()?;
        let credential = credential.map(|mut value| {
            value.set_sensitive(true);
            value
        });
        let tenant = global.tenant.as_deref().map(|tenant| ascii("--tenant", tenant)).transpose()?;
        Ok(Self { tenant, credential })
    }
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if let Some(tenant) = &self.tenant {
            request.metadata_mut().insert("x-tamis-tenant", tenant.clone());
        }
        if let Some(credential) = &self.credential {
            request.metadata_mut().insert("authorization", credential.clone());
        }
        Ok(request)
    }
}

type Service = InterceptedService<Channel, Caller>;

/// A connection; ends an in-process server when [`Connection::close`] is called.
pub(crate) struct Connection {
    channel: Channel,
    caller: Caller,
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
        let caller = Caller::of(global)?;
        if let Some(url) = &global.remote.server {
            let channel = channel(&global.remote, url).await?;
            return Ok(Self { channel, caller, local: None, _scratch: None });
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
        let app = tokio::task::spawn_blocking(move || App::open(&config, Reach::Process, &Bar::default()));
        let app = app.await.map_err(|e| Failure::Other(e.to_string()))??;
        let local = Local::start(app);
        Ok(Self { channel: local.channel(), caller, local: Some(local), _scratch: scratch })
    }

    pub(crate) fn contexts(&self) -> ContextServiceClient<Service> {
        ContextServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn documents(&self) -> IngestServiceClient<Service> {
        IngestServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn collections(&self) -> CollectionServiceClient<Service> {
        CollectionServiceClient::with_interceptor(self.channel.clone(), self.caller.clone())
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

/// A channel to a server.
pub(crate) async fn channel(remote: &RemoteFlags, url: &str) -> Result<Channel> {
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|e| Failure::Usage(format!("--server {url:?}: {e}; expected http://HOST:PORT or https://HOST")))?;
    if url.starts_with("https://") {
        let mut tls = ClientTlsConfig::new();
        tls = match &remote.ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read("--ca", path)?)),
            None => tls.with_native_roots(),
        };
        if let (Some(cert), Some(key)) = (&remote.client_cert, &remote.client_key) {
            tls = tls.identity(Identity::from_pem(read("--client-cert", cert)?, read("--client-key", key)?));
        }
        endpoint = endpoint.tls_config(tls).map_err(|e| Failure::Usage(format!("TLS: {}", root_cause(&e))))?;
    } else if remote.ca.is_some() || remote.client_cert.is_some() {
        return Err(Failure::Usage(format!("--ca and --client-cert are of no use with {url}: write https://")));
    }
    endpoint.connect().await.map_err(|e| {
        Failure::Other(format!("the server at {url} can't be reached ({}): is it running?", root_cause(&e)))
    })
}

fn read(flag: &str, path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{flag}: {}: {e}", path.display())))
}

/// File, environment and flags, in this order.
pub(crate) fn configuration(global: &Global) -> Result<Config> {
    Ok(loaded(global, Table::new())?.config)
}

/// The same with more flags, and with where each value came from.
pub(crate) fn loaded(global: &Global, mut flags: Table) -> Result<Loaded> {
    let text = |path: &Path| path.display().to_string();
    let whole = |mib: usize| Value::Integer(i64::try_from(mib).unwrap_or(i64::MAX));
    let (encoder, reader, summarizer) = (&global.encoder, &global.reader, &global.summarizer);
    for (key, value) in [
        ("index", global.index.clone().map(Value::String)),
        ("data_dir", global.data_dir.as_deref().map(text).map(Value::String)),
        ("model_dir", encoder.model_dir.as_deref().map(text).map(Value::String)),
        ("precision", encoder.precision.clone().map(Value::String)),
        // As a person wrote it: 0.9, not the nearest that has 32 bits.
        ("temperature", encoder.temperature.and_then(|t| t.to_string().parse().ok()).map(Value::Float)),
        ("reader_model", reader.reader_model.as_deref().map(text).map(Value::String)),
        ("mini_adapter", reader.mini_adapter.as_deref().map(text).map(Value::String)),
        ("reader_heads", reader.reader_heads.as_deref().map(text).map(Value::String)),
        ("reader_states_mib", reader.reader_states_mib.map(whole)),
        ("reader_states_disk_mib", reader.reader_states_disk_mib.map(whole)),
        ("summarizer_url", summarizer.summarizer_url.clone().map(Value::String)),
        ("summarizer_model", summarizer.summarizer_model.clone().map(Value::String)),
    ] {
        flags.extend(value.map(|value| (key.to_owned(), value)));
    }
    let loaded = Loaded::read(global.config.as_deref(), std::env::vars(), flags);
    let loaded = loaded.map_err(|e| Failure::Usage(e.to_string()))?;
    loaded.config.encoder().map_err(|e| Failure::Usage(e.to_string()))?;
    Ok(loaded)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
