//! Choosing the heads of a reader on labelled questions: which of them look at the block that answers.
//!
//! Of every question the best passages are read once with all heads, from the last token and from the question's. What
//! counts is not how often a head looks at the wanted block: those that do so most often look at the question's own
//! words, which the fast ranking has seen already. It is the rank of the wanted block when the attention is added to the
//! fast score, as it will be. Heads are chosen greedily, the one that adds most after the other, and the fewest layers that
//! are about as good as any number: nothing after the last layer that is listened to is computed, and heads cost nothing.
//!
//! InfiniRetri listens to the last layer and all its heads (arXiv 2502.12962, section 3); ILRe picks one layer in the
//! middle (arXiv 2508.17892). Small models spread it over a few heads of several layers.

use std::collections::HashMap;

use serde::Serialize;

use super::bootstrap::{self, Interval};
use super::prepare::{PreparedSet, in_parallel};
use super::tune::Wanted;
use crate::compress;
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::onnx::Head;
use crate::rank::{self, BlockScore, Model, Passage, Question};
use crate::read::{Evidence, HeadTable, LeftOut, Reader, Rows};

/// Candidates that are ranked before the best are read.
const CANDIDATES: usize = 64;
/// Keeps the logarithm of no attention finite, as `models/reading.toml` has it.
const LEAST: f32 = 1e-3;
/// Most heads of a choice.
const MOST: usize = 10;
/// Heads of the allowed layers that a choice is made from: the best alone.
const CHOSEN_FROM: usize = 32;

/// What all heads heard of one question's best passages.
pub struct Heard {
    /// By head and block, the attention from the last token.
    last: Vec<Vec<f32>>,
    /// The same from the question's tokens, on average.
    question: Vec<Vec<f32>>,
    /// The fast scores of the blocks.
    fast: Vec<f32>,
    /// Blocks that are wanted.
    wanted: Vec<usize>,
}

/// Reads so many of the best passages of every question that has both wanted and other blocks there.
///
/// # Errors
/// The encoder's and the reader's.
pub fn listen(
    prepared: &PreparedSet,
    encoder: &dyn Encoder,
    reader: &dyn Reader,
    model: &Model,
    passages: usize,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<Heard>> {
    let deadline = Deadline::none();
    let heard = in_parallel(&prepared.set.questions, &|labelled| -> Result<Option<Heard>> {
        let question = Question::new(&labelled.text, encoder, &deadline)?;
        let filter = prepared.filter(labelled.candidates.as_deref());
        let candidates = compress::retrieve(&prepared.index, &filter, &question, CANDIDATES, &deadline)?;
        let scores = rank::score_blocks(&question, &prepared.index, &candidates, model, &deadline)?;
        let best = rank::best_passages(&scores, passages);
        let is_wanted = Wanted::of(prepared, labelled);
        let blocks: Vec<(usize, usize)> =
            scores.iter().filter(|s| best.contains(&s.candidate)).map(|s| (s.candidate, s.block)).collect();
        let wanted = blocks.iter().enumerate().filter(|(_, (candidate, block))| {
            let candidate = &candidates[*candidate];
            let text = candidate.stored.slice(candidate.stored.segment.blocks[*block].span).unwrap_or_default();
            is_wanted.holds(candidate.id.revision.0 as usize, text)
        });
        let wanted: Vec<usize> = wanted.map(|(n, _)| n).collect();
        let fast = scores.iter().filter(|s| best.contains(&s.candidate)).map(BlockScore::fast).collect();
        progress();
        if wanted.is_empty() || wanted.len() == blocks.len() {
            return Ok(None);
        }
        let read = rank::listen(&question, &candidates, &best, reader, Rows::Question, &deadline)?;
        let read: HashMap<usize, Passage> = best.iter().copied().zip(read.into_iter().flatten()).collect();
        let heads = read.values().next().map_or(0, |passage| passage.heads.len());
        let by_head = |of: fn(&Passage) -> &[Vec<f32>]| -> Vec<Vec<f32>> {
            let attention = |head: usize, (candidate, block): &(usize, usize)| of(&read[candidate])[*block][head];
            (0..heads).map(|head| blocks.iter().map(|b| attention(head, b)).collect()).collect()
        };
        Ok(Some(Heard { last: by_head(|p| &p.last), question: by_head(|p| &p.blocks), fast, wanted }))
    })?;
    Ok(heard.into_iter().flatten().collect())
}

/// A set's questions, as they were heard.
pub struct HeardSet {
    /// Its name.
    pub name: String,
    /// Its questions.
    pub questions: Vec<Heard>,
}

/// How well one head does by itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HeadScore {
    /// Which.
    pub head: Head,
    /// From where.
    pub rows: Rows,
    /// Share of questions whose best block by it alone is wanted, the mean over sets.
    pub first: f64,
    /// Mean reciprocal rank of the first wanted block by it and the fast score.
    pub reciprocal_rank: f64,
}

/// The table, and every head's score.
#[derive(Serialize)]
pub struct Calibrated {
    /// For the reader.
    pub table: HeadTable,
    /// All heads, from both kinds of rows.
    pub scores: Vec<HeadScore>,
}

/// Chooses heads among `heads`, those that were listened to.
///
/// # Errors
/// [`Error::InvalidArgument`] where no question can tell heads apart.
pub fn calibrate(model: &str, heads: &[Head], sets: &[HeardSet], seed: u64) -> Result<Calibrated> {
    let told: Vec<&HeardSet> = sets.iter().filter(|s| !s.questions.is_empty()).collect();
    if told.is_empty() || heads.is_empty() {
        return Err(Error::invalid("data", "no question has a wanted block among its best passages"));
    }
    let mut scores = Vec::new();
    for rows in [Rows::Last, Rows::Mean] {
        for (n, head) in heads.iter().enumerate() {
            let first = mean(&measured(&told, rows, &[n], first));
            let reciprocal_rank = mean(&measured(&told, rows, &[n], fused));
            scores.push(HeadScore { head: *head, rows, first, reciprocal_rank });
        }
    }
    let (chosen, best) = choose(heads, &told, seed);
    let groups = measured(&told, chosen.rows, &chosen.heads, fused);
    let Interval { mean: rank, low, high, n } = bootstrap::mean_of_means(&groups, seed);
    let named = |choice: &Choice| choice.heads.iter().map(|n| heads[*n]).collect::<Vec<Head>>();
    let sets: &[&HeardSet] = if told.len() > 1 { &told } else { &[] };
    let left_out = in_parallel(sets, &|set| {
        let others: Vec<&HeardSet> = told.iter().copied().filter(|s| s.name != set.name).collect();
        let (without, _) = choose(heads, &others, seed);
        let reciprocal_rank = rounded(mean(&measured(&[*set], without.rows, &without.heads, fused)));
        Ok(LeftOut { set: set.name.clone(), rows: without.rows, heads: named(&without), reciprocal_rank })
    })?;
    let evidence = Evidence {
        questions: n,
        first: rounded(mean(&measured(&told, chosen.rows, &chosen.heads, first))),
        reciprocal_rank: rounded(rank),
        interval: [rounded(low), rounded(high)],
        best: rounded(best),
    };
    let table = HeadTable { model: model.to_owned(), rows: chosen.rows, heads: named(&chosen), evidence, left_out };
    Ok(Calibrated { table, scores })
}

fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

/// Heads, as places among those that were listened to.
#[derive(Clone)]
struct Choice {
    rows: Rows,
    heads: Vec<usize>,
}

/// The best choice of the fewest layers that are within one standard error of the best of all, and that one's mean.
fn choose(heads: &[Head], sets: &[&HeardSet], seed: u64) -> (Choice, f64) {
    let mut layers: Vec<usize> = heads.iter().map(|h| h.layer).collect();
    layers.dedup();
    // By layers, the best choice with its measures.
    let mut choices: Vec<(Choice, Vec<Vec<f64>>, f64)> = Vec::new();
    let by_rows = [Rows::Last, Rows::Mean].map(|rows| (rows, by_worth(heads, sets, rows)));
    for last in layers {
        let mut best: Option<(Choice, Vec<Vec<f64>>, f64)> = None;
        for (rows, by_worth) in &by_rows {
            let allowed: Vec<usize> =
                by_worth.iter().copied().filter(|n| heads[*n].layer <= last).take(CHOSEN_FROM).collect();
            for chosen in greedy(sets, *rows, &allowed) {
                let groups = measured(sets, *rows, &chosen, fused);
                let mean = mean(&groups);
                if best.as_ref().is_none_or(|(_, _, so_far)| mean > *so_far) {
                    best = Some((Choice { rows: *rows, heads: chosen }, groups, mean));
                }
            }
        }
        choices.extend(best);
    }
    let Some((best, best_groups, best_mean)) = choices.iter().max_by(|a, b| a.2.total_cmp(&b.2)).cloned() else {
        return (Choice { rows: Rows::Last, heads: vec![0] }, 0.0);
    };
    let as_good = |groups: &[Vec<f64>]| {
        let pairs = groups.iter().zip(&best_groups);
        let less: Vec<Vec<f64>> = pairs.map(|(mine, its)| mine.iter().zip(its).map(|(a, b)| a - b).collect()).collect();
        // Breiman and others, "Classification and Regression Trees" (1984), section 3.4.3; a 95% interval is 3.92 of
        // them.
        let Interval { mean, low, high, .. } = bootstrap::mean_of_means(&less, seed);
        mean + (high - low) / 3.92 >= 0.0
    };
    let cheapest = choices.into_iter().find(|(_, groups, _)| as_good(groups)).map(|(choice, ..)| choice);
    (cheapest.unwrap_or(best), best_mean)
}

/// Heads, the one that is worth most by itself first.
fn by_worth(heads: &[Head], sets: &[&HeardSet], rows: Rows) -> Vec<usize> {
    let worth = |n: usize| (n, mean(&measured(sets, rows, &[n], fused)));
    let mut alone: Vec<(usize, f64)> = (0..heads.len()).map(worth).collect();
    alone.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    alone.into_iter().map(|(n, _)| n).collect()
}

/// Sets of one, two and more heads, each with the one more that helps most.
fn greedy(sets: &[&HeardSet], rows: Rows, allowed: &[usize]) -> Vec<Vec<usize>> {
    let mut out: Vec<Vec<usize>> = Vec::new();
    let mut chosen: Vec<usize> = Vec::new();
    let mut sums: Vec<Vec<Vec<f32>>> =
        sets.iter().map(|s| s.questions.iter().map(|q| vec![0.0; of(q, rows)[0].len()]).collect()).collect();
    while chosen.len() < MOST.min(allowed.len()) {
        let with = |n: usize| -> f64 {
            let sets = sets.iter().zip(&sums).map(|(set, sums)| {
                let ranks = set.questions.iter().zip(sums).map(|(q, sum)| {
                    let more = sum.iter().zip(&of(q, rows)[n]);
                    fused(q, &more.map(|(a, b)| a + b).collect::<Vec<f32>>())
                });
                ranks.sum::<f64>() / set.questions.len() as f64
            });
            sets.sum()
        };
        let rest = allowed.iter().copied().filter(|n| !chosen.contains(n));
        let scored: Vec<(usize, f64)> = rest.map(|n| (n, with(n))).collect();
        let Some((next, _)) = scored.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a }) else { break };
        for (set, sums) in sets.iter().zip(&mut sums) {
            for (q, sum) in set.questions.iter().zip(sums) {
                sum.iter_mut().zip(&of(q, rows)[next]).for_each(|(sum, more)| *sum += more);
            }
        }
        chosen.push(next);
        out.push(chosen.clone());
    }
    out
}

fn of(heard: &Heard, rows: Rows) -> &[Vec<f32>] {
    match rows {
        Rows::Last => &heard.last,
        Rows::Question | Rows::Mean => &heard.question,
    }
}

fn summed(heard: &Heard, rows: Rows, heads: &[usize]) -> Vec<f32> {
    let by_head = of(heard, rows);
    let blocks = by_head.first().map_or(0, Vec::len);
    (0..blocks).map(|block| heads.iter().map(|head| by_head[*head][block]).sum()).collect()
}

/// Reciprocal rank of the first wanted block; blocks that tie stand in the way of each other.
fn reciprocal(signals: &[f32], wanted: &[usize]) -> f64 {
    let best = wanted.iter().map(|n| signals[*n]).fold(f32::MIN, f32::max);
    let before = (0..signals.len()).filter(|n| signals[*n] >= best && !wanted.contains(n)).count();
    1.0 / (before + 1) as f64
}

/// Whether a wanted block is first by attention alone.
fn first(heard: &Heard, attention: &[f32]) -> f64 {
    if reciprocal(attention, &heard.wanted) == 1.0 { 1.0 } else { 0.0 }
}

/// Reciprocal rank by attention and the fast score together.
fn fused(heard: &Heard, attention: &[f32]) -> f64 {
    let added = rank::signals(attention, LEAST);
    let scores: Vec<f32> = heard.fast.iter().zip(added).map(|(fast, added)| fast + added).collect();
    reciprocal(&scores, &heard.wanted)
}

/// A measure of every question, by set.
fn measured(sets: &[&HeardSet], rows: Rows, heads: &[usize], measure: fn(&Heard, &[f32]) -> f64) -> Vec<Vec<f64>> {
    let of_question = |q: &Heard| measure(q, &summed(q, rows, heads));
    sets.iter().map(|set| set.questions.iter().map(of_question).collect()).collect()
}

/// The mean over sets of their means.
fn mean(groups: &[Vec<f64>]) -> f64 {
    groups.iter().map(|g| g.iter().sum::<f64>() / g.len() as f64).sum::<f64>() / groups.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions of three blocks; head 1 looks at the wanted one, head 2 most of the time, head 0 never.
    fn set(name: &str) -> HeardSet {
        let question = |n: usize| {
            let wanted = n % 3;
            let look = |at: usize| (0..3).map(|block| if block == at { 0.5 } else { 0.1 }).collect::<Vec<f32>>();
            let last =
                vec![look(wanted + 1), look(wanted), look(if n.is_multiple_of(5) { wanted + 1 } else { wanted })];
            Heard { question: vec![vec![0.2; 3]; 3], last, fast: vec![0.0; 3], wanted: vec![wanted] }
        };
        HeardSet { name: name.to_owned(), questions: (0..60).map(question).collect() }
    }

    #[test]
    fn the_cheapest_head_that_looks_answers_up_is_chosen() {
        let heads = [[3, 0], [5, 1], [7, 0]].map(Head::from);
        let found = calibrate("m", &heads, &[set("a"), set("b")], 1).unwrap();
        assert_eq!((found.table.rows, &found.table.heads[..]), (Rows::Last, &heads[1..2]));
        assert_eq!((found.table.evidence.questions, found.table.evidence.first), (120, 1.0));
        assert_eq!(found.table.left_out.len(), 2);
        assert!(found.scores.iter().filter(|s| s.rows == Rows::Mean).all(|s| s.first == 0.0), "ties tell nothing");
        assert!(calibrate("m", &heads, &[], 1).is_err());
    }
}
