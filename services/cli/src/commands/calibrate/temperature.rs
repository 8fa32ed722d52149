//! `tamis calibrate temperature`: the attention temperature that labelled questions ask for.

use tamis::encode::{EncoderSettings, OnnxEncoder};
use tamis::eval::calibrate::{Calibration, Encoded, Side, calibrate};
use tamis::eval::data::Set;
use tamis::eval::report::points;
use tamis::models::Cache;

use super::super::line;
use super::{labelled, written};
use crate::args::{Global, OutputFormat, TemperatureArgs};
use crate::connect::configuration;
use crate::failure::{Failure, Result};
use crate::progress::{self, Bar};

/// Beside the model.
const FILE: &str = "calibration.json";

pub(crate) fn run(global: &Global, args: &TemperatureArgs) -> Result {
    let cache = Cache::from_environment()?;
    let settings = configuration(global)?.encoder().map_err(|e| Failure::Usage(e.to_string()))?;
    let at = |temperature: f32| EncoderSettings { temperature, ..settings.clone() };
    for temperature in &args.temperatures {
        at(*temperature).check().map_err(|e| Failure::Usage(format!("--temperatures: {e}")))?;
    }
    let path = match (&args.out, settings.model.directory(&cache)) {
        (Some(path), _) => path.clone(),
        (None, Some(directory)) => directory.join(FILE),
        (None, None) => return Err(Failure::Usage("a model of the hub: say with --out where to write".into())),
    };
    let sets = labelled(&args.labelled)?;
    let encoded = |encoder: &OnnxEncoder, temperature: f32| -> Result<Vec<Encoded>> {
        let encode = |set: &Set| {
            let bytes = set.documents.iter().map(|d| d.content.len() as u64).sum();
            let bar = progress::bytes(&format!("{temperature}: {}", set.name), bytes);
            let encoded = Encoded::new(set, encoder, &|done| bar.inc(done));
            bar.finish_and_clear();
            Ok(encoded?)
        };
        sets.iter().map(encode).collect()
    };
    let encoder = OnnxEncoder::load(&at(1.0), &cache, &Bar::default())?;
    let fingerprint = tamis::encode::Encoder::fingerprint(&encoder).to_string();
    let as_trained = encoded(&encoder, 1.0)?;
    drop(encoder);
    let mut others = Vec::new();
    for temperature in args.temperatures.iter().filter(|t| **t != 1.0) {
        let encoder = OnnxEncoder::load(&at(*temperature), &cache, &Bar::default())?;
        others.push((*temperature, encoded(&encoder, *temperature)?));
    }
    let found = calibrate(&fingerprint, &sets, &as_trained, &others, args.labelled.seed);
    let json = serde_json::to_string_pretty(&found).map_err(|e| Failure::Other(e.to_string()))?;
    written(&path, &json)?;
    match global.format {
        OutputFormat::Json => line(&json),
        _ => show(&found, &path),
    }
}

fn show(found: &Calibration, path: &std::path::Path) -> Result {
    let sets: Vec<String> = found.sets.iter().map(|(name, questions)| format!("{name} ({questions})")).collect();
    line(&format!("encoder {}, questions of {}", found.fingerprint, sets.join(", ")))?;
    line(&format!(
        "nDCG@10 at temperature 1: {:.1}; gains in points, paired, by length in tokens",
        100.0 * found.ndcg_10.mean
    ))?;
    for gain in &found.gains {
        let of = match gain.of {
            Side::Documents => "documents",
            Side::Queries => "queries",
            Side::Both => "both",
        };
        let (temperature, length, n) = (gain.temperature, &gain.length, gain.ndcg_10.n);
        line(&format!("  {temperature:<5}{of:<10}{length:<12}{:>22}  n={n}", points(&gain.ndcg_10)))?;
    }
    let chosen = found.temperature;
    match chosen == 1.0 {
        true => line("no temperature gains beyond chance: keep encoder.temperature at 1")?,
        false => line(&format!(
            "set encoder.temperature to {chosen}; collections made at another one are to be ingested again"
        ))?,
    }
    line(&format!("written to {}", path.display()))
}
