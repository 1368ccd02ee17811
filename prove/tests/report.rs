//! The report: what it says of runs as they could have been.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: what cannot be had has to fail the test"
)]

mod sample;

use prove::record::{Arm, Kind, Lateness, Phase, Run, Undelivered};
use prove::report::{self, Report};
use sample::run;

fn both(rollouts: u64) -> Vec<Run> {
    let mut runs = vec![run(Arm::Silkroll, rollouts), run(Arm::Control, rollouts)];
    runs.iter_mut().for_each(report::fill);
    runs
}

#[test]
fn the_tables_say_what_was_lost_and_when() {
    insta::assert_snapshot!(report::markdown(&both(1)));
}

#[test]
fn the_summary_counts_each_arm_for_itself() {
    insta::assert_snapshot!(report::summary(&both(1)));
}

#[test]
fn the_picture_has_both_arms_on_one_axis() {
    let runs = both(1);
    insta::assert_snapshot!(report::draw(&[&runs[1], &runs[0]]));
}

#[test]
fn many_rollouts_take_no_more_room_than_one() {
    let lines = |rollouts| {
        let runs = both(rollouts);
        let svg = report::draw(&[&runs[1], &runs[0]]);
        let bars = svg.matches("class=\"ok\"").count();
        let height = svg.split("height=\"").nth(1).unwrap().split('"').next();
        (bars, height.unwrap().parse::<u32>().unwrap())
    };
    let ((few, low), (many, high)) = (lines(3), lines(100));
    assert!(few < many && many < 2 * 361, "{few} {many}");
    assert!(high <= low + 32, "{low} {high}");
}

#[test]
fn json_is_read_back_as_it_was() {
    let folder = std::env::temp_dir().join(format!("report-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let runs = both(1);
    std::fs::write(folder.join("of-an-earlier-run.svg"), "").unwrap();
    report::clear(&folder).unwrap();
    let written = Report {
        about: "where".to_owned(),
        problems: vec!["lost one".to_owned()],
        runs,
        undelivered: Vec::new(),
        order: Vec::new(),
    };
    report::write(&folder, &written).unwrap();
    for name in ["report.md", "summary.md"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.contains("NOT PROVED: lost one"), "{name}: {text}");
    }
    let text = std::fs::read_to_string(folder.join("report.json")).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    std::fs::remove_dir_all(&folder).unwrap();
    let read: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(read.runs, written.runs);
    names.sort();
    assert_eq!(
        names,
        [
            "report.json",
            "report.md",
            "service-through-kube-proxy-clusterip.svg",
            "summary.md"
        ]
    );
}

/// Only the connection that was refused then, to that address, and new: what is refused otherwise is the pod's.
#[test]
fn what_kube_proxy_refused_by_itself_is_told_apart_and_counts_all_the_same() {
    let mut told = Report::begin(String::new(), Vec::new());
    told.runs = both(1);
    let control = |report: &Report| {
        let runs = report.runs.iter();
        let lost = runs.flat_map(|run| &run.load.lost);
        lost.map(|lost| lost.undelivered).collect::<Vec<_>>()
    };
    let lost = told.runs[1].load.lost.clone();
    let new = lost.iter().position(|lost| lost.kind == Kind::Refused);
    let at_ms = lost[new.unwrap()].at_ms;
    let near = lost.iter().filter(|other| {
        other.kind == Kind::Refused && other.at_ms.abs_diff(at_ms) <= 100 + other.after_ms
    });
    let near = near.count();
    for (at_ms, to, found) in [
        (at_ms, "10.96.0.10:80", near),
        (at_ms, "10.96.0.1:80", 0),
        (at_ms, "10.96.0.10:8080", 0),
        (at_ms - 3_600_000, "10.96.0.10:80", 0),
    ] {
        let to = to.parse().unwrap();
        told.tell_apart(vec![Undelivered { at_ms, to }]);
        let marked = control(&told).into_iter().filter(|marked| *marked).count();
        assert_eq!(marked, found, "{to}");
    }
    let mut silkroll = told.runs[1].clone();
    silkroll.arm = Arm::Silkroll;
    silkroll.load.lost[0].undelivered = true;
    let text = report::losses(&silkroll);
    assert_eq!(
        text.matches("kube-proxy's rules refused").count(),
        1,
        "{text}"
    );
    told.runs[0].load = silkroll.load;
    let problems = report::problems(&told.runs);
    assert!(
        problems.iter().any(|problem| problem.contains("lost ")),
        "{problems:?}"
    );
}

#[test]
fn runs_that_lose_on_one_side_alone_are_proof() {
    assert_eq!(report::problems(&both(2)), Vec::<String>::new());
    // Of many lost requests the first are listed, and nothing is known of the rollouts behind them.
    let mut many = both(7);
    let lost = &mut many[1].load.lost;
    lost.truncate(lost.len() / 3);
    assert_eq!(report::problems(&many), Vec::<String>::new());
    // Even where the list is full before the first rollout is over.
    let mut first = both(1);
    let lost = &mut first[1].load.lost;
    lost.truncate(lost.len() / 3);
    assert_eq!(report::problems(&first), Vec::<String>::new());
    let mut away = both(2);
    away[1].silent_seconds = 2;
    for second in &mut away[1].load.seconds[8..10] {
        (second.ok, second.lost) = (0, second.sent);
    }
    assert_eq!(report::problems(&away), Vec::<String>::new());
}

#[test]
fn what_makes_runs_no_proof_is_said() {
    type Spoil = fn(&mut Vec<Run>);
    let cases: &[(&str, Spoil)] = &[
        ("nothing was run", Vec::clear),
        ("the silkroll arm was not run", |runs| drop(runs.remove(0))),
        ("the control arm was not run", |runs| drop(runs.remove(1))),
        ("no request was sent", |runs| runs[0].load.seconds.clear()),
        ("nothing was rolled out", |runs| runs[1].rollouts.clear()),
        (
            "silkroll: 5 pods were replaced, where its rollouts replace 6",
            |runs| {
                let gone = runs[0].pods.iter_mut().find(|pod| pod.deleted_ms.is_some());
                gone.unwrap().deleted_ms = None;
            },
        ),
        ("0 did", |runs| runs[0].rollouts[0].pods = 0),
        ("fewer than 200 a second", |runs| {
            for second in &mut runs[0].load.seconds {
                (second.sent, second.ok) = (3, 3);
            }
        }),
        ("the generator sent one of 100 requests more than", |runs| {
            runs[0].load.lateness.p99_ms = 60_000;
        }),
        // Losses of a service that stands still say nothing about its rollouts.
        ("the scenario proves nothing", |runs| {
            for lost in &mut runs[1].load.lost {
                lost.phases.retain(|at| at.phase == Phase::Ready);
            }
        }),
        ("but 11198 answered", |runs| {
            runs[0].load.seconds = vec![runs[0].load.seconds[0]; 56];
            runs[0].load.seconds[3].ok = 198;
        }),
        ("silkroll: lost 1 of", |runs| {
            runs[0].load.seconds[3].ok = 199;
            runs[0].load.seconds[3].lost = 1;
        }),
        ("the scenario proves nothing", |runs| {
            runs[1].load.lost.clear();
            for second in &mut runs[1].load.seconds {
                (second.ok, second.lost) = (second.sent, 0);
            }
        }),
        // Nor is a single one for each rollout.
        ("lost requests while pods came and went in 0 of", |runs| {
            let ends: Vec<_> = runs[1].rollouts.iter().skip(1).map(|it| it.at_ms).collect();
            let mut at = 0;
            runs[1].load.lost.retain(|lost| {
                let rollout = ends.iter().filter(|end| **end <= lost.at_ms).count() + 1;
                let first = rollout > at;
                at = rollout;
                first
            });
        }),
        (
            "answered nothing for 0 s in a row at most, where the service has to be away for 2 s",
            |runs| {
                runs[1].silent_seconds = 2;
            },
        ),
        // What the generator lost by itself is no proof of anything.
        ("the scenario proves nothing", |runs| {
            for lost in &mut runs[1].load.lost {
                lost.kind = Kind::Local;
            }
        }),
        ("lost by the generator's own side", |runs| {
            runs[1].load.lost[0].kind = Kind::Local;
        }),
    ];
    for (said, spoil) in cases {
        let mut runs = both(2);
        spoil(&mut runs);
        let problems = report::problems(&runs);
        assert!(
            problems.iter().any(|problem| problem.contains(said)),
            "{said}: {problems:?}"
        );
    }
}

#[test]
fn a_late_generator_is_said() {
    let mut late = run(Arm::Silkroll, 1);
    let text = |run: &Run| report::losses(run).contains("late itself");
    assert!(!text(&late));
    late.load.lateness = Lateness {
        p50_ms: 3,
        p99_ms: 51,
        max_ms: 900,
    };
    assert!(text(&late));
}
