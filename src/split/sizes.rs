//! Sizes of any stretch of a text after one pass: every line is measured once.

use super::Measure;

/// Longer lines are measured in pieces of about this many bytes, so that sizes inside them are true too.
const PIECE_BYTES: usize = 512;

/// Tokens before every line (or piece of a long line), so that a stretch's size is a subtraction.
pub(super) struct Sizes {
    starts: Vec<usize>,
    sums: Vec<usize>,
}

impl Sizes {
    pub(super) fn new(source: &str, measure: Measure<'_>) -> Self {
        let (mut starts, mut sums) = (vec![0], vec![0]);
        let (mut at, mut sum) = (0, 0);
        for line in source.split_inclusive('\n') {
            let mut rest = line;
            while !rest.is_empty() {
                let mut end = rest.len().min(PIECE_BYTES);
                while !rest.is_char_boundary(end) {
                    end += 1;
                }
                let (piece, more) = rest.split_at(end);
                sum += measure(piece);
                at += piece.len();
                starts.push(at);
                sums.push(sum);
                rest = more;
            }
        }
        Self { starts, sums }
    }

    /// Tokens of a stretch, within a line in proportion.
    pub(super) fn of(&self, start: usize, end: usize) -> usize {
        self.before(end).saturating_sub(self.before(start))
    }

    /// Tokens of a stretch that begins and ends with a line, but for blanks; at least what the measure says of
    /// it as a whole. `None` for other stretches.
    pub(super) fn of_lines(&self, source: &str, start: usize, end: usize) -> Option<usize> {
        let first = self.starts.partition_point(|s| *s <= start).checked_sub(1)?;
        let last = self.starts.partition_point(|s| *s < end);
        let (from, to) = (*self.starts.get(first)?, *self.starts.get(last)?);
        let is_blank = |part: &str| part.bytes().all(|b| b.is_ascii_whitespace());
        let begins_line = from == 0 || source.as_bytes()[from - 1] == b'\n';
        let ends_line = source[end..to].ends_with('\n') || to == source.len();
        let whole = begins_line && ends_line && is_blank(&source[from..start]) && is_blank(&source[end..to]);
        whole.then(|| self.sums[last] - self.sums[first])
    }

    fn before(&self, byte: usize) -> usize {
        let line = self.starts.partition_point(|s| *s <= byte).saturating_sub(1);
        let Some(end) = self.starts.get(line + 1) else { return self.sums[line] };
        let (start, tokens) = (self.starts[line], self.sums[line + 1] - self.sums[line]);
        self.sums[line] + tokens * (byte - start) / (end - start).max(1)
    }
}
