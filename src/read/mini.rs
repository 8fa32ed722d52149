//! Reader-mini: the encoder, turned by a low-rank adapter (LoRA, arXiv 2106.09685) into one that reads question and
//! passage together and says of every token how likely it belongs to an answer.
//!
//! It is trained by `training/train.py`; what ships is in `models/reader-mini`, with a card that says on what, and how good
//! it is. Where a language model's attention is a by-product, this is what the network was taught.

mod adapter;
mod sequence;

use std::ops::Range;
use std::path::PathBuf;

use ort::session::Session;
use ort::value::Tensor;

pub use self::adapter::Adapter;
use self::sequence::{Sequence, Sequences};
use super::{Attention, Certainty, Of, Reader, Reading, Rows, failed, finite};
use crate::deadline::Deadline;
use crate::encode::{Fingerprint, ModelChoice, ModelFiles, Network, Precision, Priority};
use crate::error::{Error, Result};
use crate::models::{Cache, Progress};
use crate::onnx::{BertOutput, Head, Product, Safetensors, write_bert};
use crate::runtime::{Pool, Runtime};

/// Longest sequence: more than it was trained with, and what the base model has positions for.
const WINDOW: usize = 512;

/// Which adapter, on which model, and how it is run.
#[derive(Clone, Debug)]
pub struct MiniSettings {
    /// The adapter's file; the one that ships where there is none.
    pub adapter: Option<PathBuf>,
    /// The model that it was trained on.
    pub base: ModelChoice,
    /// Arithmetic.
    pub precision: Precision,
    /// Sessions, each on one thread.
    pub sessions: usize,
}

/// The reader.
pub struct ReaderMini {
    fingerprint: Fingerprint,
    languages: Vec<String>,
    sequences: Sequences,
    head: Head,
    sessions: Pool<Session>,
}

impl ReaderMini {
    /// Merges the adapter into its base model, which is provisioned where it is the default one and missing.
    ///
    /// # Errors
    /// [`Error::Model`] for an adapter that is damaged, of another model, or holds values that are no numbers, and for a
    /// base model without weights; [`Error::InvalidArgument`] for settings out of range.
    pub fn open(settings: &MiniSettings, cache: &Cache, progress: &dyn Progress) -> Result<Self> {
        if settings.sessions == 0 {
            return Err(Error::invalid("mini.sessions", "must be at least 1"));
        }
        let adapter = match &settings.adapter {
            Some(path) => Adapter::open(path)?,
            None => Adapter::shipped()?,
        };
        let files = ModelFiles::read(&settings.base, cache, progress)?;
        let Network::Weights(bytes) = &files.network else {
            let reason = "is a graph: an adapter needs the model's weights, model.safetensors";
            return Err(Error::model(&files.name, reason));
        };
        let base = Safetensors::of(&files.name, bytes)?;
        let merged = adapter.on(&base, bytes)?;
        let precision = settings.precision.resolve();
        let product = if precision == Precision::Int8 { Product::Int8PerText } else { Product::Float };
        let graph = write_bert(&files.name, &merged, &files.shape, 1.0, product, BertOutput::Logits)?;
        let runtime = Runtime::load(precision, cache, progress)?;
        let open = |_| runtime.session(&graph);
        let sessions = (0..settings.sessions).map(open).collect::<Result<Vec<_>>>()?;
        let window = files.shape.max_position_embeddings.clamp(4, WINDOW);
        Ok(Self {
            fingerprint: Fingerprint(format!("{}:{precision}:{}", adapter.name(), &adapter.sha256()[..16])),
            languages: adapter.languages().to_vec(),
            sequences: Sequences::new(&files.name, files.plain_tokenizer()?, window)?,
            head: Head { layer: files.shape.num_hidden_layers, head: 0 },
            sessions: Pool::new(sessions),
        })
    }

    /// What the network says of a sequence: a logit for every token of the passage, and one for the passage.
    fn logits(&self, sequence: &Sequence, deadline: &Deadline) -> Result<(Vec<f32>, f32)> {
        let length = sequence.ids.len();
        let tensor = |values: Vec<i64>| Tensor::from_array(([1, length], values)).map_err(failed);
        let inputs = ort::inputs![
            "input_ids" => tensor(sequence.ids.clone())?,
            "token_type_ids" => tensor(sequence.types())?,
        ];
        self.sessions.with(Priority::Query, |session| {
            deadline.check("read")?;
            let outputs = session.run(inputs).map_err(failed)?;
            let (by_token, of_passage) = (finite(&outputs["token_logits"])?, finite(&outputs["passage_logit"])?);
            match (by_token.get(sequence.passage()), of_passage.first()) {
                (Some(tokens), Some(passage)) => Ok((tokens.to_vec(), *passage)),
                _ => Err(Error::Reader("the network gave fewer values than there are tokens".into())),
            }
        })
    }
}

impl Reader for ReaderMini {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn window(&self) -> usize {
        self.sequences.window()
    }

    fn rows(&self) -> Rows {
        Rows::Last
    }

    fn languages(&self) -> &[String] {
        &self.languages
    }

    fn overlaps(&self) -> bool {
        true
    }

    fn parallelism(&self) -> usize {
        self.sessions.size()
    }

    fn count_tokens(&self, reading: &Reading<'_>) -> Result<usize> {
        self.sequences.of(reading).map(|sequence| sequence.ids.len())
    }

    fn tokens(&self, text: &str) -> Result<Vec<Range<usize>>> {
        self.sequences.tokens(text)
    }

    /// One head with one row: how likely each token belongs to an answer, as odds, times those that the passage answers.
    /// The logarithm of their sum over a block is the log-sum-exp of its tokens' logits, plus the passage's.
    fn attention(&self, reading: &Reading<'_>, _: Rows, deadline: &Deadline) -> Result<Attention> {
        let sequence = self.sequences.of(reading)?;
        let (limit, actual) = (self.sequences.window() as u64, sequence.ids.len() as u64);
        if actual > limit {
            return Err(Error::LimitExceeded { field: "reader.window", limit, actual });
        }
        let (logits, passage) = self.logits(&sequence, deadline)?;
        Ok(Attention {
            before: sequence.passage().start,
            read: sequence.ids.len(),
            heads: vec![self.head],
            shares: logits.into_iter().map(|logit| (logit + passage).exp()).collect(),
            to_question: vec![passage.exp()],
            rows: 1,
            tokens: sequence.places,
        })
    }

    fn certainty(&self, _: &Reading<'_>, _: Of, _: &Deadline) -> Result<Certainty> {
        Err(Error::invalid("ranker", "reader-mini predicts no text: this ranker needs the language model"))
    }
}
