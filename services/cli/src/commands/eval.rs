//! `tamis eval`: what contexts keep of labelled questions, beside what simpler systems keep.

pub(super) mod picture;
pub(super) mod readers;
pub(super) mod sets;

use std::path::Path;
use std::sync::Arc;

use tamis::compress::Readers;
use tamis::deadline::Deadline;
use tamis::encode::OnnxEncoder;
use tamis::eval::compare::{compare, gain};
use tamis::eval::gate::{Minimum, recommended};
use tamis::eval::report::points;
use tamis::eval::{Plan, PreparedSet, RememberingEncoder, Report, SetResult, System, plot, run as run_plan, tune};
use tamis::index::{BlockVectors, Boundaries};
use tamis::ingest::settings_for;
use tamis::models::Cache;
use tamis::rank::{Model, ReadingPolicy, Who};
use tamis::tokenize;

use self::readers::Remembering;
use super::line;
use crate::args::{EvalArgs, Global, OutputFormat};
use crate::connect::configuration;
use crate::failure::{Failure, Result};
use crate::progress::{self, Bar};

pub(crate) fn run(global: &Global, args: &EvalArgs) -> Result {
    if let [first, second] = args.compare.as_slice() {
        return show_changes(&read(first)?, &read(second)?);
    }
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    let minimums = args.min.iter().map(|m| m.parse().map_err(usage)).collect::<Result<Vec<Minimum>>>()?;
    let (systems, sources, cache) = (systems(args)?, sets::find(args)?, Cache::from_environment()?);
    // The encoder first: a process has one runtime, and bf16 needs its own build of it, which runs everything else too.
    let config = configuration(global)?;
    let settings = config.encoder().map_err(usage)?;
    let encoder = Arc::new(OnnxEncoder::load(&settings, &cache, &Bar::default())?);
    let encoder = RememberingEncoder::open(encoder, &args.memory.folder(&cache))?;
    let needed = |who| systems.iter().any(|s| s.reads_with(who));
    let memory = args.memory.folder(&cache);
    let mut remembering = Remembering::new(&config, &cache, &memory);
    let everywhere = match args.left_out.is_asked_for() {
        true => Readers::default(),
        false => remembering.open(needed, None)?,
    };
    let plan = Plan {
        budgets: args.budgets.clone(),
        tokenizer: tokenize::named(&args.tokenizer)?,
        model: model(args)?,
        seed: args.seed,
        policy: policy(args, &systems)?,
        readers: everywhere,
        systems: systems.clone(),
    };
    let mut report = Report {
        fingerprint: tamis::encode::Encoder::fingerprint(&encoder).to_string(),
        tokenizer: args.tokenizer.clone(),
        seed: args.seed,
        sets: Vec::new(),
    };
    if let Some(path) = &args.tune {
        report.sets = tuned(sources, args, &plan, &encoder, path)?;
    } else {
        for source in sources {
            let prepared = prepared(source, args, &plan, &encoder)?;
            if !args.left_out.is_asked_for() {
                report.sets.push(asked(&prepared, &plan, &encoder)?);
                continue;
            }
            let readers = remembering.open(needed, Some((&args.left_out, prepared.set.name.as_str())))?;
            report.sets.push(asked(&prepared, &Plan { readers, ..plan.clone() }, &encoder)?);
            remembering.close()?;
        }
    }
    remembering.close()?;
    show(&report, global.format)?;
    if args.recommend {
        for (set, budget, kept) in recommended(&report, plan.systems[0]) {
            crate::say!("{set}: {budget} tokens keep {:.1} %, as much as the largest budget does", 100.0 * kept.mean);
        }
    }
    if let Some(path) = &args.plot {
        picture::write(path, &plot::svg(&report))?;
    }
    for minimum in &minimums {
        minimum.check(&report, plan.systems[0])?;
    }
    Ok(())
}

fn usage(e: tamis::error::Error) -> Failure {
    Failure::Usage(e.to_string())
}

fn systems(args: &EvalArgs) -> Result<Vec<System>> {
    if args.system.is_empty() {
        // A reader takes a second a question: it reads where it is asked to. A digest is for questions of another kind.
        return Ok(System::ALL.into_iter().filter(|s| !s.reads() && !s.is_asked_for()).collect());
    }
    args.system.iter().map(|s| s.parse().map_err(usage)).collect()
}

/// How much is read: that of a file, or the policy that ships, but for what flags say.
fn policy(args: &EvalArgs, systems: &[System]) -> Result<ReadingPolicy> {
    let mut policy = policy_of(args.reading.as_deref())?;
    let ReadingPolicy { mini, language, language_after_mini: last } = &mut policy;
    for stage in [mini, language, last] {
        if let Some(passages) = args.read_passages {
            (stage.passages, stage.passages_as_needed) = (passages, passages);
        }
    }
    if let Some(weight) = args.read_weight {
        match systems.iter().any(|s| s.reads_with(Who::Language)) {
            true => (policy.language.weight, policy.language_after_mini.weight) = (weight, weight),
            false => policy.mini.weight = weight,
        }
    }
    Ok(policy)
}

/// The policy of a file, or the one that ships.
pub(crate) fn policy_of(path: Option<&Path>) -> Result<ReadingPolicy> {
    let Some(path) = path else { return Ok(ReadingPolicy::shipped()) };
    ReadingPolicy::open(path).map_err(|e| Failure::Usage(format!("--reading {}: {e}", path.display())))
}

fn text_of(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Failure::Other(format!("{}: {e}", path.display())))
}

/// That of a file, or the one that ships.
fn model(args: &EvalArgs) -> Result<Model> {
    let Some(path) = &args.ranking else { return Ok(Model::shipped()) };
    let text = text_of(path)?;
    Model::parse(&text).map_err(|e| Failure::Usage(format!("--ranking {}: {e}", path.display())))
}

/// Learns a model from all sets but one and asks that one, for each; then writes the model of all.
fn tuned(
    sources: Vec<sets::Source>,
    args: &EvalArgs,
    plan: &Plan,
    encoder: &RememberingEncoder,
    path: &Path,
) -> Result<Vec<SetResult>> {
    let sets = sources.into_iter().map(|source| prepared(source, args, plan, encoder)).collect::<Result<Vec<_>>>()?;
    let examples: Vec<Vec<tune::Example>> =
        sets.iter().map(|set| tune::examples(set, encoder)).collect::<std::result::Result<_, _>>()?;
    let mut out = Vec::new();
    for (n, set) in sets.iter().enumerate() {
        let others: Vec<&[tune::Example]> =
            examples.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, e)| e.as_slice()).collect();
        crate::say!("learning without {}", set.set.name);
        out.push(asked(set, &Plan { model: tune::learn(&others)?, ..plan.clone() }, encoder)?);
    }
    let all: Vec<&[tune::Example]> = examples.iter().map(Vec::as_slice).collect();
    let model = tune::learn(&all)?.to_json();
    std::fs::write(path, model).map_err(|e| Failure::Other(format!("{}: {e}", path.display())))?;
    Ok(out)
}

fn prepared(source: sets::Source, args: &EvalArgs, plan: &Plan, encoder: &RememberingEncoder) -> Result<PreparedSet> {
    let set = source.load(args.questions, args.seed)?;
    let bytes = set.documents.iter().map(|d| d.content.len() as u64).sum();
    let bar = progress::bytes(&format!("encode {}", set.name), bytes);
    let mut settings = settings_for(encoder, BlockVectors::Separate);
    settings.overlap = args.overlap;
    if args.semantic {
        settings.boundaries = Boundaries::Semantic;
    }
    let prepared = PreparedSet::new(set, &plan.systems, encoder, &settings, &Deadline::none(), &|done| bar.inc(done))?;
    encoder.flush()?;
    bar.finish_and_clear();
    Ok(prepared)
}

fn asked(prepared: &PreparedSet, plan: &Plan, encoder: &RememberingEncoder) -> Result<SetResult> {
    let bar = progress::count(&format!("ask {}", prepared.set.name), prepared.set.questions.len() as u64);
    let result = run_plan(prepared, encoder, plan, &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok(result)
}

fn show(report: &Report, format: OutputFormat) -> Result {
    match format {
        OutputFormat::Json => line(&serde_json::to_string(report).map_err(|e| Failure::Other(e.to_string()))?),
        OutputFormat::Markdown => line(&report.markdown()),
        OutputFormat::Text => {
            line(&format!("encoder {}, tokens of {}, seed {}", report.fingerprint, report.tokenizer, report.seed))?;
            line(&report.text())?;
            gains(report)
        }
    }
}

/// The first system over every other one, paired.
fn gains(report: &Report) -> Result {
    let systems: Vec<System> = report.systems().collect();
    let Some((first, others)) = systems.split_first() else { return Ok(()) };
    for other in others {
        line(&format!("{first} over {other}, in points"))?;
        for set in &report.sets {
            let mut shown = format!("    {:<20}", set.set);
            for budget in report.budgets() {
                let Some(gain) = gain(report, set, *first, *other, budget) else { continue };
                shown.push_str(&format!("{:>20}", points(&gain)));
            }
            line(&shown)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Report> {
    let failed = |e: &dyn std::fmt::Display| Failure::Other(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
    serde_json::from_str(&text).map_err(|e| failed(&format!("no report of tamis eval --format json: {e}")))
}

fn show_changes(first: &Report, second: &Report) -> Result {
    if first.fingerprint != second.fingerprint {
        crate::say!("note: the encoders differ: {} and {}", first.fingerprint, second.fingerprint);
    }
    for change in compare(first, second)? {
        let d = change.difference;
        line(&format!(
            "{:<18}{:<16}@{:<6}{:<14}{}  n={}",
            change.set,
            change.system,
            change.budget,
            change.measure,
            points(&d),
            d.n
        ))?;
    }
    Ok(())
}
