//! Word documents (Office Open XML): paragraphs, headings, lists, tables, notes, page breaks.

use std::collections::HashMap;

use super::archive::Archive;
use super::writer::Writer;
use super::xml::{self, Attributes, Xml};
use super::{Extracted, PartKind, Unusable};

pub(super) fn extract(content: Vec<u8>) -> Result<Extracted, Unusable> {
    let mut archive = Archive::open(content)?;
    let styles = match archive.text("word/styles.xml")? {
        Some(xml) => styles_of(&xml)?,
        None => HashMap::new(),
    };
    let mut writer = Writer::default();
    if let Some(xml) = archive.text("docProps/core.xml")? {
        title(&xml, &mut writer)?;
    }
    let body = archive.needed("word/document.xml")?;
    Body::new(&styles, &mut writer, true).read("word/document.xml", &body)?;
    for notes in ["word/footnotes.xml", "word/endnotes.xml"] {
        if let Some(xml) = archive.text(notes)? {
            Body::new(&styles, &mut writer, false).read(notes, &xml)?;
        }
    }
    Ok(writer.finish())
}

/// The title of the document's properties; Office and OpenDocument both use Dublin Core.
pub(super) fn title(properties: &str, writer: &mut Writer) -> Result<(), Unusable> {
    let (mut inside, mut title) = (false, String::new());
    xml::read("properties", properties, |xml| match xml {
        Xml::Open(name, _) => inside = name == "title",
        Xml::Close(_) => inside = false,
        Xml::Text(text) if inside => title.push_str(text),
        Xml::Text(_) => {}
    })?;
    writer.title(&title);
    Ok(())
}

/// What a paragraph is by its style.
#[derive(Clone, Copy)]
enum Style {
    Heading(u8),
    Item,
}

/// The styles that make headings and items of lists, by their ids.
fn styles_of(styles: &str) -> Result<HashMap<String, Style>, Unusable> {
    let mut out = HashMap::new();
    let mut style = None;
    xml::read("word/styles.xml", styles, |xml| {
        let Xml::Open(name, attributes) = xml else { return };
        match (name, &style) {
            ("style", _) => style = attributes.get("styleId"),
            ("name", Some(id)) => {
                let name = attributes.get("val").unwrap_or_default().to_lowercase();
                let level = name.strip_prefix("heading ").and_then(|n| n.trim().parse().ok());
                let level = level.or((name == "title").then_some(1));
                if let Some(level) = level {
                    out.insert(String::clone(id), Style::Heading(level));
                }
            }
            ("outlineLvl", Some(id)) => {
                if let Some(level) = attributes.get("val").and_then(|v| v.parse::<u8>().ok()).filter(|l| *l < 9) {
                    out.entry(String::clone(id)).or_insert(Style::Heading(level + 1));
                }
            }
            ("numPr", Some(id)) => {
                out.entry(String::clone(id)).or_insert(Style::Item);
            }
            _ => {}
        }
    })?;
    Ok(out)
}

struct Body<'a> {
    styles: &'a HashMap<String, Style>,
    writer: &'a mut Writer,
    /// The page, where pages are counted.
    page: Option<u32>,
    paragraph: String,
    heading: Option<u8>,
    item: Option<u8>,
    /// Depth of tables; the cells and the header mark of the outermost one's current row.
    tables: usize,
    cells: Vec<String>,
    is_head: bool,
    first_row: bool,
    /// Inside text, and inside something that is not shown.
    in_text: bool,
    hidden: usize,
}

impl<'a> Body<'a> {
    fn new(styles: &'a HashMap<String, Style>, writer: &'a mut Writer, pages: bool) -> Self {
        Self {
            styles,
            writer,
            page: pages.then_some(1),
            paragraph: String::new(),
            heading: None,
            item: None,
            tables: 0,
            cells: Vec::new(),
            is_head: false,
            first_row: false,
            in_text: false,
            hidden: 0,
        }
    }

    fn read(mut self, name: &str, body: &str) -> Result<(), Unusable> {
        // Pages are known only where the program that saved the document left its page breaks in it.
        if !body.contains("lastRenderedPageBreak") {
            self.page = None;
        }
        if self.page.is_some() {
            self.writer.place("page 1".into());
        }
        xml::read(name, body, |xml| match xml {
            Xml::Open(name, attributes) => self.open(name, &attributes),
            Xml::Close(name) => self.close(name),
            Xml::Text(text) if self.in_text && self.hidden == 0 => self.paragraph.push_str(text),
            Xml::Text(_) => {}
        })
    }

    fn open(&mut self, name: &str, attributes: &Attributes<'_>) {
        match name {
            // Deleted text, alternatives of what is there already, and field codes.
            "del" | "moveFrom" | "Fallback" | "instrText" => self.hidden += 1,
            "t" => self.in_text = true,
            "tab" if self.hidden == 0 => self.paragraph.push(' '),
            "br" | "cr" => self.paragraph.push('\n'),
            "noBreakHyphen" => self.paragraph.push('-'),
            "lastRenderedPageBreak" => {
                if let Some(page) = &mut self.page {
                    *page += 1;
                    // A paragraph that goes on belongs to the page where it begins.
                    if self.paragraph.trim().is_empty() {
                        self.writer.place(format!("page {page}"));
                    }
                }
            }
            "pStyle" => match attributes.get("val").and_then(|id| self.styles.get(&id).copied()) {
                Some(Style::Heading(level)) => self.heading = Some(level),
                Some(Style::Item) => self.item = Some(1),
                None => {}
            },
            "outlineLvl" => {
                let level = attributes.get("val").and_then(|v| v.parse::<u8>().ok()).filter(|l| *l < 9);
                self.heading = level.map(|l| l + 1).or(self.heading);
            }
            "ilvl" => self.item = attributes.get("val").and_then(|v| v.parse::<u8>().ok()).map(|l| l.saturating_add(1)),
            "numPr" => self.item = self.item.or(Some(1)),
            "tbl" => {
                self.tables += 1;
                self.first_row |= self.tables == 1;
            }
            "tr" if self.tables == 1 => {
                self.cells.clear();
                self.is_head = false;
            }
            "tblHeader" => self.is_head = true,
            "tc" if self.tables == 1 => self.cells.push(String::new()),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "del" | "moveFrom" | "Fallback" | "instrText" => self.hidden = self.hidden.saturating_sub(1),
            "t" => self.in_text = false,
            "p" => self.paragraph_ends(),
            "tr" if self.tables == 1 => {
                let is_head = self.is_head || self.first_row;
                self.first_row = false;
                self.writer.row(is_head, &self.cells);
                self.cells.clear();
            }
            "tbl" => self.tables = self.tables.saturating_sub(1),
            _ => {}
        }
    }

    fn paragraph_ends(&mut self) {
        let text = std::mem::take(&mut self.paragraph);
        let (heading, item) = (self.heading.take(), self.item.take());
        match (self.cells.last_mut(), heading, item) {
            (Some(cell), ..) if self.tables > 0 => {
                cell.push(' ');
                cell.push_str(&text);
            }
            (_, Some(level), _) => self.writer.part(PartKind::Heading(level), &text),
            (_, None, Some(depth)) => self.writer.item(depth, &text),
            _ => self.writer.part(PartKind::Paragraph, &text),
        }
        // Page breaks inside the paragraph count from the next one on.
        if let Some(page) = self.page
            && page > 1
        {
            self.writer.place(format!("page {page}"));
        }
    }
}
