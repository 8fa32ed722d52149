//! `tamis documents`: show and delete documents.

use serde_json::{Value, json};
use tamis_proto::v1::delete_documents_request::Selector;
use tamis_proto::v1::{
    DeleteDocumentsRequest, DocumentInfo, GetDocumentRequest, ListDocumentsRequest, StringList, metadata_value::Kind,
};

use super::line;
use crate::args::{DeleteArgs, DocumentsCommand, Global, OutputFormat};
use crate::connect::{Connection, Store};
use crate::failure::{Failure, Result};
use crate::filter;

/// Documents asked for at a time.
const PAGE: u32 = 1000;

pub(crate) async fn run(global: &Global, command: DocumentsCommand) -> Result {
    let connection = Connection::open(global, Store::Kept).await?;
    let json_output = global.format == OutputFormat::Json;
    let mut client = connection.documents();
    match command {
        DocumentsCommand::List { prefix, limit } => {
            let mut documents = Vec::new();
            let mut page_token = String::new();
            while documents.len() < limit {
                let request = ListDocumentsRequest {
                    collection: global.collection.clone(),
                    prefix: prefix.clone(),
                    page_size: PAGE.min(u32::try_from(limit - documents.len()).unwrap_or(PAGE)),
                    page_token,
                };
                let page = client.list_documents(request).await?.into_inner();
                documents.extend(page.documents);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            if json_output {
                let documents: Vec<Value> = documents.iter().map(to_json).collect();
                line(&json!({ "documents": documents }).to_string())?;
            } else {
                for d in &documents {
                    line(&format!("{:>10} bytes {:>6} blocks  {}", d.bytes, d.blocks, d.id))?;
                }
            }
        }
        DocumentsCommand::Get { id } => {
            let request = GetDocumentRequest { collection: global.collection.clone(), document_id: id };
            let document = client.get_document(request).await?.into_inner().document.unwrap_or_default();
            let json = to_json(&document);
            line(&if json_output {
                json.to_string()
            } else {
                serde_json::to_string_pretty(&json).unwrap_or_default()
            })?;
        }
        DocumentsCommand::Delete(args) => {
            let request =
                DeleteDocumentsRequest { collection: global.collection.clone(), selector: Some(selector(args)?) };
            let deleted = client.delete_documents(request).await?.into_inner().deleted;
            line(&if json_output { json!({ "deleted": deleted }).to_string() } else { format!("{deleted} deleted") })?;
        }
    }
    connection.close().await
}

fn selector(args: DeleteArgs) -> Result<Selector> {
    if !args.ids.is_empty() {
        return Ok(Selector::Ids(StringList { values: args.ids }));
    }
    if let Some(prefix) = args.prefix {
        return Ok(Selector::Prefix(prefix));
    }
    match filter::from_args(&args.filter)? {
        Some(filter) => Ok(Selector::Filter(filter)),
        None => Err(Failure::Usage("name ids, --prefix, --where or --filter".into())),
    }
}

fn to_json(d: &DocumentInfo) -> Value {
    let metadata: serde_json::Map<String, Value> = d
        .metadata
        .iter()
        .map(|(key, value)| {
            let value = match &value.kind {
                Some(Kind::BoolValue(v)) => json!(v),
                Some(Kind::NumberValue(v)) => json!(v),
                Some(Kind::StringValue(v)) => json!(v),
                Some(Kind::ListValue(v)) => json!(v.values),
                None => Value::Null,
            };
            (key.clone(), value)
        })
        .collect();
    json!({
        "id": d.id, "revision": d.revision, "uri": d.uri, "title": d.title, "media_type": d.media_type,
        "metadata": metadata, "bytes": d.bytes, "segments": d.segments, "blocks": d.blocks,
        "content_hash": d.content_hash,
    })
}
