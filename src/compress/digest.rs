//! The digest of many passages: what they say, cluster by cluster, with how often it is said (CRAG, arXiv 2406.00029).
//!
//! Read [`Compressor::digest`] top to bottom: gather the passages, put them into clusters, count their facts, choose the
//! sentences that cover a cluster best, fit them under the budget. Every sentence is a slice of a stored document, and
//! every number was counted over all passages. Where it is asked for, a language model's summary stands above the
//! sentences of a cluster: the one text that is no slice, said to be none, and checked for numbers and names of its own.

mod choose;
mod facts;
mod gather;
mod keywords;
mod places;
mod summaries;

use std::ops::Range;

use self::choose::Told;
pub use self::facts::{Fact, Facts, MAX_FACTS, Numbers};
pub(crate) use self::gather::Origin;
use self::gather::{Clustered, Group};
pub(crate) use self::keywords::content_words;
use self::keywords::keywords;
pub use self::places::{MAX_PLACES, Place};
use self::summaries::Summaries;
pub use self::summaries::Summary;
use super::{Compressor, Corpus, Documents, MAX_SEGMENTS, Stats, check_budget, check_query, retrieve};
use crate::cluster::Number;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::fit::{Budget, Context, Fitted, Format, Section, fit_sections};
use crate::index::{Filter, View};
use crate::rank::Question;
use crate::summarize::{Cost, Method, Summarizer};

/// Passages of a whole collection that a question's digest is of, where the request says nothing.
pub const DIGEST_PASSAGES: usize = 200;
/// Keywords of a cluster.
const KEYWORDS: usize = 5;

/// A request for a digest.
#[derive(Clone)]
pub struct DigestRequest {
    /// What it is about; `None`: all that the corpus says.
    pub query: Option<String>,
    /// Where to look.
    pub corpus: Corpus,
    /// How much may come out.
    pub budget: Budget,
    /// How it is written.
    pub format: Format,
    /// How many clusters, 1 to 256; `None`: by the rule of [`Number::ForBudget`].
    pub clusters: Option<usize>,
    /// Metadata fields whose values are counted, at most [`MAX_FACTS`].
    pub facts: Vec<String>,
    /// With a question, how many of the best passages, 1 to 10,000. Where nothing is said, [`DIGEST_PASSAGES`] of a whole
    /// collection, and all that documents or the filtered part of a collection have.
    pub passages: Option<usize>,
    /// Where passages lie is told as well, of at most [`MAX_PLACES`].
    pub map: bool,
    /// A language model summarises every cluster, above its sentences.
    pub summary: Option<Method>,
}

/// A digest.
#[derive(Clone, Debug)]
pub struct Digest {
    /// What goes to the language model.
    pub context: Context,
    /// The clusters, the largest first; those that the budget has no room for have no excerpts.
    pub clusters: Vec<Cluster>,
    /// Facts of all passages.
    pub facts: Facts,
    /// Passages that it is of.
    pub passages: u64,
    /// Their documents.
    pub documents: u64,
    /// Where passages lie; empty unless it was asked for.
    pub places: Vec<Place>,
    /// What of it could not be done as it was asked for.
    pub warnings: Vec<String>,
    /// What its summaries cost.
    pub cost: Cost,
    /// What it took: `encode`, `retrieve`, `cluster`, `choose`, `summarize`, `fit`.
    pub stats: Stats,
}

/// One cluster of a digest.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its passages.
    pub passages: u64,
    /// The same as a share of all.
    pub share: f64,
    /// What it has more of than the others.
    pub keywords: Vec<String>,
    /// Mean cosine of its passages to its centroid.
    pub cohesion: f32,
    /// These passages are unlike all others; no centroid stands for them.
    pub outliers: bool,
    /// Its excerpts, places in the context's.
    pub excerpts: Range<usize>,
    /// Facts of its passages.
    pub facts: Facts,
    /// What a language model says of it, where that was asked for and could be had.
    pub summary: Option<Summary>,
}

impl Compressor {
    /// What a collection, a part of it, or documents say, cluster by cluster.
    ///
    /// # Errors
    /// As for [`Self::compress`]; [`Error::InvalidArgument`] and [`Error::LimitExceeded`] for `clusters`, `facts` and
    /// `passages`, and for `summary` where nobody summarises. A summary that can't be had is a warning.
    pub fn digest(&self, request: &DigestRequest, deadline: &Deadline) -> Result<Digest> {
        let number = check_request(request)?;
        let summaries = match request.summary {
            Some(method) => Some((self.summarizer.as_deref().ok_or_else(summaries::nobody)?, method)),
            None => None,
        };
        let mut stats = Stats::default();
        let (view, filter) = stats.time("encode", || self.open(&request.corpus, deadline))?;
        let view = view.as_ref();
        let question = match &request.query {
            Some(query) => Some(stats.time("encode", || Question::new(query, self.encoder.as_ref(), deadline))?),
            None => None,
        };
        let origin = match &question {
            Some(question) => {
                let whole = matches!(&request.corpus, Corpus::Collection { filter: Filter::All, .. });
                let limit = request.passages.unwrap_or_else(|| passages_told(whole));
                Origin::Found(stats.time("retrieve", || retrieve(view, &filter, question, limit, deadline))?)
            }
            None => Origin::All { view, filter: &filter },
        };
        let how = How {
            number,
            facts: &request.facts,
            documents: self.documents(&request.corpus),
            budget: &request.budget,
            format: request.format,
            map: request.map,
            summaries,
        };
        tell(view, &origin, question.as_ref(), &how, stats, deadline)
    }
}

/// How many passages a question's digest is of, where nothing is said: whoever names a part wants to hear all of it.
pub(crate) fn passages_told(whole_collection: bool) -> usize {
    if whole_collection { DIGEST_PASSAGES } else { MAX_SEGMENTS }
}

/// How a digest is told.
pub(crate) struct How<'a> {
    pub(crate) number: Number,
    pub(crate) facts: &'a [String],
    /// Whose documents these are.
    pub(crate) documents: Documents<'a>,
    pub(crate) budget: &'a Budget,
    pub(crate) format: Format,
    pub(crate) map: bool,
    /// Who summarises, and how.
    pub(crate) summaries: Option<(&'a dyn Summarizer, Method)>,
}

/// Clusters, counts, chooses and fits.
pub(crate) fn tell(
    view: &dyn View,
    origin: &Origin<'_>,
    question: Option<&Question>,
    how: &How<'_>,
    mut stats: Stats,
    deadline: &Deadline,
) -> Result<Digest> {
    let clustered = stats.time("cluster", || Clustered::of(origin, view, how.number, deadline))?;
    stats.candidates = clustered.passages();
    let (all, by_cluster) = facts::count(&clustered, view, how.facts);
    let told = stats.time("choose", || {
        let vector = question.map(|q| q.vector.pack());
        choose::choose(&clustered, view, vector.as_ref(), how.documents, how.budget.max_tokens.0, deadline)
    })?;
    let named = keywords(&told.keywords, KEYWORDS);
    let Summaries { by_cluster: mut summaries, warnings, cost } = match how.summaries {
        Some(who) => {
            stats.time("summarize", || summaries::of(&clustered, &told, who, question, how.budget, deadline))?
        }
        None => Summaries::none(clustered.clusters.len()),
    };
    let Fitted { context, excerpts } = stats.time("fit", || {
        let sections = sections(&clustered, &told, &named, &by_cluster, &summaries);
        fit_sections(&above(&clustered, &all), &told.sources, &sections, how.budget, how.format, deadline)
    })?;
    let places = if how.map { places::places(&clustered, view, &context)? } else { Vec::new() };
    let whole = clustered.passages().max(1) as f64;
    // A cluster that has no room is not told of, in no words.
    summaries.iter_mut().zip(&excerpts).filter(|(_, told)| told.is_empty()).for_each(|(summary, _)| *summary = None);
    let parts = clustered.clusters.iter().zip(named).zip(excerpts).zip(by_cluster).zip(summaries);
    let clusters = parts.map(|((((cluster, keywords), excerpts), facts), summary)| Cluster {
        passages: cluster.members.len() as u64,
        share: cluster.members.len() as f64 / whole,
        keywords,
        cohesion: cluster.cohesion(),
        outliers: cluster.outliers,
        excerpts,
        facts,
        summary,
    });
    Ok(Digest {
        clusters: clusters.collect(),
        passages: clustered.passages() as u64,
        documents: clustered.documents() as u64,
        facts: all,
        places,
        warnings,
        cost,
        context,
        stats,
    })
}

fn check_request(request: &DigestRequest) -> Result<Number> {
    request.query.as_deref().map_or(Ok(()), check_query)?;
    check_budget(&request.budget)?;
    facts::check(&request.facts)?;
    match request.passages {
        Some(_) if request.query.is_none() => {
            return Err(Error::invalid("digest.passages", "goes with a question: without one, all passages count"));
        }
        Some(0) => return Err(Error::invalid("digest.passages", "must be at least 1")),
        Some(n) if n > MAX_SEGMENTS => {
            let (limit, actual) = (MAX_SEGMENTS as u64, n as u64);
            return Err(Error::LimitExceeded { field: "digest.passages", limit, actual });
        }
        _ => {}
    }
    request.clusters.map_or(Ok(Number::ForBudget(request.budget.max_tokens.0)), Number::fixed)
}

/// What stands above all clusters: how much it is of, and its facts.
fn above(clustered: &Clustered, facts: &Facts) -> Vec<String> {
    let (passages, documents) = (clustered.passages(), clustered.documents());
    let of = if passages == documents { String::new() } else { format!(" of {}", counted(documents, "document")) };
    let clusters = counted(clustered.clusters.len(), "cluster");
    let whole = format!("{}{of} in {clusters}", counted(passages, "passage"));
    std::iter::once(whole).chain(facts.lines()).collect()
}

/// `1 cluster`, `2 clusters`.
fn counted(n: usize, of: &str) -> String {
    if n == 1 { format!("1 {of}") } else { format!("{n} {of}s") }
}

/// A cluster's part of the budget, in relation to the others'.
fn share(cluster: &Group) -> f64 {
    (cluster.members.len() as f64).sqrt()
}

fn sections(
    clustered: &Clustered,
    told: &Told,
    keywords: &[Vec<String>],
    facts: &[Facts],
    summaries: &[Option<Summary>],
) -> Vec<Section> {
    let all = clustered.passages();
    let section = |n: usize| {
        let cluster = &clustered.clusters[n];
        let size = cluster.members.len();
        let what = if cluster.outliers { " unlike the others" } else { "" };
        let mut title = format!("{size} of {all} passages{what}");
        if !keywords[n].is_empty() {
            title.push_str(": ");
            title.push_str(&keywords[n].join(", "));
        }
        let (pieces, best) = told.pieces[n].clone();
        let facts = facts[n].short().into_iter().collect();
        let summary = summaries[n].as_ref().map(Summary::line);
        Section { title, facts, summary, share: share(cluster), pieces, best }
    };
    (0..clustered.clusters.len()).map(section).collect()
}
