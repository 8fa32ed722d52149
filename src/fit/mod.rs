//! Scored blocks to a context under an exact budget.
//!
//! `select` decides which blocks are kept, `render` turns them into the final text. What is counted is
//! always the rendered text, with its citations and wrappers, in the budget's own tokenizer.

mod render;
mod sections;
mod select;

use std::cmp::Ordering;
use std::str::FromStr;
use std::sync::Arc;

use crate::document::Revision;
use crate::error::{Error, Result};
use crate::span::Span;
use crate::tokenize::{TokenCount, TokenCounter};

pub use sections::{Fitted, Section, fit_sections};
pub use select::fit;

/// The most tokens a context may have, in a named tokenizer.
#[derive(Clone)]
pub struct Budget {
    /// Most tokens of the rendered text.
    pub max_tokens: TokenCount,
    /// Whose tokens.
    pub tokenizer: Arc<dyn TokenCounter>,
}

impl Budget {
    /// A budget.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0 tokens.
    pub fn new(max_tokens: u32, tokenizer: Arc<dyn TokenCounter>) -> Result<Self> {
        if max_tokens == 0 {
            return Err(Error::invalid("budget.max_tokens", "must be at least 1"));
        }
        Ok(Self { max_tokens: TokenCount(max_tokens), tokenizer })
    }
}

/// How a context is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A citation line, then the text.
    #[default]
    Plain,
    /// A citation as a heading with its source, then the text, in which a line that looks like such a citation is escaped.
    Markdown,
    /// `<document>` and `<excerpt>` elements; the text is escaped, so that it can't close them.
    Xml,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "plain" => Ok(Self::Plain),
            "markdown" => Ok(Self::Markdown),
            "xml" => Ok(Self::Xml),
            _ => Err(Error::invalid("format", format!("{s:?}: use plain, markdown or xml"))),
        }
    }
}

/// In which order documents stand in a context. Within a document, excerpts stand in its own order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The document with the best excerpt first.
    #[default]
    Relevance,
    /// By document id; inline documents as they were given.
    Document,
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "relevance" => Ok(Self::Relevance),
            "document" => Ok(Self::Document),
            _ => Err(Error::invalid("order", format!("{s:?}: use relevance or document"))),
        }
    }
}

/// Where a block comes from, for citing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The document's id.
    pub document_id: String,
    /// Its uri.
    pub uri: String,
    /// Its title.
    pub title: String,
    /// Its revision.
    pub revision: Revision,
    /// What an operator says of the source; empty where nothing is said.
    pub trust: String,
    /// Place in [`Order::Document`].
    pub place: usize,
}

/// A block that may be kept.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which of the sources.
    pub source: usize,
    /// The block's bytes in its document.
    pub span: Span,
    /// The text of the span; where words of it were dropped, what is shown of it.
    pub text: String,
    /// Where words were dropped, the bytes of the document that are left, in their order; empty where the text is whole.
    pub kept: Vec<Span>,
    /// The text between the block before and this one in the document, if that block directly precedes
    /// it under the same heading; `None` where an excerpt has to begin here. It is used only if that block is the
    /// piece before.
    pub joined: Option<String>,
    /// Heading path or scope.
    pub heading: String,
    /// Page, slide or sheet; empty where the source has none.
    pub place: String,
    /// What has to be shown before it, outermost first: its table's header, its list's lead-in, the
    /// signature around it.
    pub context: Vec<Quote>,
    /// Score; what is kept first.
    pub score: f32,
    /// Kept before all others, whatever its score.
    pub first: bool,
    /// Where else the same is said.
    pub repeats: Vec<Repeat>,
}

impl Piece {
    /// Which of two is kept first: the greater one.
    #[must_use]
    pub fn by_score(&self, other: &Self) -> Ordering {
        self.first.cmp(&other.first).then(self.score.total_cmp(&other.score))
    }
}

/// Bytes of a document that say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Which of the sources.
    pub source: usize,
    /// The bytes.
    pub span: Span,
}

/// Some text of a document with its place there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The bytes of the document.
    pub span: Span,
    /// The bytes themselves.
    pub text: String,
}

/// Consecutive kept blocks of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Excerpt {
    /// Where it comes from.
    pub source: Source,
    /// Its bytes in the document.
    pub span: Span,
    /// The bytes themselves; where words were dropped, what is left of them.
    pub text: String,
    /// Tokens of the text alone.
    pub tokens: TokenCount,
    /// The best of its blocks' scores.
    pub score: f32,
    /// Heading path or scope.
    pub heading: String,
    /// Page, slide or sheet where it begins; empty where the source has none.
    pub place: String,
    /// What is shown right before it and stands elsewhere in the document: once for all excerpts of the
    /// document that need it.
    pub context: Vec<Quote>,
    /// Where words of it were dropped, the bytes of the document that its text shows, in their order; empty where the text
    /// is all of the span.
    pub kept: Vec<Span>,
    /// Where else its blocks are said, in the same words.
    pub also_in: Vec<(Source, Span)>,
}

/// The context: what goes to the language model, and where it comes from.
#[derive(Clone, Debug)]
pub struct Context {
    /// The rendered text.
    pub text: String,
    /// Tokens of the rendered text; at most the budget.
    pub token_count: TokenCount,
    /// What it quotes, in the order of the text.
    pub excerpts: Vec<Excerpt>,
}
