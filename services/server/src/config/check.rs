//! Settings that do not go together, or are out of their range.

use tamis::compress::TrustLabels;

use super::{Config, ConfigError, MIB};

/// Clocks that are further apart are put right, not tolerated.
const MAX_LEEWAY_S: u64 = 300;
/// Smallest header block that holds a credential.
const MIN_HEADER_BYTES: u32 = 4096;

impl Config {
    /// Whether callers can prove who they are.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.api_keys.is_some() || self.jwt_keys.is_some()
    }

    /// Whether callers may go without.
    #[must_use]
    pub fn allows_anonymous(&self) -> bool {
        match self.anonymous.as_str() {
            "always" => true,
            "never" => false,
            _ => !self.has_credentials() && self.listen.ip().is_loopback(),
        }
    }

    /// # Errors
    /// [`ConfigError`] that names the setting and what would do.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |what: String| Err(ConfigError(what));
        for (key, value, allowed) in [
            ("anonymous", &self.anonymous, ["auto", "always", "never"].as_slice()),
            ("log_format", &self.log_format, &["text", "json"]),
            ("reader", &self.reader, &["lazy", "eager", "off"]),
            ("mini", &self.mini, &["lazy", "eager", "off"]),
        ] {
            if !allowed.contains(&value.as_str()) {
                return wrong(format!("{key}: {value:?} is not one of {}", allowed.join(", ")));
            }
        }
        for (key, set, needs, there) in [
            ("tls_cert", self.tls_cert.is_some(), "tls_key", self.tls_key.is_some()),
            ("tls_key", self.tls_key.is_some(), "tls_cert", self.tls_cert.is_some()),
            ("tls_client_ca", self.tls_client_ca.is_some(), "tls_cert", self.tls_cert.is_some()),
            ("jwt_keys", self.jwt_keys.is_some(), "jwt_issuer", self.jwt_issuer.is_some()),
            ("jwt_keys", self.jwt_keys.is_some(), "jwt_audience", self.jwt_audience.is_some()),
            ("jwt_issuer", self.jwt_issuer.is_some(), "jwt_keys", self.jwt_keys.is_some()),
            ("jwt_audience", self.jwt_audience.is_some(), "jwt_keys", self.jwt_keys.is_some()),
        ] {
            if set && !there {
                return wrong(format!("{key} is of no use without {needs}"));
            }
        }
        let here = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
        let is_open = |k: &str| k.starts_with("http://") && !here.iter().any(|h| k.starts_with(h));
        if self.jwt_keys.as_deref().is_some_and(is_open) {
            return wrong("jwt_keys: whoever is on the way could put keys of his own; use https:// or a file".into());
        }
        if self.jwt_leeway_s > MAX_LEEWAY_S {
            return wrong(format!("jwt_leeway_s: {} is over the limit of {MAX_LEEWAY_S}", self.jwt_leeway_s));
        }
        if self.max_connections == 0 || self.max_concurrent_streams == 0 || self.handshake_timeout_s == 0 {
            return wrong(
                "max_connections, max_concurrent_streams and handshake_timeout_s: 0 would let nobody in".into(),
            );
        }
        if self.message_memory_mib.saturating_mul(MIB) < self.max_message_bytes {
            return wrong(format!(
                "message_memory_mib: {} has no room for a message of {} bytes (max_message_bytes)",
                self.message_memory_mib, self.max_message_bytes
            ));
        }
        let is_origin =
            |o: &String| url::Url::parse(o).is_ok_and(|u| u.has_host() && u.origin().ascii_serialization() == *o);
        let all = self.cors_origins == ["*"];
        if let Some(origin) = self.cors_origins.iter().find(|o| !all && !is_origin(o)) {
            return wrong(format!(
                "cors_origins: {origin:?} is no origin: write https://app.example.com, or * alone for all"
            ));
        }
        if let Err(e) = TrustLabels::new(&self.trust_labels) {
            return wrong(e.to_string());
        }
        if self.max_header_bytes < MIN_HEADER_BYTES {
            return wrong(format!("max_header_bytes: {} is under {MIN_HEADER_BYTES}", self.max_header_bytes));
        }
        if !(0.0..=1.0).contains(&self.otlp_share) {
            return wrong(format!("otlp_share: {} is not between 0 and 1", self.otlp_share));
        }
        Ok(())
    }

    /// Whether a server with these settings may face others than this machine's own users.
    ///
    /// # Errors
    /// [`ConfigError`] where it would listen to everybody and ask nobody who he is, unless it is told to.
    pub fn check_exposure(&self) -> Result<(), ConfigError> {
        if self.has_credentials() || self.anonymous == "always" {
            return Ok(());
        }
        if self.anonymous == "never" {
            return Err(ConfigError("anonymous = \"never\" and no credentials: set api_keys or jwt_keys".into()));
        }
        if self.listen.ip().is_loopback() {
            return Ok(());
        }
        Err(ConfigError(format!(
            "listen: {} is reached by others, and anybody could read and delete every tenant's data: set api_keys or \
             jwt_keys, or say --allow-anonymous",
            self.listen
        )))
    }
}
