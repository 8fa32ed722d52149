//! HTTP with JSON, and gRPC-Web, on the same contract.
//!
//! `POST /v1/compress` takes the JSON form of `CompressRequest` (proto3's own mapping) and gives that of the response. Every
//! method is there, under its name in lower case with hyphens; nothing is written by hand for any of them. A method that
//! takes many messages takes them as lines, one JSON object each; one that gives many gives server-sent events. What comes
//! in is put into the frames of gRPC and goes through the same gate to the same service.

mod frames;
mod openapi;
mod problem;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb};
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use tokio_stream::StreamExt;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::{Layer, ServiceExt};
use tower_http::cors::{AllowOrigin, CorsLayer};

use frames::Frames;
use problem::Problem;

use crate::app::App;
use crate::contract::{self, Method};
use crate::gate::{self, Gate, RECEIVED_WITHIN};
use crate::identity::{Identity, TENANT};
use crate::memory::{Held, Memory};
use crate::status;

/// How long a call may take, in milliseconds: gRPC's own header would be obeyed by the transport, which knows no JSON.
const TIMEOUT_MS: &str = "x-tamis-timeout-ms";
/// How long a browser may keep what it was told of origins.
const PREFLIGHT: Duration = Duration::from_secs(3600);
/// Bodies longer than this are parsed on a thread that may take its time.
const SMALL: usize = 64 * 1024;

/// Methods by the name that they have in a path.
static BY_NAME: LazyLock<HashMap<String, &'static Method>> =
    LazyLock::new(|| contract::methods().iter().map(|method| (hyphenated(&method.name), method)).collect());

/// `GetCollectionStats` as `get-collection-stats`.
fn hyphenated(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[derive(Clone)]
struct Gateway {
    identity: Arc<Identity>,
    services: Router,
    max_message_bytes: usize,
    memory: Memory,
}

/// Everything that a server answers: gRPC, gRPC-Web, JSON.
pub(crate) fn routes(app: &App, services: Router) -> Routes {
    let gate = Gate::new(app);
    let services = services.layer(axum::middleware::from_fn_with_state(gate, gate::pass));
    let gateway = Gateway {
        identity: app.identity.clone(),
        services: services.clone(),
        max_message_bytes: app.max_message_bytes,
        memory: app.memory.clone(),
    };
    let described = openapi::document().to_string();
    let json = Router::new()
        .route("/v1/openapi.json", get(|| async { ([(CONTENT_TYPE, "application/json")], described) }))
        .route("/v1/{method}", post(call))
        .with_state(gateway);
    Routes::from(json.fallback_service(GrpcWebLayer::new().layer(services)).layer(cors(&app.limits.origins)))
}

/// The contract as an OpenAPI document.
#[must_use]
pub fn openapi() -> serde_json::Value {
    openapi::document()
}

/// What pages of these origins may do.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = match origins {
        [all] if all == "*" => AllowOrigin::any(),
        some => AllowOrigin::list(some.iter().filter_map(|o| HeaderValue::from_str(o).ok())),
    };
    let ours = [
        CONTENT_TYPE,
        AUTHORIZATION,
        HeaderName::from_static(TENANT),
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("x-grpc-web"),
        HeaderName::from_static("x-user-agent"),
        HeaderName::from_static("grpc-timeout"),
        HeaderName::from_static(TIMEOUT_MS),
    ];
    let shown = ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"];
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Verb::POST, Verb::GET])
        .allow_headers(ours)
        .expose_headers(shown.map(HeaderName::from_static))
        .max_age(PREFLIGHT)
}

async fn call(State(gateway): State<Gateway>, Path(name): Path<String>, request: Request) -> Response {
    answer(gateway, &name, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(gateway: Gateway, name: &str, request: Request) -> Result<Response, Problem> {
    let method = *BY_NAME
        .get(name)
        .ok_or_else(|| Problem::not_found(format!("there is no method {name:?}; see /v1/openapi.json")))?;
    let is_json = |value: &HeaderValue| {
        let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        ["application/json", "application/x-ndjson", "application/jsonl"].contains(&kind)
    };
    if !request.headers().get(CONTENT_TYPE).is_some_and(is_json) {
        return Err(Problem::unsupported("send content-type: application/json"));
    }
    // Nothing is read of a call that the gate will not let in; it is the gate that says so, and counts it.
    let is_known = gateway.identity.authenticate(request.headers()).is_ok();
    let (head, body) = request.into_parts();
    let body = match (is_known, method.takes_one()) {
        (false, _) => Body::empty(),
        (true, true) => {
            let (message, _held) = received(body, gateway.max_message_bytes, &gateway.memory).await?;
            Body::from(framed(method.descriptor.input(), message).await?)
        }
        (true, false) => {
            frames::from_lines(method.descriptor.input(), body, gateway.max_message_bytes, gateway.memory.clone())
        }
    };
    let mut inner = Request::new(body);
    *inner.method_mut() = Verb::POST;
    *inner.version_mut() = http::Version::HTTP_2;
    *inner.uri_mut() = method.path.parse().map_err(|_| Problem::internal())?;
    *inner.extensions_mut() = head.extensions;
    for (name, value) in &head.headers {
        // What says how the body is packed was true of the other body.
        if !name.as_str().starts_with("content-") && name != "transfer-encoding" && name != "accept-encoding" {
            inner.headers_mut().append(name.clone(), value.clone());
        }
    }
    if let Some(limit) = time_limit(&head.headers)? {
        inner.headers_mut().insert("grpc-timeout", limit);
    }
    inner.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    inner.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let response = match gateway.services.oneshot(inner).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let id = response.headers().get("x-request-id").cloned();
    let frames = Frames::of(response);
    let mut answer = if method.descriptor.is_server_streaming() && is_known {
        events(frames, method.descriptor.output())
    } else {
        one(frames, method.descriptor.output()).await?
    };
    if let Some(id) = id {
        answer.headers_mut().insert("x-request-id", id);
    }
    Ok(answer)
}

/// The caller's time limit, as gRPC writes it.
fn time_limit(headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
    let Some(value) = headers.get(TIMEOUT_MS) else { return Ok(None) };
    let whole = value.to_str().ok().filter(|v| (1..=8).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_digit()));
    let whole = whole.ok_or_else(|| Problem::invalid(format!("{TIMEOUT_MS}: is no number of milliseconds")))?;
    HeaderValue::from_str(&format!("{whole}m")).map(Some).map_err(|_| Problem::internal())
}

/// All of a body, with what it takes.
async fn received(body: Body, limit: usize, memory: &Memory) -> Result<(Bytes, Held), Problem> {
    let (mut all, mut held) = (BytesMut::new(), Held::default());
    let mut pieces = body.into_data_stream();
    let reading = async {
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Problem::too_large(limit))?;
            if all.len() + piece.len() > limit {
                return Err(Problem::too_large(limit));
            }
            held.and(memory.take(piece.len()).map_err(|_| Problem::from(&*status::no_room()))?);
            all.extend_from_slice(&piece);
        }
        Ok(())
    };
    tokio::time::timeout(RECEIVED_WITHIN, reading).await.map_err(|_| Problem::too_slow())??;
    Ok((all.freeze(), held))
}

/// The one message of a call in its frame; nothing at all stands for a message without fields.
async fn framed(kind: MessageDescriptor, json: Bytes) -> Result<Bytes, Problem> {
    let is_small = json.len() <= SMALL;
    let parse = move || frames::frame(kind, if json.is_empty() { b"{}" } else { &json });
    let framed = if is_small { Ok(parse()) } else { tokio::task::spawn_blocking(parse).await };
    framed.map_err(|_| Problem::internal())?.map_err(Problem::invalid)
}

async fn one(mut frames: Frames, kind: MessageDescriptor) -> Result<Response, Problem> {
    let message = frames.next().await.transpose()?;
    // The trailers come after it, and have the last word.
    if let Some(Err(problem)) = frames.next().await {
        return Err(problem);
    }
    let message = message.ok_or_else(Problem::internal)?;
    let text = tokio::task::spawn_blocking(move || json(kind, &message)).await.map_err(|_| Problem::internal())??;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

fn events(frames: Frames, kind: MessageDescriptor) -> Response {
    let event = move |frame: Result<Bytes, Problem>| {
        let told = frame.and_then(|message| json(kind.clone(), &message));
        Ok::<_, Infallible>(match told {
            Ok(text) => Event::default().event("message").data(text),
            Err(problem) => Event::default().event("error").data(problem.json().to_string()),
        })
    };
    let end = tokio_stream::once(Ok(Event::default().event("end").data("{}")));
    Sse::new(frames.map(event).chain(end)).into_response()
}

/// A message in its JSON form, with the names of the contract, and with fields that have their default value.
fn json(kind: MessageDescriptor, message: &[u8]) -> Result<String, Problem> {
    let message = DynamicMessage::decode(kind, message).map_err(|_| Problem::internal())?;
    let mut out = Vec::new();
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    let mut serializer = serde_json::Serializer::new(&mut out);
    message.serialize_with_options(&mut serializer, &options).map_err(|_| Problem::internal())?;
    String::from_utf8(out).map_err(|_| Problem::internal())
}
