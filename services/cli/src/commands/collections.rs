//! `tamis collections`: make, show and delete collections.

use serde_json::{Value, json};
use tamis_proto::v1::{
    BlockVectors, Boundaries, Collection, CreateCollectionRequest, DeleteCollectionRequest, GetCollectionRequest,
    GetCollectionStatsRequest, ListCollectionsRequest, SweepCollectionRequest, SwitchCollectionsRequest,
};

use super::line;
use crate::args::{CollectionsCommand, Global, OutputFormat};
use crate::connect::{Connection, Store};
use crate::failure::Result;

pub(crate) async fn run(global: &Global, command: CollectionsCommand) -> Result {
    let connection = Connection::open(global, Store::Kept).await?;
    let mut client = connection.collections();
    let json_output = global.format == OutputFormat::Json;
    let show = |collection: Option<Collection>| {
        let collection = collection.unwrap_or_default();
        line(&if json_output { to_json(&collection).to_string() } else { to_text(&collection) })
    };
    match command {
        CollectionsCommand::List => {
            let found = client.list_collections(ListCollectionsRequest {}).await?.into_inner().collections;
            if json_output {
                let collections: Vec<Value> = found.iter().map(to_json).collect();
                line(&json!({ "collections": collections }).to_string())?;
            } else {
                found.iter().try_for_each(|c| line(&to_text(c)))?;
            }
        }
        CollectionsCommand::Get { name } => {
            show(client.get_collection(GetCollectionRequest { name }).await?.into_inner().collection)?;
        }
        CollectionsCommand::Create { name, pooled, semantic, overlap } => {
            let vectors = if pooled { BlockVectors::Pooled } else { BlockVectors::Separate };
            let boundaries = if semantic { Boundaries::Semantic } else { Boundaries::Structure };
            let (block_vectors, boundaries) = (vectors.into(), boundaries.into());
            let request = CreateCollectionRequest { name, block_vectors, boundaries, overlap };
            show(client.create_collection(request).await?.into_inner().collection)?;
        }
        CollectionsCommand::Delete { name } => {
            client.delete_collection(DeleteCollectionRequest { name: name.clone() }).await?;
            line(&if json_output { json!({ "deleted": name }).to_string() } else { format!("{name} deleted") })?;
        }
        CollectionsCommand::Stats { name } => {
            let stats = client.get_collection_stats(GetCollectionStatsRequest { name }).await?.into_inner();
            let collection = stats.collection.unwrap_or_default();
            let share = stats.stale_segments as f64 / (collection.segments + stats.stale_segments).max(1) as f64;
            line(&if json_output {
                let mut all = to_json(&collection);
                all["terms"] = stats.terms.into();
                all["stale_segments"] = stats.stale_segments.into();
                all["stale_share"] = share.into();
                all.to_string()
            } else {
                let stale = format!("{} stale segments ({:.1} %)", stats.stale_segments, share * 100.0);
                format!("{}, {} terms, {stale}", to_text(&collection), stats.terms)
            })?;
        }
        CollectionsCommand::Switch { name, other } => {
            let request = SwitchCollectionsRequest { name: name.clone(), other: other.clone() };
            client.switch_collections(request).await?;
            line(&if json_output {
                json!({ "switched": [name, other] }).to_string()
            } else {
                format!("{name} and {other} have each other's names")
            })?;
        }
        CollectionsCommand::Sweep { name, older_than_s } => {
            let request = SweepCollectionRequest { name: name.clone(), older_than_s: Some(older_than_s) };
            let segments = client.sweep_collection(request).await?.into_inner().segments;
            line(&if json_output {
                json!({ "swept": name, "segments": segments }).to_string()
            } else {
                format!("{name}: {segments} stale segments removed")
            })?;
        }
    }
    connection.close().await
}

fn to_text(c: &Collection) -> String {
    format!("{}: {} documents, {} segments, {} bytes, {}", c.name, c.documents, c.segments, c.bytes, c.fingerprint)
}

fn to_json(c: &Collection) -> Value {
    let vectors = if c.block_vectors() == BlockVectors::Pooled { "pooled" } else { "separate" };
    let boundaries = if c.boundaries() == Boundaries::Semantic { "semantic" } else { "structure" };
    json!({
        "name": c.name, "fingerprint": c.fingerprint, "block_vectors": vectors, "boundaries": boundaries,
        "overlap": c.overlap, "documents": c.documents, "segments": c.segments, "bytes": c.bytes,
    })
}
