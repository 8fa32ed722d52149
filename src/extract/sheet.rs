//! Spreadsheets (Office Open XML): every sheet a table, its first row the header.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};

use super::archive::Archive;
use super::writer::Writer;
use super::{Extracted, MAX_DOCUMENT_BYTES, PartKind, Unusable};

/// Columns beyond this one are passed over: they are formatting, not data.
const MAX_COLUMNS: usize = 16_384;
/// Of more empty cells in a row, the rest is left out.
const MAX_EMPTY: usize = 16;

pub(super) fn extract(content: Vec<u8>) -> Result<Extracted, Unusable> {
    let mut archive = Archive::open(content)?;
    archive.needed("xl/workbook.xml")?;
    let content = archive.checked()?;
    let damaged = |e: calamine::XlsxError| match e {
        calamine::XlsxError::Password => "encrypted: save it without a password".to_owned(),
        e => format!("damaged spreadsheet: {e}"),
    };
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(content)).map_err(damaged)?;
    let mut writer = Writer::default();
    for name in book.sheet_names() {
        let mut cells = match book.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            Err(calamine::XlsxError::NotAWorksheet(_)) => continue, // a chart
            Err(e) => return Err(damaged(e)),
        };
        writer.place(format!("sheet {name}"));
        writer.part(PartKind::Heading(1), &name);
        let mut rows = Rows { writer: &mut writer, row: None, cells: Vec::new(), bytes: 0, is_first: true };
        // Cell by cell: a sheet's stated size may be a million rows for two cells.
        while let Some(cell) = cells.next_cell().map_err(damaged)? {
            let (row, column) = cell.get_position();
            rows.cell(row, column as usize, &Data::from(cell.get_value().clone()));
        }
        rows.end();
    }
    Ok(writer.finish())
}

struct Rows<'a> {
    writer: &'a mut Writer,
    row: Option<u32>,
    /// Columns and texts: a row with one cell in its last column is short.
    cells: Vec<(usize, String)>,
    bytes: usize,
    is_first: bool,
}

impl Rows<'_> {
    fn cell(&mut self, row: u32, column: usize, value: &Data) {
        if self.row != Some(row) {
            self.end();
            self.row = Some(row);
        }
        let text = match value {
            Data::DateTime(date) if date.is_datetime() => {
                let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
                match (hour, minute, second) {
                    (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                    _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
                }
            }
            other => other.to_string(),
        };
        self.bytes += text.len();
        // One text may stand in any number of cells.
        if column < MAX_COLUMNS && !text.is_empty() && self.bytes <= MAX_DOCUMENT_BYTES {
            self.cells.push((column, text));
        }
    }

    fn end(&mut self) {
        if !self.cells.is_empty() {
            let mut row: Vec<String> = Vec::new();
            let mut next = 0;
            for (column, text) in self.cells.drain(..) {
                row.resize(row.len() + column.saturating_sub(next).min(MAX_EMPTY), String::new());
                row.push(text);
                next = column + 1;
            }
            self.writer.row(self.is_first, &row);
            self.is_first = false;
        }
    }
}
