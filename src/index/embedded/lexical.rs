//! The lexical index of one collection: BM25 through tantivy.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use fail::fail_point;
use tantivy::collector::{FilterCollector, TopDocs};
use tantivy::indexer::{LogMergePolicy, MergePolicy, NoMergePolicy};
use tantivy::query::{Bm25StatisticsProvider, BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{DocSet, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, Term};

use crate::document::Revision;
use crate::error::{Error, Result};
use crate::index::terms::Indexed;
use crate::index::{Hit, SegmentId, StoredSegment, TIES, TermStatistics, USUAL_TERMS, rounded};

/// Memory for documents that are not committed yet; tantivy's smallest is 15 MB a thread.
const WRITER_BYTES: usize = 20_000_000;
/// A tantivy segment with a larger share of deleted documents is rewritten.
const MAX_DELETED_SHARE: f32 = 0.2;
/// Name under which the analysis is registered. One that finds other terms needs another name: the index is then
/// made anew.
const ANALYZER: &str = "tamis-2";

pub(super) struct Lexical {
    directory: PathBuf,
    index: Index,
    fields: Fields,
    /// Opened with the first write and kept: a collection that is only read needs none.
    writer: Option<IndexWriter>,
    reader: IndexReader,
}

#[derive(Clone, Copy)]
struct Fields {
    body: Field,
    revision: Field,
    ordinal: Field,
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let indexing = TextFieldIndexing::default().set_tokenizer(ANALYZER).set_index_option(IndexRecordOption::WithFreqs);
    let fields = Fields {
        body: builder.add_text_field("body", TextOptions::default().set_indexing_options(indexing)),
        revision: builder.add_u64_field("revision", INDEXED | FAST),
        ordinal: builder.add_u64_field("ordinal", FAST),
    };
    (builder.build(), fields)
}

impl Lexical {
    /// Opens the index; one that can't be read is made anew, because everything in it can be derived.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        match Self::try_open(directory) {
            Ok(lexical) => Ok(lexical),
            Err(_) => {
                let _ = std::fs::remove_dir_all(directory);
                Self::try_open(directory)
            }
        }
    }

    fn try_open(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
        let failed = |e: tantivy::TantivyError| Error::store(directory, e);
        let (schema, fields) = schema();
        let store = tantivy::directory::MmapDirectory::open(directory).map_err(|e| Error::store(directory, e))?;
        let index = Index::open_or_create(store, schema).map_err(failed)?;
        index.tokenizers().register(ANALYZER, TextAnalyzer::from(Indexed));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?;
        Ok(Self { directory: directory.to_path_buf(), index, fields, writer: None, reader })
    }

    /// Sequence number of the last change that was committed here; `None` before the first.
    pub(super) fn applied(&self) -> Option<u64> {
        self.index.load_metas().ok()?.payload?.parse().ok()
    }

    /// Removes files of a commit that a crash cut short: the next one would give the same names.
    pub(super) fn discard_uncommitted(&mut self) -> Result<()> {
        let collected = self.writer()?.garbage_collect_files().wait();
        collected.map(|_| ()).map_err(|e| Error::store(&self.directory, e))
    }

    pub(super) fn clear(&mut self) -> Result<()> {
        self.writer()?.delete_all_documents().map_err(|e| Error::store(&self.directory, e))?;
        Ok(())
    }

    pub(super) fn add(&mut self, revision: Revision, ordinal: u32, title: &str, stored: &StoredSegment) -> Result<()> {
        let fields = self.fields;
        let mut document = TantivyDocument::new();
        document.add_text(fields.body, stored.searched(title));
        document.add_u64(fields.revision, revision.0);
        document.add_u64(fields.ordinal, u64::from(ordinal));
        let directory = self.directory.clone();
        self.writer()?.add_document(document).map_err(|e| Error::store(directory, e))?;
        Ok(())
    }

    pub(super) fn remove(&mut self, revision: Revision) -> Result<()> {
        let term = Term::from_field_u64(self.fields.revision, revision.0);
        self.writer()?.delete_term(term);
        Ok(())
    }

    /// Commits with the sequence number, and makes the state visible to the next [`Self::searcher`].
    pub(super) fn commit(&mut self, sequence: u64) -> Result<()> {
        let directory = self.directory.clone();
        let failed = |e: tantivy::TantivyError| Error::store(&directory, e);
        let mut prepared = self.writer()?.prepare_commit().map_err(failed)?;
        prepared.set_payload(&sequence.to_string());
        fail_point!("before-lexical-commit");
        prepared.commit().map_err(failed)?;
        fail_point!("before-merge");
        self.merge()?;
        self.reader.reload().map_err(failed)
    }

    /// Merges what tantivy's own policy would merge, but here and now: a commit that has returned leaves nothing to come,
    /// neither for a crash to cut short nor for a reader to wait for.
    fn merge(&mut self) -> Result<()> {
        let directory = self.directory.clone();
        let failed = |e: tantivy::TantivyError| Error::store(&directory, e);
        let mut policy = LogMergePolicy::default();
        policy.set_del_docs_ratio_before_merge(MAX_DELETED_SHARE);
        let metas = self.index.searchable_segment_metas().map_err(failed)?;
        for candidate in policy.compute_merge_candidates(&metas) {
            self.writer()?.merge(&candidate.0).wait().map_err(failed)?;
            fail_point!("after-merge");
        }
        Ok(())
    }

    pub(super) fn searcher(&self) -> LexicalSearcher {
        LexicalSearcher { directory: self.directory.clone(), fields: self.fields, searcher: self.reader.searcher() }
    }

    fn writer(&mut self) -> Result<&mut IndexWriter> {
        match self.writer {
            Some(ref mut writer) => Ok(writer),
            None => {
                let writer: IndexWriter = self
                    .index
                    .writer_with_num_threads(1, WRITER_BYTES)
                    .map_err(|e| Error::store(&self.directory, e))?;
                writer.set_merge_policy(Box::new(NoMergePolicy));
                Ok(self.writer.insert(writer))
            }
        }
    }
}

/// A committed state.
pub(super) struct LexicalSearcher {
    directory: PathBuf,
    fields: Fields,
    searcher: Searcher,
}

impl LexicalSearcher {
    pub(super) fn best(&self, terms: &[String], allowed: Option<HashSet<Revision>>, limit: usize) -> Result<Vec<Hit>> {
        if terms.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let failed = |e: tantivy::TantivyError| Error::store(&self.directory, e);
        let clauses: Vec<(Occur, Box<dyn Query>)> = terms
            .iter()
            .map(|t| {
                let term = Term::from_field_text(self.fields.body, t);
                let query: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
                (Occur::Should, query)
            })
            .collect();
        let query = BooleanQuery::new(clauses);
        let TermStatistics { segments, holding } = self.statistics(terms)?;
        let by_term = terms.iter().map(|t| Term::from_field_text(self.fields.body, t)).zip(holding);
        let living = Living { segments, holding: by_term.collect() };
        let top = TopDocs::with_limit(limit + TIES).order_by_score();
        let found = match allowed {
            None => self.searcher.search_with_statistics_provider(&query, &top, &living),
            Some(set) => {
                let visible = move |revision: u64| set.contains(&Revision(revision));
                let filtered = FilterCollector::new("revision".to_owned(), visible, top);
                self.searcher.search_with_statistics_provider(&query, &filtered, &living)
            }
        };
        let mut hits = Vec::with_capacity(limit);
        for (score, address) in found.map_err(failed)? {
            let columns = self.searcher.segment_reader(address.segment_ord).fast_fields();
            let value = |name: &str| -> Result<u64> {
                let column = columns.u64(name).map_err(failed)?;
                column.first(address.doc_id).ok_or_else(|| Error::store(&self.directory, "a segment has no number"))
            };
            let revision = Revision(value("revision")?);
            let ordinal = u32::try_from(value("ordinal")?).unwrap_or(u32::MAX);
            hits.push(Hit { segment: SegmentId { revision, ordinal }, score: rounded(score) });
        }
        // tantivy breaks ties by its own document numbers, which depend on merges; ours do not.
        Ok(Hit::best(hits, limit))
    }

    /// How often terms occur in living segments, whatever is not merged away yet.
    pub(super) fn statistics(&self, terms: &[String]) -> Result<TermStatistics> {
        let holding = terms.iter().map(|t| self.holding(t)).collect::<tantivy::Result<_>>();
        let holding = holding.map_err(|e| Error::store(&self.directory, e))?;
        Ok(TermStatistics { segments: self.searcher.num_docs(), holding })
    }

    /// Distinct terms, and segments that are deleted and not merged away.
    pub(super) fn counts(&self) -> Result<(u64, u64)> {
        let failed = |e: std::io::Error| Error::store(&self.directory, e);
        let (mut terms, mut stale) = (HashSet::new(), 0);
        for segment in self.searcher.segment_readers() {
            stale += u64::from(segment.num_deleted_docs());
            let inverted = segment.inverted_index(self.fields.body).map_err(|e| Error::store(&self.directory, e))?;
            let mut stream = inverted.terms().stream().map_err(failed)?;
            while stream.advance() {
                terms.insert(stream.key().to_vec());
            }
        }
        Ok((terms.len() as u64, stale))
    }

    /// How many living segments there are of each revision.
    pub(super) fn revisions(&self) -> Result<HashMap<Revision, u32>> {
        let failed = |e: tantivy::TantivyError| Error::store(&self.directory, e);
        let mut counts = HashMap::new();
        for segment in self.searcher.segment_readers() {
            let column = segment.fast_fields().u64("revision").map_err(failed)?;
            for document in segment.doc_ids_alive() {
                *counts.entry(Revision(column.first(document).unwrap_or(0))).or_insert(0) += 1;
            }
        }
        Ok(counts)
    }

    fn holding(&self, term: &str) -> tantivy::Result<u64> {
        let term = Term::from_field_text(self.fields.body, term);
        let mut holding = 0;
        for segment in self.searcher.segment_readers() {
            let inverted = segment.inverted_index(self.fields.body)?;
            holding += match segment.alive_bitset() {
                None => u64::from(inverted.doc_freq(&term)?),
                Some(alive) => match inverted.read_postings(&term, IndexRecordOption::Basic)? {
                    Some(mut postings) => u64::from(postings.count(alive)),
                    None => 0,
                },
            };
        }
        Ok(holding)
    }
}

/// The statistics that scores are computed from: those of living segments, and one length for all collections.
struct Living {
    segments: u64,
    holding: HashMap<Term, u64>,
}

impl Bm25StatisticsProvider for Living {
    fn total_num_tokens(&self, _: Field) -> tantivy::Result<u64> {
        Ok(self.segments * u64::from(USUAL_TERMS))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.segments)
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        // Asked for the query's terms, which are all there.
        Ok(self.holding.get(term).copied().unwrap_or(0))
    }
}
