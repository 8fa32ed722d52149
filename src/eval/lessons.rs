//! What a reader is trained on: the passages that the fast ranking puts first for a labelled question, block by block,
//! with what it thinks of them and which are wanted. Passages without a wanted block are the hard negatives.

use serde::Serialize;

use super::data::Question as Labelled;
use super::prepare::{PreparedSet, in_parallel};
use super::tune::Wanted;
use crate::compress;
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::error::Result;
use crate::rank::{self, BlockScore, Candidate, Model, Question};
use crate::tokenize::TokenCounter;

/// Candidates that are ranked before the best are taken.
const CANDIDATES: usize = 64;

/// A question with its best passages.
#[derive(Clone, Debug, Serialize)]
pub struct Lesson {
    /// The set's name.
    pub set: String,
    /// The question's id.
    pub id: String,
    /// The question.
    pub question: String,
    /// Strings of which one answers it.
    pub answers: Vec<String>,
    /// No document answers it.
    pub unanswerable: bool,
    /// Its labels stand in documents of the set.
    pub sound: bool,
    /// The best passages, best first, and behind them those that hold a wanted block and are not among the best.
    pub passages: Vec<LessonPassage>,
}

/// A passage as a reader gets it.
#[derive(Clone, Debug, Serialize)]
pub struct LessonPassage {
    /// Its document's id.
    pub document: String,
    /// Its document's title.
    pub title: String,
    /// The headings above it.
    pub heading: String,
    /// What is read.
    pub text: String,
    /// Whether it is among the best.
    pub among_best: bool,
    /// The blocks that can be kept, in the order of the text.
    pub blocks: Vec<LessonBlock>,
}

/// A block.
#[derive(Clone, Debug, Serialize)]
pub struct LessonBlock {
    /// Its bytes in the passage.
    pub span: [usize; 2],
    /// The fast score.
    pub fast: f32,
    /// Its tokens, as budgets count them.
    pub tokens: u32,
    /// Whether it holds an answer or evidence.
    pub wanted: bool,
}

/// The lessons of a set: of every question so many of the best passages.
///
/// # Errors
/// The encoder's.
pub fn lessons(
    prepared: &PreparedSet,
    encoder: &dyn Encoder,
    model: &Model,
    tokenizer: &dyn TokenCounter,
    passages: usize,
) -> Result<Vec<Lesson>> {
    let deadline = Deadline::none();
    in_parallel(&prepared.set.questions, &|labelled: &Labelled| {
        let question = Question::new(&labelled.text, encoder, &deadline)?;
        let filter = prepared.filter(labelled.candidates.as_deref());
        let candidates = compress::retrieve(&prepared.index, &filter, &question, CANDIDATES, &deadline)?;
        let scores = rank::score_blocks(&question, &prepared.index, &candidates, model, &deadline)?;
        let wanted = Wanted::of(prepared, labelled);
        let all = rank::best_passages(&scores, candidates.len()).into_iter().enumerate();
        let all = all.map(|(place, n)| passage(&candidates[n], n, place < passages, &scores, &wanted, tokenizer));
        Ok(Lesson {
            set: prepared.set.name.clone(),
            id: labelled.id.clone(),
            question: labelled.text.clone(),
            answers: labelled.answers.clone(),
            unanswerable: labelled.unanswerable,
            sound: labelled.unanswerable || prepared.set.has_answer(labelled),
            passages: all.filter(|p| p.among_best || p.blocks.iter().any(|b| b.wanted)).collect(),
        })
    })
}

fn passage(
    candidate: &Candidate,
    n: usize,
    among_best: bool,
    scores: &[BlockScore],
    wanted: &Wanted,
    tokenizer: &dyn TokenCounter,
) -> LessonPassage {
    let span = candidate.stored.segment.span();
    let of = |score: &BlockScore| {
        let block = candidate.stored.segment.blocks[score.block].span;
        let text = candidate.stored.slice(block).unwrap_or_default();
        LessonBlock {
            span: [(block.start - span.start) as usize, (block.end - span.start) as usize],
            fast: score.fast(),
            tokens: tokenizer.count(text).0,
            wanted: wanted.holds(candidate.id.revision.0 as usize, text),
        }
    };
    let mut blocks: Vec<LessonBlock> = scores.iter().filter(|s| s.candidate == n).map(of).collect();
    blocks.sort_by_key(|b| b.span);
    LessonPassage {
        document: candidate.document.id.to_string(),
        title: candidate.document.title.clone(),
        heading: candidate.stored.heading.clone(),
        text: candidate.stored.slice(span).unwrap_or_default().to_owned(),
        among_best,
        blocks,
    }
}
