//! API keys: made here, kept as hashes in a file, compared in constant time.
//!
//! A key is `tms_ID_SECRET`; the secret is 256 random bits, so its BLAKE3 hash can't be guessed back, and a slow password
//! hash would only make every call slow. Two keys of one tenant are good at once, and each may have an end: that
//! is how keys are rotated without a gap.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Access, Collections, Refusal, Role};

/// What every key begins with, so that scanners of repositories find lost ones.
const PREFIX: &str = "tms_";
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;
/// Longest id.
const MAX_ID_BYTES: usize = 64;

/// Whether a credential is a key rather than a token.
pub(super) fn is_key(credential: &str) -> bool {
    credential.starts_with(PREFIX)
}

/// A key as it stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name: lower-case letters, digits and hyphens.
    pub id: String,
    /// BLAKE3 of the secret, in hexadecimal digits.
    pub blake3: String,
    /// The tenant, or `*` where the call says which.
    pub tenant: String,
    /// What it may do.
    pub roles: Vec<Role>,
    /// In which collections, `*` at the end for all that begin so; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collections: Option<Vec<String>>,
    /// Until when, as `2027-01-31T00:00:00Z`; for ever where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Entry>,
}

/// Makes a key: what the caller gets, once, and what is kept of it. The entry's hash is filled in.
///
/// # Errors
/// What is wrong with the entry, or that there is no randomness.
pub fn create(mut entry: Entry) -> Result<(String, Entry), String> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|e| format!("no random numbers: {e}"))?;
    let secret = URL_SAFE_NO_PAD.encode(secret);
    entry.blake3 = blake3::hash(secret.as_bytes()).to_hex().to_string();
    Key::of(&entry)?;
    Ok((format!("{PREFIX}{}_{secret}", entry.id), entry))
}

/// The entries of a file.
///
/// # Errors
/// What is wrong with it.
pub fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
    Keys::of(&file.key)?;
    Ok(file.key)
}

struct Key {
    hash: blake3::Hash,
    expires: Option<Timestamp>,
    access: Access,
}

impl Key {
    fn of(entry: &Entry) -> Result<Self, String> {
        let wrong = |what: &str| format!("key {:?}: {what}", entry.id);
        let is_id = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if entry.id.is_empty() || entry.id.len() > MAX_ID_BYTES || !entry.id.bytes().all(is_id) {
            return Err(wrong("an id has 1 to 64 lower-case letters, digits and hyphens"));
        }
        if entry.roles.is_empty() {
            return Err(wrong("has no roles; give it read, ingest or admin"));
        }
        let expires = entry.expires.as_deref().map(str::parse).transpose();
        Ok(Self {
            hash: entry.blake3.parse().map_err(|_| wrong("blake3 is not 64 hexadecimal digits"))?,
            expires: expires.map_err(|e| wrong(&format!("expires: {e}; write 2027-01-31T00:00:00Z")))?,
            access: Access {
                name: entry.id.as_str().into(),
                tenants: entry.tenant.parse().map_err(|e| wrong(&format!("{e}")))?,
                roles: entry.roles.as_slice().into(),
                collections: Arc::new(entry.collections.clone().map_or(Collections::All, Collections::Named)),
            },
        })
    }
}

/// The keys of a file.
pub(crate) struct Keys(HashMap<String, Key>);

impl Keys {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::of(&entries(text)?)
    }

    fn of(entries: &[Entry]) -> Result<Self, String> {
        let mut keys = HashMap::new();
        for entry in entries {
            if keys.insert(entry.id.clone(), Key::of(entry)?).is_some() {
                return Err(format!("key {:?} is there twice", entry.id));
            }
        }
        Ok(Self(keys))
    }

    /// What a key is good for now.
    pub(super) fn access(&self, credential: &str) -> Result<Access, Refusal> {
        const UNKNOWN: Refusal = Refusal::Invalid("no such key");
        let (id, secret) = credential.strip_prefix(PREFIX).and_then(|k| k.split_once('_')).ok_or(UNKNOWN)?;
        // These hashes are compared in constant time, and an id that is not there takes as long as one that is.
        let (hash, key) = (blake3::hash(secret.as_bytes()), self.0.get(id));
        let matches = hash == key.map_or(blake3::Hash::from_bytes([0; 32]), |key| key.hash);
        let key = key.filter(|_| matches).ok_or(UNKNOWN)?;
        if key.expires.is_some_and(|end| end <= Timestamp::now()) {
            return Err(Refusal::Invalid("the key has expired"));
        }
        Ok(key.access.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, expires: Option<&str>) -> Entry {
        Entry {
            id: id.into(),
            blake3: String::new(),
            tenant: "acme".into(),
            roles: vec![Role::Read],
            collections: None,
            expires: expires.map(Into::into),
        }
    }

    #[test]
    fn a_key_is_known_by_its_hash_until_it_ends() {
        let (old, old_entry) = create(entry("old", Some("2020-01-01T00:00:00Z"))).unwrap();
        let (new, new_entry) = create(entry("new", None)).unwrap();
        let keys = Keys::of(&[old_entry.clone(), new_entry.clone()]).unwrap();
        assert_eq!(&*keys.access(&new).unwrap().name, "new");
        assert!(!new_entry.blake3.contains(new.splitn(3, '_').last().unwrap()));
        assert_eq!(keys.access(&old).unwrap_err(), Refusal::Invalid("the key has expired"));
        let crossed = new.replace("tms_new_", "tms_old_");
        for unknown in ["tms_", "tms_new", "tms_new_", "tms_none_x", &crossed, &new[..new.len() - 1]] {
            assert_eq!(keys.access(unknown).unwrap_err(), Refusal::Invalid("no such key"), "{unknown}");
        }
        assert!(Keys::of(&[new_entry.clone(), new_entry]).err().unwrap().contains("twice"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let said = |change: &str| {
            let text =
                format!("[[key]]\nid = \"a\"\ntenant = \"t\"\nroles = [\"read\"]\nblake3 = \"{}\"\n", "0".repeat(64));
            let (from, to) = change.split_once("=>").unwrap();
            entries(&text.replace(from, to)).unwrap_err()
        };
        assert!(said("\"a\"=>\"A b\"").contains("an id has"));
        assert!(said("[\"read\"]=>[]").contains("no roles"));
        assert!(said("[\"read\"]=>[\"root\"]").contains("unknown variant `root`"));
        assert!(said("00=>0").contains("64 hexadecimal"));
        assert!(said("tenant=>tennant").contains("unknown field"));
        assert!(said("id =>expires = \"tomorrow\"\nid ").contains("expires"));
        assert!(said("\"t\"=>\"a b\"").contains("tenant"));
        assert!(entries("").unwrap().is_empty());
    }
}
