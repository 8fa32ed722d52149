//! One file per command.

mod batch;
mod calibrate;
mod cluster;
mod collections;
mod compress;
mod config;
mod digest;
mod doctor;
mod documents;
mod eval;
mod expand;
mod files;
mod ingest;
mod keys;
mod memory;
mod models;
mod read;
mod reindex;
mod retrieve;
mod serve;
mod split;
mod stream;
mod tokens;
mod transfer;

use std::io::Write;

use clap::CommandFactory;
use tamis_proto::v1::{Document, Filter};

use crate::args::{Arguments, Command, ConfigCommand, FilterArgs, Global, OutputFormat};
use crate::connect::Store;
use crate::failure::{Failure, Result, output};
use crate::filter;

pub(crate) async fn run(arguments: Arguments) -> Result {
    let global = arguments.global;
    if global.format == OutputFormat::Markdown && !matches!(arguments.command, Command::Eval(_)) {
        return Err(Failure::Usage("--format markdown: only eval writes it; use text or json".into()));
    }
    match arguments.command {
        Command::Ingest(args) => ingest::run(&global, args).await,
        Command::Compress(args) if args.queries_jsonl.is_some() => batch::run(&global, args).await,
        Command::Compress(args) if args.stream.is_some() => stream::run(&global, args).await,
        Command::Compress(args) if args.memory.is_some() => memory::run(&global, args).await,
        Command::Compress(args) => compress::run(&global, args).await,
        Command::Cluster(args) => cluster::run(&global, args).await,
        Command::Retrieve(args) => retrieve::run(&global, args).await,
        Command::Expand(args) => expand::run(&global, args).await,
        Command::Calibrate(command) => tokio::task::block_in_place(|| calibrate::run(&global, &command)),
        Command::Read(args) => tokio::task::block_in_place(|| read::run(&global, &args)),
        Command::Split(args) => split::run(&global, &args),
        Command::Tokens(args) => tokens::run(&global, args).await,
        Command::Eval(args) => tokio::task::block_in_place(|| eval::run(&global, &args)),
        Command::Documents(command) => documents::run(&global, command).await,
        Command::Collections(command) => collections::run(&global, command).await,
        Command::Export(args) => transfer::export(&global, args).await,
        Command::Import { file } => transfer::import(&global, file).await,
        Command::Backup { folder } => transfer::backup(&global, folder).await,
        Command::Reindex(args) => reindex::run(&global, args).await,
        Command::Restore { folder } => transfer::restore(&global, folder).await,
        Command::Models(command) => models::run(&global, command).await,
        Command::Serve(args) => Box::pin(serve::run(&global, args)).await,
        Command::Keys(command) => keys::run(&global, command),
        Command::Config(ConfigCommand::Check) => config::check(&global),
        Command::Describe { what } => config::describe(what),
        Command::Doctor { repair } => doctor::run(&global, repair).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tamis", &mut script);
            std::io::stdout().write_all(&script).map_err(output)
        }
    }
}

/// Where a question looks: the collection, or the paths that came with it.
struct Corpus {
    store: Store,
    collection: String,
    filter: Option<Filter>,
    documents: Vec<Document>,
}

impl Corpus {
    fn of(global: &Global, paths: &[String], filter: &FilterArgs) -> Result<Self> {
        if paths.is_empty() {
            let (collection, filter) = (global.collection.clone(), filter::from_args(filter)?);
            Ok(Self { store: Store::Kept, collection, filter, documents: Vec::new() })
        } else {
            let documents = files::inline(paths)?;
            Ok(Self { store: Store::Scratch, collection: String::new(), filter: None, documents })
        }
    }
}

/// A number to so many steps of one.
fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// Writes a line to standard output.
fn line(text: &str) -> Result {
    writeln!(std::io::stdout(), "{text}").map_err(output)
}
