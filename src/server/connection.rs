//! One connection, from the handshake to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, Request, Response, StatusCode, Version};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::activity::{Activity, Overdue, Watched};
use super::limits::Limits;
use crate::observe::Metrics;

/// How far the listener is with stopping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    /// Nothing has asked it to stop.
    #[default]
    Serving,
    /// It serves on and asks clients to go elsewhere.
    Draining,
    /// Connections end with the answer under way.
    Closing,
}

/// What all connections of a listener have to know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Situation {
    pub(super) phase: Phase,
    /// Every connection is taken and somebody waits.
    pub(super) full: bool,
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
pub(super) async fn serve(shared: Arc<Shared>, tcp: TcpStream) {
    // Answers are small and written at once: waiting to fill a segment only adds latency.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let Some(tls) = shared.tls.clone() else {
        return http(&shared, tcp, false).await;
    };
    match timeout(shared.limits.handshake, TlsAcceptor::from(tls).accept(tcp)).await {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            http(&shared, stream, http2).await;
        }
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

enum Step {
    Ended,
    Leave,
    Overdue(Overdue),
}

async fn http<S>(shared: &Arc<Shared>, socket: S, http2: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = shared.limits;
    let activity = Activity::new(http2);
    let io = TokioIo::new(Watched {
        socket,
        activity: activity.clone(),
    });
    let service = {
        let (shared, activity) = (Arc::clone(shared), activity.clone());
        service_fn(move |request: Request<Incoming>| {
            let under_way = activity.request(request.version() == Version::HTTP_2);
            let shared = Arc::clone(&shared);
            async move {
                let response = answer(&shared, request).await;
                drop(under_way);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let builder = builder(&limits);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut situation = shared.situation.clone();
    let mut timer = pin!(sleep_until(Instant::now() + limits.idle));
    let mut leaving = false;
    // Set once an idle connection was asked to close: a client that does not read is cut then.
    let mut cut_at = None;

    loop {
        let now = *situation.borrow_and_update();
        if now.phase == Phase::Closing && !leaving {
            leaving = true;
            connection.as_mut().graceful_shutdown();
        }
        let step = poll_fn(|cx| {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Step::Ended);
            }
            // Before the first request hyper may still be in HTTP/2's own handshake, where a
            // graceful shutdown would drop the connection with the request on its way.
            if now.phase == Phase::Draining
                && !leaving
                && activity.is_http2()
                && activity.has_served()
            {
                return Poll::Ready(Step::Leave);
            }
            let deadline = match cut_at {
                Some(at) => Some((at, Overdue::Head)),
                None => activity.deadline(&limits, now.full),
            };
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
                Step::Ended => return,
                Step::Overdue(Overdue::Head) => {
                    if cut_at.is_none() {
                        shared.metrics.refused("head-timeout");
                    }
                    return;
                }
                Step::Overdue(Overdue::Idle) => {
                    cut_at = Some(Instant::now() + limits.close);
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                Step::Leave => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
            },
            changed = situation.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // `Activity` bounds the head; hyper's own bound would run on idle connections, too.
        .header_read_timeout(None)
        .max_buf_size(limits.buffer);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.buffer).unwrap_or(u32::MAX))
        // Dead peers are found by pings: half the idle bound leaves room for one lost answer.
        .keep_alive_interval(limits.idle / 2)
        .keep_alive_timeout(limits.head);
    builder
}

/// The application's answer, or one that says that it panicked or took too long.
async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let version = request.version();
    let app = shared.app.clone();
    let work = AssertUnwindSafe(async move { app.oneshot(request).await }).catch_unwind();
    let mut response = match timeout(shared.limits.request, work).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_)) => {
            shared.metrics.refused("panic");
            tracing::error!("a handler panicked; please report this with the lines above");
            plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "silkroll failed inside: its log has the details\n",
            )
        }
        Err(_) => {
            shared.metrics.refused("request-timeout");
            plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "not answered in time: was the request's body sent completely?\n",
            )
        }
    };
    // Read after the work: the signal to stop may have come meanwhile.
    if version < Version::HTTP_2 && shared.situation.borrow().phase > Phase::Serving {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
