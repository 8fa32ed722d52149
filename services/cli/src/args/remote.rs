//! How a server is reached.

use std::path::PathBuf;

use clap::Args;

/// The server, and who we are to it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct RemoteFlags {
    /// Server to talk to, for example http://127.0.0.1:7420 or https://tamis.example.com; without it, the services run in
    /// this process
    #[arg(long, global = true, env = "TAMIS_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// File with the API key or token; without it, the variable TAMIS_API_KEY is sent, if it is set
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Who signed the server's certificate (PEM), instead of those that this system trusts
    #[arg(long, global = true, env = "TAMIS_CA", value_name = "FILE.pem")]
    pub(crate) ca: Option<PathBuf>,
    /// Our own certificate (PEM), for servers that want one
    #[arg(long, global = true, env = "TAMIS_CLIENT_CERT", value_name = "FILE.pem", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, global = true, env = "TAMIS_CLIENT_KEY", value_name = "FILE.pem", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,
}
