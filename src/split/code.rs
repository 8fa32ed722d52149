//! Source code by syntax tree: declarations whole where they fit, else cut at their statements.
//!
//! The idea of splitting code along its syntax tree is SEA's (arXiv 2208.11271, section 3); its released
//! splitter drops the text after the last node and seldom splits a function at all, so this one
//! recurses instead: a node that fits a block is one, a larger one is replaced by its children, and
//! small neighbours are merged. The names around a piece are its scope, the signatures its context.

use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, Parser, Tree};

use super::grammar::{self, Declaration};
use super::lines::{cover, lines, windows};
use super::section::{Piece, Section, Shown};
use super::sizes::Sizes;
use super::{Limits, Measure, yaml};
use crate::document::{BlockKind, ContextKind};
use crate::extract::Language;
use crate::span::Span;

/// Deeper nodes are not followed; their text is cut by lines.
const MAX_DEPTH: usize = 64;
/// Neighbouring statements are merged into one block until it has this many tokens.
const MIN_BLOCK_TOKENS: usize = 32;
/// A piece with fewer tokens (a closing bracket) always joins the block before it, where it fits.
const MIN_PIECE_TOKENS: usize = 8;
/// Sizes by lines may be short of the whole by so many tokens.
const COUNT_MARGIN: usize = 4;
/// A longer signature is not shown before every statement, in bytes.
const MAX_SIGNATURE_BYTES: usize = 600;

/// Source with errors is parsed in windows of at most so many bytes.
const MAX_BYTES_WITH_ERRORS: usize = 32 * 1024;

pub(super) fn sections(
    text: &str,
    span: Span,
    language: Language,
    limits: Limits,
    measure: Measure<'_>,
) -> Vec<Section> {
    if language == Language::Yaml {
        let windows = windows(text, span, usize::MAX, yaml::MAX_LINES).into_iter();
        return windows.flat_map(|window| parsed(text, window, language, limits, measure)).collect();
    }
    parsed(text, span, language, limits, measure)
}

fn parsed(text: &str, span: Span, language: Language, limits: Limits, measure: Measure<'_>) -> Vec<Section> {
    let source = &text[span.range()];
    let Some(tree) = parse(source, language) else {
        let windows = windows(text, span, MAX_BYTES_WITH_ERRORS, usize::MAX);
        if windows.len() == 1 {
            return vec![Section { path: Vec::new(), blocks: paragraphs(text, span) }];
        }
        return windows.into_iter().flat_map(|window| parsed(text, window, language, limits, measure)).collect();
    };
    let mut walk = Walk {
        text,
        language,
        base: span.start as usize,
        length: source.len(),
        sizes: Sizes::new(source, measure),
        limit: limits.of_block(),
        segment: limits.segment,
        flat: false,
        sections: Vec::new(),
        scope: Vec::new(),
        shown: None,
        open: None,
    };
    let root = tree.root_node();
    if root.is_error() {
        walk.broken(root, 0, 0)
    } else {
        walk.children(root, 0, None, 0)
    }
    walk.close();
    walk.sections
}

fn parse(source: &str, language: Language) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&grammar::of(language)).ok()?;
    if language == Language::Yaml && yaml::is_too_deep(source) {
        return None;
    }
    // Sound source is parsed in one go. Recovery from errors can take time that grows with the square of the
    // text, so what has errors is parsed only so far.
    let mut spend = |state: &tree_sitter::ParseState| match state.has_error() {
        true if state.current_byte_offset() > MAX_BYTES_WITH_ERRORS => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    // The shell's scanner asks isdigit() about any character, which is defined up to 255 and crashes beyond. To the
    // grammar they are all letters.
    let letters: Option<Vec<u8>> = (language == Language::Bash)
        .then(|| source.bytes().map(|byte| if byte.is_ascii() { byte } else { b'x' }).collect());
    let bytes = letters.as_deref().unwrap_or(source.as_bytes());
    let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
    parser.parse_with_options(&mut read, None, Some(ParseOptions::new().progress_callback(&mut spend)))
}

/// Code without a grammar: runs of lines between blank lines.
pub(super) fn paragraphs(text: &str, span: Span) -> Vec<Piece> {
    let lines: Vec<_> = lines(text, span).collect();
    let runs = lines.split(super::lines::Line::is_blank).filter(|run| !run.is_empty());
    runs.map(|run| Piece::new(cover(run), BlockKind::Code, true)).collect()
}

struct Walk<'t> {
    text: &'t str,
    language: Language,
    base: usize,
    length: usize,
    sizes: Sizes,
    /// Longest block, and longest segment.
    limit: usize,
    segment: usize,
    /// Inside a declaration that fits a segment: what it declares opens no section of its own.
    flat: bool,
    sections: Vec<Section>,
    /// Names around the current node, outermost first.
    scope: Vec<(Span, ContextKind)>,
    /// Signatures around the current node.
    shown: Option<Shown>,
    /// The block being filled with small neighbours: its range in the source.
    open: Option<(usize, usize)>,
}

impl Walk<'_> {
    /// Takes the children of a node from a byte on; comments and attributes go with what follows them.
    /// `lead` is where text begins that goes with the first child.
    fn children(&mut self, node: Node<'_>, from: usize, mut lead: Option<usize>, depth: usize) {
        let mut cursor = node.walk();
        let mut last: Option<Node<'_>> = None;
        for child in node.children(&mut cursor).filter(|c| c.start_byte() >= from) {
            // Behind something on its line, a comment is about that.
            let trails = last.is_some_and(|l| !grammar::leads(l) && l.end_position().row == child.start_position().row);
            let start = lead.take().unwrap_or(child.start_byte());
            last = Some(child);
            if grammar::leads(child) && !trails {
                lead = Some(start);
            } else {
                self.node(child, start, depth);
            }
        }
        if let (Some(start), Some(last)) = (lead, last) {
            self.leaf(start, last.end_byte());
        }
    }

    fn node(&mut self, node: Node<'_>, start: usize, depth: usize) {
        let end = node.end_byte();
        if self.sizes.of(start, end) <= self.limit || depth >= MAX_DEPTH || node.child_count() == 0 {
            self.leaf(start, end);
        } else if node.is_error() {
            self.broken(node, start, depth);
        } else if let Some(declaration) = Declaration::of(node, self.language) {
            self.declaration(&declaration, start, depth);
        } else {
            self.children(node, node.start_byte(), Some(start), depth + 1);
        }
    }

    /// A declaration that is too large: its signature, then what its body holds, in a scope of their own.
    fn declaration(&mut self, declaration: &Declaration<'_>, start: usize, depth: usize) {
        self.close();
        let name = self.span(declaration.signature, declaration.name_end);
        let signature = self.span(declaration.signature, declaration.inner).trim(self.text);
        let (outer, was_flat) = (self.shown.clone(), self.flat);
        if !was_flat {
            self.scope.push((name, ContextKind::Scope));
        }
        self.flat = was_flat || self.sizes.of(start, declaration.end) <= self.segment;
        // The signature with its comments, attributes and opening bracket opens the section.
        self.leaf(start, declaration.inner);
        self.close();
        // Of data, the path of keys says it all.
        if signature.len() <= MAX_SIGNATURE_BYTES && !self.language.is_data() {
            self.shown = Some(Shown::new(signature, ContextKind::Signature, outer.as_ref()));
        }
        self.children(declaration.body, declaration.inner, declaration.lead, depth + 1);
        if declaration.end > declaration.body.end_byte() {
            self.leaf(declaration.body.end_byte(), declaration.end);
        }
        self.close();
        if !was_flat {
            self.scope.pop();
        }
        (self.shown, self.flat) = (outer, was_flat);
    }

    /// What did not parse: the parts that did, and between them lines up to a blank line or a lesser indent.
    fn broken(&mut self, node: Node<'_>, start: usize, depth: usize) {
        let mut cursor = node.walk();
        let mut at = start;
        for child in node.children(&mut cursor) {
            if Declaration::of(child, self.language).is_some() {
                self.lines(at, child.start_byte());
                self.node(child, child.start_byte(), depth + 1);
                at = child.end_byte();
            }
        }
        self.lines(at, node.end_byte());
    }

    fn lines(&mut self, start: usize, end: usize) {
        let (mut block, mut base): (Option<(usize, usize)>, usize) = (None, 0);
        for line in lines(self.text, self.span(start, end)) {
            let (from, to) = (line.span.start as usize - self.base, line.span.end as usize - self.base);
            let full = block.is_some_and(|(first, _)| self.sizes.of(first, to) > self.limit);
            if let Some((first, last)) = block
                && (full || line.is_blank() || line.indent() < base)
            {
                self.leaf(first, last);
                block = None;
            }
            if !line.is_blank() {
                base = if block.is_none() { line.indent() } else { base };
                block = Some((block.map_or(from, |(first, _)| first), to));
            }
        }
        if let Some((first, last)) = block {
            self.leaf(first, last);
        }
    }

    /// Adds a piece of source to the open block, or opens a new one.
    fn leaf(&mut self, start: usize, end: usize) {
        if let Some((from, to)) = self.open {
            // Behind a blank line, even a small piece belongs with what comes rather than with what was.
            let breaks = self.breaks(to, start);
            let small = self.sizes.of(from, to) < MIN_BLOCK_TOKENS.min(self.limit)
                || (self.sizes.of(start, end) < MIN_PIECE_TOKENS && breaks < 2)
                || breaks == 0;
            if small && self.sizes.of(from, end) <= self.limit {
                self.open = Some((from, end));
                return;
            }
            self.close();
        } else if self.sizes.of(start, end) < MIN_PIECE_TOKENS && self.closes_last(start, end) {
            return;
        }
        self.open = Some((start, end));
    }

    /// Lines that end between two bytes of the source.
    fn breaks(&self, from: usize, to: usize) -> usize {
        self.text[self.span(from, to).range()].bytes().filter(|b| *b == b'\n').count()
    }

    /// Gives a bracket that closes something to the last block, whatever scope that is in.
    fn closes_last(&mut self, start: usize, end: usize) -> bool {
        let closing = self.span(start, end);
        let is_bracket = self.text[closing.range()].starts_with(['}', ')', ']']) || self.is_end(closing);
        let last = self.sections.last_mut().and_then(|s| s.blocks.last_mut()).filter(|_| is_bracket);
        let Some(last) = last else { return false };
        let whole = last.block.span.cover(closing);
        let fits = self.sizes.of(whole.start as usize - self.base, end) <= self.limit;
        if fits {
            last.block.span = whole;
            last.tokens = None;
        }
        fits
    }

    fn is_end(&self, span: Span) -> bool {
        matches!(self.text[span.range()].trim(), "end" | "end;" | "fi" | "done" | "esac")
    }

    fn close(&mut self) {
        let Some((start, end)) = self.open.take() else { return };
        if self.sections.last().is_none_or(|s| s.path != self.scope) {
            self.sections.push(Section { path: self.scope.clone(), blocks: Vec::new() });
        }
        let span = self.span(start, end);
        let source = &self.text[self.base..];
        // Next to the limit, what a line break takes off a token count decides: the block is counted itself.
        let tokens = self.sizes.of_lines(&source[..self.length], start, end);
        let tokens = tokens.filter(|tokens| tokens + COUNT_MARGIN <= self.limit);
        let piece = Piece::new(span, BlockKind::Code, true).after(self.shown.as_ref()).counted(tokens);
        if let Some(section) = self.sections.last_mut() {
            section.blocks.push(piece);
        }
    }

    /// A range of the source as a span of the text.
    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.base + start, self.base + end)
    }
}
