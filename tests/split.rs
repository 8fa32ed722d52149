//! Splitting loses nothing, for every media type and any text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::Cell;

use proptest::prelude::*;
use tamis::document::{BlockKind, Segment};
use tamis::extract::{Language, MediaType};
use tamis::split::{Limits, split};

const MEDIA: &[MediaType] = &[
    MediaType::Plain,
    MediaType::Markdown,
    MediaType::Code(Language::Rust),
    MediaType::Code(Language::Python),
    MediaType::Code(Language::JavaScript),
    MediaType::Code(Language::TypeScript),
    MediaType::Code(Language::Tsx),
    MediaType::Code(Language::Go),
    MediaType::Code(Language::Java),
    MediaType::Code(Language::C),
    MediaType::Code(Language::Cpp),
];

const LIMITS: Limits = Limits { block: 24, segment: 60 };

/// Words, roughly as a tokenizer counts them; long words are several.
fn tokens(text: &str) -> usize {
    text.split_whitespace().map(|w| 1 + w.len() / 8).sum()
}

fn check(text: &str, media: MediaType) -> Vec<Segment> {
    let segments = split(text, media, LIMITS, &tokens);
    let mut end = 0;
    let blank = |part: &str| part.chars().all(|c| c.is_whitespace() || c == '\u{feff}');
    for segment in &segments {
        assert!(!segment.blocks.is_empty());
        let mut sum = 0;
        for block in &segment.blocks {
            let (start, stop) = (block.span.start as usize, block.span.end as usize);
            assert!(start >= end && stop > start, "{media:?}: {:?} after {end}", block.span);
            let between = text.get(end..start).expect("spans are on character boundaries");
            assert!(blank(between), "{media:?}: lost {between:?}");
            sum += tokens(text.get(start..stop).expect("spans are on character boundaries"));
            end = stop;
        }
        assert!(sum <= LIMITS.segment, "{media:?}: a segment of {sum}");
        for span in &segment.context {
            assert!(span.slice(text).is_some());
        }
    }
    assert!(blank(&text[end..]), "{media:?}: lost {:?}", &text[end..]);
    segments
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
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost(text in texts(), media in 0..MEDIA.len()) {
        check(&text, MEDIA[media]);
    }
}

#[test]
fn the_same_text_splits_the_same() {
    let text = FRAGMENTS.join("\n");
    for media in MEDIA {
        assert_eq!(check(&text, *media), check(&text, *media));
    }
}

#[test]
fn empty_and_blank_texts_have_no_blocks() {
    for text in ["", " ", "\n\n\t", "\u{feff}", "\u{feff} \n"] {
        for media in MEDIA {
            assert!(split(text, *media, LIMITS, &tokens).is_empty(), "{text:?}");
        }
    }
}

/// Doubling a text at most doubles the text that is measured, with a little to spare.
#[test]
fn work_is_linear() {
    let unit: String = FRAGMENTS.iter().filter(|f| !f.contains(['"', '`', '*'])).map(|f| format!("{f}\n\n")).collect();
    let long_line = "word ".repeat(40_000);
    let no_spaces = "x".repeat(200_000);
    for (text, media) in MEDIA.iter().map(|m| (unit.repeat(40), *m)).chain([
        (long_line, MediaType::Plain),
        (no_spaces.clone(), MediaType::Plain),
        (no_spaces, MediaType::Code(Language::JavaScript)),
    ]) {
        let measured = |text: &str| {
            let bytes = Cell::new(0usize);
            let _ = split(text, media, LIMITS, &|s| {
                bytes.set(bytes.get() + s.len());
                tokens(s)
            });
            bytes.get()
        };
        let (once, twice) = (measured(&text), measured(&text.repeat(2)));
        assert!(twice <= once * 22 / 10, "{media:?}: {once} then {twice} bytes measured");
    }
}

fn blocks<'t>(text: &'t str, segments: &[Segment]) -> Vec<(&'t str, BlockKind, String)> {
    segments
        .iter()
        .flat_map(|s| s.blocks.iter().map(move |b| (&text[b.span.range()], b.kind, s.heading(text))))
        .collect()
}

#[test]
fn markdown_structure() {
    let text = "Intro here.\n\n# Soup\n\nSift it. Melt it.\n\n## Prices\n\n| what | cost |\n|---|---|\n| flour | 1.20 |\n| butter | 3 |\n\n- one item\n- two items\n\n```rust\nfn press() {}\n```\n";
    let limits = Limits { block: 60, segment: 200 };
    let segments = split(text, MediaType::Markdown, limits, &tokens);
    insta::assert_debug_snapshot!("markdown_structure", blocks(text, &segments));
}

#[test]
fn code_structure() {
    let text = "use std::fmt;\n\n/// A sieve.\n#[derive(Debug)]\npub struct Sieve {\n    mesh: u32,\n}\n\nimpl Sieve {\n    /// Presses food through.\n    pub fn press(&self, food: &str) -> String {\n        let mut out = String::new();\n        for c in food.chars().filter(|c| c.is_alphanumeric()) {\n            out.push(c);\n        }\n        out.push_str(\"pressed through a fine mesh of horse hair\");\n        out\n    }\n\n    fn mesh(&self) -> u32 {\n        self.mesh\n    }\n}\n";
    let segments = check(text, MediaType::Code(Language::Rust));
    insta::assert_debug_snapshot!("code_structure", blocks(text, &segments));
}
