//! Title bridges: a strong block that names another document leads to it.
//!
//! Questions of several hops name the first document and describe the second: "Who founded the company that
//! makes the Sieve 3000?" is answered in the article that a block about the Sieve 3000 names.

use std::collections::HashMap;

use super::features::Strong;

/// So many of the strongest blocks lead on.
const STRONGEST: usize = 12;

/// A document's title as terms.
pub(super) struct Named {
    /// ` term term `, as blocks are written for the search; empty where nothing can lead here.
    sequence: String,
    terms: usize,
    /// Places of its terms in the question.
    pub(super) asked: Vec<usize>,
}

impl Named {
    pub(super) fn new(terms: Vec<String>, places: &HashMap<&str, usize>) -> Self {
        let asked: Vec<usize> = terms.iter().filter_map(|t| places.get(t.as_str()).copied()).collect();
        // `Paris (mythology)` is called Paris, but so is much else: only whole titles count. A title that the
        // question names needs no bridge.
        let is_new = asked.len() < terms.len();
        let sequence = if is_new { format!(" {} ", terms.join(" ")) } else { String::new() };
        Self { sequence, terms: terms.len(), asked }
    }

    /// The share of the title that the question names.
    pub(super) fn asked_share(&self) -> f32 {
        self.asked.len() as f32 / self.terms.max(1) as f32
    }

    fn is_in(&self, words: &str) -> bool {
        !self.sequence.is_empty() && self.terms > 0 && words.contains(&self.sequence)
    }
}

/// For every document that strong blocks of others name: the strength of the strongest of them.
pub(super) fn to_documents(strong: &Strong, words: &[Vec<String>], titles: &HashMap<u64, Named>) -> HashMap<u64, f32> {
    let mut out: HashMap<u64, f32> = HashMap::new();
    for n in strong.order.iter().copied().take(STRONGEST) {
        let said = format!(" {} ", words[n].join(" "));
        for (document, title) in titles {
            if *document != strong.document[n] && title.is_in(&said) {
                let bridge = out.entry(*document).or_insert(0.0);
                *bridge = bridge.max(strong.strength[n]);
            }
        }
    }
    out
}
