//! The best segments of a document that comes in parts, and what all of it is like.

use std::collections::HashSet;
use std::sync::Arc;

use crate::compress::MustKeep;
use crate::compress::answer::retrieve;
use crate::deadline::Deadline;
use crate::encode::{Encoder, PackedVector};
use crate::error::Result;
use crate::extract::Extracted;
use crate::index::inline::{InlineIndex, Whole};
use crate::index::{BlockVectors, DocumentHead, Filter, StoredSegment, TermStatistics, bm25, terms};
use crate::ingest;
use crate::rank::Question;

/// Segments that are kept for every term that has to be.
const OF_A_TERM: usize = 8;

/// Segments that may be retrieved at the end: those that are among the best so far by either list.
pub(super) struct Survey {
    question: Question,
    vector: PackedVector,
    must_keep: MustKeep,
    /// Segments that are retrieved at the end; so many are kept of either list.
    limit: usize,
    best: Vec<Seen>,
    whole: Whole,
    /// How many segments are kept for each term that has to be.
    of_terms: Vec<usize>,
}

/// A segment with what is needed to compare it with later ones.
struct Seen {
    ordinal: u32,
    stored: StoredSegment,
    cosine: f32,
    /// How often each of the question's terms occurs in it.
    counts: Vec<u32>,
    length: u32,
    /// It holds a term that has to be kept.
    must_stay: bool,
}

impl Survey {
    pub(super) fn new(question: Question, must_keep: MustKeep, limit: usize) -> Self {
        let whole = Whole { holding: question.terms.iter().map(|t| (t.clone(), 0)).collect(), ..Whole::default() };
        let (vector, of_terms) = (question.vector.pack(), vec![0; must_keep.count()]);
        Self { question, vector, must_keep, limit, best: Vec::new(), whole, of_terms }
    }

    /// Segments so far.
    pub(super) fn segments(&self) -> u64 {
        self.whole.segments
    }

    /// Takes the part of the document that begins at byte `at`.
    pub(super) fn take(
        &mut self,
        encoder: &dyn Encoder,
        title: &str,
        part: &Extracted,
        at: u64,
        deadline: &Deadline,
    ) -> Result<()> {
        for stored in ingest::prepare_part(encoder, title, part, deadline)? {
            let seen = self.see(stored.moved(at), title);
            self.best.push(seen);
        }
        self.keep_the_best();
        Ok(())
    }

    fn see(&mut self, stored: StoredSegment, title: &str) -> Seen {
        let said = terms::indexed(&stored.searched(title));
        let count = |term: &String| said.iter().filter(|t| *t == term).count() as u32;
        let counts: Vec<u32> = self.question.terms.iter().map(count).collect();
        for (term, _) in self.question.terms.iter().zip(&counts).filter(|(_, count)| **count > 0) {
            *self.whole.holding.entry(term.clone()).or_default() += 1;
        }
        let (cosine, length) = (self.vector.cosine(&stored.vector), said.len() as u32);
        let ordinal = u32::try_from(self.whole.segments).unwrap_or(u32::MAX);
        self.whole.segments += 1;
        self.whole.cosines.add(cosine);
        let mut must_stay = false;
        for term in self.must_keep.held(&stored.text) {
            must_stay |= self.of_terms[term] < OF_A_TERM;
            self.of_terms[term] += 1;
        }
        Seen { ordinal, stored, cosine, counts, length, must_stay }
    }

    /// Drops what is among the first by neither list. What a term weighs is taken from what came so far.
    fn keep_the_best(&mut self) {
        let holding = self.question.terms.iter().map(|t| self.whole.holding.get(t).copied().unwrap_or(0)).collect();
        let statistics = TermStatistics { segments: self.whole.segments, holding };
        let by_terms = |s: &Seen| bm25::of_segment(&statistics, s.counts.len(), |n| s.counts[n], s.length);
        let mut stay: HashSet<u32> = self.best.iter().filter(|s| s.must_stay).map(|s| s.ordinal).collect();
        for score in [&(|s: &Seen| s.cosine) as &dyn Fn(&Seen) -> f32, &by_terms] {
            let mut order: Vec<(f32, u32)> = self.best.iter().map(|s| (score(s), s.ordinal)).collect();
            order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            stay.extend(order.into_iter().take(self.limit).map(|(_, ordinal)| ordinal));
        }
        self.best.retain(|s| stay.contains(&s.ordinal));
    }

    /// The segments that are retrieved, with the vectors of their blocks.
    pub(super) fn finish(
        self,
        encoder: &dyn Encoder,
        head: DocumentHead,
        deadline: &Deadline,
    ) -> Result<(InlineIndex, Question)> {
        let settings = ingest::settings_for(encoder, BlockVectors::Separate);
        let best = self.best.into_iter().map(|s| (s.ordinal, s.stored)).collect();
        let index = InlineIndex::of_part(settings.clone(), head.clone(), best, self.whole.clone());
        let mut found = retrieve(&index, &Filter::All, &self.question, self.limit, deadline)?;
        self.must_keep.retrieve(&index, &Filter::All, &mut found)?;
        drop(index);
        found.sort_by_key(|candidate| candidate.id.ordinal);
        let retrieved = found.into_iter().map(|c| (c.id.ordinal, Arc::unwrap_or_clone(c.stored)));
        let (ordinals, mut stored): (Vec<u32>, Vec<StoredSegment>) = retrieved.unzip();
        ingest::add_block_vectors(encoder, &head.title, &mut stored, deadline)?;
        let segments = ordinals.into_iter().zip(stored).collect();
        Ok((InlineIndex::of_part(settings, head, segments, self.whole), self.question))
    }
}
