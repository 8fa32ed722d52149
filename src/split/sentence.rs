//! Sentences of a paragraph: Unicode's rules (UAX #29, through ICU4X) with the repairs real text needs.

use icu_segmenter::options::SentenceBreakInvariantOptions;
use icu_segmenter::{SentenceSegmenter, SentenceSegmenterBorrowed};

use crate::span::Span;

/// Abbreviations after which a full stop seldom ends a sentence; compared without case.
const ABBREVIATIONS: &[&str] = &[
    "dr", "mr", "mrs", "ms", "prof", "sr", "jr", "st", "mt", "vs", "etc", "e.g", "i.e", "cf", "al", "fig", "figs",
    "eq", "no", "nos", "vol", "pp", "p", "ca", "approx", "inc", "ltd", "co", "corp", "dept", "est", "gen", "col",
    "sgt", "capt", "lt", "rev", "hon", "gov", "sen", "rep", "pres", "jan", "feb", "mar", "apr", "jun", "jul", "aug",
    "sep", "sept", "oct", "nov", "dec", "u.s", "u.k", "u.n", "a.m", "p.m", "ed", "eds", "sec", "ch", "art", "nr",
    "bzw", "z.b", "d.h", "usw", "evtl", "ggf", "vgl", "bspw", "str", "tel", "dipl", "ing",
];

/// A closing line of at most this many characters joins the sentence before it (`"`, `)`, `]`).
const MAX_CLOSER_CHARS: usize = 3;

fn segmenter() -> SentenceSegmenterBorrowed<'static> {
    SentenceSegmenter::new(SentenceBreakInvariantOptions::default())
}

/// The sentences of one paragraph, given as a span of the text. Line breaks inside do not end a sentence.
pub(super) fn sentences(text: &str, paragraph: Span, out: &mut Vec<Span>) {
    let Some(source) = paragraph.slice(text) else { return };
    let base = paragraph.start as usize;
    // UAX #29 ends a sentence at every line break. Wrapped prose must not: blanks of the same length stand in.
    let unwrapped;
    let line = if source.contains(['\n', '\r']) {
        unwrapped = source.replace(['\n', '\r'], " ");
        unwrapped.as_str()
    } else {
        source
    };
    let mut start = 0;
    let mut breaks = segmenter().segment_str(line).skip(1).peekable();
    while let Some(end) = breaks.next() {
        let last = breaks.peek().is_none();
        if !last && continues(&line[start..end], &line[end..]) {
            continue;
        }
        let span = Span::new(base + start, base + end).trim(text);
        start = end;
        if span.is_empty() {
            continue;
        }
        let piece = &text[span.range()];
        let closer = piece.chars().count() <= MAX_CLOSER_CHARS && !piece.chars().any(char::is_alphanumeric);
        match out.last_mut() {
            Some(previous) if closer && previous.start as usize >= base => *previous = previous.cover(span),
            _ => out.push(span),
        }
    }
}

/// Whether the sentence goes on although UAX #29 would end it here.
fn continues(sentence: &str, rest: &str) -> bool {
    let body = sentence.trim_end();
    let Some(body) = body.strip_suffix('.') else { return false };
    if body.ends_with('.') {
        // An ellipsis goes on where the next word is not capitalised.
        return rest.trim_start().starts_with(char::is_lowercase);
    }
    let word = body
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '„' | '\''))
        .next()
        .unwrap_or(body);
    if word.is_empty() {
        return false;
    }
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let list_number = word == body.trim() && word.chars().all(|c| c.is_ascii_digit()) && word.len() <= 3;
    initial || list_number || ABBREVIATIONS.iter().any(|a| a.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        let mut spans = Vec::new();
        sentences(text, Span::new(0, text.len()), &mut spans);
        spans.iter().map(|s| &text[s.range()]).collect()
    }

    #[test]
    fn full_stops_that_end_nothing() {
        assert_eq!(
            cut("Dr. Smith paid $3.50 to J. R. Jones. He left at 5 p.m. with Ms. Wu."),
            ["Dr. Smith paid $3.50 to J. R. Jones.", "He left at 5 p.m. with Ms. Wu."]
        );
        assert_eq!(
            cut("See main.rs. Then https://a.b/c.html opens."),
            ["See main.rs.", "Then https://a.b/c.html opens."]
        );
        assert_eq!(cut("1. Take flour. 2. Sift it."), ["1. Take flour.", "2. Sift it."]);
    }

    #[test]
    fn wrapped_lines_are_one_sentence() {
        assert_eq!(cut("One line\nand its end. Two\r\nlines."), ["One line\nand its end.", "Two\r\nlines."]);
    }

    #[test]
    fn other_scripts_end_sentences_too() {
        assert_eq!(cut("今天下雨。我们回家！好吗？"), ["今天下雨。", "我们回家！", "好吗？"]);
        assert_eq!(cut("यह पहला है। यह दूसरा है।"), ["यह पहला है।", "यह दूसरा है।"]);
        assert_eq!(cut("هل هذا صحيح؟ نعم."), ["هل هذا صحيح؟", "نعم."]);
    }

    #[test]
    fn quotes_and_brackets_close_their_sentence() {
        assert_eq!(cut("He said \"Stop.\" Then he ran."), ["He said \"Stop.\"", "Then he ran."]);
        assert_eq!(cut("(It was late.) We slept."), ["(It was late.)", "We slept."]);
    }
}
