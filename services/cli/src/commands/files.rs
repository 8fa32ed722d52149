//! Files on disk to documents: walking, globs, standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use ignore::WalkBuilder;
use tamis_proto::v1::Document;

use crate::failure::{Failure, Result};

/// A file that was found, or why one was not taken.
pub(crate) enum Found {
    File { path: PathBuf, bytes: u64 },
    Skipped { path: String, reason: String },
}

/// The files that paths, folders and glob patterns name, sorted, each once.
pub(crate) fn find(paths: &[String], no_ignore: bool) -> Result<Vec<Found>> {
    let mut files = std::collections::BTreeMap::new();
    let mut skipped = Vec::new();
    for name in paths {
        // One file has one name, however it was written.
        let name = name.strip_prefix("./").filter(|rest| !rest.is_empty()).unwrap_or(name);
        let path = Path::new(name);
        if path.is_dir() {
            walk(path, no_ignore, None, &mut files, &mut skipped);
        } else if !path.exists() && name.contains(['*', '?', '[', '{']) {
            let glob = GlobBuilder::new(name).literal_separator(true).build();
            let glob = glob.map_err(|e| Failure::Usage(format!("{name:?}: {e}")))?.compile_matcher();
            // Everything before the first special character names a folder.
            let fixed = name.split(['*', '?', '[', '{']).next().unwrap_or_default();
            let base = Path::new(fixed.rsplit_once('/').map_or("", |(folder, _)| folder));
            let base = match (base.as_os_str().is_empty(), fixed.starts_with('/')) {
                (true, true) => Path::new("/"),
                (true, false) => Path::new("."),
                (false, _) => base,
            };
            let before = files.len();
            walk(base, no_ignore, Some(&glob), &mut files, &mut skipped);
            if files.len() == before {
                return Err(Failure::Usage(format!("{name:?} matches no file")));
            }
        } else {
            match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_file() => drop(files.insert(path.to_path_buf(), metadata.len())),
                Ok(_) => skipped.push(skip(path, "not a regular file")),
                Err(e) => return Err(Failure::Usage(format!("{name}: {e}"))),
            }
        }
    }
    let files = files.into_iter().map(|(path, bytes)| Found::File { path, bytes });
    Ok(files.chain(skipped).collect())
}

fn skip(path: &Path, reason: impl ToString) -> Found {
    Found::Skipped { path: path.display().to_string(), reason: reason.to_string() }
}

fn walk(
    folder: &Path,
    no_ignore: bool,
    glob: Option<&globset::GlobMatcher>,
    files: &mut std::collections::BTreeMap<PathBuf, u64>,
    skipped: &mut Vec<Found>,
) {
    let walker = WalkBuilder::new(folder)
        .standard_filters(!no_ignore)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walker {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|t| t.is_file()) => {
                let path = entry.path().strip_prefix("./").unwrap_or(entry.path());
                if glob.is_none_or(|g| g.is_match(path)) {
                    files.insert(path.to_path_buf(), entry.metadata().map_or(0, |m| m.len()));
                }
            }
            Ok(_) => {}
            Err(e) => skipped.push(Found::Skipped { path: folder.display().to_string(), reason: e.to_string() }),
        }
    }
}

/// The id and uri of a file: its path as given, with forward slashes.
pub(crate) fn name_of(path: &Path) -> String {
    let name = path.to_string_lossy().replace('\\', "/");
    name.strip_prefix("./").map_or(name.clone(), str::to_owned)
}

/// Reads files, folders and standard input whole, for a request that brings its documents along. What is
/// not text in a folder is passed over; a file that was named must be usable.
pub(crate) fn inline(paths: &[String]) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    let (stdin, paths): (Vec<String>, Vec<String>) = paths.iter().cloned().partition(|p| p == "-");
    if !stdin.is_empty() {
        documents.push(document("stdin".into(), &mut std::io::stdin())?);
    }
    for found in find(&paths, false)? {
        match found {
            Found::File { path, .. } => {
                let name = name_of(&path);
                let named = paths.iter().any(|p| Path::new(p) == path);
                let read = std::fs::File::open(&path)
                    .map_err(|e| Failure::Other(format!("{name}: {e}")))
                    .and_then(|mut file| document(name.clone(), &mut file));
                match read {
                    Ok(document) if document.content.trim_ascii().is_empty() && !named => {}
                    Ok(document) => documents.push(document),
                    Err(e) if named => return Err(e),
                    Err(e) => crate::say!("skipped {name}: {e}"),
                }
            }
            Found::Skipped { path, reason } => crate::say!("skipped {path}: {reason}"),
        }
    }
    if documents.is_empty() {
        return Err(Failure::Other("no text found in the paths given".into()));
    }
    Ok(documents)
}

fn document(name: String, source: &mut dyn Read) -> Result<Document> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(|e| Failure::Other(format!("{name}: {e}")))?;
    if !tamis::extract::is_supported(&name, &bytes) {
        return Err(Failure::Other(format!("{name}: binary data, not text")));
    }
    if tamis::extract::MediaType::guess(&name, &bytes).is_container() {
        // One that can't be read must not fail the request for all the others.
        tamis::extract::read_file(&name, bytes.clone())?;
    }
    Ok(Document { id: name.clone(), uri: name, content: bytes, ..Document::default() })
}
