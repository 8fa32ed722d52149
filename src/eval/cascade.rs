//! How much to read, what it counts, and when it pays: measured on labelled questions.
//!
//! First the curve: answers kept against passages and weights, everything read. Then the cascade (Language Model
//! Cascades, arXiv 2404.10136): which questions need no reading, by a logistic model of the fast scores around the
//! budget's cut, learnt for every set from the others; and how soon reading may end, by how far a signal lifts a block.

mod target;

use serde::Serialize;

use self::target::ALWAYS;
pub use self::target::Target;
use super::asked::ranked;
use super::bootstrap::{self, Interval};
use super::plan::Plan;
use super::prepare::{PreparedSet, in_parallel};
use super::results::{AtBudget, SystemResult};
use super::run::run;
use super::system::System;
use super::{data, logistic};
use crate::compress::{self, Ranked, Readers};
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::fit::Budget;
use crate::rank::cascade::{COUNT, Cascade, signs};
use crate::rank::{Question, Stage};

/// Weights of the signal that are tried.
const WEIGHTS: [f32; 5] = [0.25, 0.5, 1.0, 1.5, 2.0];
/// Numbers of passages that are tried.
const PASSAGES: [usize; 5] = [4, 8, 12, 16, 20];
/// With these the weights are compared.
const TYPICAL_PASSAGES: usize = 12;
/// The same where no more is read than needed.
const AS_NEEDED: [usize; 3] = [6, 8, 12];
/// How far a signal may lift a block, in the fast score's units.
const REACHES: [f32; 3] = [0.5, 1.0, 2.0];
/// What a deviation of a weight from 0 costs.
const PRIOR: f64 = 1e-4;

/// Everything read, at some number of passages and weight.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Passages.
    pub passages: usize,
    /// What a deviation of the signal counts.
    pub weight: f32,
    /// Answers kept beyond the fast ranking's, paired, each set counting alike.
    pub gain: Interval,
    /// The same by set.
    pub by_set: Vec<(String, Interval)>,
    /// Tokens read of a question.
    pub tokens: f64,
}

/// Read as needed.
#[derive(Clone, Debug, Serialize)]
pub struct AutoPoint {
    /// Share of the questions for which reading begins.
    pub share: f64,
    /// Passages, at most.
    pub passages: usize,
    /// How far a signal may lift a block.
    pub reach: f32,
    /// Gain, as a share of what reading everything gains.
    pub gain: f64,
    /// Tokens read, as a share of what reading everything takes.
    pub tokens: f64,
}

/// The stage, and how it was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// For the reader.
    #[serde(skip)]
    pub stage: Stage,
    /// The curve.
    pub curve: Vec<Point>,
    /// What the weight and the number of passages of the others gain on a set that they were not chosen on.
    pub left_out: Vec<(String, usize, f32, Interval)>,
    /// Shares and reaches; the model is always one that has not seen the set.
    pub auto: Vec<AutoPoint>,
}

/// One set's results of a policy: per budget and question what was kept, and tokens read.
struct Kept {
    kept: Vec<Vec<Option<f64>>>,
    read: Vec<Vec<usize>>,
}

impl Kept {
    fn of(result: &SystemResult) -> Self {
        let kept = |at: &AtBudget| at.answers.iter().zip(&at.evidence).map(|(a, e)| a.or(*e)).collect();
        let budgets = || result.budgets.iter();
        Self { kept: budgets().map(kept).collect(), read: budgets().map(|b| b.read.clone()).collect() }
    }

    /// Differences to another policy, question by question, of all budgets.
    fn over(&self, other: &Self) -> Vec<f64> {
        let pairs = self.kept.iter().flatten().zip(other.kept.iter().flatten());
        pairs.filter_map(|(a, b)| Some((*a)? - (*b)?)).collect()
    }

    /// What was kept and how many tokens were read, of all questions and budgets. Where nothing reads, none were.
    fn flat(&self) -> Vec<(f64, f64)> {
        let mut out = Vec::new();
        for (kept, read) in self.kept.iter().zip(&self.read) {
            let tokens = read.iter().map(|tokens| *tokens as f64).chain(std::iter::repeat(0.0));
            out.extend(kept.iter().map(|kept| kept.unwrap_or(0.0)).zip(tokens));
        }
        out
    }

    fn tokens(&self) -> f64 {
        let all: Vec<usize> = self.read.iter().flatten().copied().collect();
        all.iter().sum::<usize>() as f64 / all.len().max(1) as f64
    }
}

/// Measures and learns; every set is read by readers of its own, which have not been trained on it. `share` is the
/// share of tokens that reading as needed may take of what reading everything does. `said` hears what is being done.
///
/// # Errors
/// [`Error::InvalidArgument`] for an empty plan, else those of compressing.
pub fn calibrate(
    sets: &[PreparedSet],
    readers: &[Readers],
    encoder: &dyn Encoder,
    plan: &Plan,
    target: Target,
    share: f64,
    said: &dyn Fn(&str),
) -> Result<Found> {
    if sets.is_empty() || sets.len() != readers.len() {
        return Err(Error::invalid("data", "names no set, or not as many readers"));
    }
    let of_stage = |system: System, stage: Stage| -> Result<Vec<Kept>> {
        let plan = Plan { systems: vec![system], policy: target.with(&plan.policy, stage), ..plan.clone() };
        let of_set = |(set, readers): (&PreparedSet, &Readers)| {
            let result = run(set, encoder, &Plan { readers: readers.clone(), ..plan.clone() }, &|| ())?;
            let first = result.systems.first().ok_or_else(|| Error::invalid("plan", "has no system"))?;
            Ok(Kept::of(first))
        };
        sets.iter().zip(readers).map(of_set).collect()
    };
    let base = Stage { cascade: ALWAYS, ..target.of(&plan.policy).clone() };
    let fast = of_stage(target.without(), base.clone())?;
    let mut measured: Vec<(Stage, Vec<Kept>)> = Vec::new();
    let mut measure = |passages: usize, weight: f32| -> Result<()> {
        said(&format!("{passages} passages, weight {weight}"));
        let stage = Stage { passages, weight, ..base.clone() };
        measured.push((stage.clone(), of_stage(target.full(), stage)?));
        Ok(())
    };
    for weight in WEIGHTS {
        measure(TYPICAL_PASSAGES, weight)?;
    }
    for passages in PASSAGES.into_iter().filter(|p| *p != TYPICAL_PASSAGES) {
        measure(passages, 1.0)?;
    }
    let (seed, all) = (plan.seed, (0..sets.len()).collect::<Vec<_>>());
    let best_weight = weight_of(&measured, &fast, &all, seed);
    let passages = passages_of(&measured, &fast, &all, seed);
    let chosen = Stage { passages, weight: best_weight, ..base.clone() };
    said(&format!("chosen: {passages} passages, weight {best_weight}"));
    let precise = of_stage(target.full(), chosen.clone())?;
    let name = |n: usize| sets[n].set.name.clone();
    let mut left_out = Vec::new();
    for n in all.iter().copied().filter(|_| sets.len() > 1) {
        let others: Vec<usize> = all.iter().copied().filter(|m| *m != n).collect();
        let (passages, weight) =
            (passages_of(&measured, &fast, &others, seed), weight_of(&measured, &fast, &others, seed));
        let stage = Stage { passages, weight, ..base.clone() };
        let kept = if stage == chosen { None } else { Some(of_stage(target.full(), stage)?) };
        let kept = kept.as_ref().unwrap_or(&precise);
        left_out.push((name(n), passages, weight, bootstrap::mean(&kept[n].over(&fast[n]), seed)));
    }

    said("reading as needed");
    let told = told(sets, readers, encoder, plan, target, &fast, &precise)?;
    let chances: Vec<Vec<Vec<f64>>> = all
        .iter()
        .map(|n| {
            let others: Vec<&Told> =
                told.iter().enumerate().filter(|(m, _)| m != n || told.len() == 1).map(|(_, t)| t).collect();
            let model = learn(&others);
            told[*n].signs.iter().map(|budget| budget.iter().map(|signs| chance(&model, signs)).collect()).collect()
        })
        .collect();
    let mut auto = Vec::new();
    for passages in AS_NEEDED {
        for reach in REACHES {
            let stage = Stage { passages_as_needed: passages, reach, ..chosen.clone() };
            let kept = of_stage(target.as_needed(), stage)?;
            for share in (1..=10).map(|tenths| f64::from(tenths) / 10.0) {
                let (gain, tokens) = as_needed(share, &chances, &fast, &precise, &kept);
                auto.push(AutoPoint { share, passages, reach, gain, tokens });
            }
        }
    }
    let affordable = auto.iter().filter(|p| p.tokens <= share);
    let best = affordable.max_by(|a, b| a.gain.total_cmp(&b.gain));
    let best = best.ok_or_else(|| Error::invalid("share", "no curve is so cheap: allow more"))?;
    let model = learn(&told.iter().collect::<Vec<_>>());
    let mut own: Vec<f64> =
        told.iter().flat_map(|t| t.signs.iter().flatten()).map(|signs| chance(&model, signs)).collect();
    own.sort_by(|a, b| b.total_cmp(a));
    let at = ((own.len() as f64 * best.share).round() as usize).clamp(1, own.len().max(1));
    let threshold = if best.share >= 1.0 { 0.0 } else { own.get(at - 1).copied().unwrap_or(0.0) };
    let cascade = Cascade {
        offset: rounded(model[0]),
        weights: std::array::from_fn(|n| rounded(model[n + 1])),
        threshold: rounded(threshold),
    };
    let curve = measured.iter().map(|(stage, kept)| point(stage, kept, &fast, sets, seed)).collect();
    let (passages_as_needed, reach) = (best.passages, best.reach);
    Ok(Found { stage: Stage { passages_as_needed, reach, cascade, ..chosen }, curve, left_out, auto })
}

fn rounded(value: f64) -> f32 {
    ((value * 1e4).round() / 1e4) as f32
}

fn gains(kept: &[Kept], fast: &[Kept], sets: &[usize]) -> Vec<Vec<f64>> {
    sets.iter().map(|n| kept[*n].over(&fast[*n])).collect()
}

fn point(stage: &Stage, kept: &[Kept], fast: &[Kept], sets: &[PreparedSet], seed: u64) -> Point {
    let all: Vec<usize> = (0..sets.len()).collect();
    let groups = gains(kept, fast, &all);
    let by_set = sets.iter().zip(&groups).map(|(set, gains)| (set.set.name.clone(), bootstrap::mean(gains, seed)));
    Point {
        passages: stage.passages,
        weight: stage.weight,
        gain: bootstrap::mean_of_means(&groups, seed),
        by_set: by_set.collect(),
        tokens: kept.iter().map(Kept::tokens).sum::<f64>() / kept.len().max(1) as f64,
    }
}

/// The weight that gains most over these sets.
fn weight_of(measured: &[(Stage, Vec<Kept>)], fast: &[Kept], sets: &[usize], seed: u64) -> f32 {
    let typical = measured.iter().filter(|(p, _)| p.passages == TYPICAL_PASSAGES);
    best(typical, fast, sets, seed).map_or(1.0, |stage| stage.weight)
}

/// The number of passages that gains most.
fn passages_of(measured: &[(Stage, Vec<Kept>)], fast: &[Kept], sets: &[usize], seed: u64) -> usize {
    let of_weight = measured.iter().filter(|(p, _)| p.weight == 1.0);
    best(of_weight, fast, sets, seed).map_or(TYPICAL_PASSAGES, |stage| stage.passages)
}

fn best<'m>(
    measured: impl Iterator<Item = &'m (Stage, Vec<Kept>)>,
    fast: &[Kept],
    sets: &[usize],
    seed: u64,
) -> Option<&'m Stage> {
    let gained = measured.map(|(p, kept)| (p, bootstrap::mean_of_means(&gains(kept, fast, sets), seed).mean));
    gained.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(stage, _)| stage)
}

/// What can be learnt of a set: signs by budget and question, and whether reading kept more.
struct Told {
    signs: Vec<Vec<[f32; COUNT]>>,
    gained: Vec<Vec<bool>>,
}

fn told(
    sets: &[PreparedSet],
    readers: &[Readers],
    encoder: &dyn Encoder,
    plan: &Plan,
    target: Target,
    fast: &[Kept],
    precise: &[Kept],
) -> Result<Vec<Told>> {
    let of_set = |n: usize| -> Result<Told> {
        let plan = Plan { readers: readers[n].clone(), ..plan.clone() };
        let signs = plan.budgets.iter().map(|budget| signs_of(&sets[n], encoder, &plan, target, *budget));
        let better = |a: &Vec<Option<f64>>, b: &Vec<Option<f64>>| a.iter().zip(b).map(|(a, b)| a > b).collect();
        let gained = precise[n].kept.iter().zip(&fast[n].kept).map(|(a, b)| better(a, b)).collect();
        Ok(Told { signs: signs.collect::<Result<_>>()?, gained })
    };
    (0..sets.len()).map(of_set).collect()
}

fn signs_of(
    set: &PreparedSet,
    encoder: &dyn Encoder,
    plan: &Plan,
    target: Target,
    budget: u32,
) -> Result<Vec<[f32; COUNT]>> {
    let deadline = Deadline::none();
    // What comes before it has read everything.
    let plan = &Plan { policy: target.with(&plan.policy, target.of(&plan.policy).clone()), ..plan.clone() };
    let budget = Budget::new(budget, plan.tokenizer.clone())?;
    in_parallel(&set.set.questions, &|labelled: &data::Question| {
        let question = Question::new(&labelled.text, encoder, &deadline)?;
        let filter = set.filter(labelled.candidates.as_deref());
        let Ranked { candidates, scores, .. } = {
            let reading = plan.reading(target.without())?;
            ranked(set, plan, &filter, &question, &budget, reading, &deadline)?
        };
        Ok(signs(&scores, compress::kept_by(budget.max_tokens.0, &candidates, &scores)))
    })
}

/// Offset and weights; every set counts alike.
fn learn(sets: &[&Told]) -> Vec<f64> {
    let mut examples = Vec::new();
    for told in sets {
        let count: usize = told.signs.iter().map(Vec::len).sum();
        let share = 1.0 / (sets.len() * count.max(1)) as f64;
        let pairs = told.signs.iter().flatten().zip(told.gained.iter().flatten());
        examples.extend(pairs.map(|(signs, gained)| logistic::Example {
            signs: signs.iter().map(|s| f64::from(*s)).collect(),
            holds: *gained,
            share,
        }));
    }
    logistic::fit(&examples, &[0.0; COUNT + 1], PRIOR)
}

fn chance(model: &[f64], signs: &[f32; COUNT]) -> f64 {
    let odds: f64 = model[0] + model[1..].iter().zip(signs).map(|(w, s)| w * f64::from(*s)).sum::<f64>();
    1.0 / (1.0 + (-odds).exp())
}

/// What it gains and takes to read for a share of all questions: those with the best chances.
fn as_needed(share: f64, chances: &[Vec<Vec<f64>>], fast: &[Kept], precise: &[Kept], kept: &[Kept]) -> (f64, f64) {
    let mut all: Vec<f64> = chances.iter().flatten().flatten().copied().collect();
    all.sort_by(|a, b| b.total_cmp(a));
    let at = ((all.len() as f64 * share).round() as usize).clamp(1, all.len().max(1));
    let threshold = all.get(at - 1).copied().unwrap_or(0.0);
    let (mut gain, mut of_all, mut tokens, mut all_tokens) = (0.0, 0.0, 0.0, 0.0);
    for (chances, ((fast, precise), kept)) in chances.iter().zip(fast.iter().zip(precise).zip(kept)) {
        let chances: Vec<f64> = chances.iter().flatten().copied().collect();
        let [fast, precise, kept] = [fast, precise, kept].map(Kept::flat);
        let count = chances.len().max(1) as f64;
        for (n, chance) in chances.iter().enumerate() {
            of_all += (precise[n].0 - fast[n].0) / count;
            all_tokens += precise[n].1 / count;
            if *chance >= threshold {
                gain += (kept[n].0 - fast[n].0) / count;
                tokens += kept[n].1 / count;
            }
        }
    }
    (gain / f64::max(of_all, 1e-9), tokens / f64::max(all_tokens, 1e-9))
}
