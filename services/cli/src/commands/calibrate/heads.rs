//! `tamis calibrate heads`: which heads of the reader look answers up.

use tamis::eval::heads::{Calibrated, HeardSet, calibrate, listen};
use tamis::eval::plot::heads as picture_of;
use tamis::models::Cache;
use tamis::onnx::Head;
use tamis::rank::Model;
use tamis::read::{LanguageReader, Listen, ReaderSettings, Rows};

use super::super::eval::picture;
use super::super::line;
use super::{encoder, labelled, prepared, written};
use crate::args::{Global, HeadsArgs, OutputFormat};
use crate::connect::configuration;
use crate::failure::{Failure, Result};
use crate::progress::{self, Bar};

/// Heads that are shown of each kind of rows.
const SHOWN: usize = 15;

pub(crate) fn run(global: &Global, args: &HeadsArgs) -> Result {
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    let usage = |e: tamis::error::Error| Failure::Usage(e.to_string());
    let (config, cache) = (configuration(global)?, Cache::from_environment()?);
    let sets = labelled(&args.labelled)?;
    let encoder = encoder(&config, &cache, &args.memory.folder(&cache))?;
    let listen_to = Listen::Layers(args.layers.unwrap_or(usize::MAX));
    let settings = ReaderSettings { listen: listen_to, ..config.reader().map_err(usage)? };
    let reader = LanguageReader::open(settings, &cache, &Bar::default())?;
    let model = Model::shipped();
    let mut heard = Vec::new();
    for set in sets {
        let name = set.name.clone();
        let bar = progress::count(&format!("read {name}"), set.questions.len() as u64);
        let prepared = prepared(set, &encoder)?;
        let questions = listen(&prepared, &encoder, &reader, &model, args.read_passages, &|| bar.inc(1))?;
        bar.finish_and_clear();
        heard.push(HeardSet { name, questions });
    }
    let found = calibrate(reader.model(), reader.heads(), &heard, args.labelled.seed)?;
    let head = "# Made by `tamis calibrate heads`; read by the reader with --reader-heads.\n";
    written(&args.out, &format!("{head}{}", found.table.to_toml()?))?;
    if let Some(path) = &args.plot {
        picture::write(path, &picture_of(&found.scores, reader.shape().heads))?;
    }
    match global.format {
        OutputFormat::Json => {
            let json = serde_json::to_string(&found).map_err(|e| Failure::Other(e.to_string()))?;
            line(&json)
        }
        _ => show(&found, &heard, args),
    }
}

fn show(found: &Calibrated, heard: &[HeardSet], args: &HeadsArgs) -> Result {
    let table = &found.table;
    let sets: Vec<String> = heard.iter().map(|s| format!("{} ({})", s.name, s.questions.len())).collect();
    line(&format!("reader {}, questions of {}", table.model, sets.join(", ")))?;
    for rows in [Rows::Last, Rows::Mean] {
        let mut of_rows: Vec<_> = found.scores.iter().filter(|s| s.rows == rows).collect();
        of_rows.sort_by(|a, b| b.reciprocal_rank.total_cmp(&a.reciprocal_rank).then(a.head.cmp(&b.head)));
        line(&format!("best heads, {}: layer, head, wanted block first, reciprocal rank", named(rows)))?;
        for score in of_rows.into_iter().take(SHOWN) {
            let Head { layer, head } = score.head;
            line(&format!("  {layer:>3}{head:>4}{:>8.1} %{:>8.3}", 100.0 * score.first, score.reciprocal_rank))?;
        }
    }
    let [low, high] = table.evidence.interval;
    line(&format!(
        "chosen, {}: {} of {} heads; wanted block first {:.1} %, reciprocal rank {:.3} [{low:.3}, {high:.3}]; \
         the best of any number {:.3}",
        named(table.rows),
        pairs(&table.heads),
        found.scores.len() / 2,
        100.0 * table.evidence.first,
        table.evidence.reciprocal_rank,
        table.evidence.best,
    ))?;
    for left in &table.left_out {
        let (set, rank, heads) = (&left.set, left.reciprocal_rank, pairs(&left.heads));
        line(&format!("  without {set:<20}{rank:.3} on it, {}: {heads}", named(left.rows)))?;
    }
    line(&format!("written to {}", args.out.display()))
}

fn named(rows: Rows) -> &'static str {
    match rows {
        Rows::Last => "from the last token",
        Rows::Question | Rows::Mean => "from the question's tokens",
    }
}

fn pairs(heads: &[Head]) -> String {
    heads.iter().map(|h| format!("({},{})", h.layer, h.head)).collect::<Vec<_>>().join(" ")
}
