//! Sentences with boundaries checked by hand, in fifteen scripts.

use tamis::document::BlockKind;
use tamis::extract::{Extracted, MediaType};
use tamis::split::Limits;

use crate::check::{blocks, outline};

/// Languages whose sentences follow each other without a blank.
const UNSPACED: &[&str] = &["Chinese", "Japanese"];
const WIDE: Limits = Limits { block: 1000, segment: 4000, overlap: 0 };

/// Language and paragraphs, a sentence a line.
fn gold() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut out = Vec::new();
    let mut language = "";
    for paragraph in include_str!("../data/split/sentences.txt").split("\n\n") {
        let mut lines: Vec<&str> = paragraph.lines().collect();
        if let Some(name) = lines.first().and_then(|l| l.strip_prefix("# ")) {
            language = name;
            lines.remove(0);
        }
        out.push((language, lines));
    }
    out
}

#[test]
fn sentences_end_where_people_end_them() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (language, sentences) in gold() {
        let separator = if UNSPACED.contains(&language) { "" } else { " " };
        let source = Extracted::text(sentences.join(separator), MediaType::Plain);
        let found = blocks(&source, WIDE, &[BlockKind::Sentence]);
        checked += sentences.len();
        for sentence in sentences.iter().filter(|s| !found.contains(s)) {
            wrong.push(format!("{language}: {sentence}"));
        }
    }
    assert!(checked >= 200, "{checked}");
    assert!(wrong.is_empty(), "{} of {checked} sentences are cut or joined:\n{}", wrong.len(), wrong.join("\n"));
}

/// Wrapped lines change nothing.
#[test]
fn line_breaks_inside_sentences_end_nothing() {
    for (language, sentences) in gold().into_iter().filter(|(l, _)| !UNSPACED.contains(l)) {
        let wrapped: Vec<String> = sentences.iter().map(|s| s.replace(' ', "\r\n")).collect();
        // A line of its own that begins with a number and a dot, or a dash, is an item of a list.
        if wrapped
            .iter()
            .any(|s| s.lines().any(|l| l.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '—')))
        {
            continue;
        }
        let source = Extracted::text(wrapped.join(" "), MediaType::Plain);
        let found = blocks(&source, WIDE, &[BlockKind::Sentence]);
        let expected: Vec<&str> = wrapped.iter().map(String::as_str).collect();
        assert_eq!(found, expected, "{language}");
    }
}

/// Thai has no full stops: a blank stands between sentences, and only there is a long text cut.
#[test]
fn thai_is_cut_at_blanks() {
    let text = "วันนี้ฝนตกหนักมาก เราอยู่บ้านทั้งวัน แม่ทำอาหารกลางวัน พ่ออ่านหนังสือพิมพ์ น้องเล่นกับแมว";
    let source = Extracted::text(text, MediaType::Plain);
    let found = blocks(&source, Limits { block: 16, segment: 40, overlap: 0 }, &[BlockKind::Sentence]);
    assert!(found.len() > 1);
    for block in &found {
        for word in block.split(' ') {
            assert!(text.split(' ').any(|w| w == word), "{word} is no whole clause");
        }
    }
}

/// Text without any place to end stays within the limit all the same.
#[test]
fn endless_sentences_are_cut_at_the_best_place() {
    let clauses = "the first clause is here, the second clause follows; ".repeat(40);
    let base64 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg".repeat(60);
    let limits = Limits { block: 24, segment: 60, overlap: 0 };
    let source = Extracted::text(clauses, MediaType::Plain);
    for block in blocks(&source, limits, &[BlockKind::Sentence]) {
        assert!(block.ends_with([';', ',']), "{block:?}");
    }
    let source = Extracted::text(format!("Before. {base64} After."), MediaType::Plain);
    assert!(outline(&source, limits).lines().count() > 20);
}
