//! Between splitters and packing: runs of blocks under one path, and what their blocks need shown.

use std::rc::Rc;

use crate::document::{Block, BlockKind, ContextKind};
use crate::span::Span;

/// Deeper nesting is not shown: who needs more than this before a line reads the whole document.
const MAX_SHOWN: u8 = 6;

/// A run of blocks under one heading path or scope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    /// Headings or names around the blocks, outermost first.
    pub(crate) path: Vec<(Span, ContextKind)>,
    pub(crate) blocks: Vec<Piece>,
}

/// A block before packing.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) block: Block,
    /// Whether a paragraph or declaration begins with it.
    pub(crate) opens: bool,
    /// What has to be shown before it.
    pub(crate) shown: Option<Shown>,
    /// Its tokens, where they were counted already.
    pub(crate) tokens: Option<usize>,
}

impl Piece {
    pub(crate) fn new(span: Span, kind: BlockKind, opens: bool) -> Self {
        Self { block: Block { span, kind }, opens, shown: None, tokens: None }
    }

    pub(crate) fn counted(mut self, tokens: Option<usize>) -> Self {
        self.tokens = tokens;
        self
    }

    pub(crate) fn after(mut self, shown: Option<&Shown>) -> Self {
        self.shown = shown.cloned();
        self
    }
}

/// Context spans from the outermost to this one; blocks share what they have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shown(Rc<Link>);

#[derive(Debug)]
struct Link {
    span: Span,
    kind: ContextKind,
    depth: u8,
    outer: Option<Shown>,
}

impl Shown {
    /// A span inside those of `outer`. Where `outer` is deep already, it stays as it is.
    pub(crate) fn new(span: Span, kind: ContextKind, outer: Option<&Self>) -> Self {
        match outer {
            Some(outer) if outer.0.depth >= MAX_SHOWN => outer.clone(),
            _ => Self(Rc::new(Link { span, kind, depth: outer.map_or(1, |o| o.0.depth + 1), outer: outer.cloned() })),
        }
    }

    /// The spans, outermost first.
    pub(crate) fn spans(&self) -> Vec<(Span, ContextKind)> {
        let mut out = Vec::with_capacity(self.0.depth.into());
        let mut link = Some(self);
        while let Some(Self(inner)) = link {
            out.push((inner.span, inner.kind));
            link = inner.outer.as_ref();
        }
        out.reverse();
        out
    }
}
