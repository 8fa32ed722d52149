//! Counting, checking and sweeping a collection.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::cluster::distinct;
use super::key;
use super::{QdrantIndex, SWEPT_AFTER, since_1970};
use crate::document::Revision;
use crate::error::Result;
use crate::index::{CollectionStats, Disagreement, DocumentHead, Index, Scope};

/// Whether every head has the segments that it names, and every segment a head.
pub(super) fn check(index: &QdrantIndex, scope: &Scope, repair: bool) -> Result<Vec<Disagreement>> {
    let (record, owner, _) = index.record(scope)?;
    let segments = index.cluster.names.segments(record.settings.dimension);
    let mut stored: HashMap<Revision, u32> = HashMap::new();
    index.cluster.each_page(&segments, &owner.all(), &[key::REVISION, key::ORDINAL], &mut |page| {
        for point in &page {
            *stored.entry(index.cluster.reading(&point.payload).segment_id()?.revision).or_default() += 1;
        }
        Ok(())
    })?;
    let (mut wrong, mut damaged) = (Vec::new(), Vec::new());
    index.cluster.each_head(&owner, &mut |head| {
        let has = stored.remove(&head.revision).unwrap_or(0);
        if has != head.segments {
            let what = format!("has {has} of {} segments", head.segments);
            wrong.push(Disagreement::of_document(scope, &head, &what));
            damaged.push(head);
        }
    })?;
    if repair && !damaged.is_empty() {
        index.publish(scope, damaged.into_iter().map(DocumentHead::outdated).collect())?;
    }
    if !stored.is_empty() {
        let repaired = repair && sweep(index, scope, SWEPT_AFTER)? > 0;
        let what = format!("{scope}: segments of {} revisions belong to no document", stored.len());
        wrong.push(Disagreement { what, repaired });
    }
    Ok(wrong)
}

/// What a collection takes.
pub(super) fn stats(index: &QdrantIndex, scope: &Scope) -> Result<CollectionStats> {
    let (record, owner, _) = index.record(scope)?;
    let (mut terms, mut stored) = (HashSet::new(), 0);
    let segments = index.cluster.names.segments(record.settings.dimension);
    index.cluster.each_page(&segments, &owner.all(), &[key::TERMS], &mut |page| {
        stored += page.len() as u64;
        for point in &page {
            terms.extend(index.cluster.reading(&point.payload).integers(key::TERMS)?);
        }
        Ok(())
    })?;
    let info = index.collection(scope)?;
    Ok(CollectionStats { terms: terms.len() as u64, stale: stored.saturating_sub(info.segments), info })
}

/// Removes segments that no head names and that were written so long ago.
pub(super) fn sweep(index: &QdrantIndex, scope: &Scope, older_than: Duration) -> Result<u64> {
    let (record, owner, _) = index.record(scope)?;
    let segments = index.cluster.names.segments(record.settings.dimension);
    let until = since_1970().saturating_sub(older_than).as_secs();
    let mut stale: HashMap<Revision, u64> = HashMap::new();
    let keys = [key::REVISION, key::ORDINAL, key::DOCUMENT, key::WRITTEN];
    index.cluster.each_page(&segments, &owner.all(), &keys, &mut |page| {
        let mut found = Vec::with_capacity(page.len());
        for point in &page {
            let reading = index.cluster.reading(&point.payload);
            if reading.integer(key::WRITTEN)? <= until {
                found.push((reading.segment_id()?.revision, reading.text(key::DOCUMENT)?.to_owned()));
            }
        }
        let heads = index.cluster.heads(distinct(found.iter().map(|(_, document)| document.clone())))?;
        for (revision, document) in found {
            if heads.get(&document).is_none_or(|head| head.revision != revision) {
                *stale.entry(revision).or_default() += 1;
            }
        }
        Ok(())
    })?;
    let revisions: Vec<Revision> = stale.keys().copied().collect();
    index.cluster.remove_revisions(&owner, record.settings.dimension, &revisions)?;
    if !revisions.is_empty() {
        index.cluster.changed(scope)?;
    }
    Ok(stale.values().sum())
}
