//! Abbreviations and words that tell whether a full stop ends a sentence. All in lower case.

/// Before a name or another word: a full stop after these ends nothing.
const BEFORE_WORDS: &[&str] = &[
    // English titles, and what stands between two things
    "dr",
    "mr",
    "mrs",
    "ms",
    "messrs",
    "prof",
    "rev",
    "hon",
    "gov",
    "sen",
    "rep",
    "pres",
    "gen",
    "col",
    "maj",
    "capt",
    "lt",
    "sgt",
    "cmdr",
    "adm",
    "st",
    "mt",
    "ft",
    "vs",
    "v",
    "cf",
    "al",
    "e.g",
    "i.e",
    "viz",
    "resp",
    "ed",
    "eds",
    "trans",
    // German
    "bzw",
    "z.b",
    "d.h",
    "u.a",
    "o.ä",
    "vgl",
    "ggf",
    "evtl",
    "bspw",
    "dipl",
    "ing",
    "hr",
    "fr",
    "frl",
    "inkl",
    "sog",
    "zzgl",
    "abs",
    "einschl",
    // French, Spanish, Italian, Portuguese
    "mm",
    "mme",
    "mlle",
    "sr",
    "sra",
    "srta",
    "dra",
    "ud",
    "uds",
    "av",
    "avda",
    "sig",
    "dott",
    "ex",
    "ej",
    "p.ej",
    // Russian and Ukrainian
    "проф",
    "акад",
    "ул",
    "им",
    "пр",
    "просп",
    "гл",
    "ст",
    "см",
    "напр",
    "тов",
    "вул",
    "обл",
    "пл",
    // Hindi, Vietnamese, Dutch, Scandinavian, Polish
    "डॉ",
    "श्री",
    "प्रो",
    "tp",
    "mevr",
    "dhr",
    "hr",
    "fru",
    "ul",
    "np",
    "tzw",
    "im",
];

/// Before a number.
const BEFORE_NUMBERS: &[&str] = &[
    "no", "nos", "nr", "num", "fig", "figs", "eq", "eqs", "tab", "vol", "vols", "p", "pp", "ch", "chap", "sec", "sect",
    "art", "ca", "approx", "est", "ver", "pt", "para", "app", "ex", "jan", "feb", "mar", "apr", "may", "jun", "jul",
    "aug", "sep", "sept", "oct", "nov", "dec", "str", "abb", "kap", "bd", "s", "tel", "ust", "§", "arts", "núm", "pág",
    "págs", "рис", "стр", "табл", "д", "кв", "т", "ч", "п", "c", "r", "b",
];

/// Words that begin sentences and hardly stand after an initial or an abbreviation of a name.
const STARTERS: &[&str] = &[
    "a", "an", "the", "this", "that", "these", "those", "there", "then", "he", "she", "it", "its", "they", "we", "you",
    "i", "his", "her", "their", "our", "my", "your", "in", "on", "at", "for", "from", "with", "by", "as", "if", "when",
    "while", "after", "before", "but", "and", "or", "so", "however", "although", "because", "what", "why", "how",
    "who", "where", "no", "yes", "not", "all", "some", "many", "most", "one", "to", "is", "are", "was", "do", "does",
    "did", "der", "die", "das", "am", "im", "zu", "auch", "man", "er", "sie", "es", "wir", "ich", "ein", "eine", "il",
    "elle", "le", "la", "les", "un", "une", "nous", "on", "el", "los", "las", "una",
];

/// Words that only German texts have.
const GERMAN: &[&str] =
    &["der", "und", "das", "ist", "wird", "nicht", "ein", "vom", "den", "mit", "für", "auf", "sich"];

/// Whether a word with a full stop after it goes on with a word.
pub(super) fn before_words(word: &str) -> bool {
    BEFORE_WORDS.contains(&word.to_lowercase().as_str())
}

/// Whether a word with a full stop after it goes on with a number.
pub(super) fn before_numbers(word: &str) -> bool {
    let word = word.to_lowercase();
    // A German street is mostly part of a longer word.
    BEFORE_NUMBERS.contains(&word.as_str()) || word.ends_with("str")
}

/// Whether a word begins sentences.
pub(super) fn starts_sentences(word: &str) -> bool {
    STARTERS.contains(&word.to_lowercase().as_str())
}

/// Whether a text is German, where `3.` is an ordinal.
pub(super) fn is_german(text: &str) -> bool {
    text.split_whitespace().take(200).any(|w| GERMAN.contains(&w.trim_end_matches(['.', ',']).to_lowercase().as_str()))
}
