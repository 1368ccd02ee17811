//! One request and its answer: panics, time, and a body that the application left unread.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use futures::FutureExt;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::timeout;
use tower::ServiceExt;

use super::activity::Activity;
use super::connection::{Phase, Shared};
use crate::observe::Metrics;

/// What is left of a body is read where it has no more than this: less work for both than a new
/// connection with its handshake.
const SMALL: u64 = 64 * 1024;
/// How long the answer waits for that. Whoever sends so little has it at hand.
const REST: Duration = Duration::from_millis(200);

/// The application's answer, or one that says that it panicked or took too long; with
/// `Connection: close` where no further request can follow.
pub(super) async fn answer(
    shared: &Shared,
    activity: &Activity,
    request: Request<Incoming>,
) -> Response<Sent> {
    activity.request(!request.body().is_end_stream());
    let waits_to_send = request.headers().contains_key(EXPECT);
    let left = Left::default();
    let request = request.map(|body| {
        Body::new(Received {
            body: Some(body),
            activity: activity.clone(),
            left: Arc::clone(&left),
        })
    });
    let app = shared.app.clone();
    let work = AssertUnwindSafe(async move { app.oneshot(request).await }).catch_unwind();
    let mut response = match timeout(shared.limits.request, work).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_)) => {
            shared.metrics.refused(Metrics::PANIC);
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
    let rest = std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner));
    let whole = match rest {
        Rest::Nothing => true,
        Rest::Broken => false,
        // It waits to be asked for the body, and is not.
        Rest::Unread(_) if waits_to_send => false,
        Rest::Unread(body) => read_out(body).await,
    };
    // The phase is read after the work: the signal to stop may have come meanwhile.
    if !whole || shared.situation.borrow().phase > Phase::Serving {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    activity.answer(response.status().is_success());
    response.map(|body| Sent {
        body,
        activity: activity.clone(),
    })
}

/// Reads what is left of a small body. False where it is not read to its end.
async fn read_out(mut body: Incoming) -> bool {
    if body.size_hint().upper().is_none_or(|left| left > SMALL) {
        return false;
    }
    let rest = async {
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(())
    };
    matches!(timeout(REST, rest).await, Ok(Ok(())))
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

/// What the application has left of a body.
#[derive(Default)]
enum Rest {
    #[default]
    Nothing,
    Unread(Incoming),
    /// It cannot be read to its end, so it is not known where the next request would begin.
    Broken,
}

type Left = Arc<Mutex<Rest>>;

/// A request's body, which goes back where the application drops it before its end.
struct Received {
    body: Option<Incoming>,
    activity: Activity,
    left: Left,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let poll = Pin::new(&mut *body).poll_frame(cx);
        let came = match &poll {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        this.activity.body_moved(came, poll.is_pending());
        let ended = match &poll {
            Poll::Pending => false,
            Poll::Ready(Some(Ok(_))) => body.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => true,
        };
        if matches!(poll, Poll::Ready(Some(Err(_)))) {
            *this.left.lock().unwrap_or_else(PoisonError::into_inner) = Rest::Broken;
        }
        if ended {
            this.body = None;
            this.activity.body_read();
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !body.is_end_stream()
        {
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Rest::Unread(body);
        }
    }
}

/// An answer's body, which tells when the last of it was taken to be sent.
pub(super) struct Sent {
    body: Body,
    activity: Activity,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.activity.answer_taken();
    }
}
