//! `tamis calibrate lessons`: what a reader is trained on.

use std::fs::File;
use std::io::{BufWriter, Write};

use tamis::eval::lessons::lessons;
use tamis::models::Cache;
use tamis::rank::Model;
use tamis::tokenize::{self, DEFAULT_TOKENIZER};

use super::super::eval::sets::folders;
use super::super::line;
use super::{encoder, prepared};
use crate::args::{Global, LessonsArgs};
use crate::connect::configuration;
use crate::failure::{Failure, Result};

pub(crate) fn run(global: &Global, args: &LessonsArgs) -> Result {
    let (config, cache) = (configuration(global)?, Cache::from_environment()?);
    let tokenizer = tokenize::named(DEFAULT_TOKENIZER)?;
    let encoder = encoder(&config, &cache, &args.memory.folder(&cache))?;
    let model = Model::shipped();
    let failed = |e: std::io::Error| Failure::Other(format!("{}: {e}", args.out.display()));
    let mut out = BufWriter::new(File::create(&args.out).map_err(failed)?);
    for source in folders(&args.labelled.data, &args.labelled.sets)? {
        let set = source.load(args.labelled.questions, args.labelled.seed)?;
        let name = set.name.clone();
        let found = lessons(&prepared(set, &encoder)?, &encoder, &model, tokenizer.as_ref(), args.read_passages)?;
        for lesson in &found {
            serde_json::to_writer(&mut out, lesson).map_err(|e| failed(e.into()))?;
            out.write_all(b"\n").map_err(failed)?;
        }
        line(&format!("{name}: {} questions", found.len()))?;
    }
    out.flush().map_err(failed)
}
