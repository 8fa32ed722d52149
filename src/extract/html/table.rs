//! Tables of a page to rows of text: headers found, spans filled in.

use crate::extract::writer::one_line;
use crate::extract::{MAX_DOCUMENT_BYTES, PartKind};

/// Longer cells are not repeated in the rows that they span, in bytes.
const MAX_REPEATED_BYTES: usize = 200;
/// Most rows and columns that a cell may span.
const MAX_ROWSPAN: usize = 1000;
const MAX_COLSPAN: usize = 64;
/// Columns beyond this one are not laid out.
const MAX_COLUMNS: usize = 1024;
/// Text of cells that is repeated in the rows below, in bytes, over a table.
const MAX_REPEATED_TOTAL: usize = 4 * 1024 * 1024;
/// A table with a cell longer than this is a layout, not data, in bytes.
const MAX_CELL_BYTES: usize = 2000;

#[derive(Default)]
pub(super) struct Table {
    /// First byte of the source.
    pub(super) source: usize,
    rows: Vec<Row>,
    in_head: bool,
    /// Text before the first row: the caption.
    caption: Vec<String>,
}

#[derive(Default)]
struct Row {
    cells: Vec<Cell>,
    is_head: bool,
}

#[derive(Default)]
struct Cell {
    /// Prose and code.
    paragraphs: Vec<(PartKind, String)>,
    is_header: bool,
    rowspan: usize,
    colspan: usize,
}

impl Table {
    pub(super) fn new(source: usize) -> Self {
        Self { source, ..Self::default() }
    }

    pub(super) fn open(&mut self, name: &str, rowspan: usize, colspan: usize) {
        match name {
            "thead" => self.in_head = true,
            "tbody" | "tfoot" => self.in_head = false,
            "tr" => self.rows.push(Row { is_head: self.in_head, ..Row::default() }),
            _ => {
                if self.rows.is_empty() {
                    self.rows.push(Row::default());
                }
                if let Some(row) = self.rows.last_mut() {
                    row.cells.push(Cell {
                        is_header: name == "th",
                        rowspan: rowspan.clamp(1, MAX_ROWSPAN),
                        colspan: colspan.clamp(1, MAX_COLSPAN),
                        ..Cell::default()
                    });
                }
            }
        }
    }

    pub(super) fn close(&mut self, name: &str) {
        if name == "thead" {
            self.in_head = false;
        }
    }

    /// Takes a block of text as part of the current cell, or of the caption.
    pub(super) fn take(&mut self, kind: PartKind, text: String) {
        match self.rows.last_mut().map(|r| r.cells.last_mut()) {
            Some(Some(cell)) => cell.paragraphs.push((kind, text)),
            _ => self.caption.push(one_line(&text)),
        }
    }

    /// The caption and the rows; the paragraphs of all cells where the table is only a layout.
    pub(super) fn finish(self) -> Vec<(PartKind, String)> {
        let mut out: Vec<(PartKind, String)> =
            self.caption.into_iter().map(|caption| (PartKind::Paragraph, caption)).collect();
        let cells = || self.rows.iter().flat_map(|r| &r.cells);
        let longest = cells().map(|c| c.paragraphs.iter().map(|p| p.1.len()).sum::<usize>()).max().unwrap_or(0);
        // Code keeps its lines: such tables are listings with line numbers.
        let has_code = cells().flat_map(|c| &c.paragraphs).any(|(kind, _)| matches!(kind, PartKind::Code(_)));
        let has_header = cells().any(|c| c.is_header);
        let widest = self.rows.iter().map(|r| r.cells.len()).max().unwrap_or(0);
        if longest > MAX_CELL_BYTES || has_code || (widest <= 1 && !has_header) {
            out.extend(cells().flat_map(|c| c.paragraphs.iter().cloned()));
            return out;
        }
        // Text of cells that reach into the rows below, by column: what it is, and for how many rows yet.
        let mut reaching: Vec<Option<(String, usize)>> = Vec::new();
        let (mut is_first, mut repeated, mut total) = (true, 0, 0);
        for row in &self.rows {
            if row.cells.is_empty() || total > MAX_DOCUMENT_BYTES {
                continue; // the page is refused by its size
            }
            let line = laid_out(row, &mut reaching, &mut repeated);
            let only_headers = row.cells.iter().all(|c| c.is_header);
            let is_head = row.is_head || only_headers || (is_first && !has_header);
            let text = line.join(" | ");
            let text = text.trim_end_matches([' ', '|']);
            total += text.len();
            if !text.is_empty() {
                out.push((if is_head { PartKind::TableHead } else { PartKind::TableRow }, text.to_owned()));
                is_first = false;
            }
        }
        out
    }
}

/// The texts of a row's columns, with those that reach into it from above.
fn laid_out(row: &Row, reaching: &mut Vec<Option<(String, usize)>>, repeated: &mut usize) -> Vec<String> {
    let mut line: Vec<String> = Vec::new();
    let mut from_above = |line: &mut Vec<String>, reaching: &mut Vec<Option<(String, usize)>>| {
        while let Some(slot @ Some(_)) = reaching.get_mut(line.len()) {
            if let Some((text, left)) = slot {
                *repeated += text.len();
                line.push(if *repeated <= MAX_REPEATED_TOTAL { text.clone() } else { String::new() });
                *left -= 1;
                if *left == 0 {
                    *slot = None;
                }
            }
        }
    };
    for cell in &row.cells {
        from_above(&mut line, reaching);
        let texts: Vec<String> = cell.paragraphs.iter().map(|(_, text)| one_line(text)).collect();
        let text = texts.join(" ");
        for n in 0..cell.colspan {
            let column = line.len();
            if column >= MAX_COLUMNS && n > 0 {
                break;
            }
            if cell.rowspan > 1 && column < MAX_COLUMNS {
                if reaching.len() <= column {
                    reaching.resize(column + 1, None);
                }
                let below = if n == 0 && text.len() <= MAX_REPEATED_BYTES { text.clone() } else { String::new() };
                reaching[column] = Some((below, cell.rowspan - 1));
            }
            line.push(if n == 0 { text.clone() } else { String::new() });
        }
    }
    from_above(&mut line, reaching);
    line
}
