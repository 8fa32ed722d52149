//! Below the sentence: the words of a block that its meaning hangs on, and marks where others stood. Opt-in.
//!
//! Leave-one-out importance (TCRA-LLM, arXiv 2310.15556, section 3.3): a block is encoded once as it is and once without
//! every word, and words without which its vector stays where it is are dropped. Ours beside the paper: groups of
//! words instead of single ones, because a mark costs a token too; what no reader may lose is protected ([`protect`]);
//! and the paper's finding that answers go with the cosine between a text and what is left of it is a gate: a block whose
//! cosine falls below [`GATE`] loses half as much, or nothing.

mod protect;

use std::collections::HashSet;
use std::ops::Range;

use self::protect::Protected;
use crate::deadline::Deadline;
use crate::document::{BlockKind, Revision};
use crate::encode::{Encoder, Vector};
use crate::error::{Error, Result};
use crate::fit::{Budget, Piece, Source};
use crate::rank::{Candidate, Question};
use crate::runtime::Priority;
use crate::span::Span;

/// Words of a group.
const GROUP: usize = 3;
/// Blocks of fewer groups are left whole.
const MIN_GROUPS: usize = 4;
/// Least cosine between a block and what is left of it.
const GATE: f32 = 0.9;
/// Most blocks of a request that lose words: the best ones.
const MAX_BLOCKS: usize = 256;
/// Most groups of a block that are tried.
const MAX_GROUPS: usize = 64;
/// Stands for dropped words.
const MARK: &str = "…";

/// How much is dropped, and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WordSettings {
    /// Share of a block's words that are dropped where nothing protects them, .05 to .9.
    pub drop: f32,
    /// A mark stands where words were dropped.
    pub marks: bool,
}

impl Default for WordSettings {
    fn default() -> Self {
        Self { drop: 0.3, marks: true }
    }
}

impl WordSettings {
    /// # Errors
    /// [`Error::InvalidArgument`] for a share out of range.
    pub(super) fn check(self) -> Result<Self> {
        if (0.05..=0.9).contains(&self.drop) {
            Ok(self)
        } else {
            Err(Error::invalid("words.drop", "must be from 0.05 to 0.9"))
        }
    }
}

/// Who drops words, and how.
#[derive(Clone, Copy)]
pub(crate) struct DropWords<'a> {
    pub(crate) encoder: &'a dyn Encoder,
    pub(crate) settings: WordSettings,
}

/// A block as groups of words.
struct Groups<'p> {
    /// Which of the pieces.
    piece: usize,
    text: &'p str,
    /// Bytes of the text, in its order.
    groups: Vec<Range<usize>>,
    /// Groups that may go.
    free: Vec<usize>,
}

/// What is left of a block.
struct Shortened {
    /// Which of the pieces.
    piece: usize,
    text: String,
    /// Bytes of the whole text.
    kept: Vec<Range<usize>>,
}

/// What a block is without each of its free groups.
struct Importance {
    whole: Vector,
    /// How far each free group moves the vector by being away.
    moved: Vec<f32>,
}

impl DropWords<'_> {
    /// Drops words of the best blocks of prose, as many blocks as the budget could hold.
    pub(super) fn of(
        &self,
        pieces: &mut [Piece],
        (candidates, sources): (&[Candidate], &[Source]),
        question: &Question,
        budget: &Budget,
        deadline: &Deadline,
    ) -> Result<()> {
        let (prose, protected) = (prose(candidates), Protected::of(question));
        let mut best = self.best(pieces, budget);
        // What must be kept is kept whole.
        best.retain(|n| !pieces[*n].first && prose.contains(&(sources[pieces[*n].source].revision, pieces[*n].span)));
        best.truncate(MAX_BLOCKS);
        let blocks: Vec<Groups<'_>> = best.into_iter().filter_map(|n| groups(n, &pieces[n].text, &protected)).collect();
        for Shortened { piece, text, kept } in self.shortened(&blocks, budget, deadline)? {
            let start = pieces[piece].span.start as usize;
            pieces[piece].text = text;
            pieces[piece].kept = kept.into_iter().map(|part| Span::new(start + part.start, start + part.end)).collect();
        }
        Ok(())
    }

    /// The best pieces, as many as fill the budget when they have lost their words.
    fn best(&self, pieces: &[Piece], budget: &Budget) -> Vec<usize> {
        let mut best: Vec<usize> = (0..pieces.len()).collect();
        best.sort_by(|a, b| pieces[*b].by_score(&pieces[*a]));
        let mut room = f64::from(budget.max_tokens.0) / f64::from(1.0 - self.settings.drop);
        let fits = |n: &usize| {
            let fits = room > 0.0;
            room -= f64::from(budget.tokenizer.count(&pieces[*n].text).0);
            fits
        };
        best.into_iter().take_while(fits).collect()
    }

    /// The blocks that lose words.
    fn shortened(&self, blocks: &[Groups<'_>], budget: &Budget, deadline: &Deadline) -> Result<Vec<Shortened>> {
        let importances = self.importances(blocks, deadline)?;
        let least = blocks.iter().zip(&importances).map(|(block, importance)| self.least(block, importance));
        let mut wanted: Vec<(usize, Vec<usize>)> = least.enumerate().filter(|(_, groups)| !groups.is_empty()).collect();
        let mut out = Vec::new();
        while !wanted.is_empty() {
            let bare: Vec<String> = wanted.iter().map(|(n, dropped)| blocks[*n].without(dropped, false).0).collect();
            let vectors = self.encoded(&bare, deadline)?;
            let mut again = Vec::new();
            for ((n, mut dropped), vector) in wanted.into_iter().zip(vectors) {
                if importances[n].whole.cosine(&vector) < GATE {
                    dropped.truncate(dropped.len() / 2);
                    again.push((n, dropped));
                    continue;
                }
                let (text, kept) = blocks[n].without(&dropped, self.settings.marks);
                if budget.tokenizer.count(&text) < budget.tokenizer.count(blocks[n].text) {
                    out.push(Shortened { piece: blocks[n].piece, text, kept });
                }
            }
            again.retain(|(_, dropped)| !dropped.is_empty());
            wanted = again;
        }
        Ok(out)
    }

    /// The free groups that a block's vector hangs on least, of equal ones the first, as many as are to be dropped.
    fn least(&self, block: &Groups<'_>, importance: &Importance) -> Vec<usize> {
        let mut free: Vec<(f32, usize)> = importance.moved.iter().copied().zip(block.free.iter().copied()).collect();
        free.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = (self.settings.drop * block.groups.len() as f32) as usize;
        free.into_iter().take(count).map(|(_, group)| group).collect()
    }

    fn importances(&self, blocks: &[Groups<'_>], deadline: &Deadline) -> Result<Vec<Importance>> {
        let mut texts = Vec::new();
        for block in blocks {
            texts.push(block.text.to_owned());
            texts.extend(block.free.iter().map(|n| block.without(&[*n], false).0));
        }
        let mut vectors = self.encoded(&texts, deadline)?.into_iter();
        let of = |block: &Groups<'_>| {
            let whole = vectors.next()?;
            // Of vectors of unit length the distance goes with the cosine.
            let distance = |without: Vector| (2.0 - 2.0 * whole.cosine(&without)).max(0.0).sqrt();
            let moved = vectors.by_ref().take(block.free.len()).map(distance).collect();
            Some(Importance { whole, moved })
        };
        Ok(blocks.iter().filter_map(of).collect())
    }

    fn encoded(&self, texts: &[String], deadline: &Deadline) -> Result<Vec<Vector>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.encoder.encode_passages(&texts, Priority::Query, deadline)
    }
}

/// Blocks that are sentences; of code, rows and records nothing can be missed.
fn prose(candidates: &[Candidate]) -> HashSet<(Revision, Span)> {
    let of = |c: &Candidate| {
        let blocks = c.stored.segment.blocks.iter();
        let prose = blocks.filter(|b| matches!(b.kind, BlockKind::Sentence | BlockKind::ListItem | BlockKind::Turn));
        prose.map(|b| (c.id.revision, b.span)).collect::<Vec<_>>()
    };
    candidates.iter().flat_map(of).collect()
}

/// A block as groups of words; `None` where there is nothing to drop.
fn groups<'p>(piece: usize, text: &'p str, protected: &Protected<'_>) -> Option<Groups<'p>> {
    let words = protected.words(text);
    let (mut groups, mut free) = (Vec::new(), Vec::new());
    for group in words.chunks(GROUP) {
        let (Some((first, _)), Some((last, _))) = (group.first(), group.last()) else { continue };
        if group.iter().all(|(_, is_protected)| !is_protected) {
            free.push(groups.len());
        }
        groups.push(first.start..last.end);
    }
    let enough = groups.len() >= MIN_GROUPS && groups.len() <= MAX_GROUPS && !free.is_empty();
    enough.then_some(Groups { piece, text, groups, free })
}

impl Groups<'_> {
    /// The text without these groups, and which of its bytes that is.
    fn without(&self, dropped: &[usize], marks: bool) -> (String, Vec<Range<usize>>) {
        let mut kept: Vec<Range<usize>> = Vec::new();
        let (mut out, mut gap) = (String::new(), false);
        for (n, group) in self.groups.iter().enumerate() {
            if dropped.contains(&n) {
                gap = true;
                continue;
            }
            match kept.last_mut() {
                Some(last) if !gap => {
                    out.push_str(&self.text[last.end..group.end]);
                    last.end = group.end;
                }
                _ => {
                    if gap && marks {
                        out.push_str(if out.is_empty() { "" } else { " " });
                        out.push_str(MARK);
                    }
                    out.push_str(if out.is_empty() { "" } else { " " });
                    out.push_str(&self.text[group.clone()]);
                    kept.push(group.clone());
                }
            }
            gap = false;
        }
        if gap && marks {
            out.push(' ');
            out.push_str(MARK);
        }
        (out, kept)
    }
}
