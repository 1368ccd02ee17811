//! The CA is replaced again and again, and no admission fails by it.

use std::time::{Duration, Instant};

use super::load::Load;
use super::number;
use super::world::World;

/// A CA lasts 18 s, so the next one comes after 12; what it signs lasts 9 s, and is served 3 s after the CA is in the bundle.
/// With a third left each is renewed: a machine that stands still for 3 s lets a certificate end, as one that stands still for
/// two days does with those that last a week.
const LIFETIMES: &str = "--own-lifetimes=18,9,3";
/// A long run says how it goes: a machine that stops takes no more with it than what came after the last line.
const TOLD_EVERY: usize = 20;
/// Without a line for each admission: it is read again and again.
const LOG: &str = "--log-level=info,silkroll::server::routes=warn";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_of_the_ca_fail_no_admission() {
    let rotations = number("ROTATIONS", 2) as usize;
    let world = World::start(false).await;
    let replicas = world.two(&[LIFETIMES, LOG, "--drain-seconds=0"]).await;
    let said = |message| -> usize { replicas.iter().map(|replica| replica.said(message)).sum() };
    let before = [said("a new CA"), said("certificate issued")];
    let load = Load::start(&world.client, false);
    let mut last = (0, Instant::now());
    while last.0 < rotations {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = said("a new CA") - before[0];
        if now > last.0 {
            if now / TOLD_EVERY > last.0 / TOLD_EVERY {
                println!("{now} rotations, {}", load.so_far());
            }
            last = (now, Instant::now());
        }
        assert!(
            last.1.elapsed() < Duration::from_secs(60),
            "no new CA for a minute: {} {}",
            replicas[0].process.tail(),
            replicas[1].process.tail()
        );
    }
    let tally = load.end().await;
    println!(
        "{} rotations of the CA, {} certificates served: {}; connections to each replica: {:?}",
        last.0,
        said("certificate issued") - before[1],
        tally.figures(),
        world.service.carried(),
    );
    tally.none_failed(&world);
    // Each new bundle makes the API server connect anew.
    assert!(
        world
            .service
            .carried()
            .iter()
            .all(|carried| *carried > last.0)
    );
}
