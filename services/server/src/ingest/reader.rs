//! Reads an ingest stream: assembles documents and hands them to the threads that encode.

use tamis::document::Document;
use tamis::error::{Error, Result};
use tamis::extract::MAX_DOCUMENT_BYTES;
use tamis::index::{BlockVectors, Scope};
use tamis::ingest::settings_for;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::in_flight::{Acknowledge, Ids, InFlight, Staging};
use super::publisher::{self, Target};
use crate::app::App;
use crate::call::{Call, Cost};
use crate::convert;
use crate::memory::Held;
use crate::status::{not_done, refused, stopping};
use crate::v1::{self, ingest_request::Part};
use crate::work::NotDone;

/// Documents of one stream that may be encoded or wait to be published at a time.
const IN_FLIGHT: usize = 256;

/// Reads until the client ends the stream, is gone, breaks the protocol, or the server stops.
pub(super) async fn read(app: App, call: Call, mut stream: Streaming<v1::IngestRequest>, acknowledge: Acknowledge) {
    let (documents, taken) = mpsc::channel(IN_FLIGHT);
    let mut reader = Reader {
        app: app.clone(),
        call,
        scope: None,
        precompute: false,
        open: None,
        next: 0,
        ids: Ids::default(),
        documents,
    };
    let mut taken = Some(taken);
    let mut publishing = None;
    let end = loop {
        let message = tokio::select! {
            () = app.stopping.cancelled() => break Err(stopping()),
            message = stream.message() => message,
        };
        match message {
            Ok(Some(message)) => {
                if let Err(status) = reader.take(message).await {
                    break Err(status);
                }
                // The first message says which collection; from then on there is something to publish to.
                if let Some(scope) = &reader.scope
                    && let Some(taken) = taken.take()
                {
                    let ids = reader.ids.clone();
                    let target = Target { scope: scope.clone(), precompute: reader.precompute };
                    let publisher = publisher::publish(app.clone(), target, taken, ids, acknowledge.clone());
                    publishing = Some(tokio::spawn(publisher));
                }
            }
            Ok(None) => break reader.finish(),
            Err(status) => break Err(status),
        }
    };
    // What was taken is published and acknowledged before the stream ends.
    drop(reader);
    if let Some(publishing) = publishing {
        let _ = publishing.await;
    }
    if let Err(status) = end {
        // Waits no longer than a client that reads would need.
        let _ = tokio::time::timeout(publisher::MAX_STALL, acknowledge.send(Err(status))).await;
    }
}

struct Reader {
    app: App,
    call: Call,
    /// Known after the first message.
    scope: Option<Scope>,
    /// Whether the reader reads what is stored at once.
    precompute: bool,
    /// A document that comes in chunks.
    open: Option<Open>,
    next: u64,
    ids: Ids,
    documents: mpsc::Sender<InFlight>,
}

struct Open {
    document: v1::Document,
    bytes: Vec<u8>,
    /// Bytes that were sent; beyond the limit they are counted and not kept.
    sent: u64,
    held: Held,
}

impl Reader {
    /// An error ends the stream: the client and the server do not agree on the protocol any more.
    async fn take(&mut self, message: v1::IngestRequest) -> std::result::Result<(), Status> {
        let protocol = |reason: &str| *refused(Error::invalid("part", reason));
        let part = message.part.ok_or_else(|| protocol("is missing"))?;
        // What came with this message; it is given back with it.
        let held = self.call.take_held();
        match (part, self.open.is_some()) {
            (Part::Options(options), _) => {
                if self.scope.is_some() {
                    return Err(protocol("options come once, before all documents"));
                }
                if options.precompute_reader && !self.app.keeps_states {
                    let reason = "no states are kept here: set reader_states_disk_mib or reader_states_mib, \
                                  and reader to lazy or eager";
                    return Err(*refused(Error::invalid("precompute_reader", reason)));
                }
                self.precompute = options.precompute_reader;
                self.open_collection(&options.collection).await
            }
            (part, _) if self.scope.is_none() => {
                self.open_collection("").await?;
                self.call.give_back(held);
                Box::pin(self.take(v1::IngestRequest { part: Some(part) })).await
            }
            (Part::Document(document), false) => {
                self.submit(document.id.clone(), convert::document(document, None), held).await;
                Ok(())
            }
            (Part::Begin(document), false) => {
                let mut bytes = document.text.clone().into_bytes();
                bytes.extend_from_slice(&document.content);
                self.open = Some(Open { sent: bytes.len() as u64, bytes, document, held });
                Ok(())
            }
            (Part::Chunk(chunk), true) => {
                if let Some(open) = &mut self.open {
                    open.sent += chunk.len() as u64;
                    if open.sent <= MAX_DOCUMENT_BYTES as u64 {
                        open.bytes.extend_from_slice(&chunk);
                        open.held.and(held);
                    } else {
                        (open.bytes, open.held) = (Vec::new(), Held::default());
                    }
                }
                Ok(())
            }
            (Part::End(_), true) => {
                if let Some(mut open) = self.open.take() {
                    let held = std::mem::take(&mut open.held);
                    self.submit(open.document.id.clone(), open.finish(), held).await;
                }
                Ok(())
            }
            (Part::Abandon(_), true) => {
                self.open = None;
                Ok(())
            }
            (_, true) => Err(protocol("a document was begun and not ended")),
            (_, false) => Err(protocol("a chunk, an end or an abandonment without a beginning")),
        }
    }

    fn finish(&self) -> std::result::Result<(), Status> {
        match &self.open {
            None => Ok(()),
            Some(_) => Err(*refused(Error::invalid("part", "the stream ended inside a document; it was not stored"))),
        }
    }

    async fn open_collection(&mut self, name: &str) -> std::result::Result<(), Status> {
        let scope = self.call.scope(name).map_err(|e| *refused(e))?;
        let (app, wanted) = (self.app.clone(), scope.clone());
        let made = self.app.documents.run_patiently(Cost::LOOK.0, move || {
            match app.index.view(&wanted) {
                Ok(view) => return view.settings().check(&wanted.collection, app.encoder.fingerprint()),
                Err(Error::NotFound { .. }) => {}
                Err(e) => return Err(e),
            }
            match app.index.create_collection(&wanted, &settings_for(app.encoder.as_ref(), BlockVectors::Separate)) {
                Err(Error::AlreadyExists { .. }) => Ok(()), // another stream was first
                other => other,
            }
        });
        let made = made.await.await.unwrap_or(Err(NotDone::Panicked));
        let (result, _) = made.map_err(|e| *not_done(&e))?;
        result.map_err(|e| *refused(e))?;
        self.scope = Some(scope);
        Ok(())
    }

    async fn submit(&mut self, id: String, document: Result<Document>, held: Held) {
        let index = self.next;
        self.next += 1;
        self.ids.claim(&id).await;
        let staged = match (document, &self.scope) {
            (Ok(document), Some(scope)) => {
                let (app, scope) = (self.app.clone(), scope.clone());
                let deadline = tamis::deadline::Deadline::none();
                let cost = document.content.len() as u64;
                let staging = move || {
                    let bytes = document.content.len() as u64;
                    let room = app.quotas.reserve(app.index.as_ref(), &scope, &document.id, bytes)?;
                    Ok((app.ingestor.stage(&scope, document, &deadline)?, room))
                };
                Staging::Running(self.app.documents.run_patiently(cost, staging).await)
            }
            (Err(e), _) => Staging::Refused(e),
            (_, None) => Staging::Refused(Error::Cancelled),
        };
        // The publisher lives as long as this sender.
        let _ = self.documents.send(InFlight { id, index, staged, held }).await;
    }
}

impl Open {
    fn finish(self) -> Result<Document> {
        if self.sent > MAX_DOCUMENT_BYTES as u64 {
            let limit = MAX_DOCUMENT_BYTES as u64;
            return Err(Error::LimitExceeded { field: "document.text", limit, actual: self.sent });
        }
        // Decoding and extraction are work for other threads.
        let (text, content) = (String::new(), self.bytes);
        convert::document(v1::Document { text, content, ..self.document }, None)
    }
}
