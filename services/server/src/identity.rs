//! Who calls: an API key, a signed token, or nobody in particular; and what that caller may do.
//!
//! A credential comes as `authorization: Bearer ...`. It decides the tenant; the metadata `x-tamis-tenant` may only say the
//! same, except where the credential is good for every tenant (`*`), or where there is none and that is allowed.

mod caller;
pub mod keys;
mod tokens;

use std::path::Path;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tamis::document::TenantId;

pub use caller::Role;
pub(crate) use caller::{Access, Caller, Collections};
use keys::Keys;
use tokens::Tokens;

use crate::config::Config;
use crate::reload::Watched;

/// Metadata key that names the tenant.
pub(crate) const TENANT: &str = "x-tamis-tenant";
/// Longest credential that is looked at, in bytes.
const MAX_CREDENTIAL_BYTES: usize = 8192;

/// Why a call was not let in: what the caller hears, which tells nothing of other credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no credential.
    #[error("a credential is needed: send the metadata \"authorization: Bearer KEY\"")]
    Missing,
    /// It is not one.
    #[error("the authorization is not \"Bearer\" and a key or token of at most 8192 bytes")]
    Malformed,
    /// It is unknown, forged, expired, or of somebody else's making.
    #[error("the credential is not valid here: {0}")]
    Invalid(&'static str),
    /// It is good, but not for this tenant.
    #[error("the credential is of another tenant than x-tamis-tenant says")]
    OtherTenant,
    /// The tenant's name can't be one.
    #[error("the metadata x-tamis-tenant is no tenant's name")]
    Tenant,
}

impl Refusal {
    /// The reason a program can read.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "CREDENTIAL_MISSING",
            Self::Malformed => "CREDENTIAL_MALFORMED",
            Self::Invalid(_) => "CREDENTIAL_INVALID",
            Self::OtherTenant => "TENANT_MISMATCH",
            Self::Tenant => "INVALID_ARGUMENT",
        }
    }
}

/// Why credentials can't be checked at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct IdentityError(pub(crate) String);

/// Tells callers apart.
pub(crate) struct Identity {
    anonymous: bool,
    keys: Option<Watched<Keys>>,
    tokens: Option<Tokens>,
}

impl Identity {
    /// Everybody is let in, as the tenant that he says: for services inside the caller's own process.
    pub(crate) fn open() -> Self {
        Self { anonymous: true, keys: None, tokens: None }
    }

    /// As the settings want it.
    pub(crate) fn new(config: &Config) -> Result<Self, IdentityError> {
        let keys = config.api_keys.as_deref().map(|path| Watched::new(&[path], load_keys)).transpose();
        Ok(Self {
            anonymous: config.allows_anonymous(),
            keys: keys.map_err(IdentityError)?,
            tokens: Tokens::new(config)?,
        })
    }

    /// Takes keys that have changed since; those that can't be read are left as they were. Blocks.
    pub(crate) fn refresh(&self) {
        if let Some(keys) = &self.keys {
            keys.refresh();
        }
        if let Some(tokens) = &self.tokens {
            tokens.refresh();
        }
    }

    /// Who sends these headers.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let asked = match headers.get(TENANT) {
            None => None,
            Some(value) => {
                let name = value.to_str().map_err(|_| Refusal::Tenant)?;
                Some(name.parse::<TenantId>().map_err(|_| Refusal::Tenant)?)
            }
        };
        let access = match headers.get(AUTHORIZATION) {
            None if self.anonymous => Access::anonymous(),
            None => return Err(Refusal::Missing),
            Some(value) => self.access(value.as_bytes())?,
        };
        access.for_tenant(asked).ok_or(Refusal::OtherTenant)
    }

    fn access(&self, value: &[u8]) -> Result<Access, Refusal> {
        let text = std::str::from_utf8(value).map_err(|_| Refusal::Malformed)?;
        let (scheme, credential) = text.split_once(' ').ok_or(Refusal::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") || credential.is_empty() || credential.len() > MAX_CREDENTIAL_BYTES {
            return Err(Refusal::Malformed);
        }
        match (&self.keys, &self.tokens) {
            (Some(keys), _) if keys::is_key(credential) => keys.current().access(credential),
            (_, Some(tokens)) if !keys::is_key(credential) => tokens.access(credential),
            _ => Err(Refusal::Invalid("no such credentials are taken")),
        }
    }
}

fn load_keys(paths: &[&Path]) -> Result<Keys, String> {
    let [path] = paths else { return Err("one file of keys is read".into()) };
    let text = std::fs::read_to_string(path).map_err(|e| format!("api_keys: {}: {e}", path.display()))?;
    Keys::parse(&text).map_err(|e| format!("api_keys: {}: {e}", path.display()))
}
