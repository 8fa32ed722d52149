//! Digests, as `tamis compress --digest` and `tamis cluster` show them.

use serde_json::{Map, Value, json};
use tamis_proto::v1::{Cluster, Digest, Fact, MapPlace};

use super::rounded;

/// A cluster in the stable JSON form.
pub(super) fn cluster(cluster: &Cluster) -> Value {
    let first = cluster.first_excerpt;
    let mut json = json!({
        "size": cluster.passages, "share": rounded(cluster.share, 1e4), "keywords": cluster.keywords,
        "cohesion": rounded(f64::from(cluster.cohesion), 1e4), "outliers": cluster.outliers,
        "excerpts": (first..first + cluster.excerpts).collect::<Vec<_>>(), "facts": facts(&cluster.facts),
    });
    if let Some(summary) = &cluster.summary {
        json["summary"] = json!({
            "text": summary.text, "model": summary.model, "passages": summary.passages,
            "not_in_passages": summary.not_in_passages,
        });
    }
    json
}

/// A passage on the map.
pub(super) fn place(place: &MapPlace) -> Value {
    let [x, y] = [place.x, place.y].map(|at| rounded(f64::from(at), 1e4));
    json!({"x": x, "y": y, "cluster": place.cluster, "told": place.told})
}

/// What the digest is of.
pub(super) fn whole(digest: &Digest) -> Value {
    let mut json = json!({
        "passages": digest.passages, "documents": digest.documents, "untold": digest.untold,
        "facts": facts(&digest.facts), "warnings": digest.warnings,
    });
    if let Some(cost) = &digest.cost {
        json["cost"] = json!({
            "calls": cost.calls, "cached": cost.cached, "retries": cost.retries, "prompt_tokens": cost.prompt_tokens,
            "completion_tokens": cost.completion_tokens,
        });
    }
    json
}

/// The same in a line.
pub(super) fn summary(digest: &Digest) -> String {
    let untold = match digest.untold {
        0 => String::new(),
        untold => format!(", {untold} of which the budget has no room for"),
    };
    let counted = |n: u64, of: &str| if n == 1 { format!("1 {of}") } else { format!("{n} {of}s") };
    let (passages, documents) = (counted(digest.passages, "passage"), counted(digest.documents, "document"));
    format!("{passages} of {documents} in {}{untold}", counted(digest.clusters.len() as u64, "cluster"))
}

/// Facts by field.
fn facts(facts: &[Fact]) -> Map<String, Value> {
    let fact = |fact: &Fact| {
        let values: Map<String, Value> = fact.values.iter().map(|v| (v.value.clone(), json!(v.documents))).collect();
        let mut json = json!({
            "documents": fact.documents, "missing": fact.missing, "values": values, "others": fact.others,
        });
        if let Some(numbers) = fact.numbers {
            for (name, value) in [("min", numbers.min), ("max", numbers.max), ("mean", numbers.mean)] {
                json[name] = json!(value);
            }
        }
        (fact.field.clone(), json)
    };
    facts.iter().map(fact).collect()
}
