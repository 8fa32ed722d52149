//! Passages that are longer than a reader's window, in parts that are not.

use std::ops::Range;

use super::{Reader, Reading};
use crate::error::{Error, Result};

/// Bytes of a passage, part by part: as many whole blocks as fit into the window together; a block that does not fit
/// by itself is halved until its parts do. What lies between two blocks of a part belongs to it. For a reader that wants
/// it, a part begins with the last block of the one before, as long as the next one fits behind it.
///
/// # Errors
/// [`Error::LimitExceeded`] where title and question alone fill the window; the tokenizer's.
pub fn parts(reader: &dyn Reader, reading: &Reading<'_>, blocks: &[Range<usize>]) -> Result<Vec<Range<usize>>> {
    let window = reader.window();
    let fits = |bytes: &Range<usize>| -> Result<bool> {
        let text = reading.text.get(bytes.clone()).unwrap_or_default();
        Ok(reader.count_tokens(&Reading { text, ..*reading })? <= window)
    };
    let asked = reader.count_tokens(&Reading { text: "", ..*reading })?;
    if asked + 1 >= window {
        return Err(Error::LimitExceeded { field: "query", limit: window as u64, actual: asked as u64 });
    }
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut before: Option<Range<usize>> = None;
    // Blocks still to be placed, the next one last.
    let mut rest: Vec<Range<usize>> = blocks.iter().rev().cloned().collect();
    while let Some(block) = rest.pop() {
        if let Some(last) = out.last_mut() {
            let both = last.start..block.end;
            if fits(&both)? {
                *last = both;
                before = Some(block);
                continue;
            }
        }
        let again = before.take().filter(|_| reader.overlaps()).map(|before| before.start..block.end);
        if let Some(both) = again
            && fits(&both)?
        {
            before = Some(block);
            out.push(both);
            continue;
        }
        if fits(&block)? {
            before = Some(block.clone());
            out.push(block);
            continue;
        }
        let middle = reading.text.floor_char_boundary(block.start + block.len() / 2);
        if middle == block.start {
            // One character with more tokens than the window has left.
            return Err(Error::LimitExceeded { field: "query", limit: window as u64, actual: asked as u64 });
        }
        rest.push(middle..block.end);
        rest.push(block.start..middle);
    }
    Ok(out)
}
