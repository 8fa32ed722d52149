//! The encoder on ONNX Runtime, through fastembed's user-defined models.

mod files;

use std::ops::Range;

use fastembed::{OutputKey, QuantizationMode, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use tokenizers::Tokenizer;

use super::{Encoder, EncoderSettings, Fingerprint, Pooling, Precision, Priority, Vector};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::models::{Cache, Progress, sha256};
use crate::onnx::{BertOutput, Product, Safetensors, set_temperature, write_bert};
use crate::runtime::{Pool, Runtime, in_parallel};
pub(crate) use files::{ModelFiles, Network};

/// Tokens that the tokenizer adds around a text: `[CLS]` and `[SEP]`.
const SPECIAL_TOKENS: usize = 2;
/// Below this many texts, starting a thread costs more than it saves.
const MIN_TEXTS_PER_THREAD: usize = 2;

/// A transformer encoder: model, tokenizer and a pool of sessions.
pub struct OnnxEncoder {
    fingerprint: Fingerprint,
    precision: Precision,
    dimension: usize,
    max_length: usize,
    pooling: Pooling,
    query_prefix: String,
    passage_prefix: String,
    tokenizer: Tokenizer,
    sessions: Pool<TextEmbedding>,
}

impl OnnxEncoder {
    /// Loads the model that the settings name, provisioning it where it is the default one and missing.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for settings out of range, [`Error::Model`] for files that are missing,
    /// damaged or unsuitable, [`Error::Encoder`] where ONNX Runtime refuses the graph.
    pub fn load(settings: &EncoderSettings, cache: &Cache, progress: &dyn Progress) -> Result<Self> {
        settings.check()?;
        let files = ModelFiles::read(&settings.model, cache, progress)?;
        let precision = match (&files.network, settings.precision.resolve()) {
            (Network::Onnx(_), Precision::Int8) if settings.precision == Precision::Auto => Precision::Fp32,
            (Network::Onnx(_), Precision::Int8) => {
                return Err(Error::invalid(
                    "encoder.precision",
                    "an ONNX model is run as it is: use fp32 or bf16, or bring a quantised model.onnx",
                ));
            }
            (_, precision) => precision,
        };
        let pooling = settings.pooling.unwrap_or(files.pooling);
        let max_length = settings.max_length.unwrap_or(files.max_length).min(files.max_length_possible);
        let query_prefix = settings.query_prefix.clone().unwrap_or_else(|| files.query_prefix.clone());
        let passage_prefix = settings.passage_prefix.clone().unwrap_or_else(|| files.passage_prefix.clone());

        let weights_hash = sha256(files.network.bytes());
        let meaning = format!(
            "v1|{weights_hash}|{}|{}|{pooling:?}|{max_length}|{precision}|{query_prefix}|{passage_prefix}",
            sha256(&files.tokenizer),
            settings.temperature
        );
        let digest = blake3::hash(meaning.as_bytes()).to_hex();
        let fingerprint =
            Fingerprint(format!("{}:{precision}:tau{}:{}", files.name, settings.temperature, &digest[..16]));

        let tokenizer = files.plain_tokenizer()?;
        let graph = match &files.network {
            Network::Onnx(bytes) => set_temperature(&files.name, bytes, &files.shape, settings.temperature)?,
            Network::Weights(bytes) => {
                let product = if precision == Precision::Int8 { Product::Int8PerText } else { Product::Float };
                let weights = Safetensors::of(&files.name, bytes)?;
                write_bert(&files.name, &weights, &files.shape, settings.temperature, product, BertOutput::States)?
            }
        };
        let dimension = files.shape.hidden_size;
        let tokenizer_files = files.into_tokenizer_files();
        let runtime = Runtime::load(precision, cache, progress)?;
        let mut sessions = Vec::with_capacity(settings.sessions);
        for _ in 0..settings.sessions {
            sessions.push(open_session(&graph, &tokenizer_files, pooling, precision, runtime.options(max_length))?);
        }
        Ok(Self {
            fingerprint,
            precision,
            dimension,
            max_length,
            pooling,
            query_prefix,
            passage_prefix,
            tokenizer,
            sessions: Pool::new(sessions),
        })
    }

    /// The arithmetic in use; never [`Precision::Auto`].
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Number of sessions, each on one thread.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.size()
    }

    fn embed(&self, session: &mut TextEmbedding, text: &str) -> Result<Vector> {
        let mut out = session.embed([text], None).map_err(|e| Error::Encoder(e.to_string()))?;
        match out.pop() {
            Some(values) if values.len() == self.dimension => Ok(Vector::normalised(values)),
            Some(values) => Err(Error::Encoder(format!(
                "the model gave {} components, its config.json states {}",
                values.len(),
                self.dimension
            ))),
            None => Err(Error::Encoder("the model gave no output".into())),
        }
    }
}

impl Encoder for OnnxEncoder {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn max_tokens(&self) -> usize {
        self.max_length - SPECIAL_TOKENS
    }

    fn count_tokens(&self, text: &str) -> usize {
        // A text the tokenizer refuses is as long as it can be: one token a byte.
        self.tokenizer.encode_fast(text, false).map_or(text.len(), |e| e.len())
    }

    fn encode_query(&self, text: &str, deadline: &Deadline) -> Result<Vector> {
        deadline.check("encode")?;
        let text = prefixed(&self.query_prefix, text);
        self.sessions.with(Priority::Query, |session| self.embed(session, &text))
    }

    fn encode_passages(&self, texts: &[&str], priority: Priority, deadline: &Deadline) -> Result<Vec<Vector>> {
        in_parallel(texts.len(), self.sessions.size().min(texts.len() / MIN_TEXTS_PER_THREAD), |n| {
            deadline.check("encode")?;
            let text = prefixed(&self.passage_prefix, texts[n]);
            self.sessions.with(priority, |session| self.embed(session, &text))
        })
    }

    fn encode_pooled(
        &self,
        text: &str,
        ranges: &[Range<usize>],
        priority: Priority,
        deadline: &Deadline,
    ) -> Result<(Vector, Vec<Vector>)> {
        deadline.check("encode")?;
        let whole_text = prefixed(&self.passage_prefix, text);
        let shift = whole_text.len() - text.len();
        let encoding = self.tokenizer.encode(&*whole_text, true).map_err(|e| Error::Encoder(e.to_string()))?;
        let (tokens, width) = self.sessions.with(priority, |session| token_vectors(session, &whole_text))?;
        let rows: Vec<&[f32]> = tokens.chunks_exact(width).collect();
        let whole = match self.pooling {
            Pooling::Mean => mean(rows.iter().copied(), width),
            Pooling::Cls => rows.first().map(|r| r.to_vec()),
        };
        let whole = Vector::normalised(whole.unwrap_or_else(|| vec![0.0; width]));
        let offsets = encoding.get_offsets();
        let pooled = ranges
            .iter()
            .map(|range| {
                let inside = rows.iter().zip(offsets).filter(|(_, (start, end))| {
                    end > start && *start >= range.start + shift && *end <= range.end + shift
                });
                mean(inside.map(|(row, _)| *row), width).map_or_else(|| whole.clone(), Vector::normalised)
            })
            .collect();
        Ok((whole, pooled))
    }
}

fn prefixed<'t>(prefix: &str, text: &'t str) -> std::borrow::Cow<'t, str> {
    if prefix.is_empty() { text.into() } else { format!("{prefix}{text}").into() }
}

fn mean<'r>(rows: impl Iterator<Item = &'r [f32]>, width: usize) -> Option<Vec<f32>> {
    let mut sum = vec![0.0f32; width];
    let mut count = 0;
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        count += 1;
    }
    (count > 0).then(|| sum.into_iter().map(|s| s / count as f32).collect())
}

/// Token-level output of one text, row-major, and the width of a row.
fn token_vectors(session: &mut TextEmbedding, text: &str) -> Result<(Vec<f32>, usize)> {
    let failed = |e: fastembed::Error| Error::Encoder(e.to_string());
    let batches = session.transform([text], None).map_err(failed)?.into_raw();
    let precedence: &[OutputKey] = &[OutputKey::ByName("last_hidden_state"), OutputKey::OnlyOne];
    let batch = batches.first().ok_or_else(|| Error::Encoder("the model gave no output".into()))?;
    let view = batch.select_output(&precedence).map_err(failed)?;
    let shape = view.shape();
    if shape.len() != 3 {
        return Err(Error::Encoder("late pooling needs a model with token-level output (last_hidden_state)".into()));
    }
    Ok((view.iter().copied().collect(), shape[2]))
}

fn open_session(
    graph: &[u8],
    tokenizer_files: &TokenizerFiles,
    pooling: Pooling,
    precision: Precision,
    options: fastembed::InitOptionsUserDefined,
) -> Result<TextEmbedding> {
    let pooling = match pooling {
        Pooling::Mean => fastembed::Pooling::Mean,
        Pooling::Cls => fastembed::Pooling::Cls,
    };
    let quantization = if precision == Precision::Int8 { QuantizationMode::Dynamic } else { QuantizationMode::None };
    let model = UserDefinedEmbeddingModel::new(graph.to_vec(), tokenizer_files.clone())
        .with_pooling(pooling)
        .with_quantization(quantization);
    TextEmbedding::try_new_from_user_defined(model, options).map_err(|e| Error::Encoder(e.to_string()))
}
