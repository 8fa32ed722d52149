//! Any bytes as a format: what the fuzzer tries, and what it found, replayed by the tests.

use std::io::{Cursor, Write};

use tamis::extract::{Language, MediaType};

/// The document that bytes are under a format: a file name extension, `code` (any language, by the first
/// byte) or, for the office formats, also `docx.xml` and the like: then the bytes are the document inside a
/// sound archive.
pub fn document(format: &str, data: &[u8]) -> (MediaType, Vec<u8>) {
    if format == "code" {
        let languages: Vec<Language> = Language::all().collect();
        let (first, rest) = data.split_first().unwrap_or((&0, &[]));
        return (MediaType::Code(languages[usize::from(*first) % languages.len()]), rest.to_vec());
    }
    let (extension, inside) = format.split_once('.').map_or((format, false), |(e, _)| (e, true));
    let media = MediaType::of_name(&format!("a.{extension}")).expect("a format is an extension");
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
            (
                "xl/workbook.xml",
                b"<workbook><sheets><sheet name=\"A\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>".to_vec(),
            ),
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
