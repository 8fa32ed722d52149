//! Tenant, deadline and cancellation of one call.

use std::time::Duration;

use tamis::deadline::Deadline;
use tamis::document::{CollectionName, TenantId};
use tamis::error::Result;
use tamis::index::Scope;
use tonic::Request;
use tonic::metadata::MetadataMap;

use crate::app::App;
use crate::status::{self, Refused};
use crate::work::Work;

/// Metadata key that names the tenant.
pub(crate) const TENANT: &str = "x-tamis-tenant";

/// Who calls, and until when.
pub(crate) struct Call {
    pub(crate) tenant: TenantId,
    pub(crate) deadline: Deadline,
}

impl Call {
    pub(crate) fn of<T>(app: &App, request: &Request<T>) -> Result<Self> {
        let limit = grpc_timeout(request.metadata()).unwrap_or(app.default_timeout);
        Ok(Self { tenant: admitted(app, request.metadata())?, deadline: Deadline::after(limit) })
    }

    /// A call over a whole collection, which takes as long as that is large: only the caller's own limit counts.
    pub(crate) fn over_all<T>(app: &App, request: &Request<T>) -> Result<Self> {
        let deadline = grpc_timeout(request.metadata()).map_or_else(Deadline::none, Deadline::after);
        Ok(Self { tenant: admitted(app, request.metadata())?, deadline })
    }

    pub(crate) fn scope(&self, collection: &str) -> Result<Scope> {
        scope(&self.tenant, collection)
    }
}

pub(crate) fn scope(tenant: &TenantId, collection: &str) -> Result<Scope> {
    let collection = if collection.is_empty() { CollectionName::default() } else { collection.parse()? };
    Ok(Scope::new(tenant.clone(), collection))
}

/// Who calls, if the call is within its quota.
pub(crate) fn admitted(app: &App, metadata: &MetadataMap) -> Result<TenantId> {
    let tenant = tenant(metadata)?;
    app.quotas.admit(&tenant)?;
    Ok(tenant)
}

fn tenant(metadata: &MetadataMap) -> Result<TenantId> {
    match metadata.get(TENANT) {
        None => Ok(TenantId::default()),
        Some(value) => match value.to_str() {
            Ok(name) => name.parse(),
            Err(_) => Err(tamis::error::Error::invalid("tenant", "the metadata x-tamis-tenant is not ASCII")),
        },
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

/// Runs the computing part of a call on a pool; gives its result and the milliseconds it waited.
pub(crate) async fn compute<R: Send + 'static>(
    pool: &Work,
    deadline: &Deadline,
    work: impl FnOnce(&Deadline) -> Result<R> + Send + 'static,
) -> std::result::Result<(R, f64), Refused> {
    let _guard = CancelOnDrop(deadline.clone());
    let inner = deadline.clone();
    let outcome = pool.run(move || {
        // What waited too long is not begun.
        inner.check("queue")?;
        work(&inner)
    });
    match outcome.await {
        Ok((result, waited)) => result.map(|r| (r, waited)).map_err(status::refused),
        Err(not_done) => Err(status::not_done(&not_done)),
    }
}
