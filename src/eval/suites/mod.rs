//! Sets made of a user's own documents, with labels by construction: what long context benchmarks measure, without
//! anybody's labelling.
//!
//! Every suite is a [`Set`] like any other; its questions are grouped by what makes them hard (depth, length,
//! number of needles), and reports show every group.

mod find;
mod making;
mod needles;
mod order;

use std::fmt;
use std::str::FromStr;

use super::data::Set;
use super::one_of;
use crate::document::Document;
use crate::error::{Error, Result};
use making::{Making, Material};

/// A kind of generated set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// A sentence that belongs nowhere, at every depth of texts of several lengths (Kamradt, "Needle in a haystack",
    /// 2023).
    Needles,
    /// Several sentences that all answer ("Needle Threading", arXiv 2411.05000, multiple needles).
    SeveralNeedles,
    /// Sentences that lead from one to the next, beside another such thread ("Needle Threading", conditional
    /// threads).
    Threads,
    /// The text that a sentence was taken from, among others (Ada-LEval, arXiv 2404.06480, BestAnswer).
    BestAnswer,
    /// Shuffled parts of a text, of all of which something must be kept (Ada-LEval, TSort).
    TimeOrder,
    /// Numbers changed, so that nobody knows the answer by heart (Giraffe, arXiv 2308.10882, AltQA).
    AlteredNumbers,
    /// Documents cut up and interleaved ("Untie the Knots", arXiv 2409.04774).
    Knots,
    /// The document that a sentence was taken from, by length of documents (LoCo, arXiv 2402.07440; TempScale).
    Lengths,
    /// Labelled examples of which one with the right label is wanted (LIConBench, arXiv 2404.02060).
    Demonstrations,
    /// Whether contexts keep to the budget, and use it (Ruler, arXiv 2409.18943, precise and flexible match).
    BudgetPrecision,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 10] = [
        Self::Needles,
        Self::SeveralNeedles,
        Self::Threads,
        Self::BestAnswer,
        Self::TimeOrder,
        Self::AlteredNumbers,
        Self::Knots,
        Self::Lengths,
        Self::Demonstrations,
        Self::BudgetPrecision,
    ];

    /// Its name in flags and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Needles => "needles",
            Self::SeveralNeedles => "several-needles",
            Self::Threads => "threads",
            Self::BestAnswer => "best-answer",
            Self::TimeOrder => "time-order",
            Self::AlteredNumbers => "altered-numbers",
            Self::Knots => "knots",
            Self::Lengths => "lengths",
            Self::Demonstrations => "demonstrations",
            Self::BudgetPrecision => "budget-precision",
        }
    }

    /// Makes the set; the same documents and seed make the same one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the documents hold too little text for it, and those of reading them.
    pub fn generate(self, documents: &[Document], seed: u64) -> Result<Set> {
        let mut material = Material::of(documents, seed)?;
        let mut making = Making::new(self.name());
        match self {
            Self::Needles => needles::single(&mut material, &mut making),
            Self::SeveralNeedles => needles::several(&mut material, &mut making),
            Self::Threads => needles::threads(&mut material, &mut making),
            Self::BestAnswer => find::best_answer(&mut material, &mut making),
            Self::TimeOrder => order::parts(&mut material, &mut making),
            Self::AlteredNumbers => find::altered_numbers(&mut material, &mut making),
            Self::Knots => order::knots(&mut material, &mut making),
            Self::Lengths => find::lengths(&mut material, &mut making),
            Self::Demonstrations => find::demonstrations(&mut material, &mut making),
            Self::BudgetPrecision => find::any_question(&mut material, &mut making),
        }?;
        making.done(self)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Suite {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        one_of("suite", &Self::ALL, Self::name, s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Content, Metadata};
    use crate::eval::data::{normalised, text_of};
    use crate::eval::measure::kept;

    fn documents(count: usize) -> Vec<Document> {
        let document = |n: usize| {
            let sentence =
                |m: usize| format!("The ship number {n} of harbour {m} carried {} barrels.", 10 + n * 40 + m);
            let text = (0..40).map(sentence).collect::<Vec<_>>().join(" ");
            Document {
                id: format!("d{n}").parse().unwrap(),
                uri: String::new(),
                title: format!("Ship {n}"),
                media_type: "text/plain".into(),
                metadata: Metadata::default(),
                content: Content::Text(text),
            }
        };
        (0..count).map(document).collect()
    }

    #[test]
    fn every_label_is_in_the_gold_documents() {
        for suite in Suite::ALL {
            let set = suite.generate(&documents(80), 1).unwrap();
            assert!(set.questions.len() >= 10, "{suite}");
            for question in &set.questions {
                let gold: Vec<&str> = question.gold.iter().map(|n| text_of(&set.documents[*n])).collect();
                let kept = kept(&gold.join("\n"), question);
                assert_ne!(kept.answer, Some(0.0), "{suite}: {question:?}");
                assert!(kept.all_evidence.is_none_or(|all| all == 1.0), "{suite}: {question:?}");
                assert!(suite == Suite::BudgetPrecision || !question.gold.is_empty(), "{suite}");
            }
        }
    }

    #[test]
    fn a_seed_makes_one_set() {
        for suite in Suite::ALL {
            let [a, b, other] = [1, 1, 2].map(|seed| format!("{:?}", suite.generate(&documents(80), seed).unwrap()));
            assert!(a == b && a != other, "{suite}");
        }
    }

    #[test]
    fn a_sentence_that_asks_for_its_text_is_not_in_it() {
        for suite in [Suite::BestAnswer, Suite::Lengths, Suite::Demonstrations] {
            let set = suite.generate(&documents(80), 3).unwrap();
            for question in &set.questions {
                let asked = normalised(&question.text);
                let there = question.gold.iter().any(|n| normalised(text_of(&set.documents[*n])).contains(&asked));
                assert!(!there, "{suite}: {asked}");
            }
        }
    }

    #[test]
    fn too_little_text_is_said() {
        for suite in Suite::ALL {
            let error = suite.generate(&documents(0), 1).unwrap_err().to_string();
            assert!(error.contains("too little"), "{error}");
        }
        assert!("needle".parse::<Suite>().unwrap_err().to_string().contains("needles"));
    }
}
