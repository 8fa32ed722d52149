//! Where sets come from: folders with labels, or suites made of any documents.

use std::path::{Path, PathBuf};

use tamis::document::{Content, Document, Metadata};
use tamis::eval::data::{self, Set};
use tamis::eval::suites::Suite;
use tamis::extract;

use super::super::files::{Found, find as find_files, name_of};
use super::usage;
use crate::args::EvalArgs;
use crate::failure::{Failure, Result};

/// A set that can be loaded.
pub(crate) enum Source {
    /// A folder with documents, questions and labels.
    Folder(PathBuf),
    /// A set that was made of documents.
    Made(Set),
}

impl Source {
    /// The set, or so many of its questions.
    pub(crate) fn load(self, questions: Option<usize>, seed: u64) -> Result<Set> {
        let mut set = match self {
            Self::Folder(folder) => Set::load(&folder)?,
            Self::Made(set) => set,
        };
        if let Some(questions) = questions {
            set.sample(questions, seed);
        }
        Ok(set)
    }
}

/// The sets that the arguments name.
pub(super) fn find(args: &EvalArgs) -> Result<Vec<Source>> {
    if args.suite.is_empty() {
        return folders(&args.data, &args.sets);
    }
    let all = args.suite == ["all"];
    let suites: Vec<Suite> = match all {
        true => Suite::ALL.to_vec(),
        false => args.suite.iter().map(|name| name.parse().map_err(usage)).collect::<Result<_>>()?,
    };
    let documents = documents(&args.data)?;
    let mut made = Vec::new();
    for suite in suites {
        match suite.generate(&documents, args.seed) {
            Ok(set) => made.push(Source::Made(set)),
            // A suite that was named must be made; of all, those that can be.
            Err(e) if all => crate::say!("{suite} left out: {e}"),
            Err(e) => return Err(e.into()),
        }
    }
    match made.is_empty() {
        true => Err(Failure::Other("--data: too little text for any suite".into())),
        false => Ok(made),
    }
}

/// The documents of folders with a corpus, and of files.
fn documents(data: &[PathBuf]) -> Result<Vec<Document>> {
    let mut out = Vec::new();
    for named in data {
        if ["corpus.jsonl", "corpus.jsonl.gz"].iter().any(|f| named.join(f).is_file()) {
            out.extend(data::corpus(named)?);
            continue;
        }
        for found in find_files(&[named.display().to_string()], false)? {
            match found {
                Found::File { path, .. } => out.extend(file(&path)?),
                Found::Skipped { path, reason } => crate::say!("skipped {path}: {reason}"),
            }
        }
    }
    match out.is_empty() {
        true => Err(Failure::Other("--data: no document found".into())),
        false => Ok(out),
    }
}

fn file(path: &Path) -> Result<Option<Document>> {
    let name = name_of(path);
    let bytes = std::fs::read(path).map_err(|e| Failure::Other(format!("{name}: {e}")))?;
    if let Err(e) = extract::read_file(&name, bytes.clone()) {
        crate::say!("skipped {name}: {e}");
        return Ok(None);
    }
    Ok(Some(Document {
        id: name.parse().map_err(usage)?,
        uri: name,
        title: String::new(),
        media_type: String::new(),
        metadata: Metadata::default(),
        content: Content::Bytes(bytes),
    }))
}

/// The folders that hold sets: those named, or every one inside them that does.
pub(crate) fn folders(data: &[PathBuf], sets: &[String]) -> Result<Vec<Source>> {
    let holds = |folder: &Path| ["queries.jsonl", "queries.jsonl.gz"].iter().any(|f| folder.join(f).is_file());
    let mut out = Vec::new();
    for named in data {
        if holds(named) {
            out.push(named.clone());
            continue;
        }
        let inside =
            std::fs::read_dir(named).map_err(|e| Failure::Other(format!("--data {}: {e}", named.display())))?;
        let mut found: Vec<PathBuf> = inside.flatten().map(|e| e.path()).filter(|p| holds(p)).collect();
        found.sort();
        out.extend(found);
    }
    let wanted = |folder: &PathBuf| {
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        sets.is_empty() || sets.contains(&name)
    };
    out.retain(wanted);
    match out.is_empty() {
        true => Err(Failure::Other("no set found: a set is a folder with queries.jsonl and corpus.jsonl".into())),
        false => Ok(out.into_iter().map(Source::Folder).collect()),
    }
}
