//! From the times of a pod to its phases, and from a lost request to the pods that it may have been.

use crate::record::{Kind, Lost, Millis, Phase, Pod, PodPhase, Run};

/// A stretch of a pod's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it was doing.
    pub phase: Phase,
    /// From when.
    pub from: Millis,
    /// Until when; none where it went on.
    pub to: Option<Millis>,
}

/// A pod's phases one after another. Before the first time that is known, nothing is.
#[must_use]
pub fn spans(pod: &Pod) -> Vec<Span> {
    let mut changes: Vec<(Millis, Phase)> = Vec::new();
    let mut add = |at: Option<Millis>, phase| changes.extend(at.map(|at| (at, phase)));
    add(pod.created_ms, Phase::Pending);
    add(pod.started_ms, Phase::Starting);
    add(pod.ready_ms, Phase::Ready);
    for restart in &pod.restarts {
        add(Some(restart.failed_ms), Phase::Draining);
        add(restart.killed_ms, Phase::Stopping);
        add(restart.started_ms, Phase::Starting);
        add(restart.ready_ms, Phase::Ready);
    }
    add(pod.deleted_ms, Phase::Draining);
    add(pod.killed_ms, Phase::Stopping);
    add(pod.gone_ms, Phase::Gone);
    // The order of a life decides where two were seen in the same millisecond.
    changes.sort_by_key(|(at, _)| *at);
    let ends = changes.iter().skip(1).map(|(at, _)| Some(*at));
    changes
        .iter()
        .zip(ends.chain([None]))
        .filter(|((from, _), to)| to.is_none_or(|to| to > *from))
        .map(|(&(from, phase), to)| Span { phase, from, to })
        .collect()
}

/// What a pod was doing at a moment; none where that is not known.
#[must_use]
pub fn phase_at(pod: &Pod, at: Millis) -> Option<PodPhase> {
    spans(pod)
        .into_iter()
        .rfind(|span| span.from <= at)
        .map(|span| PodPhase {
            pod: pod.name.clone(),
            phase: span.phase,
            for_ms: at - span.from,
        })
}

/// Gives each lost request the phase of its pod or, where the pod is not known, of all that it may
/// have been, the one that changed last first.
pub fn fill(run: &mut Run) {
    for lost in &mut run.load.lost {
        lost.phases = suspects(lost, &run.pods, run.remembered_ms);
    }
}

fn suspects(lost: &Lost, pods: &[Pod], remembered_ms: u64) -> Vec<PodPhase> {
    // A request that broke says when; one that was given up after its timeout went wrong when it was sent.
    let at = match lost.kind {
        Kind::Timeout => lost.at_ms,
        _ => lost.at_ms + lost.after_ms,
    };
    if let Some(pod) = pods.iter().find(|pod| lost.pod.as_ref() == Some(&pod.name)) {
        return phase_at(pod, at).into_iter().collect();
    }
    let mut phases: Vec<PodPhase> = pods
        .iter()
        .filter_map(|pod| phase_at(pod, at))
        .filter(|at| match at.phase {
            Phase::Starting | Phase::Draining | Phase::Stopping => true,
            Phase::Gone => at.for_ms <= remembered_ms,
            // One has no address yet, the other serves; in its first second it may not serve everywhere.
            Phase::Pending => false,
            Phase::Ready => at.for_ms <= 1000,
        })
        .collect();
    phases.sort_by_key(|at| at.for_ms);
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Connection, Restart};

    fn pod() -> Pod {
        Pod {
            name: "a".to_owned(),
            created_ms: Some(100),
            started_ms: Some(200),
            ready_ms: Some(300),
            deleted_ms: Some(900),
            killed_ms: Some(950),
            gone_ms: Some(1000),
            known_ms: None,
            restarts: vec![Restart {
                failed_ms: 500,
                killed_ms: Some(510),
                started_ms: Some(520),
                ready_ms: Some(600),
            }],
        }
    }

    #[test]
    fn a_life_with_a_restart_has_its_phases_in_order() {
        let phases: Vec<(Phase, Millis, Option<Millis>)> = spans(&pod())
            .into_iter()
            .map(|span| (span.phase, span.from, span.to))
            .collect();
        assert_eq!(
            phases,
            [
                (Phase::Pending, 100, Some(200)),
                (Phase::Starting, 200, Some(300)),
                (Phase::Ready, 300, Some(500)),
                (Phase::Draining, 500, Some(510)),
                (Phase::Stopping, 510, Some(520)),
                (Phase::Starting, 520, Some(600)),
                (Phase::Ready, 600, Some(900)),
                (Phase::Draining, 900, Some(950)),
                (Phase::Stopping, 950, Some(1000)),
                (Phase::Gone, 1000, None),
            ]
        );
        assert_eq!(phase_at(&pod(), 99), None);
        assert_eq!(
            phase_at(&pod(), 949).map(|at| (at.phase, at.for_ms)),
            Some((Phase::Draining, 49))
        );
    }

    #[test]
    fn what_was_not_seen_is_left_out() {
        let killed_at_once = Pod {
            deleted_ms: Some(900),
            killed_ms: Some(900),
            ..Pod::default()
        };
        let phases: Vec<Phase> = spans(&killed_at_once)
            .iter()
            .map(|span| span.phase)
            .collect();
        assert_eq!(phases, [Phase::Stopping]);
        assert_eq!(spans(&Pod::default()), []);
    }

    fn lost(kind: Kind, pod: Option<&str>) -> Lost {
        Lost {
            at_ms: 5940,
            after_ms: 20,
            connection: Connection::New,
            connection_age_ms: None,
            kind,
            detail: String::new(),
            url: String::new(),
            pod: pod.map(str::to_owned),
            undelivered: false,
            phases: Vec::new(),
        }
    }

    /// A pod that was ready, deleted, killed and gone at these times.
    fn leaving(name: &str, times: [Millis; 4]) -> Pod {
        let [ready, deleted, killed, gone] = times.map(Some);
        Pod {
            name: name.to_owned(),
            ready_ms: ready,
            deleted_ms: deleted,
            killed_ms: killed,
            gone_ms: gone,
            ..Pod::default()
        }
    }

    #[test]
    fn a_lost_request_finds_its_pod_or_its_suspects() {
        let mut starting = leaving("starting", [6500, 9000, 9000, 9000]);
        (starting.created_ms, starting.started_ms) = (Some(5800), Some(5955));
        let mut pending = starting.clone();
        pending.started_ms = None;
        let mut run = Run::new(
            "s",
            crate::record::Arm::Control,
            0,
            crate::record::Load::default(),
        );
        run.remembered_ms = 40_000;
        run.pods = vec![
            leaving("leaving", [300, 5900, 5950, 6000]),
            starting,
            pending,
            leaving("ready", [300, 9000, 9000, 9000]),
            leaving("just-ready", [5100, 9000, 9000, 9000]),
            leaving("gone", [300, 400, 500, 600]),
        ];
        run.load.lost = vec![
            // It broke after SIGTERM, at 5960; one that timed out counts from when it was sent.
            lost(Kind::Reset, Some("leaving")),
            lost(Kind::Timeout, Some("leaving")),
            lost(Kind::Reset, None),
            Lost {
                at_ms: 600 + 40_000,
                ..lost(Kind::Reset, None)
            },
        ];
        fill(&mut run);
        let found: Vec<Vec<(&str, Phase)>> = run
            .load
            .lost
            .iter()
            .map(|lost| {
                lost.phases
                    .iter()
                    .map(|at| (at.pod.as_str(), at.phase))
                    .collect()
            })
            .collect();
        assert_eq!(found[0], [("leaving", Phase::Stopping)]);
        assert_eq!(found[1], [("leaving", Phase::Draining)]);
        assert_eq!(
            found[2],
            [
                ("starting", Phase::Starting),
                ("leaving", Phase::Stopping),
                ("just-ready", Phase::Ready),
                ("gone", Phase::Gone),
            ]
        );
        assert!(found[3].iter().all(|(pod, _)| *pod != "gone"));
    }
}
