//! What stands in the cluster: three collections for all tenants, and what their points hold.
//!
//! | collection | a point is | id from |
//! |---|---|---|
//! | `PREFIX-collections` | a collection of a tenant | tenant, name |
//! | `PREFIX-heads` | a document's head: which revision counts | tenant, collection, document |
//! | `PREFIX-segments-DIMENSION` | a segment of a revision, with its vectors | tenant, collection, revision, place |
//!
//! A point's upsert is atomic, so a document's head says at once that its new revision counts.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CreateCollectionBuilder, CreateFieldIndexCollection, CreateFieldIndexCollectionBuilder, Distance, FieldType,
    IntegerIndexParamsBuilder, KeywordIndexParamsBuilder, NamedVectors, PointId, PointStruct, QuantizationType,
    RetrievedPoint, ScalarQuantizationBuilder, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, Value, Vector,
    VectorParamsBuilder, VectorsConfigBuilder,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tantivy::fieldnorm::FieldNormReader;

use super::facets;
use super::key::{self, Payload};
use super::remote::{self, Remote};
use super::scoped::{Owner, record_id};
use crate::document::{CollectionName, Revision};
use crate::encode::PackedVector;
use crate::error::{Error, Result};
use crate::hash;
use crate::index::{CollectionSettings, DocumentHead, Draw, Scope, SegmentId, StoredSegment, bm25, terms};

/// Vectors of a segment, by name.
pub(super) const DENSE: &str = "dense";
pub(super) const TERMS: &str = "terms";

/// A collection's record in the cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: CollectionName,
    pub(super) generation: u64,
    pub(super) settings: CollectionSettings,
    /// Version of the words that its documents hold ([`super::facets`]).
    #[serde(default)]
    pub(super) words: u32,
}

/// The cluster's names for our collections.
#[derive(Clone)]
pub(super) struct Names {
    pub(super) collections: String,
    pub(super) heads: String,
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        let name = |what: &str| format!("{prefix}-{what}");
        Self { collections: name("collections"), heads: name("heads"), prefix: prefix.to_owned() }
    }

    pub(super) fn segments(&self, dimension: usize) -> String {
        format!("{}-segments-{dimension}", self.prefix)
    }
}

/// Makes a collection of the cluster, unless it is there; what is there has to be ours.
pub(super) fn ensure(remote: &Remote, name: &str, dimension: Option<usize>) -> Result<()> {
    if !exists(remote, name)? {
        create(remote, name, dimension)?;
    }
    let info = remote.read(name.to_owned(), |client, name| async move { client.collection_info(name).await })?;
    let info = info.result.unwrap_or_default();
    let params = info.config.and_then(|config| config.params).unwrap_or_default();
    let found = match params.vectors_config.and_then(|config| config.config) {
        Some(Config::ParamsMap(map)) => map.map.get(DENSE).map(|dense| dense.size as usize),
        _ => None,
    };
    let has_terms = params.sparse_vectors_config.is_some_and(|config| config.map.contains_key(TERMS));
    if found != dimension || has_terms != dimension.is_some() {
        let what = format!("the collection {name} has other vectors ({found:?} instead of {dimension:?} numbers)");
        return Err(remote.foreign(what));
    }
    // Whoever made the collection may have died before its last index.
    for index in indexes(name, dimension.is_some()) {
        if !info.payload_schema.contains_key(&index.field_name) {
            remote.ask(index, |client, index| async move { client.create_field_index(index).await })?;
        }
    }
    Ok(())
}

fn exists(remote: &Remote, name: &str) -> Result<bool> {
    remote.read(name.to_owned(), |client, name| async move { client.collection_exists(name).await })
}

fn create(remote: &Remote, name: &str, dimension: Option<usize>) -> Result<()> {
    let address = remote.address();
    let mut builder = CreateCollectionBuilder::new(name);
    let mut vectors = VectorsConfigBuilder::default();
    if let Some(dimension) = dimension {
        let mut dense = VectorParamsBuilder::new(dimension as u64, Distance::Dot);
        if address.quantize {
            // The small ones in memory; the whole ones are read for the best few.
            let int8 = ScalarQuantizationBuilder::default().r#type(QuantizationType::Int8.into()).always_ram(true);
            dense = dense.quantization_config(int8).on_disk(true);
        }
        vectors.add_named_vector_params(DENSE, dense);
        let mut sparse = SparseVectorsConfigBuilder::default();
        sparse.add_named_vector_params(TERMS, SparseVectorParamsBuilder::default());
        builder = builder.sparse_vectors_config(sparse);
    }
    builder = builder.vectors_config(vectors);
    if let Some(shards) = address.shards {
        builder = builder.shard_number(shards);
    }
    if let Some(replicas) = address.replicas {
        builder = builder.replication_factor(replicas);
    }
    let made = remote.ask(builder.build(), |client, request| async move { client.create_collection(request).await });
    // Another pod may have been faster.
    if let Err(e) = made
        && !exists(remote, name)?
    {
        return Err(e);
    }
    Ok(())
}

/// The fields that conditions are made on.
fn indexes(name: &str, of_segments: bool) -> Vec<CreateFieldIndexCollection> {
    let keyword = |field| CreateFieldIndexCollectionBuilder::new(name, field, FieldType::Keyword).wait(true);
    let integer = |field, lookup, range| {
        let params = IntegerIndexParamsBuilder::new(lookup, range);
        CreateFieldIndexCollectionBuilder::new(name, field, FieldType::Integer).field_index_params(params).wait(true)
    };
    let tenant = keyword(key::TENANT).field_index_params(KeywordIndexParamsBuilder::default().is_tenant(true));
    let mut indexes = vec![tenant, keyword(key::COLLECTION)];
    if of_segments {
        indexes.extend([keyword(key::FACETS), integer(key::REVISION, true, false)]);
        indexes.extend([integer(key::TERMS, true, false), integer(key::DRAW, false, true)]);
    }
    indexes.into_iter().map(CreateFieldIndexCollectionBuilder::build).collect()
}

/// A point without a vector.
pub(super) fn plain_point(id: PointId, payload: Payload) -> PointStruct {
    PointStruct { id: Some(id), payload, vectors: Some(NamedVectors::default().into()) }
}

/// A collection's record under the scope's name.
pub(super) fn record_point(scope: &Scope, record: &Record) -> Result<PointStruct> {
    let payload = Payload::from([
        (key::TENANT.to_owned(), scope.tenant.as_str().into()),
        (key::STORED.to_owned(), packed(record)?.into()),
        (key::EPOCH.to_owned(), integer(remote::unique()?)),
    ]);
    Ok(plain_point(record_id(scope).into(), payload))
}

/// The point of a document's head.
pub(super) fn head_point(owner: &Owner, head: &DocumentHead) -> Result<PointStruct> {
    let mut payload = owner.payload();
    payload.insert(key::STORED.into(), packed(head)?.into());
    payload.insert(key::BYTES.into(), integer(head.bytes));
    Ok(plain_point(owner.head_id(&head.id).into(), payload))
}

/// The point of a segment.
pub(super) fn segment_point(
    owner: &Owner,
    head: &DocumentHead,
    ordinal: u32,
    stored: &StoredSegment,
    written: u64,
) -> Result<PointStruct> {
    let bytes = stored.vector.to_bytes();
    let mut payload = owner.payload();
    let counts = counted(&stored.searched(&head.title));
    let hashes: Vec<Value> = counts.keys().map(|term| Value::from(term_key(term))).collect();
    payload.insert(key::DOCUMENT.into(), owner.head_id(&head.id).into());
    payload.insert(key::REVISION.into(), integer(head.revision.0));
    payload.insert(key::ORDINAL.into(), integer(ordinal.into()));
    payload.insert(key::WRITTEN.into(), integer(written));
    payload.insert(key::FACETS.into(), facets::of(head));
    payload.insert(key::TERMS.into(), hashes.into());
    payload.insert(key::DRAW.into(), integer(Draw::of(&bytes[4..]).0));
    payload.insert(key::VECTOR.into(), BASE64_STANDARD.encode(&bytes).into());
    let whole = postcard::to_stdvec(stored).map_err(|e| Error::store("qdrant", e))?;
    payload.insert(key::STORED.into(), BASE64_STANDARD.encode(whole).into());
    let dense = stored.vector.unpacked();
    let (places, weights) = weights(&counts);
    let vectors =
        NamedVectors::default().add_vector(DENSE, dense).add_vector(TERMS, Vector::new_sparse(places, weights));
    let id = owner.segment_id(SegmentId { revision: head.revision, ordinal });
    Ok(PointStruct { id: Some(id.into()), payload, vectors: Some(vectors.into()) })
}

fn counted(text: &str) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for term in terms::indexed(text) {
        *counts.entry(term).or_insert(0) += 1;
    }
    counts
}

/// What BM25 gives each term here, before its rarity: places and values of the sparse vector.
fn weights(counts: &BTreeMap<String, u32>) -> (Vec<u32>, Vec<f32>) {
    // Rounded as tantivy rounds it, so that both stores score alike.
    let length = FieldNormReader::id_to_fieldnorm(FieldNormReader::fieldnorm_to_id(counts.values().sum()));
    let mut weights: HashMap<u32, f32> = HashMap::new();
    for (term, count) in counts {
        *weights.entry(place(term)).or_insert(0.0) += bm25::weight(*count, length);
    }
    weights.into_iter().unzip()
}

/// A term's place in sparse vectors. Two of a million terms may share one; what counts terms, [`term_key`], has room.
pub(super) fn place(term: &str) -> u32 {
    (term_key(term) >> 31) as u32
}

/// A term in payloads.
pub(super) fn term_key(term: &str) -> i64 {
    (u128::from_be_bytes(hash::of_texts([term])) >> 65) as i64
}

pub(super) fn integer(value: u64) -> Value {
    // Ours are below 2^63.
    Value::from(value as i64)
}

pub(super) fn packed(value: &impl Serialize) -> Result<String> {
    let bytes = rmp_serde::to_vec_named(value).map_err(|e| Error::store("qdrant", e))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// Reads payloads; what is not there was not written by us.
pub(super) struct Reading<'a> {
    pub(super) remote: &'a Remote,
    pub(super) payload: &'a Payload,
}

impl Reading<'_> {
    pub(super) fn text(&self, name: &str) -> Result<&str> {
        match self.payload.get(name).and_then(|value| value.kind.as_ref()) {
            Some(Kind::StringValue(text)) => Ok(text),
            _ => Err(self.remote.foreign(format!("a point has no text {name:?}"))),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<u64> {
        match self.payload.get(name).and_then(|value| value.kind.as_ref()) {
            Some(Kind::IntegerValue(value)) => Ok(*value as u64),
            _ => Err(self.remote.foreign(format!("a point has no number {name:?}"))),
        }
    }

    pub(super) fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let number = |value: &Value| match value.kind {
            Some(Kind::IntegerValue(value)) => Some(value),
            _ => None,
        };
        match self.payload.get(name).and_then(|value| value.kind.as_ref()) {
            Some(Kind::ListValue(list)) => Ok(list.values.iter().filter_map(number).collect()),
            _ => Err(self.remote.foreign(format!("a point has no numbers {name:?}"))),
        }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        BASE64_STANDARD.decode(self.text(name)?).map_err(|e| self.remote.foreign(e))
    }

    pub(super) fn unpacked<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        rmp_serde::from_slice(&self.bytes(name)?).map_err(|e| self.remote.foreign(e))
    }

    pub(super) fn segment(&self) -> Result<StoredSegment> {
        postcard::from_bytes(&self.bytes(key::STORED)?).map_err(|e| self.remote.foreign(e))
    }

    pub(super) fn vector(&self) -> Result<PackedVector> {
        PackedVector::from_bytes(&self.bytes(key::VECTOR)?).ok_or_else(|| self.remote.foreign("a vector is cut off"))
    }

    pub(super) fn segment_id(&self) -> Result<SegmentId> {
        let ordinal = u32::try_from(self.integer(key::ORDINAL)?).map_err(|e| self.remote.foreign(e))?;
        Ok(SegmentId { revision: Revision(self.integer(key::REVISION)?), ordinal })
    }
}

/// The head in a document's point.
pub(super) fn head_of(remote: &Remote, point: &RetrievedPoint) -> Result<DocumentHead> {
    Reading { remote, payload: &point.payload }.unpacked(key::STORED)
}
