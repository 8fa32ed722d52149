//! What the system under test keeps by group of questions.

use super::shown;
use crate::eval::bootstrap::{self, Interval};
use crate::eval::results::{SetResult, SystemResult};

/// A group, its questions, what is measured of it, by budget or once.
struct Group<'a> {
    name: &'a str,
    questions: usize,
    kept: Vec<Interval>,
    first: Option<Interval>,
}

/// The groups in the order of their first questions; none where questions are not grouped.
fn groups<'a>(set: &'a SetResult, result: &SystemResult, seed: u64) -> Vec<Group<'a>> {
    let mut names: Vec<&str> = Vec::new();
    for name in set.groups.iter().map(String::as_str).filter(|g| !g.is_empty()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let of = |name: &str, values: &[Option<f64>]| {
        let inside = set.groups.iter().zip(values).filter(|(group, _)| *group == name);
        bootstrap::mean(&inside.filter_map(|(_, value)| *value).collect::<Vec<f64>>(), seed)
    };
    let group = |name: &'a str| {
        let kept = result.budgets.iter().map(|b| {
            // Answers where there are any, as everywhere; else evidence.
            let answers = of(name, &b.answers);
            if answers.n > 0 { answers } else { of(name, &b.evidence) }
        });
        let first = result.documents.as_ref().map(|d| of(name, &d.first));
        Group {
            name,
            questions: set.groups.iter().filter(|g| *g == name).count(),
            kept: kept.collect(),
            first: first.filter(|i| i.n > 0),
        }
    };
    names.into_iter().map(group).collect()
}

/// Lines for a terminal, of the first system.
pub(super) fn lines(set: &SetResult, seed: u64) -> Vec<String> {
    let Some(result) = set.systems.first() else { return Vec::new() };
    let line = |g: Group<'_>| {
        let mut line = format!("{} ({}):", g.name, g.questions);
        for (kept, at) in g.kept.iter().zip(&result.budgets).filter(|(kept, _)| kept.n > 0) {
            line.push_str(&format!(" {:.1} at {},", 100.0 * kept.mean, at.budget));
        }
        if let Some(first) = g.first {
            line.push_str(&format!(" R@1 {:.1}", 100.0 * first.mean));
        }
        line.trim_end_matches(',').to_owned()
    };
    groups(set, result, seed).into_iter().map(line).collect()
}

/// A Markdown table, of the first system; empty where questions are not grouped.
pub(super) fn table(set: &SetResult, seed: u64) -> String {
    let Some(result) = set.systems.first() else { return String::new() };
    let groups = groups(set, result, seed);
    if groups.is_empty() {
        return String::new();
    }
    let keeps = groups.iter().any(|g| g.kept.iter().any(|i| i.n > 0));
    let finds = groups.iter().any(|g| g.first.is_some());
    let budgets = result.budgets.iter().filter(|_| keeps).map(|b| format!(" {} |", b.budget));
    let columns: Vec<String> = budgets.chain(finds.then(|| " R@1 |".to_owned())).collect();
    let mut out = format!("| {}, kept by group | questions |{}\n", result.system, columns.concat());
    out.push_str(&format!("|---|---|{}\n", "---|".repeat(columns.len())));
    for group in groups {
        let kept = group.kept.iter().filter(|_| keeps).map(|i| format!(" {} |", shown(i)));
        let first = group.first.iter().map(|i| format!(" {} |", shown(i)));
        let cells: String = kept.chain(first).collect();
        out.push_str(&format!("| {} | {} |{cells}\n", group.name, group.questions));
    }
    out.push('\n');
    out
}
