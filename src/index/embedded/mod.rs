//! The embedded index: one directory, no service to start.
//!
//! `truth` (redb) holds everything; `lexical` (tantivy) and `live` (vectors in memory) are derived
//! from it and caught up when they are behind. A write goes through in this order:
//!
//! 1. the truth commits durably: new heads, new segments, old segments gone, a line in the change log;
//! 2. tantivy commits with the change's sequence number as payload;
//! 3. a new `snapshot` (read transaction, searcher, vectors) replaces the current one.
//!
//! A crash after 1 is repaired at the next start by replaying the change log from tantivy's payload on.
//! Readers hold a snapshot, so they see a document's old revision or its new one, whole.

mod cells;
mod check;
mod lexical;
mod live;
mod room;
mod snapshot;
mod truth;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use fail::fail_point;
use lexical::Lexical;
use live::Live;
use snapshot::Snapshot;
use truth::{Change, CollectionRecord, Truth};

use super::{
    CollectionInfo, CollectionSettings, CollectionStats, Disagreement, DocumentHead, Filter, Index, Scope, Selector,
    StoredSegment, View,
};
use crate::document::{Revision, TenantId};
use crate::error::{Error, Result};

/// A store in a directory. One process at a time; share it between threads.
pub struct EmbeddedIndex {
    directory: PathBuf,
    truth: Truth,
    open: Mutex<HashMap<u32, Arc<Collection>>>,
}

/// An open collection: one writer at a time, readers on the current snapshot.
struct Collection {
    record: CollectionRecord,
    /// `None` after deriving failed half-way: whoever writes next derives anew, and until that is possible `current` goes on
    /// answering. Meanwhile its read transaction keeps redb from reusing pages.
    writer: Mutex<Option<Writer>>,
    /// Whether `current` lacks what the truth has, because deriving failed.
    behind: AtomicBool,
    current: RwLock<Arc<Snapshot>>,
}

/// The derived parts, as the writer sees them.
struct Writer {
    lexical: Lexical,
    live: Live,
}

impl EmbeddedIndex {
    /// Opens or makes a store.
    ///
    /// # Errors
    /// [`Error::StoreLocked`] where another process has it open, [`Error::StoreVersion`] for a store of
    /// another format, [`Error::Store`] and [`Error::Io`] where it can't be read or written.
    pub fn open(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
        let truth = Truth::open(directory)?;
        let index = Self { directory: directory.to_path_buf(), truth, open: Mutex::default() };
        index.remove_forgotten()?;
        Ok(index)
    }

    /// Removes lexical indexes of collections that are gone: a deletion that was cut short leaves them.
    fn remove_forgotten(&self) -> Result<()> {
        let Ok(entries) = std::fs::read_dir(self.directory.join("lexical")) else { return Ok(()) };
        let kept: HashSet<String> =
            self.truth.read()?.collections()?.into_iter().map(|(_, record)| record.id.to_string()).collect();
        for entry in entries.flatten().filter(|entry| !entry.file_name().to_str().is_some_and(|n| kept.contains(n))) {
            if let Err(e) = std::fs::remove_dir_all(entry.path()) {
                tracing::warn!("{}: {e}", entry.path().display());
            }
        }
        Ok(())
    }

    fn collection_handle(&self, scope: &Scope) -> Result<Arc<Collection>> {
        let record = self.truth.collection(scope)?.ok_or_else(|| no_collection(scope))?;
        let mut open = lock(&self.open);
        if let Some(collection) = open.get(&record.id) {
            return Ok(collection.clone());
        }
        let collection = Arc::new(self.load(record)?);
        open.insert(collection.record.id, collection.clone());
        Ok(collection)
    }

    /// Opens the derived parts of a collection and brings them up to the truth.
    fn load(&self, record: CollectionRecord) -> Result<Collection> {
        let (writer, snapshot) = self.derived(&record)?;
        Ok(Collection {
            record,
            writer: Mutex::new(Some(writer)),
            behind: AtomicBool::new(false),
            current: RwLock::new(Arc::new(snapshot)),
        })
    }

    fn derived(&self, record: &CollectionRecord) -> Result<(Writer, Snapshot)> {
        let read = self.truth.read()?;
        let mut live = Live::load(&read, record)?;
        self.renew_cells(record, &mut live)?;
        let directory = self.lexical_directory(record.id);
        let lexical = match self.open_lexical(record, &read, &live) {
            Ok(lexical) => lexical,
            Err(e) => {
                // What can't follow only because the disk is full is as it was before.
                room::for_writing(&directory)?;
                tracing::warn!("making the lexical index of {} anew, because it can't follow: {e}", record.name);
                std::fs::remove_dir_all(&directory).map_err(Error::io(&directory))?;
                self.open_lexical(record, &read, &live)?
            }
        };
        let snapshot = Snapshot::new(record.clone(), read, lexical.searcher(), live.clone());
        Ok((Writer { lexical, live }, snapshot))
    }

    /// Derives anew, from the truth, what could not follow. Where it still can't, readers go on seeing what was before.
    fn follow(&self, collection: &Collection) -> Result<Writer> {
        collection.behind.store(true, Ordering::Release);
        room::for_writing(&self.lexical_directory(collection.record.id))?;
        let (writer, snapshot) = self.derived(&collection.record)?;
        *collection.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        collection.behind.store(false, Ordering::Release);
        Ok(writer)
    }

    /// Opens the lexical index of a collection and brings it up to the truth.
    fn open_lexical(&self, record: &CollectionRecord, read: &truth::Read, live: &Live) -> Result<Lexical> {
        let mut lexical = Lexical::open(&self.lexical_directory(record.id))?;
        let last = read.last_change(record.id)?;
        match lexical.applied() {
            Some(applied) if applied == last => {}
            None if last == 0 => {} // new and empty: no writer is needed yet
            Some(applied) if read.changes_reach_back_to(record.id, applied)? => {
                lexical.discard_uncommitted()?;
                for change in read.changes_after(record.id, applied)? {
                    apply_lexical(&mut lexical, read, live, &change)?;
                }
                lexical.commit(last)?;
            }
            _ => {
                lexical.clear()?;
                for head in live.documents() {
                    add_lexical(&mut lexical, read, head)?;
                }
                lexical.commit(last)?;
            }
        }
        Ok(lexical)
    }

    /// Brings the derived parts up to a change that the truth has committed.
    fn derive(&self, collection: &Collection, writer: &mut Writer, change: &Change) -> Result<()> {
        fail_point!("before-lexical");
        let read = self.truth.read()?;
        writer.live.apply(&read, &collection.record, change)?;
        self.renew_cells(&collection.record, &mut writer.live)?;
        apply_lexical(&mut writer.lexical, &read, &writer.live, change)?;
        writer.lexical.commit(change.sequence)?;
        fail_point!("before-snapshot");
        let snapshot = Snapshot::new(collection.record.clone(), read, writer.lexical.searcher(), writer.live.clone());
        *collection.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }

    /// Learns the cells that vectors are searched by, where the collection has outgrown those it has.
    fn renew_cells(&self, record: &CollectionRecord, live: &mut Live) -> Result<()> {
        let Some(cells) = live.learn_cells()? else { return Ok(()) };
        self.truth.put_cells(record.id, &cells)?;
        live.sort_into(cells);
        Ok(())
    }

    /// Commits a change to the truth and derives from it. If deriving fails, everything is derived anew from the truth, which
    /// has the change.
    fn commit(
        &self,
        scope: &Scope,
        write: impl FnOnce(&CollectionRecord, &Live) -> Result<Option<Change>>,
    ) -> Result<Change> {
        loop {
            let collection = self.collection_handle(scope)?;
            let mut slot = lock(&collection.writer);
            if !self.is_open(&collection) {
                continue; // deleted meanwhile
            }
            // From here on the slot is empty until all went well, also if something panics.
            let mut writer = match slot.take() {
                Some(writer) => writer,
                None => self.follow(&collection)?,
            };
            let change = match write(&collection.record, &writer.live) {
                Ok(Some(change)) => change,
                other => {
                    *slot = Some(writer);
                    return other.map(Option::unwrap_or_default);
                }
            };
            if let Err(e) = self.derive(&collection, &mut writer, &change) {
                tracing::warn!("deriving a collection anew, its derived parts could not follow: {e}");
                drop(writer); // and with it what was not committed, and the lexical index's lock
                writer = self.follow(&collection)?;
            }
            *slot = Some(writer);
            drop(slot);
            self.renew_others(&collection);
            return Ok(change);
        }
    }

    fn is_open(&self, collection: &Arc<Collection>) -> bool {
        lock(&self.open).get(&collection.record.id).is_some_and(|current| Arc::ptr_eq(current, collection))
    }

    /// Gives collections that nobody writes a fresh read transaction: redb reuses no page that an older one
    /// may still see, so an idle collection would make the file grow.
    fn renew_others(&self, written: &Arc<Collection>) {
        let others: Vec<Arc<Collection>> =
            lock(&self.open).values().filter(|c| !Arc::ptr_eq(c, written)).cloned().collect();
        for other in others {
            // One that is being written renews itself.
            let Some(slot) = try_lock(&other.writer) else { continue };
            let (Some(writer), Ok(read)) = (slot.as_ref(), self.truth.read()) else { continue };
            let snapshot = Snapshot::new(other.record.clone(), read, writer.lexical.searcher(), writer.live.clone());
            *other.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        }
    }

    fn lexical_directory(&self, collection: u32) -> PathBuf {
        self.directory.join("lexical").join(collection.to_string())
    }
}

/// A lock whose holder panicked is still usable: derived state is only swapped in when complete.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock, unless somebody holds it.
fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(e)) => Some(e.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn no_collection(scope: &Scope) -> Error {
    Error::NotFound { kind: "collection", name: scope.collection.to_string() }
}

fn apply_lexical(lexical: &mut Lexical, read: &truth::Read, live: &Live, change: &Change) -> Result<()> {
    for revision in &change.removed {
        lexical.remove(*revision)?;
    }
    for (revision, _) in &change.added {
        // Not in `live` any more: a later change in the log removed it.
        if let Some(head) = live.document_of(*revision) {
            lexical.remove(*revision)?;
            add_lexical(lexical, read, head)?;
        }
    }
    Ok(())
}

fn add_lexical(lexical: &mut Lexical, read: &truth::Read, head: &DocumentHead) -> Result<()> {
    for ordinal in 0..head.segments {
        let stored = read.segment(head.revision, ordinal)?;
        lexical.add(head.revision, ordinal, &head.title, &stored)?;
    }
    Ok(())
}

impl Index for EmbeddedIndex {
    fn create_collection(&self, scope: &Scope, settings: &CollectionSettings) -> Result<()> {
        self.truth.create_collection(scope, settings)
    }

    fn delete_collection(&self, scope: &Scope) -> Result<()> {
        let record = self.truth.delete_collection(scope)?.ok_or_else(|| no_collection(scope))?;
        fail_point!("before-directory");
        let open = lock(&self.open).remove(&record.id);
        if let Some(collection) = open {
            // Whoever is writing has written, and nobody will again.
            lock(&collection.writer).take();
        }
        let directory = self.lexical_directory(record.id);
        match std::fs::remove_dir_all(&directory) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                // It is gone for everybody; its files go with the next start.
                tracing::warn!("{}: {e}", directory.display());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn switch(&self, one: &Scope, other: &Scope) -> Result<()> {
        super::check_one_tenant(one, other)?;
        let mut collections = [self.collection_handle(one)?, self.collection_handle(other)?];
        collections.sort_by_key(|collection| collection.record.id);
        let [first, second] = &collections;
        // What is being written becomes visible first: what is looked at after the switch is all that there was.
        let _first = lock(&first.writer);
        let _second = (!Arc::ptr_eq(first, second)).then(|| lock(&second.writer));
        self.truth.switch(one, other)
    }

    fn collections(&self, tenant: &TenantId) -> Result<Vec<CollectionInfo>> {
        let names = self.truth.collection_names(tenant)?;
        names.into_iter().map(|name| self.collection(&Scope::new(tenant.clone(), name))).collect()
    }

    fn collection(&self, scope: &Scope) -> Result<CollectionInfo> {
        let collection = self.collection_handle(scope)?;
        let snapshot = current(&collection);
        let (documents, segments, bytes) = snapshot.counts();
        let settings = collection.record.settings.clone();
        Ok(CollectionInfo { name: scope.collection.clone(), settings, documents, segments, bytes })
    }

    fn begin(&self, scope: &Scope) -> Result<Revision> {
        let collection = self.collection_handle(scope)?;
        self.truth.begin(collection.record.id)
    }

    fn append(&self, scope: &Scope, head: &DocumentHead, first: u32, segments: &[StoredSegment]) -> Result<()> {
        self.truth.append(scope, head.revision, first, segments)
    }

    fn abandon(&self, _: &Scope, revisions: &[Revision]) -> Result<()> {
        self.truth.abandon(revisions)
    }

    fn publish(&self, scope: &Scope, heads: Vec<DocumentHead>) -> Result<()> {
        self.commit(scope, |record, _| self.truth.publish(scope, record, heads).map(Some)).map(|_| ())
    }

    fn delete(&self, scope: &Scope, selector: &Selector) -> Result<u64> {
        let change = self.commit(scope, |record, live| {
            let heads: Vec<_> = match selector {
                Selector::Ids(ids) => {
                    let ids: HashSet<&str> = ids.iter().map(|id| id.as_str()).collect();
                    live.documents().filter(|h| ids.contains(h.id.as_str())).cloned().collect()
                }
                selector => live.documents().filter(|h| selector.selects(h)).cloned().collect(),
            };
            if heads.is_empty() { Ok(None) } else { self.truth.delete(scope, record, &heads).map(Some) }
        })?;
        Ok(change.removed.len() as u64)
    }

    fn view(&self, scope: &Scope) -> Result<Arc<dyn View>> {
        Ok(current(&*self.collection_handle(scope)?))
    }

    fn ready(&self) -> Result<()> {
        self.truth.read().map(|_| ())
    }

    fn wants_reopening(&self) -> bool {
        // A disk that is still full would only fail again, and meanwhile nobody would be answered.
        self.truth.has_failed() && room::for_opening(&self.directory)
    }

    fn catch_up(&self, scope: &Scope) -> Result<()> {
        let collection = self.collection_handle(scope)?;
        let behind = collection.behind.load(Ordering::Acquire);
        // Whoever writes just now has not been answered: what he writes need not be seen yet.
        let slot = if behind { Some(lock(&collection.writer)) } else { try_lock(&collection.writer) };
        let Some(mut slot) = slot else { return Ok(()) };
        if slot.is_none() && self.is_open(&collection) {
            *slot = Some(self.follow(&collection)?);
        }
        Ok(())
    }

    fn scopes(&self) -> Result<Vec<Scope>> {
        Ok(self.truth.read()?.collections()?.into_iter().map(|(scope, _)| scope).collect())
    }

    fn stats(&self, scope: &Scope) -> Result<CollectionStats> {
        let info = self.collection(scope)?;
        let (terms, stale) = current(&*self.collection_handle(scope)?).lexical_counts()?;
        Ok(CollectionStats { info, terms, stale })
    }

    fn check(&self, repair: bool) -> Result<Vec<Disagreement>> {
        check::check(self, repair)
    }

    /// Nothing is left: what was replaced goes with the same commit, what was not published with the next start.
    fn sweep(&self, scope: &Scope, _: Duration) -> Result<u64> {
        self.truth.collection(scope)?.map(|_| 0).ok_or_else(|| no_collection(scope))
    }
}

fn current(collection: &Collection) -> Arc<Snapshot> {
    collection.current.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Revisions that a filter lets through, or `None` where it lets through all.
fn allowed(live: &Live, filter: &Filter) -> Option<HashSet<Revision>> {
    if *filter == Filter::All {
        return None;
    }
    Some(live.documents().filter(|h| filter.matches(h)).map(|h| h.revision).collect())
}
