//! Passages to a summary in a language model's words: what an abstractive digest says of a cluster.
//!
//! The library knows no network: who completes prompts is a [`Summarizer`]. What is ours is what it is asked (`prompt.rs`),
//! how passages that are too many for one prompt become one summary (the two ways of BooookScore, Chang et al., ICLR 2024,
//! arXiv 2310.00785), and what is looked at afterwards: [`not_in`] finds the numbers and names that no passage has.

mod cached;
mod checks;
mod prompt;

use std::ops::AddAssign;

pub use cached::CachedSummarizer;
pub use checks::not_in;

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::tokenize::TokenCounter;

/// A language model that completes prompts.
pub trait Summarizer: Send + Sync {
    /// The model's name: shown with what it says, and a part of what is remembered.
    fn name(&self) -> &str;

    /// Most tokens of the passages in one prompt, at least 256.
    fn max_input(&self) -> usize;

    /// Prompts at once.
    fn parallelism(&self) -> usize;

    /// Completes a prompt.
    ///
    /// # Errors
    /// [`Error::Summarizer`], the deadline's.
    fn complete(&self, prompt: &Prompt, deadline: &Deadline) -> Result<Completion>;
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What is wanted, and what is not.
    pub system: String,
    /// The passages.
    pub user: String,
    /// Most tokens of the completion.
    pub max_tokens: u32,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The text.
    pub text: String,
    /// What it cost.
    pub cost: Cost,
}

/// What summaries cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Prompts that were completed.
    pub calls: u64,
    /// Prompts whose completion was remembered.
    pub cached: u64,
    /// Calls that had to be repeated.
    pub retries: u64,
    /// Tokens of prompts, as the model's server counts them.
    pub prompt_tokens: u64,
    /// Tokens of completions, likewise.
    pub completion_tokens: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.cached += other.cached;
        self.retries += other.retries;
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
    }
}

/// How passages that do not fit one prompt become one summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Parts are summarised by themselves, and their summaries together, until one is left.
    #[default]
    Hierarchical,
    /// One summary is brought up to date with part after part.
    Incremental,
}

/// What is summarised, and how.
pub struct Task<'a> {
    /// The passages, the most typical first.
    pub passages: &'a [&'a str],
    /// What it is to be about.
    pub question: Option<&'a str>,
    /// How parts become one.
    pub method: Method,
    /// Most tokens of the summary.
    pub max_tokens: u32,
    /// Counts what goes into a prompt.
    pub counter: &'a dyn TokenCounter,
}

/// One summary of all passages, with what it cost; an empty one of no passages.
///
/// # Errors
/// The summarizer's, the deadline's.
pub fn summarize(summarizer: &dyn Summarizer, task: &Task<'_>, deadline: &Deadline) -> Result<Completion> {
    let mut cost = Cost::default();
    let mut ask = |prompt: Prompt| -> Result<String> {
        deadline.check("summarize")?;
        let completion = summarizer.complete(&prompt, deadline)?;
        cost += completion.cost;
        let text = completion.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() { Err(Error::Summarizer("the answer is empty".into())) } else { Ok(text) }
    };
    let size = Size { counter: task.counter, max_tokens: summarizer.max_input() };
    let text = match task.method {
        Method::Hierarchical => {
            let first = size.parts(task.passages, 1).into_iter();
            let mut texts = first.map(|part| ask(prompt::of_passages(task, &part))).collect::<Result<Vec<String>>>()?;
            while texts.len() > 1 {
                let texts_before: Vec<&str> = texts.iter().map(String::as_str).collect();
                // Two at least: every round leaves fewer.
                let merged = size.parts(&texts_before, 2).into_iter().map(|part| match part.as_slice() {
                    [one] => Ok((*one).to_owned()),
                    several => ask(prompt::of_summaries(task, several)),
                });
                texts = merged.collect::<Result<_>>()?;
            }
            texts.pop().unwrap_or_default()
        }
        Method::Incremental => size.parts(task.passages, 1).into_iter().try_fold(String::new(), |so_far, part| {
            let prompt = if so_far.is_empty() {
                prompt::of_passages(task, &part)
            } else {
                prompt::of_more(task, &so_far, &part)
            };
            ask(prompt)
        })?,
    };
    Ok(Completion { text, cost })
}

/// How much goes into a prompt.
struct Size<'a> {
    counter: &'a dyn TokenCounter,
    max_tokens: usize,
}

impl Size<'_> {
    /// Consecutive texts that fit together, at least so many each: the last part may have fewer.
    fn parts<'t>(&self, texts: &[&'t str], least: usize) -> Vec<Vec<&'t str>> {
        let mut parts: Vec<Vec<&str>> = Vec::new();
        let mut used = 0;
        for text in texts {
            let tokens = self.counter.count(text).0 as usize;
            match parts.last_mut() {
                Some(part) if used + tokens <= self.max_tokens || part.len() < least => {
                    part.push(text);
                    used += tokens;
                }
                _ => {
                    parts.push(vec![text]);
                    used = tokens;
                }
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::tokenize;

    /// Says how many passages it was shown, and remembers what it was asked.
    struct Counting(Mutex<Vec<Prompt>>);

    impl Summarizer for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn max_input(&self) -> usize {
            40
        }

        fn parallelism(&self) -> usize {
            1
        }

        fn complete(&self, prompt: &Prompt, _: &Deadline) -> Result<Completion> {
            let text = format!("{} shown.", prompt.user.matches("<passage>").count());
            self.0.lock().unwrap().push(prompt.clone());
            Ok(Completion { text, cost: Cost { calls: 1, ..Cost::default() } })
        }
    }

    fn ask(method: Method, passages: &[&str]) -> (Completion, Vec<Prompt>) {
        let summarizer = Counting(Mutex::default());
        let counter = tokenize::named("o200k_base").unwrap();
        let task = Task { passages, question: None, method, max_tokens: 50, counter: counter.as_ref() };
        let completion = summarize(&summarizer, &task, &Deadline::none()).unwrap();
        (completion, summarizer.0.into_inner().unwrap())
    }

    #[test]
    fn every_passage_is_shown_once_and_parts_become_one() {
        let passages: Vec<String> = (0..30).map(|n| format!("The sieve number {n} came in a box of oak.")).collect();
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
        for method in [Method::Hierarchical, Method::Incremental] {
            let (completion, prompts) = ask(method, &passages);
            assert!(!completion.text.is_empty() && completion.cost.calls == prompts.len() as u64);
            let all: String = prompts.iter().map(|p| p.user.as_str()).collect();
            assert!(passages.iter().all(|passage| all.matches(passage).count() == 1));
            assert!(prompts.len() > 5);
        }
        // Merges of summaries only: less and less is shown.
        assert!(ask(Method::Hierarchical, &passages).1.last().unwrap().user.contains("<summary>"));
    }

    #[test]
    fn few_passages_are_one_prompt_and_none_are_none() {
        assert_eq!(ask(Method::Incremental, &["One sieve."]).1.len(), 1);
        let (nothing, prompts) = ask(Method::Hierarchical, &[]);
        assert!(nothing.text.is_empty() && prompts.is_empty());
    }
}
