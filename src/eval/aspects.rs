//! What a question without one answer wants to hear: the aspects of many documents, or the words of a summary.
//!
//! An aspect is a stem that at least a tenth of the question's documents have, and counts as often as it is said. That is a
//! weak measure: it knows words and not what is said of them, it can't tell praise from blame, and a random choice of
//! sentences holds what is said often. It does tell whether something that many say is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::data::{Question, Set, text_of};
use crate::compress::content_words;

/// Fewer documents have no aspects.
const MIN_DOCUMENTS: usize = 10;
/// An aspect is said by one document in so many.
const ONE_IN: usize = 10;
/// Shorter answers are strings to look for, no summaries.
const MIN_SUMMARY_WORDS: usize = 12;

/// Stems, each with what it counts.
pub(super) struct Aspects(BTreeMap<String, f64>);

impl Aspects {
    /// The aspects of a question: of its summary, or, where it has neither answer nor evidence, of its documents.
    pub(super) fn of(question: &Question, set: &Set) -> Option<Self> {
        if let Some(answer) = question.answers.iter().max_by_key(|a| a.len()) {
            let is_summary = answer.split_whitespace().count() >= MIN_SUMMARY_WORDS;
            return is_summary.then(|| Self(stems(answer).into_iter().map(|stem| (stem, 1.0)).collect()));
        }
        if !question.evidence.is_empty() || question.gold.len() < MIN_DOCUMENTS {
            return None;
        }
        let mut said: BTreeMap<String, f64> = BTreeMap::new();
        for document in question.gold.iter().filter_map(|n| set.documents.get(*n)) {
            stems(text_of(document)).into_iter().for_each(|stem| *said.entry(stem).or_default() += 1.0);
        }
        let least = question.gold.len() as f64 / ONE_IN as f64;
        said.retain(|_, documents| *documents >= least);
        Some(Self(said))
    }

    /// The share of them that a context tells.
    pub(super) fn told_by(&self, context: &str) -> f64 {
        let told = stems(context);
        let of = |(stem, weight): (&String, &f64)| if told.contains(stem) { *weight } else { 0.0 };
        self.0.iter().map(of).sum::<f64>() / self.0.values().sum::<f64>().max(f64::MIN_POSITIVE)
    }
}

fn stems(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    content_words(text, &mut |_, stem| _ = out.insert(stem));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aspects_are_what_many_say() {
        let document = |n: usize| {
            let text = if n < 3 { "The sleeves are tight." } else { "Lovely colours." };
            format!("{{\"doc_id\": \"d{n}\", \"text\": \"{text}{}\"}}", if n == 9 { " A wasp came along." } else { "" })
        };
        let directory = tempfile::tempdir().unwrap();
        let corpus: Vec<String> = (0..20).map(document).collect();
        std::fs::write(directory.path().join("corpus.jsonl"), corpus.join("\n")).unwrap();
        let gold: Vec<String> = (0..20).map(|n| format!("\"d{n}\"")).collect();
        let question =
            format!(r#"{{"query_id": "q", "question": "what is said", "gold_doc_ids": [{}]}}"#, gold.join(","));
        std::fs::write(directory.path().join("queries.jsonl"), question).unwrap();
        let set = Set::load(directory.path()).unwrap();
        let aspects = Aspects::of(&set.questions[0], &set).unwrap();
        assert_eq!(aspects.0.keys().collect::<Vec<_>>(), ["colour", "love", "sleev", "tight"]);
        assert!((aspects.told_by("Colours are lovely, says one.") - 34.0 / 40.0).abs() < 1e-9);
        assert_eq!((aspects.told_by(""), aspects.told_by("tight sleeves, lovely colour")), (0.0, 1.0));
    }
}
