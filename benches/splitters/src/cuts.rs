//! How often each splitter's chunks cut a sentence, a table row or a function that would have fitted.
//!
//! What a sentence, a row and a function is, is found here by line and punctuation alone, so that neither
//! splitter's own idea of it decides.

use tamis::extract::Extracted;
use tamis_splitters::{Counter, LIMIT, files, kinds, ours, theirs};

const BYTES: usize = 3_000_000;

fn main() {
    let counter = Counter::new();
    println!("{:<10}{:<16}{:>9}{:>14}{:>14}{:>14}", "kind", "splitter", "chunks", "cut sentence", "cut row", "cut function");
    for (kind, media, folder, extension) in kinds() {
        let texts = files(&folder, extension, BYTES);
        for (name, splitter) in [("tamis", true), ("text-splitter", false)] {
            let (mut chunks, mut sentences, mut rows, mut functions) = (0, 0, 0, 0);
            for text in &texts {
                let ranges = if splitter {
                    ours(&Extracted::text(text.as_str(), media), &counter)
                } else {
                    theirs(text, media, &counter)
                };
                let declared = functions_of(text, kind, &counter);
                for (n, (start, end)) in ranges.iter().enumerate() {
                    chunks += 1;
                    let Some((next, _)) = ranges.get(n + 1) else { continue };
                    if kind == "markdown" {
                        sentences += usize::from(cuts_sentence(text, *end, *next));
                        rows += usize::from(cuts_row(text, *end, *next));
                    }
                    functions += usize::from(declared.iter().any(|(from, to)| {
                        (from < end && end < to) || (from < start && start < to) || (next > from && next < to && *end <= *from)
                    }));
                }
            }
            let share = |n: usize| format!("{n} ({:.2} %)", 100.0 * n as f64 / f64::from(chunks.max(1)));
            println!("{kind:<10}{name:<16}{chunks:>9}{:>14}{:>14}{:>14}", share(sentences), share(rows), share(functions));
        }
    }
}

/// Whether a chunk ends inside a paragraph's sentence: no blank line follows, the next chunk goes on in
/// running text, and nothing that ends a sentence stands at the end.
fn cuts_sentence(text: &str, end: usize, next: usize) -> bool {
    let between = &text[end.min(next)..next];
    let here = text[..end].rsplit('\n').next().unwrap_or_default().trim_start();
    let rest = text[next..].lines().next().unwrap_or_default().trim_start();
    let is_block = |line: &str| {
        line.is_empty() || line.starts_with(['#', '|', '-', '*', '+', '>', '`', '<', '[', '=', '~', '!']) || line.starts_with(|c: char| c.is_ascii_digit())
    };
    let in_code = text[..end].matches("\n```").count() % 2 == 1 || here.starts_with("    ");
    let ended = text[..end].trim_end().ends_with(['.', '!', '?', ':', '…', '"', '”', ')', '*', '_', '`', '>', ']', ';']);
    !between.contains("\n\n") && !in_code && !ended && !is_block(here) && !is_block(rest) && !between.contains("\n#")
}

/// Whether a chunk ends inside a line that begins with a bar.
fn cuts_row(text: &str, end: usize, next: usize) -> bool {
    let here = text[..end].rsplit('\n').next().unwrap_or_default();
    here.trim_start().starts_with('|') && !text[end.min(next)..next].contains('\n') && !text[..end].ends_with('\n')
}

/// Functions that fit the limit, from `fn` or `def` to their last line, by brackets and indentation.
fn functions_of(text: &str, kind: &str, counter: &Counter) -> Vec<(usize, usize)> {
    let lines: Vec<(usize, &str)> = text.split_inclusive('\n').scan(0, |at, l| { let here = *at; *at += l.len(); Some((here, l)) }).collect();
    let indent = |l: &str| l.len() - l.trim_start().len();
    let mut out = Vec::new();
    for (n, (start, line)) in lines.iter().enumerate() {
        let bare = line.trim();
        let begins = match kind {
            "rust" => (bare.starts_with("fn ") || bare.starts_with("pub fn ") || bare.starts_with("pub(crate) fn ")) && bare.ends_with('{'),
            "python" => bare.starts_with("def ") && bare.ends_with(':'),
            _ => false,
        };
        if !begins {
            continue;
        }
        let own = indent(line);
        let last = if kind == "rust" {
            lines[n + 1..].iter().position(|(_, l)| indent(l) == own && l.trim() == "}").map(|m| n + 1 + m)
        } else {
            let next = lines[n + 1..].iter().position(|(_, l)| !l.trim().is_empty() && indent(l) <= own).map_or(lines.len(), |m| n + 1 + m);
            (n..next).rev().find(|m| !lines[*m].1.trim().is_empty())
        };
        let Some(last) = last else { continue };
        let (from, to) = (start + own, lines[last].0 + lines[last].1.trim_end().len());
        if counter.count(&text[from..to]) <= LIMIT {
            out.push((from, to));
        }
    }
    out
}
