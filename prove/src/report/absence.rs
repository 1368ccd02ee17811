//! How long instances were out of their registry while their containers restarted in place.

use std::fmt::Write as _;

use super::table::{cell, duration};
use crate::record::{Absence, Arm, Run};

/// A table of all restarts; nothing where there was none.
pub(super) fn table(runs: &[Run]) -> String {
    let mut text = String::new();
    for run in runs.iter().filter(|run| !run.absences.is_empty()) {
        if text.is_empty() {
            text.push_str(
                "\n| liveness failure | arm | out of its registry | until its container ran again | and from then on |\n\
                 |---|---|--:|--:|--:|\n",
            );
        }
        for absence in &run.absences {
            let start = absence.started_ms.saturating_sub(absence.out_ms);
            let (out, rest) = match absence.back_ms {
                Some(back) => (
                    duration(back.saturating_sub(absence.out_ms)),
                    duration(back.saturating_sub(absence.started_ms)),
                ),
                None => (
                    "for good".to_owned(),
                    format!("watched for {}", duration(watched(absence))),
                ),
            };
            let without = if absence.without_start_hook {
                ", `start-hook: none`"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "| {} | {}{without} | {out} | {} | {rest} |",
                cell(&absence.pod),
                run.arm,
                duration(start)
            );
        }
    }
    text
}

fn watched(absence: &Absence) -> u64 {
    absence.watched_until_ms.saturating_sub(absence.started_ms)
}

/// Why the restarts of a run are no proof.
pub(super) fn problems(run: &Run) -> Vec<String> {
    let mut problems = Vec::new();
    for absence in &run.absences {
        let pod = &absence.pod;
        match (absence.without_start_hook, absence.back_ms) {
            (false, None) => problems.push(format!(
                "{pod} restarted and was not in its registry again: watched for {}",
                duration(watched(absence))
            )),
            (true, Some(_)) => problems.push(format!(
                "{pod} was in its registry again without the start hook, which therefore proves nothing"
            )),
            _ => {}
        }
    }
    let in_place = run.rollouts.iter().filter(|rollout| rollout.pods == 0);
    let (in_place, without) = (
        in_place.count(),
        run.absences
            .iter()
            .filter(|absence| absence.without_start_hook)
            .count(),
    );
    let seen = run.absences.len() - without;
    if seen < in_place {
        problems.push(format!(
            "{in_place} containers were to restart in place, and {seen} did"
        ));
    }
    if run.arm == Arm::Silkroll && in_place > 0 && without == 0 {
        problems.push("there was no restart without the start hook to compare with".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Load, Rollout};

    fn run(arm: Arm, absences: Vec<Absence>) -> Run {
        let restart = Rollout {
            at_ms: 0,
            how: "liveness failure".to_owned(),
            pods: 0,
        };
        Run {
            rollouts: vec![restart; absences.len().min(1)],
            absences,
            ..Run::new("liveness", arm, 0, Load::default())
        }
    }

    fn absence(without_start_hook: bool, back_ms: Option<u64>) -> Absence {
        Absence {
            pod: "web".to_owned(),
            without_start_hook,
            out_ms: 1000,
            started_ms: 3000,
            back_ms,
            watched_until_ms: 70_000,
        }
    }

    #[test]
    fn back_with_the_hook_and_out_without_it_is_the_proof() {
        let (back, out) = (absence(false, Some(4500)), absence(true, None));
        let good = run(Arm::Silkroll, vec![back.clone(), out.clone()]);
        assert!(problems(&good).is_empty());
        assert!(problems(&run(Arm::Control, vec![back.clone()])).is_empty());
        assert_eq!(
            table(&[good]).lines().skip(3).collect::<Vec<_>>(),
            [
                "| web | silkroll | 3.5 s | 2.0 s | 1.5 s |",
                "| web | silkroll, `start-hook: none` | for good | 2.0 s | watched for 67.0 s |"
            ]
        );
        for bad in [
            vec![absence(false, None), out],
            vec![back.clone(), absence(true, Some(4000))],
            vec![back],
        ] {
            assert_eq!(problems(&run(Arm::Silkroll, bad)).len(), 1);
        }
    }

    #[test]
    fn without_restarts_there_is_no_table() {
        let none = run(Arm::Silkroll, Vec::new());
        assert!(problems(&none).is_empty());
        assert_eq!(table(&[none]), "");
    }
}
