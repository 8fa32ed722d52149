//! Metadata as words that the cluster can look up, and filters as conditions on them.
//!
//! A document's segments hold one word for every field that it has and one for every value; for numbers and dates one for
//! every beginning of their digits, which answer ranges ([`steps`]), and for texts one for every folder that they are in,
//! which answer prefixes. What is left, ranges and prefixes of other texts, is answered from the heads.

use std::collections::HashMap;

use qdrant_client::qdrant::{Condition, Filter as Conditions, Value};

use super::key;
use super::steps::{self, Sort};
use crate::document::MetadataValue;
use crate::error::Result;
use crate::index::{DocumentHead, Filter};

/// Version of the words. A collection made with an earlier one may hold documents without those that were added since.
pub(super) const VERSION: u32 = 1;
/// Fields that every document has.
const OWN: [&str; 4] = ["$id", "$uri", "$title", "$media_type"];
/// Fields of a document whose values are found by ranges of words; more would be a burden for every segment.
const MAX_STEPPED: usize = 16;
/// Folders of a text that have a word, from the outermost on.
const MAX_FOLDERS: usize = 16;
/// Longest of them, in bytes.
const MAX_FOLDER_BYTES: usize = 256;
/// A word that no document holds.
const NEVER: &str = "!";

/// The words of a document.
pub(super) fn of(head: &DocumentHead) -> Value {
    let own = [head.id.as_str(), &head.uri, &head.title, &head.media_type];
    let mut words = Vec::new();
    for (field, value) in OWN.iter().zip(own) {
        words.extend([exists(field), text(field, value)]);
        words.extend(folders(field, value));
    }
    let stepped = stepped_fields(head);
    for (field, value) in metadata(head) {
        words.push(exists(field));
        words.extend(is(field, value));
        let texts = match value {
            MetadataValue::Text(value) => std::slice::from_ref(value),
            MetadataValue::List(items) => {
                words.extend(items.iter().map(|item| text(field, item)));
                items
            }
            _ => &[],
        };
        words.extend(texts.iter().flat_map(|text| folders(field, text)));
        match stepped.get(field) {
            Some((sort, digits)) => words.extend(steps::beginnings(digits).map(|digits| begins(*sort, field, digits))),
            // Nothing lies before or after the others.
            None if !matches!(value, MetadataValue::Bool(_)) => words.push(unstepped(field)),
            None => {}
        }
    }
    words.into_iter().map(Value::from).collect::<Vec<_>>().into()
}

/// What a document says beside what every document has.
fn metadata(head: &DocumentHead) -> impl Iterator<Item = (&str, &MetadataValue)> {
    head.metadata.iter().map(|(field, value)| (field.as_str(), value)).filter(|(field, _)| !OWN.contains(field))
}

/// The fields of a document that ranges of words find, with their values' digits.
fn stepped_fields(head: &DocumentHead) -> HashMap<&str, (Sort, String)> {
    metadata(head).filter_map(|(field, value)| Some((field, steps::digits(value)?))).take(MAX_STEPPED).collect()
}

/// What answers where words do not say enough.
pub(super) trait Heads {
    /// Version of the words that all documents of the collection hold.
    fn version(&self) -> u32;

    /// The documents of which this is true, as a condition.
    fn among(&self, is: &dyn Fn(&DocumentHead) -> bool) -> Result<Condition>;

    /// Whether a document of the collection holds the word.
    fn any_holds(&self, word: &str) -> Result<bool>;
}

/// A filter as a condition; `None` where it lets everything through.
pub(super) fn condition(filter: &Filter, heads: &dyn Heads) -> Result<Option<Condition>> {
    Ok(Some(match filter {
        Filter::All => return Ok(None),
        Filter::And(parts) => {
            let mut must = Vec::with_capacity(parts.len());
            for part in parts {
                must.extend(condition(part, heads)?);
            }
            if must.is_empty() {
                return Ok(None);
            }
            Conditions::must(must).into()
        }
        Filter::Or(parts) => {
            let mut should = Vec::with_capacity(parts.len());
            for part in parts {
                match condition(part, heads)? {
                    Some(condition) => should.push(condition),
                    None => return Ok(None),
                }
            }
            if should.is_empty() { holds(Vec::new()) } else { Conditions::should(should).into() }
        }
        Filter::Not(part) => match condition(part, heads)? {
            Some(condition) => Conditions::must_not([condition]).into(),
            None => holds(Vec::new()),
        },
        Filter::Equals(field, value) => holds(is(field, value).into_iter().collect()),
        Filter::In(field, values) => holds(values.iter().filter_map(|value| is(field, value)).collect()),
        Filter::Exists(field) => holds(vec![exists(field)]),
        Filter::Range { field, from, to } => match steps::between(from.as_ref(), to.as_ref()) {
            None => holds(vec![exists(field)]),
            Some((sort, range)) => {
                let words = range.iter().map(|digits| begins(sort, field, digits)).collect();
                stepped(filter, field, words, heads)?
            }
        },
        Filter::Prefix(field, prefix) if is_folder(prefix) && heads.version() >= VERSION => {
            holds(vec![folder(field, prefix)])
        }
        // All texts begin with it, dated or not.
        Filter::Prefix(_, prefix) if prefix.is_empty() => heads.among(&|head| filter.matches(head))?,
        Filter::Prefix(field, prefix) => {
            let dated = steps::is_dated(prefix).then(|| begins(Sort::Text, field, &steps::beginning(prefix)));
            stepped(filter, field, dated.into_iter().collect(), heads)?
        }
    }))
}

/// Holds one of these words, or is one of the documents that such words don't find and the filter does.
fn stepped(filter: &Filter, field: &str, words: Vec<String>, heads: &dyn Heads) -> Result<Condition> {
    if OWN.contains(&field) || heads.version() < VERSION {
        return heads.among(&|head| filter.matches(head));
    }
    if heads.any_holds(&unstepped(field))? {
        let others = heads.among(&|head| filter.matches(head) && !stepped_fields(head).contains_key(field))?;
        return Ok(Conditions::should([holds(words), others]).into());
    }
    Ok(holds(words))
}

fn holds(mut words: Vec<String>) -> Condition {
    if words.is_empty() {
        words.push(NEVER.into());
    }
    Condition::matches(key::FACETS, words)
}

/// The words of the folders that a text is in: of `a/b/c`, those of `a/` and `a/b/`.
fn folders(field: &str, text: &str) -> impl Iterator<Item = String> {
    let ends = text.match_indices('/').map(|(at, _)| at + 1);
    ends.take(MAX_FOLDERS).take_while(|end| *end <= MAX_FOLDER_BYTES).map(move |end| folder(field, &text[..end]))
}

/// Whether every text that begins with this one holds its word.
fn is_folder(prefix: &str) -> bool {
    prefix.ends_with('/') && prefix.len() <= MAX_FOLDER_BYTES && prefix.matches('/').count() <= MAX_FOLDERS
}

fn folder(field: &str, path: &str) -> String {
    format!("p{field}\0{path}")
}

fn begins(sort: Sort, field: &str, digits: &str) -> String {
    match sort {
        Sort::Number => format!("N{field}\0{digits}"),
        Sort::Text => format!("T{field}\0{digits}"),
    }
}

/// Held by documents whose value of the field no range of words finds.
fn unstepped(field: &str) -> String {
    format!("u{field}")
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use qdrant_client::qdrant::condition::ConditionOneOf;
    use qdrant_client::qdrant::r#match::MatchValue;
    use qdrant_client::qdrant::value::Kind;

    use super::*;
    use crate::document::{Metadata, Revision};

    fn head(metadata: impl IntoIterator<Item = (&'static str, MetadataValue)>) -> DocumentHead {
        let (id, uri) = ("guides/mesh".parse().unwrap(), "https://a.b/guides/mesh".to_owned());
        let metadata: Metadata = metadata.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        let (title, media_type) = ("Mesh".to_owned(), "text/plain".to_owned());
        let (revision, content_hash, bytes, segments, blocks) = (Revision(1), String::new(), 1, 1, 1);
        DocumentHead { id, revision, uri, title, media_type, metadata, content_hash, bytes, segments, blocks }
    }

    fn words(head: &DocumentHead) -> BTreeSet<String> {
        let Some(Kind::ListValue(list)) = of(head).kind else { panic!("words are a list") };
        let word = |value: Value| match value.kind {
            Some(Kind::StringValue(word)) => word,
            other => panic!("{other:?}"),
        };
        list.values.into_iter().map(word).collect()
    }

    /// A collection of one document, which counts how often all heads are read.
    struct One {
        version: u32,
        words: BTreeSet<String>,
        read: RefCell<usize>,
    }

    impl Heads for One {
        fn version(&self) -> u32 {
            self.version
        }

        fn among(&self, _: &dyn Fn(&DocumentHead) -> bool) -> Result<Condition> {
            *self.read.borrow_mut() += 1;
            Ok(holds(Vec::new()))
        }

        fn any_holds(&self, word: &str) -> Result<bool> {
            Ok(self.words.contains(word))
        }
    }

    /// Whether a document's words meet the condition, and how often heads had to be read to say so.
    fn asked(head: &DocumentHead, version: u32, filter: &Filter) -> (bool, usize) {
        let one = One { version, words: words(head), read: RefCell::default() };
        let condition = condition(filter, &one).unwrap().unwrap();
        let Some(ConditionOneOf::Field(field)) = condition.condition_one_of else { return (false, *one.read.borrow()) };
        let Some(MatchValue::Keywords(any)) = field.r#match.and_then(|m| m.match_value) else { panic!("words") };
        let is_met = any.strings.iter().any(|word| one.words.contains(word));
        (is_met, one.read.into_inner())
    }

    #[test]
    fn ranges_of_numbers_and_dates_and_folders_read_no_heads() {
        let date = |date: &str| MetadataValue::Text(date.into());
        let of = head([("year", MetadataValue::Number(2024.0)), ("date", date("2024-05-17"))]);
        let after = |field: &str, value| Filter::Range { field: field.into(), from: Some((value, false)), to: None };
        for (filter, expected) in [
            (after("year", MetadataValue::Number(2023.5)), true),
            (after("year", MetadataValue::Number(2024.0)), false),
            (after("date", date("2024-05")), true),
            (after("date", date("2024-05-17")), false),
            (Filter::Prefix("date".into(), "2024-05".into()), true),
            (Filter::Prefix("$uri".into(), "https://a.b/guides/".into()), true),
            (Filter::Prefix("$id".into(), "guides/mesh/".into()), false),
        ] {
            assert_eq!(asked(&of, VERSION, &filter), (expected, 0), "{filter:?}");
            assert_eq!(asked(&of, 0, &filter).1, 1, "made before there were such words: {filter:?}");
        }
        for filter in [after("$id", date("a")), Filter::Prefix("$uri".into(), "https://a.b/gui".into())] {
            assert_eq!(asked(&of, VERSION, &filter).1, 1, "{filter:?}");
        }
    }

    #[test]
    fn what_has_no_digits_is_said_to_have_none() {
        let text = |text: &str| MetadataValue::Text(text.into());
        let filter = Filter::Prefix("kind".into(), "dr".into());
        assert_eq!(asked(&head([("kind", text("drum"))]), VERSION, &filter).1, 1);
        assert_eq!(asked(&head([("kind", MetadataValue::Bool(true))]), VERSION, &filter).1, 0);
        let many = |n: usize| head((0..n).map(|n| (["a", "b", "c"][n % 3], MetadataValue::Number(n as f64))));
        assert_eq!(words(&many(3)).iter().filter(|word| word.starts_with('N')).count(), 3 * 16);
    }
}
