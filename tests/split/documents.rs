//! Documents as programs save them: text, structure, places.

use tamis::extract::{self, Extracted};
use tamis::split::Limits;

use crate::check::{check, outline};

const LIMITS: Limits = Limits { block: 60, segment: 200, overlap: 0 };

fn read(name: &str) -> Extracted {
    let path = format!("{}/tests/data/split/documents/{name}", env!("CARGO_MANIFEST_DIR"));
    let source = extract::read_file(name, std::fs::read(path).unwrap()).unwrap();
    check(&source);
    source
}

#[test]
fn word_documents() {
    let source = read("soup.docx");
    assert_eq!(source.title.as_deref(), Some("Soup for sieves"));
    insta::assert_snapshot!(outline(&source, LIMITS));
}

#[test]
fn presentations_by_slide() {
    insta::assert_snapshot!(outline(&read("soup.pptx"), LIMITS));
}

#[test]
fn spreadsheets_by_sheet() {
    insta::assert_snapshot!(outline(&read("soup.xlsx"), LIMITS));
}

#[test]
fn open_document_text() {
    insta::assert_snapshot!(outline(&read("soup.odt"), LIMITS));
}

#[test]
fn books_by_chapter() {
    let source = read("soup.epub");
    assert_eq!(source.title.as_deref(), Some("Soup for sieves"));
    insta::assert_snapshot!(outline(&source, LIMITS));
}

#[test]
fn pdf_from_a_word_processor() {
    insta::assert_snapshot!(outline(&read("crazyones.pdf"), LIMITS));
    insta::assert_snapshot!(outline(&read("multilang.pdf"), LIMITS));
}

/// Two columns under a title, with running heads and feet, on several pages.
#[test]
fn pdf_in_two_columns() {
    let source = read("paper.pdf");
    let text = source.text.as_str();
    assert!(!text.contains("Journal of Sieves"), "running heads are left out");
    assert!(!text.contains("page 1"), "page numbers are left out");
    assert!(text.contains("practice of cooks") && !text.contains("prac-"), "broken words are joined");
    let mut last = 0;
    for section in 1..=12 {
        for paragraph in 1..=4 {
            let here = text.find(&format!("This is paragraph {section}.{paragraph}.")).unwrap();
            assert!(here >= last, "{section}.{paragraph} is out of order");
            last = here;
        }
    }
    let pages: Vec<&str> = source.places.iter().map(|p| p.label.as_str()).collect();
    assert_eq!(pages, ["page 1", "page 2", "page 3", "page 4", "page 5"]);
    insta::assert_snapshot!(outline(&source, LIMITS).lines().take(14).collect::<Vec<_>>().join("\n"));
}

/// The name may be wrong or missing: content that can't be mistaken decides.
#[test]
fn content_goes_before_the_name() {
    let bytes = |name: &str| {
        std::fs::read(format!("{}/tests/data/split/documents/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    for (name, media) in [
        ("crazyones.pdf", "application/pdf"),
        ("soup.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("soup.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        ("soup.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("soup.odt", "application/vnd.oasis.opendocument.text"),
        ("soup.epub", "application/epub+zip"),
    ] {
        for other in ["noname", "wrong.txt", "wrong.md", "wrong.pdf"] {
            assert_eq!(extract::read_file(other, bytes(name)).unwrap().media.name(), media, "{name} as {other}");
        }
    }
}

/// Text says what it is where its name does not.
#[test]
fn text_without_a_telling_name_is_looked_at() {
    for (text, media) in [
        ("#!/usr/bin/env python3\nprint(1)\n", "text/x-python"),
        ("#!/bin/bash\necho 1\n", "text/x-shellscript"),
        ("<!DOCTYPE html><p>x</p>", "text/html"),
        ("{\"a\": 1}", "application/json"),
        ("{\"a\": 1}\n{\"a\": 2}\n", "application/jsonl"),
        ("1\n00:00:01,000 --> 00:00:02,000\nHi.\n", "application/x-subrip"),
        ("From: a@b.c\nTo: d@e.f\nDate: Wed, 1 May 2024 10:02:03 +0000\nSubject: x\n\nHi.\n", "message/rfc822"),
        ("2024-05-01 10:02:03 a\n2024-05-01 10:02:04 b\n2024-05-01 10:02:05 c\n", "text/x-log"),
        ("Ann: hello\nBob: hi\nAnn: bye\n", "text/x-chat"),
        ("Just a sentence. And another one: here.\n", "text/plain"),
        ("%PDX is no PDF", "text/plain"),
    ] {
        for name in ["noname", "a.txt", "a.pdf"] {
            assert_eq!(
                extract::read_file(name, text.as_bytes().to_vec()).unwrap().media.name(),
                media,
                "{text:?} {name}"
            );
        }
    }
}

/// Where HTML parts come from in the page.
#[test]
fn spans_of_pages_lead_back_to_the_source() {
    let page = "<html><body><p>One &amp; only.</p>\n<p>Two   <b>words</b>.</p></body></html>";
    let source = extract::read_file("a.html", page.as_bytes().to_vec()).unwrap();
    for (text, in_source) in [("One & only.", "One &amp;"), ("Two words.", "Two   <b>")] {
        let at = source.text.find(text).unwrap() as u64;
        let origin = source.source_of(at).unwrap() as usize;
        assert!(page[origin..].starts_with(in_source), "{text}: {}", &page[origin..]);
    }
}
