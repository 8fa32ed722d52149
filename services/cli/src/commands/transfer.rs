//! `tamis export` and `tamis import`: collections as files.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use tamis::transfer::next_frame;
use tamis_proto::v1::{ExportCollectionRequest, ImportCollectionRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::line;
use crate::args::{ExportArgs, Global, OutputFormat};
use crate::connect::{Connection, Store};
use crate::failure::{Failure, Result, output};
use crate::progress;

/// Frames that wait to be sent.
const FRAMES: usize = 8;

pub(crate) async fn export(global: &Global, args: ExportArgs) -> Result {
    let connection = Connection::open(global, Store::Kept).await?;
    let request = ExportCollectionRequest { name: global.collection.clone(), vectors: args.vectors };
    let mut frames = connection.collections().export_collection(request).await?.into_inner();
    // A file that was begun and is not whole does not take the place of one that is.
    let mut begun = None;
    let mut bytes = 0;
    let bar = progress::bytes("export", 0);
    while let Some(part) = frames.message().await? {
        bytes += part.frame.len() as u64;
        bar.set_position(bytes);
        if args.output == Path::new("-") {
            std::io::stdout().write_all(&part.frame).map_err(output)?;
            continue;
        }
        let file = match &mut begun {
            Some(file) => file,
            None => begun.insert(beside(&args.output)?),
        };
        file.write_all(&part.frame).map_err(|e| failed(&args.output, &e))?;
    }
    bar.finish_and_clear();
    if let Some(file) = begun {
        file.as_file().sync_all().map_err(|e| failed(&args.output, &e))?;
        file.persist(&args.output).map_err(|e| failed(&args.output, &e.error))?;
        line(&if global.format == OutputFormat::Json {
            json!({ "exported": global.collection, "bytes": bytes }).to_string()
        } else {
            format!("{}: {:.1} kB in {}", global.collection, bytes as f64 / 1e3, args.output.display())
        })?;
    }
    connection.close().await
}

/// A new file in the folder of another.
fn beside(path: &Path) -> Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(path, &e))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Other(format!("{}: {error}", path.display()))
}

pub(crate) async fn import(global: &Global, file: PathBuf) -> Result {
    let source: Box<dyn Read + Send> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(&file).map_err(|e| failed(&file, &e))?)
    };
    let connection = Connection::open(global, Store::Kept).await?;
    let (send, frames) = mpsc::channel(FRAMES);
    let name = global.collection.clone();
    let reading = tokio::task::spawn_blocking(move || -> Result {
        let (mut source, mut name) = (BufReader::new(source), name);
        while let Some(frame) = next_frame(&mut source)? {
            let request = ImportCollectionRequest { name: std::mem::take(&mut name), frame };
            if send.blocking_send(request).is_err() {
                break; // the server has said why
            }
        }
        Ok(())
    });
    let answer = connection.collections().import_collection(ReceiverStream::new(frames)).await;
    let read = reading.await.map_err(|e| Failure::Other(e.to_string()))?;
    // A file that is cut off is told as such, not as a stream that ended.
    let imported = match (read, answer) {
        (Err(e), _) => return Err(e),
        (Ok(()), answer) => answer?.into_inner(),
    };
    line(&if global.format == OutputFormat::Json {
        json!({ "imported": global.collection, "written": imported.written, "unchanged": imported.unchanged })
            .to_string()
    } else {
        format!("{}: {} documents written, {} unchanged", global.collection, imported.written, imported.unchanged)
    })?;
    connection.close().await
}
