//! `tamis tokens`: how many tokens files have.

use std::io::Read;

use serde_json::json;
use tamis_proto::v1::CountTokensRequest;

use super::line;
use crate::args::{Global, OutputFormat, TokensArgs};
use crate::connect::{Connection, Store};
use crate::failure::{Failure, Result};

pub(crate) async fn run(global: &Global, args: TokensArgs) -> Result {
    let connection = Connection::open(global, Store::Scratch).await?;
    let mut counts = Vec::new();
    let mut estimated = false;
    for path in &args.paths {
        let failed = |e: std::io::Error| Failure::Other(format!("{path}: {e}"));
        let mut bytes = Vec::new();
        if path == "-" {
            std::io::stdin().read_to_end(&mut bytes).map_err(failed)?;
        } else {
            bytes = std::fs::read(path).map_err(failed)?;
        }
        let text = if bytes.is_empty() { String::new() } else { tamis::extract::read_file(path, bytes)?.text };
        let request = CountTokensRequest { tokenizer: args.tokenizer.clone(), texts: vec![text] };
        let response = connection.contexts().max_encoding_message_size(usize::MAX).count_tokens(request).await?;
        let response = response.into_inner();
        estimated = response.estimated;
        counts.push((path, response.counts.first().copied().unwrap_or(0)));
    }
    let total: u64 = counts.iter().map(|(_, n)| u64::from(*n)).sum();
    if global.format == OutputFormat::Json {
        let files: Vec<_> = counts.iter().map(|(path, n)| json!({"path": path, "tokens": n})).collect();
        line(
            &json!({"tokenizer": args.tokenizer, "estimated": estimated, "files": files, "tokens": total}).to_string(),
        )?;
    } else {
        for (path, n) in &counts {
            line(&format!("{n:>10}  {path}"))?;
        }
        if counts.len() > 1 {
            line(&format!("{total:>10}  total"))?;
        }
    }
    connection.close().await
}
