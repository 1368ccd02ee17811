//! Bytes of bodies that come and answers that go.
//!
//! Each request has a small allowance of its own that needs no pool: an ordinary review fits in it. What is larger takes
//! all its bytes from the pool, and holds those of its answer until they are written.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

use super::pool::{Evicted, PoolPlace};

/// Bytes of a body or an answer that take nothing from the pool: most reviews have 10 to 40 KB.
pub(super) const ALLOWANCE: usize = 64 * 1024;

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

impl From<Evicted> for Unread {
    fn from(Evicted: Evicted) -> Self {
        Self::Evicted
    }
}

/// What so many bytes take from the pool: those of one that is larger than its allowance count whole, so that the pool
/// bounds how many of them there are.
fn counted(bytes: usize) -> usize {
    if bytes <= ALLOWANCE { 0 } else { bytes }
}

/// Reads a body of at most `limit` bytes. Beyond the allowance it takes as many as were announced, for each further wait
/// would be one behind others; an announcement alone takes nothing from them. Afterwards the request cannot be made to
/// go: what it needs is there.
pub(super) async fn read(
    place: &PoolPlace,
    mut body: Body,
    announced: Option<usize>,
    limit: usize,
) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = place.evicted() => return Err(Unread::Evicted),
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
            let capacity = capacity(bytes.capacity(), needed, announced, limit);
            place.grow(counted(capacity)).await?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&data);
        place.moved(needed);
    }
    place.at_work();
    if place.is_evicted() {
        return Err(Unread::Evicted);
    }
    Ok(bytes)
}

fn capacity(now: usize, needed: usize, announced: Option<usize>, limit: usize) -> usize {
    let more = now + (now / 2).max(ALLOWANCE / 4);
    let more = match announced {
        Some(announced) if more.max(needed) > ALLOWANCE => announced,
        Some(announced) => more.min(announced),
        None => more,
    };
    more.min(limit).max(needed)
}

/// Turns the place into that of an answer: the body is no more. The answer's bytes are held until each of them is
/// written, or the client is gone, or is so slow that others take them.
pub(super) async fn write(place: PoolPlace, answer: Vec<u8>) -> Result<Body, Unread> {
    if answer.len() <= ALLOWANCE {
        return Ok(answer.into());
    }
    let length = answer.len();
    place.shrink(length);
    place.grow(length).await?;
    place.moves();
    *place.answer() = Some(answer);
    Ok(Body::new(Going {
        place,
        at: 0,
        length,
    }))
}

/// An answer on its way.
struct Going {
    place: PoolPlace,
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
        let mut answer = this.place.answer();
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
        this.place.moved(end);
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
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::pool::Pool;
    use super::super::shares::Peer;
    use super::*;

    /// More than any wait here before a connection has to go.
    const LONG: Duration = Duration::from_millis(600);

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

    fn place(pool: &Arc<Pool>) -> PoolPlace {
        pool.place(Peer::default())
    }

    #[tokio::test]
    async fn what_fits_in_the_allowance_needs_no_pool() {
        let pool = Pool::new(0);
        let place = place(&pool);
        let read = read(&place, whole(ALLOWANCE), Some(ALLOWANCE), 1 << 20).await;
        assert_eq!(read.unwrap().len(), ALLOWANCE);
        let body = write(place, vec![1; ALLOWANCE]).await.unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), ALLOWANCE);
    }

    #[tokio::test]
    async fn a_stalled_body_goes_in_favour_of_the_one_that_comes() {
        let pool = Pool::new(1 << 20);
        let size = 1 << 20;
        let slow = place(&pool);
        let slow = tokio::spawn(async move {
            read(&slow, stalled(&[size - 1]), Some(size), size)
                .await
                .map(|_| ())
        });
        while pool.free() > 1 {
            tokio::task::yield_now().await;
        }
        let place = place(&pool);
        let read = read(&place, whole(size), Some(size), size).await.unwrap();
        assert_eq!(read.len(), size);
        assert!(matches!(slow.await.unwrap(), Err(Unread::Evicted)));
        drop(place);
        assert_eq!(pool.free(), 1 << 20);
    }

    #[tokio::test]
    async fn a_body_that_is_there_is_not_made_to_go() {
        let pool = Pool::new(1 << 20);
        let size = 1 << 20;
        let at_work = place(&pool);
        let body = read(&at_work, whole(size), Some(size), size).await.unwrap();
        let place = place(&pool);
        let waits = read(&place, whole(size), Some(size), size);
        let waited = tokio::time::timeout(LONG, waits).await;
        assert!(waited.is_err());
        drop((at_work, body));
        read(&place, whole(size), Some(size), size).await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_only_waits_is_told_when_its_bytes_are_needed_and_is_answered() {
        let pool = Pool::new(1 << 20);
        let size = 1 << 20;
        let waits = place(&pool);
        let body = read(&waits, whole(size), Some(size), size).await.unwrap();
        let other = place(&pool);
        let other = tokio::spawn(async move {
            let read = read(&other, whole(size), Some(size), size).await;
            read.map(|body| body.len())
        });
        waits.needed().await;
        drop(body);
        assert!(write(waits, vec![1]).await.is_ok());
        assert_eq!(other.await.unwrap().unwrap(), size);
    }

    #[test]
    fn a_body_takes_what_it_announced_once_it_is_larger_than_its_allowance() {
        let limit = 7 << 20;
        for (now, needed, announced, expected) in [
            (0, 1, Some(100), 100),
            (0, 1, Some(limit), ALLOWANCE / 4),
            (48 << 10, 50 << 10, Some(limit), limit),
            (48 << 10, 50 << 10, Some(60 << 10), 60 << 10),
            (64 << 10, 65 << 10, None, 96 << 10),
            (6 << 20, (6 << 20) + 1, None, limit),
            (0, 10, Some(3), 10),
        ] {
            let got = capacity(now, needed, announced, limit);
            assert_eq!(got, expected, "{now} {needed} {announced:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_holds_its_bytes_until_it_is_written() {
        let pool = Pool::new(1 << 20);
        let answer = vec![7; ALLOWANCE + 1000];
        let mut body = write(place(&pool), answer.clone()).await.unwrap();
        let mut got = Vec::new();
        while let Some(frame) = body.frame().await {
            got.extend_from_slice(&frame.unwrap().into_data().unwrap());
            if got.len() < answer.len() {
                assert_eq!(pool.free(), (1 << 20) - answer.len());
            }
        }
        assert_eq!(got, answer);
        assert_eq!(pool.free(), 1 << 20);
    }

    #[tokio::test]
    async fn an_unread_answer_gives_its_bytes_to_others_at_once() {
        let pool = Pool::new(1 << 20);
        let size = 1 << 20;
        let mut unread = write(place(&pool), vec![7; size]).await.unwrap();
        let place = place(&pool);
        read(&place, whole(size), Some(size), size).await.unwrap();
        let error = unread.frame().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("so slowly"), "{error}");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_however_it_was_announced() {
        let pool = Pool::new(1 << 20);
        let read = read(&place(&pool), whole(101), None, 100).await;
        assert!(matches!(read, Err(Unread::TooLarge)));
    }
}
