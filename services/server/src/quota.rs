//! What a tenant may have and do, of all servers of its own: documents, bytes, questions a second, calls and streams at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tamis::document::{DocumentId, TenantId};
use tamis::error::{Error, Result};
use tamis::index::{Index, Scope};

use crate::config::{Config, MIB};
use crate::pace::paced;

/// How long what a tenant has is taken to be what it was when it was counted, with what came since; longer where counting
/// takes long.
const COUNTED_FOR: Duration = Duration::from_secs(1);
/// Tenants that are remembered; then those that do nothing are forgotten.
const MAX_TENANTS: usize = 10_000;

/// Limits of every tenant; 0 is none.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    documents: u64,
    bytes: u64,
    requests_per_s: u64,
    calls: u64,
    streams: u64,
}

impl Limits {
    fn of(config: &Config) -> Self {
        Self {
            documents: config.quota_documents,
            bytes: config.quota_bytes_mib.saturating_mul(MIB as u64),
            requests_per_s: config.quota_requests_per_s,
            calls: config.quota_calls,
            streams: config.quota_streams,
        }
    }
}

/// Watches over the limits; cheap to clone.
#[derive(Clone)]
pub(crate) struct Quotas {
    limits: Arc<RwLock<Limits>>,
    tenants: Arc<Mutex<HashMap<TenantId, Tenant>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    documents: u64,
    bytes: u64,
}

impl Size {
    fn plus(self, more: Self) -> Self {
        Self { documents: self.documents + more.documents, bytes: self.bytes + more.bytes }
    }

    fn less(self, gone: Self) -> Self {
        let documents = self.documents.saturating_sub(gone.documents);
        Self { documents, bytes: self.bytes.saturating_sub(gone.bytes) }
    }
}

struct Tenant {
    /// Requests that may come at once, and when that was computed.
    allowed: f64,
    at: Instant,
    calls: u64,
    streams: u64,
    /// What was counted, and until when that holds.
    counted: Option<(Instant, Size)>,
    /// What was stored since.
    since: Size,
    /// What is on its way.
    under_way: Size,
}

impl Quotas {
    pub(crate) fn new(config: &Config) -> Self {
        Self { limits: Arc::new(RwLock::new(Limits::of(config))), tenants: Arc::default() }
    }

    /// From now on the limits are these.
    pub(crate) fn limit(&self, config: &Config) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Limits::of(config);
    }

    fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request in: as many as a second has at once, and then as many as a second brings.
    pub(crate) fn admit(&self, tenant: &TenantId) -> Result<()> {
        let limit = self.limits().requests_per_s;
        if limit == 0 {
            return Ok(());
        }
        self.with(tenant, |state| {
            let passed = state.at.elapsed().as_secs_f64();
            state.at = Instant::now();
            state.allowed = (state.allowed + passed * limit as f64).min(limit as f64);
            if state.allowed < 1.0 {
                return Err(exceeded("requests_per_s", limit, limit + 1));
            }
            state.allowed -= 1.0;
            Ok(())
        })
    }

    /// Lets a call in; it counts until the guard is dropped.
    pub(crate) fn call(&self, tenant: &TenantId) -> Result<Guard> {
        self.guard(tenant, "calls", self.limits().calls, |state| &mut state.calls)
    }

    /// Lets a stream in, in the same way.
    pub(crate) fn stream(&self, tenant: &TenantId) -> Result<Guard> {
        self.guard(tenant, "streams", self.limits().streams, |state| &mut state.streams)
    }

    fn guard(
        &self,
        tenant: &TenantId,
        quota: &'static str,
        limit: u64,
        count: fn(&mut Tenant) -> &mut u64,
    ) -> Result<Guard> {
        self.with(tenant, |state| {
            let count = count(state);
            if limit > 0 && *count >= limit {
                return Err(exceeded(quota, limit, *count + 1));
            }
            *count += 1;
            Ok(())
        })?;
        Ok(Guard { quotas: self.clone(), tenant: tenant.clone(), count })
    }

    /// Makes room for a document of so many bytes; it counts as being on its way until the guard is dropped. On a thread
    /// that may wait, because what the tenant has may have to be counted.
    pub(crate) fn reserve(&self, index: &dyn Index, scope: &Scope, id: &DocumentId, bytes: u64) -> Result<Reservation> {
        let (tenant, limits) = (&scope.tenant, self.limits());
        let mut size = Size { documents: 1, bytes };
        if limits.documents > 0 || limits.bytes > 0 {
            // What it replaces goes when it comes.
            if let Some(old) = index.view(scope)?.document(id)? {
                size = size.less(Size { documents: 1, bytes: old.bytes });
            }
            let is_counted = |state: &mut Tenant| state.counted.is_some_and(|(until, _)| Instant::now() < until);
            if !self.with(tenant, is_counted) {
                let began = Instant::now();
                let all = index.collections(tenant)?;
                let until = Instant::now().checked_add(paced(COUNTED_FOR, began.elapsed())).unwrap_or(began);
                let documents = all.iter().map(|c| c.documents).sum();
                let counted = Size { documents, bytes: all.iter().map(|c| c.bytes).sum() };
                self.with(tenant, |state| {
                    (state.counted, state.since) = (Some((until, counted)), Size::default());
                });
            }
        }
        self.with(tenant, |state| {
            let counted = state.counted.map_or(Size::default(), |(_, size)| size);
            let then = counted.plus(state.since).plus(state.under_way).plus(size);
            for (quota, limit, actual, grows) in [
                ("documents", limits.documents, then.documents, size.documents > 0),
                ("bytes", limits.bytes, then.bytes, size.bytes > 0),
            ] {
                if limit > 0 && grows && actual > limit {
                    return Err(exceeded(quota, limit, actual));
                }
            }
            state.under_way = state.under_way.plus(size);
            Ok(())
        })?;
        Ok(Reservation { quotas: self.clone(), tenant: tenant.clone(), size, stored: false })
    }

    fn with<R>(&self, tenant: &TenantId, act: impl FnOnce(&mut Tenant) -> R) -> R {
        let mut tenants: MutexGuard<'_, HashMap<TenantId, Tenant>> =
            self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= MAX_TENANTS && !tenants.contains_key(tenant) {
            tenants.retain(|_, t| {
                t.calls > 0 || t.streams > 0 || t.under_way.documents > 0 || t.at.elapsed() < COUNTED_FOR
            });
        }
        let (allowed, at) = (self.limits().requests_per_s as f64, Instant::now());
        let (since, under_way) = Default::default();
        let new = || Tenant { allowed, at, calls: 0, streams: 0, counted: None, since, under_way };
        act(tenants.entry(tenant.clone()).or_insert_with(new))
    }
}

fn exceeded(quota: &'static str, limit: u64, actual: u64) -> Error {
    Error::QuotaExceeded { quota, limit, actual }
}

/// A call or a stream that is open.
pub(crate) struct Guard {
    quotas: Quotas,
    tenant: TenantId,
    count: fn(&mut Tenant) -> &mut u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.quotas.with(&self.tenant, |state| {
            let count = (self.count)(state);
            *count = count.saturating_sub(1);
        });
    }
}

/// Room for a document.
pub(crate) struct Reservation {
    quotas: Quotas,
    tenant: TenantId,
    size: Size,
    stored: bool,
}

impl Reservation {
    /// The document is there: it counts as stored from now on.
    pub(crate) fn stored(mut self) {
        self.stored = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let (size, stored) = (self.size, self.stored);
        self.quotas.with(&self.tenant, |state| {
            state.under_way = state.under_way.less(size);
            if stored {
                state.since = state.since.plus(size);
            }
        });
    }
}
