//! `tamis cluster`: its flags.

use std::path::PathBuf;

use clap::Args;

use super::FilterArgs;

#[derive(Args, Debug)]
pub(crate) struct ClusterArgs {
    /// Only the best passages for this question
    #[arg(long, short)]
    pub(crate) query: Option<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How many clusters; by the budget and the number of passages where nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) clusters: Option<u32>,
    /// A metadata field whose values are counted; again for more
    #[arg(long = "fact", value_name = "FIELD")]
    pub(crate) facts: Vec<String>,
    /// How many of the best passages for the question
    #[arg(long, value_name = "N", requires = "query", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) passages: Option<u32>,
    /// Most tokens of the sentences that are shown
    #[arg(long, short, value_name = "TOKENS", default_value_t = 1000)]
    pub(crate) budget: u32,
    /// Draw where passages lie: by what they differ in most, with the keywords of their clusters, and those that are
    /// shown marked
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    pub(crate) plot: Option<PathBuf>,
    /// Files and folders instead of a collection
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}
