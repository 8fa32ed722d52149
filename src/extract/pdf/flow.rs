//! Lines of all pages to paragraphs, headings and items, without what repeats at the top and bottom of pages.

use std::collections::HashMap;

use super::layout::{CELL_GAP, Line};
use crate::extract::PartKind;
use crate::extract::shape::is_item;
use crate::extract::writer::Writer;

/// Running heads and feet stand within this share of the page's height from its edges.
const MARGIN: f64 = 0.12;
/// They stand on at least so many pages, and on this share of all.
const MIN_REPEATS: usize = 3;
const REPEATED_SHARE: f64 = 0.4;
/// A heading's type is larger than the text's by this factor.
const HEADING_FACTOR: f64 = 1.12;
/// Longest heading, in characters, and most levels of them.
const MAX_HEADING_CHARS: usize = 200;
const MAX_LEVELS: usize = 4;
/// A paragraph ends where the next line is further away than this many times its size...
const PARAGRAPH_GAP: f64 = 1.75;
/// ... or begins further in by this many times.
const INDENT: f64 = 0.8;
/// A line that ends before this share of the column's width ends a paragraph, if it ends a sentence.
const SHORT_LINE: f64 = 0.8;

/// A page's lines in reading order.
pub(super) struct PageLines {
    pub(super) lines: Vec<Line>,
    pub(super) height: f32,
}

impl PageLines {
    fn in_margin(&self, line: &Line) -> bool {
        let height = f64::from(self.height);
        line.y < MARGIN * height || line.y > (1.0 - MARGIN) * height
    }
}

pub(super) fn write(pages: &[PageLines], writer: &mut Writer) {
    let repeated = repeated(pages);
    let is_running = |page: &PageLines, line: &Line| page.in_margin(line) && repeated.contains_key(&shape(&line.text));
    let kept = || pages.iter().flat_map(|p| p.lines.iter().filter(|l| !is_running(p, l)));
    let body = body_size(kept());
    let levels = heading_sizes(kept(), body);
    let mut flow = Flow { writer, body, levels, text: String::new(), kind: PartKind::Paragraph, last: None };
    for (n, page) in pages.iter().enumerate() {
        let lines: Vec<&Line> = page.lines.iter().filter(|l| !is_running(page, l)).collect();
        flow.page(n + 1, &lines);
    }
    flow.end();
}

/// A text with its digits alike, so that numbered lines repeat too.
fn shape(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

/// Shapes of lines that stand in the margins of many pages.
fn repeated(pages: &[PageLines]) -> HashMap<String, usize> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for page in pages {
        let mut seen: Vec<String> = page.lines.iter().filter(|l| page.in_margin(l)).map(|l| shape(&l.text)).collect();
        seen.sort_unstable();
        seen.dedup();
        for shape in seen {
            *counts.entry(shape).or_default() += 1;
        }
    }
    // Even and odd pages may differ, so half of the pages is not asked for.
    let enough = MIN_REPEATS.max((pages.len() as f64 * REPEATED_SHARE) as usize);
    counts.retain(|_, n| *n >= enough);
    counts
}

/// A size in tenths, for counting.
fn tenths(size: f64) -> u32 {
    (size * 10.0).round() as u32
}

/// The size that most characters have.
fn body_size<'l>(lines: impl Iterator<Item = &'l Line>) -> f64 {
    let mut counts: std::collections::BTreeMap<u32, usize> = std::collections::BTreeMap::new();
    for line in lines {
        *counts.entry(tenths(line.size)).or_default() += line.text.len();
    }
    counts.into_iter().max_by_key(|(_, n)| *n).map_or(10.0, |(size, _)| f64::from(size) / 10.0)
}

/// The larger sizes, largest first: their places are levels.
fn heading_sizes<'l>(lines: impl Iterator<Item = &'l Line>, body: f64) -> Vec<u32> {
    let mut sizes: Vec<u32> =
        lines.filter(|l| l.size >= body * HEADING_FACTOR && l.text.len() > 2).map(|l| tenths(l.size)).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.dedup();
    sizes
}

struct Flow<'a> {
    writer: &'a mut Writer,
    body: f64,
    levels: Vec<u32>,
    /// The paragraph being read.
    text: String,
    kind: PartKind,
    /// Its last line.
    last: Option<Line>,
}

impl Flow<'_> {
    fn page(&mut self, number: usize, lines: &[&Line]) {
        // A paragraph that goes on from the page before is cited with the page where it begins.
        let mut placed = false;
        let mut columns: HashMap<usize, (f64, f64)> = HashMap::new();
        for line in lines {
            let (left, right) = columns.entry(line.column).or_insert((line.x0, line.x1));
            (*left, *right) = (left.min(line.x0), right.max(line.x1));
        }
        for (n, line) in lines.iter().enumerate() {
            let row = row(lines, n);
            let starts = row.is_some() || self.in_table() || self.starts_paragraph(line, n == 0, columns[&line.column]);
            if starts {
                self.end();
                if !placed {
                    self.writer.place(format!("page {number}"));
                    placed = true;
                }
                self.kind = row.unwrap_or_else(|| self.kind_of(line));
                self.text.push_str(&line.text);
            } else {
                join(&mut self.text, &line.text);
            }
            self.last = Some((*line).clone());
        }
    }

    fn in_table(&self) -> bool {
        matches!(self.kind, PartKind::TableHead | PartKind::TableRow)
    }

    fn starts_paragraph(&self, line: &Line, first_of_page: bool, (left, right): (f64, f64)) -> bool {
        let Some(last) = &self.last else { return true };
        let kind = self.kind_of(line);
        let resized = (line.size - last.size).abs() > 0.08 * last.size.max(line.size);
        if resized
            || is_item(&line.text)
            || matches!(kind, PartKind::Heading(_)) != matches!(self.kind, PartKind::Heading(_))
        {
            return true;
        }
        let ends_sentence = last.text.ends_with(['.', '!', '?', ':', '。', '”', '"']);
        let indented = line.x0 - left > INDENT * line.size && !matches!(self.kind, PartKind::Item(_));
        if first_of_page || line.column != last.column {
            // Across a break only what clearly begins does.
            return ends_sentence && (indented || line.text.starts_with(char::is_uppercase));
        }
        let gap = line.y - last.y;
        let short = last.x1 - left < SHORT_LINE * (right - left);
        let was_indented = last.x0 - left > INDENT * line.size;
        gap > PARAGRAPH_GAP * line.size || gap < 0.0 || (indented && !was_indented) || (short && ends_sentence)
    }

    fn kind_of(&self, line: &Line) -> PartKind {
        let level = self.levels.iter().position(|s| *s == tenths(line.size)).map(|n| n.min(MAX_LEVELS - 1) as u8 + 1);
        match level {
            Some(level) if line.size >= self.body * HEADING_FACTOR => PartKind::Heading(level),
            _ if is_item(&line.text) => PartKind::Item(1),
            _ => PartKind::Paragraph,
        }
    }

    fn end(&mut self) {
        let text = std::mem::take(&mut self.text);
        // Large type is also used for whole paragraphs.
        let too_long = text.chars().count() > MAX_HEADING_CHARS;
        let kind = if matches!(self.kind, PartKind::Heading(_)) && too_long { PartKind::Paragraph } else { self.kind };
        self.writer.part(kind, &text);
        self.last = None;
    }
}

/// What a line is to a table: lines with wide gaps that follow each other are rows, the first one the header
/// if it holds no number.
fn row(lines: &[&Line], n: usize) -> Option<PartKind> {
    let is_row = |n: usize| lines.get(n).is_some_and(|l| l.text.contains(CELL_GAP));
    let follows = n > 0 && is_row(n - 1);
    let begins = is_row(n) && !follows && is_row(n + 1);
    let numberless = || !lines[n].text.contains(|c: char| c.is_ascii_digit());
    match (begins, is_row(n) && (follows || begins)) {
        (true, _) if is_row(n + 2) && numberless() => Some(PartKind::TableHead),
        (_, true) => Some(PartKind::TableRow),
        _ => None,
    }
}

/// Appends a line to a paragraph; a word broken at the end of the line is joined again.
fn join(text: &mut String, line: &str) {
    let begins_small = line.starts_with(char::is_lowercase);
    if text.ends_with('\u{ad}') {
        text.truncate(text.len() - '\u{ad}'.len_utf8());
    } else if begins_small && text.ends_with('-') && text[..text.len() - 1].ends_with(char::is_alphabetic) {
        text.truncate(text.len() - 1);
    } else if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
}
