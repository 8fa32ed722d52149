//! Documents, metadata and filters between wire and library.

use tamis::document::{Content, Document, Metadata, MetadataValue};
use tamis::error::{Error, Result};
use tamis::index::{DocumentHead, Filter, filter};
use tamis::span::Span;

use crate::v1;

/// The value of an enumeration. One that a newer client knows and this server does not is refused: what it asks for would
/// not be done.
pub(crate) fn known<E: TryFrom<i32>>(field: &'static str, value: i32) -> Result<E> {
    E::try_from(value).map_err(|_| Error::invalid(field, format!("{value} is none of those that this server knows")))
}

/// A document from the wire, with the id that replaces a missing one.
pub(crate) fn document(wire: v1::Document, fallback_id: Option<String>) -> Result<Document> {
    let id = match fallback_id {
        Some(id) if wire.id.is_empty() => id,
        _ => wire.id,
    };
    let content = match (wire.text.is_empty(), wire.content.is_empty()) {
        (_, true) => Content::Text(wire.text),
        (true, false) => Content::Bytes(wire.content),
        (false, false) => return Err(Error::invalid("document.content", "a document has text or content, not both")),
    };
    Ok(Document {
        id: id.parse()?,
        uri: wire.uri,
        title: wire.title,
        media_type: wire.media_type,
        metadata: metadata(wire.metadata)?,
        content,
    })
}

pub(crate) fn metadata(wire: impl IntoIterator<Item = (String, v1::MetadataValue)>) -> Result<Metadata> {
    wire.into_iter().map(|(key, v)| Ok((key, value(Some(v), "document.metadata")?))).collect()
}

fn value(wire: Option<v1::MetadataValue>, field: &'static str) -> Result<MetadataValue> {
    use v1::metadata_value::Kind;
    match wire.and_then(|v| v.kind) {
        Some(Kind::BoolValue(v)) => Ok(MetadataValue::Bool(v)),
        Some(Kind::NumberValue(v)) if v.is_finite() => Ok(MetadataValue::Number(v)),
        Some(Kind::NumberValue(v)) => Err(Error::invalid(field, format!("{v} is not a finite number"))),
        Some(Kind::StringValue(v)) => Ok(MetadataValue::Text(v)),
        Some(Kind::ListValue(v)) => Ok(MetadataValue::List(v.values)),
        None => Err(Error::invalid(field, "a value is missing")),
    }
}

fn wire_value(value: &MetadataValue) -> v1::MetadataValue {
    use v1::metadata_value::Kind;
    let kind = match value.clone() {
        MetadataValue::Bool(v) => Kind::BoolValue(v),
        MetadataValue::Number(v) => Kind::NumberValue(v),
        MetadataValue::Text(v) => Kind::StringValue(v),
        MetadataValue::List(values) => Kind::ListValue(v1::StringList { values }),
    };
    v1::MetadataValue { kind: Some(kind) }
}

/// A filter; none is every document.
pub(crate) fn filter(wire: Option<v1::Filter>) -> Result<Filter> {
    wire.map_or(Ok(Filter::All), |f| nested(f, 1))
}

fn nested(wire: v1::Filter, depth: usize) -> Result<Filter> {
    use v1::filter::Kind;
    if depth > filter::MAX_DEPTH {
        let limit = filter::MAX_DEPTH as u64;
        return Err(Error::LimitExceeded { field: "filter", limit, actual: depth as u64 });
    }
    let all = |list: v1::FilterList| list.filters.into_iter().map(|f| nested(f, depth + 1)).collect::<Result<Vec<_>>>();
    Ok(match wire.kind {
        Some(Kind::And(list)) => Filter::And(all(list)?),
        Some(Kind::Or(list)) => Filter::Or(all(list)?),
        Some(Kind::Not(inner)) => Filter::Not(Box::new(nested(*inner, depth + 1)?)),
        Some(Kind::Equals(f)) => Filter::Equals(f.field, value(f.value, "filter.equals.value")?),
        Some(Kind::In(f)) => {
            let values = f.values.into_iter().map(|v| value(Some(v), "filter.in.values"));
            let mut values = values.collect::<Result<Vec<_>>>()?;
            values.sort_by(|a, b| text(a).cmp(text(b)));
            Filter::In(f.field, values)
        }
        Some(Kind::Range(f)) => {
            let bound =
                |strict: Option<v1::MetadataValue>, inclusive: Option<v1::MetadataValue>| match (strict, inclusive) {
                    (Some(_), Some(_)) => Err(Error::invalid("filter.range", "one side has two bounds")),
                    (Some(v), None) => Ok(Some((value(Some(v), "filter.range")?, false))),
                    (None, Some(v)) => Ok(Some((value(Some(v), "filter.range")?, true))),
                    (None, None) => Ok(None),
                };
            Filter::Range { field: f.field, from: bound(f.gt, f.gte)?, to: bound(f.lt, f.lte)? }
        }
        Some(Kind::Exists(field)) => Filter::Exists(field),
        Some(Kind::Prefix(f)) => Filter::Prefix(f.field, f.prefix),
        None => return Err(Error::invalid("filter", "a condition is missing")),
    })
}

fn text(value: &MetadataValue) -> &str {
    match value {
        MetadataValue::Text(text) => text,
        _ => "",
    }
}

pub(crate) fn span(span: Span) -> v1::Span {
    v1::Span { start: span.start, end: span.end }
}

pub(crate) fn document_info(head: &DocumentHead) -> v1::DocumentInfo {
    v1::DocumentInfo {
        id: head.id.to_string(),
        revision: head.revision.0,
        uri: head.uri.clone(),
        title: head.title.clone(),
        media_type: head.media_type.clone(),
        metadata: head.metadata.iter().map(|(k, v)| (k.clone(), wire_value(v))).collect(),
        bytes: head.bytes,
        segments: head.segments,
        blocks: head.blocks,
        content_hash: head.content_hash.clone(),
    }
}
