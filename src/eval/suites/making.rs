//! Material to make a set of, and the set that is being made.

use super::Suite;
use crate::document::{BlockKind, Content, Document, Metadata};
use crate::error::{Error, Result};
use crate::eval::bootstrap::Random;
use crate::eval::data::{Question, Set};
use crate::{extract, split};

/// More text is not looked at.
const MOST_BYTES: usize = 8 << 20;
/// How long sentences may be that suites are made of, in bytes.
const SENTENCE_BYTES: std::ops::RangeInclusive<usize> = 30..=400;
/// Bytes of a token, roughly: lengths of suites are approximate.
const TOKEN_BYTES: usize = 4;

/// A document as its sentences.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) title: String,
    pub(super) sentences: Vec<String>,
}

/// Documents in a random order, and the randomness.
pub(super) struct Material {
    pub(super) sources: Vec<Source>,
    pub(super) random: Random,
}

impl Material {
    pub(super) fn of(documents: &[Document], seed: u64) -> Result<Self> {
        let mut random = Random::new(seed);
        let mut order: Vec<&Document> = documents.iter().collect();
        random.shuffle(&mut order);
        let (mut sources, mut bytes) = (Vec::new(), 0);
        for document in order {
            let source = source_of(document)?;
            bytes += source.sentences.iter().map(String::len).sum::<usize>();
            if !source.sentences.is_empty() {
                sources.push(source);
            }
            if bytes > MOST_BYTES {
                break;
            }
        }
        Ok(Self { sources, random })
    }

    /// One of the documents with at least so many sentences.
    pub(super) fn one_with(&mut self, sentences: usize) -> Result<usize> {
        let fit: Vec<usize> =
            (0..self.sources.len()).filter(|n| self.sources[*n].sentences.len() >= sentences).collect();
        match fit.as_slice() {
            [] => Err(too_little(&format!("no document has {sentences} sentences"))),
            _ => Ok(fit[self.random.below(fit.len())]),
        }
    }

    /// Different documents with at least so many sentences each, in a random order.
    pub(super) fn several_with(&mut self, sentences: usize, count: usize) -> Result<Vec<usize>> {
        let mut fit: Vec<usize> =
            (0..self.sources.len()).filter(|n| self.sources[*n].sentences.len() >= sentences).collect();
        if fit.len() < count {
            let there = fit.len();
            return Err(too_little(&format!(
                "{count} documents of {sentences} sentences are needed, {there} are there"
            )));
        }
        self.random.shuffle(&mut fit);
        fit.truncate(count);
        Ok(fit)
    }

    /// Those numbers of documents, smallest first, for which there are enough with so many sentences; the smallest in
    /// any case, so that its error says what is missing.
    pub(super) fn feasible(&self, sentences: usize, counts: [usize; 3]) -> Vec<usize> {
        let there = self.sources.iter().filter(|s| s.sentences.len() >= sentences).count();
        (0..).zip(counts).filter(|(n, count)| *n == 0 || *count <= there).map(|(_, count)| count).collect()
    }

    /// Sentences of documents as they follow, up to a length in tokens, roughly.
    pub(super) fn haystack(&mut self, tokens: usize) -> Result<Vec<String>> {
        let first = self.one_with(1)?;
        let mut out: Vec<String> = Vec::new();
        let mut room = tokens * TOKEN_BYTES;
        let round = self.sources[first..].iter().chain(&self.sources[..first]);
        for sentence in round.flat_map(|s| &s.sentences) {
            let Some(left) = room.checked_sub(sentence.len() + 1) else { return Ok(out) };
            room = left;
            out.push(sentence.clone());
        }
        Err(too_little(&format!("{tokens} tokens of text are needed")))
    }

    /// Stretches of text of one length in tokens, roughly, that share no sentence: at most so many, at least two.
    pub(super) fn stretches(&self, tokens: usize, most: usize) -> Result<Vec<Vec<String>>> {
        let mut out: Vec<Vec<String>> = Vec::new();
        let (mut stretch, mut bytes) = (Vec::new(), 0);
        for sentence in self.sources.iter().flat_map(|s| &s.sentences) {
            bytes += sentence.len() + 1;
            stretch.push(sentence.clone());
            if bytes >= tokens * TOKEN_BYTES {
                out.push(std::mem::take(&mut stretch));
                bytes = 0;
            }
            if out.len() == most {
                break;
            }
        }
        match out.len() {
            0 | 1 => Err(too_little(&format!("two texts of {tokens} tokens are needed"))),
            _ => Ok(out),
        }
    }

    /// A name that nobody has.
    pub(super) fn name(&mut self) -> String {
        const SYLLABLES: [&str; 20] = [
            "Bra", "Vel", "Tor", "Min", "Sha", "Kul", "Dre", "Fan", "Gol", "Hes", "lun", "mar", "dik", "rov", "nas",
            "tep", "gur", "wen", "zol", "bis",
        ];
        let mut name = SYLLABLES[self.random.below(10)].to_owned();
        (0..2).for_each(|_| name.push_str(SYLLABLES[10 + self.random.below(10)]));
        name
    }

    /// A number that stands out.
    pub(super) fn number(&mut self) -> String {
        (100_000 + self.random.below(900_000)).to_string()
    }
}

pub(super) fn too_little(reason: &str) -> Error {
    Error::invalid("data", format!("too little text for this suite: {reason}"))
}

/// What is said in a document, without headings, tables and code.
fn source_of(document: &Document) -> Result<Source> {
    let extracted = extract::read(document, document.content.clone())?;
    let limits = split::Limits { block: 256, segment: 1024, overlap: 0 };
    let segments = split::split(&extracted, limits, &|text| text.len().div_ceil(TOKEN_BYTES));
    let said = segments.iter().flat_map(|s| &s.blocks);
    let said = said.filter(|b| matches!(b.kind, BlockKind::Sentence | BlockKind::ListItem | BlockKind::Turn));
    let texts = said.filter_map(|b| extracted.text.get(b.span.range())).map(one_line);
    Ok(Source {
        title: document.title.clone(),
        sentences: texts.filter(|t| SENTENCE_BYTES.contains(&t.len())).collect(),
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The set that is being made.
pub(super) struct Making(Set);

/// A question that is being made: of which documents, with which labels.
pub(super) struct Asked {
    pub(super) text: String,
    pub(super) group: String,
    pub(super) answers: Vec<String>,
    pub(super) evidence: Vec<String>,
    pub(super) gold: Vec<usize>,
    /// Of which documents it is asked; `None` for all.
    pub(super) candidates: Option<Vec<usize>>,
}

impl Making {
    pub(super) fn new(name: &str) -> Self {
        Self(Set { name: name.to_owned(), documents: Vec::new(), questions: Vec::new(), warnings: Vec::new() })
    }

    /// Adds a document and tells its place.
    pub(super) fn document(&mut self, title: &str, sentences: &[String]) -> Result<usize> {
        let place = self.0.documents.len();
        self.0.documents.push(Document {
            id: format!("{}-{place}", self.0.name).parse()?,
            uri: String::new(),
            title: title.to_owned(),
            media_type: "text/plain".to_owned(),
            metadata: Metadata::default(),
            content: Content::Text(sentences.join(" ")),
        });
        Ok(place)
    }

    pub(super) fn ask(&mut self, asked: Asked) {
        self.0.questions.push(Question {
            id: format!("{}", self.0.questions.len()),
            text: asked.text,
            group: asked.group,
            answers: asked.answers,
            evidence: asked.evidence,
            gold: asked.gold,
            unanswerable: false,
            candidates: asked.candidates,
        });
    }

    pub(super) fn done(self, suite: Suite) -> Result<Set> {
        match self.0.questions.is_empty() {
            true => Err(too_little(&format!("no question for {suite} can be made of it"))),
            false => Ok(self.0),
        }
    }
}
