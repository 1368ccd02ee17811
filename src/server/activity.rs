//! What a connection is doing, so that it is known at any moment when it is overdue and how much it
//! would be missed.
//!
//! hyper's own header timeout runs while a kept-alive connection is idle, too, so it cannot tell a
//! client that stalls inside a request head from one that has nothing to ask.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::Limits;
use super::pool::at_pace;

/// A first body that is waited for longer than this, beside the time that its bytes take ([`at_pace`]), is missed less than a
/// connection that was served before: an API server sends its review with the head, in milliseconds.
const SLOW_AT_FIRST: Duration = Duration::from_millis(100);
/// A client that takes none of its answer for this long does not wait for it, and one that has not sent
/// its body by then is not about to: where places are short, it gives way. Far longer than a round trip
/// with a lost packet.
const SLOW: Duration = Duration::from_secs(1);
/// The same for an answer that is taken a little at a time.
const SLOWLY_READ: Duration = Duration::from_secs(5);

/// Why a connection has to end now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// A request head stalled half-way.
    Head,
    /// Nothing was asked for too long.
    Idle,
    /// The client does not read its answer.
    Unread,
}

/// How little a connection would be missed, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Never sent a request that was not refused; or all is said, and only the client's end is waited for.
    Unproven,
    /// Does not read its answer, or takes long over its body.
    Slow,
    /// Was served before, and asks nothing whole now.
    Idle,
    /// Sends a body.
    Body,
}

/// Who gives way first: by class, then who was served least, then who is in it longest. Those that are
/// unproven count from when they were accepted: what looks like progress costs a bad client nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) class: Class,
    served: u64,
    since: Instant,
}

impl Rank {
    /// Whether the connection has had its time for the next step; one that only waits to be asked
    /// needs none.
    pub(super) fn is_older(self, now: Instant, grace: Duration) -> bool {
        matches!(self.class, Class::Idle | Class::Slow) || now >= self.since + grace
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Handshake,
    Idle,
    Head,
    Body {
        /// Since when the client's next bytes are waited for; none while it waits for the server.
        waits: Option<Instant>,
        /// How long it was waited for before.
        waited: Duration,
        /// Bytes that have come.
        moved: u64,
    },
    Working,
    Writing {
        /// hyper has all of the answer.
        whole: bool,
        /// Since when the client takes none of it.
        stalled: Option<Instant>,
        /// It is one that was worth asking for: refusals make no connection a good one.
        counts: bool,
    },
    Leaving,
}

#[derive(Debug)]
struct Inner {
    accepted: Instant,
    state: State,
    since: Instant,
    answers: u64,
    /// Those of them that were no refusals.
    served: u64,
}

impl Inner {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.since = Instant::now();
    }
}

/// One connection's state, shared by its socket, its requests, its supervisor and the listener.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<(Mutex<Inner>, Notify)>);

impl Activity {
    /// A connection that was accepted now.
    pub(super) fn new() -> Self {
        let inner = Inner {
            accepted: Instant::now(),
            state: State::Handshake,
            since: Instant::now(),
            answers: 0,
            served: 0,
        };
        Self(Arc::new((Mutex::new(inner), Notify::new())))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection has to go: another takes its place now.
    pub(super) fn evict(&self) {
        self.0.1.notify_one();
    }

    /// Ends when the connection has to go. For its task alone, which is told once.
    pub(super) async fn evicted(&self) {
        self.0.1.notified().await;
    }

    /// Requests can come from now on.
    pub(super) fn open(&self) {
        self.lock().enter(State::Idle);
    }

    fn bytes_arrived(&self) {
        let mut inner = self.lock();
        if inner.state == State::Idle {
            inner.enter(State::Head);
        }
    }

    /// A request's head is complete.
    pub(super) fn request(&self, has_body: bool) {
        self.lock().enter(if has_body {
            State::Body {
                waits: Some(Instant::now()),
                waited: Duration::ZERO,
                moved: 0,
            }
        } else {
            State::Working
        });
    }

    /// So many bytes of the body have come, and whether more are waited for now.
    pub(super) fn body_moved(&self, bytes: usize, waiting: bool) {
        if let State::Body {
            waits,
            waited,
            moved,
        } = &mut self.lock().state
        {
            let now = Instant::now();
            *waited += waits.take().map_or(Duration::ZERO, |since| now - since);
            *waits = waiting.then_some(now);
            *moved += bytes as u64;
        }
    }

    /// The request's body is complete.
    pub(super) fn body_read(&self) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Body { .. }) {
            inner.enter(State::Working);
        }
    }

    /// The answer is ready to be sent, and whether it is none that refuses.
    pub(super) fn answer(&self, counts: bool) {
        self.lock().enter(State::Writing {
            whole: false,
            stalled: None,
            counts,
        });
    }

    /// hyper has taken the last of the answer; it is sent with the next flush.
    pub(super) fn answer_taken(&self) {
        if let State::Writing { whole, .. } = &mut self.lock().state {
            *whole = true;
        }
    }

    fn write_waits(&self) {
        if let State::Writing { stalled, .. } = &mut self.lock().state {
            stalled.get_or_insert_with(Instant::now);
        }
    }

    /// The client has taken some of the answer, or all that hyper had of it.
    pub(super) fn wrote(&self, all: bool) {
        let mut inner = self.lock();
        match &mut inner.state {
            State::Writing {
                whole: true,
                counts,
                ..
            } if all => {
                inner.served += u64::from(*counts);
                inner.answers += 1;
                inner.enter(State::Idle);
            }
            State::Writing { stalled, .. } => *stalled = None,
            _ => {}
        }
    }

    /// All is said: only the client's end of the connection is waited for.
    pub(super) fn leave(&self) {
        self.lock().enter(State::Leaving);
    }

    /// Whether nothing was ever asked on the connection.
    pub(super) fn is_unproven(&self) -> bool {
        let inner = self.lock();
        inner.answers == 0 && matches!(inner.state, State::Idle | State::Head)
    }

    /// Whether the connection was answered before and asks nothing now.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.answers > 0 && inner.state == State::Idle
    }

    /// When the connection is overdue if nothing changes, and as what. None while it works.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, Overdue)> {
        let inner = self.lock();
        let since = inner.since;
        match inner.state {
            State::Idle => Some((since + limits.idle, Overdue::Idle)),
            State::Head => Some((since + limits.head, Overdue::Head)),
            State::Writing { stalled, .. } => {
                let all = since + limits.answer;
                let at = stalled.map_or(all, |stalled| all.min(stalled + limits.unread));
                Some((at, Overdue::Unread))
            }
            State::Handshake | State::Body { .. } | State::Working | State::Leaving => None,
        }
    }

    /// How much the connection would be missed. None where an answer is made for it or read by it.
    pub(super) fn rank(&self, now: Instant) -> Option<Rank> {
        let inner = self.lock();
        let long = |since, time| now >= since + time;
        let class = match inner.state {
            State::Handshake | State::Leaving => Class::Unproven,
            State::Idle | State::Head if inner.served == 0 => Class::Unproven,
            State::Idle | State::Head => Class::Idle,
            State::Body {
                waits,
                waited,
                moved,
            } => {
                let first = inner.served == 0;
                let time = if first { SLOW_AT_FIRST } else { SLOW };
                let waited = waited + waits.map_or(Duration::ZERO, |since| now - since);
                if waited >= time + at_pace(moved) {
                    Class::Slow
                } else {
                    Class::Body
                }
            }
            State::Writing { stalled, .. }
                if stalled.is_some_and(|since| long(since, SLOW))
                    || long(inner.since, SLOWLY_READ) =>
            {
                Class::Slow
            }
            State::Writing { .. } | State::Working => return None,
        };
        let leaving = inner.state == State::Leaving;
        Some(Rank {
            class,
            served: if leaving { 0 } else { inner.served },
            since: if class == Class::Unproven && !leaving {
                inner.accepted
            } else {
                inner.since
            },
        })
    }
}

/// A socket that tells [`Activity`] when bytes arrive and when they leave.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) socket: S,
    pub(super) activity: Activity,
}

impl<S> Watched<S> {
    fn told<T>(&self, poll: Poll<io::Result<T>>, flushed: bool) -> Poll<io::Result<T>> {
        match &poll {
            Poll::Pending => self.activity.write_waits(),
            Poll::Ready(Ok(_)) => self.activity.wrote(flushed),
            Poll::Ready(Err(_)) => {}
        }
        poll
    }
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
        let this = self.get_mut();
        let poll = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.told(poll, false)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.told(poll, false)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.socket).poll_flush(cx);
        this.told(poll, true)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            head: Duration::from_secs(1000),
            unread: Duration::from_secs(1500),
            answer: Duration::from_secs(2000),
            idle: Duration::from_secs(3000),
            ..Limits::default()
        }
    }

    /// What is overdue next, and which of the bounds it was measured with.
    fn next(activity: &Activity) -> Option<(Duration, Overdue)> {
        let limits = limits();
        let (at, why) = activity.deadline(&limits)?;
        let bounds = [limits.head, limits.unread, limits.answer, limits.idle];
        let left = at - Instant::now();
        let bound = bounds.into_iter().find(|bound| left <= *bound);
        Some((bound.unwrap(), why))
    }

    /// At once, however long the machine takes between two lines of a test, or so much later.
    fn class(activity: &Activity, later: Duration) -> Option<Class> {
        let from = if later.is_zero() {
            activity.lock().accepted
        } else {
            Instant::now()
        };
        activity.rank(from + later).map(|rank| rank.class)
    }

    #[test]
    fn deadline_and_class_follow_what_the_connection_does() {
        const NOW: Duration = Duration::ZERO;
        let limits = limits();
        let idle = Some((limits.idle, Overdue::Idle));
        let head = Some((limits.head, Overdue::Head));
        let answer = Some((limits.answer, Overdue::Unread));
        let unread = Some((limits.unread, Overdue::Unread));

        let it = Activity::new();
        assert_eq!((next(&it), class(&it, NOW)), (None, Some(Class::Unproven)));
        it.open();
        assert_eq!((next(&it), class(&it, NOW)), (idle, Some(Class::Unproven)));
        it.bytes_arrived();
        assert_eq!((next(&it), class(&it, NOW)), (head, Some(Class::Unproven)));
        it.request(true);
        assert_eq!((next(&it), class(&it, NOW)), (None, Some(Class::Body)));
        assert_eq!(class(&it, SLOW), Some(Class::Slow));
        it.body_read();
        assert_eq!((next(&it), class(&it, SLOWLY_READ)), (None, None));
        it.answer(true);
        assert_eq!((next(&it), class(&it, SLOW)), (answer, None));
        assert_eq!(class(&it, SLOWLY_READ), Some(Class::Slow));
        it.write_waits();
        assert_eq!((next(&it), class(&it, NOW)), (unread, None));
        assert_eq!(class(&it, SLOW), Some(Class::Slow));
        it.wrote(false);
        assert_eq!((next(&it), class(&it, SLOW)), (answer, None));
        it.wrote(true);
        assert_eq!(next(&it), answer, "more of the answer is to come");
        it.answer_taken();
        it.wrote(true);
        assert_eq!((next(&it), class(&it, NOW)), (idle, Some(Class::Idle)));
        it.bytes_arrived();
        assert_eq!((next(&it), class(&it, NOW)), (head, Some(Class::Idle)));
        it.request(false);
        assert_eq!((next(&it), class(&it, NOW)), (None, None));
        it.leave();
        assert_eq!((next(&it), class(&it, NOW)), (None, Some(Class::Unproven)));
    }

    #[test]
    fn a_new_handshake_is_missed_more_than_an_older_half_head() {
        let old = Activity::new();
        let new = Activity::new();
        old.open();
        old.bytes_arrived();
        let now = Instant::now();
        assert!(old.rank(now) < new.rank(now));
    }

    #[test]
    fn a_body_is_slow_by_how_long_its_client_was_waited_for() {
        let soon = SLOW_AT_FIRST + Duration::from_millis(50);
        for (what, bytes, waiting, expected) in [
            ("it stalls", 1, true, Class::Slow),
            ("it comes fast enough", 1 << 20, true, Class::Body),
            ("the server has not asked for more", 1, false, Class::Body),
        ] {
            let activity = Activity::new();
            activity.request(true);
            activity.body_moved(bytes, waiting);
            // Nothing of it was waited for before, whatever the machine did between two lines.
            if let State::Body { waited, .. } = &mut activity.lock().state {
                *waited = Duration::ZERO;
            }
            assert_eq!(class(&activity, soon), Some(expected), "{what}");
        }
    }

    #[test]
    fn a_refusal_is_an_answer_that_keeps_no_place() {
        for (served, expected) in [(true, Class::Idle), (false, Class::Unproven)] {
            let activity = Activity::new();
            activity.open();
            activity.request(false);
            activity.answer(served);
            activity.answer_taken();
            activity.wrote(true);
            let rank = activity.rank(Instant::now());
            assert_eq!(rank.map(|rank| rank.class), Some(expected));
            assert!(activity.is_idle() && !activity.is_unproven());
        }
    }

    #[test]
    fn dripping_bytes_do_not_move_the_deadline_of_a_head() {
        let activity = Activity::new();
        activity.open();
        activity.bytes_arrived();
        let first = activity.deadline(&limits());
        activity.bytes_arrived();
        assert_eq!(activity.deadline(&limits()), first);
    }
}
