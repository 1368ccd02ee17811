//! What the runs say: a table, JSON and a picture of each scenario, and whether it is proof.

mod absence;
mod phases;
mod picture;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub use phases::{Span, fill, phase_at, spans};
pub use picture::draw;
pub use table::{losses, markdown, overview, summary};

use crate::record::{Arm, Kind, Lateness, Lost, Millis, Phase, Run, Second, Undelivered};

/// What is written as `report.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was run where.
    pub about: String,
    /// Why it is no proof; empty where it is.
    pub problems: Vec<String>,
    /// What was seen.
    pub runs: Vec<Run>,
    /// The connections that kube-proxy's rules refused by themselves, where that was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undelivered: Vec<Undelivered>,
    /// The names of the scenarios in the order in which they are told; those that are not there come last.
    #[serde(skip)]
    pub order: Vec<&'static str>,
}

impl Report {
    /// Of a run that has begun, and is no proof before it is over.
    #[must_use]
    pub fn begin(about: String, order: Vec<&'static str>) -> Self {
        Self {
            about,
            problems: vec![UNFINISHED.to_owned()],
            runs: Vec::new(),
            undelivered: Vec::new(),
            order,
        }
    }

    /// Takes in some arms, and why others could not be run, and writes it all: what was seen is there
    /// whatever comes later.
    ///
    /// # Errors
    /// As [`write`].
    pub fn add(
        &mut self,
        mut runs: Vec<Run>,
        failed: Vec<String>,
        folder: &Path,
    ) -> anyhow::Result<()> {
        runs.iter_mut().for_each(fill);
        self.runs.extend(runs);
        let place = |run: &Run| self.order.iter().position(|name| *name == run.scenario);
        self.runs
            .sort_by_key(|run| place(run).unwrap_or(usize::MAX));
        self.problems.extend(failed);
        write(folder, self)
    }

    /// Takes in which connections kube-proxy's rules refused by themselves, and marks the lost requests that were on one of them.
    pub fn tell_apart(&mut self, undelivered: Vec<Undelivered>) {
        for lost in self.runs.iter_mut().flat_map(|run| &mut run.load.lost) {
            lost.undelivered = undelivered.iter().any(|seen| seen.is(lost));
        }
        self.undelivered = undelivered;
    }

    /// The run is over: comes to a verdict, writes and prints it.
    ///
    /// # Errors
    /// As [`write`].
    pub fn conclude(&mut self, took: Duration, folder: &Path) -> anyhow::Result<()> {
        let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
        let _ = write!(
            self.about,
            " It took {minutes} minutes and {seconds} seconds."
        );
        self.problems.retain(|problem| problem != UNFINISHED);
        self.problems.extend(problems(&self.runs));
        println!("{}", overview(&self.runs));
        // Whoever reads only what was printed, such as a job's log, can see what went wrong.
        let of_silkroll = self.runs.iter().filter(|run| run.arm == Arm::Silkroll);
        for run in of_silkroll.filter(|run| run.lost() > 0) {
            println!("{}, {}: {}", run.scenario, run.arm, losses(run));
        }
        for problem in &self.problems {
            println!("NOT PROVED: {problem}");
        }
        write(folder, self)
    }
}

const UNFINISHED: &str = "the run has not come to its end";

/// Writes `report.json`, `report.md`, `summary.md` and one picture per scenario into a folder that is
/// there. What is no proof says so wherever a figure of it stands.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(folder: &Path, report: &Report) -> anyhow::Result<()> {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    let json = serde_json::to_string(report).context("the report as JSON")?;
    put("report.json", &(json + "\n"))?;
    let Report { about, runs, .. } = report;
    let not = |problem: &String| format!("NOT PROVED: {problem}");
    let mut said: Vec<String> = report.problems.iter().map(not).collect();
    said.push(summary(runs));
    let summary = said.join("\n\n") + "\n";
    put("summary.md", &summary)?;
    let head = format!("# What was seen\n\n{summary}\n{about}\n\n");
    put("report.md", &(head + &markdown(runs)))?;
    for scenario in scenarios(runs) {
        put(&picture_name(scenario), &draw(&of(runs, scenario)))?;
    }
    Ok(())
}

/// Removes what an earlier run has written: its pictures must not stand beside this one's figures.
///
/// # Errors
/// Where a file cannot be removed.
pub fn clear(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let ours = ["report.json", "report.md", "summary.md"];
        if ours.iter().any(|ours| name == *ours) || path.extension().is_some_and(|it| it == "svg") {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
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

/// The scenarios, in the order of their runs here.
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
    let expected: usize = run.rollouts.iter().map(|rollout| rollout.pods).sum();
    if run.replaced() < expected {
        problems.push(format!(
            "{} pods were replaced, where its rollouts replace {expected}",
            run.replaced()
        ));
    }
    // The last second is cut short.
    let seconds = (run.load.seconds.len() as u64).saturating_sub(1);
    if sent < seconds * u64::from(run.load.rate) {
        problems.push(format!(
            "{sent} requests were sent in {seconds} s, fewer than {} a second",
            run.load.rate
        ));
    }
    let late = run.load.lateness.p99_ms;
    if late > Lateness::HOPELESS_MS {
        problems.push(format!(
            "the generator sent one of 100 requests more than {late} ms late"
        ));
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
    let (lossy, known) = lossy_rollouts(run);
    let silent = silence(run);
    if run.arm == Arm::Control && silent < run.silent_seconds {
        problems.push(format!(
            "answered nothing for {silent} s in a row at most, where the service has to be away for {} s, so the scenario proves nothing",
            run.silent_seconds
        ));
    }
    match run.arm {
        Arm::Control if lossy == 0 || lossy * 2 < known => problems.push(format!(
            "lost requests while pods came and went in {lossy} of {known} rollouts, so the scenario proves nothing: the \
             other arm might have been lossless without Silkroll, too"
        )),
        Arm::Silkroll if lost > 0 => problems.push(format!("lost {lost} of {sent} requests")),
        _ => {}
    }
    problems.extend(absence::problems(run));
    problems
}

/// For how many whole seconds in a row no request was answered.
fn silence(run: &Run) -> u64 {
    let silent = |second: &Second| second.sent > 0 && second.ok == 0;
    let stretches = run.load.seconds.split(|second| !silent(second));
    stretches
        .map(|stretch| stretch.len() as u64)
        .max()
        .unwrap_or_default()
}

/// How many rollouts cost requests, until the next one began, and of how many that is known: `Load::lost` has the first
/// requests only where too many were lost.
fn lossy_rollouts(run: &Run) -> (usize, usize) {
    /// A single one may be a chance of the machine's.
    const LEAST: usize = 2;
    let begins = run.rollouts.iter().map(|rollout| rollout.at_ms);
    let ends = begins.clone().skip(1).chain([Millis::MAX]);
    let lossy = |(begin, end): &(Millis, Millis)| {
        let during = |lost: &&Lost| (*begin..*end).contains(&lost.at_ms);
        let lost = run.load.lost.iter().filter(during);
        lost.filter(|lost| at_a_change(lost)).count() >= LEAST
    };
    let listed = &run.load.lost;
    let until = match listed.last() {
        Some(last) if (listed.len() as u64) < run.lost() => last.at_ms,
        _ => Millis::MAX,
    };
    let (mut cost, mut known) = (0, 0);
    for rollout in begins.zip(ends) {
        let lossy = lossy(&rollout);
        cost += usize::from(lossy);
        known += usize::from(lossy || rollout.1 <= until);
    }
    (cost, known)
}

/// Whether a pod that the request may have been lost at was on its way in or out.
fn at_a_change(lost: &Lost) -> bool {
    lost.kind != Kind::Local && lost.phases.iter().any(|at| at.phase != Phase::Ready)
}
