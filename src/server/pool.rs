//! Units that requests share, bytes or turns: who gets them next, and who has to give way when there are no more.
//!
//! No request waits for a slower one: where none are left, one of those that are behind a slow network's pace has to go. And
//! none waits for a crowd: what becomes free goes to the one whose peer has used least lately.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::shares::{Peer, Shares};

/// How far behind its pace a request may be before it can be made to go: three round trips around the world.
const GRACE: Duration = Duration::from_millis(300);

/// The pace: bytes a second. A fifth of a 200 Mbit line, for an API server that is near.
const PACE: u64 = 4 << 20;

/// The time that so many bytes take at that pace.
pub(super) fn at_pace(bytes: u64) -> Duration {
    Duration::from_micros(bytes * 1_000_000 / PACE)
}

/// Others needed its units, and it was too slow.
#[derive(Debug)]
pub(super) struct Evicted;

/// A number of units that requests share.
#[derive(Debug)]
pub(super) struct Pool(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    next: u64,
    held: BTreeMap<u64, Held>,
    /// Units times seconds.
    shares: Shares,
}

#[derive(Debug)]
struct Held {
    peer: Peer,
    units: usize,
    /// How many more it waits for.
    wants: usize,
    /// Up to when what it holds is added to its peer's share.
    counted: Instant,
    /// From when on it waits for them.
    waits: Instant,
    /// From when on it is so far behind its pace that it can be made to go; none while Silkroll itself is at work on it.
    late: Option<Instant>,
    /// How much of it has come or gone, in bytes.
    moved: usize,
    shared: Arc<Shared>,
}

/// What a request and whoever makes it go have in common.
#[derive(Debug, Default)]
struct Shared {
    evicted: AtomicBool,
    /// It was made to go.
    told: Notify,
    /// It got what it waited for.
    granted: Notify,
    /// The answer that is being written.
    answer: Mutex<Option<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Held {
    fn is_evicted(&self) -> bool {
        self.shared.evicted.load(Ordering::Relaxed)
    }

    /// When it can be made to go.
    fn late_at(&self) -> Option<Instant> {
        self.late.filter(|_| self.units > 0 && !self.is_evicted())
    }
}

enum Grown {
    Yes,
    Evicted,
    /// Until this time, or until it is granted.
    Wait(Instant),
}

impl State {
    /// Adds what is held to the shares, up to now.
    fn count(&mut self, now: Instant) {
        for held in self.held.values_mut().filter(|held| held.units > 0) {
            #[expect(clippy::cast_precision_loss, reason = "units are at most millions")]
            let used = held.units as f64 * (now - held.counted).as_secs_f64();
            self.shares.add(held.peer, used, now);
            held.counted = now;
        }
    }

    /// Who waits and goes first: whose peer has used least, then who came first.
    fn first(&mut self, now: Instant) -> Option<u64> {
        if !self.held.values().any(|held| held.wants > 0) {
            return None;
        }
        self.count(now);
        let waiting = self.held.iter().filter(|(_, held)| held.wants > 0);
        let used = |held: &Held| self.shares.used(held.peer, now);
        let first = waiting.min_by(|(_, one), (_, other)| used(one).total_cmp(&used(other)));
        first.map(|(id, _)| *id)
    }

    /// Gives what is free to those who wait, in their order; tells who is first of those who wait on.
    fn grant(&mut self, now: Instant) -> Option<u64> {
        loop {
            let id = self.first(now)?;
            let held = self.held.get_mut(&id)?;
            if held.wants > self.free {
                return Some(id);
            }
            self.free -= held.wants;
            held.units += std::mem::take(&mut held.wants);
            held.counted = now;
            // It waited for others here, not they for it.
            let waited = now - held.waits;
            held.late = held.late.map(|late| late + waited);
            held.shared.granted.notify_one();
        }
    }

    fn grow(&mut self, id: u64, units: usize) -> Grown {
        let now = Instant::now();
        let Some(held) = self.held.get_mut(&id) else {
            return Grown::Evicted;
        };
        if held.is_evicted() {
            held.wants = 0;
            return Grown::Evicted;
        }
        if held.wants == 0 {
            held.waits = now;
        }
        held.wants = units.saturating_sub(held.units);
        if let Some(first) = self.grant(now) {
            self.make_room(first, now);
        }
        match self.held.get(&id) {
            Some(held) if held.wants == 0 => Grown::Yes,
            _ => {
                let soonest = self.held.values().filter_map(Held::late_at).min();
                let soonest = soonest.filter(|soonest| *soonest > now);
                Grown::Wait(soonest.unwrap_or(now + GRACE))
            }
        }
    }

    /// Makes requests go that are late, until there is room for the first that waits.
    fn make_room(&mut self, first: u64, now: Instant) {
        let wants = self.held.get(&first).map_or(0, |held| held.wants);
        let evicted = self.held.values().filter(|held| held.is_evicted());
        let mut leaving: usize = evicted.map(|held| held.units).sum();
        while wants > self.free + leaving {
            let late = |held: &Held| held.late_at().is_some_and(|late| late <= now);
            let others = self.held.iter().filter(|(id, _)| **id != first);
            // Of those that are late one of the peer that has used most, and of its own the one that is so longest.
            let worst = others.filter(|(_, held)| late(held)).min_by(|one, other| {
                let used = |held: &Held| self.shares.used(held.peer, now);
                let (one, other) = (one.1, other.1);
                let by_use = used(other).total_cmp(&used(one));
                by_use.then(one.late.cmp(&other.late))
            });
            let Some(id) = worst.map(|(id, _)| *id) else {
                return;
            };
            let Some(held) = self.held.get_mut(&id) else {
                return;
            };
            held.wants = 0;
            held.shared.evicted.store(true, Ordering::Relaxed);
            held.shared.told.notify_one();
            held.shared.granted.notify_one();
            if lock(&held.shared.answer).take().is_some() {
                self.free += std::mem::take(&mut held.units);
            } else {
                leaving += held.units;
            }
        }
        self.grant(now);
    }
}

impl Pool {
    pub(super) fn new(units: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: units,
            next: 0,
            held: BTreeMap::new(),
            shares: Shares::default(),
        })))
    }

    /// A place for one request and its answer.
    pub(super) fn place(self: &Arc<Self>, peer: Peer) -> PoolPlace {
        let shared = Arc::<Shared>::default();
        let now = Instant::now();
        let mut state = lock(&self.0);
        let id = state.next;
        state.next += 1;
        let held = Held {
            peer,
            units: 0,
            wants: 0,
            counted: now,
            waits: now,
            late: Some(now + GRACE),
            moved: 0,
            shared: Arc::clone(&shared),
        };
        state.held.insert(id, held);
        drop(state);
        PoolPlace {
            pool: Arc::clone(self),
            id,
            shared,
        }
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        lock(&self.0).free
    }

    /// Waits for one unit that cannot be taken back, in a pool of turns.
    pub(super) async fn turn(self: &Arc<Self>, peer: Peer) -> Result<PoolPlace, Evicted> {
        let place = self.place(peer);
        place.at_work();
        place.grow(1).await?;
        Ok(place)
    }
}

/// What one request holds of a pool, until it is dropped.
#[derive(Debug)]
pub(super) struct PoolPlace {
    pool: Arc<Pool>,
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for PoolPlace {
    fn drop(&mut self) {
        self.shrink(0);
        lock(&self.pool.0).held.remove(&self.id);
    }
}

impl PoolPlace {
    fn held(&self, change: impl FnOnce(&mut Held)) {
        if let Some(held) = lock(&self.pool.0).held.get_mut(&self.id) {
            change(held);
        }
    }

    /// Waits until so many units are held.
    pub(super) async fn grow(&self, units: usize) -> Result<(), Evicted> {
        loop {
            let until = match lock(&self.pool.0).grow(self.id, units) {
                Grown::Yes => return Ok(()),
                Grown::Evicted => return Err(Evicted),
                Grown::Wait(until) => until,
            };
            let waits = Waits(self);
            tokio::select! {
                () = self.shared.granted.notified() => {}
                () = sleep_until(until) => {}
            }
            waits.goes_on();
        }
    }

    /// Gives back all but so many units.
    pub(super) fn shrink(&self, units: usize) {
        let mut state = lock(&self.pool.0);
        if state
            .held
            .get(&self.id)
            .is_none_or(|held| held.units <= units)
        {
            return;
        }
        let now = Instant::now();
        state.count(now);
        if let Some(held) = state.held.get_mut(&self.id) {
            let freed = std::mem::replace(&mut held.units, units) - units;
            state.free += freed;
        }
        state.grant(now);
    }

    /// It comes or goes from now on, and has its time for that.
    pub(super) fn moves(&self) {
        self.held(|held| {
            held.late = Some(Instant::now() + GRACE);
            held.moved = 0;
        });
    }

    /// So many bytes of it have come or gone. Each brings its time at [`PACE`], but none is saved up: whoever sends fast and
    /// then stalls is late after [`GRACE`].
    pub(super) fn moved(&self, bytes: usize) {
        self.held(|held| {
            let more = bytes.saturating_sub(std::mem::replace(&mut held.moved, bytes)) as u64;
            let most = Instant::now() + GRACE;
            held.late = held.late.map(|late| (late + at_pace(more)).min(most));
        });
    }

    /// Silkroll is at work on it: it cannot be made to go.
    pub(super) fn at_work(&self) {
        self.held(|held| held.late = None);
    }

    /// Whether it was made to go.
    pub(super) fn is_evicted(&self) -> bool {
        self.shared.evicted.load(Ordering::Relaxed)
    }

    /// Ends when it is made to go.
    pub(super) async fn evicted(&self) {
        self.shared.told.notified().await;
    }

    /// Ends when others need the units: for a request that only waits for something. It keeps them until it is
    /// done, which is to be soon then.
    pub(super) async fn needed(&self) {
        self.moves();
        let rest = Rest(self);
        self.evicted().await;
        drop(rest);
    }

    /// The answer that is being written, which is taken back where the request is made to go.
    pub(super) fn answer(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        lock(&self.shared.answer)
    }
}

/// Silkroll is at work on the request again, however the wait for others ends.
struct Rest<'p>(&'p PoolPlace);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.at_work();
    }
}

/// Whoever stops waiting half-way wants nothing any more.
struct Waits<'p>(&'p PoolPlace);

impl Waits<'_> {
    fn goes_on(self) {
        std::mem::forget(self);
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.held(|held| held.wants = 0);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::sync::mpsc;

    use super::*;

    fn peer(number: u32) -> Peer {
        Peer::new(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    /// How many wait.
    fn waiting(pool: &Pool) -> usize {
        let state = lock(&pool.0);
        state.held.values().filter(|held| held.wants > 0).count()
    }

    /// As if a peer had held a unit for so many seconds until now: more than any test takes, on whatever machine.
    fn has_used(pool: &Pool, number: u32, seconds: f64) {
        let shares = &mut lock(&pool.0).shares;
        shares.add(peer(number), seconds, Instant::now());
    }

    #[tokio::test]
    async fn what_is_held_is_used() {
        let pool = Pool::new(1);
        let turn = pool.turn(peer(1)).await.unwrap();
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let held = begun.elapsed();
        drop(turn);
        let used = lock(&pool.0).shares.used(peer(1), Instant::now());
        // A part of it is forgotten already, the more the longer the machine took.
        assert!(used >= held.as_secs_f64() / 4.0, "{used} of {held:?}");
    }

    #[tokio::test]
    async fn a_turn_goes_to_the_peer_that_has_used_least_and_of_its_own_to_who_came_first() {
        let pool = Pool::new(1);
        // Both have had turns: the crowd longer ones.
        has_used(&pool, 1, 1e6);
        has_used(&pool, 2, 1e9);
        let first = pool.turn(peer(2)).await.unwrap();
        let (done, mut order) = mpsc::unbounded_channel();
        let asks = [2, 2, 2, 2, 2, 1, 1, 3];
        for (at, from) in asks.into_iter().enumerate() {
            let (one, done) = (Arc::clone(&pool), done.clone());
            tokio::spawn(async move {
                let turn = one.turn(peer(from)).await.unwrap();
                let _ = done.send(at);
                drop(turn);
            });
            while waiting(&pool) < at + 1 {
                tokio::task::yield_now().await;
            }
        }
        drop((first, done));
        let mut got = Vec::new();
        while let Some(at) = order.recv().await {
            got.push(at);
        }
        assert_eq!(got, [7, 5, 6, 0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn whoever_wants_little_does_not_overtake_who_is_first() {
        let pool = Pool::new(10);
        let holder = pool.place(peer(1));
        holder.at_work();
        holder.grow(8).await.unwrap();
        let [large, small] = [5, 1].map(|units| {
            let place = pool.place(peer(2));
            place.at_work();
            async move {
                place.grow(units).await.unwrap();
                place
            }
        });
        tokio::pin!(large, small);
        assert!(futures::poll!(&mut large).is_pending());
        assert!(futures::poll!(&mut small).is_pending());
        drop(holder);
        let _large = large.await;
        let _small = small.await;
        assert_eq!(pool.free(), 4);
    }

    #[tokio::test]
    async fn who_stops_waiting_wants_nothing_and_is_in_nobodys_way() {
        let pool = Pool::new(1);
        let held = pool.turn(peer(1)).await.unwrap();
        let given_up = tokio::time::timeout(Duration::from_millis(1), pool.turn(peer(2))).await;
        assert!(given_up.is_err());
        drop(held);
        assert_eq!(pool.free(), 1);
        drop(pool.turn(peer(3)).await.unwrap());
    }

    #[tokio::test]
    async fn who_stalls_is_late_however_fast_it_was_and_who_waited_for_others_is_not() {
        let pool = Pool::new(8 << 20);
        let fast = pool.place(peer(1));
        fast.grow(7 << 20).await.unwrap();
        fast.moved(7 << 20);
        let late = |place: &PoolPlace| lock(&pool.0).held.get(&place.id).and_then(|held| held.late);
        assert!(late(&fast).unwrap() <= Instant::now() + GRACE);
        let waits = pool.place(peer(2));
        let before = late(&waits).unwrap();
        // It waits before the other one is looked at, and at least until that is made to go.
        let (grown, waited) = tokio::join!(waits.grow(2 << 20), async {
            let since = lock(&pool.0).held[&waits.id].waits;
            fast.evicted().await;
            let waited = since.elapsed();
            fast.shrink(0);
            waited
        });
        grown.unwrap();
        assert!(waited > Duration::ZERO && late(&waits).unwrap() >= before + waited);
    }

    #[tokio::test]
    async fn of_those_that_are_late_one_of_the_peer_that_has_used_most_goes() {
        let pool = Pool::new(3);
        let [one, crowd, more] = [1, 2, 2].map(|number| pool.place(peer(number)));
        for place in [&one, &crowd, &more] {
            place.grow(1).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        for place in [&one, &more] {
            place.moved(1 << 20);
        }
        let new = pool.place(peer(3));
        let new = tokio::spawn(async move { new.grow(1).await.map(|()| new) });
        crowd.evicted().await;
        assert!(!one.is_evicted() && !more.is_evicted());
        drop(crowd);
        new.await.unwrap().unwrap();
    }
}
