//! What the runs say: a table, JSON and a picture of each scenario, and whether it is proof.

mod absence;
mod phases;
mod picture;
mod table;

use std::fs;
use std::path::Path;

use anyhow::Context as _;

pub use phases::{Span, fill, phase_at, spans};
pub use picture::draw;
pub use table::{losses, markdown, overview, summary};

use crate::record::{Arm, Kind, Run};

/// Writes `report.json`, `report.md`, `summary.md` and one picture per scenario into a folder that is there. `about`
/// says what was run where.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(folder: &Path, about: &str, runs: &[Run]) -> anyhow::Result<()> {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    // A line for each run: spread out, a hundred rollouts would be hundreds of megabytes.
    let lines: Result<Vec<String>, _> = runs.iter().map(serde_json::to_string).collect();
    let lines = lines.context("the report as JSON")?.join(",\n");
    put("report.json", &format!("[\n{lines}\n]\n"))?;
    let summary = summary(runs);
    put("summary.md", &format!("{summary}\n"))?;
    let head = format!("# What was seen\n\n{summary}\n\n{about}\n\n");
    put("report.md", &(head + &markdown(runs)))?;
    for scenario in scenarios(runs) {
        put(&picture_name(scenario), &draw(&of(runs, scenario)))?;
    }
    Ok(())
}

/// The file name of a scenario's picture.
#[must_use]
pub fn picture_name(scenario: &str) -> String {
    let words: Vec<String> = scenario
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    format!("{}.svg", words.join("-"))
}

/// The scenarios, in the order in which they were run.
fn scenarios(runs: &[Run]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.scenario.as_str()) {
            names.push(&run.scenario);
        }
    }
    names
}

/// The arms of a scenario, the control arm first.
fn of<'r>(runs: &'r [Run], scenario: &str) -> Vec<&'r Run> {
    let mut arms: Vec<&Run> = runs.iter().filter(|run| run.scenario == scenario).collect();
    arms.sort_by_key(|run| run.arm);
    arms
}

/// Why these runs are no proof; empty where they are.
#[must_use]
pub fn problems(runs: &[Run]) -> Vec<String> {
    let mut problems = Vec::new();
    if runs.is_empty() {
        problems.push("nothing was run".to_owned());
    }
    for scenario in scenarios(runs) {
        for arm in [Arm::Control, Arm::Silkroll] {
            let mut of_arm = runs
                .iter()
                .filter(|run| run.scenario == scenario && run.arm == arm)
                .peekable();
            if of_arm.peek().is_none() {
                problems.push(format!("{scenario}: the {arm} arm was not run"));
            }
            problems.extend(
                of_arm
                    .flat_map(problems_of)
                    .map(|problem| format!("{scenario}, {arm}: {problem}")),
            );
        }
    }
    problems
}

fn problems_of(run: &Run) -> Vec<String> {
    let mut problems = Vec::new();
    let (sent, ok, lost) = (run.sent(), run.ok(), run.lost());
    if sent == 0 {
        problems.push("no request was sent".to_owned());
    }
    if sent != ok + lost {
        problems.push(format!(
            "{sent} requests were sent, but {ok} answered and {lost} lost"
        ));
    }
    if run.rollouts.is_empty() {
        problems.push("nothing was rolled out".to_owned());
    }
    let local = run
        .load
        .lost
        .iter()
        .filter(|lost| lost.kind == Kind::Local)
        .count();
    if local > 0 {
        problems.push(format!(
            "{local} requests were lost by the generator's own side, such as for want of ports"
        ));
    }
    match run.arm {
        Arm::Control if lost == local as u64 => problems.push(
            "lost nothing, so the scenario proves nothing: the other arm would have been lossless without Silkroll, too"
                .to_owned(),
        ),
        Arm::Silkroll if lost > 0 => problems.push(format!("lost {lost} of {sent} requests")),
        _ => {}
    }
    problems.extend(absence::problems(run));
    problems
}
