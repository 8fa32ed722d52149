//! `CollectionService`: collections of a tenant.

use std::sync::Arc;

use tamis::document::TenantId;
use tamis::error::Result;
use tamis::index::{BlockVectors, CollectionInfo};
use tamis::ingest::settings_for;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::call::{Call, compute};
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
    async fn on_index<T, R: Send + 'static>(
        &self,
        request: &Request<T>,
        work: impl FnOnce(&App, &TenantId) -> Result<R> + Send + 'static,
    ) -> std::result::Result<R, Status> {
        let call = Call::of(&self.app, request).map_err(|e| *refused(e))?;
        let (app, tenant) = (self.app.clone(), call.tenant);
        let work = move |_: &_| work(&app, &tenant);
        let (result, _) = compute(&self.app.queries, &call.deadline, work).await.map_err(|e| *e)?;
        Ok(result)
    }
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
    }
}

#[tonic::async_trait]
impl CollectionService for Collections {
    async fn create_collection(
        &self,
        request: Request<v1::CreateCollectionRequest>,
    ) -> std::result::Result<Response<v1::CreateCollectionResponse>, Status> {
        let (name, vectors) = (request.get_ref().name.clone(), request.get_ref().block_vectors());
        let info = self
            .on_index(&request, move |app, tenant| {
                let scope = tamis::index::Scope::new(tenant.clone(), name.parse()?);
                let vectors = match vectors {
                    v1::BlockVectors::Pooled => BlockVectors::Pooled,
                    _ => BlockVectors::Separate,
                };
                app.index.create_collection(&scope, &settings_for(app.encoder.as_ref(), vectors))?;
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
            .on_index(&request, move |app, tenant| app.index.collection(&crate::call::scope(tenant, &name)?))
            .await?;
        Ok(Response::new(v1::GetCollectionResponse { collection: Some(wire(&info)) }))
    }

    async fn list_collections(
        &self,
        request: Request<v1::ListCollectionsRequest>,
    ) -> std::result::Result<Response<v1::ListCollectionsResponse>, Status> {
        let index = Arc::clone(&self.app.index);
        let infos = self.on_index(&request, move |_, tenant| index.collections(tenant)).await?;
        Ok(Response::new(v1::ListCollectionsResponse { collections: infos.iter().map(wire).collect() }))
    }

    async fn delete_collection(
        &self,
        request: Request<v1::DeleteCollectionRequest>,
    ) -> std::result::Result<Response<v1::DeleteCollectionResponse>, Status> {
        let name = request.get_ref().name.clone();
        self.on_index(&request, move |app, tenant| {
            app.index.delete_collection(&tamis::index::Scope::new(tenant.clone(), name.parse()?))
        })
        .await?;
        Ok(Response::new(v1::DeleteCollectionResponse {}))
    }
}
