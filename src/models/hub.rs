//! Encoders of fastembed's catalogue from the Hugging Face hub, with the cargo feature `hub`.

use std::path::PathBuf;

use super::cache::Cache;
use crate::error::{Error, Result};

/// Fetches an encoder by its name on the hub (`BAAI/bge-small-en-v1.5`) and returns a directory that
/// [`crate::encode::ModelChoice::Directory`] reads.
///
/// # Errors
/// [`Error::Model`] for a name that is not in fastembed's catalogue, and where the hub can't be reached.
#[cfg(feature = "hub")]
pub fn fetch(name: &str, cache: &Cache) -> Result<PathBuf> {
    use hf_hub::api::sync::ApiBuilder;

    let known = fastembed::TextEmbedding::list_supported_models();
    let Some(info) = known.iter().find(|m| m.model_code.eq_ignore_ascii_case(name)) else {
        let names: Vec<&str> = known.iter().map(|m| m.model_code.as_str()).collect();
        return Err(Error::model(name, format!("is not in fastembed's catalogue: {}", names.join(", "))));
    };
    let unreachable = |e: &dyn std::fmt::Display| Error::model(name, format!("the hub: {e}"));
    let api = ApiBuilder::new()
        .with_cache_dir(cache.root().join("hub"))
        .with_progress(true)
        .build()
        .map_err(|e| unreachable(&e))?;
    let repository = api.model(info.model_code.clone());
    let directory = cache.root().join("hub-models").join(name.replace('/', "--"));
    let place = |from: PathBuf, to: &str| -> Result<()> {
        let to = directory.join(to);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        std::fs::copy(&from, &to).map(|_| ()).map_err(Error::io(&to))
    };
    place(repository.get(&info.model_file).map_err(|e| unreachable(&e))?, "model.onnx")?;
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        place(repository.get(file).map_err(|e| unreachable(&e))?, file)?;
    }
    // Files that not every model has; without them, the settings' defaults hold.
    for file in ["1_Pooling/config.json", "sentence_bert_config.json", "config_sentence_transformers.json"] {
        if let Ok(found) = repository.get(file) {
            place(found, file)?;
        }
    }
    Ok(directory)
}

/// Says that this build can't reach the hub.
///
/// # Errors
/// [`Error::Model`], always.
#[cfg(not(feature = "hub"))]
pub fn fetch(name: &str, _: &Cache) -> Result<PathBuf> {
    Err(Error::model(name, "this build has no hub download: build with `--features hub`, or name a model directory"))
}
