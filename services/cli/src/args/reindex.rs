//! Options of `tamis reindex`.

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct ReindexArgs {
    /// Name of the new collection until it is ready, and of the old one from then on; otherwise the collection's with
    /// "-reindexed" behind it. One that an interrupted reindex of this collection has left is gone on with; any
    /// other is refused
    #[arg(long, value_name = "NAME")]
    pub(crate) beside: Option<String>,
    /// Keep the old collection, by that name
    #[arg(long)]
    pub(crate) keep_old: bool,
    /// How block vectors are to be made; as they are, if not given
    #[arg(long, value_name = "HOW")]
    pub(crate) block_vectors: Option<Vectors>,
    /// Where segments are to end; where they do, if not given
    #[arg(long, value_name = "WHERE")]
    pub(crate) boundaries: Option<Ends>,
    /// Blocks that a segment is to share with the one before it; as many as it does, if not given
    #[arg(long, value_name = "BLOCKS")]
    pub(crate) overlap: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Vectors {
    /// Every block by itself: the best ranking
    Separate,
    /// From one pass per segment: cheaper to make, some answers fewer
    Pooled,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Ends {
    /// Where the segment is full, at paragraphs if possible
    Structure,
    /// Where neighbouring blocks have least in common
    Semantic,
}
