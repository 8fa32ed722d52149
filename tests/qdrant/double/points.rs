//! The calls that our index makes.

use std::collections::BTreeMap;

use ::qdrant_client::qdrant::collections_server::Collections;
use ::qdrant_client::qdrant::payload_index_params::IndexParams;
use ::qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use ::qdrant_client::qdrant::points_server::Points;
use ::qdrant_client::qdrant::query::Variant;
use ::qdrant_client::qdrant::vectors_config::Config;
use ::qdrant_client::qdrant::{self as wire, *};
use tonic::{Request, Response, Status};

use super::matching::{by_score, matches, number, score, shown, unknown, uuid, vector};
use super::unknown::unknown_calls;
use super::{Collection, Service};

#[tonic::async_trait]
impl Collections for Service {
    async fn create(
        &self,
        request: Request<CreateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        self.call("create", request, |state, made| {
            let name = made.collection_name.clone();
            if state.collections.contains_key(&name) {
                return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
            }
            let (points, indexes, tenants) = Default::default();
            state.collections.insert(name, Collection { made, points, indexes, tenants });
            Ok(CollectionOperationResponse { result: true, time: 0.0 })
        })
        .await
    }

    async fn get(
        &self,
        request: Request<GetCollectionInfoRequest>,
    ) -> Result<Response<GetCollectionInfoResponse>, Status> {
        self.call("collection_info", request, |state, request| {
            let collection = state.collection(&request.collection_name)?;
            let made = &collection.made;
            let params = CollectionParams {
                vectors_config: made.vectors_config.clone(),
                sparse_vectors_config: made.sparse_vectors_config.clone(),
                ..CollectionParams::default()
            };
            let config = CollectionConfig { params: Some(params), ..CollectionConfig::default() };
            let schema = collection.indexes.keys().map(|field| (field.clone(), PayloadSchemaInfo::default()));
            let payload_schema = schema.collect();
            let info = CollectionInfo { config: Some(config), payload_schema, ..CollectionInfo::default() };
            Ok(GetCollectionInfoResponse { result: Some(info), time: 0.0 })
        })
        .await
    }

    async fn collection_exists(
        &self,
        request: Request<CollectionExistsRequest>,
    ) -> Result<Response<CollectionExistsResponse>, Status> {
        self.call("collection_exists", request, |state, request| {
            let exists = state.collections.contains_key(&request.collection_name);
            Ok(CollectionExistsResponse { result: Some(CollectionExists { exists }), time: 0.0 })
        })
        .await
    }

    unknown_calls! {
        list(ListCollectionsRequest) -> ListCollectionsResponse;
        update(UpdateCollection) -> CollectionOperationResponse;
        delete(DeleteCollection) -> CollectionOperationResponse;
        update_aliases(ChangeAliases) -> CollectionOperationResponse;
        list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse;
        list_aliases(ListAliasesRequest) -> ListAliasesResponse;
        collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse;
        update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse;
        create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse;
        delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse;
        list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse;
    }
}

/// What a change answers.
fn done() -> PointsOperationResponse {
    let result = UpdateResult { operation_id: Some(0), status: UpdateStatus::Completed.into() };
    PointsOperationResponse { result: Some(result), time: 0.0, usage: None }
}

/// Whether a point has exactly the vectors that it may have, each of its length.
fn fits(point: &PointStruct, made: &CreateCollection) -> bool {
    let dense = match made.vectors_config.as_ref().and_then(|config| config.config.as_ref()) {
        Some(Config::ParamsMap(map)) => map.map.clone(),
        _ => Default::default(),
    };
    dense.iter().all(|(name, params)| match vector(point, name) {
        Some(wire::vector::Vector::Dense(own)) => own.data.len() as u64 == params.size,
        None => true,
        _ => false,
    }) && point.vectors.is_some()
}

fn selected(selector: Option<PointsSelector>) -> Result<Filter, Status> {
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Filter(filter)) => Ok(filter),
        other => Err(unknown(&format!("the selector {other:?}"))),
    }
}

impl Collection {
    /// Ids of the points that a filter lets through.
    fn ids(&self, filter: Option<&Filter>) -> Result<Vec<String>, Status> {
        let mut ids = Vec::new();
        for (id, point) in &self.points {
            if matches(filter, point)? {
                ids.push(id.clone());
            }
        }
        Ok(ids)
    }
}

#[tonic::async_trait]
impl Points for Service {
    async fn upsert(&self, request: Request<UpsertPoints>) -> Result<Response<PointsOperationResponse>, Status> {
        self.call("upsert", request, |state, request| {
            let mode = request.update_mode();
            let collection = state.collection(&request.collection_name)?;
            let mut points = BTreeMap::new();
            for point in request.points {
                if !fits(&point, &collection.made) {
                    return Err(Status::invalid_argument("Wrong input: Vector dimension error"));
                }
                points.insert(uuid(point.id.as_ref())?, point);
            }
            for (id, point) in points {
                if mode != UpdateMode::InsertOnly || !collection.points.contains_key(&id) {
                    collection.points.insert(id, point);
                }
            }
            Ok(done())
        })
        .await
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Result<Response<PointsOperationResponse>, Status> {
        self.call("delete", request, |state, request| {
            let filter = selected(request.points)?;
            let collection = state.collection(&request.collection_name)?;
            for id in collection.ids(Some(&filter))? {
                collection.points.remove(&id);
            }
            Ok(done())
        })
        .await
    }

    async fn get(&self, request: Request<GetPoints>) -> Result<Response<GetResponse>, Status> {
        self.call("get", request, |state, request| {
            let collection = state.collection(&request.collection_name)?;
            let mut result = Vec::new();
            for id in &request.ids {
                if let Some(point) = collection.points.get(&uuid(Some(id))?) {
                    result.push(retrieved(point, request.with_payload.as_ref())?);
                }
            }
            Ok(GetResponse { result, time: 0.0, usage: None })
        })
        .await
    }

    async fn set_payload(
        &self,
        request: Request<SetPayloadPoints>,
    ) -> Result<Response<PointsOperationResponse>, Status> {
        self.call("set_payload", request, |state, request| {
            let filter = selected(request.points_selector)?;
            let collection = state.collection(&request.collection_name)?;
            for id in collection.ids(Some(&filter))? {
                if let Some(point) = collection.points.get_mut(&id) {
                    point.payload.extend(request.payload.clone());
                }
            }
            Ok(done())
        })
        .await
    }

    async fn create_field_index(
        &self,
        request: Request<CreateFieldIndexCollection>,
    ) -> Result<Response<PointsOperationResponse>, Status> {
        self.call("create_field_index", request, |state, request| {
            let collection = state.collection(&request.collection_name)?;
            let params = request.field_index_params.and_then(|params| params.index_params);
            let mut ranges = false;
            match params {
                Some(IndexParams::IntegerIndexParams(params)) => ranges = params.range == Some(true),
                Some(IndexParams::KeywordIndexParams(params)) if params.is_tenant == Some(true) => {
                    collection.tenants.insert(request.field_name.clone());
                }
                _ => {}
            }
            collection.indexes.insert(request.field_name, ranges);
            Ok(done())
        })
        .await
    }

    async fn scroll(&self, request: Request<ScrollPoints>) -> Result<Response<ScrollResponse>, Status> {
        self.call("scroll", request, |state, request| {
            let collection = state.collection(&request.collection_name)?;
            let mut ids = collection.ids(request.filter.as_ref())?;
            if let Some(order) = &request.order_by {
                if collection.indexes.get(&order.key) != Some(&true) {
                    return Err(Status::invalid_argument(format!(
                        "Wrong input: No range index for `order_by` key: `{}`.",
                        order.key
                    )));
                }
                if order.direction() != Direction::Asc || request.offset.is_some() {
                    return Err(unknown("this order"));
                }
                // Points without the field are left out.
                ids.retain(|id| number(&collection.points[id], &order.key).is_some());
                ids.sort_by_key(|id| number(&collection.points[id], &order.key));
            }
            if let Some(from) = &request.offset {
                let from = uuid(Some(from))?;
                ids.retain(|id| *id >= from);
            }
            let limit = request.limit.unwrap_or(10) as usize;
            let next = ids.get(limit).filter(|_| request.order_by.is_none());
            let next_page_offset = next.map(|id| id.as_str().into());
            ids.truncate(limit);
            let show = |id: &String| retrieved(&collection.points[id], request.with_payload.as_ref());
            let result = ids.iter().map(show).collect::<Result<_, _>>()?;
            Ok(ScrollResponse { next_page_offset, result, time: 0.0, usage: None })
        })
        .await
    }

    async fn count(&self, request: Request<CountPoints>) -> Result<Response<CountResponse>, Status> {
        self.call("count", request, |state, request| {
            let count = state.collection(&request.collection_name)?.ids(request.filter.as_ref())?.len() as u64;
            Ok(CountResponse { result: Some(CountResult { count }), time: 0.0, usage: None })
        })
        .await
    }

    async fn query(&self, request: Request<QueryPoints>) -> Result<Response<QueryResponse>, Status> {
        self.call("query", request, |state, request| {
            if !request.prefetch.is_empty() || request.offset.is_some() || request.score_threshold.is_some() {
                return Err(unknown("parts of this query"));
            }
            let Some(Variant::Nearest(query)) = request.query.and_then(|query| query.variant) else {
                return Err(unknown("queries but for the nearest"));
            };
            let using = request.using.unwrap_or_default();
            let collection = state.collection(&request.collection_name)?;
            let mut scored = Vec::new();
            for point in collection.points.values() {
                if matches(request.filter.as_ref(), point)?
                    && let Some(kept) = vector(point, &using)
                    && let Some(score) = score(kept, &query)?
                {
                    scored.push((score, point));
                }
            }
            scored.sort_by(by_score);
            scored.truncate(request.limit.unwrap_or(10) as usize);
            let show = |(score, point): (f32, &PointStruct)| {
                let payload = shown(point, request.with_payload.as_ref())?;
                Ok(ScoredPoint { id: point.id.clone(), payload, score, ..ScoredPoint::default() })
            };
            let result = scored.into_iter().map(show).collect::<Result<_, Status>>()?;
            Ok(QueryResponse { result, time: 0.0, usage: None })
        })
        .await
    }

    unknown_calls! {
        update_vectors(UpdatePointVectors) -> PointsOperationResponse;
        delete_vectors(DeletePointVectors) -> PointsOperationResponse;
        overwrite_payload(SetPayloadPoints) -> PointsOperationResponse;
        delete_payload(DeletePayloadPoints) -> PointsOperationResponse;
        clear_payload(ClearPayloadPoints) -> PointsOperationResponse;
        delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse;
        create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse;
        delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse;
        search(SearchPoints) -> SearchResponse;
        search_batch(SearchBatchPoints) -> SearchBatchResponse;
        search_groups(SearchPointGroups) -> SearchGroupsResponse;
        recommend(RecommendPoints) -> RecommendResponse;
        recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse;
        recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse;
        discover(DiscoverPoints) -> DiscoverResponse;
        discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse;
        update_batch(UpdateBatchPoints) -> UpdateBatchResponse;
        query_batch(QueryBatchPoints) -> QueryBatchResponse;
        query_groups(QueryPointGroups) -> QueryGroupsResponse;
        facet(FacetCounts) -> FacetResponse;
        search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse;
        search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse;
    }
}

fn retrieved(point: &PointStruct, wanted: Option<&WithPayloadSelector>) -> Result<RetrievedPoint, Status> {
    Ok(RetrievedPoint { id: point.id.clone(), payload: shown(point, wanted)?, ..RetrievedPoint::default() })
}
