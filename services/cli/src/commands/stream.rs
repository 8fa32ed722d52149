//! `tamis compress --stream`: a document of any length, sent piece by piece.

use std::path::Path;

use tamis_proto::v1::compress_stream_response::Part;
use tamis_proto::v1::{CompressStreamRequest, Document};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::compress;
use crate::args::{CompressArgs, Global};
use crate::connect::{Connection, Store};
use crate::failure::{Failure, Result};
use crate::progress;

/// Bytes of a piece.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait to be sent.
const PIECES: usize = 4;

pub(crate) async fn run(global: &Global, args: CompressArgs) -> Result {
    let path = args.stream.clone().unwrap_or_default();
    let name = path.display().to_string();
    let failed = |e: std::io::Error| Failure::Other(format!("{name}: {e}"));
    let is_input = path == Path::new("-");
    let length = if is_input { 0 } else { std::fs::metadata(&path).map_err(failed)?.len() };
    let source: Box<dyn AsyncRead + Send + Unpin> = match is_input {
        true => Box::new(tokio::io::stdin()),
        false => Box::new(tokio::fs::File::open(&path).await.map_err(failed)?),
    };
    let connection = Connection::open(global, Store::Scratch).await?;
    let request = compress::request(&args, args.query.clone().unwrap_or_default());
    let document = Document {
        id: if is_input { "stdin".into() } else { name.clone() },
        uri: name.clone(),
        media_type: media_type(&path),
        ..Document::default()
    };
    let first = CompressStreamRequest {
        request: Some(request),
        document: Some(document),
        read_everything: args.read_everything,
        piece: Vec::new(),
    };
    let (send, pieces) = mpsc::channel(PIECES);
    let sending = tokio::spawn(send_pieces(source, first, send));
    let mut client = connection.contexts();
    let mut answer = client.compress_stream(ReceiverStream::new(pieces)).await?.into_inner();
    let bar = progress::bytes("read", length);
    let (mut excerpts, mut response) = (Vec::new(), None);
    while let Some(part) = answer.next().await {
        match part?.part {
            Some(Part::Progress(p)) => bar.set_position(p.bytes),
            Some(Part::Excerpt(excerpt)) => excerpts.push(excerpt),
            Some(Part::Context(context)) => response = Some(context),
            None => {}
        }
    }
    bar.finish_and_clear();
    sending.await.map_err(|e| Failure::Other(e.to_string()))?.map_err(failed)?;
    let mut response = response.ok_or_else(|| Failure::Other("the answer has no end".into()))?;
    response.excerpts = excerpts;
    compress::show(global, &args, &response)?;
    connection.close().await
}

async fn send_pieces(
    mut source: Box<dyn AsyncRead + Send + Unpin>,
    first: CompressStreamRequest,
    send: mpsc::Sender<CompressStreamRequest>,
) -> std::io::Result<()> {
    if send.send(first).await.is_err() {
        return Ok(());
    }
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = source.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        piece.truncate(read);
        // The server has answered already, with an error: it is shown.
        if send.send(CompressStreamRequest { piece, ..CompressStreamRequest::default() }).await.is_err() {
            return Ok(());
        }
    }
}

/// By the file's name; the server takes what it does not know for prose.
fn media_type(path: &Path) -> String {
    let name = path.to_string_lossy();
    tamis::extract::MediaType::of_name(&name).map_or(String::new(), |media| media.name().to_owned())
}
