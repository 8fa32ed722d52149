//! One question, asked of one system at one budget.

use std::collections::{BTreeMap, HashSet};

use super::bootstrap::Random;
use super::data::Question as Labelled;
use super::plan::Plan;
use super::prepare::PreparedSet;
use super::sentences::Counts;
use super::system::System;
use super::{passages, sentences};
use crate::cluster::Number;
use crate::compress::{
    self, Documents, DropWords, How, MustKeep, Origin, Ranked, Shape, Stats, TrustLabels, WhoReads, WordSettings,
};
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::fit::{Budget, Format, Order};
use crate::index::{Filter, SegmentId, View};
use crate::rank::Question;

/// Documents are ranked from so many segments.
const RANKED_SEGMENTS: usize = 400;

/// What a system made of a question.
#[derive(Default)]
pub(super) struct Made {
    pub(super) text: String,
    pub(super) confidence: Option<f64>,
    /// Tokens that a reader read.
    pub(super) read: usize,
    pub(super) stages_ms: BTreeMap<&'static str, f64>,
}

/// A question that is being asked.
pub(super) struct Asked<'a> {
    pub(super) prepared: &'a PreparedSet,
    pub(super) plan: &'a Plan,
    pub(super) counts: Option<&'a Counts>,
    pub(super) labelled: &'a Labelled,
    pub(super) question: &'a Question,
    pub(super) encoder: &'a dyn Encoder,
    pub(super) seed: u64,
}

impl Asked<'_> {
    /// How a system ranks segments, where it does.
    pub(super) fn ranking(&mut self, system: System, deadline: &Deadline) -> Result<Option<Vec<SegmentId>>> {
        let filter = self.prepared.filter(self.labelled.candidates.as_deref());
        let by = match system {
            System::PassageBm25 => passages::By::Lexical,
            System::PassageDense => passages::By::Dense,
            System::PassageFused => passages::By::Fused,
            System::PassageSoft => passages::By::SoftVotes,
            System::Fast | System::Auto | System::AutoMini | System::AutoLanguage => {
                let view = &self.prepared.index;
                let found = compress::retrieve(view, &filter, self.question, RANKED_SEGMENTS, deadline)?;
                return Ok(Some(found.into_iter().map(|c| c.id).collect()));
            }
            System::Mini | System::Language | System::Precise | System::Xl3m => {
                return self.by_best_block(system, &filter, deadline).map(Some);
            }
            _ => return Ok(None),
        };
        passages::ranked(&self.prepared.passages, &filter, self.question, by).map(Some)
    }

    /// Segments in the order of their best blocks, read as the policy says.
    fn by_best_block(&self, system: System, filter: &Filter, deadline: &Deadline) -> Result<Vec<SegmentId>> {
        let most = self.plan.budgets.iter().copied().max().unwrap_or(1);
        let budget = Budget::new(most, self.plan.tokenizer.clone())?;
        let reading = self.plan.reading(system)?;
        let ranked = ranked(self.prepared, self.plan, filter, self.question, &budget, reading, deadline)?;
        let mut seen = HashSet::new();
        let best = ranked.scores.iter().map(|s| ranked.candidates[s.candidate].id).filter(|id| seen.insert(*id));
        Ok(best.collect())
    }

    pub(super) fn context(
        &mut self,
        system: System,
        order: Option<&[SegmentId]>,
        budget: u32,
        deadline: &Deadline,
    ) -> Result<Made> {
        let tokenizer = self.plan.tokenizer.as_ref();
        let made = |text| Made { text, ..Made::default() };
        let by = match system {
            served if served.asks_for().is_some() => {
                return self.served(budget, (self.plan.reading(served)?, None, 0.0), deadline);
            }
            System::Words => {
                let words = DropWords { encoder: self.encoder, settings: WordSettings::default() };
                return self.served(budget, (None, Some(words), 0.0), deadline);
            }
            System::Diverse => return self.served(budget, (None, None, sentences::DIVERSITY), deadline),
            System::Digest => return self.digest(budget, deadline),
            System::PassageBm25 | System::PassageDense | System::PassageFused | System::PassageSoft => {
                let ranked = order.unwrap_or_default();
                return passages::context(&self.prepared.passages, ranked, budget, tokenizer).map(made);
            }
            System::Random => sentences::By::Random(self.seed),
            System::Lead => sentences::By::Lead,
            System::Sentence => sentences::By::Bare,
            System::Mmr => sentences::By::Marginal,
            _ => sentences::By::Titled,
        };
        // Sets name the answering document first: no system may learn from that.
        let mut candidates = self.labelled.candidates.clone();
        if let Some(candidates) = &mut candidates {
            Random::new(self.seed).shuffle(candidates);
        }
        let query = self.question.vector.pack();
        let Some(counts) = self.counts else { return Ok(Made::default()) };
        Ok(made(sentences::context(self.prepared, candidates.as_deref(), &query, by, budget, tokenizer, counts)))
    }

    /// A digest of what the question is asked of, or of the best passages where that is everything.
    fn digest(&self, budget: u32, deadline: &Deadline) -> Result<Made> {
        let filter = self.prepared.filter(self.labelled.candidates.as_deref());
        let limit = compress::passages_told(filter == Filter::All);
        let view: &dyn View = &self.prepared.index;
        let origin = Origin::Found(compress::retrieve(view, &filter, self.question, limit, deadline)?);
        let budget = Budget::new(budget, self.plan.tokenizer.clone())?;
        let number = Number::ForBudget(budget.max_tokens.0);
        let how = How {
            number,
            facts: &[],
            documents: Documents::Stored(TrustLabels::NONE),
            budget: &budget,
            format: Format::Plain,
            map: false,
            summaries: None,
        };
        match compress::tell(view, &origin, Some(self.question), &how, Stats::default(), deadline) {
            Ok(digest) => Ok(Made { text: digest.context.text, stages_ms: digest.stats.stages_ms, ..Made::default() }),
            Err(Error::BudgetInfeasible { .. }) => Ok(Made::default()),
            Err(e) => Err(e),
        }
    }

    /// As the server does it.
    fn served(
        &self,
        budget: u32,
        (reading, words, diversity): (Option<WhoReads<'_>>, Option<DropWords<'_>>, f32),
        deadline: &Deadline,
    ) -> Result<Made> {
        let filter = self.prepared.filter(self.labelled.candidates.as_deref());
        let budget = Budget::new(budget, self.plan.tokenizer.clone())?;
        let shape = Shape { words, diversity, ..shape(self.plan, &budget, reading) };
        let view: &dyn View = &self.prepared.index;
        match compress::answer(view, &filter, self.question, &shape, Stats::default(), deadline) {
            Ok(answer) => Ok(Made {
                text: answer.context.text,
                confidence: Some(f64::from(answer.confidence)),
                read: answer.stats.read.iter().map(|read| read.tokens).sum(),
                stages_ms: answer.stats.stages_ms,
            }),
            // A budget below one block keeps nothing; that is measured, not an end of the run.
            Err(Error::BudgetInfeasible { .. }) => Ok(Made { confidence: Some(0.0), ..Made::default() }),
            Err(e) => Err(e),
        }
    }
}

/// What contexts have to look like here.
fn shape<'a>(plan: &'a Plan, budget: &'a Budget, reading: Option<WhoReads<'a>>) -> Shape<'a> {
    Shape {
        budget,
        format: Format::Plain,
        order: Order::Relevance,
        model: &plan.model,
        documents: Documents::Stored(TrustLabels::NONE),
        must_keep: &[],
        min_relevance: 0.0,
        explain: None,
        reading,
        diversity: 0.0,
        words: None,
    }
}

/// The blocks that a context for this question would be chosen from, best first.
pub(super) fn ranked(
    prepared: &PreparedSet,
    plan: &Plan,
    filter: &Filter,
    question: &Question,
    budget: &Budget,
    reading: Option<WhoReads<'_>>,
    deadline: &Deadline,
) -> Result<Ranked> {
    let (shape, must_keep) = (shape(plan, budget, reading), MustKeep::of(&question.text, &[])?);
    compress::ranked(&prepared.index, filter, question, &shape, &must_keep, &mut Stats::default(), deadline)
}
