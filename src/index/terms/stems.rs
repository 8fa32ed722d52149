//! Words to stems, by script: Snowball's rules (Porter 1980 and after), as frostem has them.

use frostem::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

use super::Language;

/// The stemmers of one analysis.
pub(super) struct Stems {
    latin: Stemmer,
    arabic: Stemmer,
    cyrillic: Stemmer,
    greek: Stemmer,
    tamil: Stemmer,
}

impl Stems {
    pub(super) fn new(language: Language) -> Self {
        Self {
            latin: Stemmer::new(language.algorithm()),
            arabic: Stemmer::new(Algorithm::Arabic),
            cyrillic: Stemmer::new(Algorithm::Russian),
            greek: Stemmer::new(Algorithm::Greek),
            tamil: Stemmer::new(Algorithm::Tamil),
        }
    }

    /// The stem, in lower case; Latin letters without accents.
    pub(super) fn of(&self, word: &str) -> String {
        if word.is_ascii() {
            let lower = word.to_ascii_lowercase();
            return self.latin.stem(&lower).into_owned();
        }
        let lower = if word.chars().any(is_accent) {
            word.nfc().flat_map(char::to_lowercase).collect()
        } else {
            word.to_lowercase()
        };
        match lower.chars().next().map_or(0, u32::from) {
            0x0370..=0x03FF | 0x1F00..=0x1FFF => self.greek.stem(&lower).into_owned(),
            0x0400..=0x052F => self.cyrillic.stem(&lower).into_owned(),
            0x0600..=0x077F => self.arabic.stem(&lower).into_owned(),
            0x0B80..=0x0BFF => self.tamil.stem(&lower).into_owned(),
            0..=0x024F | 0x1E00..=0x1EFF => folded(&self.latin.stem(&lower.replace('ß', "ss"))),
            _ => lower,
        }
    }
}

fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36F}').contains(&c)
}

/// Without accents, as people type.
fn folded(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.nfd().filter(|c| !is_accent(*c)) {
        match c {
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'þ' => out.push_str("th"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ı' => out.push('i'),
            other => out.push(other),
        }
    }
    out
}
