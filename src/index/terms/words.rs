//! Text to words: everything that is neither letter nor digit separates.

use unicode_normalization::char::is_combining_mark;

/// Calls `found` for every word, the parts of an identifier after the whole of it; scripts without spaces give
/// overlapping pairs.
pub(crate) fn words<'t>(text: &'t str, found: &mut impl FnMut(&'t str)) {
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        rest = &rest[start..];
        if rest.starts_with(unspaced) {
            let end = rest.find(|c| !unspaced(c)).unwrap_or(rest.len());
            pairs(&rest[..end], found);
            rest = &rest[end..];
        } else {
            let ends = |c: char| unspaced(c) || !(c.is_alphanumeric() || is_combining_mark(c));
            let end = rest.find(ends).unwrap_or(rest.len());
            found(&rest[..end]);
            parts(&rest[..end], found);
            rest = &rest[end..];
        }
    }
}

/// Scripts whose words are not separated by spaces.
fn unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0E7F | 0x0E80..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF
        | 0x3041..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// Overlapping pairs of characters; a single one by itself.
fn pairs<'t>(run: &'t str, found: &mut impl FnMut(&'t str)) {
    let starts: Vec<usize> = run.char_indices().map(|(n, _)| n).chain([run.len()]).collect();
    match starts.len() {
        ..=2 => found(run),
        _ => starts.windows(3).for_each(|w| found(&run[w[0]..w[2]])),
    }
}

/// The parts of a word in camel case, each of two letters at least; nothing for any other word.
fn parts<'t>(word: &'t str, found: &mut impl FnMut(&'t str)) {
    if !word.is_ascii() || !word.bytes().skip(1).any(|b| b.is_ascii_uppercase()) {
        return;
    }
    let bytes = word.as_bytes();
    let begins = |n: usize| {
        let (before, here, after) = (bytes[n - 1], bytes[n], bytes.get(n + 1));
        let ends_capitals = before.is_ascii_uppercase() && after.is_some_and(u8::is_ascii_lowercase);
        here.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit() || ends_capitals)
    };
    let cuts: Vec<usize> =
        [0].into_iter().chain((1..bytes.len()).filter(|n| begins(*n))).chain([bytes.len()]).collect();
    // "iPhone" is a name, not an identifier of two words.
    if cuts.len() > 2 && cuts.windows(2).all(|w| w[1] - w[0] >= 2) {
        cuts.windows(2).for_each(|w| found(&word[w[0]..w[1]]));
    }
}
