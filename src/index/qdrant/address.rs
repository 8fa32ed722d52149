//! `qdrant://HOST:PORT?option=value`: where a cluster is, and how collections are made in it.

use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::error::{Error, Result};

/// Names of the options, for messages.
const OPTIONS: &str = "prefix, tls, api_key_env, timeout_s, shards, replicas, quantize";
/// Longest prefix of names in the cluster.
const MAX_PREFIX: usize = 64;

/// A cluster's address with its options.
///
/// ```
/// use tamis::index::qdrant::QdrantAddress;
/// let address: QdrantAddress = "qdrant://db.example:6334?tls=true&api_key_env=QDRANT_KEY&shards=6&replicas=2".parse()?;
/// assert_eq!((address.url.as_str(), address.prefix.as_str(), address.shards), ("https://db.example:6334", "tamis", Some(6)));
/// # Ok::<(), tamis::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QdrantAddress {
    /// The gRPC endpoint.
    pub url: String,
    /// What the names of our collections in the cluster begin with; `tamis` where absent.
    pub prefix: String,
    /// The environment variable that holds the API key.
    pub api_key_env: Option<String>,
    /// Time limit of one call with its repetitions; 10 seconds where absent.
    pub timeout: Duration,
    /// Shards of collections that are made; the cluster's default where absent.
    pub shards: Option<u32>,
    /// Copies of each shard.
    pub replicas: Option<u32>,
    /// Whether vectors are searched in int8, and the best ones again in full.
    pub quantize: bool,
}

impl FromStr for QdrantAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |reason: String| Error::invalid("index", format!("{text:?}: {reason}"));
        let url = Url::parse(text).map_err(|e| wrong(format!("{e}; expected qdrant://HOST:PORT")))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("no host; expected qdrant://HOST:PORT".into()))?;
        if url.scheme() != "qdrant" {
            return Err(wrong("expected embedded, or qdrant://HOST:PORT".into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a key does not belong in the address; name its variable with api_key_env".into()));
        }
        let mut address = Self {
            url: String::new(),
            prefix: "tamis".into(),
            api_key_env: None,
            timeout: Duration::from_secs(10),
            shards: None,
            replicas: None,
            quantize: false,
        };
        let mut scheme = "http";
        for (name, value) in url.query_pairs() {
            let number = |most: u32| match value.parse::<u32>() {
                Ok(n) if (1..=most).contains(&n) => Ok(n),
                _ => Err(wrong(format!("{name} is a number from 1 to {most}"))),
            };
            let is = || value.parse::<bool>().map_err(|_| wrong(format!("{name} is true or false")));
            match name.as_ref() {
                "prefix" if is_name(&value) => address.prefix = value.into_owned(),
                "prefix" => {
                    return Err(wrong(format!("prefix is of up to {MAX_PREFIX} letters, digits, - and _")));
                }
                "tls" => scheme = if is()? { "https" } else { "http" },
                "api_key_env" => address.api_key_env = Some(value.into_owned()),
                "timeout_s" => address.timeout = Duration::from_secs(number(600)?.into()),
                "shards" => address.shards = Some(number(1024)?),
                "replicas" => address.replicas = Some(number(16)?),
                "quantize" => address.quantize = is()?,
                _ => return Err(wrong(format!("unknown option {name:?}; there are {OPTIONS}"))),
            }
        }
        address.url = format!("{scheme}://{host}:{}", url.port().unwrap_or(6334));
        Ok(address)
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_PREFIX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        for (text, said) in [
            ("localhost:6334", "expected"),
            ("http://localhost:6334", "qdrant://HOST:PORT"),
            ("qdrant://", "host"),
            ("qdrant://user:secret@localhost", "api_key_env"),
            ("qdrant://localhost?shards=0", "shards is a number from 1"),
            ("qdrant://localhost?prefix=a/b", "prefix"),
            ("qdrant://localhost?shard=3", "replicas"),
            ("qdrant://localhost?tls=maybe", "true or false"),
        ] {
            let error = text.parse::<QdrantAddress>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert_eq!("qdrant://localhost".parse::<QdrantAddress>().unwrap().url, "http://localhost:6334");
    }
}
