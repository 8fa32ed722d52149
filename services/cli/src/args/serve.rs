//! A server, its settings and its keys.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use tamis_server::identity::Role;

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Serve metrics and probes over plain HTTP: /metrics, /livez, /readyz
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics_listen: Option<std::net::SocketAddr>,
    /// Go on taking calls for so many seconds after SIGTERM, so that whoever sends them notices
    #[arg(long, value_name = "SECONDS")]
    pub(crate) drain_s: Option<u32>,
    /// Let everybody in who reaches the address, as any tenant, without a credential
    #[arg(long)]
    pub(crate) allow_anonymous: bool,
    /// Print the settings, each with where it comes from, and stop
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Ask the server at --server (or at the configured address) whether it is healthy, and stop
    #[arg(long)]
    pub(crate) health: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeysCommand {
    /// Make a key, print it once, and add its hash to the file
    New(NewKey),
    /// Show the keys of a file
    List {
        /// The file of keys
        #[arg(long, value_name = "FILE.toml")]
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct NewKey {
    /// Its name: lower-case letters, digits and hyphens
    pub(crate) id: String,
    /// The file of keys (the server's api_keys); it is made if it is not there
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) file: PathBuf,
    /// What it may do: read, ingest, admin; more than once for more
    #[arg(long = "role", value_name = "ROLE", default_value = "read")]
    pub(crate) roles: Vec<Role>,
    /// In which collections, * at the end for all that begin so; more than once for more, and all without it
    #[arg(long = "in", value_name = "COLLECTION")]
    pub(crate) collections: Vec<String>,
    /// Until when, for example 2027-01-31T00:00:00Z; for ever without it
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
    /// Good for every tenant: each call says for which
    #[arg(long, conflicts_with = "tenant")]
    pub(crate) any_tenant: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    /// Say whether a server could use the settings: file, environment, keys, certificates
    Check,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Described {
    /// The JSON schema of the configuration file
    Config,
    /// The OpenAPI document of the HTTP API
    Api,
}
