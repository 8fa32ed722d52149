//! Results as a gate, and the budget that is enough.

use std::str::FromStr;

use super::bootstrap::Interval;
use super::results::{Report, at};
use super::system::System;
use crate::error::{Error, Result};

/// `SET@BUDGET>=SHARE`: the least that must be kept, of answers, or of evidence where there are none.
/// `macro` as the set is the average over all sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    set: String,
    budget: u32,
    share: f64,
}

impl FromStr for Minimum {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let parsed = s.split_once(">=").and_then(|(place, share)| {
            let (set, budget) = place.trim().rsplit_once('@')?;
            Some(Self { set: set.to_owned(), budget: budget.parse().ok()?, share: share.trim().parse().ok()? })
        });
        parsed.filter(|m| (0.0..=1.0).contains(&m.share)).ok_or_else(|| {
            Error::invalid("min", format!("{s:?}: write SET@BUDGET>=SHARE, such as nq_multidoc@256>=0.62"))
        })
    }
}

impl Minimum {
    /// Fails with the line that fell short.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where less is kept, or where the run has no such set or budget.
    pub fn check(&self, report: &Report, system: System) -> Result<()> {
        let Self { set, budget, share } = self;
        let kept = if set == "macro" {
            report.macro_average(system, *budget)
        } else {
            report.sets.iter().find(|s| s.set == *set).and_then(|s| at(s, system, *budget)).map(kept)
        };
        match kept {
            None => Err(Error::invalid("min", format!("{set}@{budget}: was not measured for {system}"))),
            Some(kept) if kept.mean + 1e-9 < *share => Err(Error::invalid(
                "min",
                format!("{set}@{budget}: {system} keeps {:.4}, which is below {share}", kept.mean),
            )),
            Some(_) => Ok(()),
        }
    }
}

fn kept(b: &super::results::AtBudget) -> Interval {
    if b.answer_kept.n > 0 { b.answer_kept } else { b.evidence_kept }
}

/// The smallest budget at which a system keeps as much as at the largest one, as far as the interval can
/// tell, for every set.
#[must_use]
pub fn recommended(report: &Report, system: System) -> Vec<(String, u32, Interval)> {
    let mut out = Vec::new();
    for set in &report.sets {
        let Some(result) = set.systems.iter().find(|r| r.system == system) else { continue };
        let Some(full) = result.budgets.iter().max_by_key(|b| b.budget).map(kept) else { continue };
        let mut enough: Vec<_> = result.budgets.iter().filter(|b| kept(b).mean >= full.low).collect();
        enough.sort_by_key(|b| b.budget);
        out.extend(enough.first().map(|b| (set.set.clone(), b.budget, kept(b))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_is_parsed_or_refused() {
        let minimum: Minimum = "nq_multidoc@256>=0.62".parse().unwrap();
        assert_eq!(minimum, Minimum { set: "nq_multidoc".into(), budget: 256, share: 0.62 });
        for wrong in ["nq@256>=62", "nq>=0.5", "nq@x>=0.5", "nq@256"] {
            assert!(wrong.parse::<Minimum>().is_err(), "{wrong}");
        }
    }
}
