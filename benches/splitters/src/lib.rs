//! What the measurements share: real files, and both splitters behind one function.

use std::path::Path;
use std::sync::Arc;

use tamis::extract::{Extracted, Language, MediaType};
use tamis::split::{Limits, split};
use tamis::tokenize::{self, TokenCounter};
use text_splitter::{ChunkConfig, ChunkSizer, CodeSplitter, MarkdownSplitter};

/// Both splitters' limit of a segment or chunk, in tokens.
pub const LIMIT: usize = 400;

/// Our limits: the same for segments, and one for blocks.
pub const OURS: Limits = Limits { block: 128, segment: LIMIT, overlap: 0 };

/// One way to count, for both.
#[derive(Clone)]
pub struct Counter(Arc<dyn TokenCounter>);

impl Counter {
    /// Counts o200k_base's tokens.
    pub fn new() -> Self {
        Self(tokenize::named("o200k_base").expect("it is built in"))
    }

    /// Tokens of a text.
    pub fn count(&self, text: &str) -> usize {
        self.0.count(text).0 as usize
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkSizer for Counter {
    fn size(&self, chunk: &str) -> usize {
        self.count(chunk)
    }
}

/// Real files of an extension under a folder, largest first and in order, up to so many bytes in all.
pub fn files(folder: &str, extension: &str, bytes: usize) -> Vec<String> {
    let mut found: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|x| x == extension))
        .filter_map(|e| Some((e.metadata().ok()?.len(), e.path().to_owned())))
        .filter(|(size, _)| (2_000..200_000).contains(size))
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut total = 0;
    let mut out = Vec::new();
    // Every seventh, so that one crate does not make the sample.
    for (_, path) in found.iter().step_by(7) {
        if let Ok(text) = std::fs::read_to_string(Path::new(path)) {
            total += text.len();
            out.push(text);
        }
        if total >= bytes {
            break;
        }
    }
    out
}

/// Our segments as byte ranges.
pub fn ours(source: &Extracted, counter: &Counter) -> Vec<(usize, usize)> {
    let segments = split(source, OURS, &|text| counter.count(text));
    segments.iter().map(|s| (s.span().start as usize, s.span().end as usize)).collect()
}

/// text-splitter's chunks as byte ranges.
pub fn theirs(text: &str, media: MediaType, counter: &Counter) -> Vec<(usize, usize)> {
    let config = ChunkConfig::new(LIMIT).with_sizer(counter.clone());
    let ranges = |chunks: Vec<(usize, &str)>| chunks.into_iter().map(|(at, c)| (at, at + c.len())).collect();
    match media {
        MediaType::Code(Language::Rust) => {
            let splitter = CodeSplitter::new(tree_sitter_rust::LANGUAGE, config).expect("a valid grammar");
            ranges(splitter.chunk_indices(text).collect())
        }
        MediaType::Code(Language::Python) => {
            let splitter = CodeSplitter::new(tree_sitter_python::LANGUAGE, config).expect("a valid grammar");
            ranges(splitter.chunk_indices(text).collect())
        }
        _ => ranges(MarkdownSplitter::new(config).chunk_indices(text).collect()),
    }
}

/// Kind, media type, where files are looked for, extension.
pub fn kinds() -> Vec<(&'static str, MediaType, String, &'static str)> {
    let folder = |name: &str, default: String| std::env::var(name).unwrap_or(default);
    let home = std::env::var("CARGO_HOME")
        .unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap_or_default()));
    let crates = folder("SPLITTERS_CRATES", format!("{home}/registry/src"));
    let python = folder("SPLITTERS_PYTHON", "/usr/lib/python3".into());
    vec![
        ("markdown", MediaType::Markdown, crates.clone(), "md"),
        ("rust", MediaType::Code(Language::Rust), crates, "rs"),
        ("python", MediaType::Code(Language::Python), python, "py"),
    ]
}
