//! Front matter of Markdown: YAML between `---` lines or TOML between `+++` lines, as metadata.

use serde_json::Value;

use crate::document::{Metadata, MetadataValue};

/// Longer front matter is left alone.
const MAX_BYTES: usize = 64 * 1024;

/// Title and metadata of a document's front matter. What can't be parsed is text like any other.
pub(super) fn read(text: &str) -> (Option<String>, Metadata) {
    let text = text.trim_start_matches('\u{feff}');
    let parsed = match text.get(..3) {
        Some("---") => inside(text, "---").and_then(|yaml| serde_saphyr::from_str::<Value>(yaml).ok()),
        Some("+++") => inside(text, "+++").and_then(|source| toml::from_str::<Value>(source).ok()),
        _ => None,
    };
    let Some(Value::Object(entries)) = parsed else { return (None, Metadata::new()) };
    let title = entries.get("title").and_then(Value::as_str).map(str::to_owned);
    (title, entries.into_iter().filter_map(|(key, value)| Some((key, metadata_value(value)?))).collect())
}

/// The lines between the first line and the next one like it.
fn inside<'t>(text: &'t str, fence: &str) -> Option<&'t str> {
    let (first, rest) = text.split_once('\n')?;
    if first.trim_end() != fence {
        return None;
    }
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == fence {
            return Some(&rest[..at]);
        }
        at += line.len();
        if at > MAX_BYTES {
            break;
        }
    }
    None
}

/// Scalars and lists of scalars; deeper structures are no metadata.
fn metadata_value(value: Value) -> Option<MetadataValue> {
    match value {
        Value::Bool(value) => Some(MetadataValue::Bool(value)),
        Value::Number(value) => value.as_f64().map(MetadataValue::Number),
        Value::String(value) => Some(MetadataValue::Text(value)),
        Value::Array(values) => {
            let text = |value: Value| match value {
                Value::String(text) => Some(text),
                Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
                _ => None,
            };
            Some(MetadataValue::List(values.into_iter().filter_map(text).collect()))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_and_lists_become_metadata() {
        let (title, metadata) =
            read("---\ntitle: Soup\ntags: [a, b]\nyear: 2024\ndraft: false\nnested:\n  a: 1\n---\n# Text\n");
        assert_eq!(title.as_deref(), Some("Soup"));
        assert_eq!(metadata["tags"], MetadataValue::List(vec!["a".into(), "b".into()]));
        assert_eq!(metadata["year"], MetadataValue::Number(2024.0));
        assert_eq!(metadata["draft"], MetadataValue::Bool(false));
        assert!(!metadata.contains_key("nested"));
        let (title, _) = read("+++\ntitle = \"Soup\"\n+++\ntext");
        assert_eq!(title.as_deref(), Some("Soup"));
    }

    #[test]
    fn what_is_none_stays_text() {
        for text in ["--- not closed\ntitle: x\n", "---\n: : :\n---\n", "text\n---\n", "---\n- a\n---\n"] {
            assert_eq!(read(text), (None, Metadata::new()), "{text:?}");
        }
    }
}
