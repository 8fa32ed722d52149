//! Metadata filters: which documents a query may see.

use crate::document::{DocumentId, MetadataValue};
use crate::error::{Error, Result};

use super::DocumentHead;

/// Deepest nesting of a filter.
pub const MAX_DEPTH: usize = 16;
/// Most conditions and values in a filter.
pub const MAX_SIZE: usize = 20_000;

/// A condition on a document.
///
/// Field names are metadata keys; `$id`, `$uri`, `$title` and `$media_type` name what every document has.
/// A document without the field matches no condition but `Not`.
///
/// ```
/// use tamis::{document::MetadataValue, index::Filter};
/// let recent_reviews = Filter::And(vec![
///     Filter::Equals("kind".into(), MetadataValue::Text("review".into())),
///     Filter::Range { field: "year".into(), from: Some((MetadataValue::Number(2024.0), true)), to: None },
/// ]);
/// recent_reviews.check()?;
/// # Ok::<(), tamis::error::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Filter {
    /// Every document.
    #[default]
    All,
    /// All of these.
    And(Vec<Filter>),
    /// One of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// The field has this value; a list holds it.
    Equals(String, MetadataValue),
    /// The field has one of these values.
    In(String, Vec<MetadataValue>),
    /// The field lies between bounds, each inclusive or not; numbers compare as numbers, texts as bytes.
    Range {
        /// The field.
        field: String,
        /// Lower bound, and whether it is included.
        from: Option<(MetadataValue, bool)>,
        /// Upper bound, and whether it is included.
        to: Option<(MetadataValue, bool)>,
    },
    /// The document has the field.
    Exists(String),
    /// The field is a text that begins with this.
    Prefix(String, String),
}

impl Filter {
    /// Documents with one of these ids.
    #[must_use]
    pub fn ids(ids: impl IntoIterator<Item = DocumentId>) -> Self {
        let mut values: Vec<MetadataValue> = ids.into_iter().map(|id| MetadataValue::Text(id.to_string())).collect();
        values.sort_by(|a, b| text_of(a).cmp(text_of(b)));
        Self::In("$id".into(), values)
    }

    /// Checks depth and size.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] on `filter`.
    pub fn check(&self) -> Result<()> {
        let (depth, size) = self.extent(1);
        let over = |limit: usize, actual: usize| Error::LimitExceeded {
            field: "filter",
            limit: limit as u64,
            actual: actual as u64,
        };
        if depth > MAX_DEPTH {
            return Err(over(MAX_DEPTH, depth));
        }
        if size > MAX_SIZE {
            return Err(over(MAX_SIZE, size));
        }
        Ok(())
    }

    fn extent(&self, depth: usize) -> (usize, usize) {
        if depth > MAX_DEPTH {
            return (depth, 1);
        }
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().fold((depth, 1), |(deepest, size), p| {
                let (d, s) = p.extent(depth + 1);
                (deepest.max(d), size + s)
            }),
            Self::Not(part) => {
                let (d, s) = part.extent(depth + 1);
                (d, s + 1)
            }
            Self::In(_, values) => (depth, 1 + values.len()),
            _ => (depth, 1),
        }
    }

    /// Whether a document matches.
    #[must_use]
    pub fn matches(&self, head: &DocumentHead) -> bool {
        match self {
            Self::All => true,
            Self::And(parts) => parts.iter().all(|p| p.matches(head)),
            Self::Or(parts) => parts.iter().any(|p| p.matches(head)),
            Self::Not(part) => !part.matches(head),
            Self::Equals(field, value) => field_of(head, field).is_some_and(|f| f.is(value)),
            Self::In(field, values) if field == "$id" => {
                // Sorted by `ids`; a caller's own list need not be.
                values.binary_search_by(|v| text_of(v).cmp(head.id.as_str())).is_ok()
                    || (!values.is_sorted_by(|a, b| text_of(a) <= text_of(b))
                        && values.iter().any(|v| text_of(v) == head.id.as_str()))
            }
            Self::In(field, values) => field_of(head, field).is_some_and(|f| values.iter().any(|v| f.is(v))),
            Self::Range { field, from, to } => {
                field_of(head, field).is_some_and(|f| f.within(from.as_ref(), to.as_ref()))
            }
            Self::Exists(field) => field_of(head, field).is_some(),
            Self::Prefix(field, prefix) => field_of(head, field).is_some_and(|f| f.begins_with(prefix)),
        }
    }
}

fn text_of(value: &MetadataValue) -> &str {
    match value {
        MetadataValue::Text(text) => text,
        _ => "",
    }
}

/// A field's value: metadata, or something every document has.
enum Field<'d> {
    Own(&'d str),
    Metadata(&'d MetadataValue),
}

fn field_of<'d>(head: &'d DocumentHead, field: &str) -> Option<Field<'d>> {
    match field {
        "$id" => Some(Field::Own(head.id.as_str())),
        "$uri" => Some(Field::Own(&head.uri)),
        "$title" => Some(Field::Own(&head.title)),
        "$media_type" => Some(Field::Own(&head.media_type)),
        _ => head.metadata.get(field).map(Field::Metadata),
    }
}

impl Field<'_> {
    fn is(&self, value: &MetadataValue) -> bool {
        match (self, value) {
            (Self::Own(own), MetadataValue::Text(text)) => own == text,
            (Self::Metadata(MetadataValue::List(items)), MetadataValue::Text(text)) => items.contains(text),
            (Self::Metadata(own), value) => *own == value,
            (Self::Own(_), _) => false,
        }
    }

    fn within(&self, from: Option<&(MetadataValue, bool)>, to: Option<&(MetadataValue, bool)>) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let order = |bound: &MetadataValue| match (self, bound) {
            (Self::Own(own), MetadataValue::Text(text)) => Some((*own).cmp(text.as_str())),
            (Self::Metadata(MetadataValue::Text(own)), MetadataValue::Text(text)) => Some(own.cmp(text)),
            (Self::Metadata(MetadataValue::Number(own)), MetadataValue::Number(bound)) => own.partial_cmp(bound),
            _ => None,
        };
        let above = from.is_none_or(|(bound, included)| match order(bound) {
            Some(Greater) => true,
            Some(Equal) => *included,
            _ => false,
        });
        above
            && to.is_none_or(|(bound, included)| match order(bound) {
                Some(Less) => true,
                Some(Equal) => *included,
                _ => false,
            })
    }

    fn begins_with(&self, prefix: &str) -> bool {
        match self {
            Self::Own(own) => own.starts_with(prefix),
            Self::Metadata(MetadataValue::Text(own)) => own.starts_with(prefix),
            Self::Metadata(MetadataValue::List(items)) => items.iter().any(|i| i.starts_with(prefix)),
            Self::Metadata(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Revision;

    fn head() -> DocumentHead {
        DocumentHead {
            id: "a/1".parse().unwrap(),
            revision: Revision(1),
            uri: "file:///a/1.md".into(),
            title: "One".into(),
            media_type: "text/markdown".into(),
            metadata: [
                ("year".to_owned(), MetadataValue::Number(2024.0)),
                ("tags".to_owned(), MetadataValue::List(vec!["red".into(), "blue".into()])),
                ("date".to_owned(), MetadataValue::Text("2024-05-01".into())),
            ]
            .into(),
            content_hash: String::new(),
            bytes: 0,
            segments: 0,
            blocks: 0,
        }
    }

    #[test]
    fn conditions() {
        let text = |s: &str| MetadataValue::Text(s.into());
        let year = |from, to| Filter::Range { field: "year".into(), from, to };
        let n = |v: f64, included| Some((MetadataValue::Number(v), included));
        for (filter, expected) in [
            (Filter::Equals("tags".into(), text("red")), true),
            (Filter::Equals("year".into(), text("2024")), false),
            (Filter::In("$id".into(), vec![text("b"), text("a/1")]), true),
            (Filter::ids(["b".parse().unwrap()]), false),
            (year(n(2024.0, true), None), true),
            (year(n(2024.0, false), None), false),
            (year(None, n(2025.0, false)), true),
            (Filter::Range { field: "date".into(), from: Some((text("2024-01-01"), true)), to: None }, true),
            (Filter::Exists("colour".into()), false),
            (Filter::Not(Box::new(Filter::Exists("colour".into()))), true),
            (Filter::Prefix("$uri".into(), "file:///a/".into()), true),
            (Filter::And(vec![]), true),
            (Filter::Or(vec![]), false),
        ] {
            assert_eq!(filter.matches(&head()), expected, "{filter:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = (0..1000).fold(Filter::All, |f, _| Filter::Not(Box::new(f)));
        assert!(matches!(deep.check(), Err(Error::LimitExceeded { field: "filter", .. })));
    }
}
