//! `tamis calibrate cascade`: how much to read, what it counts, and when.

use std::sync::Arc;

use tamis::eval::cascade::{Found, calibrate};
use tamis::eval::report::points;
use tamis::eval::{Plan, RememberingReader};
use tamis::models::Cache;
use tamis::rank::{Model, ReadingPolicy};
use tamis::read::{LanguageReader, LazyReader};
use tamis::tokenize;

use super::super::line;
use super::{encoder, labelled, prepared, written};
use crate::args::{CascadeArgs, Global, OutputFormat};
use crate::connect::configuration;
use crate::failure::{Failure, Result};
use crate::progress::Bar;

pub(crate) fn run(global: &Global, args: &CascadeArgs) -> Result {
    let usage = |e: tamis::error::Error| Failure::Usage(e.to_string());
    let (config, cache) = (configuration(global)?, Cache::from_environment()?);
    let sets = labelled(&args.labelled)?;
    let memory = args.memory.folder(&cache);
    let encoder = encoder(&config, &cache, &memory)?;
    let reader = LanguageReader::open(config.reader().map_err(usage)?, &cache, &Bar::default())?;
    let reader = Arc::new(RememberingReader::open(Arc::new(reader), &memory)?);
    let plan = Plan {
        systems: Vec::new(),
        budgets: args.budgets.clone(),
        tokenizer: tokenize::named(tokenize::DEFAULT_TOKENIZER)?,
        model: Model::shipped(),
        seed: args.labelled.seed,
        reader: Some(LazyReader::opened(reader.clone())),
        policy: ReadingPolicy::shipped(),
    };
    let prepared = sets.into_iter().map(|set| prepared(set, &encoder)).collect::<Result<Vec<_>>>()?;
    let found = calibrate(&prepared, &encoder, &plan, args.share, &|what| crate::say!("{what}"))?;
    reader.flush()?;
    let head = "# Made by `tamis calibrate cascade`.\n";
    written(&args.out, &format!("{head}{}", found.policy.to_toml()?))?;
    match global.format {
        OutputFormat::Json => line(&serde_json::to_string(&found).map_err(|e| Failure::Other(e.to_string()))?),
        _ => show(&found, args),
    }
}

fn show(found: &Found, args: &CascadeArgs) -> Result {
    line("everything read: passages, weight, tokens of a question, answers kept beyond fast (points, paired)")?;
    for point in &found.curve {
        let sets: Vec<String> =
            point.by_set.iter().map(|(set, gain)| format!("{set} {:+.1}", 100.0 * gain.mean)).collect();
        line(&format!(
            "  {:>3}{:>6}{:>8.0}  {}  ({})",
            point.passages,
            point.weight,
            point.tokens,
            points(&point.gain),
            sets.join(", ")
        ))?;
    }
    line("on a set that was not chosen on: passages, weight, gain")?;
    for (set, passages, weight, gain) in &found.left_out {
        line(&format!("  {set:<20}{passages:>3}{weight:>6}  {}", points(gain)))?;
    }
    line("read as needed: share of questions, passages, reach, share of the gain, share of the tokens")?;
    for point in &found.auto {
        line(&format!(
            "  {:>4.1}{:>4}{:>6}{:>8.2}{:>8.2}",
            point.share, point.passages, point.reach, point.gain, point.tokens
        ))?;
    }
    let policy = &found.policy;
    line(&format!(
        "chosen: {} passages, weight {}; as needed {}, reach {}, from a chance of {} on; written to {}",
        policy.passages,
        policy.weight,
        policy.passages_as_needed,
        policy.reach,
        policy.cascade.threshold,
        args.out.display()
    ))
}
