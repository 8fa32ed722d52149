//! Documents, blocks and segments: what goes in, and what it is split into.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::span::Span;

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

/// What a block is; decides how it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum BlockKind {
    /// A sentence of prose.
    Sentence,
    /// A heading line.
    Heading,
    /// An item of a list.
    ListItem,
    /// The header of a table.
    TableHead,
    /// A row of a table.
    TableRow,
    /// A declaration or statement of source code, or a line of code without a grammar.
    Code,
    /// A record of data: a JSON entry, a log record, a definition.
    Entry,
    /// What someone said: a turn of a conversation, a cue of subtitles.
    Turn,
    /// What a document says of itself: front matter.
    Metadata,
}

impl BlockKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Sentence,
        Self::Heading,
        Self::ListItem,
        Self::TableHead,
        Self::TableRow,
        Self::Code,
        Self::Entry,
        Self::Turn,
        Self::Metadata,
    ];

    /// Whether such a block only says what others are about: it is shown with them, and not ranked itself.
    #[must_use]
    pub fn is_label(self) -> bool {
        matches!(self, Self::Heading | Self::TableHead | Self::Metadata)
    }

    /// The name in output and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sentence => "sentence",
            Self::Heading => "heading",
            Self::ListItem => "list_item",
            Self::TableHead => "table_head",
            Self::TableRow => "table_row",
            Self::Code => "code",
            Self::Entry => "entry",
            Self::Turn => "turn",
            Self::Metadata => "metadata",
        }
    }
}

/// The smallest unit that is kept or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Where it stands in the document's text.
    pub span: Span,
    /// What it is.
    pub kind: BlockKind,
}

/// What a context span is to the blocks that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ContextKind {
    /// A heading above; named in the citation.
    Heading,
    /// The name of a declaration or the key around; named in the citation.
    Scope,
    /// The header of the table; shown before its rows.
    Header,
    /// The line that a list follows from, or the item that a nested item belongs to; shown before the item.
    LeadIn,
    /// The signature of the declaration around a statement; shown before the statement.
    Signature,
    /// Who speaks; shown before a later sentence of the same turn.
    Speaker,
}

impl ContextKind {
    /// Whether it is shown verbatim before the blocks that need it, as against named in the citation.
    #[must_use]
    pub fn is_shown(self) -> bool {
        !matches!(self, Self::Heading | Self::Scope)
    }
}

/// Text that blocks need to be understood and that stands elsewhere in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextSpan {
    /// Where it stands.
    pub span: Span,
    /// What it is to the blocks.
    pub kind: ContextKind,
    /// The first of the segment's blocks that need it.
    pub first: u32,
    /// One past the last of them.
    pub end: u32,
}

/// A page, slide or sheet: where a reader of the source finds a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The first byte of the text that stands there.
    pub from: u64,
    /// As cited: `page 3`.
    pub label: String,
}

/// The unit of retrieval: consecutive blocks under one heading path or scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The blocks, in order, disjoint, not empty.
    pub blocks: Vec<Block>,
    /// What the blocks need to be understood, outermost first.
    pub context: Vec<ContextSpan>,
    /// The pages, slides or sheets that the segment touches, in order.
    pub places: Vec<Place>,
    /// Blocks of the segment before that are read with this one, where segments overlap. They stay that one's.
    pub lead: Option<Span>,
}

impl Segment {
    /// The same, so many bytes further on.
    #[must_use]
    pub(crate) fn moved(mut self, by: u64) -> Self {
        let spans = self.blocks.iter_mut().map(|b| &mut b.span).chain(self.context.iter_mut().map(|c| &mut c.span));
        spans.chain(&mut self.lead).for_each(|span| *span = span.moved(by));
        self.places.iter_mut().for_each(|place| place.from += by);
        self
    }

    /// From the first block's first byte to the last block's last.
    #[must_use]
    pub fn span(&self) -> Span {
        match (self.blocks.first(), self.blocks.last()) {
            (Some(first), Some(last)) => first.span.cover(last.span),
            _ => Span::new(0, 0),
        }
    }

    /// The heading path or scope as one line: `Install > From source`.
    #[must_use]
    pub fn heading(&self, text: &str) -> String {
        let named = self.context.iter().filter(|c| !c.kind.is_shown());
        let parts: Vec<String> = named.map(|c| label(c.span.slice(text).unwrap_or_default())).collect();
        parts.join(" > ")
    }

    /// What is shown before the n-th block: headers, lead-ins and signatures, outermost first.
    pub fn shown_before(&self, n: usize) -> impl Iterator<Item = &ContextSpan> {
        self.context.iter().filter(move |c| c.kind.is_shown() && (c.first as usize..c.end as usize).contains(&n))
    }

    /// Where a reader of the source finds a span of this segment; empty where the source has no pages.
    #[must_use]
    pub fn place(&self, span: Span) -> &str {
        let after = self.places.partition_point(|p| p.from <= span.start);
        after.checked_sub(1).and_then(|n| self.places.get(n)).map_or("", |p| &p.label)
    }
}

/// The heading path without a first part that only repeats the title.
pub(crate) fn below_title<'h>(title: &str, heading: &'h str) -> &'h str {
    match heading.strip_prefix(title) {
        Some("") => "",
        Some(rest) if !title.is_empty() => rest.strip_prefix(" > ").unwrap_or(heading),
        _ => heading,
    }
}

/// Longest part of a heading path, in characters; signatures can be long.
const MAX_LABEL_CHARS: usize = 120;

/// What is looked at of a heading or signature, in bytes.
const MAX_LABEL_SOURCE_BYTES: usize = 2048;

/// A heading, name or signature as one line without its markup.
pub(crate) fn label(source: &str) -> String {
    // A label is short: of a line of a megabyte, the beginning says as much.
    let mut end = source.len().min(MAX_LABEL_SOURCE_BYTES);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let bare = source[..end]
        .trim()
        .trim_start_matches(['#', '='])
        .trim_end_matches(['{', ':', '#', '=', '-', '~', '^', ' ', '\n', '\r']);
    // A key of JSON.
    let bare = bare.strip_prefix('"').and_then(|b| b.strip_suffix('"')).unwrap_or(bare);
    let mut out = String::with_capacity(bare.len().min(MAX_LABEL_CHARS));
    for (n, word) in bare.split_whitespace().enumerate() {
        if n > 0 {
            out.push(' ');
        }
        out.push_str(word);
        if out.chars().count() >= MAX_LABEL_CHARS {
            out = out.chars().take(MAX_LABEL_CHARS - 1).collect();
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::below_title;

    #[test]
    fn only_a_whole_first_heading_repeats_the_title() {
        assert_eq!(below_title("Install", "Install > From source"), "From source");
        assert_eq!(below_title("Install", "Install"), "");
        assert_eq!(below_title("Install", "Installing from source"), "Installing from source");
        assert_eq!(below_title("", "Install"), "Install");
    }
}
