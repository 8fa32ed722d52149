//! `CollectionService`: collections of a tenant.

mod transfer;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tamis::document::CollectionName;
use tamis::error::{Error, Result};
use tamis::index::qdrant::SWEPT_AFTER;
use tamis::index::{BlockVectors, Boundaries, CollectionInfo, CollectionSettings, Scope, Splitting};
use tamis::ingest::settings_for;
use tamis::transfer::reindex;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::call::{Call, Cost, compute};
use crate::convert::known;
use crate::identity::Role;
use crate::status::refused;
use crate::v1::{self, collection_service_server::CollectionService};

pub(crate) struct Collections {
    app: App,
}

impl Collections {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }

    /// Runs a step on the index, on a thread that may block.
    async fn on_index<R: Send + 'static>(
        &self,
        call: Result<Call>,
        work: impl FnOnce(&App, &Call) -> Result<R> + Send + 'static,
    ) -> std::result::Result<R, Status> {
        let call = call.map_err(|e| *refused(e))?;
        let (app, deadline) = (self.app.clone(), call.deadline.clone());
        // What takes its time is what goes over all.
        let cost = if deadline.remaining().is_some() { Cost::LOOK } else { Cost::ALL };
        let work = move |_: &_| work(&app, &call);
        let (result, _) = compute(&self.app.queries, &deadline, cost, work).await.map_err(|e| *e)?;
        Ok(result)
    }
}

/// A collection that has to be named: what it is for does not go to the default one by mistake.
fn named(call: &Call, name: &str) -> Result<Scope> {
    name.parse::<CollectionName>()?;
    call.scope(name)
}

/// The settings that a request asks for.
fn settings(app: &App, wanted: &v1::CreateCollectionRequest) -> Result<CollectionSettings> {
    let splitting = splitting(wanted.block_vectors, wanted.boundaries, Some(wanted.overlap))?;
    settings_for(app.encoder.as_ref(), BlockVectors::Separate).split(splitting)
}

fn splitting(block_vectors: i32, boundaries: i32, overlap: Option<u32>) -> Result<Splitting> {
    Ok(Splitting {
        block_vectors: match known("block_vectors", block_vectors)? {
            v1::BlockVectors::Unspecified => None,
            v1::BlockVectors::Separate => Some(BlockVectors::Separate),
            v1::BlockVectors::Pooled => Some(BlockVectors::Pooled),
        },
        boundaries: match known("boundaries", boundaries)? {
            v1::Boundaries::Unspecified => None,
            v1::Boundaries::Structure => Some(Boundaries::Structure),
            v1::Boundaries::Semantic => Some(Boundaries::Semantic),
        },
        overlap,
    })
}

fn wire(info: &CollectionInfo) -> v1::Collection {
    let block_vectors = match info.settings.block_vectors {
        BlockVectors::Separate => v1::BlockVectors::Separate,
        BlockVectors::Pooled => v1::BlockVectors::Pooled,
    };
    v1::Collection {
        name: info.name.to_string(),
        fingerprint: info.settings.fingerprint.to_string(),
        block_vectors: block_vectors.into(),
        documents: info.documents,
        segments: info.segments,
        bytes: info.bytes,
        boundaries: match info.settings.boundaries {
            Boundaries::Structure => v1::Boundaries::Structure.into(),
            Boundaries::Semantic => v1::Boundaries::Semantic.into(),
        },
        overlap: info.settings.overlap.into(),
    }
}

#[tonic::async_trait]
impl CollectionService for Collections {
    async fn create_collection(
        &self,
        request: Request<v1::CreateCollectionRequest>,
    ) -> std::result::Result<Response<v1::CreateCollectionResponse>, Status> {
        let wanted = request.get_ref().clone();
        let info = self
            .on_index(Call::of(&self.app, &request, Role::Ingest), move |app, call| {
                let scope = named(call, &wanted.name)?;
                app.index.create_collection(&scope, &settings(app, &wanted)?)?;
                app.index.collection(&scope)
            })
            .await?;
        Ok(Response::new(v1::CreateCollectionResponse { collection: Some(wire(&info)) }))
    }

    async fn get_collection(
        &self,
        request: Request<v1::GetCollectionRequest>,
    ) -> std::result::Result<Response<v1::GetCollectionResponse>, Status> {
        let name = request.get_ref().name.clone();
        let info = self
            .on_index(Call::of(&self.app, &request, Role::Read), move |app, call| {
                app.index.collection(&call.scope(&name)?)
            })
            .await?;
        Ok(Response::new(v1::GetCollectionResponse { collection: Some(wire(&info)) }))
    }

    async fn list_collections(
        &self,
        request: Request<v1::ListCollectionsRequest>,
    ) -> std::result::Result<Response<v1::ListCollectionsResponse>, Status> {
        let index = Arc::clone(&self.app.index);
        let list = move |_: &App, call: &Call| {
            let mut infos = index.collections(call.tenant())?;
            infos.retain(|info| call.sees(&info.name));
            Ok(infos)
        };
        let infos = self.on_index(Call::of(&self.app, &request, Role::Read), list).await?;
        Ok(Response::new(v1::ListCollectionsResponse { collections: infos.iter().map(wire).collect() }))
    }

    async fn delete_collection(
        &self,
        request: Request<v1::DeleteCollectionRequest>,
    ) -> std::result::Result<Response<v1::DeleteCollectionResponse>, Status> {
        let name = request.get_ref().name.clone();
        let delete = move |app: &App, call: &Call| app.index.delete_collection(&named(call, &name)?);
        self.on_index(Call::of(&self.app, &request, Role::Admin), delete).await?;
        Ok(Response::new(v1::DeleteCollectionResponse {}))
    }

    async fn get_collection_stats(
        &self,
        request: Request<v1::GetCollectionStatsRequest>,
    ) -> std::result::Result<Response<v1::GetCollectionStatsResponse>, Status> {
        let name = request.get_ref().name.clone();
        let stats = self
            .on_index(Call::over_all(&self.app, &request, Role::Read), move |app, call| {
                app.index.stats(&call.scope(&name)?)
            })
            .await?;
        Ok(Response::new(v1::GetCollectionStatsResponse {
            collection: Some(wire(&stats.info)),
            terms: stats.terms,
            stale_segments: stats.stale,
        }))
    }

    async fn sweep_collection(
        &self,
        request: Request<v1::SweepCollectionRequest>,
    ) -> std::result::Result<Response<v1::SweepCollectionResponse>, Status> {
        let v1::SweepCollectionRequest { name, older_than_s } = request.get_ref().clone();
        let older_than = older_than_s.map_or(SWEPT_AFTER, Duration::from_secs);
        let sweep = move |app: &App, call: &Call| app.index.sweep(&call.scope(&name)?, older_than);
        let segments = self.on_index(Call::over_all(&self.app, &request, Role::Admin), sweep).await?;
        Ok(Response::new(v1::SweepCollectionResponse { segments }))
    }

    async fn switch_collections(
        &self,
        request: Request<v1::SwitchCollectionsRequest>,
    ) -> std::result::Result<Response<v1::SwitchCollectionsResponse>, Status> {
        let v1::SwitchCollectionsRequest { name, other } = request.get_ref().clone();
        let switch = move |app: &App, call: &Call| app.index.switch(&call.scope(&name)?, &call.scope(&other)?);
        self.on_index(Call::of(&self.app, &request, Role::Admin), switch).await?;
        Ok(Response::new(v1::SwitchCollectionsResponse {}))
    }

    async fn reindex_collection(
        &self,
        request: Request<v1::ReindexCollectionRequest>,
    ) -> std::result::Result<Response<v1::ReindexCollectionResponse>, Status> {
        let call = Call::over_all(&self.app, &request, Role::Admin).map_err(|e| *refused(e))?;
        let request = request.into_inner();
        let scope = call.scope(&request.name).map_err(|e| *refused(e))?;
        let beside = named(&call, &request.beside).map_err(|e| *refused(e))?.collection;
        let splitting = splitting(request.block_vectors, request.boundaries, request.overlap);
        let splitting = splitting.map_err(|e| *refused(e))?;
        let _open = self.app.quotas.stream(&scope.tenant).map_err(|e| *refused(e))?;
        let app = self.app.clone();
        let work = move |deadline: &_| {
            reindex(&app.encoder, &app.index, &scope, &beside, splitting, request.keep_old, deadline)
        };
        let (done, _) = compute(&self.app.documents, &call.deadline, Cost::ALL, work).await.map_err(|e| *e)?;
        Ok(Response::new(v1::ReindexCollectionResponse {
            encoded: done.encoded,
            documents: done.documents,
            fingerprint_before: done.before.to_string(),
            fingerprint: self.app.encoder.fingerprint().to_string(),
        }))
    }

    type ExportCollectionStream =
        Pin<Box<dyn Stream<Item = std::result::Result<v1::ExportCollectionResponse, Status>> + Send>>;

    async fn export_collection(
        &self,
        request: Request<v1::ExportCollectionRequest>,
    ) -> std::result::Result<Response<Self::ExportCollectionStream>, Status> {
        let call = Call::over_all(&self.app, &request, Role::Admin).map_err(|e| *refused(e))?;
        let scope = call.scope(&request.get_ref().name).map_err(|e| *refused(e))?;
        let open = self.app.quotas.stream(&scope.tenant).map_err(|e| *refused(e))?;
        let frames = transfer::begin_export(self.app.clone(), scope, request.get_ref().vectors, call.deadline, open);
        Ok(Response::new(Box::pin(ReceiverStream::new(frames))))
    }

    async fn import_collection(
        &self,
        request: Request<Streaming<v1::ImportCollectionRequest>>,
    ) -> std::result::Result<Response<v1::ImportCollectionResponse>, Status> {
        let call = Call::over_all(&self.app, &request, Role::Admin).map_err(|e| *refused(e))?;
        let mut incoming = request.into_inner();
        let nothing = || Error::invalid("frame", "the file is empty");
        let first = incoming.message().await?.ok_or_else(|| *refused(nothing()))?;
        let scope = call.scope(&first.name).map_err(|e| *refused(e))?;
        let _open = self.app.quotas.stream(&scope.tenant).map_err(|e| *refused(e))?;
        let imported = transfer::take_in(&self.app, scope, first, incoming, &call).await?;
        let (written, unchanged) = (imported.written, imported.unchanged);
        Ok(Response::new(v1::ImportCollectionResponse { written, unchanged }))
    }
}
