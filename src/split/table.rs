//! CSV and TSV: a row is a block, and the header is shown before it.

use crate::extract::{MediaType, Part, PartKind};
use crate::span::Span;

/// The delimiter is the one that cuts these first bytes into rows of the same length.
const SNIFFED_BYTES: usize = 64 * 1024;
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// The rows of a text, the first as the header where it looks like one.
pub(super) fn parts(text: &str, span: Span, media: MediaType) -> Vec<Part> {
    let (base, text) = (span.start as usize, &text[span.range()]);
    // Tabs need no guess, and no quotes.
    let delimiter = if media == MediaType::Tsv { b'\t' } else { delimiter(text) };
    let rows = rows(text, delimiter);
    let has_header = rows.len() > 1 && rows.first().is_some_and(|r| r.is_header);
    let place = |span: Span| Span::new(base + span.start as usize, base + span.end as usize);
    let kind = |n: usize| if n == 0 && has_header { PartKind::TableHead } else { PartKind::TableRow };
    rows.iter().enumerate().map(|(n, row)| Part::new(place(row.span), kind(n))).collect()
}

struct Row {
    span: Span,
    /// Whether no field is a number: what a header looks like.
    is_header: bool,
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .quoting(delimiter != b'\t')
        .from_reader(text.as_bytes())
}

fn rows(text: &str, delimiter: u8) -> Vec<Row> {
    let mut reader = reader(text, delimiter);
    let mut record = csv::ByteRecord::new();
    let mut out: Vec<Row> = Vec::new();
    // Reading from memory into byte records can't fail; an error would end the table here.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let start = record.position().map_or(0, csv::Position::byte) as usize;
        let end = reader.position().byte() as usize;
        let is_header = out.is_empty() && !record.iter().any(is_number);
        out.push(Row { span: whole_characters(text, start, end), is_header });
    }
    out
}

/// A range of bytes widened to the characters it touches.
fn whole_characters(text: &str, start: usize, end: usize) -> Span {
    let (mut start, mut end) = (start.min(text.len()), end.min(text.len()));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    Span::new(start, end)
}

fn is_number(field: &[u8]) -> bool {
    std::str::from_utf8(field).is_ok_and(|f| f.trim().parse::<f64>().is_ok())
}

/// The delimiter whose rows agree best on their length.
fn delimiter(text: &str) -> u8 {
    let mut end = text.len().min(SNIFFED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // The last line may be cut: it is no example.
    let end = if end < text.len() { text[..end].rfind('\n').unwrap_or(end) } else { end };
    let agreement = |delimiter: u8| -> usize {
        let mut reader = reader(&text[..end], delimiter);
        let mut record = csv::ByteRecord::new();
        let mut lengths = std::collections::BTreeMap::new();
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            if record.len() > 1 {
                *lengths.entry(record.len()).or_insert(0usize) += 1;
            }
        }
        lengths.values().copied().max().unwrap_or(0)
    };
    // Of equals the first: max_by_key takes the last.
    DELIMITERS.into_iter().rev().max_by_key(|d| agreement(*d)).unwrap_or(b',')
}
