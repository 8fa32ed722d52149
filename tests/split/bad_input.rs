//! What people send by mistake or on purpose: a typed error or a sensible result, never more.

use std::io::{Cursor, Write};

use tamis::error::Error;
use tamis::extract::{self, Extracted, Language, MediaType};
use tamis::split::{Limits, split};

use crate::check::{check, tokens};

const LIMITS: Limits = Limits { block: 128, segment: 400, overlap: 0 };

fn document(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/split/documents/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The reason why bytes are refused.
pub fn refused(media: MediaType, bytes: Vec<u8>) -> String {
    match extract::from_bytes("x", media, bytes) {
        Err(Error::UnusableDocument { reason, .. }) => reason,
        other => panic!("{media:?}: {other:?}"),
    }
}

pub fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn empty_files_of_every_kind() {
    for media in MediaType::all() {
        assert!(refused(media, Vec::new()).contains("empty"), "{media:?}");
    }
}

#[test]
fn encrypted_and_image_only_pdf() {
    assert!(refused(MediaType::Pdf, document("encrypted.pdf")).contains("password"));
    assert!(refused(MediaType::Pdf, document("images-only.pdf")).contains("OCR"));
}

#[test]
fn archives_that_are_no_archives() {
    for media in MediaType::all().filter(|m| m.is_container()) {
        refused(media, b"this is text, whatever its name says".to_vec());
        refused(media, vec![0; 1000]);
    }
    for name in ["soup.docx", "soup.pptx", "soup.xlsx", "soup.odt", "soup.epub"] {
        let whole = document(name);
        let media = MediaType::guess(name, &whole);
        for length in [whole.len() / 2, whole.len() - 30] {
            refused(media, whole[..length].to_vec());
        }
        // The right container with something else in it.
        assert!(refused(media, archive(&[("a.txt", b"hi".to_vec())])).contains("missing"), "{name}");
    }
    let old_word = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), vec![0; 600]].concat();
    assert!(refused(MediaType::Docx, old_word).contains("password"));
}

/// A few kilobytes that unpack to a gigabyte.
#[test]
fn zip_bombs() {
    let bomb = vec![b' '; extract::MAX_DOCUMENT_BYTES + 1];
    for (media, name) in [
        (MediaType::Docx, "word/document.xml"),
        (MediaType::Odt, "content.xml"),
        (MediaType::Xlsx, "xl/workbook.xml"),
        (MediaType::Epub, "META-INF/container.xml"),
    ] {
        let bytes = archive(&[(name, bomb.clone())]);
        assert!(bytes.len() < 2_000_000);
        assert!(refused(media, bytes).contains("unpacks to more than"), "{media:?}");
    }
}

#[test]
fn damaged_documents_inside_sound_archives() {
    let xml = b"<w:document><w:body><w:p><w:r><w:t>one</w:t></w:p><w:t>two & three".to_vec();
    let source = extract::from_bytes("x", MediaType::Docx, archive(&[("word/document.xml", xml)]));
    assert!(matches!(source, Ok(_) | Err(Error::UnusableDocument { .. })));
    let xml = b"<a <b".to_vec();
    assert!(refused(MediaType::Docx, archive(&[("word/document.xml", xml)])).contains("damaged XML"));
}

#[test]
fn damaged_pdf() {
    let whole = document("crazyones.pdf");
    for at in (0..whole.len()).step_by(509) {
        let mut bytes = whole.clone();
        bytes.truncate(at);
        if let Ok(source) = extract::from_bytes("x", MediaType::Pdf, bytes) {
            check(&source);
        }
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        if let Ok(source) = extract::from_bytes("x", MediaType::Pdf, bytes) {
            check(&source);
        }
    }
}

#[test]
fn binary_data() {
    let noise: Vec<u8> = (0..10_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for media in [MediaType::Plain, MediaType::Markdown, MediaType::Csv, MediaType::Code(Language::Rust)] {
        refused(media, noise.clone());
    }
}

/// Splits and returns the number of segments.
fn segments(text: String, media: MediaType) -> usize {
    split(&Extracted::text(text, media), LIMITS, &tokens).len()
}

#[test]
fn deep_nesting() {
    let json = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(segments(json, MediaType::Json) > 0);
    let json = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert!(segments(json, MediaType::Json) > 0);
    assert!(segments("- ".repeat(20_000) + "x", MediaType::Markdown) > 0);
    assert!(segments("> ".repeat(20_000) + "x", MediaType::Markdown) > 0);
    assert!(segments("(".repeat(20_000), MediaType::Code(Language::Rust)) > 0);
    let html = format!("<p>start{}end", "<div>".repeat(100_000));
    assert!(extract::from_bytes("x", MediaType::Html, html.into_bytes()).unwrap().text.contains("end"));
    let html = format!("<p>start{}end", "<table><tr><td>".repeat(20_000));
    assert!(extract::from_bytes("x", MediaType::Html, html.into_bytes()).unwrap().text.contains("end"));
    let notebook = format!("{{\"cells\": {}", "[".repeat(100_000));
    assert!(refused(MediaType::Notebook, notebook.into_bytes()).contains("notebook"));
}

#[test]
fn a_table_of_a_million_columns() {
    let header: String = (0..1_000_000).map(|n| format!("c{n},")).collect();
    let row = "1,".repeat(1_000_000);
    assert!(segments(format!("{header}\n{row}\n"), MediaType::Csv) > 1000);
}

#[test]
fn a_quote_that_is_never_closed() {
    let rows = "a,b\n1,\"2\n".to_owned() + &"3,4\n".repeat(10_000);
    assert!(segments(rows, MediaType::Csv) > 10);
}

#[test]
fn source_files_of_200_000_lines() {
    let rust: String = (0..50_000).map(|n| format!("/// Number {n}.\nfn f{n}() {{\n    g({n});\n}}\n")).collect();
    assert!(segments(rust, MediaType::Code(Language::Rust)) > 1000);
}

#[test]
fn a_syntax_error_on_every_line() {
    let text = ") fn fn ( let = ; }} class def (\n".repeat(2000);
    for language in Language::all() {
        let source = Extracted::text(text.clone(), MediaType::Code(language));
        check(&source);
    }
}

/// One wrong byte among text of another encoding.
#[test]
fn mixed_encodings() {
    let mut bytes = "Größe und Süße. ".repeat(20).into_bytes();
    bytes.extend_from_slice(b"Gr\xf6\xdfe und S\xfc\xdfe. ");
    let source = extract::from_bytes("x", MediaType::Plain, bytes).unwrap();
    assert!(source.text.starts_with("Größe und Süße."));
    check(&source);
}

#[test]
fn control_characters_and_long_lines() {
    check(&Extracted::text("a\u{1}b. c\u{7f}d.\u{85}e.", MediaType::Plain));
    let minified = "var a=1;function b(){return a}".repeat(10_000);
    assert!(segments(minified, MediaType::Code(Language::JavaScript)) > 100);
}
