//! Results as JSON, text and Markdown.

mod groups;

use std::collections::BTreeMap;

use super::bootstrap::Interval;
use super::compare;
use super::results::{AtBudget, Report, SetResult, SystemResult};
use super::system::System;

impl Report {
    /// A table for a terminal: answers (or evidence) kept by set, system and budget.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for set in &self.sets {
            let (questions, documents) = (set.questions.len(), set.documents);
            out.push_str(&format!("\n{}: {questions} questions, {documents} documents\n", set.set));
            for warning in &set.warnings {
                out.push_str(&format!("  note: {warning}\n"));
            }
            for (name, values) in measures(set) {
                out.push_str(&format!("  {name:<22}"));
                self.budgets().for_each(|budget| out.push_str(&format!("{budget:>18}")));
                out.push('\n');
                for (system, intervals) in values {
                    out.push_str(&format!("    {system:<20}"));
                    intervals.iter().for_each(|i| out.push_str(&format!("{:>18}", shown(i))));
                    out.push('\n');
                }
            }
            for result in set.systems.iter() {
                if let Some(documents) = &result.documents {
                    out.push_str(&format!("    {:<20}", result.system));
                    for (k, recall) in &documents.recall {
                        out.push_str(&format!("  R@{k} {:.1}", 100.0 * recall.mean));
                    }
                    out.push_str(&format!("  nDCG@10 {:.1}\n", 100.0 * documents.ndcg_10.mean));
                }
            }
            trust(set).iter().for_each(|line| out.push_str(&format!("    {line}\n")));
            groups::lines(set, self.seed).iter().for_each(|line| out.push_str(&format!("    {line}\n")));
            for result in &set.systems {
                let stages: Vec<String> =
                    result.stages_ms.iter().map(|(stage, ms)| format!("{stage} {ms:.1}")).collect();
                let (system, tokens) = (result.system, result.model_tokens);
                out.push_str(&format!(
                    "    {system:<20}  {tokens:.0} tokens read by models; ms: {}\n",
                    stages.join(", ")
                ));
            }
        }
        if self.sets.len() > 1 {
            out.push_str("\nmacro average of answers kept\n");
            for system in self.systems() {
                out.push_str(&format!("    {system:<20}"));
                for budget in self.budgets() {
                    let average = self.macro_average(system, budget);
                    out.push_str(&format!("{:>18}", average.as_ref().map_or_else(String::new, shown)));
                }
                out.push('\n');
            }
        }
        out
    }

    /// The same as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let head = |out: &mut String, what: &str| {
            out.push_str(&format!("| {what} |"));
            self.budgets().for_each(|budget| out.push_str(&format!(" {budget} |")));
            out.push_str(&format!("\n|---|{}\n", "---|".repeat(self.budgets().count())));
        };
        let line = |out: &mut String, system: System, intervals: &[Interval]| {
            let name = if system == System::Fast { format!("**{system}**") } else { system.to_string() };
            out.push_str(&format!("| {name} |"));
            intervals.iter().for_each(|i| out.push_str(&format!(" {} |", shown(i))));
            out.push('\n');
        };
        if self.sets.len() > 1 {
            out.push_str("### Macro average\n\n");
            head(&mut out, "answer kept");
            for system in self.systems() {
                let averages: Vec<Interval> =
                    self.budgets().filter_map(|budget| self.macro_average(system, budget)).collect();
                line(&mut out, system, &averages);
            }
            out.push('\n');
        }
        for set in &self.sets {
            out.push_str(&format!("### {}\n\n", set.set));
            out.push_str(&format!("{} questions, {} documents.\n", set.questions.len(), set.documents));
            set.warnings.iter().for_each(|w| out.push_str(&format!("Note: {w}.\n")));
            out.push('\n');
            for (name, values) in measures(set) {
                head(&mut out, name);
                values.iter().for_each(|(system, intervals)| line(&mut out, *system, intervals));
                out.push('\n');
            }
            documents(&mut out, set);
            trust(set).iter().for_each(|line| out.push_str(&format!("- {line}\n")));
            out.push('\n');
            out.push_str(&groups::table(set, self.seed));
        }
        self.gains(&mut out);
        out.push_str(&self.losses());
        out
    }

    /// The first system over the strong baselines, paired.
    fn gains(&self, out: &mut String) {
        let Some(first) = self.systems().next() else { return };
        for other in self.systems().filter(|s| matches!(s, System::TitleSentence | System::PassageFused)) {
            out.push_str(&format!("### {first} over {other}, in points, paired\n\n| set |"));
            self.budgets().for_each(|budget| out.push_str(&format!(" {budget} |")));
            out.push_str(&format!("\n|---|{}\n", "---|".repeat(self.budgets().count())));
            for set in &self.sets {
                out.push_str(&format!("| {} |", set.set));
                for budget in self.budgets() {
                    let gain = compare::gain(self, set, first, other, budget);
                    out.push_str(&format!(" {} |", gain.as_ref().map_or_else(String::new, points)));
                }
                out.push('\n');
            }
            out.push('\n');
        }
    }

    /// Where the first system keeps less than another, beyond chance: the paired interval lies below zero.
    fn losses(&self) -> String {
        let mut lines = Vec::new();
        let systems: Vec<System> = self.systems().collect();
        let Some((first, others)) = systems.split_first() else { return String::new() };
        for set in &self.sets {
            for budget in self.budgets() {
                for other in others {
                    let gain = compare::gain(self, set, *first, *other, budget).filter(|g| g.high < 0.0);
                    lines.extend(
                        gain.map(|g| format!("- {} at {budget}: {} points against {other}\n", set.set, points(&g))),
                    );
                }
            }
        }
        let found = if lines.is_empty() { "Nowhere here, beyond chance.\n".to_owned() } else { lines.concat() };
        format!("### Where {first} loses\n\n{found}\n")
    }
}

/// A difference in points, with its interval.
#[must_use]
pub fn points(gain: &Interval) -> String {
    format!("{:+.1} [{:+.1}, {:+.1}]", 100.0 * gain.mean, 100.0 * gain.low, 100.0 * gain.high)
}

/// Per cent, with the interval.
fn shown(interval: &Interval) -> String {
    let percent = |share: f64| 100.0 * share;
    format!("{:.1} [{:.0}, {:.0}]", percent(interval.mean), percent(interval.low), percent(interval.high))
}

const WORDS: &str = "words of evidence kept";

type Lines = Vec<(System, Vec<Interval>)>;

/// The measures for which a set has labels.
fn measures(set: &SetResult) -> Vec<(&'static str, Lines)> {
    type Measure = fn(&AtBudget) -> Interval;
    let all: [(&str, Measure); 6] = [
        ("answer kept", |b| b.answer_kept),
        ("evidence kept", |b| b.evidence_kept),
        ("all evidence kept", |b| b.all_evidence_kept),
        (WORDS, |b| b.evidence_words),
        ("aspects told", |b| b.aspects_told),
        ("nine tenths used", |b| b.filled),
    ];
    let lines = |get: Measure| -> Lines {
        let of = |r: &SystemResult| (r.system, r.budgets.iter().map(get).collect::<Vec<_>>());
        set.systems.iter().map(of).collect()
    };
    let measured = all.into_iter().map(|(name, get)| (name, lines(get)));
    let known = |get: Measure| set.systems.iter().flat_map(|r| &r.budgets).map(move |b| get(b).mean);
    // Words say more than whole pieces of evidence only where those are longer than the budget.
    let is_short = known(all[1].1).zip(known(all[3].1)).all(|(whole, words)| words - whole < 0.05);
    let mut measured: Vec<(&str, Lines)> =
        measured.filter(|(_, lines)| lines.iter().any(|(_, i)| i.iter().any(|i| i.n > 0))).collect();
    measured.retain(|(name, _)| !(is_short && *name == WORDS));
    // How full contexts are is of interest where nothing else is known of them.
    if measured.len() > 1 {
        measured.pop();
    }
    measured
}

/// What the confidence of a system was worth, budget by budget.
fn trust(set: &SetResult) -> Vec<String> {
    let mut lines = Vec::new();
    for (result, budget) in set.systems.iter().flat_map(|r| r.budgets.iter().map(move |b| (r, b))) {
        let place = format!("{} at {}", result.system, budget.budget);
        if let Some(sure) = &budget.sure {
            lines.push(format!("{place}: sure of {} questions, of which it kept {}", sure.n, shown(sure)));
        }
        if let Some(area) = budget.tells_unanswerable {
            lines.push(format!("{place}: confidence tells unanswerable questions with an area of {area:.3}"));
        }
    }
    lines
}

fn documents(out: &mut String, set: &SetResult) {
    let ranked: BTreeMap<System, _> =
        set.systems.iter().filter_map(|r| r.documents.as_ref().map(|d| (r.system, d))).collect();
    let Some(first) = ranked.values().next() else { return };
    out.push_str("| documents found |");
    first.recall.keys().for_each(|k| out.push_str(&format!(" R@{k} |")));
    out.push_str(" nDCG@10 |\n|---|");
    out.push_str(&"---|".repeat(first.recall.len() + 1));
    out.push('\n');
    for (system, found) in ranked {
        out.push_str(&format!("| {system} |"));
        found.recall.values().for_each(|i| out.push_str(&format!(" {} |", shown(i))));
        out.push_str(&format!(" {} |\n", shown(&found.ndcg_10)));
    }
    out.push('\n');
}
