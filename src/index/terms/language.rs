//! Languages in Latin script whose words are stemmed each by its own rules. Other scripts name their language by
//! themselves.

use frostem::Algorithm;
use whatlang::Lang;

/// What a language is told by; more costs time and says no more.
const LOOKED_AT_BYTES: usize = 400;

/// Less text in Latin script than this may be in any language, however sure it looks.
const MIN_LATIN_BYTES: usize = 120;

/// A language in Latin script with a stemmer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Language {
    Danish,
    Dutch,
    #[default]
    English,
    Finnish,
    French,
    German,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Spanish,
    Swedish,
    Turkish,
}

fn detected(text: &str) -> Option<whatlang::Info> {
    whatlang::detect(&text[..text.floor_char_boundary(LOOKED_AT_BYTES)])
}

/// The language of a text as ISO 639-3 code, where it is certain: of a script of its own, or of many words.
#[must_use]
pub fn certain_language(text: &str) -> Option<&'static str> {
    let info = detected(text)?;
    let is_long = text.len() >= MIN_LATIN_BYTES && info.is_reliable();
    (is_long || info.script() != whatlang::Script::Latin).then(|| info.lang().code())
}

impl Language {
    /// The language of a text; English wherever another one is not certain.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let certain = detected(text).filter(whatlang::Info::is_reliable);
        match certain.map(|info| info.lang()) {
            Some(Lang::Dan) => Self::Danish,
            Some(Lang::Nld) => Self::Dutch,
            Some(Lang::Fin) => Self::Finnish,
            Some(Lang::Fra) => Self::French,
            Some(Lang::Deu) => Self::German,
            Some(Lang::Hun) => Self::Hungarian,
            Some(Lang::Ita) => Self::Italian,
            Some(Lang::Nob) => Self::Norwegian,
            Some(Lang::Por) => Self::Portuguese,
            Some(Lang::Ron) => Self::Romanian,
            Some(Lang::Spa) => Self::Spanish,
            Some(Lang::Swe) => Self::Swedish,
            Some(Lang::Tur) => Self::Turkish,
            _ => Self::English,
        }
    }

    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::Danish => Algorithm::Danish,
            Self::Dutch => Algorithm::Dutch,
            Self::English => Algorithm::English,
            Self::Finnish => Algorithm::Finnish,
            Self::French => Algorithm::French,
            Self::German => Algorithm::German,
            Self::Hungarian => Algorithm::Hungarian,
            Self::Italian => Algorithm::Italian,
            Self::Norwegian => Algorithm::Norwegian,
            Self::Portuguese => Algorithm::Portuguese,
            Self::Romanian => Algorithm::Romanian,
            Self::Spanish => Algorithm::Spanish,
            Self::Swedish => Algorithm::Swedish,
            Self::Turkish => Algorithm::Turkish,
        }
    }
}
