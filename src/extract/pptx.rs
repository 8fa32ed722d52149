//! Presentations (Office Open XML): slides in their order, titles, paragraphs, tables, speaker notes.

use std::collections::BTreeMap;

use super::archive::Archive;
use super::writer::{Writer, one_line};
use super::xml::{self, Xml};
use super::{Extracted, PartKind, Unusable};

pub(super) fn extract(content: Vec<u8>) -> Result<Extracted, Unusable> {
    let mut archive = Archive::open(content)?;
    let mut writer = Writer::default();
    if let Some(xml) = archive.text("docProps/core.xml")? {
        super::docx::title(&xml, &mut writer)?;
    }
    let presentation = archive.needed("ppt/presentation.xml")?;
    let relations = relations(&archive.needed("ppt/_rels/presentation.xml.rels")?)?;
    let mut order = Vec::new();
    xml::read("ppt/presentation.xml", &presentation, |xml| {
        if let Xml::Open("sldId", attributes) = xml {
            // `id` and `r:id` share their local name; only the second is a relation.
            order.extend(attributes.all("id").into_iter().find_map(|id| relations.get(&id).cloned()));
        }
    })?;
    for (n, slide) in order.iter().enumerate() {
        let path = format!("ppt/{}", slide.trim_start_matches("/ppt/"));
        let Some(xml) = archive.text(&path)? else { continue };
        writer.place(format!("slide {}", n + 1));
        Slide::new(&mut writer, false).read(&path, &xml)?;
        let file = path.rsplit('/').next().unwrap_or(&path);
        if let Some(xml) = archive.text(&format!("ppt/slides/_rels/{file}.rels"))? {
            let notes = self::relations(&xml)?.into_values().find(|t| t.contains("notesSlide"));
            if let Some(notes) = notes {
                let path = format!("ppt/{}", notes.trim_start_matches("../").trim_start_matches("/ppt/"));
                if let Some(xml) = archive.text(&path)? {
                    Slide::new(&mut writer, true).read(&path, &xml)?;
                }
            }
        }
    }
    Ok(writer.finish())
}

/// Targets by their ids.
fn relations(xml: &str) -> Result<BTreeMap<String, String>, Unusable> {
    let mut out = BTreeMap::new();
    xml::read("relations", xml, |xml| {
        if let Xml::Open("Relationship", attributes) = xml
            && let (Some(id), Some(target)) = (attributes.get("Id"), attributes.get("Target"))
        {
            out.insert(id, target);
        }
    })?;
    Ok(out)
}

struct Slide<'a> {
    writer: &'a mut Writer,
    /// A page of notes: only its body counts.
    is_notes: bool,
    placeholder: String,
    paragraph: String,
    level: u8,
    in_text: bool,
    cells: Vec<String>,
    in_cell: bool,
    first_row: bool,
}

impl<'a> Slide<'a> {
    fn new(writer: &'a mut Writer, is_notes: bool) -> Self {
        Self {
            writer,
            is_notes,
            placeholder: String::new(),
            paragraph: String::new(),
            level: 0,
            in_text: false,
            cells: Vec::new(),
            in_cell: false,
            first_row: false,
        }
    }

    fn read(mut self, path: &str, xml: &str) -> Result<(), Unusable> {
        xml::read(path, xml, |xml| match xml {
            Xml::Open(name, attributes) => match name {
                "sp" => self.placeholder.clear(),
                "ph" => self.placeholder = attributes.get("type").unwrap_or_else(|| "body".into()),
                "pPr" => self.level = attributes.get("lvl").and_then(|l| l.parse().ok()).unwrap_or(0),
                "t" => self.in_text = true,
                "br" => self.paragraph.push('\n'),
                "tbl" => self.first_row = true,
                "tr" => self.cells.clear(),
                "tc" => {
                    self.in_cell = true;
                    self.cells.push(String::new());
                }
                _ => {}
            },
            Xml::Close(name) => match name {
                "t" => self.in_text = false,
                "p" => self.paragraph_ends(),
                "tc" => self.in_cell = false,
                "tr" => {
                    self.writer.row(std::mem::take(&mut self.first_row), &self.cells);
                    self.cells.clear();
                }
                _ => {}
            },
            Xml::Text(text) if self.in_text => self.paragraph.push_str(text),
            Xml::Text(_) => {}
        })
    }

    fn paragraph_ends(&mut self) {
        let text = std::mem::take(&mut self.paragraph);
        let level = std::mem::take(&mut self.level);
        match self.placeholder.as_str() {
            _ if self.in_cell => {
                if let Some(cell) = self.cells.last_mut() {
                    cell.push(' ');
                    cell.push_str(&text);
                }
            }
            // Numbers, dates and footers repeat on every slide.
            "sldNum" | "dt" | "ftr" | "hdr" | "sldImg" => {}
            _ if self.is_notes => {
                if self.placeholder == "body" {
                    self.writer.part(PartKind::Paragraph, &text);
                }
            }
            "title" | "ctrTitle" => self.writer.part(PartKind::Heading(1), &one_line(&text)),
            "body" => self.writer.item(level.saturating_add(1), &text),
            _ => self.writer.part(PartKind::Paragraph, &text),
        }
    }
}
