//! Whether confidence can be trusted.

use super::data::Question;

/// From here on a system is sure.
const SURE: f64 = 0.9;

/// Answer kept, of the questions that the system was sure of; `None` where it states no confidence or was never
/// sure.
pub(super) fn kept_where_sure(confidence: &[Option<f64>], answers: &[Option<f64>]) -> Option<Vec<f64>> {
    let sure = confidence.iter().zip(answers).filter(|(c, _)| c.is_some_and(|c| c >= SURE));
    let kept: Vec<f64> = sure.filter_map(|(_, answer)| *answer).collect();
    (!kept.is_empty()).then_some(kept)
}

/// The chance that a question with an answer gets more confidence than one without: the area under the ROC curve
/// (Hanley and McNeil, 1982). `None` unless there are both kinds.
pub(super) fn tells_unanswerable(confidence: &[Option<f64>], questions: &[Question]) -> Option<f64> {
    let of = |unanswerable: bool| -> Vec<f64> {
        let asked = confidence.iter().zip(questions).filter(|(_, q)| q.unanswerable == unanswerable);
        asked.filter_map(|(c, _)| *c).collect()
    };
    let (with, without) = (of(false), of(true));
    if with.is_empty() || without.is_empty() {
        return None;
    }
    let won: f64 = with.iter().flat_map(|a| without.iter().map(move |b| win(*a, *b))).sum();
    Some(won / (with.len() * without.len()) as f64)
}

fn win(a: f64, b: f64) -> f64 {
    if a > b {
        1.0
    } else if a < b {
        0.0
    } else {
        0.5
    }
}
