//! What blocks, scopes and context spans are made of each format: snapshots to read.

use tamis::extract::{self, Extracted, Language, MediaType};
use tamis::split::Limits;

use crate::check::outline;

const LIMITS: Limits = Limits { block: 40, segment: 120, overlap: 0 };

/// The outline of a text, after whatever extraction its type needs.
fn of(text: &str, media: MediaType) -> String {
    outline(&extract::from_bytes("x", media, text.as_bytes().to_vec()).unwrap(), LIMITS)
}

#[test]
fn markdown() {
    let text = include_str!("../data/split/structure.md");
    insta::assert_snapshot!(of(text, MediaType::Markdown));
}

#[test]
fn html() {
    let text = include_str!("../data/split/structure.html");
    insta::assert_snapshot!(of(text, MediaType::Html));
}

#[test]
fn restructured_text() {
    let text = include_str!("../data/split/structure.rst");
    insta::assert_snapshot!(of(text, MediaType::ReStructuredText));
}

#[test]
fn asciidoc() {
    let text = include_str!("../data/split/structure.adoc");
    insta::assert_snapshot!(of(text, MediaType::AsciiDoc));
}

#[test]
fn json_entries_by_key_path() {
    let text = include_str!("../data/split/structure.json");
    insta::assert_snapshot!(of(text, MediaType::Json));
    let lines = "{\"id\": 1, \"name\": \"flour\"}\n{\"id\": 2, \"name\": \"butter\"}\n";
    insta::assert_snapshot!(of(lines, MediaType::JsonLines));
}

#[test]
fn yaml_and_toml_by_key_path() {
    let yaml = include_str!("../data/split/structure.yaml");
    insta::assert_snapshot!(of(yaml, MediaType::Code(Language::Yaml)));
    let toml = include_str!("../data/split/structure.toml");
    insta::assert_snapshot!(of(toml, MediaType::Code(Language::Toml)));
}

#[test]
fn tables_by_row_with_their_header() {
    let csv = "name;price;note\nflour;1,20;\"fine; \"\"00\"\"\"\nbutter;3;\"two\nlines\"\n";
    insta::assert_snapshot!(of(csv, MediaType::Csv));
    insta::assert_snapshot!(of("1,2\n3,4\n", MediaType::Csv));
    insta::assert_snapshot!(of("a\tb\nx, y\tz\n", MediaType::Tsv));
}

#[test]
fn logs_by_record() {
    let log = "2024-05-01 10:02:03 INFO started\n2024-05-01 10:02:04 ERROR failed\njava.lang.IllegalStateException: x\n\tat a.B.c(B.java:1)\nCaused by: y\n2024-05-01 10:02:05 INFO stopped\n";
    insta::assert_snapshot!(of(log, MediaType::Log));
}

#[test]
fn conversations_by_turn() {
    let long = "This turn is long. It has many sentences. ".repeat(12);
    let chat = format!("[10:02] Ann: Where is the sieve?\nIt was here.\n[10:03] Bob: {long}\n[10:04] Ann: Thanks!\n");
    insta::assert_snapshot!(of(&chat, MediaType::Chat));
    let subtitles = "WEBVTT\n\n00:01.000 --> 00:02.000\nPress the food\n\n00:02.000 --> 00:03.000\nthrough the sieve.\n\n00:04.000 --> 00:05.000\nServe.\n";
    insta::assert_snapshot!(of(subtitles, MediaType::Subtitles));
}

#[test]
fn mail_with_what_it_quotes() {
    let mail = "From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Sieve_=E2=80=94_sizes?=\r\nDate: Wed, 1 May 2024 10:02:03 +0000\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nYes, the fine=20one. It is =E2=82=AC12.\r\n\r\nOn Tuesday, Bob wrote:\r\n> Which one?\r\n> And what does it cost?\r\n";
    let source = extract::from_bytes("x", MediaType::Mail, mail.as_bytes().to_vec()).unwrap();
    insta::assert_snapshot!(outline(&source, LIMITS));
    assert_eq!(source.title.as_deref(), Some("Sieve — sizes"));
    insta::assert_debug_snapshot!(source.metadata);
}

#[test]
fn notebooks_by_cell() {
    let notebook = include_str!("../data/split/structure.ipynb");
    insta::assert_snapshot!(of(notebook, MediaType::Notebook));
}

#[test]
fn code_by_declaration() {
    for (language, text) in [
        (Language::Rust, include_str!("../data/split/structure.rs.txt")),
        (Language::Python, include_str!("../data/split/structure.py.txt")),
        (Language::TypeScript, include_str!("../data/split/structure.ts.txt")),
    ] {
        let source = Extracted::text(text, MediaType::Code(language));
        insta::assert_snapshot!(format!("code_{language:?}"), outline(&source, LIMITS));
    }
}
