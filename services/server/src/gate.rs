//! The one door to the services: who calls is settled before anything of the call is read, and how it ended is counted,
//! whatever ended it.

mod audit;
mod body;
mod metered;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use tonic::{Code, Status};
use tracing::{Instrument, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use audit::Audit;
use body::{Hurried, Watched};
use metered::Metered;
use watch::Watch;

use crate::app::App;
use crate::contract;
use crate::identity::{Caller, Identity, Role};
use crate::memory::{Held, Memory};
use crate::status;
use crate::telemetry::Metrics;
use crate::transport::Peer;

/// Metadata key of a call's own id, in and out.
const REQUEST_ID: &str = "x-request-id";
/// Longest id that is taken from a caller.
const MAX_REQUEST_ID: usize = 64;
/// How long the one message of a call may take to arrive. Streams may take as long as they like.
pub(crate) const RECEIVED_WITHIN: Duration = Duration::from_secs(60);

/// What is known of a call while it runs.
pub(crate) struct Record {
    pub(crate) caller: Caller,
    asked: Mutex<Asked>,
    /// What its messages take.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Asked {
    role: Option<Role>,
    collections: Vec<String>,
}

impl Record {
    /// Its messages take so much more.
    pub(crate) fn hold(&self, more: Held) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).and(more);
    }

    /// What the messages take that came so far, to be held for as long as they are needed.
    pub(crate) fn take_held(&self) -> Held {
        std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The call needs this role.
    pub(crate) fn needs(&self, role: Role) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).role = Some(role);
    }

    /// The call is about this collection.
    pub(crate) fn is_about(&self, collection: &str) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).collections.push(collection.to_owned());
    }
}

/// Lets calls in; cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    identity: Arc<Identity>,
    metrics: Metrics,
    audit: Arc<Audit>,
    memory: Memory,
    longest: usize,
}

impl Gate {
    pub(crate) fn new(app: &App) -> Self {
        let (identity, metrics, memory) = (app.identity.clone(), app.metrics.clone(), app.memory.clone());
        Self { identity, metrics, audit: Arc::default(), memory, longest: app.max_message_bytes }
    }
}

/// Passes a call on to its service, if it may pass.
pub(crate) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    // Health and reflection tell nothing that is not public.
    let Some(method) = contract::method(request.uri().path()) else { return next.run(request).await };
    let id = request_id(request.headers());
    let span = info_span!(
        "call",
        otel.name = method.name,
        otel.kind = "server",
        request_id = %id.to_str().unwrap_or_default(),
        tenant = field::Empty,
    );
    // Without a collector nobody asks for the parent.
    let _ = span.set_parent(global::get_text_map_propagator(|p| p.extract(&Headers(request.headers()))));
    let peer = request.extensions().get::<Peer>().and_then(|peer| peer.address);
    let mut watch = Watch::begin(&method.name, gate.metrics, gate.audit, id.clone(), peer);
    let caller = match gate.identity.authenticate(request.headers()) {
        Ok(caller) => caller,
        Err(refusal) => {
            let status = *status::unauthenticated(refusal);
            span.in_scope(|| watch.end(&status));
            return with_id(status.into_http(), id);
        }
    };
    span.record("tenant", caller.tenant.as_str());
    let record = Arc::new(Record { caller, asked: Mutex::default(), held: Mutex::default() });
    watch.of(record.clone());
    request.extensions_mut().insert(record.clone());
    let metered = |body| Metered::new(body, gate.memory.clone(), record, gate.longest);
    let mut request = request.map(|body| Body::new(metered(body)));
    if method.takes_one() {
        request = request.map(|body| Body::new(Hurried::new(body, RECEIVED_WITHIN)));
    }
    let response = next.run(request).instrument(span.clone()).await;
    let response = match Status::from_header_map(response.headers()) {
        // All there is stands in the headers.
        Some(status) => {
            span.in_scope(|| watch.end(&status));
            response
        }
        None => response.map(|body| Body::new(Watched::new(body, watch, span))),
    };
    with_id(response, id)
}

fn with_id(mut response: Response, id: HeaderValue) -> Response {
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller's own id for the call, if it can be one, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_id = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    let new = || {
        let mut bytes = [0; 8];
        // Without randomness calls can't be told apart in the log, and that is all.
        let _ = getrandom::fill(&mut bytes);
        HeaderValue::from_str(&format!("{:016x}", u64::from_ne_bytes(bytes)))
    };
    headers.get(REQUEST_ID).filter(is_id).cloned().or_else(|| new().ok()).unwrap_or(HeaderValue::from_static("-"))
}

/// A code as it stands in metrics and logs.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
