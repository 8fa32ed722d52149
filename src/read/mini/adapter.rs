//! The adapter: a safetensors file with a low-rank change to every matrix of the encoder, its biases and norms, and two
//! heads.
//!
//! A matrix `NAME` is changed by `NAME.up @ NAME.down`, `[outputs, rank]` and `[rank, inputs]`; a vector of the base
//! model's name takes its place. The header's metadata names the format, the adapter, the SHA-256 of the base model's
//! weights, and the languages it was trained for.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;

use crate::error::{Error, Result};
use crate::models::sha256;
use crate::onnx::{Safetensors, Weights};

/// What ships, made by `training/train.py`; its card stands beside it.
const SHIPPED: &[u8] = include_bytes!("../../../models/reader-mini/adapter.safetensors");
/// The layout that is read here.
const FORMAT: &str = "tamis-reader-mini/1";
/// Larger files are no adapters.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Heads, which the base model does not have.
const HEADS: [&str; 2] = ["token_head", "passage_head"];

/// An adapter, not yet merged.
#[derive(Clone, Debug)]
pub struct Adapter {
    name: String,
    base: String,
    languages: Vec<String>,
    sha256: String,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Adapter {
    /// The adapter that ships.
    ///
    /// # Errors
    /// None: it is compiled in, and read by a test.
    pub fn shipped() -> Result<Self> {
        Self::of("reader-mini", SHIPPED)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Model`] where it is no adapter, cut off, or holds values that are no numbers.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let length = std::fs::metadata(path).map_err(Error::io(path))?.len();
        if length > MAX_BYTES {
            return Err(Error::model(name, format!("has {length} bytes: adapters have at most {MAX_BYTES}")));
        }
        Self::of(&name, &std::fs::read(path).map_err(Error::io(path))?)
    }

    fn of(file: &str, bytes: &[u8]) -> Result<Self> {
        let refuse = |reason: String| Error::model(file, format!("adapter: {reason}"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| refuse(e.to_string()))?;
        let said = header.metadata().clone().unwrap_or_default();
        let stated = |key: &str| said.get(key).cloned().ok_or_else(|| refuse(format!("does not state its {key}")));
        let format = stated("format")?;
        if format != FORMAT {
            return Err(refuse(format!("has the format {format:?}, and {FORMAT:?} is read here")));
        }
        let stored = Safetensors::of(file, bytes)?;
        let mut tensors = HashMap::new();
        for name in stored.names() {
            tensors.extend(stored.tensor(name)?.map(|tensor| (name.to_owned(), tensor)));
        }
        for head in HEADS.iter().flat_map(|head| [format!("{head}.weight"), format!("{head}.bias")]) {
            if !tensors.contains_key(&head) {
                return Err(refuse(format!("{head} is missing")));
            }
        }
        Ok(Self {
            name: stated("name")?,
            base: stated("base")?,
            languages: stated("languages")?.split(',').map(|l| l.trim().to_owned()).collect(),
            sha256: sha256(bytes),
            tensors,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file's SHA-256.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The languages it was found to help in, as ISO 639-3 codes.
    #[must_use]
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// The base model's weights with the change in them; `bytes` are those of its file.
    ///
    /// # Errors
    /// [`Error::Model`] where it is for another model, or a change does not fit its matrix.
    pub(super) fn on<'a>(&'a self, base: &'a Safetensors<'a>, bytes: &[u8]) -> Result<Merged<'a>> {
        let found = sha256(bytes);
        if found != self.base {
            let reason = format!(
                "adapter: it was trained on the weights {}, and these are {found}: use the model that it was trained on, \
                 or train one for this (docs/adapt.md)",
                self.base
            );
            return Err(Error::model(&self.name, reason));
        }
        for name in self.tensors.keys() {
            let target = name.strip_suffix(".up").or_else(|| name.strip_suffix(".down")).unwrap_or(name);
            let is_head = HEADS.iter().any(|head| target.starts_with(head));
            if !is_head && base.tensor(target)?.is_none() {
                return Err(Error::model(&self.name, format!("adapter: the base model has no weight {target}")));
            }
        }
        Ok(Merged { adapter: self, base })
    }
}

/// Weights of the base model, changed by an adapter.
pub(super) struct Merged<'a> {
    adapter: &'a Adapter,
    base: &'a Safetensors<'a>,
}

impl Weights for Merged<'_> {
    fn tensor(&self, name: &str) -> Result<Option<(Vec<usize>, Vec<f32>)>> {
        let tensors = &self.adapter.tensors;
        let refuse = |reason: &str| Err(Error::model(&self.adapter.name, format!("adapter: {name} {reason}")));
        let base = self.base.tensor(name)?;
        if let Some(own) = tensors.get(name) {
            return match &base {
                Some((dims, _)) if *dims != own.0 => refuse("has another shape than the base model's"),
                _ => Ok(Some(own.clone())),
            };
        }
        let change = (tensors.get(&format!("{name}.up")), tensors.get(&format!("{name}.down")));
        let ((up_dims, up), (down_dims, down)) = match change {
            (Some(up), Some(down)) => (up, down),
            (None, None) => return Ok(base),
            _ => return refuse("has one half of a change"),
        };
        let Some((dims, mut values)) = base else { return Ok(None) };
        let ([outputs, inputs], [up_rows, rank], [down_rank, down_columns]) = (&dims[..], &up_dims[..], &down_dims[..])
        else {
            return refuse("is no matrix");
        };
        if (outputs, rank, inputs) != (up_rows, down_rank, down_columns) || *rank == 0 {
            return refuse("has a change of another shape");
        }
        for (row, up) in values.chunks_exact_mut(*inputs).zip(up.chunks_exact(*rank)) {
            for (share, down) in up.iter().zip(down.chunks_exact(*inputs)) {
                row.iter_mut().zip(down).for_each(|(value, down)| *value += share * down);
            }
        }
        Ok(Some((dims, values)))
    }
}
