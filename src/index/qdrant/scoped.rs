//! Who owns a point. No query is built without it, so none crosses tenants.

use qdrant_client::qdrant::{Condition, Filter, Value};

use super::layout::{Payload, head_id, key, point_id};
use crate::document::{DocumentId, TenantId};
use crate::index::SegmentId;

/// A collection of a tenant as it was made: one that is deleted and made anew has another generation, so that late writes
/// to the old one are never seen in the new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    tenant: TenantId,
    generation: String,
}

impl Owner {
    pub(super) fn new(tenant: TenantId, generation: u64) -> Self {
        Self { tenant, generation: format!("{generation:016x}") }
    }

    /// What every point of the owner holds.
    pub(super) fn payload(&self) -> Payload {
        [
            (key::TENANT.to_owned(), Value::from(self.tenant.as_str())),
            (key::COLLECTION.to_owned(), Value::from(self.generation.as_str())),
        ]
        .into()
    }

    /// The owner's points that meet all of these conditions and none of those.
    pub(super) fn filter(&self, must: Vec<Condition>, must_not: Vec<Condition>) -> Filter {
        let mut all = vec![
            Condition::matches(key::TENANT, self.tenant.to_string()),
            Condition::matches(key::COLLECTION, self.generation.clone()),
        ];
        all.extend(must);
        Filter { must: all, must_not, ..Filter::default() }
    }

    pub(super) fn head_id(&self, id: &DocumentId) -> String {
        head_id(self.tenant.as_str(), &self.generation, id)
    }

    pub(super) fn segment_id(&self, id: SegmentId) -> String {
        let (revision, ordinal) = (id.revision.0.to_be_bytes(), id.ordinal.to_be_bytes());
        point_id(&[self.tenant.as_str().as_bytes(), self.generation.as_bytes(), &revision, &ordinal])
    }
}
