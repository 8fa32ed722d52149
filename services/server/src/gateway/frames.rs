//! gRPC's frames: a byte that says whether what follows is compressed, its length in four bytes, the message.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::StatusCode;
use http_body::Body as _;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::problem::Problem;
use crate::memory::{Held, Memory, NoRoom};
use crate::status;

const HEAD: usize = 5;
/// Messages that wait for the service.
const WAITING: usize = 4;

/// A message's JSON form as a frame, or what is wrong with it.
pub(super) fn frame(kind: MessageDescriptor, json: &[u8]) -> Result<Bytes, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(kind, &mut deserializer).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    let length = message.encoded_len();
    let mut out = BytesMut::with_capacity(HEAD + length);
    out.put_u8(0);
    out.put_u32(u32::try_from(length).map_err(|_| "is longer than 4 GiB".to_owned())?);
    message.encode(&mut out).map_err(|e| e.to_string())?;
    Ok(out.freeze())
}

/// A body of lines, one message each, as a body of frames. A line may be so long.
pub(super) fn from_lines(kind: MessageDescriptor, body: Body, limit: usize, memory: Memory) -> Body {
    let (say, frames) = mpsc::channel::<Result<Bytes, Status>>(WAITING);
    tokio::spawn(async move {
        let (mut pieces, mut rest, mut number) = (body.into_data_stream(), BytesMut::new(), 0u64);
        let mut held = Held::default();
        loop {
            let piece = match pieces.next().await {
                Some(Ok(piece)) => piece,
                // What was cut off is not taken for the end.
                Some(Err(e)) => return drop(say.send(Err(Status::cancelled(e.to_string()))).await),
                None => break,
            };
            match memory.clone().wait_for(piece.len()).await {
                Ok(more) => held.and(more),
                Err(NoRoom) => return drop(say.send(Err(*status::no_room())).await),
            }
            let mut from = rest.len();
            rest.extend_from_slice(&piece);
            while let Some(end) = rest[from..].iter().position(|b| *b == b'\n') {
                let line = rest.split_to(from + end + 1);
                from = 0;
                number += 1;
                if !hand_over(&say, &kind, line.freeze(), number).await {
                    return;
                }
            }
            if rest.is_empty() {
                held = Held::default();
            }
            if rest.len() > limit {
                let said = format!("line {} is longer than {limit} bytes", number + 1);
                return drop(say.send(Err(Status::invalid_argument(said))).await);
            }
        }
        hand_over(&say, &kind, rest.freeze(), number + 1).await;
    });
    Body::from_stream(ReceiverStream::new(frames))
}

/// Whether more is wanted.
async fn hand_over(
    say: &mpsc::Sender<Result<Bytes, Status>>,
    kind: &MessageDescriptor,
    line: Bytes,
    number: u64,
) -> bool {
    if line.trim_ascii().is_empty() {
        return true;
    }
    let kind = kind.clone();
    let framed = tokio::task::spawn_blocking(move || frame(kind, &line)).await;
    let framed = framed.unwrap_or_else(|_| Err("can't be read".into()));
    let wrong = framed.is_err();
    let framed = framed.map_err(|e| Status::invalid_argument(format!("line {number}: {e}")));
    say.send(framed).await.is_ok() && !wrong
}

/// The messages of a response, and at its end what went wrong, if anything did.
pub(super) struct Frames {
    body: Body,
    waiting: BytesMut,
    /// What the headers said already.
    said: Option<Problem>,
    ended: bool,
}

impl Frames {
    pub(super) fn of(response: Response) -> Self {
        let status = Status::from_header_map(response.headers());
        let said = match status {
            Some(status) if status.code() != tonic::Code::Ok => Some(Problem::from(&status)),
            None if response.status() != StatusCode::OK => Some(Problem::internal()),
            _ => None,
        };
        Self { ended: false, said, body: response.into_body(), waiting: BytesMut::new() }
    }

    fn whole(&mut self) -> Option<Bytes> {
        let length = self.waiting.get(1..HEAD)?.get_u32() as usize;
        if self.waiting.len() < HEAD + length {
            return None;
        }
        self.waiting.advance(HEAD);
        Some(self.waiting.split_to(length).freeze())
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, Problem>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(problem) = this.said.take() {
            this.ended = true;
            return Poll::Ready(Some(Err(problem)));
        }
        loop {
            if let Some(message) = this.whole() {
                return Poll::Ready(Some(Ok(message)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.waiting.extend_from_slice(&data),
                    Err(frame) => {
                        let status = frame.trailers_ref().and_then(Status::from_header_map);
                        if let Some(status) = status.filter(|s| s.code() != tonic::Code::Ok) {
                            this.ended = true;
                            return Poll::Ready(Some(Err(Problem::from(&status))));
                        }
                    }
                },
                Some(Err(_)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(Problem::internal())));
                }
                None => this.ended = true,
            }
        }
    }
}
