//! Markdown (CommonMark and GitHub tables): headings, paragraphs, lists, tables, fenced code.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::{Limits, Measure, Piece, Section, code, prose};
use crate::document::BlockKind;
use crate::extract::Language;
use crate::span::Span;

pub(super) fn sections(text: &str, limits: Limits, measure: Measure<'_>) -> Vec<Section> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_TASKLISTS;
    let mut outline = Outline { text, limits, measure, headings: Vec::new(), sections: Vec::new() };
    // Depth of block containers that were handed on whole; events inside them are skipped.
    let mut inside = 0usize;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        let span = Span::from(range);
        match event {
            Event::Start(tag) => {
                if inside > 0 {
                    inside += 1;
                } else if outline.takes(&tag, span) {
                    inside = 1;
                }
            }
            Event::End(TagEnd::List(_) | TagEnd::Item | TagEnd::BlockQuote(_) | TagEnd::FootnoteDefinition)
                if inside == 0 => {}
            Event::End(_) => inside = inside.saturating_sub(1),
            Event::Rule if inside == 0 => {}
            Event::Html(_) if inside == 0 => outline.prose(span),
            _ => {}
        }
    }
    outline.sections
}

/// The document so far: sections, and the headings above the current place.
struct Outline<'t> {
    text: &'t str,
    limits: Limits,
    measure: Measure<'t>,
    headings: Vec<(u8, Span)>,
    sections: Vec<Section>,
}

impl Outline<'_> {
    /// Handles a block; `true` if its inner events are to be skipped.
    fn takes(&mut self, tag: &Tag<'_>, span: Span) -> bool {
        match tag {
            Tag::Heading { level, .. } => self.heading(*level as u8, span),
            Tag::Paragraph | Tag::HtmlBlock | Tag::MetadataBlock(_) => self.prose(span),
            Tag::Item => {
                self.item(span);
                // Nested blocks (code, tables, inner lists) are handled by their own events.
                return false;
            }
            Tag::CodeBlock(kind) => self.code(kind, span),
            Tag::Table(_) => self.table(span),
            // Containers: their blocks come next. Inline tags of a tight list item: part of the item.
            Tag::List(_) | Tag::BlockQuote(_) | Tag::FootnoteDefinition(_) => return false,
            _ => {}
        }
        true
    }

    fn current(&mut self) -> &mut Section {
        if self.sections.is_empty() {
            self.sections.push(Section::default());
        }
        let last = self.sections.len() - 1;
        &mut self.sections[last]
    }

    fn heading(&mut self, level: u8, span: Span) {
        let span = span.trim(self.text);
        self.headings.retain(|(l, _)| *l < level);
        self.headings.push((level, span));
        self.sections.push(Section {
            context: self.headings.iter().map(|(_, s)| *s).collect(),
            blocks: vec![Piece::new(span, BlockKind::Heading, true)],
        });
    }

    fn prose(&mut self, span: Span) {
        let pieces = prose::pieces(self.text, span);
        // A paragraph inside a list item replaces what the item had claimed.
        self.replace_from(span, pieces);
    }

    /// A list item claims its first block of lines; deeper blocks claim theirs when their events come.
    fn item(&mut self, span: Span) {
        let source = &self.text[span.range()];
        let mut end = 0;
        for line in source.split_inclusive('\n') {
            let nested = end > 0 && prose::is_list_line(line);
            if nested || line.trim().is_empty() || line.trim_start().starts_with("```") {
                break;
            }
            end += line.len();
        }
        let own = Span::new(span.start as usize, span.start as usize + end).trim(self.text);
        if !own.is_empty() {
            self.replace_from(own, vec![Piece::new(own, BlockKind::ListItem, true)]);
        }
    }

    fn code(&mut self, kind: &CodeBlockKind<'_>, span: Span) {
        let language = match kind {
            CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().and_then(Language::named),
            CodeBlockKind::Indented => None,
        };
        let source = &self.text[span.range()];
        let mut inner = span;
        if matches!(kind, CodeBlockKind::Fenced(_)) {
            let first = source.find('\n').map_or(source.len(), |n| n + 1);
            let body = &source[first..];
            let last = body.trim_end().rfind('\n').map_or(0, |n| n + 1);
            let closed = body[last..].trim().starts_with(['`', '~']);
            inner = Span::new(
                span.start as usize + first,
                span.start as usize + first + if closed { last } else { body.len() },
            );
        }
        let mut pieces: Vec<Piece> = match language {
            Some(language) => code::sections(self.text, inner, language, self.limits, self.measure)
                .into_iter()
                .flat_map(|s| s.blocks)
                .collect(),
            None => code::paragraphs(self.text, inner),
        };
        // The fences belong to the blocks beside them.
        match (pieces.first_mut(), span) {
            (Some(first), span) => first.block.span = Span::new(span.start as usize, first.block.span.end as usize),
            (None, span) => pieces.push(Piece::new(span, BlockKind::Code, true)),
        }
        if let Some(last) = pieces.last_mut() {
            last.block.span = last.block.span.cover(Span::new(inner.end as usize, span.end as usize));
        }
        self.replace_from(span, pieces);
    }

    /// Every row is a block; the header row is context of a section of its own.
    fn table(&mut self, span: Span) {
        let mut lines = Vec::new();
        let mut at = span.start as usize;
        for line in self.text[span.range()].split_inclusive('\n') {
            lines.push(Span::new(at, at + line.len()).trim(self.text));
            at += line.len();
        }
        let header = lines.first().copied().unwrap_or(span);
        let outer = self.sections.last().map(|s| s.context.clone()).unwrap_or_default();
        let mut context = outer.clone();
        context.push(header);
        let head_end = lines.get(1).copied().unwrap_or(header);
        let mut blocks = vec![Piece::new(header.cover(head_end), BlockKind::Heading, true)];
        blocks
            .extend(lines.iter().skip(2).filter(|l| !l.is_empty()).map(|l| Piece::new(*l, BlockKind::TableRow, false)));
        self.clip_before(span);
        self.sections.push(Section { context, blocks });
        self.sections.push(Section { context: outer, blocks: Vec::new() });
    }

    /// Appends blocks that begin at `span`; what an enclosing list item had claimed beyond that is given up.
    fn replace_from(&mut self, span: Span, pieces: Vec<Piece>) {
        if let Some(claimed) = self.current().blocks.last()
            && claimed.block.kind == BlockKind::ListItem
            && claimed.block.span.start <= span.start
            && claimed.block.span.end >= span.end
            && pieces.len() == 1
        {
            // A one-sentence paragraph in a list item is the item itself, marker included.
            return;
        }
        self.clip_before(span);
        self.current().blocks.extend(pieces);
    }

    fn clip_before(&mut self, span: Span) {
        let start = span.start;
        let text = self.text;
        let blocks = &mut self.current().blocks;
        if let Some(last) = blocks.last_mut()
            && last.block.span.end > start
        {
            last.block.span = Span::new(last.block.span.start as usize, start as usize).trim(text);
            if last.block.span.is_empty() {
                blocks.pop();
            }
        }
    }
}
