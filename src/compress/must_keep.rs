//! What has to be in the context whenever the budget allows: the caller's terms, and of the question what is
//! quoted and what is an id.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::index::{Filter, Nearest, View, terms};
use crate::rank::{self, BlockScore, Candidate, Lexical};

/// Most terms of a request.
pub const MAX_TERMS: usize = 64;
/// Longest term, in bytes.
pub const MAX_TERM_BYTES: usize = 1024;
/// Segments looked at for a term that retrieval did not find.
const SEGMENTS: usize = 8;
/// Shorter words with digits are years and amounts: coverage of the question takes care of them.
const MIN_ID_CHARS: usize = 5;
/// Quotation marks, opening and closing.
pub(super) const QUOTES: [(char, char); 5] = [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('`', '`')];

/// The terms, as they are looked for.
pub(crate) struct MustKeep {
    terms: Vec<String>,
}

impl MustKeep {
    /// The caller's terms, then those of the question.
    pub(crate) fn of(question: &str, callers: &[String]) -> Result<Self> {
        if callers.len() > MAX_TERMS {
            let (limit, actual) = (MAX_TERMS as u64, callers.len() as u64);
            return Err(Error::LimitExceeded { field: "must_keep", limit, actual });
        }
        if let Some(long) = callers.iter().find(|t| t.len() > MAX_TERM_BYTES) {
            let (limit, actual) = (MAX_TERM_BYTES as u64, long.len() as u64);
            return Err(Error::LimitExceeded { field: "must_keep", limit, actual });
        }
        if callers.iter().any(|t| t.trim().is_empty()) {
            return Err(Error::invalid("must_keep", "holds an empty term"));
        }
        let callers = callers.iter().map(|t| t.trim().to_owned());
        let mut seen = HashSet::new();
        let asked = quoted(question).into_iter().chain(ids(question)).map(str::to_owned).take(MAX_TERMS);
        Ok(Self { terms: callers.chain(asked).filter(|t| seen.insert(t.to_lowercase())).collect() })
    }

    /// How many terms there are.
    pub(super) fn count(&self) -> usize {
        self.terms.len()
    }

    /// Which of the terms a text holds.
    pub(super) fn held<'s>(&'s self, text: &'s str) -> impl Iterator<Item = usize> + 's {
        (0..self.terms.len()).filter(move |n| holds(text, &self.terms[*n]))
    }

    /// Adds segments that hold a term to the candidates, where none of them does.
    pub(super) fn retrieve(&self, view: &dyn View, filter: &Filter, candidates: &mut Vec<Candidate>) -> Result<()> {
        for term in &self.terms {
            if candidates.iter().any(|c| holds(&c.stored.text, term)) {
                continue;
            }
            let words = terms::of_query(terms::Language::English, term);
            let hits = view.lexical(&words, filter, SEGMENTS)?;
            let lexical = Lexical { hits: &hits, spread: view.statistics(&words)?.spread(), is_full: true };
            let found = rank::fuse(view, &Nearest::default(), &lexical, SEGMENTS)?;
            candidates.extend(found.into_iter().find(|c| holds(&c.stored.text, term)));
        }
        Ok(())
    }

    /// For every term the best block that holds it, as candidate and block.
    pub(super) fn blocks(&self, candidates: &[Candidate], scores: &[BlockScore]) -> HashSet<(usize, usize)> {
        let text = |s: &BlockScore| {
            let stored = &candidates[s.candidate].stored;
            stored.slice(stored.segment.blocks[s.block].span).unwrap_or_default()
        };
        let best = self.terms.iter().filter_map(|term| scores.iter().find(|s| holds(text(s), term)));
        best.map(|s| (s.candidate, s.block)).collect()
    }

    /// The terms that none of these texts holds.
    pub(super) fn missing_in<'t>(&self, texts: impl Iterator<Item = &'t str> + Clone) -> Vec<String> {
        let is_missing = |term: &&String| !texts.clone().any(|text| holds(text, term));
        self.terms.iter().filter(is_missing).cloned().collect()
    }
}

fn holds(text: &str, term: &str) -> bool {
    text.contains(term) || text.to_lowercase().contains(&term.to_lowercase())
}

/// What stands in quotation marks.
fn quoted(question: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = question;
    while let Some((at, open)) = rest.char_indices().find(|(_, c)| QUOTES.iter().any(|q| q.0 == *c)) {
        let inside = &rest[at + open.len_utf8()..];
        let close = QUOTES.iter().find(|q| q.0 == open).map_or(open, |q| q.1);
        let Some(end) = inside.find(close) else { break };
        if !inside[..end].trim().is_empty() {
            out.push(inside[..end].trim());
        }
        rest = &inside[end + close.len_utf8()..];
    }
    out
}

/// Words with digits that are long enough to be ids (part numbers, UUIDs, versions, dates), and names as programmers
/// write them: `parse_header`, `parseHeader`, `http::parse`.
fn ids(question: &str) -> impl Iterator<Item = &str> {
    question
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| word.chars().count() >= MIN_ID_CHARS)
        .filter(|word| word.bytes().any(|b| b.is_ascii_digit()) || is_programmers(word))
}

pub(super) fn is_programmers(word: &str) -> bool {
    let humps = word.as_bytes().windows(2).filter(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase()).count();
    // One hump and a capital before it is a person: McDonald.
    word.contains('_') || word.contains("::") || humps > usize::from(word.starts_with(|c: char| c.is_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_quotations_are_asked_for() {
        let of = |question| MustKeep::of(question, &["ISO 9001".into()]).unwrap().terms;
        assert_eq!(
            of("What did “the chef” say of part AB-1234 in 1999, version 2.10.3?"),
            ["ISO 9001", "the chef", "AB-1234", "2.10.3"]
        );
        assert_eq!(of("an \"open quotation"), ["ISO 9001"]);
        let names = "does parse_header() call readLine for McDonald, or http::parse in HttpServerConfig?";
        assert_eq!(of(names), ["ISO 9001", "parse_header", "readLine", "http::parse", "HttpServerConfig"]);
        assert!(MustKeep::of("x", &[" ".into()]).is_err());
        assert!(MustKeep::of("x", &vec!["x".into(); 65]).is_err());
    }
}
