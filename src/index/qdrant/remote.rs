//! Calls to the cluster from threads that wait: time limit, repetition, and errors as ours.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use qdrant_client::{Qdrant, QdrantError};
use tokio::runtime::Runtime;
use tonic::Code;

use super::QdrantAddress;
use crate::error::{Error, Result};

/// Times that a call is tried: all of ours may be repeated without harm.
const TRIES: u32 = 4;
/// The first pause between tries; each next one is twice as long, and each of random length up to that.
const PAUSE: Duration = Duration::from_millis(50);
/// The oldest server that this was tested with.
const OLDEST: (u64, u64) = (1, 18);

pub(super) struct Remote {
    client: Qdrant,
    address: QdrantAddress,
    /// Of its own, so that any thread may wait for it; `None` once this is dropped.
    runtime: Option<Runtime>,
}

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
        let remote = Self { client, address, runtime: Some(runtime.map_err(Error::io("threads"))?) };
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

    /// Makes a call and waits for it. It is repeated where the cluster can't be reached, within the time limit.
    pub(super) fn call<T, F>(&self, call: impl Fn(Qdrant) -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QdrantError>> + Send + 'static,
    {
        let Some(runtime) = &self.runtime else { return Err(Error::Cancelled) };
        let (client, limit) = (self.client.clone(), self.address.timeout);
        let (sender, receiver) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            let tried = tokio::time::timeout(limit, repeated(client, call)).await;
            // Whoever waited may be gone.
            let _ = sender.send(tried);
        });
        let seconds = self.address.timeout.as_secs_f32();
        match receiver.recv() {
            Ok(Ok(done)) => done.map_err(|e| self.failed(&e)),
            Ok(Err(_)) => Err(self.unavailable(format!("no answer within {seconds} s (timeout_s)"))),
            Err(_) => Err(self.unavailable("a call ended without an answer".into())),
        }
    }

    /// The same for a call with a request.
    pub(super) fn ask<Q, T, F>(&self, request: Q, call: impl Fn(Qdrant, Q) -> F + Send + 'static) -> Result<T>
    where
        Q: Clone + Send + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, QdrantError>> + Send + 'static,
    {
        self.call(move |client| call(client, request.clone()))
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
            Some((code, message)) if is_passing(code, message) || code == Code::ResourceExhausted => {
                self.unavailable(message.to_owned())
            }
            Some((_, message)) => Error::store(&self.address.url, message),
            None => Error::store(&self.address.url, error),
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Also from a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn repeated<T, F>(client: Qdrant, call: impl Fn(Qdrant) -> F) -> Result<T, QdrantError>
where
    F: Future<Output = Result<T, QdrantError>>,
{
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match call(client.clone()).await {
            Err(e) if status(&e).is_some_and(|(code, message)| is_passing(code, message)) => {
                tracing::debug!("repeating a call to the index: {e}");
                let part = getrandom::u32().map_or(1.0, |bits| f64::from(bits) / f64::from(u32::MAX));
                tokio::time::sleep(pause.mul_f64(part)).await;
                pause *= 2;
            }
            done => return done,
        }
    }
    call(client).await
}

/// Whether it may be otherwise in a moment.
fn is_passing(code: Code, message: &str) -> bool {
    match code {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::Unknown => true,
        // What the client says of a server that it can't reach.
        Code::Internal => message.starts_with("Failed to connect"),
        _ => false,
    }
}

fn status(error: &QdrantError) -> Option<(Code, &str)> {
    match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => {
            Some((status.code(), status.message()))
        }
        _ => None,
    }
}

/// A number that nobody else draws, of 63 bits: Qdrant's integers have a sign.
pub(super) fn unique() -> Result<u64> {
    match getrandom::u64() {
        Ok(bits) => Ok(bits >> 1),
        Err(e) => Err(Error::Unavailable { service: "random numbers".into(), reason: e.to_string() }),
    }
}
