//! What a document is split into: segments, each a run of blocks.

use serde::{Deserialize, Serialize};

use crate::span::Span;

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
