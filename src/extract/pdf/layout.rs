//! Glyphs of a page to lines in reading order, two columns included.

use hayro_interpret::kurbo::{Point, Vec2};

/// Units of glyph space per em.
pub(super) const UNITS_PER_EM: f64 = 1000.0;
/// Glyphs whose baselines differ by less than this share of their size stand on one line.
const SAME_LINE: f64 = 0.35;
/// A gap of this share of the size is a blank between words.
const WORD_GAP: f64 = 0.17;
/// A gap of this many sizes separates columns, or the cells of a table.
const COLUMN_GAP: f64 = 1.6;
/// Stands for a wide gap.
pub(super) const CELL_GAP: &str = " | ";
/// A gutter lies between these shares of the width of the text.
const GUTTER_WITHIN: (f64, f64) = (0.3, 0.7);
/// Both columns have at least so many lines.
const MIN_COLUMN_LINES: usize = 5;
/// Places at which a gutter is looked for.
const GUTTER_STEPS: usize = 60;

/// A character with its place.
pub(super) struct Glyph {
    text: String,
    x: f64,
    y: f64,
    size: f64,
    width: f64,
    /// Whether it is written from left to right; turned text is left out.
    is_level: bool,
}

impl Glyph {
    pub(super) fn new(text: String, origin: Point, up: Vec2, across: Vec2) -> Self {
        let size = up.hypot().max(0.1);
        let is_level = up.x.abs() < 0.2 * size && up.y < 0.0;
        Self { text, x: origin.x, y: origin.y, size, width: across.x.abs(), is_level }
    }
}

/// A line of a column.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) x0: f64,
    pub(super) x1: f64,
    pub(super) y: f64,
    pub(super) size: f64,
    /// The column it stands in, from 0; a line across both columns begins a new pair.
    pub(super) column: usize,
}

/// The lines of a page in reading order.
pub(super) fn lines(glyphs: Vec<Glyph>) -> Vec<Line> {
    let pieces = pieces(glyphs);
    let mut out = Vec::new();
    match gutter(&pieces) {
        None => out.extend(joined(pieces, 0)),
        Some(gutter) => {
            // From top to bottom: what crosses the gutter ends the columns above it.
            let mut pieces = pieces;
            pieces.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x0.total_cmp(&b.x0)));
            let (mut left, mut right, mut column) = (Vec::new(), Vec::new(), 0);
            for piece in pieces {
                let crosses = piece.x0 < gutter && piece.x1 > gutter;
                if crosses && !(left.is_empty() && right.is_empty()) {
                    out.extend(joined(std::mem::take(&mut left), column));
                    out.extend(joined(std::mem::take(&mut right), column + 1));
                    column += 2;
                }
                if crosses {
                    out.extend(joined(vec![piece], column));
                    column += 1;
                } else if piece.x1 <= gutter {
                    left.push(piece);
                } else {
                    right.push(piece);
                }
            }
            out.extend(joined(left, column));
            out.extend(joined(right, column + 1));
        }
    }
    out
}

/// Runs of glyphs without a wide gap, in the order of the page's content.
fn pieces(glyphs: Vec<Glyph>) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    let mut last_size = 0.0;
    for glyph in glyphs.into_iter().filter(|g| g.is_level) {
        let size = glyph.size;
        let joins = out.last().is_some_and(|line| {
            let gap = glyph.x - line.x1;
            // Raised and lowered signs are smaller and off the line, but right behind it.
            let tolerance = SAME_LINE * size.max(last_size);
            (glyph.y - line.y).abs() < tolerance && gap > -0.5 * size && gap < COLUMN_GAP * size
        });
        let end = glyph.x + glyph.width;
        match out.last_mut().filter(|_| joins) {
            Some(line) => {
                let is_blank = glyph.text.trim().is_empty();
                if (is_blank || glyph.x - line.x1 > WORD_GAP * size) && !line.text.ends_with(' ') {
                    line.text.push(' ');
                }
                if !is_blank {
                    line.text.push_str(&glyph.text);
                }
                line.x1 = line.x1.max(end);
                line.size = line.size.max(size);
            }
            None if glyph.text.trim().is_empty() => continue,
            None => out.push(Line { text: glyph.text, x0: glyph.x, x1: end, y: glyph.y, size, column: 0 }),
        }
        last_size = size;
    }
    out
}

/// Pieces of one column as lines from top to bottom.
fn joined(mut pieces: Vec<Line>, column: usize) -> Vec<Line> {
    pieces.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x0.total_cmp(&b.x0)));
    let mut rows: Vec<Vec<Line>> = Vec::new();
    for piece in pieces {
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(|f| (piece.y - f.y).abs() < SAME_LINE * f.size.max(piece.size)) => {
                row.push(piece);
            }
            _ => rows.push(vec![piece]),
        }
    }
    let mut out = Vec::with_capacity(rows.len());
    for mut row in rows {
        row.sort_by(|a, b| a.x0.total_cmp(&b.x0));
        let mut row = row.into_iter();
        let Some(mut line) = row.next() else { continue };
        for piece in row {
            let gap = piece.x0 - line.x1;
            // Wide gaps are what is left of a table's rules.
            line.text.push_str(if gap > COLUMN_GAP * piece.size { CELL_GAP } else { " " });
            line.text.push_str(&piece.text);
            line.x1 = line.x1.max(piece.x1);
            line.size = line.size.max(piece.size);
        }
        line.column = column;
        line.text = super::script::readable(line.text.trim());
        if !line.text.is_empty() {
            out.push(line);
        }
    }
    out
}

/// Where the gap between two columns lies, if the page has two.
fn gutter(pieces: &[Line]) -> Option<f64> {
    let left = pieces.iter().map(|p| p.x0).fold(f64::INFINITY, f64::min);
    let right = pieces.iter().map(|p| p.x1).fold(f64::NEG_INFINITY, f64::max);
    let width = right - left;
    if !width.is_finite() || width <= 0.0 {
        return None;
    }
    let at = |step: usize| {
        let (from, to) = GUTTER_WITHIN;
        left + width * (from + (to - from) * step as f64 / GUTTER_STEPS as f64)
    };
    let crossing = |x: f64| pieces.iter().filter(|p| p.x0 < x && p.x1 > x).count();
    let (best, crossed) = (0..=GUTTER_STEPS).map(|s| (at(s), crossing(at(s)))).min_by_key(|(_, n)| *n)?;
    // The middle of the gap, so that ragged lines stay on their side.
    let from = pieces.iter().map(|p| p.x1).filter(|x| *x <= best).fold(left, f64::max);
    let to = pieces.iter().map(|p| p.x0).filter(|x| *x >= best).fold(right, f64::min);
    let middle = (from + to) / 2.0;
    // Columns are made of long lines; the cells of a table are short.
    let long = |p: &&Line| p.x1 - p.x0 > 0.25 * width;
    let on_left = pieces.iter().filter(|p| p.x1 <= middle).filter(long).count();
    let on_right = pieces.iter().filter(|p| p.x0 >= middle).filter(long).count();
    let few = crossed * 5 <= on_left + on_right;
    (on_left >= MIN_COLUMN_LINES && on_right >= MIN_COLUMN_LINES && few).then_some(middle)
}
