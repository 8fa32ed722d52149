//! Two runs, question by question.

use std::collections::HashMap;

use super::bootstrap::{self, Interval};
use super::results::{Report, SetResult, at};
use super::system::System;
use crate::error::{Error, Result};

/// What changed for a system on a set at a budget: second run less first.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The set.
    pub set: String,
    /// The system.
    pub system: System,
    /// The budget.
    pub budget: u32,
    /// `answer kept`, or `words of evidence kept` where answers tell nothing, or `aspects told` where there is neither.
    pub measure: &'static str,
    /// The difference, paired.
    pub difference: Interval,
}

/// Compares what both runs have: the same sets, systems, budgets and questions.
///
/// # Errors
/// [`Error::InvalidArgument`] where they have nothing in common.
pub fn compare(first: &Report, second: &Report) -> Result<Vec<Change>> {
    let mut out = Vec::new();
    for set in &second.sets {
        let Some(before) = first.sets.iter().find(|s| s.set == set.set) else { continue };
        for result in &set.systems {
            for b in &result.budgets {
                let pairs = pairs(before, set, result.system, b.budget, result.system);
                out.extend(pairs.map(|(measure, difference)| Change {
                    set: set.set.clone(),
                    system: result.system,
                    budget: b.budget,
                    measure,
                    difference: bootstrap::mean(&difference, second.seed),
                }));
            }
        }
    }
    if out.is_empty() {
        return Err(Error::invalid("compare", "the two runs have no set, system, budget and question in common"));
    }
    Ok(out)
}

/// The gain of one system over another on the same run, paired.
#[must_use]
pub fn gain(report: &Report, set: &SetResult, system: System, over: System, budget: u32) -> Option<Interval> {
    let (_, differences) = pairs(set, set, over, budget, system)?;
    Some(bootstrap::mean(&differences, report.seed))
}

/// Differences question by question, of answers, or of the words of evidence where answers tell nothing, or of aspects
/// where there is neither.
fn pairs(
    before: &SetResult,
    after: &SetResult,
    system_before: System,
    budget: u32,
    system_after: System,
) -> Option<(&'static str, Vec<f64>)> {
    let (a, b) = (at(before, system_before, budget)?, at(after, system_after, budget)?);
    let places: HashMap<&String, usize> = before.questions.iter().enumerate().map(|(n, q)| (q, n)).collect();
    let differences = |old: &[Option<f64>], new: &[Option<f64>]| -> Vec<f64> {
        let pair = |(question, new): (&String, &Option<f64>)| Some((*new)? - (*old.get(*places.get(question)?)?)?);
        after.questions.iter().zip(new).filter_map(pair).collect()
    };
    let answers = differences(&a.answers, &b.answers);
    let words = differences(&a.words, &b.words);
    let aspects = differences(&a.aspects, &b.aspects);
    // Answers that nobody keeps, as summaries in a writer's own words, tell no system from another.
    let tell = a.answers.iter().chain(&b.answers).flatten().any(|kept| *kept > 0.0);
    match (answers.is_empty(), words.is_empty()) {
        (false, _) if tell => Some(("answer kept", answers)),
        (_, false) => Some(("words of evidence kept", words)),
        (_, true) if !aspects.is_empty() => Some(("aspects told", aspects)),
        (false, true) => Some(("answer kept", answers)),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::results::{AtBudget, SystemResult};

    fn report(answers: &[(&str, f64)]) -> Report {
        let budget =
            AtBudget { budget: 256, answers: answers.iter().map(|a| Some(a.1)).collect(), ..Default::default() };
        let system = SystemResult {
            model_tokens: 0.0,
            system: System::Fast,
            budgets: vec![budget],
            documents: None,
            stages_ms: Default::default(),
        };
        let set = SetResult {
            groups: Vec::new(),
            set: "s".into(),
            documents: 1,
            questions: answers.iter().map(|a| a.0.to_owned()).collect(),
            warnings: Vec::new(),
            systems: vec![system],
        };
        Report { fingerprint: String::new(), tokenizer: String::new(), seed: 1, sets: vec![set] }
    }

    #[test]
    fn questions_are_paired_by_id() {
        let first = report(&[("a", 0.0), ("b", 1.0), ("gone", 1.0)]);
        let second = report(&[("b", 1.0), ("a", 1.0), ("new", 0.0)]);
        let changes = compare(&first, &second).unwrap();
        assert_eq!((changes.len(), changes[0].difference.n, changes[0].difference.mean), (1, 2, 0.5));
        assert!(compare(&first, &report(&[("x", 1.0)])).is_err());
    }
}
