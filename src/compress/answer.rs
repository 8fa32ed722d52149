//! Everything after encoding: retrieve, rank, fit, and what is said about it.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::Ranker;
use super::candidates::{self, Documents};
use super::diversity::diversify;
use super::must_keep::MustKeep;
use super::repeats::said_once;
use super::words::DropWords;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::fit::{self, Budget, Context, Format, Order};
use crate::index::{Filter, View};
use crate::rank::features::NAMES;
use crate::rank::{self, BlockScore, Candidate, Effort, Lexical, Model, Question, Readings, Stage, WasRead, Who};
use crate::read::LazyReader;
use crate::span::Span;

/// Segments of a collection that are read by the rankers that read documents in their own order.
const WHOLE_DOCUMENT_PASSAGES: usize = 64;
/// Stages, as they are called in what was measured.
pub(crate) const READ: &str = "read";
pub(crate) const READ_MINI: &str = "read_mini";
/// Shortest lists to fuse.
const MIN_DEPTH: usize = 256;

/// How long every stage took, in milliseconds, and how much was looked at.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Segments that retrieval returned.
    pub candidates: usize,
    /// Tokens of these segments, in the budget's tokenizer.
    pub candidate_tokens: u64,
    /// What readers read, one after the other; empty where none was asked to.
    pub read: Vec<WasRead>,
    /// Stage name to milliseconds: `encode`, `retrieve`, `rank`, `read_mini`, `read`, `fit`.
    pub stages_ms: BTreeMap<&'static str, f64>,
}

impl Stats {
    pub(super) fn time<R>(&mut self, stage: &'static str, work: impl FnOnce() -> Result<R>) -> Result<R> {
        let _span = tracing::info_span!("stage", otel.name = stage).entered();
        let start = Instant::now();
        let result = work();
        *self.stages_ms.entry(stage).or_default() += start.elapsed().as_secs_f64() * 1e3;
        result
    }
}

/// A context, and what is known about it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What goes to the language model.
    pub context: Context,
    /// How likely it holds what the question asks for, 0 to 1; calibrated on labelled questions
    /// (docs/evaluation.md).
    pub confidence: f32,
    /// Terms to keep that it does not hold.
    pub not_kept: Vec<String>,
    /// Why blocks were kept and others were not; empty unless it was asked for.
    pub explanation: Vec<Explained>,
    /// What it took.
    pub stats: Stats,
}

/// A block with the parts of its score.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The document.
    pub document_id: String,
    /// Its revision.
    pub revision: u64,
    /// The block's bytes.
    pub span: Span,
    /// Whether it is in the context.
    pub kept: bool,
    /// Whether its passage was read.
    pub reading: WasBlockRead,
    /// What blocks are ordered by.
    pub score: f32,
    /// How likely it is wanted, 0 to 1.
    pub relevance: f32,
    /// `sum`, `trees`, and what readers added, `mini` and `language`, which add up to the score; what the first two were
    /// made of, by name; and, where it was read, what its tokens drew of each head, as `mini head LAYER.HEAD`.
    pub parts: Vec<(String, f32)>,
}

/// Whether a block's passage was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WasBlockRead {
    /// It was not among those to read.
    No,
    /// It was.
    Yes,
    /// It was to be read, and the deadline was near.
    Cut,
}

/// What a context has to look like.
pub(crate) struct Shape<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) format: Format,
    pub(crate) order: Order,
    /// How features become scores.
    pub(crate) model: &'a Model,
    /// Whose documents these are: of those that came with the request, all were encoded for it.
    pub(crate) documents: Documents<'a>,
    /// Terms to keep whenever the budget allows.
    pub(crate) must_keep: &'a [String],
    /// Less likely blocks are left out, though there be room for them.
    pub(crate) min_relevance: f32,
    /// So many blocks that are not in the context are explained beside those that are; `None`: nothing is.
    pub(crate) explain: Option<usize>,
    /// Who reads the best passages; `None`: nobody.
    pub(crate) reading: Option<WhoReads<'a>>,
    /// What it counts that a block is unlike the better ones, 0 to 1.
    pub(crate) diversity: f32,
    /// Blocks lose words; `None`: they are kept whole.
    pub(crate) words: Option<DropWords<'a>>,
}

/// Who reads, and how much.
#[derive(Clone)]
pub(crate) struct WhoReads<'a> {
    /// One after the other, each what the ones before put first.
    pub(crate) stages: Vec<ReadingStage<'a>>,
    pub(crate) ranker: Ranker,
    /// Most passages, if not as many as the stages say.
    pub(crate) passages: Option<usize>,
    /// Only where the ranking so far is unsure.
    pub(crate) only_where_unsure: bool,
}

/// One reader, and how much of it.
#[derive(Clone, Copy)]
pub(crate) struct ReadingStage<'a> {
    pub(crate) who: Who,
    pub(crate) reader: &'a LazyReader,
    pub(crate) stage: &'a Stage,
    /// Somebody reads after it, and takes longer questions.
    pub(crate) others_read: bool,
}

/// Retrieves, ranks and fits.
pub(crate) fn answer(
    view: &dyn View,
    filter: &Filter,
    question: &Question,
    shape: &Shape<'_>,
    mut stats: Stats,
    deadline: &Deadline,
) -> Result<Answer> {
    let must_keep = MustKeep::of(&question.text, shape.must_keep)?;
    let Ranked { candidates, scores, readings } =
        ranked(view, filter, question, shape, &must_keep, &mut stats, deadline)?;
    let pieces = |stats: &mut Stats| {
        let first = must_keep.blocks(&candidates, &scores);
        let enough = |s: &&BlockScore| s.relevance >= shape.min_relevance || first.contains(&(s.candidate, s.block));
        let choice: Vec<BlockScore> = scores.iter().filter(enough).copied().collect();
        let (sources, pieces) = candidates::pieces(&candidates, &choice, &first, shape.documents);
        let mut pieces = said_once(pieces);
        let from = (candidates.as_slice(), sources.as_slice());
        if shape.diversity > 0.0 {
            let of = |s: &BlockScore| {
                let candidate = &candidates[s.candidate];
                ((candidate.id.revision, candidate.stored.segment.blocks[s.block].span), s.relevance)
            };
            let relevance = scores.iter().map(of).collect();
            stats.time("rank", || diversify(&mut pieces, &relevance, from, shape.diversity, deadline))?;
        }
        if let Some(words) = &shape.words {
            stats.time("words", || words.of(&mut pieces, from, question, shape.budget, deadline))?;
        }
        Ok::<_, Error>((sources, pieces))
    };
    let (sources, pieces) = pieces(&mut stats)?;
    let context =
        stats.time("fit", || fit::fit(&sources, &pieces, shape.budget, shape.format, shape.order, deadline))?;
    stats.candidates = candidates.len();
    stats.candidate_tokens = candidates::tokens(&candidates, shape.budget.tokenizer.as_ref());
    let kept = Kept::of(&context);
    let relevances = scores.iter().filter(|s| kept.holds(&candidates[s.candidate], s)).map(|s| s.relevance);
    let explained =
        shape.explain.map_or_else(Vec::new, |dropped| explain(&candidates, &scores, &readings, &kept, dropped));
    Ok(Answer {
        confidence: shape.model.confidence(relevances),
        not_kept: must_keep.missing_in(context.excerpts.iter().map(|e| e.text.as_str())),
        explanation: explained,
        context,
        stats,
    })
}

/// Blocks of the candidates, best first.
pub(crate) struct Ranked {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) scores: Vec<BlockScore>,
    /// One for every reader.
    pub(crate) readings: Vec<Readings>,
}

/// Retrieves and ranks.
pub(crate) fn ranked(
    view: &dyn View,
    filter: &Filter,
    question: &Question,
    shape: &Shape<'_>,
    must_keep: &MustKeep,
    stats: &mut Stats,
    deadline: &Deadline,
) -> Result<Ranked> {
    let limit =
        if shape.documents.are_inline() { usize::MAX } else { candidates::for_budget(shape.budget.max_tokens.0) };
    let candidates = stats.time("retrieve", || {
        let mut found = retrieve(view, filter, question, limit, deadline)?;
        must_keep.retrieve(view, filter, &mut found)?;
        Ok(found)
    })?;
    let mut scores = stats.time("rank", || rank::score_blocks(question, view, &candidates, shape.model, deadline))?;
    let mut readings = Vec::new();
    let stages = shape.reading.iter().flat_map(|reading| reading.stages.iter().map(move |stage| (reading, *stage)));
    for (reading, stage) in stages {
        let name = match stage.who {
            Who::Mini => READ_MINI,
            Who::Language => READ,
        };
        readings
            .push(stats.time(name, || read(question, &candidates, &mut scores, (reading, stage), shape, deadline))?);
    }
    stats.read = readings.iter().map(|r: &Readings| r.was_read.clone()).collect();
    Ok(Ranked { candidates, scores, readings })
}

/// Has one reader read the best passages, as far as the request wants it.
fn read(
    question: &Question,
    candidates: &[Candidate],
    scores: &mut Vec<BlockScore>,
    (reading, stage): (&WhoReads<'_>, ReadingStage<'_>),
    shape: &Shape<'_>,
    deadline: &Deadline,
) -> Result<Readings> {
    let chosen = |scores: &[BlockScore]| match (reading.passages, shape.documents.are_inline()) {
        // The order of documents that came with the request is read whole, unless the request says otherwise.
        (None, true) => (0..candidates.len()).collect(),
        (passages, _) => rank::best_passages(scores, passages.unwrap_or(WHOLE_DOCUMENT_PASSAGES)),
    };
    match reading.ranker {
        Ranker::Fused => {
            let cut = || candidates::kept_by(shape.budget.max_tokens.0, candidates, scores);
            let effort = if reading.only_where_unsure { Effort::AsNeeded { cut: cut() } } else { Effort::Full };
            let mut how = stage.stage.clone();
            if let Some(asked) = reading.passages {
                (how.passages, how.passages_as_needed) = (asked, asked);
            }
            match rank::read(question, candidates, scores, (stage.who, stage.reader), &how, effort, deadline) {
                Err(Error::LimitExceeded { field: "query", .. }) if stage.others_read => {
                    Ok(Readings::of_long_question(stage.who))
                }
                read => read,
            }
        }
        Ranker::Xl3m(how) => {
            rank::read_by_certainty(question, candidates, &chosen(scores), scores, stage.reader, how, deadline)
        }
        Ranker::InfiniRetri(how) => {
            rank::read_by_attention(question, candidates, &chosen(scores), scores, stage.reader, how, deadline)
        }
    }
}

/// The best segments of two ranked lists. The lists are longer than what is wanted of them: what one has among
/// its first, the other should know the place of.
pub(crate) fn retrieve(
    view: &dyn View,
    filter: &Filter,
    question: &Question,
    limit: usize,
    deadline: &Deadline,
) -> Result<Vec<Candidate>> {
    let depth = limit.max(MIN_DEPTH);
    // At once: neither needs the other, and in a large collection or over a network both take a while.
    let (dense, lexical) = std::thread::scope(|scope| {
        let lexical = scope.spawn(|| {
            let hits = view.lexical(&question.terms, filter, depth)?;
            Ok((hits, view.statistics(&question.terms)?.spread()))
        });
        let dense = view.dense(&question.vector.pack(), filter, depth);
        (dense, lexical.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (dense, (hits, spread)) = (dense?, lexical?);
    deadline.check("retrieve")?;
    let lexical = Lexical { is_full: hits.len() == depth, hits: &hits, spread };
    rank::fuse(view, &dense, &lexical, limit)
}

/// The spans of a context by revision: every block inside one is kept.
struct Kept(HashMap<u64, Vec<Span>>);

impl Kept {
    fn of(context: &Context) -> Self {
        let mut spans: HashMap<u64, Vec<Span>> = HashMap::new();
        context.excerpts.iter().for_each(|e| spans.entry(e.source.revision.0).or_default().push(e.span));
        Self(spans)
    }

    fn holds(&self, candidate: &Candidate, score: &BlockScore) -> bool {
        let block = candidate.stored.segment.blocks[score.block].span;
        self.0.get(&candidate.id.revision.0).is_some_and(|spans| spans.iter().any(|s| s.contains(block)))
    }
}

/// The kept blocks and the first others, best first.
fn explain(
    candidates: &[Candidate],
    scores: &[BlockScore],
    readings: &[Readings],
    kept: &Kept,
    mut dropped: usize,
) -> Vec<Explained> {
    let mut out = Vec::new();
    for score in scores {
        let candidate = &candidates[score.candidate];
        let is_kept = kept.holds(candidate, score);
        if !is_kept && dropped == 0 {
            continue;
        }
        dropped -= usize::from(!is_kept);
        let heard: Vec<_> = readings.iter().filter_map(|r| Some((r, r.heard(score)?))).collect();
        let added = readings.iter().map(|r| r.was_read.who).map(|who| (who.name(), score.added_by(who)));
        let made_of = [("sum", score.sum), ("trees", score.trees)].into_iter().chain(added);
        let made_of = made_of.chain(heard.iter().filter_map(|(_, h)| Some(("entropy", h.entropy?))));
        let made_of = made_of.chain(NAMES.into_iter().zip(score.features.values()));
        let by_head = heard.iter().flat_map(|(readings, h)| {
            let who = readings.was_read.who.name();
            let heads = readings.heads.iter().zip(&h.heads);
            heads.map(move |(head, drawn)| (format!("{who} head {}.{}", head.layer, head.head), *drawn))
        });
        out.push(Explained {
            document_id: candidate.document.id.to_string(),
            revision: candidate.id.revision.0,
            span: candidate.stored.segment.blocks[score.block].span,
            kept: is_kept,
            reading: match heard.is_empty() {
                false => WasBlockRead::Yes,
                true if readings.iter().any(|r| r.was_cut(score)) => WasBlockRead::Cut,
                true => WasBlockRead::No,
            },
            score: score.score,
            relevance: score.relevance,
            parts: made_of.map(|(name, part)| (name.to_owned(), part)).chain(by_head).collect(),
        });
    }
    out
}
