//! `tamis calibrate cascade`: how much to read, what it counts, and when.

use tamis::compress::Readers;
use tamis::eval::Plan;
use tamis::eval::cascade::{Found, Target, calibrate};
use tamis::eval::data::Set;
use tamis::eval::report::points;
use tamis::models::Cache;
use tamis::rank::Model;
use tamis::tokenize;

use super::super::eval::policy_of;
use super::super::eval::readers::Remembering;
use super::super::line;
use super::{encoder, labelled, prepared, written};
use crate::args::{CascadeArgs, Global, OutputFormat};
use crate::connect::configuration;
use crate::failure::{Failure, Result};

pub(crate) fn run(global: &Global, args: &CascadeArgs) -> Result {
    let target: Target = args.stage.parse().map_err(|e: tamis::error::Error| Failure::Usage(e.to_string()))?;
    let (config, cache) = (configuration(global)?, Cache::from_environment()?);
    let sets = labelled(&args.labelled)?;
    let memory = args.memory.folder(&cache);
    let encoder = encoder(&config, &cache, &memory)?;
    let mut remembering = Remembering::new(&config, &cache, &memory);
    let mut open = |set: Option<&Set>| {
        let without = set.map(|set| (&args.left_out, set.name.as_str()));
        remembering.open(|who| target.reads_with(who), without)
    };
    let readers = match args.left_out.is_asked_for() {
        true => sets.iter().map(|set| open(Some(set))).collect::<std::result::Result<Vec<_>, _>>()?,
        false => vec![open(None)?; sets.len()],
    };
    let plan = Plan {
        systems: Vec::new(),
        budgets: args.budgets.clone(),
        tokenizer: tokenize::named(tokenize::DEFAULT_TOKENIZER)?,
        model: Model::shipped(),
        seed: args.labelled.seed,
        readers: Readers::default(),
        policy: policy_of(args.reading.as_deref())?,
    };
    let prepared = sets.into_iter().map(|set| prepared(set, &encoder)).collect::<Result<Vec<_>>>()?;
    let found = calibrate(&prepared, &readers, &encoder, &plan, target, args.share, &|what| crate::say!("{what}"))?;
    remembering.close()?;
    let head = "# Made by `tamis calibrate cascade`, one stage after the other.\n";
    written(&args.out, &format!("{head}{}", target.put(plan.policy, found.stage.clone()).to_toml()?))?;
    match global.format {
        OutputFormat::Json => line(&serde_json::to_string(&found).map_err(|e| Failure::Other(e.to_string()))?),
        _ => show(&found, args),
    }
}

fn show(found: &Found, args: &CascadeArgs) -> Result {
    line(
        "everything read: passages, weight, tokens of a question, answers kept beyond those without it (points, paired)",
    )?;
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
    let stage = &found.stage;
    line(&format!(
        "chosen: {} passages, weight {}; as needed {}, reach {}, from a chance of {} on; written to {}",
        stage.passages,
        stage.weight,
        stage.passages_as_needed,
        stage.reach,
        stage.cascade.threshold,
        args.out.display()
    ))
}
