//! Every error once to a gRPC status with `google.rpc` details.

use std::collections::HashMap;
use std::time::Duration;

use tamis::error::Error;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::identity::Refusal;
use crate::work::NotDone;

/// Domain of the reasons in `ErrorInfo`.
const DOMAIN: &str = "tamis";
/// All reasons that a failure may have, in details and metrics.
pub(crate) const REASONS: [&str; 30] = [
    "INVALID_ARGUMENT",
    "LIMIT_EXCEEDED",
    "QUOTA_EXCEEDED",
    "BUDGET_INFEASIBLE",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FINGERPRINT_MISMATCH",
    "UNUSABLE_DOCUMENT",
    "PERMISSION_DENIED",
    "STORE_LOCKED",
    "STORE_VERSION",
    "UNAVAILABLE",
    "STORE",
    "MODEL",
    "ENCODER",
    "READER",
    "SUMMARIZER",
    "IO",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "UNKNOWN",
    "QUEUE_FULL",
    "INTERNAL",
    "STOPPING",
    "CREDENTIAL_MISSING",
    "CREDENTIAL_MALFORMED",
    "CREDENTIAL_INVALID",
    "TENANT_MISMATCH",
    "TOO_LATE",
    "MEMORY_FULL",
];
/// When to come back after overload.
const RETRY: Duration = Duration::from_millis(500);
/// And at the latest.
const LATEST: Duration = Duration::from_secs(30);

/// A status; boxed, because it is large and rare.
pub(crate) type Refused = Box<Status>;

/// Code, reason and field of an error.
fn classify(error: &Error) -> (Code, &'static str, Option<&'static str>) {
    match error {
        Error::InvalidArgument { field, .. } => (Code::InvalidArgument, "INVALID_ARGUMENT", Some(field)),
        Error::LimitExceeded { field, .. } => (Code::InvalidArgument, "LIMIT_EXCEEDED", Some(field)),
        Error::QuotaExceeded { .. } => (Code::ResourceExhausted, "QUOTA_EXCEEDED", None),
        Error::BudgetInfeasible { .. } => (Code::FailedPrecondition, "BUDGET_INFEASIBLE", Some("budget.max_tokens")),
        Error::NotFound { .. } => (Code::NotFound, "NOT_FOUND", None),
        Error::AlreadyExists { .. } => (Code::AlreadyExists, "ALREADY_EXISTS", None),
        Error::FingerprintMismatch { .. } => (Code::FailedPrecondition, "FINGERPRINT_MISMATCH", None),
        Error::UnusableDocument { .. } => (Code::InvalidArgument, "UNUSABLE_DOCUMENT", Some("document.text")),
        Error::PermissionDenied { .. } => (Code::PermissionDenied, "PERMISSION_DENIED", None),
        Error::StoreLocked { .. } => (Code::Unavailable, "STORE_LOCKED", None),
        Error::StoreVersion { .. } => (Code::FailedPrecondition, "STORE_VERSION", None),
        Error::Unavailable { .. } => (Code::Unavailable, "UNAVAILABLE", None),
        Error::Store { .. } => (Code::Internal, "STORE", None),
        Error::Model { .. } => (Code::FailedPrecondition, "MODEL", None),
        Error::Encoder(_) => (Code::Internal, "ENCODER", None),
        Error::Reader(_) => (Code::Internal, "READER", None),
        Error::Summarizer(_) => (Code::Unavailable, "SUMMARIZER", None),
        Error::Io { .. } => (Code::Internal, "IO", None),
        Error::Cancelled => (Code::Cancelled, "CANCELLED", None),
        Error::DeadlineExceeded { .. } => (Code::DeadlineExceeded, "DEADLINE_EXCEEDED", None),
        _ => (Code::Unknown, "UNKNOWN", None),
    }
}

/// The reason a program can read.
pub(crate) fn reason(error: &Error) -> &'static str {
    classify(error).1
}

/// The status of an error.
pub(crate) fn refused(error: Error) -> Refused {
    let (code, reason, field) = classify(&error);
    let message = error.to_string();
    if matches!(code, Code::Internal | Code::Unknown) {
        tracing::error!(reason, "{message}");
    }
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, numbers(&error));
    if let Some(field) = field {
        details.add_bad_request_violation(field, &message);
    }
    // Documents and bytes are not fewer in a moment.
    let passes = matches!(error, Error::QuotaExceeded { quota: "requests_per_s" | "calls" | "streams", .. });
    if code == Code::Unavailable || passes {
        details.set_retry_info(Some(RETRY));
    }
    Box::new(Status::with_error_details(code, message, details))
}

/// Limits and counts of an error, for programs.
fn numbers(error: &Error) -> HashMap<String, String> {
    let pairs: &[(&str, u64)] = match error {
        Error::LimitExceeded { limit, actual, .. } | Error::QuotaExceeded { limit, actual, .. } => {
            &[("limit", *limit), ("actual", *actual)]
        }
        Error::BudgetInfeasible { max_tokens, minimum } => {
            &[("max_tokens", u64::from(*max_tokens)), ("minimum", u64::from(*minimum))]
        }
        _ => &[],
    };
    pairs.iter().map(|(k, v)| ((*k).to_owned(), v.to_string())).collect()
}

/// The status of a request for which there is no room.
pub(crate) fn no_room() -> Refused {
    let message = "the requests that are under way take all the memory that they may (message_memory_mib)";
    busy("MEMORY_FULL", message, RETRY)
}

/// The status of what may succeed later, with when that is.
fn busy(reason: &'static str, message: &str, again: Duration) -> Refused {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, []);
    details.set_retry_info(Some(again.clamp(RETRY, LATEST)));
    Box::new(Status::with_error_details(Code::ResourceExhausted, message, details))
}

/// The status of work that was not done.
pub(crate) fn not_done(reason: &NotDone) -> Refused {
    match reason {
        NotDone::Full(again) => {
            let message = "too much waits here: try again in a while, or with less to do";
            busy("QUEUE_FULL", message, *again)
        }
        NotDone::TooLate(wait) => {
            let message = format!("it would wait {} ms before it begins, longer than it may take", wait.as_millis());
            busy("TOO_LATE", &message, *wait)
        }
        NotDone::Panicked => {
            let details = ErrorDetails::with_error_info("INTERNAL", DOMAIN, []);
            let message = "an internal error; the server's log has it";
            Box::new(Status::with_error_details(Code::Internal, message, details))
        }
    }
}

/// The status of a call that is not let in.
pub(crate) fn unauthenticated(refusal: Refusal) -> Refused {
    let message = refusal.to_string();
    let mut details = ErrorDetails::with_error_info(refusal.reason(), DOMAIN, []);
    let code = match refusal {
        Refusal::Missing | Refusal::Malformed | Refusal::Invalid(_) => Code::Unauthenticated,
        Refusal::OtherTenant => Code::PermissionDenied,
        Refusal::Tenant => {
            details.add_bad_request_violation("tenant", &message);
            Code::InvalidArgument
        }
    };
    Box::new(Status::with_error_details(code, message, details))
}

/// The status of a stream that ends because the server stops.
pub(crate) fn stopping() -> Status {
    let mut details = ErrorDetails::with_error_info("STOPPING", DOMAIN, []);
    details.set_retry_info(Some(RETRY));
    Status::with_error_details(Code::Unavailable, "the server is stopping; send the rest again", details)
}
