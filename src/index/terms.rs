//! Text to terms: the one analysis that indexing, searching and block scoring share.

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer,
};

/// Longer tokens are hashes and blobs; nobody types them.
const MAX_TERM_BYTES: usize = 64;

/// Words of all scripts, lower-cased, without accents, English stems; runs of Han, kana and Thai as
/// overlapping pairs of characters.
#[must_use]
pub fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Words::default())
        .filter(RemoveLongFilter::limit(MAX_TERM_BYTES))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(Stemmer::new(Language::English))
        .build()
}

/// The terms of a text, in order, with repetitions.
///
/// ```
/// let mut analyzer = tamis::index::terms::analyzer();
/// assert_eq!(tamis::index::terms::of(&mut analyzer, "Sifting café 東京都"), ["sift", "cafe", "東京", "京都"]);
/// ```
pub fn of(analyzer: &mut TextAnalyzer, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    analyzer.token_stream(text).process(&mut |token: &Token| out.push(token.text.clone()));
    out
}

/// The distinct terms of a query, in the order of their first occurrence.
#[must_use]
pub fn of_query(text: &str) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    of(&mut analyzer(), text).into_iter().filter(|t| seen.insert(t.clone())).collect()
}

/// Splits at everything that is neither letter nor digit, and scripts without spaces into pairs.
#[derive(Clone, Default)]
struct Words {
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream { text, at: 0, pending: None, token: &mut self.token }
    }
}

struct WordStream<'a> {
    text: &'a str,
    at: usize,
    /// The character before `at`, if it belongs to a run without spaces that goes on.
    pending: Option<(usize, bool)>,
    token: &'a mut Token,
}

/// Scripts whose words are not separated by spaces.
fn unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0E7F | 0x0E80..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF
        | 0x3041..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

impl WordStream<'_> {
    fn emit(&mut self, start: usize, end: usize) -> bool {
        self.token.text.clear();
        self.token.text.push_str(&self.text[start..end]);
        self.token.offset_from = start;
        self.token.offset_to = end;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        loop {
            let mut rest = self.text[self.at..].char_indices();
            let next = rest.next().map(|(_, c)| c);
            if let Some((start, paired)) = self.pending.take() {
                match next {
                    Some(c) if unspaced(c) => {
                        self.pending = Some((self.at, true));
                        self.at += c.len_utf8();
                        return self.emit(start, self.at);
                    }
                    // A single such character is a term; the end of a run already is half of one.
                    _ if !paired => return self.emit(start, self.at),
                    _ => {}
                }
            }
            let Some(first) = next else { return false };
            let start = self.at;
            self.at += first.len_utf8();
            if unspaced(first) {
                self.pending = Some((start, false));
            } else if first.is_alphanumeric() {
                let length = rest.find(|(_, c)| !c.is_alphanumeric() || unspaced(*c)).map(|(n, _)| n);
                self.at = length.map_or(self.text.len(), |n| start + n);
                return self.emit(start, self.at);
            }
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
