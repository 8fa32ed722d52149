//! What names a cluster: the terms that it has more of than the others, by class-based tf-idf (Grootendorst,
//! "BERTopic: Neural topic modeling with a class-based TF-IDF procedure", arXiv 2203.05794, section 3.3):
//! `tf(t, c) * ln(1 + A / tf(t))`, with the mean number of terms of a cluster, `A`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use isolang::Language as Iso;

use crate::index::terms::{self, Language};

/// By language, ISO 639-1, the words that it has in every sentence: looked up for every word of a passage.
static STOP_WORDS: LazyLock<HashMap<&str, HashSet<&str>>> = LazyLock::new(|| {
    let of = |code: &&'static str| Some((*code, stop_words::lookup(code)?.iter().copied().collect()));
    stop_words::available_languages().iter().filter_map(of).collect()
});

/// Shorter words name nothing, in scripts that write letters.
const MIN_LETTERS: usize = 3;

/// Terms of one cluster's passages, as they are counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Keywords {
    /// By stem how often it stands there, and how often it is written how.
    counts: HashMap<String, (u32, HashMap<String, u32>)>,
    total: u64,
}

impl Keywords {
    /// Counts a passage's terms, without the words that its language has in every sentence.
    pub(super) fn add(&mut self, text: &str) {
        content_words(text, &mut |word, stem| {
            let (count, written) = self.counts.entry(stem).or_default();
            *count += 1;
            *written.entry(word).or_default() += 1;
            self.total += 1;
        });
    }
}

/// The words of a text that say what it is about, in lower case, each with its stem: not those that its language has in
/// every sentence, not numbers, not a letter or two.
pub(crate) fn content_words(text: &str, take: &mut dyn FnMut(String, String)) {
    let stop = stop_words(text);
    terms::stemmed(Language::of(text), text, &mut |word, stem| {
        let lower = word.to_lowercase();
        if names_something(&lower) && !stop.is_some_and(|stop| stop.contains(lower.as_str())) {
            take(lower, stem);
        }
    });
}

/// Whether a word may name a cluster: not a number, and not a letter or two.
fn names_something(word: &str) -> bool {
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    letters >= MIN_LETTERS || (letters >= 2 && !word.is_ascii() && word.chars().all(|c| c > '\u{2E7F}'))
}

/// Words that name nothing in the language of a text; `None` where it is not known or has no list.
fn stop_words(text: &str) -> Option<&'static HashSet<&'static str>> {
    let code = terms::certain_language(text).unwrap_or("eng");
    let code = if code == "cmn" { "zh" } else { Iso::from_639_3(code)?.to_639_1()? };
    STOP_WORDS.get(code)
}

/// At most so many keywords of every cluster, best first, each as it is most often written.
pub(super) fn keywords(clusters: &[Keywords], limit: usize) -> Vec<Vec<String>> {
    let mut everywhere: HashMap<&str, u64> = HashMap::new();
    for (stem, (count, _)) in clusters.iter().flat_map(|c| &c.counts) {
        *everywhere.entry(stem).or_default() += u64::from(*count);
    }
    let mean = clusters.iter().map(|c| c.total).sum::<u64>() as f64 / clusters.len().max(1) as f64;
    let best = |cluster: &Keywords| {
        let weight = |stem: &str, count: u32| {
            let of_all = everywhere.get(stem).copied().unwrap_or(1) as f64;
            f64::from(count) / cluster.total.max(1) as f64 * (1.0 + mean / of_all).ln()
        };
        let mut weighed: Vec<(f64, &str, &str)> = cluster
            .counts
            .iter()
            .filter_map(|(stem, (count, written))| {
                // Of spellings that are as frequent the first in order: the same for the same text.
                let (word, _) = written.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))?;
                Some((weight(stem, *count), stem.as_str(), word.as_str()))
            })
            .collect();
        weighed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        weighed.iter().take(limit).map(|(_, _, word)| (*word).to_owned()).collect()
    };
    clusters.iter().map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_named_by_what_only_they_say() {
        let texts = [
            ["The shirts fit too tight around the shoulders.", "Fits tight, and the sleeves are tight too, 38 cm."],
            ["The colour of the shirt is lovely.", "Lovely colours and a soft fabric for the shirt."],
        ];
        let counted = texts.map(|texts| {
            let mut keywords = Keywords::default();
            texts.iter().for_each(|text| keywords.add(text));
            keywords
        });
        let named = keywords(&counted, 3);
        assert_eq!(named[0][0], "tight", "{named:?}");
        assert!(named[1].contains(&"lovely".to_owned()), "{named:?}");
        assert!(named.iter().flatten().all(|word| !["the", "and", "too", "38"].contains(&word.as_str())), "{named:?}");
        assert_eq!(keywords(&[Keywords::default()], 3), [Vec::<String>::new()]);
    }
}
