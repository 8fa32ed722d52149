//! Documents, blocks and segments: what goes in, and what it is split into.

mod segment;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
pub use segment::{Block, BlockKind, ContextKind, ContextSpan, Place, Segment};
pub(crate) use segment::{below_title, label};

/// Longest accepted document id, in bytes.
pub const MAX_DOCUMENT_ID_BYTES: usize = 1024;
/// Longest accepted tenant or collection name, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(s: &str) -> Result<Self> {
                check_name($field, s)?;
                Ok(Self(s.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(s: String) -> Result<Self> {
                s.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

name_type!(
    /// The owner of data. Nothing crosses tenants.
    TenantId,
    "tenant"
);
name_type!(
    /// A collection's name, unique within its tenant.
    CollectionName,
    "collection"
);

fn check_name(field: &'static str, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Error::invalid(field, format!("a name has 1 to {MAX_NAME_BYTES} bytes, this one {}", name.len())));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.chars().all(plain) || name.starts_with('.') {
        return Err(Error::invalid(
            field,
            format!("{name:?}: names are made of ASCII letters, digits, '-', '_' and '.', and do not start with '.'"),
        ));
    }
    Ok(())
}

impl Default for TenantId {
    /// The tenant of single-tenant installations: `default`.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl Default for CollectionName {
    /// The collection used where none is named: `default`.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// A caller's own id of a document, unique within a collection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentId(String);

impl DocumentId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DocumentId {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        if s.is_empty() || s.len() > MAX_DOCUMENT_ID_BYTES {
            return Err(Error::invalid(
                "document.id",
                format!("an id has 1 to {MAX_DOCUMENT_ID_BYTES} bytes, this one {}", s.len()),
            ));
        }
        if s.contains('\0') {
            return Err(Error::invalid("document.id", "an id holds no NUL byte"));
        }
        Ok(Self(s.to_owned()))
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// One stored state of a document. Grows with every ingest anywhere in a store and is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub u64);

/// A metadata value: what filters compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetadataValue {
    /// True or false.
    Bool(bool),
    /// Any number; integers up to 2^53 are exact.
    Number(f64),
    /// Text, and dates in a form that sorts as text (ISO 8601).
    Text(String),
    /// Several texts; a filter matches if one of them does.
    List(Vec<String>),
}

/// Named metadata of a document, in a fixed order.
pub type Metadata = BTreeMap<String, MetadataValue>;

/// A document as a caller hands it in.
#[derive(Clone, Debug)]
pub struct Document {
    /// The caller's id; ingesting it again replaces the document.
    pub id: DocumentId,
    /// Where it came from; shown in citations. Empty: the id is shown.
    pub uri: String,
    /// Shown in citations and read by the encoder before every block. Empty: derived from the text or the uri.
    pub title: String,
    /// `text/markdown`, `text/x-rust`, ...; empty: guessed from the uri and the content.
    pub media_type: String,
    /// What filters see. What the document says of itself (front matter, mail headers) is added to it.
    pub metadata: Metadata,
    /// What it holds.
    pub content: Content,
}

/// What a document holds, as it came.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text. Where the media type needs no extraction, spans count its bytes.
    Text(String),
    /// A file of any supported type and encoding.
    Bytes(Vec<u8>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Content {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}
