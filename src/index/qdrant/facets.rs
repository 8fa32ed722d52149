//! Metadata as words that the cluster can look up, and filters as conditions on them.
//!
//! A document's segments hold one word for every field that it has and one for every value. Ranges and prefixes are no
//! single words: they are answered from the heads.

use qdrant_client::qdrant::{Condition, Filter as Conditions, Value};

use super::layout::key;
use crate::document::MetadataValue;
use crate::error::Result;
use crate::index::{DocumentHead, Filter};

/// Fields that every document has.
const OWN: [&str; 4] = ["$id", "$uri", "$title", "$media_type"];
/// A word that no document holds.
const NEVER: &str = "!";

/// The words of a document.
pub(super) fn of(head: &DocumentHead) -> Value {
    let own = [head.id.as_str(), &head.uri, &head.title, &head.media_type];
    let mut words = Vec::new();
    for (field, value) in OWN.iter().zip(own) {
        words.extend([exists(field), text(field, value)]);
    }
    for (field, value) in head.metadata.iter().filter(|(field, _)| !OWN.contains(&field.as_str())) {
        words.push(exists(field));
        words.extend(is(field, value));
        if let MetadataValue::List(items) = value {
            words.extend(items.iter().map(|item| text(field, item)));
        }
    }
    words.into_iter().map(Value::from).collect::<Vec<_>>().into()
}

/// A filter as a condition; `None` where it lets everything through. `among` answers what words can't.
pub(super) fn condition(
    filter: &Filter,
    among: &mut dyn FnMut(&Filter) -> Result<Condition>,
) -> Result<Option<Condition>> {
    let holds = |mut words: Vec<String>| {
        if words.is_empty() {
            words.push(NEVER.into());
        }
        Condition::matches(key::FACETS, words)
    };
    Ok(Some(match filter {
        Filter::All => return Ok(None),
        Filter::And(parts) => {
            let mut must = Vec::with_capacity(parts.len());
            for part in parts {
                must.extend(condition(part, among)?);
            }
            if must.is_empty() {
                return Ok(None);
            }
            Conditions::must(must).into()
        }
        Filter::Or(parts) => {
            let mut should = Vec::with_capacity(parts.len());
            for part in parts {
                match condition(part, among)? {
                    Some(condition) => should.push(condition),
                    None => return Ok(None),
                }
            }
            if should.is_empty() { holds(Vec::new()) } else { Conditions::should(should).into() }
        }
        Filter::Not(part) => match condition(part, among)? {
            Some(condition) => Conditions::must_not([condition]).into(),
            None => holds(Vec::new()),
        },
        Filter::Equals(field, value) => holds(is(field, value).into_iter().collect()),
        Filter::In(field, values) => holds(values.iter().filter_map(|value| is(field, value)).collect()),
        Filter::Exists(field) => holds(vec![exists(field)]),
        Filter::Range { .. } | Filter::Prefix(..) => among(filter)?,
    }))
}

fn exists(field: &str) -> String {
    format!("e{field}")
}

fn text(field: &str, value: &str) -> String {
    // No field holds a zero byte, so no field and value can pass for others.
    format!("t{field}\0{value}")
}

/// The word of a field with a value; none for a number that equals nothing, not even itself.
fn is(field: &str, value: &MetadataValue) -> Option<String> {
    Some(match value {
        MetadataValue::Text(value) => text(field, value),
        MetadataValue::Bool(value) => format!("b{field}\0{value}"),
        MetadataValue::Number(value) if value.is_nan() => return None,
        // Zero has two signs and is one number.
        MetadataValue::Number(value) => format!("n{field}\0{:016x}", (value + 0.0).to_bits()),
        MetadataValue::List(items) => {
            let items: Vec<String> = items.iter().map(|item| format!("{}:{item}", item.len())).collect();
            format!("l{field}\0{}", items.concat())
        }
    })
}
