//! Splitting loses nothing, for every media type and any text.

use std::cell::Cell;

use proptest::prelude::*;
use tamis::extract::{self, Extracted, MediaType};
use tamis::split::{Limits, split};

use crate::check::{LIMITS, check, check_text, check_with, tokens};

fn media() -> Vec<MediaType> {
    MediaType::all().collect()
}

/// Fragments of all kinds of syntax, so that random texts reach the parsers' corners.
const FRAGMENTS: &[&str] = &[
    "# Heading",
    "Setext\n===",
    "- item",
    "  - nested",
    "1. first",
    "> quote",
    "```rust\nfn a() { b(); }\n```",
    "```",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "[link]: https://a.b",
    "<div>",
    "---",
    "***bold***",
    "A sentence. Another one!",
    "今天下雨。我们回家。",
    "fn f(x: u8) -> u8 { x + 1 }",
    "impl A { fn g(&self) {} }",
    "/// doc\n#[test]\nfn t() {}",
    "def f(a):\n    return a",
    "@decorator\nclass A:\n    x = 1",
    "function f() { return `a${b}`; }",
    "class B extends C {",
    "}",
    "{",
    "(",
    "\"unclosed",
    "/* comment",
    "*/",
    "// line",
    "#include <a.h>",
    "template<class T> struct S {};",
    "package main\nfunc main() {}",
    "public class X { void y() {} }",
    "\n",
    "\n\n",
    " ",
    "\t",
    "\r\n",
    "\u{feff}",
    "\0",
    "é",
    "🙂",
    "x = 1;",
    "let y = vec![1, 2, 3];",
    "- [ ] task",
    "[^1]: note",
    "\\",
    "&amp;",
    "---\ntitle: x\n---",
    "{\"a\": [1, {\"b\": \"c\"}],",
    "]}",
    "name,price\n\"a, b\",2",
    "a\tb\tc",
    "2024-05-01 10:02:03 INFO started",
    "    at java.lang.Thread",
    "Ann: hello",
    "[10:02] Bob: hi there",
    "1\n00:00:01,000 --> 00:00:02,000\nText.",
    "Title\n=====",
    ".. code-block:: python\n\n   x = 1",
    ":field: value",
    "== Section",
    "[source,rust]\n----\nfn a() {}\n----",
    "|===\n|a |b\n\n|1 |2\n|===",
    "=====  =====\nA      B\n=====  =====\n1      2\n=====  =====",
    "+---+\n| a |\n+===+\n| b |\n+---+",
    "term:: definition",
    "<table><tr><th>a<td>b</table>",
    "<ul><li>one<li>two",
    "<pre>",
    "From: a@b.c\nSubject: x\n",
    "key:\n  - value\n  - other: 1",
    "[table]\nkey = \"value\"",
    "SELECT a FROM b WHERE c = 1;",
    "defmodule A do\n  def f(x), do: x\nend",
    "message A { string b = 1; }",
    "resource \"a\" \"b\" { c = 1 }",
    "class A { fun f() = 1 }",
    "f() { echo $1; }",
    "end",
];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec((0..FRAGMENTS.len(), 0..4u8), 0..60).prop_map(|parts| {
            parts.iter().map(|(n, s)| format!("{}{}", FRAGMENTS[*n], ["", " ", "\n", "\n\n"][*s as usize])).collect()
        }),
        1 => any::<String>(),
        1 => "\\PC{0,400}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost(text in texts(), n in 0..media().len()) {
        check_text(&text, media()[n]);
    }

    /// Overlap changes what is read with a segment, never what it holds.
    #[test]
    fn overlap_shares_whole_blocks(text in texts(), overlap in 1..4usize) {
        let source = Extracted::text(text, MediaType::Markdown);
        let segments = check_with(&source, Limits { overlap, ..LIMITS });
        for pair in segments.windows(2) {
            let Some(lead) = pair[1].lead else { continue };
            let last = &pair[0].blocks;
            prop_assert_eq!(lead.end, pair[0].span().end);
            let shared = last.iter().filter(|b| lead.contains(b.span)).count();
            prop_assert!((1..=overlap).contains(&shared));
            let read: usize = [lead].into_iter().chain(pair[1].blocks.iter().map(|b| b.span)).map(|s| tokens(&source.text[s.range()])).sum();
            prop_assert!(read <= LIMITS.segment + shared, "{read}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes as any type: an error or a text that splits.
    #[test]
    fn nothing_panics(text in texts(), noise in prop::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>(), n in 0..media().len()) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, noise);
        if let Ok(source) = extract::from_bytes("x", media()[n], bytes) {
            check(&source);
        }
    }
}

#[test]
fn the_same_text_splits_the_same() {
    let text = FRAGMENTS.join("\n");
    for media in media() {
        assert_eq!(check_text(&text, media), check_text(&text, media));
    }
}

#[test]
fn empty_and_blank_texts_have_no_blocks() {
    for text in ["", " ", "\n\n\t", "\u{feff}", "\u{feff} \n"] {
        for media in media() {
            assert!(check_text(text, media).is_empty(), "{text:?}");
        }
    }
}

/// Doubling a text at most doubles the text that is measured, with a little to spare.
#[test]
fn work_is_linear() {
    let unit: String = FRAGMENTS.iter().filter(|f| !f.contains(['"', '`', '*'])).map(|f| format!("{f}\n\n")).collect();
    let long_line = "word ".repeat(40_000);
    let no_spaces = "x".repeat(200_000);
    let nested = "[".repeat(100_000);
    for (text, media) in media().into_iter().map(|m| (unit.repeat(40), m)).chain([
        (long_line, MediaType::Plain),
        (no_spaces.clone(), MediaType::Plain),
        (no_spaces, MediaType::Code(extract::Language::JavaScript)),
        (nested, MediaType::Json),
        ("{\"a\":[1,2,3],\"b\":{}},".repeat(10_000), MediaType::Json),
        ("a,b,c\n1,2,3\n".repeat(10_000), MediaType::Csv),
    ]) {
        let measured = |text: &str| {
            let bytes = Cell::new(0usize);
            let _ = split(&Extracted::text(text, media), LIMITS, &|s| {
                bytes.set(bytes.get() + s.len());
                tokens(s)
            });
            bytes.get()
        };
        let (once, twice) = (measured(&text), measured(&text.repeat(2)));
        assert!(twice <= once * 22 / 10, "{media:?}: {once} then {twice} bytes measured");
    }
}
