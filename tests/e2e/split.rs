//! `tamis split` as a tool, and what structure does to contexts.

use std::fs;

use serde_json::Value;

use crate::support::{fail, json, run, succeed};

fn folder() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path();
    fs::write(d.join("table.md"), "# Prices\n\nAll in euros.\n\n| what | cost |\n|---|---|\n| flour | 1.20 |\n| butter | 3.00 |\n| salt | 0.30 |\n").unwrap();
    fs::write(d.join("soup.pdf"), include_bytes!("../data/split/documents/paper.pdf")).unwrap();
    fs::write(d.join("secret.pdf"), include_bytes!("../data/split/documents/encrypted.pdf")).unwrap();
    fs::write(d.join("empty.md"), "").unwrap();
    fs::write(d.join("noname"), "#!/usr/bin/env python3\ndef f():\n    return 1\n").unwrap();
    fs::write(d.join("chinese.txt"), "今天下雨。我们回家！").unwrap();
    directory
}

#[test]
fn json_has_the_stated_shape() {
    let directory = folder();
    let d = directory.path();
    let file = fs::read_to_string(d.join("table.md")).unwrap();
    let out = json(d, &["split", "table.md", "--format", "json", "--max-tokens", "40"]);
    assert_eq!(out["media_type"], "text/markdown");
    let blocks = out["blocks"].as_array().unwrap();
    for block in blocks {
        let (start, end) = (block["start"].as_u64().unwrap() as usize, block["end"].as_u64().unwrap() as usize);
        assert!(!file[start..end].trim().is_empty());
        assert!(block["tokens"].as_u64().unwrap() > 0 && block["kind"].is_string() && block["scope"] == "Prices");
    }
    let mut next = 0;
    for segment in out["segments"].as_array().unwrap() {
        let (first, last) = (segment["blocks"][0].as_u64().unwrap(), segment["blocks"][1].as_u64().unwrap());
        assert_eq!(first, next, "segments hold all blocks, in order");
        assert_eq!(segment["start"], blocks[first as usize]["start"]);
        assert_eq!(segment["end"], blocks[last as usize]["end"]);
        let sum: u64 = (first..=last).map(|n| blocks[n as usize]["tokens"].as_u64().unwrap()).sum();
        assert_eq!(segment["tokens"].as_u64().unwrap(), sum);
        assert!(sum <= 40);
        for context in segment["context"].as_array().unwrap() {
            let (start, end) = (context[0].as_u64().unwrap() as usize, context[1].as_u64().unwrap() as usize);
            assert!(file.get(start..end).is_some());
        }
        next = last + 1;
    }
    assert_eq!(next as usize, blocks.len());
}

#[test]
fn what_a_file_is_is_guessed_and_said_and_can_be_stated() {
    let directory = folder();
    let d = directory.path();
    assert!(succeed(d, &["split", "noname"]).contains("noname: text/x-python, "));
    assert!(succeed(d, &["split", "chinese.txt"]).contains("text/plain, 2 blocks in 1 segments"));
    assert!(succeed(d, &["split", "soup.pdf"]).contains("soup.pdf: application/pdf, extracted text, "));
    for kind in ["rs", "rust", "text/x-rust"] {
        assert!(succeed(d, &["split", "noname", "--kind", kind]).contains("text/x-rust"), "{kind}");
    }
    let pdf = json(d, &["split", "soup.pdf", "--format", "json"]);
    let text = pdf["text"].as_str().unwrap();
    assert_eq!(pdf["bytes"].as_u64().unwrap() as usize, text.len());
    assert_eq!(pdf["segments"][0]["place"], "page 1");
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let directory = folder();
    let d = directory.path();
    let output = run(d, &["split", "empty.md", "secret.pdf", "missing.md", "table.md"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("table.md: text/markdown"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for reason in
        ["empty: there is no text", "encrypted: save it without a password", "missing.md: No such file", "3 of 4 files"]
    {
        assert!(said.contains(reason), "{said}");
    }
    assert!(fail(d, &["split", "table.md", "--kind", "wax"]).1.contains("use an extension (md, csv)"));
    assert_eq!(fail(d, &["split", "table.md", "--max-tokens", "0"]).0, 2);
    assert!(fail(d, &["split", "table.md", "--tokenizer", "gpt-17"]).1.contains("is unknown"));
}

/// A row comes with its header, once, and both are slices of the document.
#[test]
fn rows_bring_their_header_and_pages_are_cited() {
    let directory = folder();
    let d = directory.path();
    let file = fs::read_to_string(d.join("table.md")).unwrap();
    succeed(d, &["ingest", "table.md", "soup.pdf"]);
    let answer = json(d, &["compress", "--query", "What does butter cost?", "--budget", "45", "--format", "json"]);
    let text = answer["text"].as_str().unwrap();
    assert!(text.contains("| what | cost |") && text.contains("| butter | 3.00 |"), "{text}");
    assert_eq!(text.matches("| what | cost |").count(), 1, "{text}");
    let with_context: Vec<&Value> =
        answer["excerpts"].as_array().unwrap().iter().filter(|e| e["context"][0].is_object()).collect();
    assert!(!with_context.is_empty(), "{answer}");
    for quote in with_context.iter().flat_map(|e| e["context"].as_array().unwrap()) {
        let (start, end) = (quote["start"].as_u64().unwrap() as usize, quote["end"].as_u64().unwrap() as usize);
        assert_eq!(&file[start..end], quote["text"].as_str().unwrap());
    }
    let answer =
        json(d, &["compress", "--query", "paragraph 12.4 practice of cooks", "--budget", "120", "--format", "json"]);
    let places: Vec<&str> =
        answer["excerpts"].as_array().unwrap().iter().map(|e| e["place"].as_str().unwrap()).collect();
    assert!(places.iter().any(|p| p.starts_with("page ")), "{answer}");
    assert!(answer["text"].as_str().unwrap().contains(", page "), "{answer}");
}
