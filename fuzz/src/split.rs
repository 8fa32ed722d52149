//! Bytes of a format, extracted and split, with every invariant checked.
//!
//! `TAMIS_FUZZ` names the format: a file name extension, `code` (any language, by the first byte) or, for the
//! office formats, also `docx.xml` and the like: then the bytes are the document inside a sound archive.

#![no_main]

use std::io::{Cursor, Write};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tamis::extract::{self, Language, MediaType};

#[path = "../../tests/split/check.rs"]
#[allow(dead_code)]
mod check;

/// Longer inputs only make everything slower.
const MAX_BYTES: usize = 64 * 1024;

fuzz_target!(|data: &[u8]| {
    if data.len() > MAX_BYTES {
        return;
    }
    let (media, bytes) = input(data);
    if let Ok(source) = extract::from_bytes("x", media, bytes) {
        check::check(&source);
    }
});

fn format() -> &'static str {
    static FORMAT: OnceLock<String> = OnceLock::new();
    FORMAT.get_or_init(|| std::env::var("TAMIS_FUZZ").expect("TAMIS_FUZZ names the format"))
}

fn input(data: &[u8]) -> (MediaType, Vec<u8>) {
    if format() == "code" {
        let languages: Vec<Language> = Language::all().collect();
        let (first, rest) = data.split_first().unwrap_or((&0, &[]));
        return (MediaType::Code(languages[usize::from(*first) % languages.len()]), rest.to_vec());
    }
    let (extension, inside) = format().split_once('.').map_or((format(), false), |(e, _)| (e, true));
    let media = MediaType::of_name(&format!("a.{extension}")).expect("TAMIS_FUZZ is an extension");
    (media, if inside { archive(media, data) } else { data.to_vec() })
}

/// An archive that is sound but for the document in it.
fn archive(media: MediaType, document: &[u8]) -> Vec<u8> {
    let relations = |target: &str| {
        format!("<Relationships><Relationship Id=\"r1\" Type=\"x/worksheet\" Target=\"{target}\"/></Relationships>")
    };
    let files: Vec<(&str, Vec<u8>)> = match media {
        MediaType::Docx => vec![("word/document.xml", document.to_vec())],
        MediaType::Odt => vec![("content.xml", document.to_vec())],
        MediaType::Pptx => vec![
            ("ppt/presentation.xml", b"<p:presentation><p:sldId id=\"1\" r:id=\"r1\"/></p:presentation>".to_vec()),
            ("ppt/_rels/presentation.xml.rels", relations("slides/slide1.xml").into_bytes()),
            ("ppt/slides/slide1.xml", document.to_vec()),
        ],
        MediaType::Xlsx => vec![
            ("xl/workbook.xml", b"<workbook><sheets><sheet name=\"A\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>".to_vec()),
            ("xl/_rels/workbook.xml.rels", relations("worksheets/sheet1.xml").into_bytes()),
            ("xl/worksheets/sheet1.xml", document.to_vec()),
        ],
        _ => vec![
            ("META-INF/container.xml", b"<container><rootfile full-path=\"a.opf\"/></container>".to_vec()),
            ("a.opf", b"<package><item id=\"a\" href=\"a.xhtml\"/><itemref idref=\"a\"/></package>".to_vec()),
            ("a.xhtml", document.to_vec()),
        ],
    };
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in files {
        zip.start_file(name, options).expect("writing to memory");
        zip.write_all(&content).expect("writing to memory");
    }
    zip.finish().expect("writing to memory").into_inner()
}
