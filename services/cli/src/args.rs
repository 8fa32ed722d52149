//! What can be asked on the command line.

mod cluster;
mod compress;
mod eval;
mod ingest;
mod reindex;
mod remote;
mod serve;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use cluster::ClusterArgs;
pub(crate) use compress::{CompressArgs, Mode, Order, Ranker, ReadWith, Render, Summary};
pub(crate) use eval::{
    CalibrateCommand, CascadeArgs, EvalArgs, HeadsArgs, LabelledArgs, LeftOutArgs, LessonsArgs, TemperatureArgs,
};
pub(crate) use ingest::{IngestArgs, Precompute, Shard};
pub(crate) use reindex::{Ends, ReindexArgs, Vectors};
pub(crate) use remote::RemoteFlags;
pub(crate) use serve::{ConfigCommand, Described, KeysCommand, NewKey, ServeArgs};

/// Retrieval and context compression under an exact token budget.
#[derive(Parser, Debug)]
#[command(name = "tamis", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    #[command(flatten)]
    pub(crate) remote: RemoteFlags,
    /// Where collections are kept: embedded, or qdrant://HOST:PORT[?OPTION=VALUE&...]
    #[arg(long, global = true, value_name = "INDEX")]
    pub(crate) index: Option<String>,
    /// Directory of the embedded store
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Owner of the data; otherwise who the credential says, or default
    #[arg(long, global = true, env = "TAMIS_TENANT")]
    pub(crate) tenant: Option<String>,
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
    #[command(flatten)]
    pub(crate) summarizer: SummarizerFlags,
}

/// Who summarises, for services in this process.
#[derive(Args, Debug)]
#[command(next_help_heading = "Summarizer")]
pub(crate) struct SummarizerFlags {
    /// An endpoint that speaks OpenAI's chat completions, for digests with --summary
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) summarizer_url: Option<String>,
    /// The model's name there
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) summarizer_model: Option<String>,
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
    /// Show the clusters that passages fall into, and where they lie
    Cluster(ClusterArgs),
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
    /// Write the collection to a file
    Export(ExportArgs),
    /// Take a file that export wrote into the collection, which is made if it is not there
    Import {
        /// The file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Split the collection anew and encode it by the encoder of these options, beside the one that is there, and put it in
    /// its place
    Reindex(ReindexArgs),
    /// Write all collections of the tenant to a folder, with vectors and a manifest
    Backup {
        /// The folder; it is made
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Take a backup in; what is there and not in the backup stays
    Restore {
        /// The folder
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Show, fetch and verify models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Serve over gRPC, gRPC-Web and HTTP with JSON
    Serve(ServeArgs),
    /// Make and list API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Check settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print what programs need to know of settings or API
    Describe {
        /// What
        what: Described,
    },
    /// Check this machine, the models and the store
    Doctor {
        /// Put right what can be derived from the rest
        #[arg(long)]
        repair: bool,
    },
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The file, or - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    /// With vectors: larger, imported without encoding, and of use to the same encoder only
    #[arg(long)]
    pub(crate) vectors: bool,
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
    /// Count what a collection takes: documents, segments, bytes, terms, and what is stored and not seen
    Stats {
        /// Its name
        name: String,
    },
    /// Give two collections each other's names, in one step
    Switch {
        /// The name of one
        name: String,
        /// The name of the other
        other: String,
    },
    /// Remove segments that nobody sees, of revisions that were replaced or never published
    Sweep {
        /// Its name
        name: String,
        /// Leave what was written in the last so many seconds, because it may yet be published
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        older_than_s: u64,
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
