//! Who owns a point. No query is built without it, so none crosses tenants.

use qdrant_client::qdrant::{Condition, Filter, Value};

use super::key::{self, Payload, point_id};
use crate::document::{DocumentId, Revision, TenantId};
use crate::index::{Scope, SegmentId};

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

    /// The owner's points that meet all of these conditions.
    pub(super) fn filter(&self, must: impl IntoIterator<Item = Condition>) -> Filter {
        let own = [
            Condition::matches(key::TENANT, self.tenant.to_string()),
            Condition::matches(key::COLLECTION, self.generation.clone()),
        ];
        Filter::must(own.into_iter().chain(must))
    }

    /// All of the owner's points.
    pub(super) fn all(&self) -> Filter {
        self.filter([])
    }

    /// The owner's segments of these revisions.
    pub(super) fn revisions(&self, revisions: &[Revision]) -> Filter {
        self.filter([of_revisions(revisions)])
    }

    pub(super) fn head_id(&self, id: &DocumentId) -> String {
        point_id(&[self.tenant.as_str().as_bytes(), self.generation.as_bytes(), id.as_str().as_bytes()])
    }

    pub(super) fn segment_id(&self, id: SegmentId) -> String {
        let (revision, ordinal) = (id.revision.0.to_be_bytes(), id.ordinal.to_be_bytes());
        point_id(&[self.tenant.as_str().as_bytes(), self.generation.as_bytes(), &revision, &ordinal])
    }
}

/// The point of a collection's record, which tells its generation and so has no owner yet.
pub(super) fn record_id(scope: &Scope) -> String {
    point_id(&[scope.tenant.as_str().as_bytes(), scope.collection.as_str().as_bytes()])
}

/// The same as a condition.
pub(super) fn record(scope: &Scope) -> Filter {
    Filter::must([Condition::has_id([record_id(scope)])])
}

/// Segments of one of these revisions.
pub(super) fn of_revisions(revisions: &[Revision]) -> Condition {
    let numbers: Vec<i64> = revisions.iter().map(|revision| revision.0 as i64).collect();
    Condition::matches(key::REVISION, numbers)
}
