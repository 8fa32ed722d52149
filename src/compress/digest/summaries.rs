//! A language model's summary of every cluster, as far as the budget has room for it.

use std::time::Duration;

use super::choose::Told;
use super::gather::Clustered;
use super::share;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::fit::Budget;
use crate::rank::Question;
use crate::runtime::in_parallel;
use crate::split;
use crate::summarize::{Completion, Cost, Method, Summarizer, Task, not_in, summarize};
use crate::tokenize::TokenCounter;

/// A cluster's summary takes this part of its share; its sentences, which prove it, have the rest.
const PART: f64 = 0.6;
/// Shorter summaries say nothing.
const LEAST_TOKENS: u32 = 16;
/// What is left of the deadline for fitting.
const RESERVE: Duration = Duration::from_millis(100);

/// What a language model says of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The summary, whole sentences.
    pub text: String,
    /// Who says so.
    pub model: String,
    /// So many of the cluster's passages it was shown.
    pub passages: u64,
    /// Its numbers and names that none of them has.
    pub not_in_passages: Vec<String>,
}

impl Summary {
    /// As it stands in a context: said to be no quote, and what is doubtful about it.
    pub(super) fn line(&self) -> String {
        let doubt = match self.not_in_passages.as_slice() {
            [] => String::new(),
            words => format!(" [not in the passages: {}]", words.join(", ")),
        };
        format!("(summary by {}) {}{doubt}", self.model, self.text)
    }
}

/// The summaries of a digest.
pub(super) struct Summaries {
    pub(super) by_cluster: Vec<Option<Summary>>,
    pub(super) warnings: Vec<String>,
    pub(super) cost: Cost,
}

impl Summaries {
    pub(super) fn none(clusters: usize) -> Self {
        Self { by_cluster: vec![None; clusters], warnings: Vec::new(), cost: Cost::default() }
    }
}

/// Nobody is there who summarises.
pub(super) fn nobody() -> Error {
    Error::invalid("digest.summary", "there is no summarizer here (`summarizer_url`): leave it out, or set one up")
}

/// Summaries of all clusters. What fails is a warning, and the cluster is told in its own sentences alone.
pub(super) fn of(
    clustered: &Clustered,
    told: &Told,
    (summarizer, method): (&dyn Summarizer, Method),
    question: Option<&Question>,
    budget: &Budget,
    deadline: &Deadline,
) -> Result<Summaries> {
    let all: f64 = clustered.clusters.iter().map(share).sum();
    let (until, counter) = (deadline.reserving(RESERVE), budget.tokenizer.as_ref());
    let one = |n: usize| {
        let passages: Vec<&str> = told.passages[n].iter().map(|stored| stored.passage()).collect();
        let part = PART * f64::from(budget.max_tokens.0) * share(&clustered.clusters[n]) / all;
        let question = question.map(|q| q.text.as_str());
        let task = Task { passages: &passages, question, method, max_tokens: part as u32, counter };
        let made = if task.max_tokens < LEAST_TOKENS {
            Err(Error::Summarizer("the budget has no room for a summary".into()))
        } else {
            made(summarizer, &task, &until)
        };
        // What failed is told; only a caller that is gone ends it.
        match made {
            Err(Error::Cancelled) => Err(Error::Cancelled),
            other => Ok(other),
        }
    };
    let made = in_parallel(clustered.clusters.len(), summarizer.parallelism(), one)?;
    let mut summaries = Summaries::none(0);
    for (n, made) in made.into_iter().enumerate() {
        let (summary, error) = match made {
            Ok((summary, cost)) => {
                summaries.cost += cost;
                (Some(summary), None)
            }
            Err(e) => (None, Some(e)),
        };
        summaries.warnings.extend(error.map(|e| format!("cluster {} is not summarised: {e}", n + 1)));
        summaries.by_cluster.push(summary);
    }
    Ok(summaries)
}

fn made(summarizer: &dyn Summarizer, task: &Task<'_>, deadline: &Deadline) -> Result<(Summary, Cost)> {
    let Completion { text, cost } = summarize(summarizer, task, deadline)?;
    let text = shortened(&text, task.max_tokens, task.counter)
        .ok_or_else(|| Error::Summarizer(format!("its first sentence is over {} tokens", task.max_tokens)))?;
    let sources: Vec<&str> = task.passages.iter().copied().chain(task.question).collect();
    let not_in_passages = not_in(&text, &sources);
    let (model, passages) = (summarizer.name().to_owned(), task.passages.len() as u64);
    Ok((Summary { text, model, passages, not_in_passages }, cost))
}

/// As many of the first sentences as have no more than so many tokens together.
fn shortened(text: &str, max_tokens: u32, counter: &dyn TokenCounter) -> Option<String> {
    let sentences = split::sentences(text);
    let upto = sentences.iter().rev().map(|last| text[..last.end as usize].trim());
    upto.into_iter().find(|text| !text.is_empty() && counter.count(text).0 <= max_tokens).map(str::to_owned)
}
