//! Words that are never dropped.

use std::collections::HashSet;
use std::ops::Range;

use super::super::must_keep::{QUOTES, is_programmers};
use crate::index::terms::{self, Language};
use crate::rank::Question;

/// Words that turn a sentence around, in the languages that have stemmers of their own here and some more.
const NEGATIONS: &[&str] = &[
    "no",
    "not",
    "never",
    "none",
    "nobody",
    "nothing",
    "nor",
    "neither",
    "without",
    "cannot",
    "hardly",
    "except",
    "unless",
    "nicht",
    "kein",
    "keine",
    "keinen",
    "keiner",
    "keinem",
    "keines",
    "nie",
    "niemals",
    "niemand",
    "nichts",
    "ohne",
    "außer",
    "ne",
    "pas",
    "jamais",
    "aucun",
    "aucune",
    "rien",
    "sans",
    "personne",
    "sauf",
    "ni",
    "nunca",
    "jamás",
    "ningún",
    "ninguna",
    "ninguno",
    "nada",
    "nadie",
    "sin",
    "excepto",
    "non",
    "mai",
    "nessun",
    "nessuno",
    "nessuna",
    "niente",
    "senza",
    "tranne",
    "não",
    "nenhum",
    "nenhuma",
    "ninguém",
    "sem",
    "exceto",
    "niet",
    "geen",
    "nooit",
    "niets",
    "zonder",
    "inte",
    "ingen",
    "inget",
    "aldrig",
    "utan",
    "ikke",
    "aldri",
    "uten",
    "uden",
    "ei",
    "не",
    "нет",
    "ни",
    "никогда",
    "без",
    "никто",
    "ничего",
    "nigdy",
    "bez",
    "nikt",
    "nic",
    "değil",
    "asla",
    "yok",
    "hiç",
    "لا",
    "ليس",
    "لم",
    "لن",
    "नहीं",
    "मत",
];
/// Quotation marks of text without blanks, beside those of [`QUOTES`].
const CORNERS: (char, char) = ('「', '」');

/// What is protected: numbers, negations, names, ids, what is quoted, and what the question asks of.
pub(super) struct Protected<'q> {
    terms: HashSet<&'q str>,
    language: Language,
}

impl<'q> Protected<'q> {
    pub(super) fn of(question: &'q Question) -> Self {
        Self { terms: question.terms.iter().map(String::as_str).collect(), language: question.language }
    }

    /// The words of a text, between blanks, and whether each is protected.
    pub(super) fn words(&self, text: &str) -> Vec<(Range<usize>, bool)> {
        let mut out = Vec::new();
        let mut closes: Option<char> = None;
        for word in text.split_whitespace() {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            let mut quoted = closes.is_some();
            for c in word.chars() {
                match closes {
                    Some(close) if c == close => closes = None,
                    Some(_) => {}
                    None => {
                        closes = QUOTES.iter().chain([&CORNERS]).find(|(open, _)| *open == c).map(|(_, close)| *close);
                        quoted |= closes.is_some();
                    }
                }
            }
            let first = out.is_empty();
            out.push((start..start + word.len(), quoted || self.is_protected(word, first)));
        }
        out
    }

    fn is_protected(&self, word: &str, first: bool) -> bool {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let lower = bare.to_lowercase();
        let is_name = || bare.chars().next().is_some_and(char::is_uppercase) && !first;
        bare.chars().any(char::is_numeric)
            || NEGATIONS.contains(&lower.as_str())
            || lower.ends_with("n't")
            || lower.ends_with("n’t")
            || is_name()
            || is_programmers(bare)
            || bare.contains(['@', '/', '\\', '=', '$', '%'])
            || word.contains(['$', '€', '£', '%'])
            || terms::of(self.language, bare).iter().any(|term| self.terms.contains(term.as_str()))
    }
}
