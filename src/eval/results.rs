//! What a run found out, as it is written to files: sets, systems, budgets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bootstrap::{self, Interval};
use super::system::System;

/// All results of a run, with what made them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The encoder's fingerprint.
    pub fingerprint: String,
    /// The tokenizer of the budgets.
    pub tokenizer: String,
    /// For random orders and intervals.
    pub seed: u64,
    /// The sets.
    pub sets: Vec<SetResult>,
}

impl Report {
    /// The systems, in the order of the first set.
    pub fn systems(&self) -> impl Iterator<Item = System> + '_ {
        self.sets.iter().take(1).flat_map(|s| s.systems.iter().map(|r| r.system))
    }

    /// The budgets, in the order of the first set.
    pub fn budgets(&self) -> impl Iterator<Item = u32> + '_ {
        self.sets.iter().take(1).flat_map(|s| &s.systems).take(1).flat_map(|r| r.budgets.iter().map(|b| b.budget))
    }

    /// The mean over the sets that have answers, each counting alike, with the interval of that mean.
    #[must_use]
    pub fn macro_average(&self, system: System, budget: u32) -> Option<Interval> {
        let of_sets: Vec<Vec<f64>> = self
            .sets
            .iter()
            .filter_map(|s| at(s, system, budget))
            .map(|b| b.answers.iter().copied().flatten().collect::<Vec<f64>>())
            .filter(|answers| !answers.is_empty())
            .collect();
        (!of_sets.is_empty()).then(|| bootstrap::mean_of_means(&of_sets, self.seed))
    }
}

/// What a system kept of a set at one budget.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AtBudget {
    /// The budget, in tokens.
    pub budget: u32,
    /// Share of questions with an answer in the context.
    pub answer_kept: Interval,
    /// Share of evidence in the context.
    pub evidence_kept: Interval,
    /// Share of questions with all evidence in the context.
    pub all_evidence_kept: Interval,
    /// Share of the evidence's words in the context, in runs of eight.
    #[serde(default)]
    pub evidence_words: Interval,
    /// Tokens of the contexts, on average.
    pub tokens: f64,
    /// Contexts over the budget: there must be none.
    pub over: usize,
    /// Share of the aspects of many documents, or of a summary's words, that are in the context.
    #[serde(default)]
    pub aspects_told: Interval,
    /// Share of contexts that use nine tenths of the budget at least.
    #[serde(default)]
    pub filled: Interval,
    /// Answer kept, question by question; `null` where it has no answer to look for.
    pub answers: Vec<Option<f64>>,
    /// Evidence kept, question by question.
    pub evidence: Vec<Option<f64>>,
    /// Words of the evidence kept, question by question.
    #[serde(default)]
    pub words: Vec<Option<f64>>,
    /// Aspects told, question by question.
    #[serde(default)]
    pub aspects: Vec<Option<f64>>,
    /// Tokens that a reader read, question by question; empty where none did.
    #[serde(default)]
    pub read: Vec<usize>,
    /// Answer kept where the system was sure of it: at a confidence of 0.9 or more.
    #[serde(default)]
    pub sure: Option<Interval>,
    /// How well confidence tells questions with an answer from those without: area under the ROC curve.
    #[serde(default)]
    pub tells_unanswerable: Option<f64>,
}

/// How well a system finds documents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Documents {
    /// Recall of gold documents among the first k.
    pub recall: BTreeMap<usize, Interval>,
    /// nDCG of the first ten.
    pub ndcg_10: Interval,
    /// Reciprocal rank of the first gold document.
    #[serde(default)]
    pub reciprocal_rank: Interval,
    /// Recall at 1, question by question; `null` where it has no gold documents.
    #[serde(default)]
    pub first: Vec<Option<f64>>,
}

/// A system on a set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SystemResult {
    /// Which.
    pub system: System,
    /// By budget.
    pub budgets: Vec<AtBudget>,
    /// Where the system ranks documents.
    pub documents: Option<Documents>,
    /// Milliseconds per question and stage, at the middle budget, on average.
    pub stages_ms: BTreeMap<String, f64>,
    /// Tokens that models read per question, on average: what was read at ingest is not read again.
    #[serde(default)]
    pub model_tokens: f64,
}

/// All systems on a set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetResult {
    /// The set's name.
    pub set: String,
    /// Its documents.
    pub documents: usize,
    /// Ids of the questions, in the order of all lists below.
    pub questions: Vec<String>,
    /// The group of every question; empty strings where they are not grouped.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What is odd about the set.
    pub warnings: Vec<String>,
    /// The systems.
    pub systems: Vec<SystemResult>,
}

/// The result of a system at a budget.
pub(super) fn at(set: &SetResult, system: System, budget: u32) -> Option<&AtBudget> {
    let result = set.systems.iter().find(|r| r.system == system)?;
    result.budgets.iter().find(|b| b.budget == budget)
}
