//! What several documents say in the same words is said once, and cited from all of them.
//!
//! Blocks repeat each other where they have the same words in the same order, whatever their case, punctuation and
//! markup, and need the same shown before them. One word more or less may be a "not", a name or a number: such blocks
//! are both told.

use std::collections::HashMap;

use crate::fit::{Piece, Repeat};
use crate::index::terms;

/// Shorter blocks ("Yes, I agree.") mean something else in every place.
const MIN_WORDS: usize = 6;

/// Takes out pieces that repeat a better one, which learns their places; the order stays.
pub(super) fn said_once(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut best: HashMap<u128, usize> = HashMap::new();
    let keys: Vec<Option<u128>> = pieces.iter().map(key).collect();
    for (n, key) in keys.iter().enumerate().filter_map(|(n, key)| Some((n, (*key)?))) {
        let best = best.entry(key).or_insert(n);
        if pieces[n].by_score(&pieces[*best]).is_gt() {
            *best = n;
        }
    }
    let mut repeats: HashMap<usize, Vec<Repeat>> = HashMap::new();
    let mut out = Vec::with_capacity(pieces.len());
    for (n, piece) in pieces.into_iter().enumerate() {
        match keys[n].and_then(|key| best.get(&key)) {
            Some(best) if *best != n => {
                repeats.entry(*best).or_default().push(Repeat { source: piece.source, span: piece.span });
            }
            _ => out.push((n, piece)),
        }
    }
    let with_repeats = |(n, piece)| Piece { repeats: repeats.remove(&n).unwrap_or_default(), ..piece };
    out.into_iter().map(with_repeats).collect()
}

/// The same for pieces that say the same; nothing for what is too short to tell.
fn key(piece: &Piece) -> Option<u128> {
    let mut hash = blake3::Hasher::new();
    let (mut words, mut lower) = (0, String::new());
    for text in [&piece.text].into_iter().chain(piece.context.iter().map(|q| &q.text)) {
        terms::words(text, &mut |word| {
            words += 1;
            if word.is_ascii() {
                lower.clear();
                lower.push_str(word);
                lower.make_ascii_lowercase();
            } else {
                lower = word.to_lowercase();
            }
            hash.update(lower.as_bytes());
            hash.update(&[0]);
        });
        hash.update(&[1]);
    }
    let digest = hash.finalize();
    let (head, _) = digest.as_bytes().split_first_chunk::<16>()?;
    (words >= MIN_WORDS).then(|| u128::from_le_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn piece(source: usize, start: usize, text: &str, score: f32) -> Piece {
        Piece {
            source,
            span: Span::new(start, start + text.len()),
            text: text.into(),
            joined: None,
            heading: String::new(),
            place: String::new(),
            context: Vec::new(),
            score,
            first: false,
            repeats: Vec::new(),
            kept: Vec::new(),
        }
    }

    #[test]
    fn the_best_of_repeated_blocks_stays_and_knows_the_others() {
        let text = "The tamis was sold in Ghent, in 1650.";
        let pieces = vec![
            piece(0, 0, text, 0.5),
            piece(0, 90, "Something else that is long enough to tell.", 0.1),
            piece(1, 7, "*The tamis was sold in Ghent in 1650!*", 0.9),
            piece(2, 3, text, 0.9),
        ];
        let once = said_once(pieces);
        assert_eq!(once.iter().map(|p| p.source).collect::<Vec<_>>(), [0, 1], "{once:?}");
        assert_eq!(
            once[1].repeats,
            [
                Repeat { source: 0, span: Span::new(0, text.len()) },
                Repeat { source: 2, span: Span::new(3, 3 + text.len()) }
            ]
        );
    }

    #[test]
    fn one_word_more_is_something_else() {
        let pieces = ["The valve is safe to open by hand.", "The valve is not safe to open by hand.", "Yes.", "Yes."];
        assert_eq!(said_once(pieces.iter().map(|text| piece(0, 0, text, 1.0)).collect()).len(), 4);
    }
}
