//! `tamis retrieve`: the best segments for a question.

use serde_json::json;
use tamis_proto::v1::RetrieveRequest;

use super::{Corpus, line};
use crate::args::{Global, OutputFormat, RetrieveArgs};
use crate::connect::Connection;
use crate::failure::Result;

/// Characters of a segment shown to people.
const SHOWN_CHARS: usize = 160;

pub(crate) async fn run(global: &Global, args: RetrieveArgs) -> Result {
    let Corpus { store, collection, filter, documents } = Corpus::of(global, &args.paths, &args.filter)?;
    let connection = Connection::open(global, store).await?;
    let request = RetrieveRequest { query: args.query, limit: args.limit, collection, filter, documents };
    let response = connection.contexts().max_encoding_message_size(usize::MAX).retrieve(request).await?.into_inner();
    if global.format == OutputFormat::Json {
        let segments: Vec<_> = response
            .segments
            .iter()
            .map(|s| {
                let span = s.span.unwrap_or_default();
                json!({
                    "document_id": s.document_id, "uri": s.uri, "revision": s.revision, "start": span.start,
                    "end": span.end, "text": s.text, "score": (s.score * 1e6).round() / 1e6,
                    "dense_rank": s.dense_rank, "lexical_rank": s.lexical_rank, "heading": s.heading, "place": s.place,
                })
            })
            .collect();
        line(&json!({ "segments": segments }).to_string())?;
    } else {
        let rank = |r: Option<u32>| r.map_or_else(|| "-".to_owned(), |r| r.to_string());
        for (n, s) in response.segments.iter().enumerate() {
            let span = s.span.unwrap_or_default();
            let name = if s.uri.is_empty() { &s.document_id } else { &s.uri };
            let heading = if s.heading.is_empty() { String::new() } else { format!(" ({})", s.heading) };
            line(&format!(
                "{:>3}. {name}:{}-{}{heading}  dense {} lexical {}",
                n + 1,
                span.start,
                span.end,
                rank(s.dense_rank),
                rank(s.lexical_rank)
            ))?;
            let text: String =
                s.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN_CHARS).collect();
            line(&format!("     {text}"))?;
        }
    }
    connection.close().await
}
