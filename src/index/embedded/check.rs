//! Whether the truth, the lexical index and the vectors say the same.

use std::collections::HashMap;

use super::truth::Read;
use super::{EmbeddedIndex, current, lock, room};
use crate::document::Revision;
use crate::error::{Error, Result};
use crate::index::{Disagreement, DocumentHead, Index, Scope};
use crate::split::SPLITTER_VERSION;

/// Looks at every collection; what is derived is derived anew where it is wrong, if `repair`.
pub(super) fn check(index: &EmbeddedIndex, repair: bool) -> Result<Vec<Disagreement>> {
    let read = index.truth.read()?;
    let (mut found, mut owned) = (Vec::new(), HashMap::new());
    for (scope, record) in read.collections()? {
        let heads = read.heads(record.id)?;
        let mut damaged = Vec::new();
        for head in &heads {
            owned.insert(head.revision, head.segments);
            if let Some(what) = text_of(&read, head)? {
                found.push(Disagreement::of_document(&scope, head, &what));
                damaged.push(head.clone());
            }
        }
        if repair && !damaged.is_empty() {
            index.publish(&scope, damaged.into_iter().map(DocumentHead::outdated).collect())?;
        }
        found.extend(derived(index, &scope, &heads, repair)?);
    }
    let staged = read.staged()?;
    let orphans: Vec<Revision> = read
        .revisions()?
        .into_keys()
        .filter(|revision| !owned.contains_key(revision) && !staged.contains(revision))
        .collect();
    drop(read);
    if !orphans.is_empty() {
        if repair {
            index.truth.remove_orphans(&orphans)?;
        }
        let what = format!("segments of {} revisions belong to no document", orphans.len());
        found.push(Disagreement { what, repaired: repair });
    }
    Ok(found)
}

/// What is wrong with the segments of a document: together they have to be the text that was ingested, each with a vector.
fn text_of(read: &Read, head: &DocumentHead) -> Result<Option<String>> {
    let (mut end, mut vectors, mut texts) = (0, 0, Vec::new());
    for ordinal in 0..head.segments {
        match read.segment(head.revision, ordinal) {
            Ok(stored) if stored.covered.start == end && stored.text.len() == stored.covered.len() => {
                end = stored.covered.end;
                texts.push(stored.text);
            }
            Ok(stored) => return Ok(Some(format!("has a gap before byte {}", stored.covered.start))),
            Err(Error::Store { reason, .. }) => return Ok(Some(format!("can't be read ({reason})"))),
            Err(e) => return Err(e),
        }
    }
    read.vectors(head.revision, |_, _, _| vectors += 1)?;
    Ok(match (end == head.bytes || head.segments == 0, vectors == head.segments) {
        (false, _) => Some(format!("ends at byte {end} of {}", head.bytes)),
        (_, false) => Some(format!("has {vectors} vectors for {} segments", head.segments)),
        // It may have been ingested by any version so far.
        _ if (1..=SPLITTER_VERSION)
            .any(|v| head.hash_content(v, texts.iter().map(String::as_str)) == head.content_hash) =>
        {
            None
        }
        _ => Some("is not the text that was ingested".to_owned()),
    })
}

/// What the lexical index and the vectors of a collection find, against its heads.
fn derived(index: &EmbeddedIndex, scope: &Scope, heads: &[DocumentHead], repair: bool) -> Result<Vec<Disagreement>> {
    let collection = index.collection_handle(scope)?;
    let snapshot = current(&collection);
    let wanted: HashMap<Revision, u32> =
        heads.iter().filter(|head| head.segments > 0).map(|head| (head.revision, head.segments)).collect();
    let mut wrong = Vec::new();
    for (part, found) in [("terms", snapshot.found_by_terms()?), ("vectors", snapshot.found_by_vectors()?)] {
        if found != wanted {
            wrong.push(format!("{scope}: {part} find other segments than there are"));
        }
    }
    if repair && !wrong.is_empty() {
        // Without the lexical index everything is derived again.
        let directory = index.lexical_directory(collection.record.id);
        room::for_writing(&directory)?; // or nothing would be left of it
        let mut slot = lock(&collection.writer);
        drop((slot.take(), snapshot));
        std::fs::remove_dir_all(&directory).map_err(Error::io(&directory))?;
        *slot = Some(index.follow(&collection)?);
    }
    Ok(wrong.into_iter().map(|what| Disagreement { what, repaired: repair }).collect())
}
