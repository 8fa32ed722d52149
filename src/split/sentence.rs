//! Sentences of a paragraph: Unicode's rules (UAX #29, through ICU4X) with the repairs real text needs.

use icu_segmenter::options::SentenceBreakInvariantOptions;
use icu_segmenter::{SentenceSegmenter, SentenceSegmenterBorrowed};

use super::abbreviations;
use crate::span::Span;

/// A closing line of at most this many characters joins the sentence before it (`"`, `)`, `]`).
const MAX_CLOSER_CHARS: usize = 3;

/// A sentence of a script that does not tell sentences from clauses has more characters than this, where there is a blank:
/// as many tokens of a language model as a sentence of English has, about.
const MIN_UNMARKED_CHARS: usize = 60;

/// How far back the beginning of a quotation is looked for.
const MAX_QUOTATION_BYTES: usize = 2048;

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
        let end = if last { end } else { start + without_opener(&line[start..end]) };
        if !last && continues(&line[start..end], &line[end..], line) {
            continue;
        }
        let mut from = start;
        for length in missed_ends(&line[start..end]) {
            push(text, base, Span::new(base + from, base + start + length), out);
            from = start + length;
        }
        push(text, base, Span::new(base + from, base + end), out);
        start = end;
    }
}

/// Adds a sentence; a mere closing bracket or quotation mark joins the one before it.
fn push(text: &str, base: usize, span: Span, out: &mut Vec<Span>) {
    let span = span.trim(text);
    if span.is_empty() {
        return;
    }
    let piece = &text[span.range()];
    let closer = piece.chars().count() <= MAX_CLOSER_CHARS && !piece.chars().any(char::is_alphanumeric);
    match out.last_mut() {
        Some(previous) if closer && previous.start as usize >= base => *previous = previous.cover(span),
        _ => out.push(span),
    }
}

/// The length of a sentence without the quotation mark or bracket that opens the next one: UAX #29 does not
/// tell opening from closing ones.
fn without_opener(sentence: &str) -> usize {
    let (low, right) = (sentence.contains('„'), sentence.contains('»'));
    let closes = |c: char| match c {
        '“' => low,
        '«' => right,
        _ => false,
    };
    let opens =
        |c: char| matches!(c, '“' | '‘' | '«' | '「' | '『' | '（' | '《' | '【' | '(' | '[' | '„') && !closes(c);
    let bare = sentence.trim_end().trim_end_matches(opens);
    if bare.is_empty() { sentence.len() } else { bare.len() }
}

/// The end of a sentence: a quotation that opened before is not looked for, or a text of nothing but quotation
/// marks would take time that grows with its square.
fn tail(sentence: &str) -> &str {
    let mut start = sentence.len().saturating_sub(MAX_QUOTATION_BYTES);
    while !sentence.is_char_boundary(start) {
        start += 1;
    }
    &sentence[start..]
}

/// Whether the sentence goes on although UAX #29 would end it here.
fn continues(sentence: &str, rest: &str, paragraph: &str) -> bool {
    let body = sentence.trim_end();
    let next = rest.trim_start();
    let bare = body.trim_end_matches(CLOSERS);
    let quoted = bare.len() < body.len();
    let spaced = body.len() < sentence.len() || next.len() < rest.len();
    if (quoted && speaks_on(next, spaced)) || (next.starts_with('»') && tail(sentence).contains('«')) {
        return true;
    }
    // An image of Markdown: `[![Build](...)](...)`.
    if bare.ends_with('!') && !spaced && next.starts_with('[') {
        return true;
    }
    // `Yahoo! was founded`, `"Stop!" she cried`, `«Why?» — she asked`.
    if bare.ends_with(['!', '?']) || (quoted && bare.ends_with(['.', '…'])) {
        return begins_small(next.trim_start_matches(['—', '–', '-', ' ']));
    }
    let Some(before) = body.strip_suffix('.') else { return false };
    if before.ends_with('.') {
        // An ellipsis goes on where the next word is not capitalised.
        return begins_small(next);
    }
    after_full_stop(before, next, paragraph)
}

/// Whether a sentence goes on after a full stop: abbreviations, initials, ordinals.
fn after_full_stop(before: &str, next: &str, paragraph: &str) -> bool {
    let opening = |c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '„' | '\'' | '«' | '/' | '§');
    let word = before.rsplit(opening).next().unwrap_or(before);
    let following: &str = next.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    if word.is_empty() {
        return false;
    }
    let before_number = next.starts_with(|c: char| c.is_numeric());
    if word.chars().all(|c| c.is_ascii_digit()) {
        let list_number = word == before.trim() && word.len() <= 3;
        let noun_follows = !before_number && !abbreviations::starts_sentences(following);
        let ordinal = word.len() <= 2 && noun_follows && abbreviations::is_german(paragraph);
        return list_number || ordinal;
    }
    let letters = word.split('.').all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic));
    if letters {
        // Initials and the like: `J. R. Jones`, `U.S. Army`, but `at 5 p.m. Then`, `vitamin C. It`.
        let small = word.contains('.') && begins_small(word);
        return before_number || (!small && !abbreviations::starts_sentences(following));
    }
    abbreviations::before_words(word) || (before_number && abbreviations::before_numbers(word))
}

/// Closing quotation marks and brackets.
const CLOSERS: [char; 13] = ['"', '”', '’', '\'', '»', '“', ')', ']', '」', '』', '）', '》', ' '];

fn begins_small(text: &str) -> bool {
    // Georgian's everyday letters count as small ones, and have no capitals to begin with.
    text.chars().next().is_some_and(|c| c.is_lowercase() && !('\u{10d0}'..='\u{10ff}').contains(&c))
}

/// Whether the words after a quotation belong to it: `「…。」と言った`, `“…？”她问`, `"…."라고`.
fn speaks_on(next: &str, spaced: bool) -> bool {
    let Some(first) = next.chars().next() else { return false };
    match first {
        'と' | 'っ' => true,
        '\u{ac00}'..='\u{d7a3}' => !spaced,
        '\u{4e00}'..='\u{9fff}' => {
            // Who says so, in a few characters.
            next.chars()
                .take(5)
                .take_while(|c| !matches!(c, '，' | '。' | '“' | '：'))
                .any(|c| "说問问道喊叫答曰想言".contains(c))
        }
        _ => false,
    }
}

/// Ends that UAX #29 does not know, as lengths: Greek's question mark, Chinese ellipses, the blanks of Thai and Lao.
fn missed_ends(sentence: &str) -> Vec<usize> {
    if !sentence.contains(|c: char| matches!(c, ';' | '\u{37e}' | '…') || ends_with_blanks(c)) {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut characters = sentence.char_indices().peekable();
    // The character before, the last that is no blank, and how many there are since the last end.
    let (mut before, mut word, mut length) = (' ', ' ', 0);
    while let Some((at, c)) = characters.next() {
        let next = characters.peek().map(|(_, c)| *c);
        let end = at + c.len_utf8();
        length += 1;
        let ends = match c {
            ';' | '\u{37e}' => {
                let then = sentence[end..].trim_start().chars().next();
                is_greek(before)
                    && next.is_some_and(char::is_whitespace)
                    && then.is_some_and(|c| is_greek(c) && c.is_uppercase())
            }
            '…' => before == '…' && next.is_some_and(|c| ('\u{3040}'..='\u{9fff}').contains(&c)),
            c if c.is_whitespace() => {
                length > MIN_UNMARKED_CHARS && ends_with_blanks(word) && next.is_some_and(ends_with_blanks)
            }
            _ => false,
        };
        if ends {
            out.push(end);
            length = 0;
        }
        before = c;
        if !c.is_whitespace() {
            word = c;
        }
    }
    out
}

/// Thai and Lao letters: these scripts end sentences with a blank, and clauses as well. Their signs for what is repeated
/// or cut short have a blank behind them that ends nothing.
fn ends_with_blanks(c: char) -> bool {
    let is_letter = ('\u{e01}'..='\u{e4e}').contains(&c) || ('\u{e81}'..='\u{ece}').contains(&c);
    is_letter && !matches!(c, 'ๆ' | 'ฯ' | 'ໆ' | 'ຯ')
}

fn is_greek(c: char) -> bool {
    ('\u{370}'..='\u{3ff}').contains(&c) || ('\u{1f00}'..='\u{1fff}').contains(&c)
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
        let first = "ใกล้ๆ กันนั้นซัมเมอร์เธียเตอร์ซึ่งอยู่ใน ออกรุดซาสกี เปิดดำเนินการตั้งแต่ปี 1870 ถึง";
        let second = "และในระหว่างสงคราม";
        assert_eq!(cut(&format!("{first} {second}")), [first, second]);
    }

    #[test]
    fn quotes_and_brackets_close_their_sentence() {
        assert_eq!(cut("He said \"Stop.\" Then he ran."), ["He said \"Stop.\"", "Then he ran."]);
        assert_eq!(cut("(It was late.) We slept."), ["(It was late.)", "We slept."]);
    }
}
