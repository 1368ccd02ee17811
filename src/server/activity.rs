//! What a connection is doing, so that its deadline is known at any moment.
//!
//! hyper's own header timeout runs while a kept-alive connection is idle, too, so it cannot tell a
//! client that stalls inside a request head from one that has nothing to ask.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::limits::Limits;

/// Why a connection has to end now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// A request head stalled half-way.
    Head,
    /// Nothing was asked for too long.
    Idle,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle { since: Instant },
    Head { since: Instant },
    Busy { requests: usize },
}

#[derive(Debug)]
struct Inner {
    state: State,
    http2: bool,
    served: bool,
}

/// One connection's state, shared by its socket, its requests and its supervisor.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<Inner>>);

impl Activity {
    /// A connection that was opened now; `http2` where ALPN has settled it.
    pub(super) fn new(http2: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            state: State::Idle {
                since: Instant::now(),
            },
            http2,
            served: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_arrived(&self) {
        let mut inner = self.lock();
        // On HTTP/2 bytes may be pings and window updates; the idle deadline covers it.
        if !inner.http2 && matches!(inner.state, State::Idle { .. }) {
            inner.state = State::Head {
                since: Instant::now(),
            };
        }
    }

    /// A request's head is complete. It counts until the answer is ready and the guard dropped.
    pub(super) fn request(&self, http2: bool) -> Request {
        let mut inner = self.lock();
        inner.http2 = http2;
        inner.served = true;
        inner.state = match inner.state {
            State::Busy { requests } => State::Busy {
                requests: requests + 1,
            },
            _ => State::Busy { requests: 1 },
        };
        drop(inner);
        Request(self.clone())
    }

    /// Whether a request has come, so that the protocol's own handshake is over.
    pub(super) fn has_served(&self) -> bool {
        self.lock().served
    }

    /// Whether requests share this connection.
    pub(super) fn is_http2(&self) -> bool {
        self.lock().http2
    }

    /// When the connection is overdue if nothing changes, and as what. None while it works.
    pub(super) fn deadline(&self, limits: &Limits, full: bool) -> Option<(Instant, Overdue)> {
        match self.lock().state {
            State::Idle { since } => {
                let idle = if full {
                    limits.idle.min(limits.idle_when_full)
                } else {
                    limits.idle
                };
                Some((since + idle, Overdue::Idle))
            }
            State::Head { since } => Some((since + limits.head, Overdue::Head)),
            State::Busy { .. } => None,
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Request(Activity);

impl Drop for Request {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        if let State::Busy { requests } = &mut inner.state {
            if *requests > 1 {
                *requests -= 1;
            } else {
                inner.state = State::Idle {
                    since: Instant::now(),
                };
            }
        }
    }
}

/// A socket that tells [`Activity`] when bytes arrive.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) socket: S,
    pub(super) activity: Activity,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let poll = Pin::new(&mut this.socket).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.activity.bytes_arrived();
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What is overdue next, and which of the bounds it was measured with.
    fn next(activity: &Activity, limits: &Limits, full: bool) -> Option<(Duration, Overdue)> {
        let (at, why) = activity.deadline(limits, full)?;
        let bounds = [limits.head, limits.idle_when_full, limits.idle];
        let left = at - Instant::now();
        let bound = bounds.into_iter().find(|bound| left <= *bound);
        Some((bound.unwrap(), why))
    }

    #[test]
    fn a_deadline_follows_what_the_connection_does() {
        let limits = Limits {
            head: Duration::from_secs(1000),
            idle_when_full: Duration::from_secs(2000),
            idle: Duration::from_secs(3000),
            ..Limits::default()
        };
        let idle = Some((limits.idle, Overdue::Idle));
        let head = Some((limits.head, Overdue::Head));

        let activity = Activity::new(false);
        assert_eq!(next(&activity, &limits, false), idle);
        let pressed = Some((limits.idle_when_full, Overdue::Idle));
        assert_eq!(next(&activity, &limits, true), pressed);
        activity.bytes_arrived();
        assert_eq!(next(&activity, &limits, false), head);
        let first = activity.request(false);
        assert_eq!(next(&activity, &limits, true), None);
        activity.bytes_arrived();
        assert_eq!(next(&activity, &limits, false), None);
        drop(first);
        assert_eq!(next(&activity, &limits, false), idle);
    }

    #[test]
    fn dripping_bytes_do_not_move_the_deadline_of_a_head() {
        let activity = Activity::new(false);
        let limits = Limits::default();
        activity.bytes_arrived();
        let first = activity.deadline(&limits, false);
        activity.bytes_arrived();
        assert_eq!(activity.deadline(&limits, false), first);
    }

    #[test]
    fn on_http_2_frames_begin_no_head_and_requests_are_counted() {
        let limits = Limits::default();
        let activity = Activity::new(true);
        activity.bytes_arrived();
        assert_eq!(next(&activity, &limits, false).unwrap().1, Overdue::Idle);
        let (one, two) = (activity.request(true), activity.request(true));
        drop(one);
        assert_eq!(next(&activity, &limits, false), None);
        drop(two);
        assert_eq!(next(&activity, &limits, false).unwrap().1, Overdue::Idle);
    }
}
