//! A LLaMA-like language model as reader, on the encoder's ONNX Runtime.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ort::session::Session;
use ort::value::Tensor;

use super::gguf::Gguf;
use super::tokens::{Token, Tokens};
use super::{Attention, Certainty, HeadTable, Of, Reader, Reading, Rows};
use crate::deadline::Deadline;
use crate::encode::{Fingerprint, Precision, Priority};
use crate::error::{Error, Result};
use crate::models::{self, Cache, Progress, catalog};
use crate::onnx::{Head, LlamaShape, Product, Signal, write_llama};
use crate::runtime::{Pool, Runtime};

/// What stands around a passage and its question: with the bare question the heads say nothing, with a chat's
/// template no more than with this.
const BEFORE_QUESTION: &str = "\n\nQuestion: ";
const AFTER_QUESTION: &str = "\nAnswer:";
/// Longest pass, unless the settings say otherwise.
const WINDOW: usize = 2048;
/// Most sessions, unless the settings say otherwise: each has its own copy of the weights.
const MAX_SESSIONS: usize = 4;
/// Largest network: its weights as floats must fit into one graph.
const MAX_PARAMETERS: u64 = 500_000_000;

/// Which model, and how it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct ReaderSettings {
    /// A GGUF of LLaMA's architecture; without it, SmolLM2-135M-Instruct is provisioned.
    pub model: Option<PathBuf>,
    /// A `tokenizer.json` to use in place of the file's own tokenizer.
    pub tokenizer: Option<PathBuf>,
    /// Arithmetic.
    pub precision: Precision,
    /// Heads to listen to.
    pub listen: Listen,
    /// Most tokens of one pass.
    pub window: usize,
    /// Sessions, each on one thread.
    pub sessions: usize,
}

/// Which heads are listened to.
#[derive(Clone, Debug, PartialEq)]
pub enum Listen {
    /// Those of a table made by `tamis calibrate heads`; without one, that of the default model.
    Table(Option<HeadTable>),
    /// These.
    Heads(Vec<Head>, Rows),
    /// All of the first so many layers; all layers where there are fewer.
    Layers(usize),
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self {
            model: None,
            tokenizer: None,
            precision: Precision::Auto,
            listen: Listen::Table(None),
            window: WINDOW,
            sessions: std::thread::available_parallelism().map_or(1, usize::from).min(MAX_SESSIONS),
        }
    }
}

/// The reader. Its two networks, one for each signal, are written when they are first asked for.
pub struct LanguageReader {
    fingerprint: Fingerprint,
    model: String,
    heads: Vec<Head>,
    rows: Rows,
    settings: ReaderSettings,
    precision: Precision,
    gguf: Gguf,
    shape: LlamaShape,
    tokens: Tokens,
    runtime: Runtime,
    attention: OnceLock<Pool<Session>>,
    certainty: OnceLock<Pool<Session>>,
    /// Nanoseconds that a token of the last passes took, for each network; 0 before the first.
    pace: [AtomicU64; 2],
    loading: std::sync::Mutex<()>,
}

impl LanguageReader {
    /// Opens the model that the settings name, provisioning it where it is the default one and missing.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for settings out of range, [`Error::Model`] for a file that is damaged, of another
    /// architecture or too large, or a tokenizer that does not belong to it.
    pub fn open(settings: ReaderSettings, cache: &Cache, progress: &dyn Progress) -> Result<Self> {
        if settings.sessions == 0 {
            return Err(Error::invalid("reader.sessions", "must be at least 1"));
        }
        let (path, weights) = match &settings.model {
            Some(path) => (path.clone(), blake3_of(path)?),
            None => provisioned(cache, progress)?,
        };
        let gguf = Gguf::open(&path)?;
        let shape = gguf.shape()?;
        if gguf.parameters() > MAX_PARAMETERS {
            let (has, limit) = (gguf.parameters() / 1_000_000, MAX_PARAMETERS / 1_000_000);
            return Err(gguf.refuse(format!("has {has} million parameters; readers have at most {limit} million")));
        }
        if settings.window < 2 || settings.window > shape.context {
            return Err(Error::invalid(
                "reader.window",
                format!("must be from 2 to {}, what the model was trained for", shape.context),
            ));
        }
        let tokens = Tokens::of(&gguf, settings.tokenizer.as_deref(), shape.vocabulary)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let model = format!("{name}:{}", &weights[..16]);
        let (mut heads, rows) = heads(&settings.listen, &model, &shape)?;
        heads.sort_unstable();
        heads.dedup();
        let precision = settings.precision.resolve();
        let runtime = Runtime::load(precision, cache, progress)?;
        let tokenizer = settings.tokenizer.as_deref().map_or(Ok(String::new()), blake3_of)?;
        let meaning = format!(
            "v1|{weights}|{tokenizer}|{precision}|{BEFORE_QUESTION}|{AFTER_QUESTION}|{heads:?}|{}",
            settings.window
        );
        let digest = blake3::hash(meaning.as_bytes()).to_hex();
        let fingerprint = Fingerprint(format!("{name}:{precision}:{}", &digest[..16]));
        Ok(Self {
            fingerprint,
            model,
            heads,
            rows,
            settings,
            precision,
            gguf,
            shape,
            tokens,
            runtime,
            attention: OnceLock::new(),
            certainty: OnceLock::new(),
            pace: [AtomicU64::new(0), AtomicU64::new(0)],
            loading: std::sync::Mutex::new(()),
        })
    }

    /// The model: its name and the beginning of its hash.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The heads that are listened to, in the order of their layers.
    #[must_use]
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The network's shape.
    #[must_use]
    pub fn shape(&self) -> &LlamaShape {
        &self.shape
    }

    /// Opens the network for attention, which is otherwise done with the first passage.
    ///
    /// # Errors
    /// As for [`Self::open`], and the runtime's.
    pub fn warm_up(&self) -> Result<()> {
        self.sessions(&self.attention, Signal::Attention(&self.heads)).map(|_| ())
    }

    /// The sessions for a signal, opened when they are first asked for.
    fn sessions<'a>(&'a self, slot: &'a OnceLock<Pool<Session>>, signal: Signal<'_>) -> Result<&'a Pool<Session>> {
        if let Some(sessions) = slot.get() {
            return Ok(sessions);
        }
        let _one = self.loading.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(sessions) = slot.get() {
            return Ok(sessions);
        }
        let product = if self.precision == Precision::Int8 { Product::Int8PerToken } else { Product::Float };
        let graph = write_llama("reader", &self.gguf, &self.shape, self.settings.window, signal, product)?;
        let open = |_| self.runtime.session(&graph);
        let sessions = (0..self.settings.sessions).map(open).collect::<Result<Vec<_>>>()?;
        Ok(slot.get_or_init(|| Pool::new(sessions)))
    }

    /// The tokens of a reading, and where its passage's and its question's are.
    fn prompt(&self, reading: &Reading<'_>) -> Result<Read> {
        let before = if reading.title.is_empty() { String::new() } else { format!("{}\n", reading.title) };
        let text = format!("{before}{}{BEFORE_QUESTION}{}{AFTER_QUESTION}", reading.text, reading.question);
        let passage = before.len()..before.len() + reading.text.len();
        let tokens = self.tokens.read(&text)?;
        let inside = |token: &Token| token.bytes.start < passage.end && token.bytes.end > passage.start;
        let first = tokens.iter().position(inside).unwrap_or(0);
        let end = tokens.iter().rposition(inside).map_or(first, |n| n + 1);
        let asked_at = passage.end + BEFORE_QUESTION.len();
        let question = tokens.iter().position(|t| t.bytes.end > asked_at).unwrap_or(tokens.len().saturating_sub(1));
        let answer =
            tokens.iter().position(|t| t.bytes.end > asked_at + reading.question.len()).unwrap_or(tokens.len());
        // A token that reaches out of the passage counts with what it has inside.
        let bytes = |t: &Token| {
            let within = |at: usize| at.clamp(passage.start, passage.end) - passage.start;
            within(t.bytes.start)..within(t.bytes.end)
        };
        let places = tokens[first..end].iter().map(bytes).collect();
        Ok(Read { ids: tokens.iter().map(|t| t.id).collect(), passage: first..end, places, question: question..answer })
    }

    /// Runs a network; a pass that would end behind the deadline, as far as the last ones tell, is not begun.
    fn run(
        &self,
        (sessions, pace): (&Pool<Session>, &AtomicU64),
        read: &Read,
        first_row: usize,
        deadline: &Deadline,
    ) -> Result<Vec<f32>> {
        let failed = |e: ort::Error| Error::Reader(e.to_string());
        let tokens = read.ids.len() as u64;
        sessions.with(Priority::Ingest, |session| {
            deadline.check("read")?;
            let per_token = pace.load(Ordering::Relaxed);
            if deadline.remaining().is_some_and(|left| left < Duration::from_nanos(per_token.saturating_mul(tokens))) {
                return Err(Error::DeadlineExceeded { stage: "read" });
            }
            let began = Instant::now();
            let ids = Tensor::from_array(([1, read.ids.len()], read.ids.clone())).map_err(failed)?;
            let row = Tensor::from_array(([1], vec![first_row as i64])).map_err(failed)?;
            let outputs = session.run(ort::inputs!["input_ids" => ids, "first_row" => row]).map_err(failed)?;
            let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
            if values.iter().any(|v| !v.is_finite()) {
                return Err(Error::Reader("the network gave values that are no numbers".into()));
            }
            let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX) / tokens.max(1);
            pace.store(if per_token == 0 { took } else { (3 * per_token + took) / 4 }, Ordering::Relaxed);
            Ok(values.to_vec())
        })
    }

    fn checked(&self, reading: &Reading<'_>, deadline: &Deadline) -> Result<Read> {
        deadline.check("read")?;
        let read = self.prompt(reading)?;
        let (limit, actual) = (self.settings.window as u64, read.ids.len() as u64);
        if actual > limit {
            return Err(Error::LimitExceeded { field: "reader.window", limit, actual });
        }
        Ok(read)
    }
}

/// Tokens of a reading.
struct Read {
    ids: Vec<i64>,
    /// Which are the passage's.
    passage: Range<usize>,
    /// Their bytes in it.
    places: Vec<Range<usize>>,
    /// Which are the question's.
    question: Range<usize>,
}

impl Reader for LanguageReader {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn window(&self) -> usize {
        self.settings.window
    }

    fn rows(&self) -> Rows {
        self.rows
    }

    fn parallelism(&self) -> usize {
        self.settings.sessions
    }

    fn count_tokens(&self, reading: &Reading<'_>) -> Result<usize> {
        self.prompt(reading).map(|read| read.ids.len())
    }

    fn tokens(&self, text: &str) -> Result<Vec<Range<usize>>> {
        Ok(self.tokens.read(text)?.into_iter().map(|token| token.bytes).collect())
    }

    fn attention(&self, reading: &Reading<'_>, rows: Rows, deadline: &Deadline) -> Result<Attention> {
        let read = self.checked(reading, deadline)?;
        let sessions = self.sessions(&self.attention, Signal::Attention(&self.heads))?;
        let length = read.ids.len();
        let first_row = match rows {
            Rows::Last => length - 1,
            Rows::Question | Rows::Mean => read.question.start,
        };
        let mut values = self.run((sessions, &self.pace[0]), &read, first_row, deadline)?;
        let mut count = length - first_row;
        if rows == Rows::Mean {
            (values, count) = (means(&values, length, count), 1);
        }
        // Of every row only the passage's tokens.
        let shares = values.chunks_exact(length).flat_map(|row| &row[read.passage.clone()]).copied().collect();
        let to_question = values.chunks_exact(length).map(|row| row[read.question.clone()].iter().sum()).collect();
        let (before, heads) = (read.passage.start, self.heads.clone());
        Ok(Attention { tokens: read.places, before, heads, shares, to_question, rows: count, read: length })
    }

    fn certainty(&self, reading: &Reading<'_>, of: Of, deadline: &Deadline) -> Result<Certainty> {
        let read = self.checked(reading, deadline)?;
        let sessions = self.sessions(&self.certainty, Signal::Logits)?;
        // The token before the passage's first one says how likely that was.
        let first_row = match of {
            Of::Answer => read.ids.len() - 1,
            Of::Question => read.question.start.saturating_sub(1),
            Of::Passage => read.passage.start.saturating_sub(1).min(read.question.start.saturating_sub(1)),
        };
        let logits = self.run((sessions, &self.pace[1]), &read, first_row, deadline)?;
        let rows: Vec<&[f32]> = logits.chunks_exact(self.shape.vocabulary).collect();
        let unlikely = |n: usize| {
            // Rows that were not asked for tell nothing.
            let row = n.checked_sub(first_row + 1).and_then(|row| rows.get(row))?;
            Some(log_sum_exp(row) - f64::from(*row.get(read.ids[n] as usize)?))
        };
        let tokens = read.passage.clone().zip(&read.places);
        let tokens = tokens.filter_map(|(n, bytes)| Some((bytes.clone(), unlikely(n)? as f32))).collect();
        let asked: Vec<f64> = read.question.clone().filter_map(unlikely).collect();
        let question = asked.iter().sum::<f64>() / asked.len().max(1) as f64;
        let entropy = rows.last().map_or(0.0, |row| entropy(row));
        Ok(Certainty { entropy: entropy as f32, question: question as f32, tokens, read: read.ids.len() })
    }
}

/// The mean of every head's rows.
fn means(values: &[f32], length: usize, rows: usize) -> Vec<f32> {
    let of_head = |head: &[f32]| -> Vec<f32> {
        let mut sums = vec![0.0; length];
        for row in head.chunks_exact(length) {
            sums.iter_mut().zip(row).for_each(|(sum, share)| *sum += share / rows as f32);
        }
        sums
    };
    values.chunks_exact(length * rows).flat_map(of_head).collect()
}

/// The heads that settings name, for this model.
fn heads(listen: &Listen, model: &str, shape: &LlamaShape) -> Result<(Vec<Head>, Rows)> {
    match listen {
        Listen::Heads(heads, rows) => Ok((heads.clone(), *rows)),
        Listen::Layers(layers) => {
            let all =
                (0..(*layers).min(shape.layers)).flat_map(|layer| (0..shape.heads).map(move |head| [layer, head]));
            Ok((all.map(Head::from).collect(), Rows::Mean))
        }
        Listen::Table(table) => {
            let table = table.clone().unwrap_or_else(HeadTable::shipped);
            if table.model != model {
                let made_for = table.model;
                let reason =
                    format!("are of {made_for}, and the model is {model}: run `tamis calibrate heads` for this one");
                return Err(Error::invalid("reader.heads", reason));
            }
            Ok((table.heads, table.rows))
        }
    }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
    f64::from(most) + sum.ln()
}

fn entropy(logits: &[f32]) -> f64 {
    let all = log_sum_exp(logits);
    logits.iter().map(|x| f64::from(*x) - all).map(|log| -log.exp() * log).sum()
}

/// The default model's file, and the hash it was checked against.
fn provisioned(cache: &Cache, progress: &dyn Progress) -> Result<(PathBuf, String)> {
    let artifact = &catalog::READER;
    let directory = models::obtain(artifact, cache, progress)?;
    let file = artifact.files.first().ok_or_else(|| Error::model(artifact.name, "nothing is pinned"))?;
    models::read_verified(artifact, &directory, file)?;
    Ok((directory.join(file.name), file.sha256.to_owned()))
}

fn blake3_of(path: &std::path::Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut file = std::fs::File::open(path).map_err(Error::io(path))?;
    std::io::copy(&mut file, &mut hasher).map_err(Error::io(path))?;
    Ok(hasher.finalize().to_hex().to_string())
}
