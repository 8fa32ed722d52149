//! Sentences that belong nowhere, hidden in a text.

use super::making::{Asked, Making, Material};
use crate::error::Result;

/// Questions of every group.
const QUESTIONS: usize = 6;
/// Lengths of texts, in tokens, roughly.
const LENGTHS: [usize; 3] = [1_000, 4_000, 16_000];
/// Per cent of the text before the needle.
const DEPTHS: [usize; 5] = [0, 25, 50, 75, 100];
/// The length of texts with several needles.
const LENGTH: usize = 4_000;

pub(super) fn single(material: &mut Material, making: &mut Making) -> Result<()> {
    for (length, depth) in LENGTHS.iter().flat_map(|l| DEPTHS.map(|d| (*l, d))) {
        for _ in 0..QUESTIONS {
            let (name, number) = (material.name(), material.number());
            let mut text = material.haystack(length)?;
            let needle = format!("The access code of {name} is {number}.");
            text.insert(text.len() * depth / 100, needle.clone());
            let document = making.document("", &text)?;
            making.ask(Asked {
                text: format!("What is the access code of {name}?"),
                group: format!("{length} tokens, depth {depth} %"),
                answers: vec![number],
                evidence: vec![needle],
                gold: vec![document],
                candidates: Some(vec![document]),
            });
        }
    }
    Ok(())
}

pub(super) fn several(material: &mut Material, making: &mut Making) -> Result<()> {
    for count in [2, 4, 8] {
        for _ in 0..QUESTIONS * 2 {
            let name = material.name();
            let needles: Vec<String> = (0..count)
                .map(|_| format!("In {} a seal of {name} was found, number {}.", material.name(), material.number()))
                .collect();
            let document = hidden(material, making, &needles)?;
            making.ask(Asked {
                text: format!("Where were the seals of {name} found?"),
                group: format!("{count} needles"),
                answers: Vec::new(),
                evidence: needles,
                gold: vec![document],
                candidates: Some(vec![document]),
            });
        }
    }
    Ok(())
}

pub(super) fn threads(material: &mut Material, making: &mut Making) -> Result<()> {
    for hops in [2, 3, 4, 5] {
        for _ in 0..QUESTIONS * 2 {
            let (first, number, thread) = thread(material, hops);
            let (_, _, other) = self::thread(material, hops);
            let document = hidden(material, making, &[thread.clone(), other].concat())?;
            making.ask(Asked {
                text: format!("What is the access code of {}{first}?", "the keeper of ".repeat(hops - 1)),
                group: format!("{hops} hops"),
                answers: vec![number],
                evidence: thread,
                gold: vec![document],
                candidates: Some(vec![document]),
            });
        }
    }
    Ok(())
}

/// Its first name, the number at its end, and its sentences.
fn thread(material: &mut Material, hops: usize) -> (String, String, Vec<String>) {
    let names: Vec<String> = (0..hops).map(|_| material.name()).collect();
    let number = material.number();
    let mut thread: Vec<String> =
        names.windows(2).map(|pair| format!("The keeper of {} is {}.", pair[0], pair[1])).collect();
    let last = names.last().map_or("", String::as_str);
    thread.push(format!("The access code of {last} is {number}."));
    (names.first().cloned().unwrap_or_default(), number, thread)
}

/// A text with sentences at random places of it.
fn hidden(material: &mut Material, making: &mut Making, sentences: &[String]) -> Result<usize> {
    let mut text = material.haystack(LENGTH)?;
    for sentence in sentences {
        let place = material.random.below(text.len() + 1);
        text.insert(place, sentence.clone());
    }
    making.document("", &text)
}
