//! Kept blocks to text: citations and wrappers around verbatim excerpts.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Excerpt, Format, Order, Piece, Quote, Source};
use crate::document::below_title;
use crate::span::Span;
use crate::tokenize::{TokenCount, TokenCounter};

/// Stands between excerpts of one document: something is left out here.
const ELISION: &str = "…";

/// What is kept, and how it is shown.
pub(super) struct Layout<'a> {
    pub(super) sources: &'a [Source],
    /// In the order of documents and spans.
    pub(super) pieces: &'a [Piece],
    pub(super) format: Format,
    pub(super) order: Order,
}

/// Pieces that stand together under one citation.
struct Group<'a> {
    source: usize,
    score: f32,
    runs: Vec<Run<'a>>,
}

/// Consecutive pieces, and what is shown before them.
struct Run<'a> {
    context: Vec<&'a Quote>,
    pieces: Vec<&'a Piece>,
    /// Nothing is left out between the run before and this one.
    adjacent: bool,
}

impl Run<'_> {
    fn span(&self) -> Span {
        match (self.pieces.first(), self.pieces.last()) {
            (Some(first), Some(last)) => first.span.cover(last.span),
            _ => Span::new(0, 0),
        }
    }

    /// The verbatim text of the pieces, with what stands between them in the document.
    fn text(&self) -> String {
        let mut text = String::new();
        for (n, piece) in self.pieces.iter().enumerate() {
            if n > 0 {
                text.push_str(piece.joined.as_deref().unwrap_or_default());
            }
            text.push_str(&piece.text);
        }
        text
    }

    /// What is left of the span where words were dropped; nothing where none were.
    fn kept(&self) -> Vec<Span> {
        if self.pieces.iter().all(|p| p.kept.is_empty()) {
            return Vec::new();
        }
        let mut out: Vec<Span> = Vec::new();
        // Whether the piece before is shown up to its end: then what stands between the two is shown as well.
        let mut joins = false;
        for piece in &self.pieces {
            let whole = [piece.span];
            let parts = if piece.kept.is_empty() { &whole[..] } else { &piece.kept };
            for part in parts {
                match out.last_mut() {
                    Some(last) if joins && part.start == piece.span.start => *last = last.cover(*part),
                    _ => out.push(*part),
                }
                joins = false;
            }
            joins = parts.last().is_some_and(|last| last.end == piece.span.end);
        }
        out
    }

    fn heading(&self) -> &str {
        self.pieces.first().map_or("", |p| &p.heading)
    }

    fn place(&self) -> &str {
        self.pieces.first().map_or("", |p| &p.place)
    }
}

impl<'a> Group<'a> {
    /// What of a piece's context is not there yet, neither as context of another nor as kept text.
    fn missing(&self, shown: &HashSet<Span>, piece: &'a Piece) -> Vec<&'a Quote> {
        let is_kept = |span: Span| {
            // Runs stand in the order of the document.
            let after = self.runs.partition_point(|r| r.span().start <= span.start);
            after.checked_sub(1).is_some_and(|n| self.runs[n].span().contains(span))
        };
        piece.context.iter().filter(|q| !shown.contains(&q.span) && !is_kept(q.span)).collect()
    }
}

impl Layout<'_> {
    /// The kept pieces as groups; `kept[n]` says whether the n-th piece is.
    fn groups(&self, kept: &[bool]) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut previous: Option<usize> = None;
        let mut shown = HashSet::new();
        for (n, piece) in self.pieces.iter().enumerate().filter(|(n, _)| kept[*n]) {
            if groups.last().is_none_or(|g| g.source != piece.source) {
                groups.push(Group { source: piece.source, score: f32::MIN, runs: Vec::new() });
                previous = None;
                shown.clear();
            }
            let Some(group) = groups.last_mut() else { continue };
            group.score = group.score.max(piece.score);
            let context = group.missing(&shown, piece);
            shown.extend(context.iter().map(|q| q.span));
            // What is adjacent in the document is one excerpt, unless something has to be shown in between.
            let adjacent = previous.is_some_and(|p| p + 1 == n) && self.follows(n);
            let joins = context.is_empty() && adjacent;
            match group.runs.last_mut() {
                Some(run) if joins => run.pieces.push(piece),
                _ => group.runs.push(Run { context, pieces: vec![piece], adjacent }),
            }
            previous = Some(n);
        }
        match self.order {
            Order::Relevance => groups.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.source.cmp(&b.source))),
            Order::Document => groups.sort_by_key(|g| (self.sources[g.source].place, g.source)),
        }
        groups
    }

    /// The text of the kept pieces.
    pub(super) fn text(&self, kept: &[bool]) -> String {
        let mut out = String::new();
        self.write(&mut out, kept, &mut 0);
        out
    }

    /// Writes the kept pieces behind what is there, whose citations were numbered up to `number`.
    pub(super) fn write(&self, out: &mut String, kept: &[bool], number: &mut usize) {
        for group in &self.groups(kept) {
            *number += 1;
            let source = &self.sources[group.source];
            match self.format {
                Format::Plain => plain(out, *number, source, group),
                Format::Markdown => markdown(out, *number, source, group),
                Format::Xml => xml(out, *number, source, group),
            }
        }
    }

    /// The kept pieces as excerpts, in the order of the text.
    pub(super) fn excerpts(&self, kept: &[bool], tokenizer: &dyn TokenCounter) -> Vec<Excerpt> {
        let mut out = Vec::new();
        for group in self.groups(kept) {
            for run in &group.runs {
                let text = run.text();
                out.push(Excerpt {
                    source: self.sources[group.source].clone(),
                    span: run.span(),
                    tokens: tokenizer.count(&text),
                    text,
                    score: run.pieces.iter().fold(f32::MIN, |m, p| m.max(p.score)),
                    heading: run.heading().to_owned(),
                    place: run.place().to_owned(),
                    context: run.context.iter().map(|q| (*q).clone()).collect(),
                    also_in: self.also_in(run),
                    kept: run.kept(),
                });
            }
        }
        out
    }

    fn also_in(&self, run: &Run<'_>) -> Vec<(Source, Span)> {
        let repeats = run.pieces.iter().flat_map(|p| &p.repeats);
        repeats.map(|repeat| (self.sources[repeat.source].clone(), repeat.span)).collect()
    }

    /// Whether a piece directly follows the one before it: blocks in between may be no pieces.
    pub(super) fn follows(&self, n: usize) -> bool {
        let piece = &self.pieces[n];
        let before = n.checked_sub(1).map(|before| &self.pieces[before]).filter(|p| p.source == piece.source);
        let joined = piece.joined.as_ref().map(|joined| joined.len() as u64);
        before.zip(joined).is_some_and(|(before, joined)| before.span.end + joined == piece.span.start)
    }

    /// About how many tokens keeping a piece adds beside its own text: its citation, if the document has
    /// none yet, and what separates it from its neighbours.
    pub(super) fn overhead(&self, piece: &Piece, first_of_source: bool, tokenizer: &dyn TokenCounter) -> TokenCount {
        let mut frame = String::new();
        let run = Run { context: Vec::new(), pieces: vec![piece], adjacent: false };
        let group = Group { source: piece.source, score: 0.0, runs: vec![run] };
        let source = &self.sources[piece.source];
        if first_of_source {
            match self.format {
                Format::Plain => plain(&mut frame, 10, source, &group),
                Format::Markdown => markdown(&mut frame, 10, source, &group),
                Format::Xml => xml(&mut frame, 10, source, &group),
            }
            TokenCount(tokenizer.count(&frame).0.saturating_sub(tokenizer.count(&piece.text).0) + 1)
        } else {
            let fixed = match self.format {
                Format::Plain | Format::Markdown => 2,
                Format::Xml => 14,
            };
            TokenCount(fixed + if piece.heading.is_empty() { 0 } else { tokenizer.count(&piece.heading).0 / 2 })
        }
    }
}

/// The document's name in a citation, the heading below it unless that repeats the name, and the page.
fn label(source: &Source, run: &Run<'_>) -> String {
    let name = match (source.title.is_empty(), source.uri.is_empty()) {
        (false, _) => &source.title,
        (true, false) => &source.uri,
        (true, true) => &source.document_id,
    };
    let below = below_title(name, run.heading());
    let mut label = if below.is_empty() { one_line(name) } else { one_line(&format!("{name} > {below}")) };
    if !run.place().is_empty() {
        label.push_str(", ");
        label.push_str(&one_line(run.place()));
    }
    label
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plain(out: &mut String, number: usize, source: &Source, group: &Group<'_>) {
    separated(
        out,
        group,
        |text| Cow::Borrowed(text),
        |out, run| {
            out.push_str(&format!("[{number}] {}{}\n", trust(source), label(source, run)));
        },
    );
}

fn markdown(out: &mut String, number: usize, source: &Source, group: &Group<'_>) {
    separated(out, group, unforged, |out, run| {
        out.push_str(&format!("### [{number}] {}{}", trust(source), label(source, run)));
        if !source.uri.is_empty() && source.uri != source.title {
            out.push_str(&format!(" ({})", one_line(&source.uri)));
        }
        out.push('\n');
    });
}

/// A citation where the heading or the page changes, an elision where neither does.
fn separated(
    out: &mut String,
    group: &Group<'_>,
    escape: impl for<'t> Fn(&'t str) -> Cow<'t, str>,
    cite: impl Fn(&mut String, &Run<'_>),
) {
    let mut cited: Option<(&str, &str)> = None;
    for run in &group.runs {
        let here = (run.heading(), run.place());
        if cited == Some(here) {
            if !run.adjacent {
                out.push_str(ELISION);
                out.push('\n');
            }
        } else {
            if !out.is_empty() {
                out.push('\n');
            }
            cite(out, run);
            cited = Some(here);
        }
        for quote in &run.context {
            out.push_str(&escape(&quote.text));
            out.push('\n');
        }
        out.push_str(&escape(&run.text()));
        out.push('\n');
    }
}

/// What is said of a source, where no title can stand: right behind the number.
fn trust(source: &Source) -> String {
    if source.trust.is_empty() { String::new() } else { format!("[trust: {}] ", source.trust) }
}

/// Whether a heading begins with a number in brackets.
fn is_citation(heading: &str) -> bool {
    let text = heading.trim_start_matches(|c: char| c == '#' || c.is_whitespace());
    text.strip_prefix('[').is_some_and(|number| number.trim_start().starts_with(char::is_numeric))
}

/// Text of a document in Markdown: a heading that begins like a citation is none, because a backslash stands before it.
fn unforged(text: &str) -> Cow<'_, str> {
    if !text.contains('#') {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    // Others take these for ends of lines, though Markdown does not.
    for line in text.split_inclusive(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let heading = line.trim_start();
        if heading.starts_with('#') && is_citation(heading) {
            out.push_str(&line[..line.len() - heading.len()]);
            out.push('\\');
            out.push_str(heading);
        } else {
            out.push_str(line);
        }
    }
    Cow::Owned(out)
}

fn xml(out: &mut String, number: usize, source: &Source, group: &Group<'_>) {
    let uri = if source.uri.is_empty() { &source.document_id } else { &source.uri };
    out.push_str(&format!("<document index=\"{number}\" source=\"{}\"", escaped(&one_line(uri))));
    if !source.title.is_empty() && source.title != *uri {
        out.push_str(&format!(" title=\"{}\"", escaped(&one_line(&source.title))));
    }
    if !source.trust.is_empty() {
        out.push_str(&format!(" trust=\"{}\"", escaped(&source.trust)));
    }
    out.push_str(">\n");
    for run in &group.runs {
        out.push_str("<excerpt");
        for (name, value) in [("heading", run.heading()), ("place", run.place())] {
            if !value.is_empty() {
                out.push_str(&format!(" {name}=\"{}\"", escaped(&one_line(value))));
            }
        }
        out.push('>');
        for quote in &run.context {
            out.push_str(&format!("<context>{}</context>\n", escaped(&quote.text)));
        }
        out.push_str(&escaped(&run.text()));
        out.push_str("</excerpt>\n");
    }
    out.push_str("</document>\n");
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
