//! What reviews and fuzzing found: each was once a crash, a loss or a wrong label.

use tamis::document::BlockKind;
use tamis::error::Error;
use tamis::extract::{self, Extracted, Language, MAX_DOCUMENT_BYTES, MediaType};
use tamis::split::Limits;
use tamis::tokenize;

use crate::bad_input::{archive, refused};
use crate::check::{blocks, check, check_with, outline};

const WIDE: Limits = Limits { block: 200, segment: 800, overlap: 0 };

fn extracted(media: MediaType, text: &str) -> String {
    extract::from_bytes("x", media, text.as_bytes().to_vec()).unwrap().text
}

/// The YAML grammar's scanner ends the process where its buffer overflows.
#[test]
fn yaml_nested_deeper_than_its_scanner_takes() {
    for deep in ["- ".repeat(254) + "x", "- ".repeat(2000) + "x", "[".repeat(3000), "? ".repeat(600) + "x"] {
        check(&Extracted::text(deep.as_str(), MediaType::Code(Language::Yaml)));
        check(&Extracted::text(format!("# A\n\n```yaml\n{deep}\n```\n"), MediaType::Markdown));
    }
}

/// The shell grammar's scanner looks characters up in a table of 384.
#[test]
fn shell_braces_before_any_character() {
    for place in (0..=0x10_ffff).step_by(997).chain([0x10_ffff]) {
        let Some(character) = char::from_u32(place) else { continue };
        let text = format!("echo {{{character}..9}} {{1..{character}}}\nf{character}() {{ echo {character}; }}\n");
        check(&Extracted::text(text, MediaType::Code(Language::Bash)));
    }
}

/// The YAML scanner counts lines in 16 bits.
#[test]
fn yaml_of_many_lines_keeps_its_scopes() {
    let text: String = (0..12_000).map(|n| format!("key{n}:\n  name: item {n}\n  note: some text\n")).collect();
    let source = Extracted::text(text, MediaType::Code(Language::Yaml));
    let segments = check_with(&source, WIDE);
    let prose = segments.iter().flat_map(|s| &s.blocks).filter(|b| b.kind != BlockKind::Code).count();
    assert_eq!(prose, 0, "all of it parsed");
}

/// Recovery from errors takes quadratic time in some grammars: the parser is stopped, and lines are cut.
#[test]
fn source_code_that_no_grammar_recovers_from() {
    let text = ") fn fn ( let = ; }} class def (\n".repeat(3_000);
    check(&Extracted::text(text, MediaType::Code(Language::Lua)));
    check(&Extracted::text("{".repeat(40_000), MediaType::Code(Language::Dart)));
}

#[test]
fn text_behind_a_note_is_there() {
    let xml = "<office:text><text:p>Before<text:note><text:note-body><text:p>The note.</text:p></text:note-body>\
               </text:note> after.</text:p><text:p>One<office:annotation><text:p>hidden</text:p></office:annotation> two.\
               </text:p></office:text>";
    let bytes = archive(&[("content.xml", xml.as_bytes().to_vec())]);
    let text = extract::from_bytes("x", MediaType::Odt, bytes).unwrap().text;
    assert_eq!(text, "Before after.\n\nThe note.\n\nOne two.");
}

#[test]
fn what_follows_hidden_elements_is_there() {
    for html in [
        "<p>a</p><svg/><p>seen</p>",
        "<hr aria-hidden=\"true\"><p>seen</p>",
        "<p>a<p hidden>x<p>seen",
        "<div><p hidden>x</div><div>seen</div>",
        "<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title/><script src=\"x\"/></head><body>seen",
        "<a href=#c>Skip</a><form><p>all of the page, which is a form, is seen</p></form>",
        "<header><h1>seen</h1><p>menu</p></header><p>text",
    ] {
        let text = extracted(MediaType::Html, html);
        assert!(text.contains("seen"), "{html}: {text}");
    }
    assert!(!extracted(MediaType::Html, "<p>a<p hidden>secret<p>b").contains("secret"));
}

#[test]
fn listings_with_line_numbers_keep_their_lines() {
    let html = "<table><tr><td><pre>1\n2</pre><td><pre>def f():\n    return 1</pre></table>";
    assert!(extracted(MediaType::Html, html).contains("def f():\n    return 1"));
}

/// A few kilobytes that stand for gigabytes.
#[test]
fn cells_that_multiply() {
    let row = "<tr><td rowspan=1000 colspan=64>some text".to_owned() + &"<td rowspan=1000 colspan=64>x".repeat(100);
    let html = format!("<table>{}</table>", row.repeat(300));
    match extract::from_bytes("x", MediaType::Html, html.into_bytes()) {
        Ok(source) => assert!(source.text.len() < MAX_DOCUMENT_BYTES),
        Err(e) => assert!(matches!(e, Error::LimitExceeded { .. }), "{e}"),
    }
}

#[test]
fn pdf_forms_inside_forms() {
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</XObject<</F 5 0 R>>>>/Contents 4 0 R>>".to_owned(),
        "<</Length 5>>stream\n/F Do\nendstream".to_owned(),
    ];
    for n in 0..12 {
        let (content, next) = ("/F Do ".repeat(8), 6 + n);
        let resources = if n < 11 { format!("/Resources<</XObject<</F {next} 0 R>>>>") } else { String::new() };
        let length = content.len();
        objects.push(format!(
            "<</Type/XObject/Subtype/Form/BBox[0 0 9 9]{resources}/Length {length}>>stream\n{content}\nendstream"
        ));
    }
    let mut pdf = "%PDF-1.7\n".to_owned();
    let mut places = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        places.push(pdf.len());
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", n + 1));
    }
    let table = pdf.len();
    let entries: String = places.iter().map(|at| format!("{at:010} 00000 n \n")).collect();
    let size = objects.len() + 1;
    pdf.push_str(&format!("xref\n0 {size}\n0000000000 65535 f \n{entries}trailer\n<</Size {size}/Root 1 0 R>>\n"));
    pdf.push_str(&format!("startxref\n{table}\n%%EOF\n"));
    assert!(refused(MediaType::Pdf, pdf.into_bytes()).contains("forms inside each other"));
}

#[test]
fn text_about_pdf_is_text() {
    let text = b"# Detecting PDF\n\nA file that begins with %PDF-1.7 is one.\n";
    assert_eq!(MediaType::guess("a.md", text), MediaType::Markdown);
    assert_eq!(MediaType::guess("a.md", b"%PDF-1.7\n\0\0"), MediaType::Pdf);
}

/// What has no rows below it is no header: headers are shown with others and never by themselves.
#[test]
fn headers_and_labels_are_only_what_stands_above_something() {
    let tsv = "1\tSmith, John\n2\tDoe, Jane\n3\tRoe, Al\n";
    let rows = blocks(&Extracted::text(tsv, MediaType::Tsv), WIDE, &[BlockKind::TableRow]).len();
    assert_eq!(rows, 3);
    let html = "<table><tr><td>Important<td>Read this first</table>";
    let source = extract::from_bytes("x", MediaType::Html, html.as_bytes().to_vec()).unwrap();
    assert_eq!(blocks(&source, WIDE, &[BlockKind::TableRow]), ["Important | Read this first"]);
    let rst = ".. function:: open(file)\n\n   Opens a file and returns it.\n";
    let source = Extracted::text(rst, MediaType::ReStructuredText);
    assert_eq!(blocks(&source, WIDE, &[BlockKind::Sentence]), ["Opens a file and returns it."]);
    let markdown = Extracted::text("First.\n\n---\nBody prose.\n---\n\nLast.\n", MediaType::Markdown);
    assert!(blocks(&markdown, WIDE, &[BlockKind::Metadata]).is_empty());
}

#[test]
fn header_rows_of_two_lines_are_one_context() {
    let html = "<table><thead><tr><th colspan=2>Sales<tr><th>2023<th>2024</thead><tr><td>1<td>2</table>";
    let source = extract::from_bytes("x", MediaType::Html, html.as_bytes().to_vec()).unwrap();
    assert!(outline(&source, WIDE).contains("table_row <Sales\n2023 | 2024>: 1 | 2"), "{}", outline(&source, WIDE));
}

#[test]
fn prose_before_a_heading_is_not_under_it() {
    let source = Extracted::text("Welcome to the docs.\n\n# Danger\n\nKeep out of here.\n", MediaType::Markdown);
    let segments = check_with(&source, WIDE);
    assert_eq!(segments[0].heading(&source.text), "");
    assert_eq!(segments[1].heading(&source.text), "Danger");
}

#[test]
fn scopes_inside_fences_stand_under_the_heading() {
    let body: String = (0..40).map(|n| format!("    let value{n} = compute({n}) + offset;\n")).collect();
    let text = format!("# Guide\n\n```rust\nfn long() {{\n{body}}}\n```\n\nAfter it.\n");
    let source = Extracted::text(text, MediaType::Markdown);
    let headings: Vec<String> = check(&source).iter().map(|s| s.heading(&source.text)).collect();
    assert!(headings.contains(&"Guide > fn long".to_owned()), "{headings:?}");
    assert_eq!(headings.last().map(String::as_str), Some("Guide"));
}

/// Token counts of a real tokenizer do not add up; limits hold all the same.
#[test]
fn limits_hold_in_a_real_tokenizer() {
    let counter = tokenize::named("o200k_base").unwrap();
    let limits = Limits { block: 12, segment: 40, overlap: 0 };
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/split/code");
    let mut files: Vec<_> = std::fs::read_dir(data).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().replace(".txt", "");
        let text = std::fs::read_to_string(&path).unwrap() + "\nuse crate::off_t;\nuse crate::prelude::*;\n";
        let source = Extracted::text(text, MediaType::of_name(&name).unwrap());
        for segment in tamis::split::split(&source, limits, &|t| counter.count(t).0 as usize) {
            for block in &segment.blocks {
                let block = &source.text[block.span.range()];
                let tokens = counter.count(block).0;
                assert!(tokens <= 12, "{name}: {tokens} tokens: {block:?}");
            }
        }
    }
}

/// Each of these took time that grew with its square.
#[test]
fn long_runs_of_the_same() {
    let prose = |text: String| drop(check(&Extracted::text(text, MediaType::Plain)));
    prose(format!("He said it.{} X went.", "“".repeat(100_000)));
    prose("Mr. » ".repeat(50_000));
    let heading = format!("# {}\n\n{}", "x".repeat(500_000), "A sentence of five words. ".repeat(20_000));
    check(&Extracted::text(heading, MediaType::Markdown));
    let cells = "{\"cell_type\":\"markdown\",\"source\":\"a\"},".repeat(100_000);
    let notebook = format!("{{\"cells\":[{}]}}", cells.trim_end_matches(','));
    check(&extract::from_bytes("x", MediaType::Notebook, notebook.into_bytes()).unwrap());
}
