//! What can be asked on the command line.

mod eval;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use eval::{
    CalibrateCommand, CascadeArgs, EvalArgs, HeadsArgs, LabelledArgs, LeftOutArgs, LessonsArgs, TemperatureArgs,
};

/// Retrieval and context compression under an exact token budget.
#[derive(Parser, Debug)]
#[command(name = "tamis", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// What is logged where `TAMIS_LOG` does not say.
    pub(crate) fn default_log(&self) -> &'static str {
        if matches!(self.command, Command::Serve(_)) { "info,ort=warn" } else { "error" }
    }
}

/// Flags of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Server to talk to, for example http://127.0.0.1:7420; without it, the services run in this process
    #[arg(long, global = true, env = "TAMIS_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Directory of the embedded store
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Owner of the data
    #[arg(long, global = true, env = "TAMIS_TENANT", default_value = "default")]
    pub(crate) tenant: String,
    /// Collection
    #[arg(long, global = true, env = "TAMIS_COLLECTION", default_value = "default")]
    pub(crate) collection: String,
    /// What goes to standard output
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) format: OutputFormat,
    /// Configuration file (TOML)
    #[arg(long, global = true, env = "TAMIS_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) encoder: EncoderFlags,
    #[command(flatten)]
    pub(crate) reader: ReaderFlags,
}

/// The readers, for services in this process.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reader")]
pub(crate) struct ReaderFlags {
    /// A GGUF of LLaMA's architecture instead of the default reader
    #[arg(long, global = true, value_name = "FILE.gguf")]
    pub(crate) reader_model: Option<PathBuf>,
    /// Which of its heads are listened to, as `tamis calibrate heads` wrote it
    #[arg(long, global = true, value_name = "FILE.toml")]
    pub(crate) reader_heads: Option<PathBuf>,
    /// Memory for keys and values of passages, 8.8 kB a token: another question to them costs its own tokens only
    #[arg(long, global = true, value_name = "MIB")]
    pub(crate) reader_states_mib: Option<usize>,
    /// The same in files of the data directory, which outlives the process
    #[arg(long, global = true, value_name = "MIB")]
    pub(crate) reader_states_disk_mib: Option<usize>,
    /// An adapter for reader-mini instead of the one that ships, as training/train.py wrote it
    #[arg(long, global = true, value_name = "FILE.safetensors")]
    pub(crate) mini_adapter: Option<PathBuf>,
}

/// The encoder, for services in this process.
#[derive(Args, Debug)]
#[command(next_help_heading = "Encoder")]
pub(crate) struct EncoderFlags {
    /// Model directory instead of the default encoder
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) model_dir: Option<PathBuf>,
    /// Arithmetic: auto, fp32, int8 or bf16
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) precision: Option<String>,
    /// Attention temperature, 0.5 to 1.0
    #[arg(long, global = true, value_name = "TAU")]
    pub(crate) temperature: Option<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Text,
    /// For programs; stable
    Json,
    /// Tables for a document; of `eval` only
    Markdown,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Take files, folders or standard input into a collection
    Ingest(IngestArgs),
    /// Answer a question with excerpts under a token budget
    Compress(CompressArgs),
    /// Find the best segments for a question
    Retrieve(RetrieveArgs),
    /// Show more text around an excerpt
    Expand(ExpandArgs),
    /// Show how files are split into blocks and segments
    Split(SplitArgs),
    /// Show what the reader makes of a passage and a question
    Read(ReadArgs),
    /// Count tokens of files or standard input
    Tokens(TokensArgs),
    /// Measure what contexts keep of labelled questions, beside what simpler systems keep
    Eval(EvalArgs),
    /// Choose on labelled questions what the models are best run with
    #[command(subcommand)]
    Calibrate(CalibrateCommand),
    /// Show and delete documents
    #[command(subcommand)]
    Documents(DocumentsCommand),
    /// Make, show and delete collections
    #[command(subcommand)]
    Collections(CollectionsCommand),
    /// Show, fetch and verify models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Serve over gRPC
    Serve(ServeArgs),
    /// Check this machine, the models and the store
    Doctor,
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct IngestArgs {
    /// Files, folders, glob patterns, or - for standard input
    #[arg(required_unless_present = "input_jsonl", value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Documents as JSON lines: {"doc_id","title","text","uri"?,"metadata"?}; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) input_jsonl: Option<PathBuf>,
    /// Metadata for every document; numbers and true/false are recognised
    #[arg(long = "meta", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Id of the document on standard input
    #[arg(long, default_value = "stdin")]
    pub(crate) id: String,
    /// Take files that .gitignore excludes and hidden ones too
    #[arg(long)]
    pub(crate) no_ignore: bool,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read every passage now, so that the first question to it costs no more than the second (needs
    /// --reader-states-disk-mib, then as well as later)
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) precompute: Option<Precompute>,
}

/// What is computed before anybody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Precompute {
    /// Keys and values of the reader.
    Reader,
}

#[derive(Args, Debug)]
pub(crate) struct CompressArgs {
    /// The question
    #[arg(long, short, required_unless_present = "queries_jsonl")]
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

#[derive(Args, Debug, Default)]
pub(crate) struct FilterArgs {
    /// Only documents whose metadata field has this value
    #[arg(long = "where", value_name = "KEY=VALUE")]
    pub(crate) conditions: Vec<String>,
    /// Only documents that match, as JSON: {"and":[{"equals":{"field":"year","value":2024}}]}
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct RetrieveArgs {
    /// The question
    #[arg(long, short)]
    pub(crate) query: String,
    /// Most segments
    #[arg(long, short = 'n', default_value_t = 10)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Files and folders to search instead of a collection
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ExpandArgs {
    /// The document's id
    pub(crate) document_id: String,
    /// First byte of the excerpt
    pub(crate) start: u64,
    /// One past its last byte
    pub(crate) end: u64,
    /// The excerpt's revision; refused if the document has changed since
    #[arg(long, default_value_t = 0)]
    pub(crate) revision: u64,
    /// Blocks to add on both sides
    #[arg(long, default_value_t = 3)]
    pub(crate) blocks: u32,
}

#[derive(Args, Debug)]
pub(crate) struct SplitArgs {
    /// Files, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) paths: Vec<String>,
    /// Most tokens of a segment
    #[arg(long, value_name = "TOKENS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: u32,
    /// Most tokens of a block
    #[arg(long, value_name = "TOKENS", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_block_tokens: u32,
    /// Blocks at the end of a segment that are also read with the next one
    #[arg(long, value_name = "BLOCKS", default_value_t = 0)]
    pub(crate) overlap: usize,
    /// Whose tokens, as for compress
    #[arg(long, default_value = "o200k_base")]
    pub(crate) tokenizer: String,
    /// What the files are, where name and content do not say: a media type, an extension or a language
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ReadArgs {
    /// A file with the passage, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) path: String,
    /// The question
    #[arg(long, short)]
    pub(crate) query: String,
    /// The title that is read before the passage
    #[arg(long, default_value = "")]
    pub(crate) title: String,
    /// Who reads
    #[arg(long, value_enum, default_value = "language")]
    pub(crate) read_with: ReadWith,
    /// Show each head's share; of the language model
    #[arg(long)]
    pub(crate) heads: bool,
    /// Show how certain the reader is, too; of the language model
    #[arg(long)]
    pub(crate) certainty: bool,
    /// Draw the passage, its tokens shaded by attention
    #[arg(long, value_name = "FILE.html|FILE.svg|FILE.png")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TokensArgs {
    /// Files, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Whose tokens, as for compress
    #[arg(long, default_value = "o200k_base")]
    pub(crate) tokenizer: String,
}

#[derive(Subcommand, Debug)]
pub(crate) enum DocumentsCommand {
    /// List documents by id
    List {
        /// Only ids that begin with this
        #[arg(long, default_value = "")]
        prefix: String,
        /// Most documents
        #[arg(long, short = 'n', default_value_t = 100)]
        limit: usize,
    },
    /// Show one document
    Get {
        /// Its id
        id: String,
    },
    /// Delete documents
    Delete(DeleteArgs),
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Ids
    #[arg(required_unless_present_any = ["prefix", "filter", "conditions"], conflicts_with_all = ["prefix", "filter", "conditions"])]
    pub(crate) ids: Vec<String>,
    /// Ids that begin with this
    #[arg(long, conflicts_with_all = ["filter", "conditions"])]
    pub(crate) prefix: Option<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum CollectionsCommand {
    /// List collections
    List,
    /// Show one collection
    Get {
        /// Its name
        name: String,
    },
    /// Make a collection
    Create {
        /// Its name
        name: String,
        /// Make block vectors from one pass per segment: cheaper to ingest, some answers fewer
        #[arg(long)]
        pooled: bool,
        /// End segments where neighbouring blocks have least in common
        #[arg(long, conflicts_with_all = ["pooled", "overlap"])]
        semantic: bool,
        /// Blocks that a segment shares with the one before it, for encoding and searching
        #[arg(long, value_name = "BLOCKS", default_value_t = 0)]
        overlap: u32,
    },
    /// Delete a collection with everything in it
    Delete {
        /// Its name
        name: String,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum ModelsCommand {
    /// Show what is known, and what is in the cache
    List,
    /// Fetch models into the cache; without names, what this machine needs to encode
    Pull {
        /// Names as in `models list`
        names: Vec<String>,
        /// Fetch again what is there
        #[arg(long)]
        force: bool,
    },
    /// Check the hashes of what is in the cache
    Verify,
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Print the configuration and stop
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Ask the server at --server (or at the configured address) whether it is healthy, and stop
    #[arg(long)]
    pub(crate) health: bool,
}
