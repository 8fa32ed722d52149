//! Tenant, deadline and cancellation of one call.

use std::sync::Arc;
use std::time::Duration;

use tamis::deadline::Deadline;
use tamis::document::{CollectionName, TenantId};
use tamis::error::{Error, Result};
use tamis::index::Scope;
use tonic::Request;
use tonic::metadata::MetadataMap;
use tracing::Span;

use crate::app::App;
use crate::gate::Record;
use crate::identity::Role;
use crate::memory::Held;
use crate::quota::Guard;
use crate::status::{self, Refused};
use crate::work::Work;

/// Who calls, for what, and until when.
pub(crate) struct Call {
    record: Arc<Record>,
    need: Role,
    pub(crate) deadline: Deadline,
    /// It counts as one of the tenant's while it is there.
    _counted: Guard,
}

impl Call {
    /// A call that needs this role in every collection that it is about.
    pub(crate) fn of<T>(app: &App, request: &Request<T>, need: Role) -> Result<Self> {
        let limit = grpc_timeout(request.metadata()).unwrap_or(app.default_timeout);
        Self::until(app, request, need, Deadline::after(limit))
    }

    /// A call over a whole collection, which takes as long as that is large: only the caller's own limit counts.
    pub(crate) fn over_all<T>(app: &App, request: &Request<T>, need: Role) -> Result<Self> {
        let deadline = grpc_timeout(request.metadata()).map_or_else(Deadline::none, Deadline::after);
        Self::until(app, request, need, deadline)
    }

    /// A call that ends when its caller wants.
    pub(crate) fn endless<T>(app: &App, request: &Request<T>, need: Role) -> Result<Self> {
        Self::until(app, request, need, Deadline::none())
    }

    fn until<T>(app: &App, request: &Request<T>, need: Role, deadline: Deadline) -> Result<Self> {
        // The gate lets nobody through without one.
        let record = request.extensions().get::<Arc<Record>>().cloned();
        let denied = |what: &str| Error::PermissionDenied { role: need.name(), what: what.to_owned() };
        let record = record.ok_or_else(|| denied("a call that came in by no gate"))?;
        record.needs(need);
        if !record.caller.has(need) {
            return Err(denied("any collection"));
        }
        app.quotas.admit(&record.caller.tenant)?;
        let counted = app.quotas.call(&record.caller.tenant)?;
        Ok(Self { record, need, deadline, _counted: counted })
    }

    /// What the messages take that came so far: dropped, there is room for others.
    pub(crate) fn take_held(&self) -> Held {
        self.record.take_held()
    }

    /// Keeps what was taken with the call again.
    pub(crate) fn give_back(&self, held: Held) {
        self.record.hold(held);
    }

    pub(crate) fn tenant(&self) -> &TenantId {
        &self.record.caller.tenant
    }

    /// Whether the caller may see that there is such a collection.
    pub(crate) fn sees(&self, collection: &CollectionName) -> bool {
        self.record.caller.may(self.need, collection)
    }

    /// A collection that the caller may do this in; without a name, `default`.
    pub(crate) fn scope(&self, collection: &str) -> Result<Scope> {
        let name = if collection.is_empty() { CollectionName::default() } else { collection.parse()? };
        self.record.is_about(name.as_str());
        if !self.sees(&name) {
            return Err(Error::PermissionDenied { role: self.need.name(), what: format!("collection {name}") });
        }
        Ok(Scope::new(self.tenant().clone(), name))
    }
}

/// The time limit that the client sent: up to 8 digits and a unit.
fn grpc_timeout(metadata: &MetadataMap) -> Option<Duration> {
    let value = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number.checked_mul(3600)?),
        "M" => Duration::from_secs(number.checked_mul(60)?),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Stops the computing when the call's future is dropped, which is what happens when the caller is gone.
struct CancelOnDrop(Deadline);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs the computing part of a call, of this cost, on a pool; gives its result and the milliseconds it waited.
pub(crate) async fn compute<R: Send + 'static>(
    pool: &Work,
    deadline: &Deadline,
    cost: Cost,
    work: impl FnOnce(&Deadline) -> Result<R> + Send + 'static,
) -> std::result::Result<(R, f64), Refused> {
    let _guard = CancelOnDrop(deadline.clone());
    let (inner, span) = (deadline.clone(), Span::current());
    let outcome = pool.run(cost.0, deadline.remaining(), move || {
        let _entered = span.enter();
        // What waited too long is not begun.
        inner.check("queue")?;
        work(&inner)
    });
    match outcome.await {
        Ok((result, waited)) => result.map(|r| (r, waited)).map_err(status::refused),
        Err(not_done) => Err(status::not_done(&not_done)),
    }
}

/// What work is expected to cost, in units that mean nothing but beside other work of the same pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost(pub(crate) u64);

impl Cost {
    /// A question to the index: as much as encoding a page.
    pub(crate) const QUESTION: Self = Self(2_000);
    /// A look at what is stored.
    pub(crate) const LOOK: Self = Self(200);
    /// A way through all that is stored.
    pub(crate) const ALL: Self = Self(200_000);

    /// With so many bytes to encode.
    pub(crate) fn and_bytes(self, bytes: usize) -> Self {
        Self(self.0.saturating_add(bytes as u64))
    }
}
