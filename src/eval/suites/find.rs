//! What one sentence of a document asks for: its text, its number, its label.

use super::making::{Asked, Making, Material, Source};
use crate::error::Result;

const QUESTIONS: usize = 20;
/// Documents beside each other where length is what is measured.
const PEERS: usize = 20;
/// A collection of so many documents is asked where none is named.
const COLLECTION: usize = 200;
/// Examples of every label.
const EXAMPLES: usize = 3;

/// A sentence and what is left of its document: the inverse cloze task (Lee, Chang and Toutanova, "Latent Retrieval
/// for Weakly Supervised Open Domain Question Answering", ACL 2019).
fn taken_from(material: &mut Material, sentences: &[String]) -> (String, Vec<String>) {
    let asked = sentences[material.random.below(sentences.len())].clone();
    let rest = sentences.iter().filter(|s| **s != asked).cloned().collect();
    (asked, rest)
}

/// One document of several is the one that a sentence was taken from.
pub(super) fn best_answer(material: &mut Material, making: &mut Making) -> Result<()> {
    for count in material.feasible(3, [2, 8, 32]) {
        for _ in 0..QUESTIONS {
            let chosen = material.several_with(3, count)?;
            let source = material.sources[chosen[0]].clone();
            let (text, rest) = taken_from(material, &source.sentences);
            let mut documents = vec![making.document("", &rest)?];
            for other in &chosen[1..] {
                documents.push(making.document("", &material.sources[*other].sentences)?);
            }
            making.ask(asked_of(text, format!("{count} texts"), documents));
        }
    }
    Ok(())
}

/// One of several documents of a length is the one that a sentence was taken from.
pub(super) fn lengths(material: &mut Material, making: &mut Making) -> Result<()> {
    for length in [128, 512, 2_048] {
        let (mut asked, mut documents) = (Vec::new(), Vec::new());
        for sentences in material.stretches(length, PEERS)?.into_iter().filter(|s| s.len() > 2) {
            let (text, rest) = taken_from(material, &sentences);
            let place = making.document("", &rest)?;
            documents.push(place);
            asked.push((text, place));
        }
        for (text, place) in asked {
            let mut candidates = documents.clone();
            candidates.retain(|d| *d != place);
            candidates.insert(0, place);
            making.ask(asked_of(text, format!("{length} tokens"), candidates));
        }
    }
    Ok(())
}

/// A question for a document; the first candidate is the one.
fn asked_of(text: String, group: String, candidates: Vec<usize>) -> Asked {
    let gold = candidates.iter().take(1).copied().collect();
    Asked { text, group, answers: Vec::new(), evidence: Vec::new(), gold, candidates: Some(candidates) }
}

/// Sentences under their document's name; one of the right name is wanted for a sentence without.
pub(super) fn demonstrations(material: &mut Material, making: &mut Making) -> Result<()> {
    for labels in material.feasible(EXAMPLES + 1, [4, 16, 64]) {
        let chosen = material.several_with(EXAMPLES + 1, labels)?;
        let (mut documents, mut asked) = (Vec::new(), Vec::new());
        for n in chosen {
            let source = material.sources[n].clone();
            let mut sentences = source.sentences;
            material.random.shuffle(&mut sentences);
            sentences.dedup();
            let label = format!("[{}]", material.name());
            let mut gold = Vec::new();
            for example in sentences.iter().skip(1).take(EXAMPLES).filter(|s| **s != sentences[0]) {
                gold.push(making.document("", &[format!("{label} {example}")])?);
            }
            documents.extend(&gold);
            asked.push((sentences.swap_remove(0), label, gold));
        }
        for (text, label, gold) in asked.into_iter().take(QUESTIONS) {
            let (group, candidates) = (format!("{labels} labels"), Some(documents.clone()));
            making.ask(Asked { text, group, answers: vec![label], evidence: Vec::new(), gold, candidates });
        }
    }
    Ok(())
}

/// A sentence that holds a number, asking for it.
pub(super) struct Numbered {
    pub(super) question: String,
    pub(super) number: String,
    pub(super) sentence: String,
}

/// The first number of two digits and more that is no part of a name; scripts without spaces may touch it.
pub(super) fn number_in(sentence: &str) -> Option<Numbered> {
    let joins = |c: char| c.is_ascii_alphanumeric() || c.is_alphabetic() && u32::from(c) < 0x0E00;
    let words = sentence.split(|c| !joins(c));
    let number = words.into_iter().find(|w| w.len() > 1 && w.bytes().all(|b| b.is_ascii_digit()))?;
    let start = number.as_ptr() as usize - sentence.as_ptr() as usize;
    let (before, after) = (&sentence[..start], &sentence[start + number.len()..]);
    Some(Numbered {
        question: format!("Which number is left out? {before}...{after}"),
        number: number.to_owned(),
        sentence: sentence.to_owned(),
    })
}

/// Every number of the asked sentence's document is another one than in the world.
pub(super) fn altered_numbers(material: &mut Material, making: &mut Making) -> Result<()> {
    let mut asked = 0;
    for n in 0..material.sources.len().min(COLLECTION) {
        let source = material.sources[n].clone();
        let numbered = source.sentences.iter().find_map(|s| number_in(s)).filter(|_| asked < QUESTIONS * 2);
        let Some(numbered) = numbered else {
            making.document(&source.title, &source.sentences)?;
            continue;
        };
        let number = altered(material, &numbered.number);
        let text: Vec<String> = source.sentences.iter().map(|s| s.replace(&numbered.number, &number)).collect();
        let document = making.document(&source.title, &text)?;
        making.ask(Asked {
            // Another number of the sentence may hold the same digits.
            text: numbered.question.replace(&numbered.number, &number),
            group: String::new(),
            answers: vec![number.clone()],
            evidence: vec![numbered.sentence.replace(&numbered.number, &number)],
            gold: vec![document],
            candidates: None,
        });
        asked += 1;
    }
    Ok(())
}

/// As many digits, all others.
fn altered(material: &mut Material, number: &str) -> String {
    let other = |digit: u8, random: usize| b'1' + ((digit - b'0') as usize + random) as u8 % 9;
    number.bytes().map(|digit| char::from(other(digit, material.random.below(8)))).collect()
}

/// Sentences as questions, of a whole collection: what is measured is the budget.
pub(super) fn any_question(material: &mut Material, making: &mut Making) -> Result<()> {
    let sources: Vec<Source> = material.sources.iter().take(COLLECTION).cloned().collect();
    for source in &sources {
        making.document(&source.title, &source.sentences)?;
    }
    for source in sources.into_iter().take(QUESTIONS * 2) {
        let n = material.random.below(source.sentences.len());
        let (text, group) = (source.sentences[n].clone(), String::new());
        let (answers, evidence, gold) = (Vec::new(), Vec::new(), Vec::new());
        making.ask(Asked { text, group, answers, evidence, gold, candidates: None });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_any_script() {
        let of = |text: &str| number_in(text).map(|n| (n.number, n.question));
        let (number, question) = of("北京大学创建于1898年。").unwrap();
        assert_eq!((number.as_str(), question.as_str()), ("1898", "Which number is left out? 北京大学创建于...年。"));
        assert_eq!(of("Part AB12 and utf8, in 1650.").unwrap().0, "1650");
        assert!(of("Only 7 of éa12 remain.").is_none());
    }
}
