//! `tamis export`, `import`, `backup` and `restore`: collections as files.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tamis::transfer::next_frame;
use tamis_proto::v1::{
    ExportCollectionRequest, ImportCollectionRequest, ImportCollectionResponse, ListCollectionsRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::line;
use crate::args::{ExportArgs, Global, OutputFormat};
use crate::connect::{Connection, Store};
use crate::failure::{Failure, Result, output};
use crate::progress;

/// Frames that wait to be sent.
const FRAMES: usize = 8;
/// What a backup consists of, in its folder.
const MANIFEST: &str = "manifest.json";

/// The contents of a backup.
#[derive(Serialize, Deserialize)]
struct Manifest {
    /// Of this file's form.
    version: u32,
    collections: Vec<Kept>,
}

/// A collection in a backup.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    file: String,
    bytes: u64,
    /// BLAKE3 of the file.
    hash: String,
}

pub(crate) async fn export(global: &Global, args: ExportArgs) -> Result {
    let connection = Connection::open(global, Store::Kept).await?;
    let name = &global.collection;
    if args.output == Path::new("-") {
        write(&connection, name, args.vectors, &mut std::io::stdout(), &output).await?;
        return connection.close().await;
    }
    let (bytes, _) = write_file(&connection, name, args.vectors, &args.output).await?;
    line(&if global.format == OutputFormat::Json {
        json!({ "exported": name, "bytes": bytes }).to_string()
    } else {
        format!("{name}: {:.1} kB in {}", bytes as f64 / 1e3, args.output.display())
    })?;
    connection.close().await
}

pub(crate) async fn import(global: &Global, file: PathBuf) -> Result {
    let source: Box<dyn Read + Send> = match file == Path::new("-") {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(&file).map_err(|e| failed(&file, &e))?),
    };
    let connection = Connection::open(global, Store::Kept).await?;
    let imported = read(&connection, &global.collection, source).await?;
    say_imported(global, &global.collection, imported)?;
    connection.close().await
}

/// Every collection of the tenant with its vectors, each as it is when its turn comes.
pub(crate) async fn backup(global: &Global, folder: PathBuf) -> Result {
    std::fs::create_dir_all(&folder).map_err(|e| failed(&folder, &e))?;
    let manifest_file = folder.join(MANIFEST);
    if manifest_file.exists() {
        return Err(Failure::Usage(format!("{} holds a backup already; name another folder", folder.display())));
    }
    let connection = Connection::open(global, Store::Kept).await?;
    let listed = connection.collections().list_collections(ListCollectionsRequest {}).await?.into_inner();
    let mut manifest = Manifest { version: 1, collections: Vec::new() };
    for collection in listed.collections {
        let (name, file) = (collection.name.clone(), format!("{}.tamis", collection.name));
        let (bytes, hash) = write_file(&connection, &name, true, &folder.join(&file)).await?;
        manifest.collections.push(Kept { name, file, bytes, hash });
    }
    // Last: a backup without it is none.
    let text = serde_json::to_string_pretty(&manifest).map_err(|e| Failure::Other(e.to_string()))?;
    let mut file = beside(&manifest_file)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all());
    written.map_err(|e| failed(&manifest_file, &e))?;
    file.persist(&manifest_file).map_err(|e| failed(&manifest_file, &e.error))?;
    let bytes: u64 = manifest.collections.iter().map(|kept| kept.bytes).sum();
    line(&if global.format == OutputFormat::Json {
        json!({ "collections": manifest.collections, "bytes": bytes }).to_string()
    } else {
        let (count, kilobytes) = (manifest.collections.len(), bytes as f64 / 1e3);
        format!("{count} collections, {kilobytes:.1} kB in {}", folder.display())
    })?;
    connection.close().await
}

pub(crate) async fn restore(global: &Global, folder: PathBuf) -> Result {
    let manifest_file = folder.join(MANIFEST);
    let text = std::fs::read_to_string(&manifest_file).map_err(|e| failed(&manifest_file, &e))?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|e| Failure::Other(format!("{}: {e}", manifest_file.display())))?;
    if manifest.version != 1 {
        let what = format!("is of version {}; this reads version 1", manifest.version);
        return Err(Failure::Other(format!("{}: {what}", manifest_file.display())));
    }
    // All files are looked at before the first one is used.
    for kept in &manifest.collections {
        let path = folder.join(&kept.file);
        let mut hasher = blake3::Hasher::new();
        let file = std::fs::File::open(&path).map_err(|e| failed(&path, &e))?;
        hasher.update_reader(file).map_err(|e| failed(&path, &e))?;
        if hasher.finalize().to_hex().as_str() != kept.hash {
            return Err(Failure::Other(format!(
                "{} is not the file that was backed up: it is damaged",
                path.display()
            )));
        }
    }
    let connection = Connection::open(global, Store::Kept).await?;
    for kept in &manifest.collections {
        let path = folder.join(&kept.file);
        let file = std::fs::File::open(&path).map_err(|e| failed(&path, &e))?;
        say_imported(global, &kept.name, read(&connection, &kept.name, Box::new(file)).await?)?;
    }
    connection.close().await
}

fn say_imported(global: &Global, name: &str, imported: ImportCollectionResponse) -> Result {
    let ImportCollectionResponse { written, unchanged } = imported;
    line(&if global.format == OutputFormat::Json {
        json!({ "imported": name, "written": written, "unchanged": unchanged }).to_string()
    } else {
        format!("{name}: {written} documents written, {unchanged} unchanged")
    })
}

/// Writes a collection to a file, of which there is all or nothing: how long it is, and its hash.
async fn write_file(connection: &Connection, name: &str, vectors: bool, path: &Path) -> Result<(u64, String)> {
    let mut file = beside(path)?;
    let written = write(connection, name, vectors, &mut file, &|e| failed(path, &e)).await?;
    file.as_file().sync_all().map_err(|e| failed(path, &e))?;
    file.persist(path).map_err(|e| failed(path, &e.error))?;
    Ok(written)
}

async fn write(
    connection: &Connection,
    name: &str,
    vectors: bool,
    to: &mut dyn Write,
    failed: &dyn Fn(std::io::Error) -> Failure,
) -> Result<(u64, String)> {
    let request = ExportCollectionRequest { name: name.to_owned(), vectors };
    let mut frames = connection.collections().export_collection(request).await?.into_inner();
    let (bar, mut bytes, mut hasher) = (progress::bytes("export", 0), 0, blake3::Hasher::new());
    while let Some(part) = frames.message().await? {
        to.write_all(&part.frame).map_err(failed)?;
        hasher.update(&part.frame);
        bytes += part.frame.len() as u64;
        bar.set_position(bytes);
    }
    bar.finish_and_clear();
    Ok((bytes, hasher.finalize().to_hex().to_string()))
}

/// A new file in the folder of another.
fn beside(path: &Path) -> Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(path, &e))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Other(format!("{}: {error}", path.display()))
}

/// Takes a file into a collection.
async fn read(connection: &Connection, name: &str, source: Box<dyn Read + Send>) -> Result<ImportCollectionResponse> {
    let (send, frames) = mpsc::channel(FRAMES);
    let mut name = name.to_owned();
    let reading = tokio::task::spawn_blocking(move || -> Result {
        let mut source = BufReader::new(source);
        while let Some(frame) = next_frame(&mut source)? {
            let request = ImportCollectionRequest { name: std::mem::take(&mut name), frame };
            if send.blocking_send(request).is_err() {
                break; // the server has said why
            }
        }
        Ok(())
    });
    let answer = connection.collections().import_collection(ReceiverStream::new(frames)).await;
    // A file that is cut off is told as such, not as a stream that ended.
    reading.await.map_err(|e| Failure::Other(e.to_string()))??;
    Ok(answer?.into_inner())
}
