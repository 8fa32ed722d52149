//! A LLaMA-like language model as reader, on the encoder's ONNX Runtime.

mod pace;
mod prompt;
mod settings;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ort::session::{Session, SessionOutputs};
use ort::value::Tensor;

use self::pace::Pace;
use self::prompt::{AFTER_QUESTION, BEFORE_QUESTION, Prompt};
pub use self::settings::{Listen, ReaderSettings};
use super::gguf::Gguf;
use super::states::{Key, State, StateSettings, States};
use super::tokens::Tokens;
use super::{Attention, Certainty, Of, Reader, Reading, Rows, failed, finite};
use crate::deadline::Deadline;
use crate::encode::{Fingerprint, Precision, Priority};
use crate::error::{Error, Result};
use crate::hash::beginning;
use crate::hits::Hits;
use crate::models::{self, Cache, Progress, catalog};
use crate::onnx::{Head, LlamaShape, Product, Signal, state_parts, write_llama};
use crate::runtime::{Pool, Runtime};

/// Largest network: its weights as floats must fit into one graph.
const MAX_PARAMETERS: u64 = 500_000_000;
/// Passes that ask for all tokens are as long as a multiple of this.
const PADDED: usize = 128;

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
    states: Option<States>,
    /// Of passes for attention, of those that begin behind what was read before, and for certainty.
    paces: [Pace; 3],
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
        let (mut heads, rows) = settings.listen.heads(&model, &shape)?;
        heads.sort_unstable();
        heads.dedup();
        let precision = settings.precision.resolve();
        let runtime = Runtime::load(precision, cache, progress)?;
        let tokenizer = settings.tokenizer.as_deref().map_or(Ok(String::new()), blake3_of)?;
        let meaning = format!(
            "v1|{weights}|{tokenizer}|{precision}|{BEFORE_QUESTION}|{AFTER_QUESTION}|{heads:?}|{}{}",
            settings.window,
            // States are rounded.
            if settings.states == StateSettings::default() { "" } else { "|states" }
        );
        let digest = blake3::hash(meaning.as_bytes()).to_hex();
        let states = States::open(&settings.states)?;
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
            states,
            paces: Default::default(),
            loading: std::sync::Mutex::new(()),
        })
    }

    /// The same, which counts here how often a passage's states were known.
    #[must_use]
    pub fn counted(self, hits: Hits) -> Self {
        Self { states: self.states.map(|states| states.counted(hits)), ..self }
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
        self.listening().map(|_| ())
    }

    /// The sessions for attention.
    fn listening(&self) -> Result<&Pool<Session>> {
        let heads = &self.heads;
        let signal = if self.states.is_some() { Signal::Continued(heads) } else { Signal::Attention(heads) };
        self.sessions(&self.attention, signal)
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

    /// Runs a network; a pass that would end behind the deadline, as far as the last ones tell, is not begun.
    fn run<R>(
        &self,
        (sessions, pace): (&Pool<Session>, &Pace),
        pass: Pass<'_>,
        deadline: &Deadline,
        heard: impl FnOnce(&SessionOutputs<'_>) -> Result<R>,
    ) -> Result<R> {
        let tokens = pass.ids.len();
        let ids = Tensor::from_array(([1, tokens], pass.ids.to_vec())).map_err(failed)?;
        let row = Tensor::from_array(([1], vec![pass.first_row as i64])).map_err(failed)?;
        let mut inputs = ort::inputs!["input_ids" => ids, "first_row" => row];
        if let Some((before, states)) = pass.before {
            let dims = [state_parts(&self.heads), self.shape.kv_heads, before, self.shape.head_width];
            let states = Tensor::from_array((dims, states)).map_err(failed)?;
            inputs.push(("states".into(), states.into()));
        }
        sessions.with(Priority::Ingest, |session| {
            deadline.check("read")?;
            pace.allows(tokens, deadline)?;
            let began = Instant::now();
            let outputs = session.run(inputs).map_err(failed)?;
            pace.took(tokens, began.elapsed());
            heard(&outputs)
        })
    }

    /// Attention of tokens whose first `kept` have states: read now where they are not known. The result is the same
    /// either way. Also how many tokens were read.
    fn continued(
        &self,
        states: &States,
        ids: &[i64],
        kept: usize,
        first_row: usize,
        deadline: &Deadline,
    ) -> Result<(Vec<f32>, usize)> {
        let (state, read) = self.state(states, &ids[..kept], deadline)?;
        let pass = Pass { ids: &ids[kept..], first_row: first_row - kept, before: Some((kept, state.floats())) };
        let values = self.run((self.listening()?, &self.paces[1]), pass, deadline, |outputs| finite(&outputs[0]))?;
        Ok((values, read + ids.len() - kept))
    }

    /// The states of tokens, and how many of them had to be read.
    fn state(&self, states: &States, ids: &[i64], deadline: &Deadline) -> Result<(Arc<State>, usize)> {
        let key = self.key(ids);
        if let Some(state) = states.get(&key) {
            return Ok((state, 0));
        }
        let state = Arc::new(self.new_state(ids, deadline)?);
        if let Err(e) = states.put(key, state.clone()) {
            tracing::warn!("states are not kept: {e}");
        }
        Ok((state, ids.len()))
    }

    fn new_state(&self, ids: &[i64], deadline: &Deadline) -> Result<State> {
        let pass = Pass { ids, first_row: ids.len().saturating_sub(1), before: Some((0, Vec::new())) };
        self.run((self.listening()?, &self.paces[0]), pass, deadline, |outputs| {
            finite(&outputs[1]).map(|values| State::of(&values, self.shape.head_width))
        })
    }

    fn key(&self, ids: &[i64]) -> Key {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.fingerprint.0.as_bytes());
        ids.iter().for_each(|id| _ = hasher.update(&id.to_le_bytes()));
        beginning(hasher.finalize())
    }

    fn checked(&self, reading: &Reading<'_>, deadline: &Deadline) -> Result<Prompt> {
        deadline.check("read")?;
        let read = Prompt::of(reading, &self.tokens)?;
        let (limit, actual) = (self.settings.window as u64, read.ids.len() as u64);
        if actual > limit {
            return Err(Error::LimitExceeded { field: "reader.window", limit, actual });
        }
        Ok(read)
    }
}

/// What one run of a network gets.
struct Pass<'a> {
    ids: &'a [i64],
    first_row: usize,
    /// How many tokens were read before, and their states; `None` for a network that can't continue.
    before: Option<(usize, Vec<f32>)>,
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
        Prompt::of(reading, &self.tokens).map(|read| read.ids.len())
    }

    fn tokens(&self, text: &str) -> Result<Vec<Range<usize>>> {
        Ok(self.tokens.read(text)?.into_iter().map(|token| token.bytes).collect())
    }

    fn prepare(&self, passage: &Reading<'_>, deadline: &Deadline) -> Result<bool> {
        let Some(states) = &self.states else { return Ok(false) };
        let read = match self.checked(passage, deadline) {
            Err(Error::LimitExceeded { .. }) => return Ok(false),
            read => read?,
        };
        let ids = &read.ids[..read.passage.end];
        if ids.is_empty() {
            return Ok(false);
        }
        let key = self.key(ids);
        if !states.has(&key) {
            states.put(key, Arc::new(self.new_state(ids, deadline)?))?;
        }
        Ok(true)
    }

    fn attention(&self, reading: &Reading<'_>, rows: Rows, deadline: &Deadline) -> Result<Attention> {
        let read = self.checked(reading, deadline)?;
        let length = read.ids.len();
        let first_row = match rows {
            Rows::Last => length - 1,
            Rows::Question | Rows::Mean => read.question.start,
        };
        let kept = read.passage.end.min(first_row);
        let (mut values, tokens) = match &self.states {
            Some(states) if kept > 0 => self.continued(states, &read.ids, kept, first_row, deadline)?,
            states => {
                let before = states.as_ref().map(|_| (0, Vec::new()));
                let pass = Pass { ids: &read.ids, first_row, before };
                let run = (self.listening()?, &self.paces[0]);
                (self.run(run, pass, deadline, |outputs| finite(&outputs[0]))?, length)
            }
        };
        let mut count = length - first_row;
        if rows == Rows::Mean {
            (values, count) = (means(&values, length, count), 1);
        }
        // Of every row only the passage's tokens.
        let shares = values.chunks_exact(length).flat_map(|row| &row[read.passage.clone()]).copied().collect();
        let to_question = values.chunks_exact(length).map(|row| row[read.question.clone()].iter().sum()).collect();
        let (before, heads) = (read.passage.start, self.heads.clone());
        Ok(Attention { tokens: read.places, before, heads, shares, to_question, rows: count, read: tokens })
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
        // Lengths vary most where all tokens are asked for, and what was prepared for one helps no other in bf16: a fifth of
        // the time. What follows a token changes nothing before it.
        let mut ids = read.ids.clone();
        if of == Of::Passage {
            ids.resize(ids.len().next_multiple_of(PADDED).min(self.window()).max(ids.len()), read.ids[0]);
        }
        let pass = Pass { ids: &ids, first_row, before: None };
        let logits = self.run((sessions, &self.paces[2]), pass, deadline, |outputs| finite(&outputs[0]))?;
        let rows = logits.chunks_exact(self.shape.vocabulary).take(read.ids.len() - first_row);
        let rows: Vec<&[f32]> = rows.collect();
        let unlikely = |n: usize| surprise(&rows, first_row, &read.ids, n);
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

/// -ln P(x_n | x_0 .. x_(n-1)) (SirLLM, arXiv 2405.12528, equation 1), from rows of logits of which the first is that of
/// token `first_row`: what follows a token is told by its own row. `None` for rows that were not asked for.
fn surprise(rows: &[&[f32]], first_row: usize, ids: &[i64], n: usize) -> Option<f64> {
    let row = n.checked_sub(first_row + 1).and_then(|row| rows.get(row))?;
    Some(log_sum_exp(row) - f64::from(*row.get(ids[n] as usize)?))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The authors' code (release of May 2024) takes token n's logit from its own row, which tells of token n + 1, and moves
    /// the list on by one: it measures how likely a token is to be said twice.
    fn as_released(rows: &[&[f32]], ids: &[i64], n: usize) -> f64 {
        let row = rows[n - 1];
        log_sum_exp(row) - f64::from(row[ids[n - 1] as usize])
    }

    #[test]
    fn the_row_of_the_token_before_tells_how_likely_a_token_was() {
        // Every token is followed by the one that its row foretells, and none is said twice.
        let ids = [0_i64, 2, 1, 3];
        let foretells = |next: usize| -> Vec<f32> { (0..4).map(|id| if id == next { 20.0 } else { 0.0 }).collect() };
        let rows = [foretells(2), foretells(1), foretells(3), foretells(0)];
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        for n in 1..4 {
            assert!(surprise(&rows, 0, &ids, n).unwrap() < 1e-6);
            assert!(as_released(&rows, &ids, n) > 19.0, "what was foretold is called surprising");
        }
        // Rows from the second token on, as they are computed where no more is asked for.
        assert_eq!(surprise(&rows[1..], 1, &ids, 2), surprise(&rows, 0, &ids, 2));
        assert_eq!(surprise(&rows[1..], 1, &ids, 1), None);
    }
}
