//! Choosing the attention temperature of an encoder (TempScale) on labelled questions.
//!
//! A temperature below 1 sharpens attention, against the collapse of long texts into one corner of the space. What it
//! gains is small and depends on the texts, so it is measured, question by question against the model as trained: of
//! documents, of questions, and of both, by length. It is used only where the gain is beyond chance.

use serde::{Deserialize, Serialize};

use super::bootstrap::{self, Interval};
use super::data::Set;
use super::measure;
use super::passages;
use super::prepare::in_parallel;
use crate::deadline::Deadline;
use crate::document::Document;
use crate::encode::{Encoder, PackedVector};
use crate::error::Result;

/// Upper ends of the length buckets, in tokens of the encoder; the last bucket has none.
const BUCKETS: [usize; 3] = [64, 128, 192];
/// Gain is measured in nDCG of so many documents.
const DEPTH: usize = 10;

/// A set's questions and passages at one temperature.
pub struct Encoded {
    questions: Vec<PackedVector>,
    /// By document.
    passages: Vec<Vec<PackedVector>>,
    /// The longest passage of every document, in tokens of the encoder.
    lengths: Vec<usize>,
}

impl Encoded {
    /// Encodes a set; long documents are cut into passages of 150 words. `progress` hears of every document's bytes.
    ///
    /// # Errors
    /// The encoder's.
    pub fn new(set: &Set, encoder: &dyn Encoder, progress: &(dyn Fn(u64) + Sync)) -> Result<Self> {
        let deadline = Deadline::none();
        let cut = |document: &Document| -> Result<(Vec<PackedVector>, usize)> {
            let passages = passages::cut(document, encoder, &deadline)?;
            progress(document.content.len() as u64);
            let longest = passages.iter().map(|p| encoder.count_tokens(&p.text)).max().unwrap_or(0);
            Ok((passages.into_iter().map(|p| p.vector).collect(), longest))
        };
        let (passages, lengths) = in_parallel(&set.documents, &cut)?.into_iter().unzip();
        let questions = in_parallel(&set.questions, &|q| Ok(encoder.encode_query(&q.text, &deadline)?.pack()))?;
        Ok(Self { questions, passages, lengths })
    }
}

/// What is encoded at the other temperature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Passages only.
    Documents,
    /// Questions only.
    Queries,
    /// Both: what setting the encoder's temperature does.
    Both,
}

/// What a temperature gains over 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gain {
    /// The temperature.
    pub temperature: f32,
    /// What is encoded at it.
    pub of: Side,
    /// Gold documents whose longest passage has so many tokens of the encoder; `all` for all of them.
    pub length: String,
    /// nDCG@10 less that at 1, paired, each set counting alike.
    pub ndcg_10: Interval,
}

/// The temperature to use, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Calibration {
    /// The encoder at temperature 1.
    pub fingerprint: String,
    /// The sets, with their questions.
    pub sets: Vec<(String, usize)>,
    /// For the intervals.
    pub seed: u64,
    /// The temperature to use for questions and documents: 1 unless another one gains beyond chance.
    pub temperature: f32,
    /// nDCG@10 at temperature 1.
    pub ndcg_10: Interval,
    /// All that was measured.
    pub gains: Vec<Gain>,
}

/// nDCG of every question that has gold documents, with its length, by set.
type Measured = Vec<Vec<(usize, f64)>>;

/// Compares temperatures with 1; `encoded` holds, for each, the same sets in the same order.
#[must_use]
pub fn calibrate(
    fingerprint: &str,
    sets: &[Set],
    as_trained: &[Encoded],
    others: &[(f32, Vec<Encoded>)],
    seed: u64,
) -> Calibration {
    let before = measured(sets, as_trained, as_trained);
    let mut gains = Vec::new();
    for (temperature, encoded) in others {
        for (of, after) in [
            (Side::Documents, measured(sets, as_trained, encoded)),
            (Side::Queries, measured(sets, encoded, as_trained)),
            (Side::Both, measured(sets, encoded, encoded)),
        ] {
            for (length, range) in lengths() {
                let ndcg_10 = bootstrap::mean_of_means(&differences(&before, &after, &range), seed);
                if ndcg_10.n > 0 {
                    gains.push(Gain { temperature: *temperature, of, length, ndcg_10 });
                }
            }
        }
    }
    let sure = gains.iter().filter(|g| g.of == Side::Both && g.length == ALL && g.ndcg_10.low > 0.0);
    let best = sure.max_by(|a, b| a.ndcg_10.mean.total_cmp(&b.ndcg_10.mean));
    let values: Vec<Vec<f64>> = before.iter().map(|set| set.iter().map(|(_, v)| *v).collect()).collect();
    Calibration {
        fingerprint: fingerprint.to_owned(),
        sets: sets.iter().map(|s| (s.name.clone(), s.questions.len())).collect(),
        seed,
        temperature: best.map_or(1.0, |g| g.temperature),
        ndcg_10: bootstrap::mean_of_means(&values, seed),
        gains,
    }
}

const ALL: &str = "all";

/// The buckets, and all of them.
fn lengths() -> Vec<(String, std::ops::Range<usize>)> {
    let mut out = vec![(ALL.to_owned(), 0..usize::MAX)];
    let mut from = 0;
    for end in BUCKETS {
        out.push((format!("{} to {end}", from + 1), from + 1..end + 1));
        from = end;
    }
    out.push((format!("over {from}"), from + 1..usize::MAX));
    out
}

fn differences(before: &Measured, after: &Measured, lengths: &std::ops::Range<usize>) -> Vec<Vec<f64>> {
    let pairs = before.iter().zip(after).map(|(b, a)| b.iter().zip(a));
    pairs.map(|set| set.filter(|(b, _)| lengths.contains(&b.0)).map(|(b, a)| a.1 - b.1).collect()).collect()
}

fn measured(sets: &[Set], queries: &[Encoded], documents: &[Encoded]) -> Measured {
    let of_set = |((set, queries), documents): ((&Set, &Encoded), &Encoded)| {
        let asked = set.questions.iter().zip(&queries.questions).filter(|(q, _)| !q.gold.is_empty());
        let ndcg = |(question, vector): (&super::data::Question, &PackedVector)| {
            let all: Vec<usize>;
            let candidates = match &question.candidates {
                Some(candidates) => candidates,
                None => {
                    all = (0..documents.passages.len()).collect();
                    &all
                }
            };
            let best = |n: &usize| documents.passages[*n].iter().map(|p| p.cosine(vector)).fold(f32::MIN, f32::max);
            let mut ranked: Vec<(f32, usize)> = candidates.iter().map(|n| (best(n), *n)).collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let ranked: Vec<usize> = ranked.into_iter().take(DEPTH).map(|(_, n)| n).collect();
            let length = question.gold.iter().map(|n| documents.lengths[*n]).max().unwrap_or(0);
            (length, measure::ndcg(&ranked, &question.gold, DEPTH))
        };
        asked.map(ndcg).collect()
    };
    sets.iter().zip(queries).zip(documents).map(of_set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Content, Metadata};
    use crate::encode::Vector;
    use crate::eval::data::Question;

    fn set(questions: usize) -> Set {
        let document = |n: usize| Document {
            id: format!("d{n}").parse().unwrap(),
            uri: String::new(),
            title: String::new(),
            media_type: String::new(),
            metadata: Metadata::default(),
            content: Content::Text(String::new()),
        };
        let question = |n: usize| Question {
            id: n.to_string(),
            text: String::new(),
            group: String::new(),
            answers: Vec::new(),
            evidence: Vec::new(),
            gold: vec![n % 2],
            unanswerable: false,
            candidates: None,
        };
        Set {
            name: "s".into(),
            documents: (0..2).map(document).collect(),
            questions: (0..questions).map(question).collect(),
            warnings: Vec::new(),
        }
    }

    /// Two documents; so many questions point to their own, the others to the wrong one.
    fn encoded(questions: usize, right: usize) -> Encoded {
        let axis = |n: usize| Vector::normalised(vec![(n == 0) as u8 as f32, (n == 1) as u8 as f32]).pack();
        Encoded {
            questions: (0..questions).map(|n| axis((n + usize::from(n >= right)) % 2)).collect(),
            passages: vec![vec![axis(0)], vec![axis(1)]],
            lengths: vec![100, 300],
        }
    }

    #[test]
    fn a_temperature_is_used_only_where_it_gains_beyond_chance() {
        let sets = [set(40)];
        let trained = [encoded(40, 20)];
        let others = [(0.9, vec![encoded(40, 36)]), (0.8, vec![encoded(40, 21)]), (0.7, vec![encoded(40, 4)])];
        let found = calibrate("m", &sets, &trained, &others, 1);
        assert_eq!(found.temperature, 0.9);
        let of = |t: f32, of: Side, length: &str| {
            found.gains.iter().find(|g| g.temperature == t && g.of == of && g.length == length).unwrap().ndcg_10
        };
        assert!(of(0.7, Side::Both, "all").high < 0.0);
        assert_eq!(of(0.9, Side::Documents, "all").mean, 0.0, "documents have not moved");
        assert_eq!(of(0.9, Side::Both, "65 to 128").n, 20);
        assert_eq!(of(0.9, Side::Both, "over 192").n, 20);
        assert_eq!(calibrate("m", &sets, &trained, &others[1..], 1).temperature, 1.0);
    }
}
