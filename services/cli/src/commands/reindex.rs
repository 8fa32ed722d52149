//! `tamis reindex`: a collection split and encoded anew, without a gap.

use serde_json::json;
use tamis_proto::v1::{BlockVectors, Boundaries, ReindexCollectionRequest};

use super::line;
use crate::args::{Ends, Global, OutputFormat, ReindexArgs, Vectors};
use crate::connect::{Connection, Store};
use crate::failure::Result;

pub(crate) async fn run(global: &Global, args: ReindexArgs) -> Result {
    let connection = Connection::open(global, Store::Kept).await?;
    let name = global.collection.clone();
    let beside = args.beside.unwrap_or_else(|| format!("{name}-reindexed"));
    let vectors = args.block_vectors.map_or(BlockVectors::Unspecified, |vectors| match vectors {
        Vectors::Separate => BlockVectors::Separate,
        Vectors::Pooled => BlockVectors::Pooled,
    });
    let boundaries = args.boundaries.map_or(Boundaries::Unspecified, |ends| match ends {
        Ends::Structure => Boundaries::Structure,
        Ends::Semantic => Boundaries::Semantic,
    });
    let request = ReindexCollectionRequest {
        name: name.clone(),
        beside: beside.clone(),
        keep_old: args.keep_old,
        block_vectors: vectors.into(),
        boundaries: boundaries.into(),
        overlap: args.overlap,
    };
    let done = connection.collections().reindex_collection(request).await?.into_inner();
    line(&if global.format == OutputFormat::Json {
        json!({
            "reindexed": name, "encoded": done.encoded, "documents": done.documents,
            "fingerprint_before": done.fingerprint_before, "fingerprint": done.fingerprint,
            "kept": args.keep_old.then_some(beside),
        })
        .to_string()
    } else {
        let kept = if args.keep_old { format!("; the old one is {beside}") } else { String::new() };
        let (before, now) = (done.fingerprint_before, done.fingerprint);
        let by = if before == now { now } else { format!("{before} before and {now} now") };
        format!("{name}: {} documents, {} encoded, {by}{kept}", done.documents, done.encoded)
    })?;
    connection.close().await
}
