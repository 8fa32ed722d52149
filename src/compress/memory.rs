//! A long conversation under a budget: its opening, its newest turns, and of the others what could not be guessed.
//!
//! SirLLM (arXiv 2405.12528) keeps the tokens that a language model finds least likely, e = -ln P(x_i | x_0 .. x_{i-1}),
//! and has what is older count less, by a factor a turn. Ours is the same over text, where whole sentences are kept: a
//! sentence has the mean of the upper quarter of its tokens' surprise. A token's surprise is capped at the 95th percentile of
//! all, and what is no words has none: misprints, hashes and tables surprise most and say least.
//!
//! No question is asked; who has one asks it of the turns, as of any documents.

use std::ops::Range;

use super::unranked::{self, Block};
use super::{Compressor, Stats, check_budget, check_documents};
use crate::deadline::Deadline;
use crate::document::{BlockKind, Document, Revision};
use crate::error::{Error, Result};
use crate::extract;
use crate::fit::{self, Budget, Context, Format, Order, Piece, Source};
use crate::ingest;
use crate::rank::{End, RESERVE, WasRead, Who, in_time};
use crate::read::{Of, Reader, Reading};
use crate::runtime::in_parallel;

/// Tokens that are read together: a turn is guessed from those before it.
const WINDOW: usize = 384;
/// Surprise counts up to this part of all tokens' surprise.
const CAP: f32 = 0.95;
/// Of a sentence, this part of its tokens counts: the most surprising ones ...
const UPPER: usize = 4;
/// ... and at least so many: "Channel three?" surprises, and says little.
const LEAST_TOKENS: usize = 6;

/// What of a conversation is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemorySettings {
    /// Turns at its beginning that are kept whole, budget allowing: what it is about, and how to behave.
    pub opening: usize,
    /// Newest turns that are kept whole.
    pub newest: usize,
    /// What a turn counts against the one after it, above 0 and at most 1.
    pub decay: f32,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { opening: 1, newest: 4, decay: 1.0 }
    }
}

/// A conversation to remember.
#[derive(Clone)]
pub struct MemoryRequest {
    /// Its turns, the oldest first. A document that is a conversation itself has a turn for every one of its own.
    pub turns: Vec<Document>,
    /// How much may come out.
    pub budget: Budget,
    /// How it is written.
    pub format: Format,
    /// What is kept.
    pub settings: MemorySettings,
}

/// What is left of a conversation.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Its turns, as far as they are kept, in their order.
    pub context: Context,
    /// What it took: `split`, `read`, `fit`.
    pub stats: Stats,
}

/// A sentence of a turn.
struct Said {
    turn: usize,
    source: usize,
    block: Block,
}

impl Compressor {
    /// What of a conversation is worth its tokens.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] and [`Error::LimitExceeded`] for the request, or where there is no language model;
    /// [`Error::BudgetInfeasible`] where not one sentence fits; the deadline's. Where it comes near, what was not read has
    /// no surprise.
    pub fn memory(&self, request: &MemoryRequest, deadline: &Deadline) -> Result<Memory> {
        check_request(request)?;
        let reader = self.readers.of(Who::Language)?;
        let mut stats = Stats::default();
        let (sources, said) = stats.time("split", || self.said(&request.turns, deadline))?;
        let until = deadline.reserving(RESERVE);
        let (surprise, was_read) = stats.time("read", || {
            let reader = reader.get(&until)?;
            surprise(&said, reader.as_ref(), &until)
        })?;
        stats.candidates = said.len();
        stats.read = vec![was_read];
        let turns = said.last().map_or(0, |last| last.turn + 1);
        let pieces: Vec<Piece> =
            said.iter().zip(surprise).map(|(said, surprise)| piece(said, surprise, turns, request.settings)).collect();
        let context = stats
            .time("fit", || fit::fit(&sources, &pieces, &request.budget, request.format, Order::Document, deadline))?;
        Ok(Memory { context, stats })
    }

    /// The sentences of all turns, in their order.
    fn said(&self, turns: &[Document], deadline: &Deadline) -> Result<(Vec<Source>, Vec<Said>)> {
        let (mut sources, mut said, mut turn) = (Vec::new(), Vec::new(), 0);
        for (source, document) in turns.iter().enumerate() {
            deadline.check("split")?;
            let text = extract::read(document, document.content.clone())?;
            let mut begun = false;
            for segment in ingest::segments_of(self.encoder.as_ref(), &text, 0) {
                for (block, _) in unranked::blocks(&segment, &text.text, 0) {
                    turn += usize::from(begun && block.kind == BlockKind::Turn);
                    begun = true;
                    said.push(Said { turn, source, block });
                }
            }
            turn += usize::from(begun);
            sources.push(Source {
                document_id: document.id.to_string(),
                uri: document.uri.clone(),
                title: document.title.clone(),
                revision: Revision(source as u64),
                trust: String::new(),
                place: source,
            });
        }
        Ok((sources, said))
    }
}

fn check_request(request: &MemoryRequest) -> Result<()> {
    check_budget(&request.budget)?;
    let MemorySettings { decay, .. } = request.settings;
    if !(decay > 0.0 && decay <= 1.0) {
        return Err(Error::invalid("memory.decay", "must be above 0 and at most 1"));
    }
    check_documents(&request.turns, "bring the turns of a conversation, the oldest first")
}

/// Opening and newest turns first, of these the newest; then what surprises, older turns less.
fn piece(said: &Said, surprise: f32, turns: usize, settings: MemorySettings) -> Piece {
    let age = turns - 1 - said.turn;
    let (newest, opening) = (age < settings.newest, said.turn < settings.opening);
    let score = if newest || opening {
        said.turn as f32
    } else {
        surprise * settings.decay.powi(i32::try_from(age).unwrap_or(i32::MAX))
    };
    Piece { first: newest || opening, ..said.block.piece(said.source, score) }
}

/// Of every sentence how little it could be guessed.
fn surprise(said: &[Said], reader: &dyn Reader, until: &Deadline) -> Result<(Vec<f32>, WasRead)> {
    let windows = windows(said, reader)?;
    let read = |n: usize| {
        let (text, places) = together(&said[windows[n].clone()]);
        let heard = reader.certainty(&Reading { title: "", text: &text, question: "" }, Of::Passage, until);
        Ok(in_time(heard)?.map(|certainty| (certainty, places)))
    };
    let read = in_parallel(windows.len(), reader.parallelism(), read)?;
    let mut was_read = WasRead { who: Who::Language, end: End::Done, ..WasRead::default() };
    was_read.fingerprint = reader.fingerprint().to_string();
    let mut all: Vec<f32> = Vec::new();
    for window in &read {
        match window {
            Some((certainty, _)) => {
                was_read.passages += 1;
                was_read.tokens += certainty.read;
                all.extend(certainty.tokens.iter().map(|(_, unlikely)| *unlikely));
            }
            None => {
                was_read.cut += 1;
                was_read.end = End::Deadline;
            }
        }
    }
    all.sort_by(f32::total_cmp);
    let cap = all.get((CAP * all.len() as f32) as usize).copied().unwrap_or(f32::MAX);
    let mut out = vec![0.0; said.len()];
    for (window, read) in windows.iter().zip(&read) {
        let Some((certainty, places)) = read else { continue };
        for (n, place) in window.clone().zip(places) {
            let inside =
                certainty.tokens.iter().filter(|(bytes, _)| place.start <= bytes.start && bytes.end <= place.end);
            if is_words(&said[n].block.text) {
                out[n] = upper_mean(inside.map(|(_, unlikely)| unlikely.min(cap)).collect());
            }
        }
    }
    Ok((out, was_read))
}

/// Consecutive sentences that fit one pass, from the first one on: what comes later changes none but the last.
fn windows(said: &[Said], reader: &dyn Reader) -> Result<Vec<Range<usize>>> {
    let most = WINDOW.min(reader.window() / 2);
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut used = 0;
    for (n, said) in said.iter().enumerate() {
        let tokens = reader.tokens(&said.block.text)?.len() + 1;
        match out.last_mut() {
            Some(window) if used + tokens <= most => {
                window.end = n + 1;
                used += tokens;
            }
            _ => {
                out.push(n..n + 1);
                used = tokens;
            }
        }
    }
    Ok(out)
}

/// Sentences as one text, with the bytes of each.
fn together(said: &[Said]) -> (String, Vec<Range<usize>>) {
    let (mut text, mut places) = (String::new(), Vec::with_capacity(said.len()));
    for said in said {
        let start = text.len();
        text.push_str(&said.block.text);
        places.push(start..text.len());
        text.push('\n');
    }
    (text, places)
}

/// At least half of what stands between blanks has letters, and most of it.
fn is_words(text: &str) -> bool {
    let is_word = |word: &&str| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        2 * letters > word.chars().count()
    };
    2 * text.split_whitespace().filter(is_word).count() >= text.split_whitespace().count()
}

/// The mean of the upper quarter; what is missing of a short sentence counts nothing.
fn upper_mean(mut values: Vec<f32>) -> f32 {
    let count = values.len().div_ceil(UPPER).max(LEAST_TOKENS);
    values.sort_by(|a, b| b.total_cmp(a));
    values.iter().take(count).sum::<f32>() / count as f32
}
