//! What is measured of a context and of a ranking.

use std::collections::HashSet;

use super::data::{Question, normalised};

/// Fewer words in a row are nobody's.
pub const RUN: usize = 8;

/// What a context kept of a question's labels; `None` where the question has no such labels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// Whether some answer is in it.
    pub answer: Option<f64>,
    /// The share of evidence that is in it.
    pub evidence: Option<f64>,
    /// Whether all evidence is in it.
    pub all_evidence: Option<f64>,
    /// The share of the evidence's words that are in it, in runs of [`RUN`]: of evidence that is longer than the
    /// budget, as of whole turns of a meeting, nothing else could be told.
    pub evidence_words: Option<f64>,
}

/// Yes and no are no strings to look for.
fn is_verdict(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "yes" | "no")
}

/// What a context keeps of a question's labels.
#[must_use]
pub fn kept(context: &str, question: &Question) -> Kept {
    let context = normalised(context);
    let words: Vec<&str> = context.split(' ').collect();
    let runs: HashSet<&[&str]> = words.windows(RUN).collect();
    let holds = |label: &String| context.contains(&normalised(label));
    let answers: Vec<&String> = question.answers.iter().filter(|a| !is_verdict(a)).collect();
    let evidence: Vec<bool> = question.evidence.iter().map(holds).collect();
    let share = evidence.iter().filter(|k| **k).count() as f64 / evidence.len().max(1) as f64;
    Kept {
        answer: (!answers.is_empty()).then(|| f64::from(u8::from(answers.into_iter().any(holds)))),
        evidence: (!evidence.is_empty()).then_some(share),
        evidence_words: (!evidence.is_empty()).then(|| {
            let shares = question.evidence.iter().map(|e| share_in_runs(e, &context, &runs));
            shares.sum::<f64>() / evidence.len() as f64
        }),
        all_evidence: (!evidence.is_empty()).then(|| f64::from(u8::from(evidence.iter().all(|k| *k)))),
    }
}

/// The share of words that stand in one of the runs; what is shorter than a run stands there whole or not at all.
fn share_in_runs(text: &str, context: &str, runs: &HashSet<&[&str]>) -> f64 {
    let text = normalised(text);
    let words: Vec<&str> = text.split(' ').collect();
    if words.len() < RUN {
        return f64::from(u8::from(context.contains(&text)));
    }
    let mut there = vec![false; words.len()];
    for (n, run) in words.windows(RUN).enumerate().filter(|(_, run)| runs.contains(run)) {
        there[n..n + run.len()].fill(true);
    }
    there.iter().filter(|t| **t).count() as f64 / words.len() as f64
}

/// The share of gold documents among the first `k`.
#[must_use]
pub fn recall(ranked: &[usize], gold: &[usize], k: usize) -> f64 {
    let found = gold.iter().filter(|g| ranked.iter().take(k).any(|r| r == *g)).count();
    found as f64 / gold.len().max(1) as f64
}

/// One over the rank of the first gold document; 0 where none is found.
#[must_use]
pub fn reciprocal_rank(ranked: &[usize], gold: &[usize]) -> f64 {
    ranked.iter().position(|r| gold.contains(r)).map_or(0.0, |place| 1.0 / (place + 1) as f64)
}

/// Normalised discounted cumulative gain of the first `k` (Järvelin and Kekäläinen, 2002), gains 0 and 1.
#[must_use]
pub fn ndcg(ranked: &[usize], gold: &[usize], k: usize) -> f64 {
    let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let gain: f64 = ranked.iter().take(k).enumerate().filter(|(_, d)| gold.contains(d)).map(|(n, _)| discount(n)).sum();
    let best: f64 = (0..gold.len().min(k)).map(discount).sum();
    if best > 0.0 { gain / best } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(answers: &[&str], evidence: &[&str]) -> Question {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        Question {
            id: "q".into(),
            text: "?".into(),
            group: String::new(),
            answers: owned(answers),
            evidence: owned(evidence),
            gold: Vec::new(),
            unanswerable: false,
            candidates: None,
        }
    }

    #[test]
    fn labels_are_found_whatever_their_case_and_blanks() {
        let kept = kept("The  Große\nStraße in ΑΘΗΝΑΣ.", &question(&["grosse strasse"], &["Αθηνας", "Rome"]));
        assert_eq!(kept.answer, Some(1.0));
        assert_eq!((kept.evidence, kept.all_evidence), (Some(0.5), Some(0.0)));
    }

    #[test]
    fn long_evidence_is_kept_in_part() {
        let turn = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen";
        let share = |context: &str| kept(context, &question(&[], &[turn])).evidence_words;
        assert_eq!(share("zero one two three four five six seven eight, nine"), Some(0.0), "the comma is a word's");
        assert_eq!(share("zero One two three four five six seven eight"), Some(0.5));
        assert_eq!((share(turn), share("")), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn verdicts_and_missing_labels_are_not_measured() {
        let kept = kept("yes", &question(&["Yes"], &[]));
        assert!(kept.answer.is_none() && kept.evidence.is_none());
    }

    #[test]
    fn rankings() {
        assert_eq!(recall(&[3, 1, 2], &[1, 9], 2), 0.5);
        assert_eq!(ndcg(&[1, 2], &[1, 2], 10), 1.0);
        assert!(ndcg(&[5, 1], &[1], 10) < 1.0 && ndcg(&[5], &[1], 10) == 0.0);
    }
}
