//! Filters, payloads and scores, as the server takes them.

use std::cmp::Ordering;

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vector::Vector as Kept;
use qdrant_client::qdrant::vector_input::Variant;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions;
use qdrant_client::qdrant::{
    Condition, FieldCondition, Filter, PointId, PointStruct, Value, VectorInput, WithPayloadSelector,
};
use tonic::Status;

pub(crate) fn unknown(what: &str) -> Status {
    Status::unimplemented(format!("this server does not know {what}"))
}

/// The text of an id, which has to be a UUID.
pub(crate) fn uuid(id: Option<&PointId>) -> Result<String, Status> {
    match id.and_then(|id| id.point_id_options.as_ref()) {
        Some(PointIdOptions::Uuid(uuid)) if is_uuid(uuid) => Ok(uuid.clone()),
        other => Err(Status::invalid_argument(format!("Unable to parse UUID: {other:?}"))),
    }
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

pub(crate) fn matches(filter: Option<&Filter>, point: &PointStruct) -> Result<bool, Status> {
    let Some(filter) = filter else { return Ok(true) };
    if filter.min_should.is_some() {
        return Err(unknown("min_should"));
    }
    for condition in &filter.must {
        if !meets(condition, point)? {
            return Ok(false);
        }
    }
    for condition in &filter.must_not {
        if meets(condition, point)? {
            return Ok(false);
        }
    }
    for condition in &filter.should {
        if meets(condition, point)? {
            return Ok(true);
        }
    }
    Ok(filter.should.is_empty())
}

fn meets(condition: &Condition, point: &PointStruct) -> Result<bool, Status> {
    match &condition.condition_one_of {
        Some(ConditionOneOf::Filter(filter)) => matches(Some(filter), point),
        Some(ConditionOneOf::HasId(wanted)) => {
            let own = uuid(point.id.as_ref())?;
            Ok(wanted.has_id.iter().any(|id| uuid(Some(id)).is_ok_and(|id| id == own)))
        }
        Some(ConditionOneOf::Field(field)) => holds(field, point),
        other => Err(unknown(&format!("the condition {other:?}"))),
    }
}

fn holds(field: &FieldCondition, point: &PointStruct) -> Result<bool, Status> {
    let Some(wanted) = field.r#match.as_ref().and_then(|wanted| wanted.match_value.as_ref()) else {
        return Err(unknown("conditions on fields but matches"));
    };
    let is = |kind: &Kind| match (kind, wanted) {
        (Kind::StringValue(own), MatchValue::Keyword(value)) => Ok(own == value),
        (Kind::StringValue(own), MatchValue::Keywords(values)) => Ok(values.strings.contains(own)),
        (Kind::IntegerValue(own), MatchValue::Integer(value)) => Ok(own == value),
        (Kind::IntegerValue(own), MatchValue::Integers(values)) => Ok(values.integers.contains(own)),
        (_, MatchValue::Keyword(_) | MatchValue::Keywords(_) | MatchValue::Integer(_) | MatchValue::Integers(_)) => {
            Ok(false)
        }
        (_, other) => Err(unknown(&format!("the match {other:?}"))),
    };
    match point.payload.get(&field.key).and_then(|value| value.kind.as_ref()) {
        None => Ok(false),
        // A list holds what one of its items is.
        Some(Kind::ListValue(list)) => {
            for item in list.values.iter().filter_map(|value| value.kind.as_ref()) {
                if is(item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Some(kind) => is(kind),
    }
}

/// The part of a payload that was asked for.
pub(crate) fn shown(
    point: &PointStruct,
    wanted: Option<&WithPayloadSelector>,
) -> Result<std::collections::HashMap<String, Value>, Status> {
    match wanted.and_then(|wanted| wanted.selector_options.as_ref()) {
        None | Some(SelectorOptions::Enable(false)) => Ok(Default::default()),
        Some(SelectorOptions::Enable(true)) => Ok(point.payload.clone()),
        Some(SelectorOptions::Include(include)) => {
            let keep = |(name, _): &(&String, &Value)| include.fields.contains(name);
            Ok(point.payload.iter().filter(keep).map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        Some(other) => Err(unknown(&format!("the selection {other:?}"))),
    }
}

/// A named vector of a point.
pub(crate) fn vector<'a>(point: &'a PointStruct, name: &str) -> Option<&'a Kept> {
    match point.vectors.as_ref()?.vectors_options.as_ref()? {
        VectorsOptions::Vectors(named) => named.vectors.get(name)?.vector.as_ref(),
        VectorsOptions::Vector(_) => None,
    }
}

/// The inner product with a query; `None` where nothing is in common.
pub(crate) fn score(kept: &Kept, query: &VectorInput) -> Result<Option<f32>, Status> {
    match (kept, query.variant.as_ref()) {
        (Kept::Dense(own), Some(Variant::Dense(asked))) if own.data.len() == asked.data.len() => {
            Ok(Some(own.data.iter().zip(&asked.data).map(|(a, b)| a * b).sum()))
        }
        (Kept::Sparse(own), Some(Variant::Sparse(asked))) => {
            let weight = |place: &u32| asked.indices.iter().position(|at| at == place).map(|n| asked.values[n]);
            let parts: Vec<f32> =
                own.indices.iter().zip(&own.values).filter_map(|(at, value)| Some(weight(at)? * value)).collect();
            Ok(if parts.is_empty() { None } else { Some(parts.iter().sum()) })
        }
        _ => Err(Status::invalid_argument("Wrong input: Vector dimension error")),
    }
}

/// Best first; equal ones against the order of their ids, which nobody may count on.
pub(crate) fn by_score(a: &(f32, &PointStruct), b: &(f32, &PointStruct)) -> Ordering {
    let id = |point: &PointStruct| uuid(point.id.as_ref()).unwrap_or_default();
    b.0.total_cmp(&a.0).then_with(|| id(b.1).cmp(&id(a.1)))
}

/// A field's number, to order by.
pub(crate) fn number(point: &PointStruct, field: &str) -> Option<i64> {
    match point.payload.get(field)?.kind.as_ref()? {
        Kind::IntegerValue(value) => Some(*value),
        _ => None,
    }
}
