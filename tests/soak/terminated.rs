//! Of two replicas one is told to end again and again, and another one takes its place. What is told here is harder than
//! what the install file's pods have: they sleep before SIGTERM, until no new calls come to them.

use std::time::{Duration, Instant};

use super::load::{Load, stored};
use super::number;
use super::world::World;

/// The grace period of the install file's pods.
const GRACE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_told_to_end_fail_no_admission() {
    let (stops, every) = (number("STOPS", 3), number("EVERY", 8));
    let world = World::start(false).await;
    let mut replicas = world.two(&[]).await;
    let load = Load::start(&world.client, true);
    let mut leaving = vec![];
    for turn in 0..stops {
        let begun = Instant::now();
        let at = usize::try_from(turn).unwrap() % 2;
        // The other one is ready before this one goes, as with any eviction that a disruption budget lets through.
        world.behind_the_service(&replicas[1 - at]);
        let old = std::mem::replace(&mut replicas[at], world.replica(&[]));
        world.service.going(&old.name);
        old.process.signal("TERM").unwrap();
        leaving.push((Instant::now(), old));
        leaving.retain_mut(|(told, old)| {
            assert!(
                old.process.ended() || told.elapsed() < GRACE,
                "{}",
                old.process.tail()
            );
            !old.process.ended()
        });
        let rest = Duration::from_secs(every.into()).saturating_sub(begun.elapsed());
        tokio::time::sleep(rest).await;
    }
    let tally = load.end().await;
    println!(
        "{stops} times SIGTERM, one each {every} s: {}; connections to each replica: {:?}, {} were taken by none",
        tally.figures(),
        world.service.carried(),
        world.service.lost(),
    );
    tally.none_failed(&world);
    assert_eq!(stored(&world.client).await, (tally.asked, vec![]));
}
