//! Text to terms: the one analysis that indexing, searching and block scoring share.
//!
//! Words of all scripts become stems; runs of Han, kana and Thai become overlapping pairs of characters; an
//! identifier is there whole and in its parts. A segment is indexed by its English stems and those of its own
//! [`Language`], so that a question finds names in any language, and inflected words in its own.

mod language;
mod stems;
mod words;

use std::collections::HashSet;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

pub use language::{Language, certain_language};
use stems::Stems;
pub(crate) use words::words;

/// Longer terms are hashes and blobs; nobody types them.
const MAX_TERM_BYTES: usize = 64;

/// The terms of a text in one language, in order, with repetitions.
///
/// ```
/// use tamis::index::terms::{Language, of};
/// assert_eq!(of(Language::English, "Sifting café 東京都"), ["sift", "cafe", "東京", "京都"]);
/// assert_eq!(of(Language::English, "parseHTTPHeader"), ["parsehttphead", "pars", "http", "header"]);
/// ```
#[must_use]
pub fn of(language: Language, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    stemmed(language, text, &mut |_, stem| out.push(stem));
    out
}

/// The words of a text in one language, each with its stem.
pub(crate) fn stemmed(language: Language, text: &str, take: &mut dyn FnMut(&str, String)) {
    let stems = Stems::new(language);
    words(text, &mut |word| {
        let stem = stems.of(word);
        if is_term(&stem) {
            take(word, stem);
        }
    });
}

/// The distinct terms of a question, in the order of their first occurrence.
#[must_use]
pub fn of_query(language: Language, text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    of(language, text).into_iter().filter(|t| seen.insert(t.clone())).collect()
}

/// The terms by which a text is found: English stems, and where its own language has others, those too.
#[must_use]
pub fn indexed(text: &str) -> Vec<String> {
    let (english, own) = (Stems::new(Language::English), Stems::new(Language::of(text)));
    let mut out = Vec::new();
    words(text, &mut |word| {
        let plain = english.of(word);
        let inflected = own.of(word);
        if inflected != plain {
            keep(&mut out, inflected);
        }
        keep(&mut out, plain);
    });
    out
}

fn is_term(stem: &str) -> bool {
    !stem.is_empty() && stem.len() <= MAX_TERM_BYTES
}

fn keep(out: &mut Vec<String>, term: String) {
    if is_term(&term) {
        out.push(term);
    }
}

/// [`indexed`] as tantivy calls it.
#[derive(Clone, Default)]
pub(super) struct Indexed;

impl Tokenizer for Indexed {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        Terms { rest: indexed(text).into_iter(), token: Token::default() }
    }
}

pub(super) struct Terms {
    rest: std::vec::IntoIter<String>,
    token: Token,
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        let Some(text) = self.rest.next() else { return false };
        self.token = Token { position: self.token.position.wrapping_add(1), text, ..Token::default() };
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_written_either_way_are_one_term() {
        assert_eq!(of(Language::English, "caf\u{e9}"), of(Language::English, "cafe\u{301}"));
        assert_eq!(of(Language::English, "Straße"), of(Language::English, "strasse"));
        assert_eq!(of(Language::English, "й"), of(Language::English, "и\u{306}"));
    }

    #[test]
    fn a_sign_that_joins_letters_does_not_end_a_word() {
        assert_eq!(of(Language::English, "विश्वविद्यालय में").len(), 2);
    }

    #[test]
    fn scripts_have_their_own_stems() {
        assert_eq!(of(Language::English, "книги"), of(Language::English, "книгу"));
        assert_eq!(of(Language::English, "πόλεις"), of(Language::English, "πόλη"));
    }

    #[test]
    fn a_question_finds_its_own_language_and_names_in_all() {
        let text = "Die Bürgermeisterin eröffnete gestern die neuen Bibliotheken der Stadt Wuppertal, für die sich viele \
                    Bürger über Jahre hinweg eingesetzt hatten.";
        let question =
            "Wann wurde die Bibliothek, die zwischen den Häusern der Stadt Wuppertal steht, für die Bürger eröffnet?";
        assert_eq!([Language::of(text), Language::of(question)], [Language::German; 2]);
        let found: HashSet<String> = indexed(text).into_iter().collect();
        for word in ["Bibliothek", "Wuppertal"] {
            assert!(found.contains(&of(Language::German, word)[0]), "{word}");
        }
        assert!(found.contains(&of(Language::English, "Wuppertal")[0]));
    }

    #[test]
    fn identifiers_are_found_whole_and_in_parts() {
        assert_eq!(of(Language::English, "get_user_name"), ["get", "user", "name"]);
        assert_eq!(of(Language::English, "iPhone 15 utf8 HTTP"), ["iphon", "15", "utf8", "http"]);
        assert_eq!(of(Language::English, "McDonald"), ["mcdonald", "mc", "donald"]);
    }

    #[test]
    fn one_unspaced_character_is_a_term() {
        assert_eq!(of(Language::English, "水"), ["水"]);
        assert_eq!(of(Language::English, "a水b"), ["a", "水", "b"]);
    }

    #[test]
    fn endless_words_are_left_out() {
        assert_eq!(of(Language::English, &"x".repeat(MAX_TERM_BYTES + 1)), Vec::<String>::new());
    }
}
