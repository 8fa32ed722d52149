//! Kept blocks to text: citations and wrappers around verbatim excerpts.

use crate::document::below_title;

use super::{Excerpt, Format, Order, Piece, Source};
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
    excerpts: Vec<Vec<&'a Piece>>,
}

impl Layout<'_> {
    /// The kept pieces as groups; `kept[n]` says whether the n-th piece is.
    fn groups(&self, kept: &[bool]) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut previous: Option<usize> = None;
        for (n, piece) in self.pieces.iter().enumerate().filter(|(n, _)| kept[*n]) {
            if groups.last().is_none_or(|g| g.source != piece.source) {
                groups.push(Group { source: piece.source, score: f32::MIN, excerpts: Vec::new() });
                previous = None;
            }
            let Some(group) = groups.last_mut() else { continue };
            group.score = group.score.max(piece.score);
            let joins = piece.joined.is_some() && previous.is_some_and(|p| p + 1 == n);
            match group.excerpts.last_mut() {
                Some(excerpt) if joins => excerpt.push(piece),
                _ => group.excerpts.push(vec![piece]),
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
        for (n, group) in self.groups(kept).iter().enumerate() {
            let source = &self.sources[group.source];
            match self.format {
                Format::Plain => plain(&mut out, n + 1, source, group),
                Format::Markdown => markdown(&mut out, n + 1, source, group),
                Format::Xml => xml(&mut out, n + 1, source, group),
            }
        }
        out
    }

    /// The kept pieces as excerpts, in the order of the text.
    pub(super) fn excerpts(&self, kept: &[bool], tokenizer: &dyn TokenCounter) -> Vec<Excerpt> {
        let mut out = Vec::new();
        for group in self.groups(kept) {
            for pieces in &group.excerpts {
                let text = joined(pieces);
                let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { continue };
                out.push(Excerpt {
                    source: self.sources[group.source].clone(),
                    span: first.span.cover(last.span),
                    tokens: tokenizer.count(&text),
                    text,
                    score: pieces.iter().fold(f32::MIN, |m, p| m.max(p.score)),
                    heading: first.heading.clone(),
                });
            }
        }
        out
    }

    /// About how many tokens keeping a piece adds beside its own text: its citation, if the document has
    /// none yet, and what separates it from its neighbours.
    pub(super) fn overhead(&self, piece: &Piece, first_of_source: bool, tokenizer: &dyn TokenCounter) -> TokenCount {
        let mut frame = String::new();
        let group = Group { source: piece.source, score: 0.0, excerpts: vec![vec![piece]] };
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

/// The verbatim text of consecutive pieces, with what stands between them in the document.
fn joined(pieces: &[&Piece]) -> String {
    let mut text = String::new();
    for (n, piece) in pieces.iter().enumerate() {
        if n > 0 {
            text.push_str(piece.joined.as_deref().unwrap_or_default());
        }
        text.push_str(&piece.text);
    }
    text
}

/// The document's name in a citation, and the heading below it unless that repeats the name.
fn label(source: &Source, heading: &str) -> String {
    let name = match (source.title.is_empty(), source.uri.is_empty()) {
        (false, _) => &source.title,
        (true, false) => &source.uri,
        (true, true) => &source.document_id,
    };
    let below = below_title(name, heading);
    if below.is_empty() { one_line(name) } else { one_line(&format!("{name} > {below}")) }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plain(out: &mut String, number: usize, source: &Source, group: &Group<'_>) {
    separated(out, group, |out, heading| {
        out.push_str(&format!("[{number}] {}\n", label(source, heading)));
    });
}

fn markdown(out: &mut String, number: usize, source: &Source, group: &Group<'_>) {
    separated(out, group, |out, heading| {
        out.push_str(&format!("### [{number}] {}", label(source, heading)));
        if !source.uri.is_empty() && source.uri != source.title {
            out.push_str(&format!(" ({})", one_line(&source.uri)));
        }
        out.push('\n');
    });
}

/// A citation where the heading changes, an elision where it does not.
fn separated(out: &mut String, group: &Group<'_>, cite: impl Fn(&mut String, &str)) {
    let mut heading: Option<&str> = None;
    for pieces in &group.excerpts {
        let own = pieces.first().map_or("", |p| p.heading.as_str());
        if heading == Some(own) {
            out.push_str(ELISION);
            out.push('\n');
        } else {
            if !out.is_empty() {
                out.push('\n');
            }
            cite(out, own);
            heading = Some(own);
        }
        out.push_str(&joined(pieces));
        out.push('\n');
    }
}

fn xml(out: &mut String, number: usize, source: &Source, group: &Group<'_>) {
    let uri = if source.uri.is_empty() { &source.document_id } else { &source.uri };
    out.push_str(&format!("<document index=\"{number}\" source=\"{}\"", escaped(&one_line(uri))));
    if !source.title.is_empty() && source.title != *uri {
        out.push_str(&format!(" title=\"{}\"", escaped(&one_line(&source.title))));
    }
    out.push_str(">\n");
    for pieces in &group.excerpts {
        let heading = pieces.first().map_or("", |p| p.heading.as_str());
        if heading.is_empty() {
            out.push_str("<excerpt>");
        } else {
            out.push_str(&format!("<excerpt heading=\"{}\">", escaped(&one_line(heading))));
        }
        out.push_str(&escaped(&joined(pieces)));
        out.push_str("</excerpt>\n");
    }
    out.push_str("</document>\n");
}

fn escaped(text: &str) -> String {
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
