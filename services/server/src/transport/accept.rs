//! From a listener to connections that have begun to speak.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::Transport;
use crate::work::Counted;

/// Bytes that a client sends before it can want anything: HTTP/2's preface. No request of HTTP/1 is shorter than
/// `GET / HTTP/1.1` with a host.
const FIRST_BYTES: usize = 24;
/// After an error that is not one connection's, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that wait to be served.
const WAITING: usize = 64;

/// Connections, as they come. Those whose handshake fails are dropped without a word to the others.
pub(crate) fn accept(
    listener: TcpListener,
    transport: Transport,
    open: Gauge,
) -> impl Stream<Item = io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let slots = Arc::new(Semaphore::new(transport.max_connections));
        loop {
            let slot = tokio::select! {
                slot = slots.clone().acquire_owned() => slot,
                () = ready.closed() => return,
            };
            let Ok(slot) = slot else { return };
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(e) => {
                        tracing::warn!("accepting: {e}");
                        sleep(PAUSE).await;
                        continue;
                    }
                },
                // Nobody serves any more; the address is free again.
                () = ready.closed() => return,
            };
            let (ready, transport, place) =
                (ready.clone(), transport.clone(), Place { _slot: slot, _counted: Counted::in_(&open) });
            tokio::spawn(async move {
                match begin(stream, &transport, place).await {
                    Ok(connection) => _ = ready.send(Ok(connection)).await,
                    Err(e) => tracing::debug!("handshake: {e}"),
                }
            });
        }
    });
    ReceiverStream::new(connections)
}

async fn begin(stream: TcpStream, transport: &Transport, place: Place) -> io::Result<Connection> {
    // Small answers should not wait for more to come.
    let _ = stream.set_nodelay(true);
    let peer = Peer { address: stream.peer_addr().ok() };
    let io = match &transport.tls {
        None => Io::Plain(stream),
        Some(tls) => {
            let accepted = timeout(transport.patience, tls.current().0.accept(stream)).await;
            Io::Tls(Box::new(accepted.map_err(|_| io::ErrorKind::TimedOut)??))
        }
    };
    let silence = Some(Silence { heard: 0, until: Box::pin(sleep(transport.patience)) });
    Ok(Connection { io, peer, silence, _place: place })
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: Option<SocketAddr>,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

struct Silence {
    heard: usize,
    until: Pin<Box<Sleep>>,
}

/// A connection that holds one of the places that there are.
pub(crate) struct Connection {
    io: Io,
    peer: Peer,
    /// Until it has said enough.
    silence: Option<Silence>,
    _place: Place,
}

/// One of the places that there are.
struct Place {
    _slot: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_read(cx, buf),
        };
        if let Some(silence) = &mut this.silence {
            silence.heard += buf.filled().len() - before;
            if silence.heard >= FIRST_BYTES {
                this.silence = None;
            } else if polled.is_pending() && silence.until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Io::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Io::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_flush(cx),
            Io::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Io::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
