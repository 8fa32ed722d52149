//! `tamis cluster`: what passages fall into, in words, numbers and a picture.

mod picture;

use serde_json::json;
use tamis_proto::v1::{Budget, Cluster, CompressRequest, CompressResponse, DigestOptions, Mode};

use super::eval::picture as file;
use super::{Corpus, digest, line};
use crate::args::{ClusterArgs, Global, OutputFormat};
use crate::connect::Connection;
use crate::failure::Result;

pub(crate) async fn run(global: &Global, args: ClusterArgs) -> Result {
    args.plot.as_deref().map_or(Ok(()), file::check)?;
    let Corpus { store, collection, filter, documents } = Corpus::of(global, &args.paths, &args.filter)?;
    let connection = Connection::open(global, store).await?;
    let request = CompressRequest {
        query: args.query.unwrap_or_default(),
        collection,
        filter,
        documents,
        budget: Some(Budget { max_tokens: args.budget, tokenizer: String::new() }),
        mode: Mode::Digest.into(),
        digest: Some(DigestOptions {
            clusters: args.clusters,
            facts: args.facts,
            passages: args.passages,
            map: true,
            ..DigestOptions::default()
        }),
        ..CompressRequest::default()
    };
    let response = connection.contexts().max_encoding_message_size(usize::MAX).compress(request).await?.into_inner();
    show(global, &response)?;
    if let Some(path) = &args.plot {
        file::write(path, &picture::svg(&response.digest.clone().unwrap_or_default()))?;
    }
    connection.close().await
}

fn show(global: &Global, response: &CompressResponse) -> Result {
    let digest = response.digest.clone().unwrap_or_default();
    if global.format == OutputFormat::Json {
        let told = |cluster: &Cluster| {
            let mut json = digest::cluster(cluster);
            json["text"] = excerpts(response, cluster).map(|e| e.text.as_str()).collect();
            json
        };
        let clusters: Vec<_> = digest.clusters.iter().map(told).collect();
        let places: Vec<_> = digest.places.iter().map(digest::place).collect();
        return line(&json!({"clusters": clusters, "digest": digest::whole(&digest), "places": places}).to_string());
    }
    line(&digest::summary(&digest))?;
    for cluster in &digest.clusters {
        let name = if cluster.outliers { "unlike the others: " } else { "" };
        let (size, share) = (cluster.passages, 100.0 * cluster.share);
        line(&format!("{size:>7} {share:5.1} %  {name}{}", cluster.keywords.join(", ")))?;
        for excerpt in excerpts(response, cluster) {
            line(&format!("                 - {}", excerpt.text.split_whitespace().collect::<Vec<_>>().join(" ")))?;
        }
    }
    Ok(())
}

fn excerpts<'a>(
    response: &'a CompressResponse,
    cluster: &Cluster,
) -> impl Iterator<Item = &'a tamis_proto::v1::Excerpt> {
    response.excerpts.iter().skip(cluster.first_excerpt as usize).take(cluster.excerpts as usize)
}
