//! `tamis compress --memory`: what of a conversation is worth its tokens.

use std::path::Path;

use serde::Deserialize;
use tamis_proto::v1::{Document, MemoryOptions, Mode};

use super::{batch, compress};
use crate::args::{CompressArgs, Global};
use crate::connect::{Connection, Store};
use crate::failure::Result;

/// A turn, as chat programs keep it.
#[derive(Deserialize)]
struct Turn {
    #[serde(alias = "speaker")]
    role: String,
    #[serde(alias = "text")]
    content: String,
}

pub(crate) async fn run(global: &Global, args: CompressArgs) -> Result {
    let path = args.memory.clone().unwrap_or_default();
    let turns: Vec<Turn> = batch::lines(Path::new(&path), |l| serde_json::from_str(l).map_err(|e| e.to_string()))?;
    let turn = |(turn, n): (Turn, u32)| Document {
        id: n.to_string(),
        title: turn.role,
        media_type: "text/plain".into(),
        text: turn.content,
        ..Document::default()
    };
    let mut request = compress::request(&args, String::new());
    request.mode = Mode::Memory.into();
    request.order = 0;
    request.memory =
        Some(MemoryOptions { opening: args.memory_opening, newest: args.memory_newest, decay: args.memory_decay });
    // An empty turn says nothing, and keeps its number.
    request.documents = turns.into_iter().zip(1..).filter(|(t, _)| !t.content.trim().is_empty()).map(turn).collect();
    let connection = Connection::open(global, Store::Scratch).await?;
    let answer = connection.contexts().max_encoding_message_size(usize::MAX).compress(request).await;
    compress::show(global, &args, &answer?.into_inner())?;
    connection.close().await
}
