//! Bytes of bodies that come and answers that go, and who has to give way when there are no more.
//!
//! Each request has a small allowance of its own that needs no pool: an ordinary review fits in it. What is larger takes
//! its bytes from the pool as they come, and holds those of its answer until they are written. Nobody waits for anybody
//! who is slower: where the pool is empty, the slowest of the requests that are behind a slow network's pace has to go.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Bytes of a body or an answer that take nothing from the pool: most reviews have 10 to 40 KB.
pub(super) const ALLOWANCE: usize = 64 * 1024;

/// How far behind its pace a request may be before it can be made to go: three round trips around the world.
const GRACE: Duration = Duration::from_millis(300);

/// The pace: bytes a second. A fifth of a 200 Mbit line, for an API server that is near.
const PACE: u64 = 4 << 20;

/// Bytes of an answer that are handed to the connection at a time; what remains can be taken back.
const CHUNK: usize = 64 * 1024;

/// Why a body was not read to its end.
#[derive(Debug)]
pub(super) enum Unread {
    /// Others needed its bytes, and it was too slow.
    Evicted,
    /// More than the limit.
    TooLarge,
    /// The connection failed.
    Failed(axum::Error),
}

/// A number of bytes that requests share.
#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    /// Bytes are free again.
    freed: Notify,
}

#[derive(Debug)]
struct State {
    free: usize,
    next: u64,
    held: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    /// Since when it comes or goes; none while Silkroll itself is at work on it.
    moving: Option<Instant>,
    /// How much of it has come or gone.
    moved: u64,
    shared: Arc<Shared>,
}

/// What a request and whoever makes it go have in common.
#[derive(Debug, Default)]
struct Shared {
    evicted: AtomicBool,
    told: Notify,
    /// The answer that is being written.
    answer: Mutex<Option<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    /// When it is so far behind its pace that it can be made to go.
    fn late_at(&self) -> Option<Instant> {
        if self.bytes == 0 || self.shared.evicted.load(Ordering::Relaxed) {
            return None;
        }
        let fair = Duration::from_micros(self.moved * 1_000_000 / PACE);
        Some(self.moving? + GRACE + fair)
    }
}

impl Held {
    /// Bytes a second so far.
    fn rate(&self, now: Instant) -> u64 {
        let millis = self.moving.map_or(0, |since| (now - since).as_millis());
        self.moved * 1000 / u64::try_from(millis).unwrap_or(u64::MAX).max(1)
    }
}

enum Grown {
    Yes,
    Evicted,
    /// Until this time, or until bytes are free.
    Wait(Instant),
}

impl State {
    fn grow(&mut self, id: u64, bytes: usize) -> Grown {
        let Some(held) = self.held.get_mut(&id) else {
            return Grown::Evicted;
        };
        if held.shared.evicted.load(Ordering::Relaxed) {
            return Grown::Evicted;
        }
        let wanted = bytes.saturating_sub(held.bytes);
        if wanted <= self.free {
            self.free -= wanted;
            held.bytes += wanted;
            return Grown::Yes;
        }
        let now = Instant::now();
        let mut leaving: usize = self
            .held
            .values()
            .filter(|held| held.shared.evicted.load(Ordering::Relaxed))
            .map(|held| held.bytes)
            .sum();
        loop {
            if wanted <= self.free + leaving {
                return Grown::Wait(now + GRACE);
            }
            let soonest = self.held.values().filter_map(Held::late_at).min();
            // Of those that are late, the slowest: who was made to go and came again is not late yet, and
            // an honest one that is large on a busy machine is.
            let slowest = self
                .held
                .values_mut()
                .filter(|held| held.late_at().is_some_and(|late| late <= now))
                .min_by_key(|held| held.rate(now));
            match slowest {
                Some(held) => {
                    held.shared.evicted.store(true, Ordering::Relaxed);
                    held.shared.told.notify_one();
                    if lock(&held.shared.answer).take().is_some() {
                        self.free += std::mem::take(&mut held.bytes);
                    } else {
                        leaving += held.bytes;
                    }
                }
                None => return Grown::Wait(soonest.unwrap_or(now + GRACE)),
            }
        }
    }
}

impl Pool {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: bytes,
                next: 0,
                held: BTreeMap::new(),
            }),
            freed: Notify::new(),
        })
    }

    /// A place for one request and its answer.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        let shared = Arc::<Shared>::default();
        let mut state = lock(&self.state);
        let id = state.next;
        state.next += 1;
        let held = Held {
            bytes: 0,
            moving: Some(Instant::now()),
            moved: 0,
            shared: Arc::clone(&shared),
        };
        state.held.insert(id, held);
        drop(state);
        Place {
            pool: Arc::clone(self),
            id,
            shared,
        }
    }
}

/// What one request holds of a pool, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pool: Arc<Pool>,
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        if let Some(held) = state.held.remove(&self.id) {
            state.free += held.bytes;
        }
        drop(state);
        self.pool.freed.notify_waiters();
    }
}

impl Place {
    fn held(&self, change: impl FnOnce(&mut Held)) {
        if let Some(held) = lock(&self.pool.state).held.get_mut(&self.id) {
            change(held);
        }
    }

    /// Waits until `bytes` are held, beside the allowance.
    async fn grow(&self, bytes: usize) -> Result<(), Unread> {
        let beyond = bytes.saturating_sub(ALLOWANCE);
        if beyond == 0 {
            return Ok(());
        }
        loop {
            let freed = self.pool.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let grown = lock(&self.pool.state).grow(self.id, beyond);
            let until = match grown {
                Grown::Yes => return Ok(()),
                Grown::Evicted => return Err(Unread::Evicted),
                Grown::Wait(until) => until,
            };
            // An answer that was taken back freed its bytes for others, too.
            tokio::select! {
                () = freed => {}
                () = self.shared.told.notified() => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// Gives back all but `bytes`.
    fn shrink(&self, bytes: usize) {
        let beyond = bytes.saturating_sub(ALLOWANCE);
        let mut state = lock(&self.pool.state);
        let freed = match state.held.get_mut(&self.id) {
            Some(held) if held.bytes > beyond => {
                std::mem::replace(&mut held.bytes, beyond) - beyond
            }
            _ => 0,
        };
        state.free += freed;
        drop(state);
        if freed > 0 {
            self.pool.freed.notify_waiters();
        }
    }

    /// Reads a body of at most `limit` bytes. Bytes count as they come, so that an announcement alone takes nothing
    /// from others. Afterwards the request cannot be made to go: what it needs is there.
    pub(super) async fn read(
        &self,
        mut body: Body,
        announced: Option<usize>,
        limit: usize,
    ) -> Result<Vec<u8>, Unread> {
        let mut bytes = Vec::new();
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = self.shared.told.notified() => return Err(Unread::Evicted),
            };
            let Some(frame) = frame else { break };
            // Copied, so that a frame of one byte does not keep the buffer that it came in.
            let Ok(data) = frame.map_err(Unread::Failed)?.into_data() else {
                continue;
            };
            let needed = bytes.len() + data.len();
            if needed > limit {
                return Err(Unread::TooLarge);
            }
            if needed > bytes.capacity() {
                let more = (bytes.capacity() / 2).max(CHUNK / 4) + bytes.capacity();
                let capacity = more.min(announced.unwrap_or(limit)).max(needed);
                self.grow(capacity).await?;
                bytes.reserve_exact(capacity - bytes.len());
            }
            bytes.extend_from_slice(&data);
            self.held(|held| held.moved = needed as u64);
        }
        self.held(|held| held.moving = None);
        if self.shared.evicted.load(Ordering::Relaxed) {
            return Err(Unread::Evicted);
        }
        Ok(bytes)
    }

    /// Ends when others need the bytes: for a request that only waits for something. It keeps its bytes until it is
    /// done, which is to be soon then.
    pub(super) async fn needed(&self) {
        self.held(|held| {
            held.moving = Some(Instant::now());
            held.moved = 0;
        });
        let rest = Rest(self);
        self.shared.told.notified().await;
        drop(rest);
    }

    /// Turns the place into that of an answer: the body is no more. The answer's bytes are held until each of them is
    /// written, or the client is gone, or is so slow that others take them.
    pub(super) async fn answer(self, answer: Vec<u8>) -> Result<Body, Unread> {
        if answer.len() <= ALLOWANCE {
            return Ok(answer.into());
        }
        let length = answer.len();
        self.shrink(length);
        self.grow(length).await?;
        self.held(|held| {
            held.moving = Some(Instant::now());
            held.moved = 0;
        });
        *lock(&self.shared.answer) = Some(answer);
        Ok(Body::new(Going {
            place: self,
            at: 0,
            length,
        }))
    }
}

/// Silkroll is at work on the request again, however the wait for others ends.
struct Rest<'p>(&'p Place);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.held(|held| held.moving = None);
    }
}

/// An answer on its way.
struct Going {
    place: Place,
    at: usize,
    length: usize,
}

impl hyper::body::Body for Going {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if this.at == this.length {
            return Poll::Ready(None);
        }
        let mut answer = lock(&this.place.shared.answer);
        let end = this.length.min(this.at + CHUNK);
        let Some(chunk) = answer.as_ref().and_then(|answer| answer.get(this.at..end)) else {
            let why = "the answer was read so slowly that its memory went to others";
            return Poll::Ready(Some(Err(std::io::Error::other(why))));
        };
        let chunk = Bytes::copy_from_slice(chunk);
        this.at = end;
        if end == this.length {
            *answer = None;
        }
        drop(answer);
        if end == this.length {
            this.place.shrink(0);
        }
        this.place.held(|held| held.moved = end as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.length - self.at) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that gives these frames and then nothing more, for ever.
    fn stalled(frames: &[usize]) -> Body {
        let frames: Vec<_> = frames
            .iter()
            .map(|size| Bytes::from(vec![0; *size]))
            .collect();
        let frames = futures::stream::iter(frames.into_iter().map(Ok::<_, std::io::Error>));
        Body::from_stream(futures::StreamExt::chain(
            frames,
            futures::stream::pending(),
        ))
    }

    fn whole(size: usize) -> Body {
        Body::from(vec![0; size])
    }

    fn free(pool: &Pool) -> usize {
        lock(&pool.state).free
    }

    #[tokio::test]
    async fn what_fits_in_the_allowance_needs_no_pool() {
        let pool = Pool::new(0);
        let place = pool.place();
        let read = place.read(whole(ALLOWANCE), Some(ALLOWANCE), 1 << 20).await;
        assert_eq!(read.unwrap().len(), ALLOWANCE);
        let body = place.answer(vec![1; ALLOWANCE]).await.unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), ALLOWANCE);
    }

    #[tokio::test]
    async fn a_stalled_body_goes_in_favour_of_the_one_that_comes() {
        let pool = Pool::new(1 << 20);
        let size = (1 << 20) + ALLOWANCE;
        let slow = pool.place();
        let slow = tokio::spawn(async move {
            slow.read(stalled(&[size - 1]), Some(size), size)
                .await
                .map(|_| ())
        });
        while free(&pool) > 1 {
            tokio::task::yield_now().await;
        }
        let place = pool.place();
        let read = place.read(whole(size), Some(size), size).await.unwrap();
        assert_eq!(read.len(), size);
        assert!(matches!(slow.await.unwrap(), Err(Unread::Evicted)));
        drop(place);
        assert_eq!(free(&pool), 1 << 20);
    }

    #[tokio::test]
    async fn a_body_that_is_there_is_not_made_to_go() {
        let pool = Pool::new(1 << 20);
        let size = (1 << 20) + ALLOWANCE;
        let at_work = pool.place();
        let body = at_work.read(whole(size), Some(size), size).await.unwrap();
        let place = pool.place();
        let waits = place.read(whole(size), Some(size), size);
        let waited = tokio::time::timeout(GRACE * 2, waits).await;
        assert!(waited.is_err());
        drop((at_work, body));
        place.read(whole(size), Some(size), size).await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_only_waits_is_told_when_its_bytes_are_needed_and_is_answered() {
        let pool = Pool::new(1 << 20);
        let size = (1 << 20) + ALLOWANCE;
        let waits = pool.place();
        let body = waits.read(whole(size), Some(size), size).await.unwrap();
        let other = pool.place();
        let other = tokio::spawn(async move {
            let read = other.read(whole(size), Some(size), size).await;
            read.map(|body| body.len())
        });
        waits.needed().await;
        drop(body);
        assert!(waits.answer(vec![1]).await.is_ok());
        assert_eq!(other.await.unwrap().unwrap(), size);
    }

    #[tokio::test]
    async fn an_answer_holds_its_bytes_until_it_is_written() {
        let pool = Pool::new(1 << 20);
        let answer = vec![7; ALLOWANCE + 1000];
        let mut body = pool.place().answer(answer.clone()).await.unwrap();
        let mut got = Vec::new();
        while let Some(frame) = body.frame().await {
            // The last piece is the connection's, which has a buffer for it.
            let left = if got.len() < CHUNK / 2 { 1000 } else { 0 };
            got.extend_from_slice(&frame.unwrap().into_data().unwrap());
            if got.len() < answer.len() {
                assert_eq!(free(&pool), (1 << 20) - left);
            }
        }
        assert_eq!(got, answer);
        assert_eq!(free(&pool), 1 << 20);
    }

    #[tokio::test]
    async fn an_unread_answer_gives_its_bytes_to_others_at_once() {
        let pool = Pool::new(1 << 20);
        let size = (1 << 20) + ALLOWANCE;
        let mut unread = pool.place().answer(vec![7; size]).await.unwrap();
        let place = pool.place();
        place.read(whole(size), Some(size), size).await.unwrap();
        let error = unread.frame().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("so slowly"), "{error}");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_however_it_was_announced() {
        let pool = Pool::new(1 << 20);
        let read = pool.place().read(whole(101), None, 100).await;
        assert!(matches!(read, Err(Unread::TooLarge)));
    }
}
