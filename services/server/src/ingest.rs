//! `IngestService`: a stream of documents in, one acknowledgement each out, once durable and searchable.

mod in_flight;
mod publisher;
mod reader;

use std::pin::Pin;
use std::sync::Arc;

use tamis::document::DocumentId;
use tamis::error::Error;
use tamis::index::Selector;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::call::{Call, Cost, compute};
use crate::convert;
use crate::identity::Role;
use crate::status::refused;
use crate::v1::{self, ingest_service_server::IngestService};

/// Documents of a page where the request says none.
const DEFAULT_PAGE: usize = 100;
/// Most documents of a page.
const MAX_PAGE: u32 = 10_000;
/// Acknowledgements that may wait for a slow client.
const ACKNOWLEDGEMENTS: usize = 1024;

pub(crate) struct Documents {
    app: App,
}

impl Documents {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl IngestService for Documents {
    type IngestStream = Pin<Box<dyn Stream<Item = Result<v1::IngestResponse, Status>> + Send>>;

    async fn ingest(
        &self,
        request: Request<Streaming<v1::IngestRequest>>,
    ) -> Result<Response<Self::IngestStream>, Status> {
        let call = Call::endless(&self.app, &request, Role::Ingest).map_err(|e| *refused(e))?;
        let open = self.app.quotas.stream(call.tenant()).map_err(|e| *refused(e))?;
        let (acknowledge, acknowledgements) = mpsc::channel(ACKNOWLEDGEMENTS);
        // On its own task: what was taken is finished even if the client goes away.
        let reading = reader::read(self.app.clone(), call, request.into_inner(), acknowledge);
        tokio::spawn(async move {
            reading.await;
            drop(open);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(acknowledgements))))
    }

    async fn get_document(
        &self,
        request: Request<v1::GetDocumentRequest>,
    ) -> Result<Response<v1::GetDocumentResponse>, Status> {
        let call = Call::of(&self.app, &request, Role::Read).map_err(|e| *refused(e))?;
        let request = request.into_inner();
        let scope = call.scope(&request.collection).map_err(|e| *refused(e))?;
        let index = Arc::clone(&self.app.index);
        let work = move |_: &_| {
            let id: DocumentId = request.document_id.parse()?;
            let head = index.view(&scope)?.document(&id)?;
            head.ok_or_else(|| Error::NotFound { kind: "document", name: id.to_string() })
        };
        let (head, _) = compute(&self.app.queries, &call.deadline, Cost::LOOK, work).await.map_err(|e| *e)?;
        Ok(Response::new(v1::GetDocumentResponse { document: Some(convert::document_info(&head)) }))
    }

    async fn list_documents(
        &self,
        request: Request<v1::ListDocumentsRequest>,
    ) -> Result<Response<v1::ListDocumentsResponse>, Status> {
        let call = Call::of(&self.app, &request, Role::Read).map_err(|e| *refused(e))?;
        let request = request.into_inner();
        let scope = call.scope(&request.collection).map_err(|e| *refused(e))?;
        let limit = match request.page_size {
            0 => DEFAULT_PAGE,
            n if n > MAX_PAGE => {
                let (limit, actual) = (u64::from(MAX_PAGE), u64::from(n));
                return Err(*refused(Error::LimitExceeded { field: "page_size", limit, actual }));
            }
            n => n as usize,
        };
        let index = Arc::clone(&self.app.index);
        let work = move |_: &_| {
            let after: Option<DocumentId> = match request.page_token.as_str() {
                "" => None,
                id => Some(id.parse().map_err(|_| Error::invalid("page_token", "is not one that was given"))?),
            };
            // One more than asked for tells whether there is another page.
            index.view(&scope)?.documents(&request.prefix, after.as_ref(), limit + 1)
        };
        let (mut heads, _) = compute(&self.app.queries, &call.deadline, Cost::LOOK, work).await.map_err(|e| *e)?;
        let more = heads.len() > limit;
        heads.truncate(limit);
        let next_page_token =
            if more { heads.last().map(|h| h.id.to_string()).unwrap_or_default() } else { String::new() };
        let documents = heads.iter().map(|h| convert::document_info(h)).collect();
        Ok(Response::new(v1::ListDocumentsResponse { documents, next_page_token }))
    }

    async fn delete_documents(
        &self,
        request: Request<v1::DeleteDocumentsRequest>,
    ) -> Result<Response<v1::DeleteDocumentsResponse>, Status> {
        let call = Call::of(&self.app, &request, Role::Ingest).map_err(|e| *refused(e))?;
        let request = request.into_inner();
        let scope = call.scope(&request.collection).map_err(|e| *refused(e))?;
        let selector = selector(request.selector).map_err(|e| *refused(e))?;
        let index = Arc::clone(&self.app.index);
        let work = move |_: &_| index.delete(&scope, &selector);
        let (deleted, _) = compute(&self.app.queries, &call.deadline, Cost::LOOK, work).await.map_err(|e| *e)?;
        Ok(Response::new(v1::DeleteDocumentsResponse { deleted }))
    }
}

fn selector(wire: Option<v1::delete_documents_request::Selector>) -> tamis::error::Result<Selector> {
    use v1::delete_documents_request::Selector as Wire;
    match wire {
        Some(Wire::Ids(ids)) => Ok(Selector::Ids(ids.values.iter().map(|id| id.parse()).collect::<Result<_, _>>()?)),
        Some(Wire::Prefix(prefix)) if prefix.is_empty() => {
            Err(Error::invalid("prefix", "is empty; to delete everything, delete the collection"))
        }
        Some(Wire::Prefix(prefix)) => Ok(Selector::Prefix(prefix)),
        Some(Wire::Filter(filter)) => {
            let filter = convert::filter(Some(filter))?;
            filter.check()?;
            Ok(Selector::Matching(filter))
        }
        None => Err(Error::invalid("selector", "name ids, a prefix or a filter")),
    }
}
