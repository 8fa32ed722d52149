//! Filters and metadata as a person types them, to the wire.

use serde_json::Value;
use tamis_proto::v1::{
    FieldPrefix, FieldRange, FieldValue, FieldValues, Filter, FilterList, MetadataValue, StringList, filter::Kind,
    metadata_value,
};

use crate::args::FilterArgs;
use crate::failure::{Failure, Result};

/// Deepest nesting that is followed; the server has the last word.
const MAX_DEPTH: usize = 64;

/// All conditions of the flags together.
pub(crate) fn from_args(arguments: &FilterArgs) -> Result<Option<Filter>> {
    let mut all = Vec::new();
    for condition in &arguments.conditions {
        let (field, value) = pair("--where", condition)?;
        all.push(Filter { kind: Some(Kind::Equals(FieldValue { field, value: Some(value) })) });
    }
    if let Some(json) = &arguments.filter {
        let parsed: Value = serde_json::from_str(json).map_err(|e| Failure::Usage(format!("--filter: {e}")))?;
        all.push(from_json(&parsed, 0).map_err(|e| Failure::Usage(format!("--filter: {e}")))?);
    }
    Ok(match all.len() {
        0 => None,
        1 => all.pop(),
        _ => Some(Filter { kind: Some(Kind::And(FilterList { filters: all })) }),
    })
}

/// `KEY=VALUE`.
pub(crate) fn pair(flag: &str, text: &str) -> Result<(String, MetadataValue)> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| Failure::Usage(format!("{flag} {text:?}: expected KEY=VALUE")))?;
    let kind = match (value, value.parse::<f64>()) {
        ("true", _) => metadata_value::Kind::BoolValue(true),
        ("false", _) => metadata_value::Kind::BoolValue(false),
        (_, Ok(number)) if number.is_finite() => metadata_value::Kind::NumberValue(number),
        _ => metadata_value::Kind::StringValue(value.to_owned()),
    };
    Ok((key.to_owned(), MetadataValue { kind: Some(kind) }))
}

/// A JSON value as metadata: text, number, true/false, or a list of texts.
pub(crate) fn metadata_value(json: &Value) -> std::result::Result<MetadataValue, String> {
    let kind = match json {
        Value::Bool(v) => metadata_value::Kind::BoolValue(*v),
        Value::Number(v) => {
            metadata_value::Kind::NumberValue(v.as_f64().ok_or_else(|| format!("{v} is out of range"))?)
        }
        Value::String(v) => metadata_value::Kind::StringValue(v.clone()),
        Value::Array(items) => {
            let texts = items.iter().map(|i| i.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            let values = texts.ok_or("a list holds something that is not text")?;
            metadata_value::Kind::ListValue(StringList { values })
        }
        other => return Err(format!("{other} is neither text, number, true/false nor a list of texts")),
    };
    Ok(MetadataValue { kind: Some(kind) })
}

fn from_json(json: &Value, depth: usize) -> std::result::Result<Filter, String> {
    if depth > MAX_DEPTH {
        return Err("nested too deep".into());
    }
    let object = json
        .as_object()
        .filter(|o| o.len() == 1)
        .ok_or("expected an object with one of and, or, not, equals, in, range, exists, prefix")?;
    let Some((name, body)) = object.iter().next() else { return Err("an empty condition".into()) };
    let field = || body["field"].as_str().map(str::to_owned).ok_or_else(|| format!("{name}: \"field\" is missing"));
    let list = || -> std::result::Result<FilterList, String> {
        let items = body.as_array().ok_or_else(|| format!("{name}: expected a list"))?;
        Ok(FilterList {
            filters: items.iter().map(|i| from_json(i, depth + 1)).collect::<std::result::Result<_, _>>()?,
        })
    };
    let kind = match name.as_str() {
        "and" => Kind::And(list()?),
        "or" => Kind::Or(list()?),
        "not" => Kind::Not(Box::new(from_json(body, depth + 1)?)),
        "equals" => Kind::Equals(FieldValue { field: field()?, value: Some(metadata_value(&body["value"])?) }),
        "in" => {
            let values = body["values"].as_array().ok_or("in: \"values\" is missing")?;
            let values = values.iter().map(metadata_value).collect::<std::result::Result<_, _>>()?;
            Kind::In(FieldValues { field: field()?, values })
        }
        "range" => {
            let bound = |key: &str| body.get(key).map(metadata_value).transpose();
            Kind::Range(FieldRange {
                field: field()?,
                gt: bound("gt")?,
                gte: bound("gte")?,
                lt: bound("lt")?,
                lte: bound("lte")?,
            })
        }
        "exists" => Kind::Exists(body.as_str().ok_or("exists: expected a field name")?.to_owned()),
        "prefix" => {
            let prefix = body["prefix"].as_str().ok_or("prefix: \"prefix\" is missing")?;
            Kind::Prefix(FieldPrefix { field: field()?, prefix: prefix.to_owned() })
        }
        other => return Err(format!("{other:?} is no condition")),
    };
    Ok(Filter { kind: Some(kind) })
}
