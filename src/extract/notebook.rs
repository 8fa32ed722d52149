//! Jupyter notebooks: cells in their order, text as Markdown, code in the notebook's language, text outputs.

use serde::Deserialize;

use super::writer::Writer;
use super::{Extracted, Language, MediaType, PartKind, Unusable};

/// Longer outputs are cut: they are data, not explanation.
const MAX_OUTPUT_BYTES: usize = 4096;

#[derive(Deserialize)]
struct Notebook {
    cells: Vec<Cell>,
    #[serde(default)]
    metadata: serde_json::Value,
}

#[derive(Deserialize)]
struct Cell {
    cell_type: String,
    #[serde(default)]
    source: Lines,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    /// Of a stream.
    #[serde(default)]
    text: Lines,
    /// Of a result, by media type.
    #[serde(default)]
    data: std::collections::BTreeMap<String, serde_json::Value>,
}

/// Text as one string or as a list of lines.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Many(Vec<String>),
}

impl Default for Lines {
    fn default() -> Self {
        Self::One(String::new())
    }
}

impl Lines {
    fn text(self) -> String {
        match self {
            Self::One(text) => text,
            Self::Many(lines) => lines.concat(),
        }
    }
}

pub(super) fn extract(source: &str) -> Result<Extracted, Unusable> {
    let source = source.trim_start_matches('\u{feff}');
    let notebook: Notebook = serde_json::from_str(source).map_err(|e| format!("not a notebook of version 4: {e}"))?;
    let named = ["/language_info/name", "/kernelspec/language"];
    let language = named.iter().find_map(|path| notebook.metadata.pointer(path)?.as_str());
    let language = language.map_or(Some(Language::Python), Language::named);
    let mut writer = Writer::default();
    for (n, cell) in notebook.cells.into_iter().enumerate() {
        writer.place(format!("cell {}", n + 1));
        let text = cell.source.text();
        match cell.cell_type.as_str() {
            "markdown" => writer.part(PartKind::Nested(MediaType::Markdown), &text),
            "code" => {
                writer.part(language.map_or(PartKind::Entry, |l| PartKind::Nested(MediaType::Code(l))), &text);
                for output in cell.outputs {
                    writer.part(PartKind::Entry, &output.shown());
                }
            }
            _ => writer.part(PartKind::Entry, &text),
        }
    }
    Ok(writer.finish())
}

impl Output {
    fn shown(self) -> String {
        let mut text = self.text.text();
        if let Some(plain) = self.data.into_iter().find_map(|(media, value)| (media == "text/plain").then_some(value)) {
            text.push_str(&serde_json::from_value::<Lines>(plain).unwrap_or_default().text());
        }
        let mut end = text.len().min(MAX_OUTPUT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }
}
