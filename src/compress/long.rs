//! A document of any length, piece by piece, in bounded memory.
//!
//! Most of a long text has nothing to do with the question. Its segments are compared with it as they come, by vector and
//! by terms, and of those that are among the best so far the blocks are ranked at the end, as those of a stored document
//! are. Instead, all of it can be read as it comes, by InfiniRetri: for questions whose words say nothing about the
//! answer's.

mod everything;
mod survey;

use self::everything::Everything;
use self::survey::Survey;
use super::answer::{Answer, Shape, Stats, WhoReads, answer};
use super::candidates::{self, Documents};
use super::{Mode, MustKeep, Ranker, TrustLabels};
use crate::deadline::Deadline;
use crate::document::{DocumentId, Metadata, Revision};
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::extract::{Extracted, MediaType};
use crate::fit::{Budget, Format, Order, Source};
use crate::index::{DocumentHead, Filter};
use crate::ingest;
use crate::rank::{Model, Question, Who};
use crate::read::{InfiniRetriSettings, Reader};

/// The text is split in parts of about so many bytes, at blank lines where there are some.
const PART_BYTES: usize = 256 * 1024;

/// What is asked of a long document.
#[derive(Clone)]
pub struct LongRequest {
    /// The question.
    pub query: String,
    /// The document's id, for citing.
    pub document_id: DocumentId,
    /// Its uri, for citing.
    pub uri: String,
    /// Its title; what it calls itself, or its uri's last part, where empty.
    pub title: String,
    /// What the text is; of types that are text, not files.
    pub media: MediaType,
    /// How much may come out.
    pub budget: Budget,
    /// How it is written.
    pub format: Format,
    /// As in [`super::CompressRequest`].
    pub must_keep: Vec<String>,
    /// As in [`super::CompressRequest`].
    pub min_relevance: f32,
    /// As in [`super::CompressRequest`].
    pub explain: Option<usize>,
    /// How much is done for it.
    pub mode: Mode,
    /// What orders the blocks that are read.
    pub ranker: Ranker,
    /// The only one that reads; `None`: whom the mode takes.
    pub read_with: Option<Who>,
    /// Most segments that are read; `None`: as many as was measured best.
    pub read_passages: Option<usize>,
    /// All of the text is read, by [`Ranker::InfiniRetri`].
    pub everything: bool,
}

impl LongRequest {
    /// How everything is read, if it is.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what does not go with that.
    pub(super) fn reads_everything(&self) -> Result<Option<InfiniRetriSettings>> {
        if !self.everything {
            return Ok(None);
        }
        let refuse =
            |field| Error::invalid(field, "does not go with read_everything: nothing is ranked but what was read");
        let Ranker::InfiniRetri(how) = self.ranker else {
            return Err(Error::invalid("read_everything", "goes with the ranker infiniretri"));
        };
        if !self.must_keep.is_empty() {
            return Err(refuse("must_keep"));
        }
        if self.min_relevance != 0.0 {
            return Err(refuse("min_relevance"));
        }
        if self.explain.is_some() {
            return Err(refuse("explain"));
        }
        Ok(Some(how))
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the document that were taken in.
    pub bytes: u64,
    /// Segments among them.
    pub segments: u64,
    /// Tokens that were read so far.
    pub tokens_read: u64,
}

/// Takes a document in, and answers from it.
pub struct LongText<'m> {
    request: LongRequest,
    encoder: &'m dyn Encoder,
    how: How<'m>,
    /// Bytes that were not split yet, and their place in the document.
    buffer: Vec<u8>,
    at: u64,
    stats: Stats,
}

enum How<'m> {
    /// The best segments are ranked, and read by whoever reads.
    Best(Box<Survey>, &'m Model, Option<WhoReads<'m>>),
    /// All of it is read.
    Everything(Everything<'m>),
}

impl<'m> LongText<'m> {
    /// Begins to look for the best segments of a document.
    pub(super) fn best(
        request: LongRequest,
        encoder: &'m dyn Encoder,
        model: &'m Model,
        reading: Option<WhoReads<'m>>,
        deadline: &Deadline,
    ) -> Result<Self> {
        let must_keep = MustKeep::of(&request.query, &request.must_keep)?;
        let question = Question::new(&request.query, encoder, deadline)?;
        let survey = Survey::new(question, must_keep, candidates::for_budget(request.budget.max_tokens.0));
        Ok(Self::with(request, encoder, How::Best(Box::new(survey), model, reading)))
    }

    /// Begins to read all of a document.
    pub(super) fn everything(
        request: LongRequest,
        encoder: &'m dyn Encoder,
        reader: &'m dyn Reader,
        how: InfiniRetriSettings,
    ) -> Result<Self> {
        let everything = Everything::new(reader, &request.title, &request.query, how)?;
        Ok(Self::with(request, encoder, How::Everything(everything)))
    }

    fn with(request: LongRequest, encoder: &'m dyn Encoder, how: How<'m>) -> Self {
        Self { request, encoder, how, buffer: Vec::new(), at: 0, stats: Stats::default() }
    }

    /// Takes the next bytes of the document; they may end anywhere.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what is not UTF-8; the encoder's, the reader's and the deadline's.
    pub fn push(&mut self, piece: &[u8], deadline: &Deadline) -> Result<Progress> {
        self.buffer.extend_from_slice(piece);
        while self.buffer.len() >= 2 * PART_BYTES {
            let end = end_of_part(&self.buffer, PART_BYTES);
            self.take(end, deadline)?;
        }
        Ok(self.progress())
    }

    fn progress(&self) -> Progress {
        let (segments, tokens_read) = match &self.how {
            How::Best(survey, ..) => (survey.segments(), 0),
            How::Everything(everything) => (everything.segments(), everything.tokens_read()),
        };
        Progress { bytes: self.at, segments, tokens_read }
    }

    /// Splits the first bytes of the buffer, and compares or reads them.
    fn take(&mut self, end: usize, deadline: &Deadline) -> Result<()> {
        deadline.check("split")?;
        let rest = self.buffer.split_off(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = self.at + e.utf8_error().valid_up_to() as u64;
            Error::invalid("piece", format!("is not UTF-8 at byte {at} of the document"))
        })?;
        let part = Extracted::text(text, self.request.media);
        if self.at == 0 && self.request.title.is_empty() {
            self.request.title = ingest::title_of(&self.request.uri, &part);
        }
        let (encoder, at, title) = (self.encoder, self.at, self.request.title.as_str());
        match &mut self.how {
            How::Best(survey, ..) => {
                self.stats.time("encode", || survey.take(encoder, title, &part, at, deadline))?;
            }
            How::Everything(everything) => {
                self.stats.time("read", || everything.take(encoder, &part, at, deadline))?;
            }
        }
        self.at += part.text.len() as u64;
        Ok(())
    }

    /// The context. Where the deadline comes near, what was read until then counts.
    ///
    /// # Errors
    /// As for [`Self::push`], and [`Error::BudgetInfeasible`] where not one block fits.
    pub fn finish(mut self, deadline: &Deadline) -> Result<Answer> {
        self.take(self.buffer.len(), deadline)?;
        let progress = self.progress();
        let Self { request, encoder, how, mut stats, .. } = self;
        let (survey, model, reading) = match how {
            How::Best(survey, model, reading) => (survey, model, reading),
            How::Everything(everything) => {
                let to_fit = (&request.budget, request.format);
                let (context, was_read) =
                    stats.time("read", || everything.finish(source(&request), to_fit, deadline))?;
                stats.candidates = was_read.passages;
                stats.read = vec![was_read];
                let (not_kept, explanation) = (Vec::new(), Vec::new());
                return Ok(Answer { context, confidence: 0.0, not_kept, explanation, stats });
            }
        };
        let head = head(&request, &progress);
        let (view, question) = stats.time("encode", || survey.finish(encoder, head, deadline))?;
        let shape = Shape {
            budget: &request.budget,
            format: request.format,
            order: Order::Document,
            model,
            documents: Documents::Stored(TrustLabels::NONE),
            must_keep: &request.must_keep,
            min_relevance: request.min_relevance,
            explain: request.explain,
            reading,
            diversity: 0.0,
            words: None,
        };
        answer(&view, &Filter::All, &question, &shape, stats, deadline)
    }
}

fn source(request: &LongRequest) -> Source {
    Source {
        document_id: request.document_id.to_string(),
        uri: request.uri.clone(),
        title: request.title.clone(),
        revision: Revision(0),
        trust: String::new(),
        place: 0,
    }
}

/// The document, as one that came with the request.
fn head(request: &LongRequest, progress: &Progress) -> DocumentHead {
    DocumentHead {
        id: request.document_id.clone(),
        revision: Revision(0),
        uri: request.uri.clone(),
        title: request.title.clone(),
        media_type: request.media.name().to_owned(),
        metadata: Metadata::default(),
        content_hash: String::new(),
        bytes: progress.bytes,
        segments: u32::try_from(progress.segments).unwrap_or(u32::MAX),
        blocks: 0,
    }
}

/// Where a part of about so many bytes ends: behind the last blank line, else line, else character.
fn end_of_part(bytes: &[u8], about: usize) -> usize {
    let part = &bytes[..about];
    let blank = part.windows(2).rposition(|w| w == b"\n\n").map(|n| n + 2);
    let line = || part.iter().rposition(|b| *b == b'\n').map(|n| n + 1);
    let character = || (1..=about).rev().find(|n| bytes.get(*n).is_none_or(|b| (*b as i8) >= -0x40));
    blank.filter(|n| *n > about / 2).or_else(line).or_else(character).unwrap_or(about)
}
