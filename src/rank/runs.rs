//! Candidates in the order of their documents: what the readers of long text read.

use std::collections::HashMap;
use std::ops::Range;

use super::fusion::Candidate;

/// Segments that follow each other in one document, as one text.
pub(super) struct Run<'c> {
    pub(super) title: &'c str,
    pub(super) text: String,
    /// Its blocks that can be kept, with their bytes in the text, in order.
    pub(super) blocks: Vec<RunBlock>,
}

pub(super) struct RunBlock {
    /// Place of its segment among the candidates, and its own there.
    pub(super) at: (usize, usize),
    pub(super) bytes: Range<usize>,
}

/// The runs that these candidates make, in the order of their documents' ids and, for what came with a request, of the
/// documents themselves.
pub(super) fn runs<'c>(candidates: &'c [Candidate], chosen: &[usize], can_be_kept: &[(usize, usize)]) -> Vec<Run<'c>> {
    let mut blocks_of: HashMap<usize, Vec<usize>> = HashMap::new();
    can_be_kept.iter().for_each(|(candidate, block)| blocks_of.entry(*candidate).or_default().push(*block));
    let mut ordered = chosen.to_vec();
    ordered.sort_by_key(|n| candidates[*n].id);
    ordered.dedup();
    let mut out: Vec<Run<'c>> = Vec::new();
    let mut last = None;
    for n in ordered {
        let candidate = &candidates[n];
        let id = candidate.id;
        let follows = last.is_some_and(|(revision, ordinal)| revision == id.revision && ordinal + 1 == id.ordinal);
        last = Some((id.revision, id.ordinal));
        if !follows {
            out.push(Run { title: &candidate.document.title, text: String::new(), blocks: Vec::new() });
        }
        let (Some(run), stored) = (out.last_mut(), &candidate.stored) else { continue };
        let base = run.text.len();
        let covered = stored.covered;
        run.text.push_str(stored.slice(covered).unwrap_or_default());
        let mut blocks = blocks_of.remove(&n).unwrap_or_default();
        blocks.sort_unstable();
        for block in blocks {
            let span = stored.segment.blocks[block].span;
            let bytes = base + (span.start - covered.start) as usize..base + (span.end - covered.start) as usize;
            run.blocks.push(RunBlock { at: (n, block), bytes });
        }
    }
    out
}
