//! Caches one behind the other, each of which looks at the one before it now and then.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::Source;

type List = Arc<RwLock<Vec<SocketAddr>>>;

/// What a caller believes of a service. It ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Instances(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The last of the caches.
    list: List,
    next: AtomicUsize,
    _stop: oneshot::Sender<()>,
}

impl Instances {
    /// Reads the list, and keeps it. Each cache looks at the one before it once in its period, the
    /// first at the source; where that fails, what is known stays, as real callers have it. `told`
    /// gets every change of what is believed, and every failure.
    ///
    /// # Errors
    /// Where the thread cannot be started, or there is no cache.
    pub fn keep(
        source: Source,
        periods: &[Duration],
        told: impl Fn(&str) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let caches: Vec<(List, Duration)> = periods
            .iter()
            .map(|period| (List::default(), *period))
            .collect();
        let (list, _) = caches.last().context("there has to be a cache")?;
        let list = Arc::clone(list);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .context("the runtime of the instance list")?;
        thread::Builder::new()
            .name("instances".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = look_on(&source, &caches, told) => {}
                        _ = stopped => {}
                    }
                });
            })
            .context("the thread of the instance list")?;
        Ok(Self(Arc::new(Inner {
            list,
            next: AtomicUsize::new(0),
            _stop: stop,
        })))
    }

    /// The next instance in turn; none where none is known.
    #[must_use]
    pub fn pick(&self) -> Option<SocketAddr> {
        let list = read(&self.0.list);
        let next = self.0.next.fetch_add(1, Ordering::Relaxed);
        list.get(next.checked_rem(list.len())?).copied()
    }

    /// All that are believed to serve.
    #[must_use]
    pub fn all(&self) -> Vec<SocketAddr> {
        read(&self.0.list)
    }
}

fn read(list: &List) -> Vec<SocketAddr> {
    list.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn write(list: &List, instances: Vec<SocketAddr>) {
    *list.write().unwrap_or_else(PoisonError::into_inner) = instances;
}

/// A period of nothing would spin.
const LEAST: Duration = Duration::from_millis(10);
/// How soon to look again where no instance is known: an empty list cannot be out of date.
const EMPTY: Duration = Duration::from_secs(1);

/// Waits for whichever cache is due next, again and again.
async fn look_on(source: &Source, caches: &[(List, Duration)], told: impl Fn(&str)) {
    let Some((last, _)) = caches.last() else {
        return;
    };
    let mut due: Vec<Instant> = vec![Instant::now(); caches.len()];
    loop {
        let known = !read(last).is_empty();
        let now = Instant::now();
        // The last first, so that two that are due at once do not pass a change on in one step;
        // the other way round where all have to be filled.
        for turn in 0..caches.len() {
            let index = if known { caches.len() - 1 - turn } else { turn };
            if !known || due[index] <= now {
                look(source, caches, index, &told).await;
                due[index] = now + caches[index].1.max(LEAST);
            }
        }
        let next = due.iter().min().copied().unwrap_or_else(Instant::now);
        if read(last).is_empty() {
            sleep_until(next.min(Instant::now() + EMPTY)).await;
        } else {
            sleep_until(next).await;
        }
    }
}

async fn look(source: &Source, caches: &[(List, Duration)], index: usize, told: &impl Fn(&str)) {
    let seen = match index.checked_sub(1) {
        Some(before) => Ok(read(&caches[before].0)),
        None => source.read().await,
    };
    match seen {
        Ok(mut seen) => {
            seen.sort_unstable();
            if index + 1 == caches.len() && seen != read(&caches[index].0) {
                told(&format!("instances: {seen:?}"));
            }
            write(&caches[index].0, seen);
        }
        Err(error) => told(&format!("{error:#}")),
    }
}
