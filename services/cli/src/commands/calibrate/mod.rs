//! `tamis calibrate`: what the models are best run with, by labelled questions.

mod cascade;
mod heads;
mod lessons;
mod temperature;

use std::path::Path;
use std::sync::Arc;

use tamis::deadline::Deadline;
use tamis::encode::OnnxEncoder;
use tamis::eval::data::Set;
use tamis::eval::{PreparedSet, RememberingEncoder, System};
use tamis::index::BlockVectors;
use tamis::ingest::settings_for;
use tamis::models::Cache;
use tamis_server::Config;

use super::eval::sets::folders;
use crate::args::{CalibrateCommand, Global, LabelledArgs};
use crate::failure::{Failure, Result};
use crate::progress::Bar;

pub(crate) fn run(global: &Global, command: &CalibrateCommand) -> Result {
    match command {
        CalibrateCommand::Temperature(args) => temperature::run(global, args),
        CalibrateCommand::Cascade(args) => cascade::run(global, args),
        CalibrateCommand::Heads(args) => heads::run(global, args),
        CalibrateCommand::Lessons(args) => lessons::run(global, args),
    }
}

/// The sets in which some question names its gold documents.
fn labelled(args: &LabelledArgs) -> Result<Vec<Set>> {
    let mut sets = Vec::new();
    for source in folders(&args.data, &args.sets)? {
        let set = source.load(args.questions, args.seed)?;
        match set.questions.iter().any(|q| !q.gold.is_empty()) {
            true => sets.push(set),
            false => crate::say!("{}: no question names its gold documents; left out", set.name),
        }
    }
    match sets.is_empty() {
        true => Err(Failure::Other("no set names gold documents: there is nothing to calibrate on".into())),
        false => Ok(sets),
    }
}

/// The encoder, with what it said before.
fn encoder(config: &Config, cache: &Cache, memory: &Path) -> Result<RememberingEncoder> {
    let settings = config.encoder().map_err(|e| Failure::Usage(e.to_string()))?;
    let encoder = Arc::new(OnnxEncoder::load(&settings, cache, &Bar::default())?);
    Ok(RememberingEncoder::open(encoder, memory)?)
}

/// A set, encoded as it is served.
fn prepared(set: Set, encoder: &RememberingEncoder) -> Result<PreparedSet> {
    let settings = settings_for(encoder, BlockVectors::Separate);
    let prepared = PreparedSet::new(set, &[System::Fast], encoder, &settings, &Deadline::none(), &|_| ())?;
    encoder.flush()?;
    Ok(prepared)
}

fn written(path: &Path, text: &str) -> Result {
    std::fs::write(path, text).map_err(|e| Failure::Other(format!("{}: {e}", path.display())))
}
