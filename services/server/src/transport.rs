//! Connections: accepted within a limit, encrypted where the settings say so, and given up where nothing comes.

mod accept;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use accept::{Peer, accept};
use tls::Tls;

use crate::config::Config;
use crate::identity::IdentityError;
use crate::reload::Watched;

/// How connections are taken.
#[derive(Clone)]
pub(crate) struct Transport {
    /// None: plain TCP.
    pub(crate) tls: Option<Arc<Watched<Tls>>>,
    pub(crate) max_connections: usize,
    /// Until a connection must have said what it wants.
    pub(crate) patience: Duration,
}

impl Transport {
    pub(crate) fn new(config: &Config) -> Result<Self, IdentityError> {
        let tls = match (&config.tls_cert, &config.tls_key) {
            (Some(cert), Some(key)) => {
                let files = [Some(cert), Some(key), config.tls_client_ca.as_ref()];
                let files: Vec<&Path> = files.into_iter().flatten().map(|p| p.as_path()).collect();
                Some(Arc::new(Watched::new(&files, Tls::load).map_err(IdentityError)?))
            }
            _ => None,
        };
        Ok(Self { tls, ..Self::plain(config) })
    }

    /// Without TLS, whatever the settings say of it.
    pub(crate) fn plain(config: &Config) -> Self {
        let patience = Duration::from_secs(config.handshake_timeout_s);
        Self { tls: None, max_connections: config.max_connections, patience }
    }

    /// Takes certificates that have changed. Blocks.
    pub(crate) fn refresh(&self) {
        if let Some(tls) = &self.tls {
            tls.refresh();
        }
    }
}
