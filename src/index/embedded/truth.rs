//! The truth: documents, segments, vectors and the change log, in one redb file.

mod read;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use fail::fail_point;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

pub(super) use read::Read;

use super::cells::Cells;
use super::{no_collection, room};
use crate::document::{CollectionName, DocumentId, Revision, TenantId};
use crate::error::{Error, Result};
use crate::index::{CollectionSettings, DocumentHead, Scope, StoredSegment, switched};

/// Format of the tables below; changes when old stores can't be read any more.
const FORMAT: u32 = 2;
/// Name of the file in the store's directory.
const FILE: &str = "truth.redb";
/// Pages that redb may keep in memory.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// `format` -> number, `sequence` -> last number given to a revision or change.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// (tenant, collection) -> [`CollectionRecord`], MessagePack.
const COLLECTIONS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("collections");
/// (collection, document id) -> [`DocumentHead`], MessagePack: unlike JSON it keeps every number exactly.
const HEADS: TableDefinition<'_, (u32, &str), &[u8]> = TableDefinition::new("heads");
/// (revision, ordinal) -> [`StoredSegment`] without its vector, postcard.
const SEGMENTS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("segments");
/// (revision, ordinal) -> the segment's vector: scale, then components.
const VECTORS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("vectors");
/// Revision -> collection, while it is not published.
const STAGED: TableDefinition<'_, u64, u32> = TableDefinition::new("staged");
/// (collection, sequence) -> [`Change`], postcard.
const CHANGES: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("changes");

/// Collection -> [`Cells`], postcard; stored, so that a restart searches as before.
const CELLS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("cells-2");

/// Changes kept for derived parts that are behind; older ones make them rebuild.
const KEPT_CHANGES: usize = 64;

/// A collection as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CollectionRecord {
    /// Number used in keys; never given to another collection.
    pub(super) id: u32,
    pub(super) name: CollectionName,
    pub(super) settings: CollectionSettings,
}

/// One atomic change of a collection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) sequence: u64,
    pub(super) added: Vec<(Revision, DocumentId)>,
    pub(super) removed: Vec<Revision>,
}

pub(super) struct Truth {
    path: PathBuf,
    database: Database,
    /// A write failed: redb takes none before the file is opened anew, and reads only the pages that it has in memory.
    failed: AtomicBool,
}

impl Truth {
    pub(super) fn open(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(&path).map_err(|e| match e {
            redb::DatabaseError::DatabaseAlreadyOpen => Error::StoreLocked { path: directory.to_path_buf() },
            redb::DatabaseError::UpgradeRequired(found) => {
                Error::StoreVersion { path: directory.to_path_buf(), found: u32::from(found), expected: FORMAT }
            }
            other => damaged(&path, &other),
        })?;
        let truth = Self { path, database, failed: AtomicBool::new(false) };
        truth.prepare(directory)?;
        Ok(truth)
    }

    /// Checks the format, makes the tables, and removes what a crash left unpublished.
    fn prepare(&self, directory: &Path) -> Result<()> {
        let write = self.write_anyhow()?;
        {
            let mut meta = write.open_table(META).map_err(self.failed())?;
            let found = meta.get("format").map_err(self.failed())?.map(|v| v.value());
            match found {
                Some(found) if found != u64::from(FORMAT) => {
                    let found = u32::try_from(found).unwrap_or(u32::MAX);
                    return Err(Error::StoreVersion { path: directory.to_path_buf(), found, expected: FORMAT });
                }
                Some(_) => {}
                None => {
                    meta.insert("format", u64::from(FORMAT)).map_err(self.failed())?;
                }
            }
            write.open_table(COLLECTIONS).map_err(self.failed())?;
            write.open_table(HEADS).map_err(self.failed())?;
            write.open_table(CHANGES).map_err(self.failed())?;
            write.open_table(CELLS).map_err(self.failed())?;
            let mut staged = write.open_table(STAGED).map_err(self.failed())?;
            let orphans: Vec<u64> =
                staged.iter().map_err(self.failed())?.filter_map(|e| e.ok().map(|(k, _)| k.value())).collect();
            for revision in orphans {
                self.remove_segments(&write, Revision(revision))?;
                staged.remove(revision).map_err(self.failed())?;
            }
            write.open_table(SEGMENTS).map_err(self.failed())?;
            write.open_table(VECTORS).map_err(self.failed())?;
        }
        write.commit().map_err(self.failed())
    }

    pub(super) fn read(&self) -> Result<Read> {
        let transaction = self.database.begin_read().map_err(self.failed())?;
        Ok(Read::new(self.path.clone(), transaction))
    }

    pub(super) fn collection(&self, scope: &Scope) -> Result<Option<CollectionRecord>> {
        self.read()?.collection(scope)
    }

    pub(super) fn collection_names(&self, tenant: &TenantId) -> Result<Vec<CollectionName>> {
        self.read()?.collection_names(tenant)
    }

    pub(super) fn create_collection(&self, scope: &Scope, settings: &CollectionSettings) -> Result<()> {
        let write = self.write()?;
        {
            let mut table = write.open_table(COLLECTIONS).map_err(self.failed())?;
            let key = (scope.tenant.as_str(), scope.collection.as_str());
            if table.get(key).map_err(self.failed())?.is_some() {
                return Err(Error::AlreadyExists { kind: "collection", name: scope.collection.to_string() });
            }
            let id = u32::try_from(self.next(&write)?).map_err(|_| Error::store(&self.path, "too many collections"))?;
            let record = CollectionRecord { id, name: scope.collection.clone(), settings: settings.clone() };
            table.insert(key, self.packed(&record)?.as_slice()).map_err(self.failed())?;
        }
        write.commit().map_err(self.failed())
    }

    /// Gives two collections each other's names.
    pub(super) fn switch(&self, one: &Scope, other: &Scope) -> Result<()> {
        let write = self.write()?;
        {
            let mut table = write.open_table(COLLECTIONS).map_err(self.failed())?;
            let mut records = Vec::with_capacity(2);
            for scope in [one, other] {
                let found = table.get((scope.tenant.as_str(), scope.collection.as_str())).map_err(self.failed())?;
                let found = found.ok_or_else(|| no_collection(scope))?;
                records.push(self.unpacked::<CollectionRecord>(found.value())?);
            }
            for (scope, record) in [other, one].into_iter().zip(records) {
                let record = CollectionRecord { name: scope.collection.clone(), ..record };
                let key = (scope.tenant.as_str(), scope.collection.as_str());
                table.insert(key, self.packed(&record)?.as_slice()).map_err(self.failed())?;
            }
        }
        fail_point!("before-switch");
        write.commit().map_err(self.failed())?;
        fail_point!("after-switch");
        Ok(())
    }

    /// Removes a collection with its documents; `None` where there is none.
    pub(super) fn delete_collection(&self, scope: &Scope) -> Result<Option<CollectionRecord>> {
        // Everything is read inside the write transaction: a publish that is under way comes before or after.
        let write = self.write()?;
        let record: CollectionRecord;
        {
            let mut table = write.open_table(COLLECTIONS).map_err(self.failed())?;
            let removed = table.remove((scope.tenant.as_str(), scope.collection.as_str())).map_err(self.failed())?;
            record = match removed {
                Some(found) => self.unpacked(found.value())?,
                None => return Ok(None),
            };
        }
        {
            let mut table = write.open_table(HEADS).map_err(self.failed())?;
            let mut heads: Vec<DocumentHead> = Vec::new();
            for entry in table.range((record.id, "")..(record.id + 1, "")).map_err(self.failed())? {
                heads.push(self.unpacked(entry.map_err(self.failed())?.1.value())?);
            }
            for head in heads {
                table.remove((record.id, head.id.as_str())).map_err(self.failed())?;
                self.remove_segments(&write, head.revision)?;
            }
            let mut staged = write.open_table(STAGED).map_err(self.failed())?;
            let mut orphans = Vec::new();
            for entry in staged.iter().map_err(self.failed())? {
                let (revision, owner) = entry.map_err(self.failed())?;
                if owner.value() == record.id {
                    orphans.push(revision.value());
                }
            }
            for revision in orphans {
                self.remove_segments(&write, Revision(revision))?;
                staged.remove(revision).map_err(self.failed())?;
            }
            let mut changes = write.open_table(CHANGES).map_err(self.failed())?;
            changes.retain_in((record.id, 0)..=(record.id, u64::MAX), |_, _| false).map_err(self.failed())?;
            write.open_table(CELLS).map_err(self.failed())?.remove(record.id).map_err(self.failed())?;
        }
        write.commit().map_err(self.failed())?;
        Ok(Some(record))
    }

    /// Keeps the cells that a collection is searched by from now on.
    pub(super) fn put_cells(&self, collection: u32, cells: &Cells) -> Result<()> {
        let mut write = self.write_anyhow()?;
        // Becomes durable with the next publish; before that, they can be learnt again.
        write.set_durability(Durability::None).map_err(self.failed())?;
        let bytes = postcard::to_stdvec(cells).map_err(|e| Error::store(&self.path, e))?;
        write.open_table(CELLS).map_err(self.failed())?.insert(collection, bytes.as_slice()).map_err(self.failed())?;
        write.commit().map_err(self.failed())
    }

    pub(super) fn begin(&self, collection: u32) -> Result<Revision> {
        let mut write = self.write()?;
        // Becomes durable with the next publish; before that, there is nothing to lose.
        write.set_durability(Durability::None).map_err(self.failed())?;
        let revision = self.next(&write)?;
        write.open_table(STAGED).map_err(self.failed())?.insert(revision, collection).map_err(self.failed())?;
        write.commit().map_err(self.failed())?;
        Ok(Revision(revision))
    }

    pub(super) fn append(
        &self,
        scope: &Scope,
        revision: Revision,
        first: u32,
        segments: &[StoredSegment],
    ) -> Result<()> {
        let mut write = self.write()?;
        write.set_durability(Durability::None).map_err(self.failed())?;
        {
            // With a collection go the revisions that were begun in it.
            let staged = write.open_table(STAGED).map_err(self.failed())?;
            if staged.get(revision.0).map_err(self.failed())?.is_none() {
                return Err(no_collection(scope));
            }
            let mut table = write.open_table(SEGMENTS).map_err(self.failed())?;
            let mut vectors = write.open_table(VECTORS).map_err(self.failed())?;
            for (ordinal, segment) in (first..).zip(segments) {
                let key = (revision.0, ordinal);
                let bytes = postcard::to_stdvec(segment).map_err(|e| Error::store(&self.path, e))?;
                table.insert(key, bytes.as_slice()).map_err(self.failed())?;
                vectors.insert(key, segment.vector.to_bytes().as_slice()).map_err(self.failed())?;
            }
        }
        write.commit().map_err(self.failed())?;
        fail_point!("after-append");
        Ok(())
    }

    pub(super) fn abandon(&self, revisions: &[Revision]) -> Result<()> {
        let mut write = self.write_anyhow()?;
        write.set_durability(Durability::None).map_err(self.failed())?;
        {
            let mut staged = write.open_table(STAGED).map_err(self.failed())?;
            for revision in revisions {
                // What was published meanwhile is not ours to remove.
                if staged.remove(revision.0).map_err(self.failed())?.is_some() {
                    self.remove_segments(&write, *revision)?;
                }
            }
        }
        write.commit().map_err(self.failed())
    }

    /// Puts heads in the place of earlier ones, durably, and logs the change.
    pub(super) fn publish(&self, scope: &Scope, record: &CollectionRecord, heads: Vec<DocumentHead>) -> Result<Change> {
        self.change(scope, record, |write, change| {
            let mut table = write.open_table(HEADS).map_err(self.failed())?;
            let mut staged = write.open_table(STAGED).map_err(self.failed())?;
            for head in &heads {
                let key = (record.id, head.id.as_str());
                let old: Option<DocumentHead> = match table.get(key).map_err(self.failed())? {
                    Some(old) => Some(self.unpacked(old.value())?),
                    None => None,
                };
                let staged_for = staged.remove(head.revision.0).map_err(self.failed())?.map(|owner| owner.value());
                if staged_for.is_some_and(|owner| owner != record.id) {
                    return Err(switched(scope));
                }
                let is_same = old.as_ref().is_some_and(|old| old.revision == head.revision);
                let head = match &old {
                    _ if staged_for.is_some() || is_same => head.clone(),
                    Some(old) if old.content_hash == head.content_hash => old.with_metadata_of(head),
                    // New metadata for a text that was replaced or deleted meanwhile: too late.
                    _ => continue,
                };
                let is_current = old.as_ref().is_some_and(|old| old.revision == head.revision);
                table.insert(key, self.packed(&head)?.as_slice()).map_err(self.failed())?;
                if let Some(old) = old.filter(|_| !is_current) {
                    self.remove_segments(write, old.revision)?;
                    change.added.retain(|(r, _)| *r != old.revision);
                    change.removed.push(old.revision);
                }
                change.added.push((head.revision, head.id.clone()));
            }
            Ok(())
        })
    }

    pub(super) fn delete(
        &self,
        scope: &Scope,
        record: &CollectionRecord,
        heads: &[std::sync::Arc<DocumentHead>],
    ) -> Result<Change> {
        self.change(scope, record, |write, change| {
            let mut table = write.open_table(HEADS).map_err(self.failed())?;
            for head in heads {
                table.remove((record.id, head.id.as_str())).map_err(self.failed())?;
                self.remove_segments(write, head.revision)?;
                change.removed.push(head.revision);
            }
            Ok(())
        })
    }

    fn change(
        &self,
        scope: &Scope,
        record: &CollectionRecord,
        fill: impl FnOnce(&WriteTransaction, &mut Change) -> Result<()>,
    ) -> Result<Change> {
        let write = self.write()?;
        let mut change = Change { sequence: self.next(&write)?, ..Change::default() };
        {
            // A collection deleted meanwhile must not come back as orphaned heads.
            let collections = write.open_table(COLLECTIONS).map_err(self.failed())?;
            let key = (scope.tenant.as_str(), scope.collection.as_str());
            let found = collections.get(key).map_err(self.failed())?.ok_or_else(|| no_collection(scope))?;
            if self.unpacked::<CollectionRecord>(found.value())?.id != record.id {
                return Err(switched(scope));
            }
        }
        fill(&write, &mut change)?;
        {
            let mut changes = write.open_table(CHANGES).map_err(self.failed())?;
            let bytes = postcard::to_stdvec(&change).map_err(|e| Error::store(&self.path, e))?;
            changes.insert((record.id, change.sequence), bytes.as_slice()).map_err(self.failed())?;
            let kept: Vec<u64> = changes
                .range((record.id, 0)..=(record.id, u64::MAX))
                .map_err(self.failed())?
                .rev()
                .skip(KEPT_CHANGES)
                .filter_map(|e| e.ok().map(|(k, _)| k.value().1))
                .collect();
            for sequence in kept {
                changes.remove((record.id, sequence)).map_err(self.failed())?;
            }
        }
        fail_point!("before-truth-commit");
        write.commit().map_err(self.failed())?;
        Ok(change)
    }

    /// Removes segments that belong to no revision.
    pub(super) fn remove_orphans(&self, revisions: &[Revision]) -> Result<()> {
        let write = self.write()?;
        for revision in revisions {
            self.remove_segments(&write, *revision)?;
        }
        write.commit().map_err(self.failed())
    }

    fn remove_segments(&self, write: &WriteTransaction, revision: Revision) -> Result<()> {
        let range = (revision.0, 0)..=(revision.0, u32::MAX);
        let mut table = write.open_table(SEGMENTS).map_err(self.failed())?;
        table.retain_in(range.clone(), |_, _| false).map_err(self.failed())?;
        let mut table = write.open_table(VECTORS).map_err(self.failed())?;
        table.retain_in(range, |_, _| false).map_err(self.failed())
    }

    fn next(&self, write: &WriteTransaction) -> Result<u64> {
        let mut meta = write.open_table(META).map_err(self.failed())?;
        let next = meta.get("sequence").map_err(self.failed())?.map_or(0, |v| v.value()) + 1;
        meta.insert("sequence", next).map_err(self.failed())?;
        Ok(next)
    }

    fn write(&self) -> Result<WriteTransaction> {
        room::for_writing(&self.path)?;
        self.write_anyhow()
    }

    /// For what takes hardly any room, or gives some.
    fn write_anyhow(&self) -> Result<WriteTransaction> {
        self.database.begin_write().map_err(|e| {
            if matches!(e, redb::TransactionError::Storage(redb::StorageError::PreviousIo)) {
                self.failed.store(true, Ordering::Relaxed);
            }
            self.failed()(e)
        })
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    fn packed(&self, value: &impl Serialize) -> Result<Vec<u8>> {
        rmp_serde::to_vec_named(value).map_err(|e| Error::store(&self.path, e))
    }

    fn unpacked<T: serde::de::DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        rmp_serde::from_slice(bytes).map_err(|e| damaged(&self.path, &e))
    }

    fn failed<E: Into<redb::Error>>(&self) -> impl Fn(E) -> Error + '_ {
        |e| damaged(&self.path, &e.into())
    }
}

/// What redb says, with what helps.
fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    let said = error.to_string();
    let what_helps = if said.contains("Read-only file system") {
        "the store is on a read-only file system; it has to be written even to be opened"
    } else if said.contains("Previous I/O error") {
        "an earlier write failed; what was acknowledged is safe: see to the disk, then start this process again"
    } else {
        "is the disk full, or the file damaged? restore it, or ingest into a new --data-dir"
    };
    Error::store(path, format!("{said} ({what_helps})"))
}
