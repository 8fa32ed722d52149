//! Source code by syntax tree: declarations whole where they fit, else cut at their statements.
//!
//! The idea of splitting code along its syntax tree is SEA's (arXiv 2208.11271, section 3); its released
//! splitter drops the text after the last node and seldom splits a function at all, so this one
//! recurses instead: a node that fits a block is one, a larger one is replaced by its children, and
//! small neighbours are merged. Enclosing signatures travel along as context.

use tree_sitter::{Node, Parser};

use super::grammar::{body, grammar, leads, opens_scope};
use super::{Limits, Measure, Piece, Section};
use crate::document::BlockKind;
use crate::extract::Language;
use crate::span::Span;

/// Deeper nodes are not followed; their text is cut by lines.
const MAX_DEPTH: usize = 64;
/// Neighbouring statements are merged into one block until it has this many tokens.
const MIN_BLOCK_TOKENS: usize = 32;
/// A piece with fewer tokens (a closing bracket) always joins the block before it, where it fits.
const MIN_PIECE_TOKENS: usize = 8;

pub(super) fn sections(
    text: &str,
    span: Span,
    language: Language,
    limits: Limits,
    measure: Measure<'_>,
) -> Vec<Section> {
    let source = &text[span.range()];
    let mut parser = Parser::new();
    let tree = match parser.set_language(&grammar(language)) {
        Ok(()) => parser.parse(source, None),
        Err(_) => None,
    };
    let Some(tree) = tree else {
        return vec![Section { context: Vec::new(), blocks: paragraphs(text, span) }];
    };
    let mut walk = Walk {
        base: span.start as usize,
        sizes: LineSizes::new(source, measure),
        limit: limits.block.min(limits.segment).max(1),
        sections: Vec::new(),
        scope: Vec::new(),
        open: None,
    };
    walk.children(tree.root_node(), 0, 0);
    walk.close();
    walk.sections
}

/// Code without a grammar: runs of lines between blank lines.
pub(super) fn paragraphs(text: &str, span: Span) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut run: Option<Span> = None;
    let mut at = span.start as usize;
    for line in text[span.range()].split_inclusive('\n') {
        let here = Span::new(at, at + line.len());
        at += line.len();
        if line.trim().is_empty() {
            out.extend(run.take().map(|r| Piece::new(r, BlockKind::Code, true)));
        } else {
            run = Some(run.map_or(here, |r| r.cover(here)));
        }
    }
    out.extend(run.map(|r| Piece::new(r, BlockKind::Code, true)));
    out
}

/// Tokens of every line, summed, so that a node's size is a subtraction.
struct LineSizes {
    starts: Vec<usize>,
    sums: Vec<usize>,
}

impl LineSizes {
    fn new(source: &str, measure: Measure<'_>) -> Self {
        let (mut starts, mut sums) = (vec![0], vec![0]);
        let (mut at, mut sum) = (0, 0);
        for line in source.split_inclusive('\n') {
            // A very long line is not source code that anyone wrote: its length is estimate enough.
            sum += if line.len() > 4096 { line.len() / 3 } else { measure(line) };
            at += line.len();
            starts.push(at);
            sums.push(sum);
        }
        Self { starts, sums }
    }

    /// Tokens before a byte; inside a line in proportion.
    fn before(&self, byte: usize) -> usize {
        let line = self.starts.partition_point(|s| *s <= byte).saturating_sub(1);
        let Some(end) = self.starts.get(line + 1) else { return self.sums[line] };
        let (start, tokens) = (self.starts[line], self.sums[line + 1] - self.sums[line]);
        self.sums[line] + tokens * (byte - start) / (end - start).max(1)
    }

    fn of(&self, start: usize, end: usize) -> usize {
        self.before(end).saturating_sub(self.before(start))
    }
}

struct Walk {
    base: usize,
    sizes: LineSizes,
    limit: usize,
    sections: Vec<Section>,
    /// Signatures around the current node, outermost first.
    scope: Vec<Span>,
    /// The block being filled with small neighbours: its range in the source.
    open: Option<(usize, usize)>,
}

impl Walk {
    /// Takes the children of a node from a byte on; comments and attributes go with what follows them.
    fn children(&mut self, node: Node<'_>, from: usize, depth: usize) {
        let mut cursor = node.walk();
        let mut lead: Option<usize> = None;
        let mut last_end = node.start_byte();
        for child in node.children(&mut cursor).filter(|c| c.start_byte() >= from) {
            let start = lead.take().unwrap_or(child.start_byte());
            last_end = child.end_byte();
            if leads(child) {
                lead = Some(start);
                continue;
            }
            self.node(child, start, depth);
        }
        if let Some(start) = lead {
            self.leaf(start, last_end);
        }
    }

    fn node(&mut self, node: Node<'_>, start: usize, depth: usize) {
        let end = node.end_byte();
        if self.sizes.of(start, end) <= self.limit || depth >= MAX_DEPTH || node.child_count() == 0 {
            self.leaf(start, end);
            return;
        }
        match body(node).filter(|_| opens_scope(node)) {
            Some(inner) => {
                self.close();
                let signature = Span::new(self.base + start_of_signature(node), self.base + inner.start_byte());
                // The signature with its comments, attributes and opening brace is a block of the outer scope.
                let brace = inner.child(0).filter(|c| !c.is_named()).map_or(inner.start_byte(), |c| c.end_byte());
                self.leaf(start, brace);
                self.close();
                self.scope.push(signature);
                self.children(inner, brace, depth + 1);
                self.close();
                self.scope.pop();
            }
            None => {
                if node.start_byte() > start {
                    self.leaf(start, node.start_byte());
                }
                self.children(node, 0, depth + 1);
            }
        }
    }

    /// Adds a piece of source to the open block, or opens a new one.
    fn leaf(&mut self, start: usize, end: usize) {
        if let Some((from, to)) = self.open {
            let small = self.sizes.of(from, to) < MIN_BLOCK_TOKENS.min(self.limit)
                || self.sizes.of(start, end) < MIN_PIECE_TOKENS;
            if small && self.sizes.of(from, end) <= self.limit {
                self.open = Some((from, end));
                return;
            }
            self.close();
        }
        self.open = Some((start, end));
    }

    fn close(&mut self) {
        let Some((start, end)) = self.open.take() else { return };
        if self.sections.last().is_none_or(|s| s.context != self.scope) {
            self.sections.push(Section { context: self.scope.clone(), blocks: Vec::new() });
        }
        let piece = Piece::new(Span::new(self.base + start, self.base + end), BlockKind::Code, true);
        if let Some(section) = self.sections.last_mut() {
            section.blocks.push(piece);
        }
    }
}

/// Where the signature proper begins, after attributes and comments that are children of the node.
fn start_of_signature(node: Node<'_>) -> usize {
    let mut cursor = node.walk();
    let first = node.children(&mut cursor).find(|c| !leads(*c));
    first.map_or(node.start_byte(), |c| c.start_byte())
}
