//! What an extractor or a markup parser knows about a text: its parts, in order.

use super::{Language, MediaType};
use crate::span::Span;

/// A stretch of text with one role. Parts stand in order and do not overlap; what stands between two of
/// them has no role of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it stands.
    pub span: Span,
    /// Its role.
    pub kind: PartKind,
}

/// The role of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A heading, from level 1.
    Heading(u8),
    /// Prose, to be cut into sentences.
    Paragraph,
    /// An item of a list with its marker and without the items inside it; the depth counts from 1.
    Item(u8),
    /// The header of the table that follows.
    TableHead,
    /// A row of a table.
    TableRow,
    /// Code, with its fences if it has some.
    Code(Option<Language>),
    /// Something to be kept whole where it fits: a definition, a record, a caption.
    Entry,
    /// What someone says; the name and what belongs to it take so many bytes at its beginning.
    Turn(u32),
    /// What the document says of itself.
    Metadata,
    /// Text of another type.
    Nested(MediaType),
}

impl Part {
    /// A part.
    #[must_use]
    pub fn new(span: Span, kind: PartKind) -> Self {
        Self { span, kind }
    }
}
