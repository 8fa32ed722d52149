//! Signed tokens (JWT, RFC 7519), checked against a key set (JWKS, RFC 7517) that is read from a file or an address.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::{Access, Collections, IdentityError, Refusal, Role};
use crate::config::Config;

/// Algorithms with a public key; a shared secret would let whoever checks tokens make them.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// How long a key set from an address is used before it is asked for again.
const FRESH: Duration = Duration::from_secs(600);
/// A token with an unknown key has it asked for again, but not more often than this: anybody can make such tokens.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// Time limit of asking for a key set.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest key set, in bytes.
const MAX_SET_BYTES: u64 = 1024 * 1024;

enum Origin {
    File(PathBuf),
    Address(String),
}

struct Key {
    id: Option<String>,
    key: DecodingKey,
    /// Where the set says it.
    algorithm: Option<Algorithm>,
}

/// Checks tokens.
pub(super) struct Tokens {
    origin: Origin,
    keys: RwLock<Arc<Vec<Key>>>,
    /// When the set was last asked for.
    asked: Mutex<Instant>,
    wanted: AtomicBool,
    validation: Validation,
    tenant_claim: String,
    roles_claim: String,
    collections_claim: String,
}

impl Tokens {
    pub(super) fn new(config: &Config) -> Result<Option<Self>, IdentityError> {
        let Some(from) = &config.jwt_keys else { return Ok(None) };
        let is_address = from.starts_with("https://") || from.starts_with("http://");
        let origin = if is_address { Origin::Address(from.clone()) } else { Origin::File(from.into()) };
        let mut validation = Validation::new(ALGORITHMS[0]);
        validation.algorithms = ALGORITHMS.to_vec();
        validation.leeway = config.jwt_leeway_s;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[config.jwt_issuer.clone().unwrap_or_default()]);
        validation.set_audience(&[config.jwt_audience.clone().unwrap_or_default()]);
        let keys = origin.read().map_err(|e| IdentityError(format!("jwt_keys: {e}")))?;
        Ok(Some(Self {
            origin,
            keys: RwLock::new(Arc::new(keys)),
            asked: Mutex::new(Instant::now()),
            wanted: AtomicBool::new(false),
            validation,
            tenant_claim: config.jwt_tenant_claim.clone(),
            roles_claim: config.jwt_roles_claim.clone(),
            collections_claim: config.jwt_collections_claim.clone(),
        }))
    }

    /// Asks for the set again where it is time. Blocks; what can't be had leaves the keys as they were.
    pub(super) fn refresh(&self) {
        let wanted = self.wanted.swap(false, Ordering::Relaxed);
        {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let age = asked.elapsed();
            let due = match self.origin {
                Origin::File(_) => true,
                Origin::Address(_) => age >= FRESH || (wanted && age >= AT_MOST_EVERY),
            };
            if !due {
                // Asked for too early; it is not forgotten.
                self.wanted.fetch_or(wanted, Ordering::Relaxed);
                return;
            }
            *asked = Instant::now();
        }
        match self.origin.read() {
            Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys),
            Err(e) => tracing::error!("jwt_keys: {e}; those from before are used on"),
        }
    }

    pub(super) fn access(&self, token: &str) -> Result<Access, Refusal> {
        let header = decode_header(token).map_err(|e| refusal(e.kind()))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refusal::Invalid("the token's algorithm is not taken"));
        }
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let key = match &header.kid {
            Some(id) => keys.iter().find(|k| k.id.as_ref() == Some(id)),
            // Without a name only one key can be meant.
            None => Some(&keys).filter(|k| k.len() == 1).and_then(|k| k.first()),
        };
        let Some(key) = key.filter(|k| k.algorithm.is_none_or(|a| a == header.alg)) else {
            self.wanted.store(true, Ordering::Relaxed);
            return Err(Refusal::Invalid("the token's key is not in the key set"));
        };
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let claims = decode::<Map<String, Value>>(token, &key.key, &validation).map_err(|e| refusal(e.kind()))?.claims;
        self.of_claims(&claims)
    }

    fn of_claims(&self, claims: &Map<String, Value>) -> Result<Access, Refusal> {
        let tenant = claims.get(&self.tenant_claim).and_then(Value::as_str);
        let tenant = tenant.ok_or(Refusal::Invalid("the token names no tenant"))?;
        let roles: Vec<Role> = names(claims.get(&self.roles_claim)).iter().filter_map(|r| r.parse().ok()).collect();
        let collections = claims.get(&self.collections_claim);
        Ok(Access {
            name: claims.get("sub").and_then(Value::as_str).unwrap_or("token").into(),
            tenants: tenant.parse().map_err(|_| Refusal::Invalid("the token's tenant can't be one"))?,
            // Roles of other services may stand beside ours.
            roles: if roles.is_empty() {
                return Err(Refusal::Invalid("the token has no role here"));
            } else {
                roles.into()
            },
            collections: Arc::new(collections.map_or(Collections::All, |c| Collections::Named(names(Some(c))))),
        })
    }
}

/// A list of names, or names in one text with spaces between them.
fn names(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn refusal(kind: &ErrorKind) -> Refusal {
    Refusal::Invalid(match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not yet good",
        ErrorKind::InvalidIssuer => "the token's issuer is not ours",
        ErrorKind::InvalidAudience => "the token is for somebody else",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks exp, iss or aud",
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        _ => "it is no token that can be read",
    })
}

impl Origin {
    fn read(&self) -> Result<Vec<Key>, String> {
        let text = match self {
            Self::File(path) => read_file(path)?,
            Self::Address(url) => fetch(url)?,
        };
        let set: JwkSet = serde_json::from_str(&text).map_err(|e| format!("no key set: {e}"))?;
        let signs = |jwk: &&Jwk| !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
        let keys: Vec<Key> = set.keys.iter().filter(signs).filter_map(usable).collect();
        if keys.is_empty() { Err("the key set has no public key that signs".into()) } else { Ok(keys) }
    }
}

/// A key of the set, if it is one of a public and a private half.
fn usable(jwk: &Jwk) -> Option<Key> {
    let algorithm = jwk.common.key_algorithm.map(Algorithm::try_from);
    let algorithm = algorithm.transpose().ok()?;
    if algorithm.is_some_and(|a| !ALGORITHMS.contains(&a)) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let public = !matches!(jwk.algorithm, jsonwebtoken::jwk::AlgorithmParameters::OctetKey(_));
    public.then(|| Key { id: jwk.common.key_id.clone(), key, algorithm })
}

fn read_file(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn fetch(url: &str) -> Result<String, String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).max_redirects(0).build().into();
    let mut response = agent.get(url).call().map_err(|e| format!("{url}: {e}"))?;
    let body = response.body_mut().with_config().limit(MAX_SET_BYTES);
    body.read_to_string().map_err(|e| format!("{url}: {e}"))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    /// An Ed25519 key pair (RFC 8037, appendix A), and another.
    const PRIVATE: &str =
        "302e020100300506032b657004220420 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn private() -> EncodingKey {
        let digits: String = PRIVATE.split_whitespace().collect();
        let bytes = (0..digits.len()).step_by(2).map(|n| u8::from_str_radix(&digits[n..n + 2], 16).unwrap());
        EncodingKey::from_ed_der(&bytes.collect::<Vec<_>>())
    }

    fn tokens(set: &Value) -> Result<Tokens, IdentityError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), set.to_string()).unwrap();
        let config = Config {
            jwt_keys: Some(file.path().display().to_string()),
            jwt_issuer: Some("https://issuer".into()),
            jwt_audience: Some("tamis".into()),
            ..Config::default()
        };
        Tokens::new(&config).map(Option::unwrap)
    }

    fn set() -> Value {
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "use": "sig", "x": PUBLIC}]})
    }

    fn now() -> u64 {
        jsonwebtoken::get_current_timestamp()
    }

    fn claims() -> Value {
        json!({"iss": "https://issuer", "aud": ["tamis", "other"], "exp": now() + 60, "sub": "ann",
               "tenant": "acme", "roles": ["read", "billing"], "collections": "docs wiki-*"})
    }

    fn signed(claims: &Value, key_id: Option<&str>) -> String {
        let header = Header { kid: key_id.map(Into::into), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &private()).unwrap()
    }

    fn said(tokens: &Tokens, token: &str) -> String {
        tokens.access(token).unwrap_err().to_string()
    }

    #[test]
    fn a_token_says_tenant_roles_and_collections() {
        let tokens = tokens(&set()).unwrap();
        for key_id in [Some("one"), None] {
            let caller = tokens.access(&signed(&claims(), key_id)).unwrap().for_tenant(None).unwrap();
            assert_eq!((caller.tenant.as_str(), &*caller.name), ("acme", "ann"));
            assert!(caller.may(Role::Read, &"wiki-de".parse().unwrap()));
            assert!(!caller.may(Role::Read, &"other".parse().unwrap()) && !caller.has(Role::Ingest));
        }
    }

    #[test]
    fn a_token_that_is_not_good_is_refused_with_the_reason() {
        let tokens = tokens(&set()).unwrap();
        let with = |change: Value| {
            let mut claims = claims();
            for (key, value) in change.as_object().unwrap() {
                claims[key] = value.clone();
            }
            said(&tokens, &signed(&claims, Some("one")))
        };
        // Clocks may be 30 s apart.
        assert!(
            tokens
                .access(&signed(
                    &json!({"iss": "https://issuer", "aud": "tamis", "exp": now() - 20,
            "tenant": "acme", "roles": "read"}),
                    None
                ))
                .is_ok()
        );
        assert!(with(json!({"exp": now() - 40})).contains("expired"));
        assert!(with(json!({"nbf": now() + 40})).contains("not yet good"));
        assert!(with(json!({"iss": "https://other"})).contains("issuer"));
        assert!(with(json!({"aud": "other"})).contains("somebody else"));
        assert!(with(json!({"exp": null})).contains("lacks") || with(json!({"exp": null})).contains("read"));
        assert!(with(json!({"tenant": 7})).contains("no tenant"));
        assert!(with(json!({"tenant": "a b"})).contains("can't be one"));
        assert!(with(json!({"roles": ["root"]})).contains("no role"));
        assert!(said(&tokens, &signed(&claims(), Some("two"))).contains("not in the key set"));
        assert!(said(&tokens, "a.b.c").contains("no token"));
        let token = signed(&claims(), Some("one"));
        let (signed_part, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{signed_part}.{}", signature.chars().rev().collect::<String>());
        assert!(said(&tokens, &forged).contains("signature") || said(&tokens, &forged).contains("no token"));
    }

    #[test]
    fn no_algorithm_and_a_shared_secret_are_not_taken() {
        let tokens = tokens(&set()).unwrap();
        let encode_part =
            |v: &Value| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, v.to_string());
        let none = format!("{}.{}.", encode_part(&json!({"alg": "none"})), encode_part(&claims()));
        assert!(tokens.access(&none).is_err());
        // The public key, which everybody has, as a secret.
        let secret = EncodingKey::from_secret(PUBLIC.as_bytes());
        let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
        assert!(said(&tokens, &encode(&header, &claims(), &secret).unwrap()).contains("algorithm"));
        let oct = json!({"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}]});
        assert!(super::tests::tokens(&oct).err().unwrap().to_string().contains("no public key"));
    }
}
