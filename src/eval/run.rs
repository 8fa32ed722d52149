//! Every question, of every system, at every budget.

use std::collections::BTreeMap;
use std::time::Instant;

use super::asked::Asked;
use super::aspects::Aspects;
use super::bootstrap;
use super::data::Question as Labelled;
use super::measure::{self, Kept};
use super::plan::Plan;
use super::prepare::{PreparedSet, in_parallel};
use super::results::{AtBudget, Documents, SetResult, SystemResult};
use super::sentences::Counts;
use super::trust;
use crate::compress::{READ, READ_MINI};
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::index::SegmentId;
use crate::rank::Question;

/// How deep document recall is measured.
const DEPTHS: [usize; 4] = [1, 5, 10, 20];

/// One answer: what it kept, its tokens, its stages.
struct Answer {
    kept: Kept,
    aspects: Option<f64>,
    tokens: u32,
    over: bool,
    confidence: Option<f64>,
    read: usize,
    stages_ms: BTreeMap<&'static str, f64>,
}

/// Per question: answers by system and budget, rankings by system.
struct Row {
    answers: Vec<Vec<Answer>>,
    ranked: Vec<Option<Vec<usize>>>,
    /// Tokens of the question, as the encoder reads it.
    tokens: usize,
}

/// Runs a plan over a set; `progress` hears of every question that is done.
///
/// # Errors
/// [`Error::InvalidArgument`] for an empty plan, else those of compressing.
pub fn run(
    prepared: &PreparedSet,
    encoder: &dyn Encoder,
    plan: &Plan,
    progress: &(dyn Fn() + Sync),
) -> Result<SetResult> {
    if plan.systems.is_empty() || plan.budgets.is_empty() {
        return Err(Error::invalid("plan", "needs at least one system and one budget"));
    }
    let questions = &prepared.set.questions;
    let numbered: Vec<(usize, &Labelled)> = questions.iter().enumerate().collect();
    let takes_sentences = plan.systems.iter().any(|s| s.takes_sentences());
    let counts = takes_sentences.then(|| Counts::of(prepared, plan.tokenizer.as_ref()));
    let rows: Vec<Row> = in_parallel(&numbered, &|(n, question)| {
        let row = row(prepared, encoder, plan, counts.as_ref(), *n as u64, question);
        progress();
        row
    })?;
    Ok(SetResult {
        set: prepared.set.name.clone(),
        documents: prepared.set.documents.len(),
        questions: questions.iter().map(|q| q.id.clone()).collect(),
        groups: questions.iter().map(|q| q.group.clone()).collect(),
        warnings: prepared.set.warnings.clone(),
        systems: (0..plan.systems.len()).map(|n| summary(n, &rows, questions, plan)).collect(),
    })
}

fn row(
    prepared: &PreparedSet,
    encoder: &dyn Encoder,
    plan: &Plan,
    counts: Option<&Counts>,
    n: u64,
    labelled: &Labelled,
) -> Result<Row> {
    let deadline = Deadline::none();
    let start = Instant::now();
    let question = Question::new(&labelled.text, encoder, &deadline)?;
    let encoding = start.elapsed().as_secs_f64() * 1e3;
    let tokens = encoder.count_tokens(&labelled.text);
    let aspects = Aspects::of(labelled, &prepared.set);
    let mut row = Row { answers: Vec::new(), ranked: Vec::new(), tokens };
    for system in &plan.systems {
        let mut asked =
            Asked { prepared, plan, counts, labelled, question: &question, encoder, seed: plan.seed.wrapping_add(n) };
        let order = asked.ranking(*system, &deadline)?;
        let mut answers = Vec::with_capacity(plan.budgets.len());
        for budget in &plan.budgets {
            let start = Instant::now();
            let mut made = asked.context(*system, order.as_deref(), *budget, &deadline)?;
            made.stages_ms.insert("encode", encoding);
            // What is remembered is not read again: how long reading takes is measured elsewhere.
            let read = [READ, READ_MINI].map(|stage| made.stages_ms.remove(stage));
            if read.iter().all(Option::is_none) {
                made.stages_ms.insert("all", encoding + start.elapsed().as_secs_f64() * 1e3);
            }
            let tokens = plan.tokenizer.count(&made.text).0;
            let kept = measure::kept(&made.text, labelled);
            let aspects = aspects.as_ref().map(|aspects| aspects.told_by(&made.text));
            let (confidence, read, stages_ms) = (made.confidence, made.read, made.stages_ms);
            answers.push(Answer { kept, aspects, tokens, over: tokens > *budget, confidence, read, stages_ms });
        }
        row.answers.push(answers);
        row.ranked.push(order.map(|o| documents_of(&o)));
    }
    Ok(row)
}

/// Documents in the order of their first segment; a segment's revision is its document's place.
fn documents_of(ranked: &[SegmentId]) -> Vec<usize> {
    let mut out = Vec::new();
    for id in ranked {
        let document = id.revision.0 as usize;
        if !out.contains(&document) {
            out.push(document);
        }
    }
    out
}

fn summary(system: usize, rows: &[Row], questions: &[Labelled], plan: &Plan) -> SystemResult {
    let interval = |values: &[Option<f64>]| {
        let known: Vec<f64> = values.iter().copied().flatten().collect();
        bootstrap::mean(&known, plan.seed)
    };
    let of = |budget: usize| rows.iter().map(move |row| &row.answers[system][budget]);
    let budgets = plan.budgets.iter().enumerate().map(|(n, budget)| {
        let answers: Vec<Option<f64>> = of(n).map(|a| a.kept.answer).collect();
        let evidence: Vec<Option<f64>> = of(n).map(|a| a.kept.evidence).collect();
        let all: Vec<Option<f64>> = of(n).map(|a| a.kept.all_evidence).collect();
        let words: Vec<Option<f64>> = of(n).map(|a| a.kept.evidence_words).collect();
        let aspects: Vec<Option<f64>> = of(n).map(|a| a.aspects).collect();
        let fills = |a: &Answer| f64::from(u8::from(u64::from(a.tokens) * 10 >= u64::from(*budget) * 9));
        let filled: Vec<Option<f64>> = of(n).map(|a| Some(fills(a))).collect();
        let confidence: Vec<Option<f64>> = of(n).map(|a| a.confidence).collect();
        let sure = trust::kept_where_sure(&confidence, &answers);
        AtBudget {
            budget: *budget,
            answer_kept: interval(&answers),
            evidence_kept: interval(&evidence),
            all_evidence_kept: interval(&all),
            evidence_words: interval(&words),
            aspects_told: interval(&aspects),
            tokens: of(n).map(|a| f64::from(a.tokens)).sum::<f64>() / rows.len().max(1) as f64,
            over: of(n).filter(|a| a.over).count(),
            filled: interval(&filled),
            sure: sure.map(|sure| bootstrap::mean(&sure, plan.seed)),
            tells_unanswerable: trust::tells_unanswerable(&confidence, questions),
            read: if plan.systems[system].reads() { of(n).map(|a| a.read).collect() } else { Vec::new() },
            answers,
            evidence,
            words,
            aspects,
        }
    });
    let mut stages_ms: BTreeMap<String, f64> = BTreeMap::new();
    for answer in of(plan.budgets.len() / 2) {
        for (stage, ms) in &answer.stages_ms {
            *stages_ms.entry((*stage).to_owned()).or_default() += ms / rows.len().max(1) as f64;
        }
    }
    SystemResult {
        system: plan.systems[system],
        budgets: budgets.collect(),
        documents: documents(system, rows, questions, plan.seed),
        stages_ms,
        model_tokens: if plan.systems[system].encodes_questions() {
            let read: usize = of(plan.budgets.len() / 2).map(|a| a.read).sum();
            (rows.iter().map(|row| row.tokens).sum::<usize>() + read) as f64 / rows.len().max(1) as f64
        } else {
            0.0
        },
    }
}

fn documents(system: usize, rows: &[Row], questions: &[Labelled], seed: u64) -> Option<Documents> {
    let ranked: Vec<(&[usize], &[usize])> = rows
        .iter()
        .zip(questions)
        .filter(|(_, q)| !q.gold.is_empty())
        .filter_map(|(row, q)| Some((row.ranked[system].as_deref()?, q.gold.as_slice())))
        .collect();
    if ranked.is_empty() {
        return None;
    }
    let over = |measure: &dyn Fn(&[usize], &[usize]) -> f64| {
        let values: Vec<f64> = ranked.iter().map(|(ranked, gold)| measure(ranked, gold)).collect();
        bootstrap::mean(&values, seed)
    };
    Some(Documents {
        recall: DEPTHS.iter().map(|k| (*k, over(&|r, g| measure::recall(r, g, *k)))).collect(),
        ndcg_10: over(&|r, g| measure::ndcg(r, g, 10)),
        reciprocal_rank: over(&measure::reciprocal_rank),
        first: rows.iter().zip(questions).map(|(row, q)| first_of(row.ranked[system].as_deref()?, q)).collect(),
    })
}

fn first_of(ranked: &[usize], question: &Labelled) -> Option<f64> {
    (!question.gold.is_empty()).then(|| measure::recall(ranked, &question.gold, 1))
}
