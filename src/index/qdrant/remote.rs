//! Calls to the cluster from threads that wait: time limit, repetition, and errors as ours.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use qdrant_client::{Qdrant, QdrantError};
use tokio::runtime::Runtime;
use tonic::Code;

use super::QdrantAddress;
use super::repeat::{Repeating, Spare, is_passing, status};
use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// The oldest server that this was tested with.
const OLDEST: (u64, u64) = (1, 18);
/// How often a thread that waits looks whether its caller is still there.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// The cluster's client; clones share its connections.
#[derive(Clone)]
pub(super) struct Remote {
    client: Qdrant,
    address: Arc<QdrantAddress>,
    threads: Arc<Threads>,
    spare: Arc<Spare>,
    /// When whoever calls stops to wait, if before the address's time limit.
    deadline: Deadline,
}

/// Threads of its own, so that any thread may wait for them; `None` once this is dropped.
struct Threads(Option<Runtime>);

impl Remote {
    /// Connects, and looks whether the server is one that this was made for.
    pub(super) fn connect(address: QdrantAddress) -> Result<Self> {
        let mut config = Qdrant::from_url(&address.url).timeout(address.timeout).skip_compatibility_check();
        if let Some(name) = &address.api_key_env {
            let key = std::env::var(name).ok().filter(|key| !key.is_empty());
            let missing = || Error::invalid("index", format!("api_key_env: {name} is not set in the environment"));
            config = config.api_key(key.ok_or_else(missing)?);
        }
        let client = config.build().map_err(|e| Error::invalid("index", e.to_string()))?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).thread_name("qdrant").enable_all().build();
        let threads = Threads(Some(runtime.map_err(Error::io("threads"))?));
        let remote = Self {
            client,
            address: Arc::new(address),
            threads: Arc::new(threads),
            spare: Arc::default(),
            deadline: Deadline::none(),
        };
        let version = remote.call(|client| async move { client.health_check().await })?.version;
        let mut parts = version.split('.').map_while(|part| part.parse::<u64>().ok());
        match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) if (major, minor) >= OLDEST => Ok(remote),
            _ => Err(Error::invalid(
                "index",
                format!(
                    "{} runs Qdrant {version}; {}.{} or newer is needed: older ones ignore parts of our queries",
                    remote.address.url, OLDEST.0, OLDEST.1
                ),
            )),
        }
    }

    pub(super) fn address(&self) -> &QdrantAddress {
        &self.address
    }

    /// The same, for a caller with a deadline.
    pub(super) fn within(&self, deadline: &Deadline) -> Self {
        Self { deadline: deadline.clone(), ..self.clone() }
    }

    /// Makes a call and waits for it. It is repeated where the cluster can't be reached, within the time limit.
    pub(super) fn call<T, F>(&self, call: impl Fn(Qdrant) -> F + Send + Sync + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QdrantError>> + Send + 'static,
    {
        self.make(false, call)
    }

    /// The same for a call with a request.
    pub(super) fn ask<Q, T, F>(&self, request: Q, call: impl Fn(Qdrant, Q) -> F + Send + Sync + 'static) -> Result<T>
    where
        Q: Clone + Send + Sync + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, QdrantError>> + Send + 'static,
    {
        self.make(false, move |client| call(client, request.clone()))
    }

    /// The same for a call that only reads: where it is slow it is made again beside itself.
    pub(super) fn read<Q, T, F>(&self, request: Q, call: impl Fn(Qdrant, Q) -> F + Send + Sync + 'static) -> Result<T>
    where
        Q: Clone + Send + Sync + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, QdrantError>> + Send + 'static,
    {
        self.make(true, move |client| call(client, request.clone()))
    }

    fn make<T, F>(&self, reads: bool, call: impl Fn(Qdrant) -> F + Send + Sync + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QdrantError>> + Send + 'static,
    {
        const STAGE: &str = "index";
        self.deadline.check(STAGE)?;
        let Some(runtime) = &self.threads.0 else { return Err(Error::Cancelled) };
        let (remote, limit) = (self.clone(), self.address.timeout);
        let limit = self.deadline.remaining().map_or(limit, |left| left.min(limit));
        let (sender, receiver) = mpsc::sync_channel(1);
        let task = runtime.spawn(async move {
            let hedged = reads.then_some(limit);
            let how = Repeating { spare: &remote.spare, deadline: &remote.deadline, hedged };
            let tried = tokio::time::timeout(limit, how.call(&remote.client, call)).await;
            // Whoever waited may be gone.
            let _ = sender.send(tried);
        });
        loop {
            return match receiver.recv_timeout(LOOKS_EVERY) {
                Ok(Ok(done)) => done.map_err(|e| self.failed(&e)),
                Ok(Err(_)) => {
                    self.deadline.check(STAGE)?;
                    let seconds = self.address.timeout.as_secs_f32();
                    Err(self.unavailable(format!("no answer within {seconds} s (timeout_s)")))
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.deadline.check(STAGE).inspect_err(|_| task.abort())?;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => Err(self.unavailable("a call ended without an answer".into())),
            };
        }
    }

    pub(super) fn unavailable(&self, reason: String) -> Error {
        Error::Unavailable { service: self.address.url.clone(), reason }
    }

    /// An answer that we can't have written.
    pub(super) fn foreign(&self, what: impl std::fmt::Display) -> Error {
        Error::store(
            &self.address.url,
            format!(
                "{what}: collections named {}-* hold what this version did not write; use another prefix",
                self.address.prefix
            ),
        )
    }

    fn failed(&self, error: &QdrantError) -> Error {
        match status(error) {
            Some((Code::Unauthenticated | Code::PermissionDenied, _)) => Error::invalid(
                "index",
                format!("{} refuses the key; api_key_env names the variable that holds it", self.address.url),
            ),
            Some((code, message)) if is_passing(error) || code == Code::ResourceExhausted => {
                self.unavailable(message.to_owned())
            }
            Some((_, message)) => Error::store(&self.address.url, message),
            None => Error::store(&self.address.url, error),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Also from a thread that must not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A number that nobody else draws, of 63 bits: Qdrant's integers have a sign.
pub(super) fn unique() -> Result<u64> {
    match getrandom::u64() {
        Ok(bits) => Ok(bits >> 1),
        Err(e) => Err(Error::Unavailable { service: "random numbers".into(), reason: e.to_string() }),
    }
}
