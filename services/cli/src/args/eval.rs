//! Arguments of what measures.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tamis::models::Cache;

#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    /// A set (a folder with corpus.jsonl and queries.jsonl, gzipped or not), or a folder of sets; with --suite any
    /// documents: a folder with corpus.jsonl, or files
    #[arg(long, value_name = "DIR", required_unless_present = "compare")]
    pub(crate) data: Vec<PathBuf>,
    /// Only these sets of a folder of sets
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) sets: Vec<String>,
    /// Make these sets of the documents in --data, without labels: needles, several-needles, threads, best-answer,
    /// time-order, altered-numbers, knots, lengths, demonstrations, budget-precision, or all
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "sets")]
    pub(crate) suite: Vec<String>,
    /// Systems to compare, the one under test first; where none is named all that do not read, without digest, diverse and words
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) system: Vec<String>,
    /// Budgets in tokens
    #[arg(long, value_delimiter = ',', default_value = "128,256,512,1024,2048,4096", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) budgets: Vec<u32>,
    /// Whose tokens
    #[arg(long, default_value = tamis::tokenize::DEFAULT_TOKENIZER)]
    pub(crate) tokenizer: String,
    /// Ask only so many questions of every set, drawn by the seed
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) questions: Option<usize>,
    /// For random orders, samples and intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Also state the smallest budget that keeps as much as the largest
    #[arg(long)]
    pub(crate) recommend: bool,
    /// Also draw what is kept against tokens
    #[arg(long, value_name = "FILE.svg|png")]
    pub(crate) plot: Option<PathBuf>,
    /// Fail where less is kept: SET@BUDGET>=SHARE, with macro for the average over sets
    #[arg(long, value_name = "MINIMUM")]
    pub(crate) min: Vec<String>,
    /// Show what changed between two JSON reports, question by question
    #[arg(long, num_args = 2, value_names = ["FIRST.json", "SECOND.json"], conflicts_with = "data")]
    pub(crate) compare: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Learn the ranking and write it here; every set is reported with a ranking learnt from the others
    #[arg(long, value_name = "FILE.json", conflicts_with = "ranking")]
    pub(crate) tune: Option<PathBuf>,
    /// The ranking of a file, as --tune writes it, instead of the one that ships
    #[arg(long, value_name = "FILE.json")]
    pub(crate) ranking: Option<PathBuf>,
    /// How much is read and when, as `tamis calibrate cascade` wrote it, instead of what ships
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) reading: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) left_out: LeftOutArgs,
    /// Passages that each reader reads of every question at most
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) read_passages: Option<usize>,
    /// What a deviation of the last reader's signal counts, in units of the fast score
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) read_weight: Option<f32>,
    /// Blocks that a segment shares with the one before it
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=16))]
    pub(crate) overlap: u8,
    /// End segments where neighbouring blocks have least in common
    #[arg(long, conflicts_with = "overlap")]
    pub(crate) semantic: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum CalibrateCommand {
    /// The encoder's attention temperature
    Temperature(TemperatureArgs),
    /// Which heads of the reader look answers up
    Heads(HeadsArgs),
    /// How many passages are read, what that counts, and when it pays
    Cascade(CascadeArgs),
    /// Write the passages that a reader is trained on, as JSON lines (docs/adapt.md)
    Lessons(LessonsArgs),
}

/// What models said is remembered between runs.
#[derive(Args, Debug)]
pub(crate) struct MemoryArgs {
    /// Where vectors and readings are remembered; in the cache directory where nothing is said
    #[arg(long, value_name = "DIR")]
    vectors: Option<PathBuf>,
}

impl MemoryArgs {
    pub(crate) fn folder(&self, cache: &Cache) -> PathBuf {
        self.vectors.clone().unwrap_or_else(|| cache.root().join("eval"))
    }
}

/// Readers that have not seen the set that they read.
#[derive(Args, Debug)]
pub(crate) struct LeftOutArgs {
    /// Read every set with the heads that were chosen without it
    #[arg(long)]
    pub(crate) heads_left_out: bool,
    /// Read every set with the adapter that was trained without it: DIR/SET.safetensors
    #[arg(long, value_name = "DIR")]
    pub(crate) adapters_left_out: Option<PathBuf>,
}

/// Labelled questions to calibrate on.
#[derive(Args, Debug)]
pub(crate) struct LabelledArgs {
    /// A set (a folder with corpus.jsonl and queries.jsonl, gzipped or not), or a folder of sets
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// Only these sets of a folder of sets
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) sets: Vec<String>,
    /// Ask only so many questions of every set, drawn by the seed
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) questions: Option<usize>,
    /// For samples and intervals
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Args, Debug)]
pub(crate) struct TemperatureArgs {
    #[command(flatten)]
    pub(crate) labelled: LabelledArgs,
    /// Temperatures to compare with 1, the model as trained
    #[arg(long, value_name = "TAU", value_delimiter = ',', default_value = "0.95,0.9,0.85,0.8,0.7")]
    pub(crate) temperatures: Vec<f32>,
    /// Where the result is written; calibration.json next to the model where nothing is said
    #[arg(long, value_name = "FILE.json")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct HeadsArgs {
    #[command(flatten)]
    pub(crate) labelled: LabelledArgs,
    /// Passages that are read of every question
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = at_least_one)]
    pub(crate) read_passages: usize,
    /// Heads of the first so many layers only
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) layers: Option<usize>,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Draw every head, layer by layer, as good as it is
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    pub(crate) plot: Option<PathBuf>,
    /// Where the table is written
    #[arg(long, value_name = "FILE.toml", default_value = "heads.toml")]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct CascadeArgs {
    #[command(flatten)]
    pub(crate) labelled: LabelledArgs,
    /// Whose part: mini, language, or language_after_mini
    #[arg(long, value_name = "NAME")]
    pub(crate) stage: String,
    /// The policy that it becomes a part of, instead of the one that ships
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) reading: Option<PathBuf>,
    /// Budgets in tokens
    #[arg(long, value_delimiter = ',', default_value = "128,256,512", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) budgets: Vec<u32>,
    #[command(flatten)]
    pub(crate) left_out: LeftOutArgs,
    /// Share of the tokens that reading everything takes, which reading as needed may take; 0 to 1
    #[arg(long, default_value_t = 0.4, value_name = "SHARE")]
    pub(crate) share: f64,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Where the policy is written
    #[arg(long, value_name = "FILE.toml", default_value = "reading.toml")]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct LessonsArgs {
    #[command(flatten)]
    pub(crate) labelled: LabelledArgs,
    /// Passages of every question: those that the fast ranking puts first
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = at_least_one)]
    pub(crate) read_passages: usize,
    #[command(flatten)]
    pub(crate) memory: MemoryArgs,
    /// Where they are written
    #[arg(long, value_name = "FILE.jsonl", default_value = "lessons.jsonl")]
    pub(crate) out: PathBuf,
}

fn at_least_one(s: &str) -> std::result::Result<usize, String> {
    s.parse().ok().filter(|n| *n > 0).ok_or_else(|| "a number from 1 on".to_owned())
}
