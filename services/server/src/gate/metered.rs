//! A request's body, of which no message is read before there is room for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;

use super::Record;
use super::body::status_of;
use crate::memory::{Held, Memory, NoRoom};
use crate::status;

/// gRPC's: whether a message is compressed, and its length in four bytes.
const HEAD: usize = 5;

type Taking = Pin<Box<dyn Future<Output = Result<Held, NoRoom>> + Send>>;

/// Counts messages by their heads; what they take is held with the call, until it ends or says that it is done with them.
pub(super) struct Metered {
    body: Body,
    memory: Memory,
    record: Arc<Record>,
    /// Longer ones are refused by the service, from their head.
    longest: usize,
    head: [u8; HEAD],
    /// Bytes of the head that are there.
    known: usize,
    /// Bytes of the message that are still to come.
    rest: usize,
    /// What came, while it waits for room.
    came: Option<Bytes>,
    taking: Option<Taking>,
}

impl Metered {
    pub(super) fn new(body: Body, memory: Memory, record: Arc<Record>, longest: usize) -> Self {
        let (head, known, rest) = ([0; HEAD], 0, 0);
        Self { body, memory, record, longest, head, known, rest, came: None, taking: None }
    }

    /// Goes over what came; the length of the messages that begin in it.
    fn begin(&mut self, mut data: &[u8]) -> usize {
        let mut begun = 0;
        while !data.is_empty() {
            if self.rest > 0 {
                let passed = self.rest.min(data.len());
                self.rest -= passed;
                data = &data[passed..];
                continue;
            }
            self.head[self.known] = data[0];
            self.known += 1;
            data = &data[1..];
            if self.known == HEAD {
                let [_, a, b, c, d] = self.head;
                self.known = 0;
                self.rest = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.rest <= self.longest {
                    begun += self.rest;
                }
            }
        }
        begun
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            if let Some(taking) = &mut this.taking {
                let taken = ready!(taking.as_mut().poll(cx));
                this.taking = None;
                match taken {
                    Ok(held) => this.record.hold(held),
                    Err(NoRoom) => return Poll::Ready(Some(Err(*status::no_room()))),
                }
            }
            if let Some(data) = this.came.take() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(e)) => return Poll::Ready(Some(Err(status_of(e)))),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => {
                    let begun = this.begin(&data);
                    this.came = Some(data);
                    if begun > 0 {
                        this.taking = Some(Box::pin(this.memory.clone().wait_for(begun)));
                    }
                }
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.came.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
