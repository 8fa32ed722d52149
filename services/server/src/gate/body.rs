//! Bodies that are looked after on their way.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tracing::Span;

use super::watch::Watch;

/// A response, whose trailers say how the call ended.
pub(super) struct Watched {
    body: Body,
    watch: Watch,
    span: Span,
}

impl Watched {
    pub(super) fn new(body: Body, watch: Watch, span: Span) -> Self {
        Self { body, watch, span }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let _entered = this.span.enter();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                    this.watch.end(&status);
                }
            }
            Poll::Ready(Some(Err(e))) => this.watch.end(&Status::unknown(e.to_string())),
            Poll::Ready(None) => this.watch.end(&Status::ok("")),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What an error of a body says; wherever in its causes there is a status, it is that.
pub(super) fn status_of(e: axum::Error) -> Status {
    Status::from_error(Box::new(e))
}

/// A request that has to arrive within a time.
pub(super) struct Hurried {
    body: Body,
    until: Pin<Box<Sleep>>,
}

impl Hurried {
    pub(super) fn new(body: Body, within: Duration) -> Self {
        Self { body, until: Box::pin(sleep(within)) }
    }
}

impl http_body::Body for Hurried {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending if self.until.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Some(Err(Status::deadline_exceeded("the request arrives too slowly"))))
            }
            polled => polled.map_err(status_of),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
