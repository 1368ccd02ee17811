//! The tables, in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{absence, of, picture_name, scenarios};
use crate::record::{Arm, Lost, Pod, PodPhase, Run};

/// So many seconds with losses are listed for an arm; all of them are in the JSON.
const SECONDS: usize = 25;
/// So many requests lost with Silkroll are told in full where only the console is at hand.
const IN_FULL: usize = 5;

/// The whole report.
#[must_use]
pub fn markdown(runs: &[Run]) -> String {
    let mut text = overview(runs);
    for scenario in scenarios(runs) {
        let _ = write!(
            text,
            "\n## {scenario}\n\n![Requests and pods over time]({})\n",
            picture_name(scenario)
        );
        for run in of(runs, scenario) {
            let _ = write!(text, "\n### {}\n\n{}", run.arm, losses(run));
        }
    }
    text
}

/// All of it in a sentence: for people who read no table.
#[must_use]
pub fn summary(runs: &[Run]) -> String {
    let of_arm = |arm| runs.iter().filter(move |run| run.arm == arm);
    let counts = |arm| -> (u64, u64, usize, usize) {
        (
            of_arm(arm).map(Run::lost).sum(),
            of_arm(arm).map(Run::sent).sum(),
            of_arm(arm).map(|run| run.rollouts.len()).sum(),
            of_arm(arm).map(Run::replaced).sum(),
        )
    };
    let (lost, sent, rollouts, pods) = counts(Arm::Silkroll);
    let (control_lost, control_sent, _, control_pods) = counts(Arm::Control);
    let again: u64 = of_arm(Arm::Silkroll).map(|run| run.load.retried).sum();
    let again = match again {
        0 => String::new(),
        _ => format!(
            " ({} more crossed with the close of a kept connection, and were answered on a new one)",
            grouped(again)
        ),
    };
    format!(
        "With Silkroll {} of {} requests were lost{again}, while {} pods were replaced in {} scenarios ({rollouts} rollouts, drains, \
         restarts and the like). The control arms, without Silkroll or without the setting that a scenario is about, lost {} of {}, \
         with {} pods.",
        grouped(lost),
        grouped(sent),
        grouped(pods as u64),
        of_arm(Arm::Silkroll).count(),
        grouped(control_lost),
        grouped(control_sent),
        grouped(control_pods as u64),
    )
}

/// One line for each arm of each scenario, and one for each restart in place.
#[must_use]
pub fn overview(runs: &[Run]) -> String {
    let mut text = String::from(
        "| scenario | arm | requests | lost | how | slowest | replacements | pods replaced | lost per pod |\n\
         |---|---|--:|--:|---|--:|--:|--:|--:|\n",
    );
    for scenario in scenarios(runs) {
        for run in of(runs, scenario) {
            let how = counted(run.load.lost.iter().map(|lost| lost.kind.to_string()));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {how} | {} | {} | {} | {} |",
                cell(scenario),
                run.arm,
                grouped(run.sent()),
                grouped(run.lost()),
                duration(run.load.slowest_ms),
                run.rollouts.len(),
                run.replaced(),
                per_pod(run.lost(), run.replaced()),
            );
        }
    }
    text + &absence::table(runs)
}

/// How many requests each pod's going cost. The arms take different times, so their rates do not compare.
fn per_pod(lost: u64, pods: usize) -> String {
    let tenths = (lost * 10).checked_div(pods as u64);
    tenths.map_or_else(String::new, |tenths| {
        format!("{}.{}", tenths / 10, tenths % 10)
    })
}

/// What one arm lost, by second, kind and phase, and what else there is to say of it.
#[must_use]
pub fn losses(run: &Run) -> String {
    let mut text = String::new();
    let load = &run.load;
    let _ = writeln!(
        text,
        "{} requests at {} a second, {} lost.",
        grouped(run.sent()),
        load.rate,
        grouped(run.lost())
    );
    let mut remarks = run.notes.clone();
    if load.closed_idle > 0 {
        remarks.push(format!(
            "{} kept connections were closed by the other end while they were idle, which costs nothing.",
            grouped(load.closed_idle)
        ));
    }
    if load.retried > 0 {
        remarks.push(format!(
            "{} requests crossed with the close of a kept connection and were sent again on a new one, as HTTP clients do.",
            grouped(load.retried)
        ));
    }
    remarks.extend(known(run));
    let lateness = load.lateness;
    if !lateness.tolerable() {
        remarks.push(format!(
            "The load generator was late itself: half of the requests up to {}, 99 of 100 up to {}, the last by {}. \
             The rate was less even than it should be, and answers seem slower than they were.",
            duration(lateness.p50_ms),
            duration(lateness.p99_ms),
            duration(lateness.max_ms)
        ));
    }
    for remark in remarks {
        let _ = writeln!(text, "{remark}");
    }
    if load.lost.is_empty() {
        return text;
    }
    let nearest = |lost: &Lost| {
        lost.phases
            .first()
            .map_or("no pod known".to_owned(), |at| at.phase.to_string())
    };
    let _ = write!(
        text,
        "\nBy the phase of the pod or, where it is not known which, of the one that changed last: {}.\n\n\
         | second | lost | how | pods |\n|--:|--:|---|---|\n",
        counted(load.lost.iter().map(nearest))
    );
    let mut seconds: BTreeMap<u64, Vec<&Lost>> = BTreeMap::new();
    for lost in &load.lost {
        let second = lost.at_ms.saturating_sub(run.started_ms) / 1000;
        seconds.entry(second).or_default().push(lost);
    }
    for (second, lost) in seconds.iter().take(SECONDS) {
        let how = counted(
            lost.iter()
                .map(|lost| format!("{} on {} connections", lost.kind, lost.connection)),
        );
        let _ = writeln!(
            text,
            "| {second} | {} | {how} | {} |",
            lost.len(),
            pods(lost)
        );
    }
    if seconds.len() > SECONDS {
        let _ = writeln!(
            text,
            "\nAnd {} more seconds; all of them are in report.json.",
            seconds.len() - SECONDS
        );
    }
    if run.arm == Arm::Silkroll {
        text.push_str("\nThe first of them in full:\n\n");
        for lost in load.lost.iter().take(IN_FULL) {
            let _ = writeln!(text, "{}", in_full(run, lost));
        }
    }
    text
}

/// How long callers went on asking pods that were leaving, where they keep a list.
fn known(run: &Run) -> Option<String> {
    let after = |pod: &Pod| Some(pod.known_ms?.saturating_sub(pod.deleted_ms?));
    let all: Vec<u64> = run.pods.iter().filter_map(after).collect();
    let mut text = format!(
        "Pods were on the callers' list for {} to {} after they were told to go",
        duration(*all.iter().min()?),
        duration(*all.iter().max()?)
    );
    // Nothing, where one was still on it.
    let before = |pod: &Pod| Some(pod.killed_ms?.checked_sub(pod.known_ms?));
    let reserves: Option<Vec<u64>> = run.pods.iter().filter_map(before).collect();
    if let Some(reserve) = reserves.and_then(|all| all.into_iter().min()) {
        let _ = write!(
            text,
            ", and off it for at least {} when they got SIGTERM",
            duration(reserve)
        );
    }
    Some(text + ".")
}

/// The pods that the requests of a second may have been lost at.
fn pods(lost: &[&Lost]) -> String {
    let mut seen: Vec<String> = Vec::new();
    for at in lost.iter().flat_map(|lost| &lost.phases) {
        let said = format!("{} {}", cell(&at.pod), at.phase);
        if !seen.contains(&said) {
            seen.push(said);
        }
    }
    seen.join(", ")
}

/// One lost request in full: a single one among thousands is a matter of milliseconds.
fn in_full(run: &Run, lost: &Lost) -> String {
    let since =
        |at: &PodPhase| format!("{} {} for {}", cell(&at.pod), at.phase, duration(at.for_ms));
    let pods: Vec<String> = lost.phases.iter().map(since).collect();
    format!(
        "- due at {}, lost {} later on a {} connection: {} ({}{}); {}",
        duration(lost.at_ms.saturating_sub(run.started_ms)),
        duration(lost.after_ms),
        lost.connection,
        cell(&lost.detail),
        cell(&lost.url),
        if lost.undelivered {
            ", where kube-proxy's rules refused a connection just then, though there were endpoints"
        } else {
            ""
        },
        pods.join(", ")
    )
}

/// "name count" for each name, the most frequent first.
fn counted(names: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let said: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{} {name}", grouped(*count)))
        .collect();
    said.join(", ")
}

/// A number with its thousands told apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds as one would say them.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        _ => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, said) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), said);
        }
        assert_eq!(
            (duration(999), duration(12_345)),
            ("999 ms".to_owned(), "12.3 s".to_owned())
        );
    }

    #[test]
    fn what_was_left_of_the_drain_is_said_unless_nothing_was() {
        let pod = |killed_ms, known_ms| Pod {
            deleted_ms: Some(1000),
            killed_ms: Some(killed_ms),
            known_ms: Some(known_ms),
            ..Pod::default()
        };
        let said = |pods: Vec<Pod>| {
            let load = crate::record::Load::default();
            let mut run = Run::new("nacos", Arm::Silkroll, 0, load);
            run.pods = pods;
            known(&run)
        };
        assert_eq!(said(vec![Pod::default()]), None);
        let all = said(vec![pod(41_000, 34_500), pod(41_000, 3000)]).unwrap();
        let end = "for 2.0 s to 33.5 s after they were told to go, and off it for at least 6.5 s when they got SIGTERM.";
        assert!(all.ends_with(end), "{all}");
        let none = said(vec![pod(41_000, 34_500), pod(1000, 9000)]).unwrap();
        assert!(none.ends_with("after they were told to go."), "{none}");
    }

    #[test]
    fn names_are_counted_the_most_frequent_first() {
        let names = ["b", "c", "a", "b"].map(str::to_owned);
        assert_eq!(counted(names.into_iter()), "2 b, 1 a, 1 c");
    }
}
