//! How one call ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::audit::{Audit, Entry};
use super::{Record, code_name};
use crate::status::REASONS;
use crate::telemetry::Metrics;

/// Counts a call, once, however it ends.
pub(super) struct Watch {
    method: &'static str,
    metrics: Metrics,
    audit: Arc<Audit>,
    id: HeaderValue,
    peer: Option<SocketAddr>,
    began: Instant,
    record: Option<Arc<Record>>,
    ended: bool,
}

impl Watch {
    pub(super) fn begin(
        method: &'static str,
        metrics: Metrics,
        audit: Arc<Audit>,
        id: HeaderValue,
        peer: Option<SocketAddr>,
    ) -> Self {
        metrics.calls_in_flight.inc();
        Self { method, metrics, audit, id, peer, began: Instant::now(), record: None, ended: false }
    }

    /// Who calls is known.
    pub(super) fn of(&mut self, record: Arc<Record>) {
        self.record = Some(record);
    }

    /// The call ended with this status.
    pub(super) fn end(&mut self, status: &Status) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (code, took) = (code_name(status.code()), self.began.elapsed());
        let reason = match status.code() {
            Code::Ok => None,
            _ => Some(reason(status)),
        };
        self.metrics.calls_in_flight.dec();
        self.metrics.ended(self.method, code, reason, took);
        tracing::debug!(code, reason, milliseconds = took.as_secs_f64() * 1e3, "ended");
        self.audit.note(&Entry {
            method: self.method,
            code: status.code(),
            outcome: reason.unwrap_or("OK"),
            id: self.id.to_str().unwrap_or_default(),
            peer: self.peer,
            record: self.record.as_deref(),
        });
    }
}

impl Drop for Watch {
    /// The caller is gone, and the rest of the call with him.
    fn drop(&mut self) {
        self.end(&Status::cancelled("the caller is gone"));
    }
}

/// The reason of a failure, where it is one that this server gives; what others say may be anything.
fn reason(status: &Status) -> &'static str {
    let named = status.get_details_error_info().map(|info| info.reason);
    let known = named.and_then(|name| REASONS.into_iter().find(|reason| *reason == name));
    known.unwrap_or(code_name(status.code()))
}
