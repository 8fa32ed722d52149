//! `tamis expand`: more text around an excerpt.

use serde_json::json;
use tamis_proto::v1::{ExpandRequest, Span};

use super::line;
use crate::args::{ExpandArgs, Global, OutputFormat};
use crate::connect::{Connection, Store};
use crate::failure::Result;

pub(crate) async fn run(global: &Global, args: ExpandArgs) -> Result {
    let connection = Connection::open(global, Store::Kept).await?;
    let request = ExpandRequest {
        collection: global.collection.clone(),
        document_id: args.document_id,
        revision: args.revision,
        span: Some(Span { start: args.start, end: args.end }),
        blocks: args.blocks,
    };
    let response = connection.contexts().expand(request).await?.into_inner();
    if global.format == OutputFormat::Json {
        let span = response.span.unwrap_or_default();
        line(
            &json!({
                "document_id": response.document_id, "uri": response.uri, "revision": response.revision,
                "start": span.start, "end": span.end, "text": response.text,
            })
            .to_string(),
        )?;
    } else {
        line(&response.text)?;
    }
    connection.close().await
}
