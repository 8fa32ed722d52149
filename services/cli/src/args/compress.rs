//! `tamis compress`: its flags.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::FilterArgs;

#[derive(Args, Debug)]
pub(crate) struct CompressArgs {
    /// The question; with --digest it may be left out: then the digest is of everything
    #[arg(long, short, required_unless_present_any = ["queries_jsonl", "digest", "memory"])]
    pub(crate) query: Option<String>,
    /// Most tokens of the context
    #[arg(long, short, value_name = "TOKENS")]
    pub(crate) budget: u32,
    /// Whose tokens: o200k_base, cl100k_base, estimated[:FACTOR], or the path of a tokenizer.json
    #[arg(long, default_value = "o200k_base")]
    pub(crate) tokenizer: String,
    /// How the context is written
    #[arg(long, value_enum, default_value = "plain")]
    pub(crate) render: Render,
    /// In which order documents stand
    #[arg(long, value_enum, default_value = "relevance")]
    pub(crate) order: Order,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// A term to keep whenever the budget allows; again for more
    #[arg(long, value_name = "TERM")]
    pub(crate) must_keep: Vec<String>,
    /// Leave out blocks that are less likely wanted, 0 to 1, though there be room for them
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub(crate) min_relevance: f32,
    /// How much is done: fast compares vectors and terms; mini reads the best passages together with the question, with
    /// the small trained reader; precise has a language model read the best of those as well; auto reads where the ranking
    /// so far is unsure
    #[arg(long, value_enum, default_value = "fast")]
    pub(crate) mode: Mode,
    /// What orders the blocks that are read: fused adds attention to the fast score; xl3m goes by certainty and
    /// infiniretri by attention alone, both read documents in their own order
    #[arg(long, value_enum, default_value = "fused")]
    pub(crate) ranker: Ranker,
    /// The only reader, with the modes precise and auto
    #[arg(long, value_enum)]
    pub(crate) read_with: Option<ReadWith>,
    /// Most passages that are read
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) read_passages: Option<u32>,
    /// What it counts that a block is unlike the better ones, 0 to 1: every aspect before one is told twice
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, conflicts_with_all = ["digest", "stream"])]
    pub(crate) diversity: f32,
    /// Drop words that a sentence's meaning does not hang on, so that more sentences fit: this share of them, .05 to .9.
    /// Numbers, negations, names, ids, quotations and the question's words stay; it costs answers all the same
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.3",
        conflicts_with_all = ["digest", "stream"])]
    pub(crate) drop_words: Option<f32>,
    /// Put no mark where words were dropped
    #[arg(long, requires = "drop_words")]
    pub(crate) no_marks: bool,
    /// Tell what the passages say, cluster by cluster, with how often it is said, instead of what answers a question
    #[arg(long, conflicts_with_all = ["mode", "order", "must_keep", "min_relevance", "ranker", "read_with",
        "read_passages", "explain", "stream"])]
    pub(crate) digest: bool,
    /// How many clusters a digest has; by the budget and the number of passages where nothing is said
    #[arg(long, value_name = "N", requires = "digest", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) clusters: Option<u32>,
    /// A metadata field whose values a digest counts over all documents; again for more
    #[arg(long = "fact", value_name = "FIELD", requires = "digest")]
    pub(crate) facts: Vec<String>,
    /// How many of the best passages for a question a digest tells; 200 of a whole collection where nothing is said, and
    /// all of documents, files or a filtered part
    #[arg(long, value_name = "N", requires = "digest", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) digest_passages: Option<u32>,
    /// Have the language model at `summarizer_url` say what every cluster says, above its sentences; how passages that do
    /// not fit one prompt become one summary
    #[arg(long, value_name = "METHOD", value_enum, requires = "digest", num_args = 0..=1, require_equals = true,
        default_missing_value = "hierarchical")]
    pub(crate) summary: Option<Summary>,
    /// Keep of a conversation its opening, its newest turns, and of the others what could be guessed least: a file (or -)
    /// of JSON lines, {"role","content"}, the oldest turn first
    #[arg(long, value_name = "FILE", conflicts_with_all = ["query", "mode", "order", "must_keep", "min_relevance", "ranker",
        "read_with", "read_passages", "explain", "stream", "digest", "drop_words", "diversity", "paths", "input_jsonl", "conditions",
        "filter"])]
    pub(crate) memory: Option<PathBuf>,
    /// Turns at the beginning that are kept whole [default: 1]
    #[arg(long, value_name = "TURNS", requires = "memory")]
    pub(crate) memory_opening: Option<u32>,
    /// Newest turns that are kept whole [default: 4]
    #[arg(long, value_name = "TURNS", requires = "memory")]
    pub(crate) memory_newest: Option<u32>,
    /// What a turn counts against the one after it, above 0 and at most 1 [default: 1]
    #[arg(long, value_name = "FACTOR", requires = "memory")]
    pub(crate) memory_decay: Option<f32>,
    /// Send one file (or - for standard input) piece by piece, of any length: of its segments, only the best so far stay
    /// in memory
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "input_jsonl"])]
    pub(crate) stream: Option<PathBuf>,
    /// With --stream and --ranker infiniretri: read everything as it comes, not only what is nearest to the question
    #[arg(long, requires = "stream")]
    pub(crate) read_everything: bool,
    /// Show why blocks were kept, and why the first so many others were not
    #[arg(long, value_name = "BLOCKS", num_args = 0..=1, require_equals = true, default_missing_value = "5")]
    pub(crate) explain: Option<u32>,
    /// Print counts and times after the context
    #[arg(long)]
    pub(crate) stats: bool,
    /// Documents as JSON lines: {"doc_id","title","text"}
    #[arg(long, value_name = "FILE", requires = "queries_jsonl", conflicts_with = "paths")]
    pub(crate) input_jsonl: Option<PathBuf>,
    /// Questions as JSON lines: {"query_id","question","candidates"?}; one JSON line each on standard output
    #[arg(long, value_name = "FILE", requires = "input_jsonl", conflicts_with = "query")]
    pub(crate) queries_jsonl: Option<PathBuf>,
    /// Files and folders to search instead of a collection
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Summary {
    /// Parts by themselves, then their summaries together
    Hierarchical,
    /// One, brought up to date with part after part
    Incremental,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Render {
    Plain,
    Markdown,
    Xml,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Order {
    Relevance,
    Document,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Ranker {
    Fused,
    Xl3m,
    Infiniretri,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Mode {
    Fast,
    Mini,
    Precise,
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadWith {
    Mini,
    Language,
}
