//! Runs as they could have been, made by hand.

use prove::record::{
    Arm, Connection, Kind, Lateness, Load, Lost, Millis, Pod, Rollout, Run, Second,
};

/// When every sample begins.
pub(crate) const START: Millis = 1_700_000_000_000;

/// Three pods, replaced one by one so many times. Without Silkroll a few requests are lost each
/// time; with it the pods take longer to go.
pub(crate) fn run(arm: Arm, rollouts: u64) -> Run {
    let (drain, apart) = match arm {
        Arm::Control => (0, 9_000),
        Arm::Silkroll => (15_000, 14_000),
    };
    let end = 5 + rollouts * apart / 1000 + drain / 1000 + 3;
    let mut pods = vec![pod("app-0-0", 0), pod("app-0-1", 0), pod("app-0-2", 0)];
    for pod in &mut pods {
        for time in [&mut pod.created_ms, &mut pod.started_ms, &mut pod.ready_ms] {
            *time = Some(START - 10_000);
        }
    }
    let mut rolled = Vec::new();
    let mut lost = Vec::new();
    for rollout in 0..rollouts {
        let at = START + 4_000 + rollout * apart;
        rolled.push(Rollout {
            at_ms: at,
            how: "kubectl rollout restart".to_owned(),
            pods: 3,
        });
        for replica in 0..3 {
            let came = at + 100 + replica * 2_500;
            pods.push(pod(&format!("app-{}-{replica}", rollout + 1), came));
            let deleted = came + 2_400;
            let leaves = &mut pods[usize::try_from(rollout * 3 + replica).unwrap()];
            leaves.deleted_ms = Some(deleted);
            leaves.killed_ms = Some(deleted + drain + 30);
            leaves.gone_ms = Some(deleted + drain + 330);
            if arm == Arm::Control {
                let name = leaves.name.clone();
                lost.extend((0..5 + replica * 20).map(|n| cut(deleted + 35 + n * 11, n, &name)));
            }
        }
    }
    let mut seconds: Vec<Second> = (0..end)
        .map(|second| Second {
            second,
            sent: 200,
            ok: 200,
            lost: 0,
            slowest_ms: 12,
        })
        .collect();
    for lost in &lost {
        let second = usize::try_from((lost.at_ms - START) / 1000).unwrap();
        seconds[second].lost += 1;
        seconds[second].ok -= 1;
    }
    let load = Load {
        rate: 200,
        seconds,
        lost,
        slowest_ms: 412,
        closed_idle: 31,
        retried: 0,
        lateness: Lateness {
            p50_ms: 1,
            p99_ms: 4,
            max_ms: 31,
        },
    };
    let mut run = Run::new("Service through kube-proxy & ClusterIP", arm, START, load);
    run.remembered_ms = 40_000;
    run.pods = pods;
    run.rollouts = rolled;
    run
}

fn pod(name: &str, came: Millis) -> Pod {
    Pod {
        name: name.to_owned(),
        created_ms: Some(came),
        started_ms: Some(came + 700),
        ready_ms: Some(came + 2_300),
        ..Pod::default()
    }
}

fn cut(at_ms: Millis, n: u64, pod: &str) -> Lost {
    let kept = n.is_multiple_of(3);
    Lost {
        at_ms,
        after_ms: 1,
        connection: if kept {
            Connection::Kept
        } else {
            Connection::New
        },
        connection_age_ms: kept.then_some(900),
        kind: if kept { Kind::Closed } else { Kind::Refused },
        detail: "connecting: Connection refused (os error 111)".to_owned(),
        url: "http://10.96.0.10:80/".to_owned(),
        pod: kept.then(|| pod.to_owned()),
        undelivered: false,
        phases: Vec::new(),
    }
}
