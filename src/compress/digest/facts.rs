//! What metadata says of many documents, counted over all of them.

use std::collections::{BTreeMap, HashSet};

use super::gather::Clustered;
use crate::document::{Metadata, MetadataValue, Revision};
use crate::error::{Error, Result};
use crate::index::View;

/// Most fields that are counted.
pub const MAX_FACTS: usize = 32;
/// Values of a field that are told, the most frequent first; the others are counted together.
const MAX_VALUES: usize = 20;

/// Facts by field, in the order asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(pub Vec<Fact>);

/// A field, counted: each document once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fact {
    /// The field.
    pub field: String,
    /// Documents that have it.
    pub documents: u64,
    /// Documents that do not.
    pub missing: u64,
    /// Values and how many documents have them, the most frequent first, equal ones by value; at most 20.
    pub values: Vec<(String, u64)>,
    /// Documents with other values.
    pub others: u64,
    /// Of fields all of whose values are numbers.
    pub numbers: Option<Numbers>,
}

/// What numbers are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

pub(super) fn check(fields: &[String]) -> Result<()> {
    if fields.len() > MAX_FACTS {
        let (limit, actual) = (MAX_FACTS as u64, fields.len() as u64);
        return Err(Error::LimitExceeded { field: "digest.facts", limit, actual });
    }
    if fields.iter().any(String::is_empty) {
        return Err(Error::invalid("digest.facts", "holds an empty field name"));
    }
    Ok(())
}

/// Facts of all documents, and of every cluster's.
pub(super) fn count(clustered: &Clustered, view: &dyn View, fields: &[String]) -> (Facts, Vec<Facts>) {
    let mut all = Counts::new(fields);
    let mut seen = HashSet::new();
    let by_cluster = clustered.clusters.iter().map(|cluster| {
        let mut counts = Counts::new(fields);
        let documents: HashSet<Revision> = cluster.members.iter().map(|m| m.id.revision).collect();
        for revision in if fields.is_empty() { HashSet::new() } else { documents } {
            let Some(head) = view.document_of(revision) else { continue };
            counts.add(&head.metadata);
            if seen.insert(revision) {
                all.add(&head.metadata);
            }
        }
        counts.facts()
    });
    let by_cluster = by_cluster.collect();
    (all.facts(), by_cluster)
}

struct Counts<'a>(Vec<Count<'a>>);

struct Count<'a> {
    field: &'a str,
    documents: u64,
    missing: u64,
    values: BTreeMap<String, u64>,
    numbers: Vec<f64>,
}

impl<'a> Counts<'a> {
    fn new(fields: &'a [String]) -> Self {
        let count =
            |field: &'a String| Count { field, documents: 0, missing: 0, values: BTreeMap::new(), numbers: Vec::new() };
        Self(fields.iter().map(count).collect())
    }

    fn add(&mut self, metadata: &Metadata) {
        for count in &mut self.0 {
            let Some(value) = metadata.get(count.field) else {
                count.missing += 1;
                continue;
            };
            count.documents += 1;
            let mut add = |value: String| *count.values.entry(value).or_default() += 1;
            match value {
                MetadataValue::Bool(value) => add(value.to_string()),
                MetadataValue::Number(value) => {
                    add(value.to_string());
                    count.numbers.push(*value);
                }
                MetadataValue::Text(value) => add(value.clone()),
                MetadataValue::List(values) => values.iter().collect::<HashSet<_>>().into_iter().cloned().for_each(add),
            }
        }
    }

    fn facts(self) -> Facts {
        Facts(self.0.into_iter().map(Count::fact).collect())
    }
}

impl Count<'_> {
    fn fact(mut self) -> Fact {
        let mut values: Vec<(String, u64)> = self.values.into_iter().collect();
        // Stable: equally frequent ones stay in the order of their values.
        values.sort_by_key(|(_, documents)| std::cmp::Reverse(*documents));
        let others = values.iter().skip(MAX_VALUES).map(|(_, documents)| documents).sum();
        values.truncate(MAX_VALUES);
        // Sums of the same numbers in another order could differ in their last digit.
        self.numbers.sort_by(f64::total_cmp);
        let numbers = (self.documents > 0 && self.numbers.len() as u64 == self.documents).then(|| Numbers {
            min: self.numbers.first().copied().unwrap_or(0.0),
            max: self.numbers.last().copied().unwrap_or(0.0),
            mean: self.numbers.iter().sum::<f64>() / self.numbers.len() as f64,
        });
        Fact { field: self.field.to_owned(), documents: self.documents, missing: self.missing, values, others, numbers }
    }
}

impl Facts {
    /// One line a field: `rating: 5 (13), 4 (5), 3 (2), 2 (2); mean 4.32, 2 to 5`.
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().map(Fact::line).collect()
    }

    /// All fields in one line, of a field its mean or what it has most: `rating: mean 4.32; class: Skirts (20)`.
    pub(super) fn short(&self) -> Option<String> {
        let short = |fact: &Fact| match (&fact.numbers, fact.values.first()) {
            (Some(numbers), _) => Some(format!("{}: mean {}", fact.field, rounded(numbers.mean))),
            (None, Some((value, documents))) => Some(format!("{}: {value} ({documents})", fact.field)),
            (None, None) => None,
        };
        let parts: Vec<String> = self.0.iter().filter_map(short).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// To three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl Fact {
    fn line(&self) -> String {
        let counted = self.values.iter().map(|(value, documents)| format!("{value} ({documents})"));
        let others = (self.others > 0).then(|| format!("others ({})", self.others));
        let missing = (self.missing > 0).then(|| format!("not said ({})", self.missing));
        let told: Vec<String> = counted.chain(others).chain(missing).collect();
        let mut line = format!("{}: {}", self.field, told.join(", "));
        if let Some(Numbers { min, max, mean }) = self.numbers {
            line.push_str(&format!("; mean {}, {min} to {max}", rounded(mean)));
        }
        line
    }
}
