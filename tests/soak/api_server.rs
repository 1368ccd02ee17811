//! The API server is away for long, and then comes and goes: the replicas answer whoever else asks, and afterwards all is
//! as it should be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use tokio::task::JoinHandle;

use super::cluster::installed::{NAME, caller};
use super::cluster::side::namespace;
use super::number;
use super::world::{Replica, World};

/// Between two questions to a replica.
const EVERY: Duration = Duration::from_millis(100);

/// Asks one replica again and again, each time on a new connection, as an API server would that trusts this bundle.
fn ask(
    replica: &Replica,
    bundle: &[u8],
    stop: &Arc<AtomicBool>,
) -> JoinHandle<(usize, Vec<String>)> {
    let client = caller(bundle, replica.listen)
        .pool_max_idle_per_host(0)
        // What the install file gives the webhook.
        .timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    let url = format!("https://{NAME}:{}/mutate", replica.listen.port());
    let mut object = serde_json::to_value(super::world::deployment("web")).unwrap();
    object["apiVersion"] = "apps/v1".into();
    object["kind"] = "Deployment".into();
    object["metadata"]["namespace"] = "soak".into();
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "operation": "CREATE", "namespace": "soak", "name": "web",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "object": object,
        },
    })
    .to_string();
    let stop = Arc::clone(stop);
    tokio::spawn(async move {
        let (mut asked, mut failed) = (0, vec![]);
        let mut turns = tokio::time::interval(EVERY);
        while !stop.load(Ordering::Relaxed) {
            turns.tick().await;
            asked += 1;
            let request = client.post(&url).header("content-type", "application/json");
            let answer = match request.body(review.clone()).send().await {
                Ok(answer) => answer.text().await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(text) if text.contains("\"patch\"") => {}
                other => failed.push(format!("{asked}: {other:?}")),
            }
        }
        (asked, failed)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_api_server_is_away_and_restarts_the_replicas_answer_on() {
    let (away, restarts) = (number("AWAY", 5), number("RESTARTS", 2));
    let world = World::start(false).await;
    let mut replicas = world.two(&["--drain-seconds=0"]).await;
    let bundle = world.bundle().await.unwrap();
    let stop = Arc::<AtomicBool>::default();
    let asking: Vec<_> = replicas
        .iter()
        .map(|replica| ask(replica, &bundle, &stop))
        .collect();

    world.plane.kill_api_server();
    tokio::time::sleep(Duration::from_secs(away.into())).await;
    assert!(replicas.iter().all(Replica::ready));
    world.plane.start_api_server();
    for _ in 0..restarts {
        world.plane.kill_api_server();
        world.plane.start_api_server();
    }
    let back = Instant::now();
    world.in_force().await;
    println!(
        "injected again {:.1} s after the last start",
        back.elapsed().as_secs_f64()
    );

    // It hears of namespaces, and keeps what it keeps.
    namespace(&world.plane, "after", Some("enabled"));
    let maps = Api::<ConfigMap>::namespaced(world.client.clone(), "after");
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=silkroll");
    let begun = Instant::now();
    while maps.list_metadata(&ours).await.unwrap().items.is_empty() || !world.injects("after").await
    {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing came of the new namespace"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        world.bundle().await,
        Some(bundle),
        "no reason for another CA"
    );
    world.blank_bundle();
    let begun = Instant::now();
    while world.bundle().await.is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "the bundle was not healed"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for replica in &mut replicas {
        replica.process.check().unwrap();
        assert!(replica.ready());
    }
    stop.store(true, Ordering::Relaxed);
    let (mut asked, mut failed) = (0, vec![]);
    for one in asking {
        let (more, not) = one.await.unwrap();
        asked += more;
        failed.extend(not);
    }
    println!(
        "away {away} s, then restarted {restarts} times: {asked} questions to the replicas, {} without an answer",
        failed.len()
    );
    assert_eq!(failed, Vec::<String>::new());
}
