//! Reading the truth, inside one read transaction.

use std::collections::BTreeMap;
use std::path::PathBuf;

use redb::{ReadTransaction, TableDefinition};

use super::super::cells::Cells;
use super::{CELLS, CHANGES, COLLECTIONS, Change, CollectionRecord, HEADS, SEGMENTS, STAGED, VECTORS, damaged};
use crate::document::{CollectionName, DocumentId, Revision, TenantId};
use crate::error::{Error, Result};
use crate::index::{DocumentHead, Scope, StoredSegment};

/// A consistent state of the store.
pub(in super::super) struct Read {
    path: PathBuf,
    transaction: ReadTransaction,
}

impl Read {
    pub(super) fn new(path: PathBuf, transaction: ReadTransaction) -> Self {
        Self { path, transaction }
    }

    pub(super) fn collection(&self, scope: &Scope) -> Result<Option<CollectionRecord>> {
        let table = self.table(COLLECTIONS)?;
        let found =
            table.get((scope.tenant.as_str(), scope.collection.as_str())).map_err(|e| damaged(&self.path, &e))?;
        found.map(|v| self.unpacked(v.value())).transpose()
    }

    pub(super) fn collection_names(&self, tenant: &TenantId) -> Result<Vec<CollectionName>> {
        let table = self.table(COLLECTIONS)?;
        let mut names = Vec::new();
        for entry in table.range((tenant.as_str(), "")..).map_err(|e| damaged(&self.path, &e))? {
            let (key, _) = entry.map_err(|e| damaged(&self.path, &e))?;
            let (owner, name) = key.value();
            if owner != tenant.as_str() {
                break;
            }
            names.push(name.parse()?);
        }
        Ok(names)
    }

    /// Every collection, of all tenants.
    pub(in super::super) fn collections(&self) -> Result<Vec<(Scope, CollectionRecord)>> {
        let table = self.table(COLLECTIONS)?;
        let mut all = Vec::new();
        for entry in table.range(("", "")..).map_err(|e| damaged(&self.path, &e))? {
            let (key, value) = entry.map_err(|e| damaged(&self.path, &e))?;
            let (tenant, name) = key.value();
            all.push((Scope::new(tenant.parse()?, name.parse()?), self.unpacked(value.value())?));
        }
        Ok(all)
    }

    /// How many segments and how many vectors there are of each revision, whoever it belongs to.
    pub(in super::super) fn revisions(&self) -> Result<BTreeMap<Revision, (u32, u32)>> {
        let mut counts: BTreeMap<Revision, (u32, u32)> = BTreeMap::new();
        for entry in self.table(SEGMENTS)?.range((0, 0)..).map_err(|e| damaged(&self.path, &e))? {
            let (key, _) = entry.map_err(|e| damaged(&self.path, &e))?;
            counts.entry(Revision(key.value().0)).or_default().0 += 1;
        }
        for entry in self.table(VECTORS)?.range((0, 0)..).map_err(|e| damaged(&self.path, &e))? {
            let (key, _) = entry.map_err(|e| damaged(&self.path, &e))?;
            counts.entry(Revision(key.value().0)).or_default().1 += 1;
        }
        Ok(counts)
    }

    /// Revisions that are being written.
    pub(in super::super) fn staged(&self) -> Result<Vec<Revision>> {
        let table = self.table(STAGED)?;
        let all = table.range(0..).map_err(|e| damaged(&self.path, &e))?;
        all.map(|entry| Ok(Revision(entry.map_err(|e| damaged(&self.path, &e))?.0.value()))).collect()
    }

    pub(in super::super) fn head(&self, collection: u32, id: &DocumentId) -> Result<Option<DocumentHead>> {
        let table = self.table(HEADS)?;
        let found = table.get((collection, id.as_str())).map_err(|e| damaged(&self.path, &e))?;
        found.map(|v| self.unpacked(v.value())).transpose()
    }

    /// All heads of a collection, by id.
    pub(in super::super) fn heads(&self, collection: u32) -> Result<Vec<DocumentHead>> {
        self.heads_from(collection, "", usize::MAX, |_| true)
    }

    /// Heads from an id on, while `go_on` holds.
    pub(in super::super) fn heads_from(
        &self,
        collection: u32,
        from: &str,
        limit: usize,
        go_on: impl Fn(&str) -> bool,
    ) -> Result<Vec<DocumentHead>> {
        let table = self.table(HEADS)?;
        let mut heads = Vec::new();
        for entry in table.range((collection, from)..).map_err(|e| damaged(&self.path, &e))? {
            let (key, value) = entry.map_err(|e| damaged(&self.path, &e))?;
            let (owner, id) = key.value();
            if owner != collection || heads.len() >= limit || !go_on(id) {
                break;
            }
            heads.push(self.unpacked(value.value())?);
        }
        Ok(heads)
    }

    pub(in super::super) fn segment(&self, revision: Revision, ordinal: u32) -> Result<StoredSegment> {
        let table = self.table(SEGMENTS)?;
        let found = table.get((revision.0, ordinal)).map_err(|e| damaged(&self.path, &e))?;
        let found = found.ok_or_else(|| {
            Error::store(
                &self.path,
                format!("segment {ordinal} of revision {} is missing: the file is damaged", revision.0),
            )
        })?;
        postcard::from_bytes(found.value()).map_err(|e| damaged(&self.path, &e))
    }

    /// Calls `each` with ordinal, scale and components of every segment vector of a revision.
    pub(in super::super) fn vectors(&self, revision: Revision, mut each: impl FnMut(u32, f32, &[u8])) -> Result<()> {
        let table = self.table(VECTORS)?;
        for entry in table.range((revision.0, 0)..=(revision.0, u32::MAX)).map_err(|e| damaged(&self.path, &e))? {
            let (key, value) = entry.map_err(|e| damaged(&self.path, &e))?;
            let Some((scale, components)) = value.value().split_first_chunk::<4>() else {
                return Err(Error::store(&self.path, format!("a vector of revision {} is damaged", revision.0)));
            };
            each(key.value().1, f32::from_le_bytes(*scale), components);
        }
        Ok(())
    }

    /// The cells that a collection is searched by.
    pub(in super::super) fn cells(&self, collection: u32) -> Result<Option<Cells>> {
        let table = self.table(CELLS)?;
        let found = table.get(collection).map_err(|e| damaged(&self.path, &e))?;
        found.map(|v| postcard::from_bytes(v.value()).map_err(|e| damaged(&self.path, &e))).transpose()
    }

    /// Sequence number of the last change; 0 before the first.
    pub(in super::super) fn last_change(&self, collection: u32) -> Result<u64> {
        let table = self.table(CHANGES)?;
        let mut range = table.range((collection, 0)..=(collection, u64::MAX)).map_err(|e| damaged(&self.path, &e))?;
        let last = range.next_back().transpose().map_err(|e| damaged(&self.path, &e))?;
        Ok(last.map_or(0, |(key, _)| key.value().1))
    }

    /// Whether the log still holds every change after `sequence`: the change itself is there, or none was
    /// ever dropped.
    pub(in super::super) fn changes_reach_back_to(&self, collection: u32, sequence: u64) -> Result<bool> {
        let table = self.table(CHANGES)?;
        Ok(table.get((collection, sequence)).map_err(|e| damaged(&self.path, &e))?.is_some())
    }

    pub(in super::super) fn changes_after(&self, collection: u32, sequence: u64) -> Result<Vec<Change>> {
        let table = self.table(CHANGES)?;
        let range = (collection, sequence + 1)..=(collection, u64::MAX);
        table
            .range(range)
            .map_err(|e| damaged(&self.path, &e))?
            .map(|entry| {
                let (_, value) = entry.map_err(|e| damaged(&self.path, &e))?;
                postcard::from_bytes(value.value()).map_err(|e| damaged(&self.path, &e))
            })
            .collect()
    }

    fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<redb::ReadOnlyTable<K, V>> {
        self.transaction.open_table(definition).map_err(|e| damaged(&self.path, &e))
    }

    fn unpacked<T: serde::de::DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        rmp_serde::from_slice(bytes).map_err(|e| damaged(&self.path, &e))
    }
}
