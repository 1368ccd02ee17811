//! One connection, from the handshake to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use futures::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Overdue, Watched};
use super::exchange::answer;
use super::limits::Limits;
use super::shares::Peer;
use crate::observe::Metrics;

/// How long a connection that never asked anything may still do so after the port has closed. It
/// came through the port, so its client may be about to.
const LAST_CALL: Duration = Duration::from_secs(2);
/// How long a client's own end of a connection is waited for, and how much it may send meanwhile:
/// closed with bytes unread, a socket resets the connection, and the client may lose its answer.
const FAREWELL: Duration = Duration::from_secs(2);
const FAREWELL_BYTES: u64 = 16 * 1024 * 1024;

/// How far the listener is with stopping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    /// Nothing has asked it to stop.
    #[default]
    Serving,
    /// It serves on and asks clients to go elsewhere.
    Draining,
    /// The port is closed. Connections end with the answer under way.
    Closing,
}

/// What all connections of a listener have to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) phase: Phase,
    /// Since when.
    pub(super) since: Instant,
}

/// What the connections of a listener share.
pub(super) struct Shared {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) app: Router,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) situation: watch::Receiver<Situation>,
}

/// Serves one accepted connection until it ends.
pub(super) async fn serve(shared: Arc<Shared>, activity: Activity, tcp: TcpStream) {
    // Answers are small and written at once: waiting to fill a segment only adds latency.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    // One that has gone already will not ask.
    let peer = tcp.peer_addr().map(|addr| Peer::new(addr.ip()));
    let peer = peer.unwrap_or_default();
    let Some(tls) = shared.tls.clone() else {
        return http(&shared, activity, peer, tcp).await;
    };
    let handshake = timeout(shared.limits.handshake, TlsAcceptor::from(tls).accept(tcp));
    let handshake = tokio::select! {
        handshake = handshake => handshake,
        () = last_call(shared.situation.clone()) => return,
        () = activity.evicted() => return,
    };
    match handshake {
        Ok(Ok(stream)) => http(&shared, activity, peer, stream).await,
        Ok(Err(error)) => {
            shared.metrics.refused("handshake-failed");
            tracing::debug!(%error, "a TLS handshake failed");
        }
        Err(_) => {
            shared.metrics.refused("handshake-timeout");
            tracing::debug!("a TLS handshake took too long");
        }
    }
}

/// Ends a while after the port has closed.
async fn last_call(mut situation: watch::Receiver<Situation>) {
    let closing = situation.wait_for(|now| now.phase == Phase::Closing);
    // A listener that is gone without a word has cut its connections already.
    if let Ok(since) = closing.await.map(|now| now.since) {
        sleep_until(since + LAST_CALL).await;
    }
}

enum Step {
    Ended,
    Overdue(Overdue),
}

/// How the server ends a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// When the client has ended it, too.
    Together,
    /// Now: its place is another's, or its client had its time.
    Now,
}

async fn http<S>(shared: &Arc<Shared>, activity: Activity, peer: Peer, socket: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = shared.limits;
    activity.open();
    let io = TokioIo::new(Watched {
        socket,
        activity: activity.clone(),
    });
    let service = {
        let (shared, activity) = (Arc::clone(shared), activity.clone());
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let (shared, activity) = (Arc::clone(&shared), activity.clone());
            async move { Ok::<_, Infallible>(answer(&shared, &activity, request).await) }.boxed()
        })
    };
    let mut connection = http1::Builder::new()
        // `Activity` bounds the head; hyper's own bound would run on idle connections, too.
        .header_read_timeout(None)
        .max_buf_size(limits.buffer)
        .serve_connection(io, service);
    let mut situation = shared.situation.clone();
    let mut timer = pin!(sleep_until(Instant::now() + limits.idle));

    let end = loop {
        let now = *situation.borrow_and_update();
        let closing = now.phase == Phase::Closing;
        let step = poll_fn(|cx| {
            if connection.poll_without_shutdown(cx).is_ready() {
                return Poll::Ready(Step::Ended);
            }
            // After the poll, which sees a request that has just come.
            if closing && activity.is_idle() {
                return Poll::Ready(Step::Overdue(Overdue::Idle));
            }
            let mut deadline = activity.deadline(&limits);
            if closing && activity.is_unproven() {
                let last = now.since + LAST_CALL;
                deadline = deadline.map(|(at, why)| (at.min(last), why));
            }
            if let Some((at, why)) = deadline {
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                if timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Step::Overdue(why));
                }
            }
            Poll::Pending
        });
        tokio::select! {
            step = step => match step {
                Step::Ended | Step::Overdue(Overdue::Idle) => break End::Together,
                Step::Overdue(overdue) => {
                    shared.metrics.refused(match overdue {
                        Overdue::Head => "head-timeout",
                        _ => "answer-unread",
                    });
                    break End::Now;
                }
            },
            changed = situation.changed() => if changed.is_err() {
                break End::Now;
            },
            () = activity.evicted() => break End::Now,
        }
    };
    let mut socket = connection.into_parts().io.into_inner().socket;
    if end == End::Now {
        // TLS's word for the end, or the client would take it for an attack. One that does not fit into the kernel's buffer
        // is not waited for.
        let _ = socket.shutdown().now_or_never();
        return;
    }
    activity.leave();
    tokio::select! {
        // Whether the client hears of the end in time changes nothing any more.
        _ = timeout(FAREWELL, farewell(socket)) => {}
        () = activity.evicted() => {}
    }
}

/// Says that this is the end, and waits for the client to say so, too.
async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S) -> std::io::Result<()> {
    socket.shutdown().await?;
    let mut rest = socket.take(FAREWELL_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
