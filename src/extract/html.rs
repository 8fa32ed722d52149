//! Web pages: the main text with its headings, lists, tables and code; scripts, styles and navigation dropped.
//!
//! Works on the token stream of the HTML standard's tokenizer, without building a tree: blocks are all that
//! splitting needs, and unclosed or wrongly nested tags can't make it slow or deep.

mod blocks;
mod table;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::writer::Writer;
use super::{Extracted, PartKind};
use blocks::{Block, Page};

/// What a page is, its first bytes say.
const HEAD_BYTES: usize = 1024;
/// The main element must hold this share of a page's text to be taken for all that matters.
const MAIN_SHARE: f64 = 0.2;

/// Extracts the main text of a page.
///
/// Where the page marks its main part (`main`, `article`) and that is not an empty shell, only this part
/// is taken; else everything but navigation, footers and asides; else everything.
pub(super) fn extract(source: &str) -> Extracted {
    let page = tokenized(source);
    let text =
        |keep: &dyn Fn(&Block) -> bool| -> usize { page.blocks.iter().filter(|b| keep(b)).map(|b| b.text.len()).sum() };
    let all = text(&|_| true);
    let own = text(&|b| !b.is_aside);
    let main = text(&|b| b.is_main && !b.is_aside);
    let keep: &dyn Fn(&Block) -> bool = if main as f64 >= MAIN_SHARE * own as f64 && main > 0 {
        &|b| b.is_main && !b.is_aside
    } else if own as f64 >= MAIN_SHARE * all as f64 {
        &|b| !b.is_aside
    } else {
        &|_| true
    };
    let mut writer = Writer::default();
    writer.title(&page.title);
    for block in page.blocks.iter().filter(|b| keep(b)) {
        match block.kind {
            PartKind::Item(depth) => writer.item(depth, &block.text),
            kind => writer.part(kind, &block.text),
        }
        writer.origin(block.source);
    }
    writer.finish()
}

fn tokenized(source: &str) -> Page {
    let is_xhtml = is_xhtml(source);
    let mut page = Page::default();
    let mut tag = Tag::default();
    let mut handle = |event: CallbackEvent<'_>, span: Span<usize>| -> Option<()> {
        match event {
            CallbackEvent::OpenStartTag { name } => tag = Tag::new(name),
            CallbackEvent::AttributeName { name } => tag.attributes.push((lossy(name), String::new())),
            CallbackEvent::AttributeValue { value } => {
                if let Some(last) = tag.attributes.last_mut() {
                    last.1 = lossy(value);
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => {
                page.open(&tag, span.start);
                // HTML knows no empty tags but in drawings and formulas.
                if self_closing && (is_xhtml || matches!(tag.name.as_str(), "svg" | "math")) {
                    page.close(&tag.name);
                }
            }
            CallbackEvent::EndTag { name } => page.close(&lossy(name)),
            CallbackEvent::String { value } => page.text(&lossy(value), span.start),
            _ => {}
        }
        None
    };
    let mut emitter: CallbackEmitter<_, (), usize> = CallbackEmitter::new(&mut handle);
    // Scripts and styles hold no tags. In XHTML they do as everything else does, and may be empty: `<script/>`.
    emitter.naively_switch_states(!is_xhtml);
    // Reading from memory can't fail, and nothing is ever returned from the callback.
    Tokenizer::new_with_emitter(source, emitter).for_each(drop);
    page.finish();
    page
}

/// Whether a page is XML.
fn is_xhtml(source: &str) -> bool {
    let mut end = source.len().min(HEAD_BYTES);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let head = source[..end].trim_start_matches('\u{feff}').trim_start();
    head.starts_with("<?xml") || head.contains("http://www.w3.org/1999/xhtml")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A start tag with its attributes.
#[derive(Default)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn new(name: &[u8]) -> Self {
        Self { name: lossy(name), attributes: Vec::new() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> usize {
        self.get(name).and_then(|v| v.trim().parse().ok()).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: &str) -> Vec<String> {
        let page = extract(html);
        page.parts.iter().map(|p| format!("{:?} {}", p.kind, &page.text[p.span.range()])).collect()
    }

    #[test]
    fn the_main_text_with_its_structure() {
        let html = "<!doctype html><html><head><title>A &amp; B</title><style>p{}</style></head><body>\
            <nav><a href=x>Home</a></nav><main><h1>Soup</h1><p>Sift   the <b>flour</b>.<br>Then rest.\
            <script>var x = '<p>no</p>';</script><ul><li>one<ul><li>deep</ul><li>two</ul>\
            <pre><code class=\"language-rust\">fn a() {\n    b();\n}</code></pre></main><footer>(c)</footer>";
        let page = extract(html);
        assert_eq!(page.title.as_deref(), Some("A & B"));
        assert_eq!(
            shown(html),
            [
                "Heading(1) Soup",
                "Paragraph Sift the flour.\nThen rest.",
                "Item(1) - one",
                "Item(2) - deep",
                "Item(1) - two",
                "Code(Some(Rust)) fn a() {\n    b();\n}",
            ]
        );
    }

    #[test]
    fn tables_have_headers_and_spans() {
        let html = "<table><tr><th>Year<th>Sales<th>Cost<tr><td rowspan=2>2024<td>1<td>2<tr><td>3<td>4\
            <tr><td colspan=2>both<td>5</table>";
        assert_eq!(
            shown(html),
            ["TableHead Year | Sales | Cost", "TableRow 2024 | 1 | 2", "TableRow 2024 | 3 | 4", "TableRow both |  | 5",]
        );
    }

    #[test]
    fn unclosed_tags_and_pages_without_a_main_part() {
        assert_eq!(shown("<p>one<p>two <div>three"), ["Paragraph one", "Paragraph two", "Paragraph three"]);
        assert_eq!(shown("<nav>only navigation"), ["Paragraph only navigation"]);
        assert_eq!(shown("<script>never closed"), Vec::<String>::new());
        assert_eq!(shown("plain &lt; text"), ["Paragraph plain < text"]);
    }
}
