//! A server inside the caller's own process: the same services over an in-memory channel.

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::app::App;
use crate::serve::{ServeError, serve_incoming};

/// Bytes that may be under way in each direction.
const PIPE_BYTES: usize = 1024 * 1024;

/// A running in-process server.
pub struct Local {
    channel: Channel,
    stop: CancellationToken,
    server: JoinHandle<Result<(), ServeError>>,
}

impl Local {
    /// Starts serving.
    #[must_use]
    pub fn start(app: App) -> Self {
        let (connect, connections) = mpsc::unbounded_channel::<DuplexStream>();
        let stop = CancellationToken::new();
        let incoming = UnboundedReceiverStream::new(connections).map(Ok::<_, std::io::Error>);
        let server = tokio::spawn(serve_incoming(app, incoming, stop.clone().cancelled_owned()));
        let connector = service_fn(move |_: Uri| {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            let sent = connect.send(theirs);
            async move {
                sent.map_err(|_| std::io::Error::other("the in-process server has stopped"))?;
                Ok::<_, std::io::Error>(TokioIo::new(ours))
            }
        });
        let channel = Endpoint::from_static("http://in-process").connect_with_connector_lazy(connector);
        Self { channel, stop, server }
    }

    /// A channel to it.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Stops it, finishing what it took.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn stop(self) -> Result<(), ServeError> {
        self.stop.cancel();
        drop(self.channel);
        match self.server.await {
            Ok(result) => result,
            Err(_) => Ok(()), // cancelled with the runtime
        }
    }
}
