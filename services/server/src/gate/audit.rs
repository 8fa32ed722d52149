//! The audit log: administrative calls and refusals, one line each, target `tamis::audit`. Names only, never text.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tonic::Code;

use super::Record;
use crate::identity::Role;

/// Refusals that are told in [`WINDOW`]; of more only the number is, so that whoever knocks can't fill the disk.
const TOLD: u64 = 50;
const WINDOW: Duration = Duration::from_secs(10);

/// What is told of a call.
pub(super) struct Entry<'a> {
    pub(super) method: &'static str,
    pub(super) code: Code,
    pub(super) outcome: &'static str,
    pub(super) id: &'a str,
    pub(super) peer: Option<SocketAddr>,
    pub(super) record: Option<&'a Record>,
}

/// Writes the log.
#[derive(Default)]
pub(super) struct Audit {
    refusals: Mutex<Option<(Instant, u64)>>,
}

impl Audit {
    pub(super) fn note(&self, entry: &Entry<'_>) {
        let refused = matches!(entry.code, Code::Unauthenticated | Code::PermissionDenied);
        let (mut admin, mut collections) = (false, String::new());
        if let Some(record) = entry.record {
            let asked = record.asked.lock().unwrap_or_else(PoisonError::into_inner);
            admin = asked.role == Some(Role::Admin);
            collections = asked.collections.join(",");
        }
        let told = admin || (refused && self.may_tell());
        if !told {
            return;
        }
        let caller = entry.record.map(|r| &r.caller);
        let (who, tenant) = caller.map_or(("", ""), |c| (&*c.name, c.tenant.as_str()));
        let peer = entry.peer.map(|p| p.to_string());
        tracing::info!(
            target: "tamis::audit",
            method = entry.method,
            outcome = entry.outcome,
            caller = who,
            tenant,
            collections,
            request_id = entry.id,
            peer,
            "{}",
            if refused { "refused" } else { "administered" }
        );
    }

    fn may_tell(&self) -> bool {
        let mut state = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = match *state {
            Some((since, count)) if since.elapsed() < WINDOW => (since, count + 1),
            before => {
                if let Some((_, count)) = before.filter(|(_, count)| *count > TOLD) {
                    tracing::warn!(target: "tamis::audit", untold = count - TOLD, "more refusals");
                }
                (Instant::now(), 1)
            }
        };
        *state = Some((since, count));
        count <= TOLD
    }
}
