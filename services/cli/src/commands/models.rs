//! `tamis models`: what is known, fetched and intact.

use serde_json::json;
use tamis::encode::Precision;
use tamis::models::{self, Artifact, Cache, catalog};

use super::line;
use crate::args::{Global, ModelsCommand, OutputFormat};
use crate::connect::configuration;
use crate::failure::{Failure, Result};
use crate::progress::Bar;

pub(crate) async fn run(global: &Global, command: ModelsCommand) -> Result {
    let cache = Cache::from_environment()?;
    match command {
        ModelsCommand::List => list(global, &cache),
        ModelsCommand::Pull { names, force } => {
            let wanted = wanted(global, &names)?;
            for artifact in wanted {
                let cache = cache.clone();
                // Fetching blocks for minutes.
                let pulled = tokio::task::spawn_blocking(move || {
                    if force {
                        cache.remove(artifact)?;
                    }
                    models::obtain(artifact, &cache, &Bar::default())
                });
                let directory = pulled.await.map_err(|e| Failure::Other(e.to_string()))??;
                line(&format!("{} {} in {}", artifact.name, artifact.version, directory.display()))?;
            }
            Ok(())
        }
        ModelsCommand::Verify => verify(global, &cache),
    }
}

/// The named artifacts, or what this machine needs to encode.
fn wanted(global: &Global, names: &[String]) -> Result<Vec<&'static Artifact>> {
    if names.is_empty() {
        let precision: Precision = configuration(global)?.precision.parse()?;
        let runtime = if precision.resolve() == Precision::Bf16 { catalog::RUNTIME_OPENVINO } else { catalog::RUNTIME };
        return Ok([Some(&catalog::ENCODER), runtime].into_iter().flatten().collect());
    }
    let known = || catalog::all().map(|a| a.name).collect::<Vec<_>>().join(", ");
    names
        .iter()
        .map(|n| catalog::by_name(n).ok_or_else(|| Failure::Usage(format!("no model {n:?}; known are {}", known()))))
        .collect()
}

fn list(global: &Global, cache: &Cache) -> Result {
    let rows: Vec<_> = catalog::all()
        .map(|a| {
            let directory = cache.directory_of(a);
            (a, a.is_complete_in(&directory), directory)
        })
        .collect();
    if global.format == OutputFormat::Json {
        let models: Vec<_> = rows
            .iter()
            .map(|(a, cached, directory)| {
                json!({
                    "name": a.name, "version": a.version, "purpose": a.purpose,
                    "package": format!("{}=={}", a.package, a.version), "cached": cached, "path": directory,
                })
            })
            .collect();
        return line(&json!({ "models": models }).to_string());
    }
    for (a, cached, directory) in rows {
        let state = if cached { "cached" } else { "not cached" };
        line(&format!("{:<24} {:<8} {:<26} {state}: {}", a.name, a.version, a.purpose, directory.display()))?;
    }
    Ok(())
}

fn verify(global: &Global, cache: &Cache) -> Result {
    let mut damaged = 0;
    let mut results = Vec::new();
    for artifact in catalog::all() {
        let directory = cache.directory_of(artifact);
        if !artifact.is_complete_in(&directory) {
            continue;
        }
        let checked =
            artifact.files.iter().try_for_each(|f| models::read_verified(artifact, &directory, f).map(|_| ()));
        damaged += usize::from(checked.is_err());
        results.push((artifact.name, checked.err().map(|e| e.to_string())));
    }
    if global.format == OutputFormat::Json {
        let results: Vec<_> =
            results.iter().map(|(n, e)| json!({"name": n, "intact": e.is_none(), "error": e})).collect();
        line(&json!({ "models": results }).to_string())?;
    } else {
        for (name, error) in &results {
            line(&format!("{name}: {}", error.as_deref().unwrap_or("intact")))?;
        }
    }
    if damaged > 0 {
        Err(Failure::Other(format!("{damaged} damaged: run `tamis models pull --force`")))
    } else {
        Ok(())
    }
}
