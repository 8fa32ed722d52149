//! Texts in pieces.

use super::find::number_in;
use super::making::{Asked, Making, Material};
use crate::error::Result;

const QUESTIONS: usize = 15;
/// Sentences of a piece of a knot.
const PIECE: usize = 4;

/// Every part of a text is a document of its own, in no order; something of each must be kept to put them back.
pub(super) fn parts(material: &mut Material, making: &mut Making) -> Result<()> {
    for count in [2, 4, 8] {
        for _ in 0..QUESTIONS {
            let source = material.one_with(count * 2)?;
            let source = material.sources[source].clone();
            let size = source.sentences.len().div_ceil(count);
            let mut parts: Vec<&[String]> = source.sentences.chunks(size).collect();
            let evidence = parts.iter().map(|part| part[0].clone()).collect();
            material.random.shuffle(&mut parts);
            let documents = parts.iter().map(|part| making.document("", part)).collect::<Result<Vec<usize>>>()?;
            making.ask(Asked {
                text: format!("What happens first, and what follows? {}", source.title),
                group: format!("{count} parts"),
                answers: Vec::new(),
                evidence,
                gold: documents.clone(),
                candidates: Some(documents),
            });
        }
    }
    Ok(())
}

/// Documents cut into pieces and interleaved, each in its own order; the question is of one of them.
pub(super) fn knots(material: &mut Material, making: &mut Making) -> Result<()> {
    for count in material.feasible(PIECE, [2, 4, 8]) {
        for _ in 0..QUESTIONS {
            let chosen = material.several_with(PIECE, count)?;
            let asked = chosen.iter().flat_map(|n| &material.sources[*n].sentences).find_map(|s| number_in(s));
            let Some(asked) = asked else { continue };
            let mut rest: Vec<std::vec::IntoIter<Vec<String>>> = chosen
                .iter()
                .map(|n| material.sources[*n].sentences.chunks(PIECE).map(<[String]>::to_vec).collect::<Vec<_>>())
                .map(Vec::into_iter)
                .collect();
            let mut text = Vec::new();
            while !rest.is_empty() {
                let n = material.random.below(rest.len());
                match rest[n].next() {
                    Some(piece) => text.extend(piece),
                    None => drop(rest.swap_remove(n)),
                }
            }
            let document = making.document("", &text)?;
            making.ask(Asked {
                text: asked.question,
                group: format!("{count} documents"),
                answers: vec![asked.number],
                evidence: vec![asked.sentence],
                gold: vec![document],
                candidates: Some(vec![document]),
            });
        }
    }
    Ok(())
}
