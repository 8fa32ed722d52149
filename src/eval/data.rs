//! The layout of a labelled set: a folder with `corpus.jsonl` and `queries.jsonl`, gzipped or not.
//!
//! A line of the corpus: `{"doc_id", "title"?, "text", "media_type"?, "uri"?}`. A line of the queries: `{"query_id",
//! "question", "answers"?: [..], "gold_doc_ids"?: [..], "gold_evidence"?: [..], "candidates"?: [..],
//! "unanswerable"?: true, "group"?}`; other fields are ignored. `candidates` restricts a question to some documents;
//! results are also shown by `group`. A question may instead bring a document of its own, made of a slice of another one with a needle in it:
//! `{"haystack": {"doc_id", "start_byte", "end_byte"}, "insert_at_byte", "needle": {"title", "text"}}`.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::bootstrap::Random;
use crate::document::{Content, Document, Metadata};
use crate::error::{Error, Result};

/// A labelled set.
#[derive(Clone, Debug)]
pub struct Set {
    /// The folder's name.
    pub name: String,
    /// Its documents.
    pub documents: Vec<Document>,
    /// Its questions.
    pub questions: Vec<Question>,
    /// What is odd about it: labels that lead nowhere.
    pub warnings: Vec<String>,
}

/// A question with its labels. Documents are named by their place in the set.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its id.
    pub id: String,
    /// The question.
    pub text: String,
    /// Questions of one kind; empty where they are not grouped.
    pub group: String,
    /// Strings of which one should be kept; empty where none is known.
    pub answers: Vec<String>,
    /// Strings that should all be kept.
    pub evidence: Vec<String>,
    /// The documents that answer it.
    pub gold: Vec<usize>,
    /// No document answers it.
    pub unanswerable: bool,
    /// The documents that it is asked of; `None` for all.
    pub candidates: Option<Vec<usize>>,
}

/// Case-folded, with single blanks: how labels and contexts are compared.
#[must_use]
pub fn normalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        // Full case folding differs from lower case only in a few letters that occur in labels: sharp s and
        // the final sigma.
        for c in word.chars().flat_map(char::to_lowercase) {
            match c {
                'ß' => out.push_str("ss"),
                'ς' => out.push('σ'),
                c => out.push(c),
            }
        }
    }
    out
}

#[derive(Deserialize)]
struct DocumentLine {
    doc_id: String,
    #[serde(default)]
    title: String,
    text: String,
    #[serde(default)]
    media_type: String,
    #[serde(default, alias = "path")]
    uri: String,
}

#[derive(Deserialize)]
struct QuestionLine {
    query_id: String,
    question: String,
    #[serde(default)]
    answers: Vec<String>,
    #[serde(default)]
    gold_doc_ids: Vec<String>,
    #[serde(default)]
    gold_evidence: Vec<String>,
    candidates: Option<Vec<String>>,
    #[serde(default)]
    group: String,
    #[serde(default)]
    unanswerable: bool,
    needle: Option<Needle>,
    haystack: Option<Haystack>,
    #[serde(default)]
    insert_at_byte: usize,
}

/// A slice of a document.
#[derive(Deserialize)]
struct Haystack {
    doc_id: String,
    start_byte: usize,
    end_byte: usize,
}

#[derive(Deserialize)]
struct Needle {
    title: String,
    text: String,
}

impl Set {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::InvalidArgument`] with file and line for what is malformed or stands there
    /// twice.
    pub fn load(folder: &Path) -> Result<Self> {
        let name = folder.file_name().map_or_else(|| "set".to_owned(), |n| n.to_string_lossy().into_owned());
        let documents = corpus(folder)?;
        let places = documents.iter().enumerate().map(|(n, d)| (d.id.to_string(), n)).collect();
        let mut set = Self { name, documents, questions: Vec::new(), warnings: Vec::new() };
        let mut seen = HashSet::new();
        for line in lines_of::<QuestionLine>(folder, "queries")? {
            if !seen.insert(line.query_id.clone()) {
                return Err(malformed(folder, &format!("queries: query_id {:?} stands there twice", line.query_id)));
            }
            set.take(line, &places)?;
        }
        if set.questions.is_empty() {
            return Err(malformed(folder, "queries: there is none"));
        }
        if set.documents.is_empty() {
            return Err(malformed(folder, "corpus: there is no document"));
        }
        set.warn_of_lost_answers();
        Ok(set)
    }

    fn take(&mut self, line: QuestionLine, places: &HashMap<String, usize>) -> Result<()> {
        let id = line.query_id;
        let mut known = |ids: &[String], what: &str| -> Vec<usize> {
            let (found, lost): (Vec<_>, Vec<_>) = ids.iter().partition(|d| places.contains_key(*d));
            if let Some(first) = lost.first() {
                let count = lost.len();
                self.warnings
                    .push(format!("question {id:?}: {count} of its {what} are no documents, such as {first:?}"));
            }
            found.into_iter().filter_map(|d| places.get(d).copied()).collect()
        };
        let mut gold = known(&line.gold_doc_ids, "gold_doc_ids");
        let mut candidates = line.candidates.as_deref().map(|c| known(c, "candidates"));
        if let Some((needle, haystack)) = line.needle.zip(line.haystack) {
            let book = places.get(&haystack.doc_id).and_then(|n| self.documents.get(*n));
            let text = book.and_then(|b| with_needle(b, &needle, &haystack, line.insert_at_byte));
            let text = text.ok_or_else(|| Error::invalid("data", format!("question {id:?}: its slice is no text")))?;
            gold = vec![self.documents.len()];
            candidates = Some(gold.clone());
            let title = book.map_or_else(String::new, |b| b.title.clone());
            let (media_type, uri) = (String::new(), String::new());
            self.documents.push(document(DocumentLine { doc_id: id.clone(), title, text, media_type, uri })?);
        }
        self.questions.push(Question {
            id,
            text: line.question,
            group: line.group,
            answers: line.answers,
            evidence: line.gold_evidence,
            gold,
            unanswerable: line.unanswerable,
            candidates,
        });
        Ok(())
    }

    fn warn_of_lost_answers(&mut self) {
        let mut lost = 0;
        for question in self.questions.iter().filter(|q| !q.gold.is_empty()) {
            lost += usize::from(!self.has_answer(question));
        }
        if lost > 0 {
            let all = self.questions.len();
            self.warnings.push(format!("{lost} of {all} questions have no answer in their gold documents"));
        }
    }

    /// Whether some answer stands in the question's gold documents; true where it has no answers to look for.
    pub(super) fn has_answer(&self, question: &Question) -> bool {
        let texts = question.gold.iter().filter_map(|n| self.documents.get(*n)).map(text_of);
        let stands_in = |text: String| question.answers.iter().any(|a| text.contains(&normalised(a)));
        question.answers.is_empty() || texts.map(normalised).any(stands_in)
    }

    /// Keeps so many questions, drawn by a seed, and of the documents only those that they are asked of.
    pub fn sample(&mut self, questions: usize, seed: u64) {
        if questions < self.questions.len() {
            Random::new(seed).shuffle(&mut self.questions);
            self.questions.truncate(questions);
            self.questions.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let Some(mut used) = self.questions.iter().map(|q| q.candidates.clone()).collect::<Option<Vec<_>>>() else {
            return; // one is asked of all documents
        };
        let mut wanted: Vec<usize> = used.drain(..).flatten().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let place: HashMap<usize, usize> = wanted.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let moved = |old: &Vec<usize>| old.iter().filter_map(|n| place.get(n).copied()).collect();
        for question in &mut self.questions {
            question.gold = moved(&question.gold);
            question.candidates = question.candidates.as_ref().map(moved);
        }
        let all = std::mem::take(&mut self.documents);
        self.documents = all.into_iter().enumerate().filter(|(n, _)| place.contains_key(n)).map(|(_, d)| d).collect();
    }
}

/// The documents of a folder with a corpus; its questions, if any, are not read.
///
/// # Errors
/// As for [`Set::load`].
pub fn corpus(folder: &Path) -> Result<Vec<Document>> {
    let mut seen = HashSet::new();
    let mut documents = Vec::new();
    for line in lines_of::<DocumentLine>(folder, "corpus")? {
        if !seen.insert(line.doc_id.clone()) {
            return Err(malformed(folder, &format!("corpus: doc_id {:?} stands there twice", line.doc_id)));
        }
        documents.push(document(line)?);
    }
    Ok(documents)
}

/// The text of a document of a set.
pub(super) fn text_of(document: &Document) -> &str {
    match &document.content {
        Content::Text(text) => text,
        Content::Bytes(_) => "",
    }
}

fn with_needle(book: &Document, needle: &Needle, haystack: &Haystack, at: usize) -> Option<String> {
    let slice = text_of(book).get(haystack.start_byte..haystack.end_byte)?;
    let (before, after) = (slice.get(..at)?, slice.get(at..)?);
    Some(format!("{before}\n\n{}\n{}\n\n{after}", needle.title, needle.text))
}

fn document(line: DocumentLine) -> Result<Document> {
    let media_type = if line.media_type.is_empty() {
        // Ids are no file names: without a uri, what a passage is, its text says.
        crate::extract::MediaType::guess(&line.uri, line.text.as_bytes()).name().to_owned()
    } else {
        line.media_type
    };
    Ok(Document {
        id: line.doc_id.parse()?,
        uri: line.uri,
        title: line.title,
        media_type,
        metadata: Metadata::default(),
        content: Content::Text(line.text),
    })
}

fn malformed(folder: &Path, reason: &str) -> Error {
    Error::invalid("data", format!("{}: {reason}", folder.display()))
}

fn lines_of<T: DeserializeOwned>(folder: &Path, stem: &str) -> Result<Vec<T>> {
    let path = [".jsonl.gz", ".jsonl"].iter().map(|x| folder.join(format!("{stem}{x}"))).find(|p| p.is_file());
    let Some(path) = path else {
        return Err(malformed(folder, &format!("neither {stem}.jsonl nor {stem}.jsonl.gz is there")));
    };
    let mut out = Vec::new();
    for (n, line) in open(&path)?.lines().enumerate() {
        let line = line.map_err(Error::io(&path))?;
        if line.trim().is_empty() {
            continue;
        }
        let parsed = serde_json::from_str(line.trim_start_matches('\u{feff}'));
        out.push(parsed.map_err(|e| Error::invalid("data", format!("{}, line {}: {e}", path.display(), n + 1)))?);
    }
    Ok(out)
}

fn open(path: &PathBuf) -> Result<BufReader<Box<dyn Read>>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let is_packed = path.extension().is_some_and(|x| x == "gz");
    let reader: Box<dyn Read> =
        if is_packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(BufReader::new(reader))
}
