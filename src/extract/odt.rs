//! OpenDocument text: headings, paragraphs, lists, tables, page breaks.

use super::archive::Archive;
use super::writer::Writer;
use super::xml::{self, Attributes, Xml};
use super::{Extracted, PartKind, Unusable};

/// Most blanks that one element stands for.
const MAX_BLANKS: usize = 64;

pub(super) fn extract(content: Vec<u8>) -> Result<Extracted, Unusable> {
    let mut archive = Archive::open(content)?;
    if archive.text("META-INF/manifest.xml")?.is_some_and(|m| m.contains("encryption-data")) {
        return Err("encrypted: save it without a password".into());
    }
    let mut writer = Writer::default();
    if let Some(xml) = archive.text("meta.xml")? {
        super::docx::title(&xml, &mut writer)?;
    }
    let content = archive.needed("content.xml")?;
    let mut body = Body { pages: content.contains("soft-page-break"), ..Body::new(&mut writer) };
    if body.pages {
        body.writer.place("page 1".into());
    }
    xml::read("content.xml", &content, |xml| match xml {
        Xml::Open(name, attributes) => body.open(name, &attributes),
        Xml::Close(name) => body.close(name),
        Xml::Text(text) => body.text(text),
    })?;
    Ok(writer.finish())
}

struct Body<'a> {
    writer: &'a mut Writer,
    pages: bool,
    page: u32,
    /// Paragraphs and headings being read, outermost first: notes and text boxes stand inside others.
    open: Vec<Paragraph>,
    /// What stood inside the outermost one: it comes after it.
    inside: Vec<String>,
    lists: u8,
    item_begins: bool,
    tables: usize,
    cells: Vec<String>,
    in_head: bool,
    first_row: bool,
    /// Inside tracked changes or annotations.
    hidden: usize,
}

#[derive(Default)]
struct Paragraph {
    text: String,
    heading: Option<u8>,
}

impl<'a> Body<'a> {
    fn new(writer: &'a mut Writer) -> Self {
        Self {
            writer,
            pages: false,
            page: 1,
            open: Vec::new(),
            inside: Vec::new(),
            lists: 0,
            item_begins: false,
            tables: 0,
            cells: Vec::new(),
            in_head: false,
            first_row: false,
            hidden: 0,
        }
    }

    fn open(&mut self, name: &str, attributes: &Attributes<'_>) {
        match name {
            "tracked-changes" | "annotation" => self.hidden += 1,
            "h" | "p" if self.hidden == 0 => {
                let level = || attributes.get("outline-level").and_then(|l| l.parse().ok()).unwrap_or(1);
                self.open.push(Paragraph { heading: (name == "h").then(level), ..Paragraph::default() });
            }
            "s" => {
                let blanks = attributes.get("c").and_then(|c| c.parse().ok()).unwrap_or(1);
                self.text(&" ".repeat(usize::min(blanks, MAX_BLANKS)));
            }
            "tab" => self.text(" "),
            "line-break" => self.text("\n"),
            "soft-page-break" if self.pages => {
                self.page += 1;
                if self.open.last().is_none_or(|p| p.text.trim().is_empty()) {
                    self.writer.place(format!("page {}", self.page));
                }
            }
            "list" => self.lists = self.lists.saturating_add(1),
            "list-item" => self.item_begins = true,
            "table" => {
                self.tables += 1;
                self.first_row |= self.tables == 1;
            }
            "table-header-rows" => self.in_head = true,
            "table-row" if self.tables == 1 => self.cells.clear(),
            "table-cell" if self.tables == 1 => self.cells.push(String::new()),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden == 0
            && let Some(paragraph) = self.open.last_mut()
        {
            paragraph.text.push_str(text);
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "tracked-changes" | "annotation" => self.hidden = self.hidden.saturating_sub(1),
            "h" | "p" if self.hidden == 0 => self.paragraph_ends(),
            "list" => self.lists = self.lists.saturating_sub(1),
            "list-item" => self.item_begins = false,
            "table-header-rows" => self.in_head = false,
            "table-row" if self.tables == 1 => {
                let is_head = self.in_head || self.first_row;
                self.first_row = false;
                self.writer.row(is_head, &self.cells);
                self.cells.clear();
            }
            "table" => self.tables = self.tables.saturating_sub(1),
            _ => {}
        }
    }

    fn paragraph_ends(&mut self) {
        let Some(Paragraph { text, heading }) = self.open.pop() else { return };
        if !self.open.is_empty() {
            return self.inside.push(text);
        }
        let inside = std::mem::take(&mut self.inside);
        match (self.cells.last_mut(), heading) {
            (Some(cell), _) if self.tables > 0 => {
                for text in std::iter::once(text).chain(inside) {
                    cell.push(' ');
                    cell.push_str(&text);
                }
                return;
            }
            (_, Some(level)) => self.writer.part(PartKind::Heading(level), &text),
            _ if self.lists > 0 && std::mem::take(&mut self.item_begins) => self.writer.item(self.lists, &text),
            _ => self.writer.part(PartKind::Paragraph, &text),
        }
        inside.iter().for_each(|text| self.writer.part(PartKind::Paragraph, text));
        if self.pages && self.page > 1 {
            self.writer.place(format!("page {}", self.page));
        }
    }
}
