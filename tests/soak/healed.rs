//! The CA's Secret is deleted and `caBundle` blanked at once, again and again.

use std::time::{Duration, Instant};

use super::number;
use super::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_secret_and_a_blanked_bundle_are_healed_in_five_seconds() {
    let times = number("TIMES", 5);
    let world = World::start(false).await;
    let replicas = world.two(&["--drain-seconds=0"]).await;
    let mut took = vec![];
    for _ in 0..times {
        // The two calls of kubectl count, too: what is deleted first is healed while the other runs.
        let begun = Instant::now();
        world.delete_ca();
        world.blank_bundle();
        // Until all is there, and a real admission comes out injected: the API server trusts what is served.
        loop {
            let there = world.has_ca().await && world.bundle().await.is_some();
            if there && world.injects("soak").await {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "not healed in a minute"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let longest = took[took.len() - 1];
    println!(
        "{times} times, healed in {:?} at the median and {longest:?} at most",
        took[took.len() / 2],
    );
    assert!(longest <= Duration::from_secs(5), "{took:?}");
    assert!(replicas.iter().all(super::world::Replica::ready));
}
