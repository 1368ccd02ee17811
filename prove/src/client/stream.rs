//! Streams that a client stays on: server-sent events, and `WebSockets`. One that the server ends before the client has left
//! is lost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use testkit::http::Head;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Failure, Socket};
use crate::record::Kind;

/// How long a client waits for the answer to its goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

fn closed(before: &str) -> Failure {
    Failure::new(Kind::Closed, format!("closed {before}"))
}

impl Failure {
    fn of_web_socket(error: &Error) -> Self {
        match error {
            Error::Io(error) => Self::of(error, "on the WebSocket"),
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(
                ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
            ) => closed("without a word, before the client left"),
            Error::Http(answer) => {
                let status = answer.status().as_u16();
                Self::new(Kind::Status(status), format!("answered with {status}"))
            }
            error => Self::new(Kind::Other, format!("on the WebSocket: {error}")),
        }
    }
}

impl Socket {
    /// Asks for server-sent events and stays until `until`, where no more than `silence` passes without one.
    ///
    /// # Errors
    /// Where the stream does not come about, falls silent or is ended by the server.
    pub async fn events(
        &mut self,
        request: &[u8],
        until: Instant,
        silence: Duration,
    ) -> Result<(), Failure> {
        let opened = Instant::now() + silence;
        timeout_at(opened, self.stream.write_all(request))
            .await
            .map_err(|_| Failure::late("sending"))?
            .map_err(|error| Failure::of(&error, "sending"))?;
        let mut bytes = Vec::new();
        let head = loop {
            if let Some((head, _)) = Head::read(&bytes)? {
                break head;
            }
            if self
                .more(&mut bytes, opened, "waiting for the stream")
                .await?
                == 0
            {
                return Err(closed("without an answer"));
            }
        };
        self.pod = head.header("pod").map(Arc::from);
        let status = head.status()?;
        if status != 200 {
            let detail = format!("answered with {status}");
            return Err(Failure::new(Kind::Status(status), detail));
        }
        while Instant::now() < until {
            bytes.clear();
            let next = until.min(Instant::now() + silence);
            match self.more(&mut bytes, next, "waiting for an event").await {
                Ok(0) => return Err(closed("before the client left")),
                Ok(_) => {}
                Err(failure) if failure.kind == Kind::Timeout && next == until => break,
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// The same on a WebSocket at this URL. Tells the pod beside what became of it.
    pub async fn web_socket(
        self,
        url: &str,
        until: Instant,
        silence: Duration,
    ) -> (Result<(), Failure>, Option<Arc<str>>) {
        let opened = Instant::now() + silence;
        let (mut socket, answer) = match timeout_at(opened, client_async(url, self.stream)).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return (Err(Failure::of_web_socket(&error)), None),
            Err(_) => return (Err(Failure::late("waiting for the WebSocket")), None),
        };
        let pod = answer.headers().get("pod");
        let pod = pod.and_then(|pod| pod.to_str().ok()).map(Arc::from);
        while Instant::now() < until {
            let next = until.min(Instant::now() + silence);
            let failure = match timeout_at(next, socket.next()).await {
                Ok(Some(Ok(Message::Close(_))) | None) => closed("before the client left"),
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(error))) => Failure::of_web_socket(&error),
                Err(_) if next == until => break,
                Err(_) => Failure::late("waiting for a message"),
            };
            return (Err(failure), pod);
        }
        // Whether the server answers it is nothing to the client, who leaves.
        drop(timeout_at(Instant::now() + GOODBYE, socket.close(None)).await);
        (Ok(()), pod)
    }
}
