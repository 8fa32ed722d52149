//! Tables of a page to rows of text: headers found, spans filled in.

use crate::extract::PartKind;
use crate::extract::writer::one_line;

/// Longer cells are not repeated in the rows that they span, in bytes.
const MAX_REPEATED_BYTES: usize = 200;
/// Most rows and columns that a cell may span.
const MAX_ROWSPAN: usize = 1000;
const MAX_COLSPAN: usize = 64;
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
    paragraphs: Vec<String>,
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
    pub(super) fn takes(&mut self, text: &str) -> bool {
        let text = one_line(text);
        match self.rows.last_mut().map(|r| r.cells.last_mut()) {
            Some(Some(cell)) => cell.paragraphs.push(text),
            _ => self.caption.push(text),
        }
        true
    }

    /// The caption and the rows; the paragraphs of all cells where the table is only a layout.
    pub(super) fn finish(self) -> Vec<(PartKind, String)> {
        let mut out: Vec<(PartKind, String)> =
            self.caption.into_iter().map(|caption| (PartKind::Paragraph, caption)).collect();
        let cells = || self.rows.iter().flat_map(|r| &r.cells);
        let longest = cells().map(|c| c.paragraphs.iter().map(String::len).sum::<usize>()).max().unwrap_or(0);
        let has_header = cells().any(|c| c.is_header);
        let widest = self.rows.iter().map(|r| r.cells.len()).max().unwrap_or(0);
        if longest > MAX_CELL_BYTES || (widest <= 1 && !has_header) {
            out.extend(cells().flat_map(|c| &c.paragraphs).map(|p| (PartKind::Paragraph, p.clone())));
            return out;
        }
        // Text of cells that reach into the rows below, by column: what it is, and for how many rows yet.
        let mut reaching: Vec<Option<(String, usize)>> = Vec::new();
        let mut is_first = true;
        for row in &self.rows {
            if row.cells.is_empty() {
                continue;
            }
            let line = laid_out(row, &mut reaching);
            let only_headers = row.cells.iter().all(|c| c.is_header);
            let is_head = row.is_head || only_headers || (is_first && !has_header);
            let text = line.join(" | ");
            let text = text.trim_end_matches([' ', '|']);
            if !text.is_empty() {
                out.push((if is_head { PartKind::TableHead } else { PartKind::TableRow }, text.to_owned()));
                is_first = false;
            }
        }
        out
    }
}

/// The texts of a row's columns, with those that reach into it from above.
fn laid_out(row: &Row, reaching: &mut Vec<Option<(String, usize)>>) -> Vec<String> {
    let mut line: Vec<String> = Vec::new();
    let from_above = |line: &mut Vec<String>, reaching: &mut Vec<Option<(String, usize)>>| {
        while let Some(slot @ Some(_)) = reaching.get_mut(line.len()) {
            if let Some((text, left)) = slot {
                line.push(text.clone());
                *left -= 1;
                if *left == 0 {
                    *slot = None;
                }
            }
        }
    };
    for cell in &row.cells {
        from_above(&mut line, reaching);
        let text = cell.paragraphs.join(" ");
        for n in 0..cell.colspan {
            let column = line.len();
            if cell.rowspan > 1 {
                if reaching.len() <= column {
                    reaching.resize(column + 1, None);
                }
                let repeated = if n == 0 && text.len() <= MAX_REPEATED_BYTES { text.clone() } else { String::new() };
                reaching[column] = Some((repeated, cell.rowspan - 1));
            }
            line.push(if n == 0 { text.clone() } else { String::new() });
        }
    }
    from_above(&mut line, reaching);
    line
}
