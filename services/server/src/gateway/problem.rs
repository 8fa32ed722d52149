//! Failures over HTTP: the same code, message, reason and details that gRPC has.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::gate::code_name;

/// A failure; boxed, because it is large and rare.
#[derive(Debug)]
pub(super) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    http: StatusCode,
    code: &'static str,
    message: String,
    reason: Option<String>,
    numbers: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    retry: Option<Duration>,
}

impl Problem {
    fn new(http: StatusCode, code: Code, message: impl Into<String>) -> Self {
        let (numbers, fields) = (Vec::new(), Vec::new());
        let (code, message) = (code_name(code), message.into());
        Self(Box::new(Parts { http, code, message, reason: None, numbers, fields, retry: None }))
    }

    pub(super) fn not_found(message: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::Unimplemented, message)
    }

    pub(super) fn unsupported(message: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message)
    }

    pub(super) fn invalid(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, message)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the request is longer than {limit} bytes, or was cut off");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::OutOfRange, message)
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, "the request arrives too slowly")
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "an internal error; the server's log has it")
    }

    pub(super) fn json(&self) -> Value {
        let pairs = |of: &[(String, String)]| of.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
        let mut error = json!({"code": self.0.code, "message": self.0.message});
        if let Some(reason) = &self.0.reason {
            error["reason"] = reason.as_str().into();
        }
        if !self.0.numbers.is_empty() {
            error["metadata"] = Value::Object(pairs(&self.0.numbers));
        }
        if !self.0.fields.is_empty() {
            let violation = |(field, said): &(String, String)| json!({"field": field, "description": said});
            error["violations"] = self.0.fields.iter().map(violation).collect();
        }
        if let Some(retry) = self.0.retry {
            error["retry_after_ms"] = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX).into();
        }
        json!({"error": error})
    }
}

impl From<&Status> for Problem {
    fn from(status: &Status) -> Self {
        let mut problem = Self::new(http_status(status.code()), status.code(), status.message());
        let details = status.get_error_details();
        if let Some(info) = details.error_info() {
            problem.0.reason = Some(info.reason.clone());
            problem.0.numbers = info.metadata.clone().into_iter().collect();
            problem.0.numbers.sort();
        }
        if let Some(bad) = details.bad_request() {
            problem.0.fields = bad.field_violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect();
        }
        problem.0.retry = details.retry_info().and_then(|info| info.retry_delay);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.http, [(CONTENT_TYPE, "application/json")], self.json().to_string()).into_response();
        if self.0.http == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(retry) = self.0.retry {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry.as_secs().max(1)));
        }
        response
    }
}

/// As `google.rpc.Code` has them.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // The caller is gone; nobody reads it.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
