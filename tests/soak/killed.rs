//! Replicas die at load. With `failurePolicy: Ignore` something may be admitted as it is then: the audit finds each of it.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::wait::eventually;

use super::load::{Load, stored};
use super::number;
use super::world::World;

/// The audit is another's.
const FLAGS: &[&str] = &["--audit-interval=0", "--drain-seconds=0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missed_while_replicas_die_is_found_by_the_audit_to_the_last() {
    let kills = number("KILLS", 2);
    let world = World::start(false).await;
    let mut replicas = world.two(FLAGS).await;
    let load = Load::start(&world.client, true);
    for turn in 0..kills {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let at = usize::try_from(turn).unwrap() % 2;
        let [one, other] = replicas;
        let [dead, alive] = if at == 0 { [one, other] } else { [other, one] };
        dead.process.kill().unwrap();
        // What a kubelet does.
        let next = world.replica(FLAGS);
        world.behind_the_service(&next);
        replicas = if at == 0 {
            [next, alive]
        } else {
            [alive, next]
        };
    }
    // Both at once: now something is missed for certain.
    for replica in replicas {
        replica.process.kill().unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _last = world.two(FLAGS).await;
    let tally = load.end().await;
    println!(
        "{kills} times kill -9, and then both: {}; {}",
        tally.figures(),
        world.unanswered()
    );
    assert!(tally.errors.is_empty(), "{:?}", tally.errors);
    let (all, missed) = stored(&world.client).await;
    let told: BTreeSet<_> = tally.unmarked.iter().cloned().collect();
    assert_eq!((all, told), (tally.asked, missed.iter().cloned().collect()));
    assert!(!missed.is_empty());

    let auditor = world.replica(&["--audit-interval=1", "--drain-seconds=0"]);
    let count = u64::try_from(missed.len()).unwrap();
    eventually("all of them, in the audit's figures", || {
        let found = auditor.figure("silkroll_audit_findings{reason=\"not-injected\"}");
        (found == Some(count)).then_some(())
    });
    let told = eventually("an Event for each", || {
        let told = events(&world);
        (told.len() >= missed.len()).then_some(told)
    });
    assert_eq!(told, missed.iter().cloned().collect());
    println!(
        "the audit tells of {} of {} misses, by name",
        told.len(),
        missed.len()
    );
}

/// Of whom an Event says that it was not injected.
fn events(world: &World) -> BTreeSet<String> {
    let events = world.plane.get(&["events.events.k8s.io", "-n", "soak"]);
    let events = events.unwrap();
    let events = events["items"].as_array().unwrap().iter();
    let told = events.filter(|event| event["reason"] == "NotInjected");
    told.filter_map(|event| event["regarding"]["name"].as_str().map(str::to_owned))
        .collect()
}
