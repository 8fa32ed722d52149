//! `tamis compress --input-jsonl F --queries-jsonl F`: many questions over documents that are encoded once.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tamis_proto::v1::ingest_request::Part;
use tamis_proto::v1::{
    DeleteCollectionRequest, Document, FieldValues, Filter, IngestOptions, IngestOutcome, IngestRequest, MetadataValue,
    filter::Kind, metadata_value,
};
use tokio_stream::StreamExt;

use super::{compress, line};
use crate::args::{CompressArgs, Global};
use crate::connect::{Connection, Store};
use crate::failure::{Failure, Result};
use crate::filter::metadata_value;
use crate::progress;

#[derive(Deserialize)]
struct InputLine {
    doc_id: String,
    #[serde(default)]
    title: String,
    text: String,
    #[serde(default)]
    uri: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    metadata: serde_json::Map<String, Value>,
    /// What else the line says is metadata too, as far as metadata can hold it.
    #[serde(flatten)]
    more: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct QueryLine {
    query_id: Value,
    question: String,
    candidates: Option<Vec<String>>,
}

/// A document from its JSON line.
pub(super) fn document(line: &str) -> std::result::Result<Document, String> {
    let input: InputLine = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let metadata = input.metadata.iter().map(|(k, v)| Ok((k.clone(), metadata_value(v)?)));
    let more = input.more.iter().filter_map(|(k, v)| Some((k.clone(), metadata_value(v).ok()?)));
    let mut metadata = metadata.collect::<std::result::Result<HashMap<_, _>, String>>()?;
    more.for_each(|(key, value)| _ = metadata.entry(key).or_insert(value));
    Ok(Document {
        id: input.doc_id,
        title: input.title,
        uri: input.uri,
        text: input.text,
        // JSON lines hold passages, not files: their ids say nothing about what is in them.
        media_type: if input.media_type.is_empty() { "text/plain".into() } else { input.media_type },
        metadata,
        ..Document::default()
    })
}

pub(crate) async fn run(global: &Global, args: CompressArgs) -> Result {
    let (Some(input), Some(queries)) = (&args.input_jsonl, &args.queries_jsonl) else {
        return Err(Failure::Usage("--input-jsonl and --queries-jsonl go together".into()));
    };
    let documents = lines(input, document)?;
    let mut seen = HashSet::new();
    if let Some(twice) = documents.iter().find(|d| !seen.insert(d.id.as_str())) {
        return Err(Failure::Other(format!("{}: doc_id {:?} stands there twice", input.display(), twice.id)));
    }
    let queries: Vec<QueryLine> = lines(queries, |l| serde_json::from_str(l).map_err(|e| e.to_string()))?;
    let known: HashSet<String> = documents.iter().map(|d| d.id.clone()).collect();
    for query in &queries {
        let missing = query.candidates.iter().flatten().find(|c| !known.contains(*c));
        if let Some(missing) = missing {
            return Err(Failure::Other(format!("query {}: candidate {missing:?} is no document", query.query_id)));
        }
    }
    let connection = Connection::open(global, Store::Scratch).await?;
    // A collection of its own, so that a shared server keeps nothing of this.
    let collection = format!("batch-{}-{}", std::process::id(), started());
    let answered = answer_all(&connection, &collection, documents, queries, &args).await;
    let request = DeleteCollectionRequest { name: collection };
    let deleted = connection.collections().delete_collection(request).await;
    connection.close().await?;
    answered?;
    deleted?;
    Ok(())
}

fn started() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos())
}

async fn answer_all(
    connection: &Connection,
    collection: &str,
    documents: Vec<Document>,
    queries: Vec<QueryLine>,
    args: &CompressArgs,
) -> Result {
    let bar = progress::bytes("encode", documents.iter().map(|d| d.text.len() as u64).sum());
    let sizes: Vec<u64> = documents.iter().map(|d| d.text.len() as u64).collect();
    let options = Part::Options(IngestOptions { collection: collection.to_owned(), ..IngestOptions::default() });
    let parts = std::iter::once(options).chain(documents.into_iter().map(Part::Document));
    let requests = tokio_stream::iter(parts.map(|part| IngestRequest { part: Some(part) }).collect::<Vec<_>>());
    let mut acknowledgements = connection.documents().ingest(requests).await?.into_inner();
    while let Some(response) = acknowledgements.next().await {
        let response = response?;
        bar.inc(sizes.get(response.index as usize).copied().unwrap_or(0));
        if response.outcome() == IngestOutcome::Refused {
            crate::say!("skipped {}: {}", response.document_id, response.error.unwrap_or_default().message);
        }
    }
    bar.finish_and_clear();
    let mut client = connection.contexts();
    for query in queries {
        let mut request = compress::request(args, query.question);
        request.collection = collection.to_owned();
        request.filter = query.candidates.map(only);
        let response = client.compress(request).await?.into_inner();
        let mut json = compress::to_json(&response);
        json["query_id"] = query.query_id;
        line(&json.to_string())?;
    }
    Ok(())
}

/// Only documents with these ids.
fn only(ids: Vec<String>) -> Filter {
    let value = |id| MetadataValue { kind: Some(metadata_value::Kind::StringValue(id)) };
    let values = ids.into_iter().map(value).collect();
    Filter { kind: Some(Kind::In(FieldValues { field: "$id".into(), values })) }
}

/// Every line of a file, read by `parse`; errors name file and line.
pub(super) fn lines<T>(path: &Path, parse: impl Fn(&str) -> std::result::Result<T, String>) -> Result<Vec<T>> {
    let read = || {
        if path == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) }
    };
    let text = read().map_err(|e| Failure::Other(format!("{}: {e}", path.display())))?;
    let numbered = text.lines().zip(1..).filter(|(l, _)| !l.trim().is_empty());
    numbered.map(|(l, n)| parse(l).map_err(|e| Failure::Other(format!("{}:{n}: {e}", path.display())))).collect()
}
