//! A scenario as a picture: both arms on one time axis, requests above, pods below. SVG without
//! scripts, on a ground of its own, light or dark as the reader has it.

use std::fmt::Write as _;

use super::phases::spans;
use super::table::{duration, grouped};
use crate::record::{Arm, Millis, Phase, Pod, Run};

const WIDTH: f64 = 960.0;
/// Room for the numbers at the left, and for the last label of the axis at the right.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 24.0;
const PLOT: f64 = WIDTH - LEFT - RIGHT;
/// Title and legend.
const HEAD: f64 = 74.0;
const ARM_TITLE: f64 = 34.0;
const BARS: f64 = 84.0;
const LANE: f64 = 13.0;
const LANE_GAP: f64 = 3.0;
const AXIS: f64 = 40.0;
/// A lost request among hundreds must not be thinner than the eye can see.
const LEAST_LOST: f64 = 3.0;
/// More bars than this are no bars any more: seconds are put together.
const MOST_BARS: u64 = 360;
/// Closer together than this, lines for the rollouts would hide what they cross: then they are ticks.
const LINES_APART: f64 = 16.0;

const STYLE: &str = "\
.ground{fill:#fff}.ink{fill:#1f2328}.quiet{fill:#59636e}.line{stroke:#d1d9e0}.rollout{stroke:#59636e}\
.ok{fill:#a9bdd3}.lost{fill:#d1242f}.pending{fill:#c3c9d0}.starting{fill:#e3b341}.ready{fill:#4aa36c}\
.draining{fill:#3f7fd9}.stopping{fill:#7a3fa0}\
@media (prefers-color-scheme:dark){\
.ground{fill:#0d1117}.ink{fill:#f0f6fc}.quiet{fill:#9198a1}.line{stroke:#3d444d}.rollout{stroke:#9198a1}\
.ok{fill:#4b6079}.lost{fill:#ff5c57}.pending{fill:#59616b}.starting{fill:#d4a72c}.ready{fill:#3f9560}\
.draining{fill:#5a9bf5}.stopping{fill:#b184e0}}\
text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}\
.title{font-size:16px;font-weight:600}.arm{font-size:13px;font-weight:600}.small{font-size:11px}";

/// Draws the arms of one scenario under each other.
#[must_use]
pub fn draw(arms: &[&Run]) -> String {
    let seconds = arms.iter().map(|run| run.load.seconds.len() as u64).max();
    let scale = Scale::of(seconds.unwrap_or_default().max(1));
    let most = arms
        .iter()
        .flat_map(|run| run.load.seconds.iter().map(|second| second.sent))
        .max();
    let most = most.unwrap_or_default().max(1);
    let mut body = String::new();
    let mut y = HEAD;
    for run in arms {
        y = arm(&mut body, run, &scale, most, y);
    }
    let title = arms.first().map_or("", |run| run.scenario.as_str());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" role=\"img\">\n\
         <title>{0}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{y}\" rx=\"6\"/>\n\
         <text class=\"ink title\" x=\"16\" y=\"28\">{0}</text>\n",
        escape(title)
    );
    legend(&mut svg, &scale);
    svg + &body + "</svg>\n"
}

/// The axis of time.
struct Scale {
    seconds: u64,
    /// How many seconds a bar stands for.
    bucket: u64,
}

impl Scale {
    fn of(seconds: u64) -> Self {
        Self {
            seconds,
            bucket: seconds.div_ceil(MOST_BARS),
        }
    }

    /// Where a moment lies, cut off at the ends.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of a run are far below 2^52"
    )]
    fn x(&self, ms: u64) -> f64 {
        let all = self.seconds * 1000;
        LEFT + PLOT * ms.min(all) as f64 / all as f64
    }

    /// The step between the numbers on the axis: about ten of them.
    fn step(&self) -> u64 {
        [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600]
            .into_iter()
            .find(|step| self.seconds / step <= 12)
            .unwrap_or(7200)
    }

    /// Seconds on the axis, in minutes where there are some.
    fn clock(&self, second: u64) -> String {
        if self.seconds < 120 {
            format!("{second} s")
        } else {
            format!("{}:{:02}", second / 60, second % 60)
        }
    }
}

fn legend(svg: &mut String, scale: &Scale) {
    let bars = if scale.bucket == 1 {
        "answered requests a second".to_owned()
    } else {
        format!("answered requests a second, over {} s", scale.bucket)
    };
    let entries = [
        ("ok", bars.as_str()),
        ("lost", "lost"),
        ("pending", "pod pending"),
        ("starting", "starting"),
        ("ready", "ready"),
        ("draining", "draining"),
        ("stopping", "stopping (after SIGTERM)"),
    ];
    let mut x = 16.0;
    for (class, text) in entries {
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"44\" width=\"11\" height=\"11\" rx=\"2\"/>\
             <text class=\"quiet\" x=\"{:.1}\" y=\"54\">{text}</text>",
            x + 16.0
        );
        x += 16.0 + width(text) + 16.0;
    }
    let _ = writeln!(
        svg,
        "<line class=\"rollout\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"42\" y2=\"57\" stroke-dasharray=\"3 2\"/>\
         <text class=\"quiet\" x=\"{1:.1}\" y=\"54\">rollout</text>",
        x + 4.0,
        x + 12.0
    );
}

/// Draws one arm from `y` on, and says where it ends.
fn arm(svg: &mut String, run: &Run, scale: &Scale, most: u64, y: f64) -> f64 {
    let _ = writeln!(
        svg,
        "<text class=\"ink arm\" x=\"16\" y=\"{:.1}\">{}</text>",
        y + 18.0,
        escape(&headline(run))
    );
    let top = y + ARM_TITLE;
    let base = top + BARS;
    let lanes = lanes(&run.pods);
    let end = scale.x(run.load.seconds.len() as u64 * 1000);
    let pods_end = base + 8.0 + count(lanes.len()) * (LANE + LANE_GAP);
    for (value, at) in [(most, top), (most / 2, top + BARS / 2.0), (0, base)] {
        let _ = writeln!(
            svg,
            "<line class=\"line\" x1=\"{LEFT}\" x2=\"{end:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"quiet small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    bars(svg, run, scale, most, base);
    for (index, lane) in lanes.iter().enumerate() {
        let at = base + 8.0 + count(index) * (LANE + LANE_GAP);
        for pod in lane {
            bar_of(svg, pod, run, scale, at);
        }
    }
    rollouts(svg, run, scale, top, pods_end);
    axis(svg, scale, pods_end);
    pods_end + AXIS
}

fn rollouts(svg: &mut String, run: &Run, scale: &Scale, top: f64, bottom: f64) {
    let at: Vec<(f64, &str)> = run
        .rollouts
        .iter()
        .map(|rollout| {
            let x = scale.x(rollout.at_ms.saturating_sub(run.started_ms));
            (x, rollout.how.as_str())
        })
        .collect();
    let dense = at.windows(2).any(|two| two[1].0 - two[0].0 < LINES_APART);
    let bottom = if dense { top - LEAST_LOST } else { bottom };
    for (x, how) in at {
        let _ = writeln!(
            svg,
            "<line class=\"rollout\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" stroke-dasharray=\"3 2\"><title>{}</title></line>",
            top - 8.0,
            escape(how)
        );
    }
}

fn headline(run: &Run) -> String {
    let name = match run.arm {
        Arm::Control => "Without Silkroll",
        Arm::Silkroll => "With Silkroll",
    };
    format!(
        "{name}: {} of {} requests lost · slowest {} · {}, {} replaced",
        grouped(run.lost()),
        grouped(run.sent()),
        duration(run.load.slowest_ms),
        plural(run.rollouts.len(), "rollout"),
        plural(run.replaced(), "pod")
    )
}

fn plural(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(number as u64))
}

/// Requests over time: what was answered, and what was lost on top of it.
#[expect(
    clippy::cast_precision_loss,
    reason = "requests a second are far below 2^52"
)]
fn bars(svg: &mut String, run: &Run, scale: &Scale, most: u64, base: f64) {
    let size = usize::try_from(scale.bucket).unwrap_or(usize::MAX);
    for (index, bucket) in run.load.seconds.chunks(size).enumerate() {
        let from = index as u64 * scale.bucket;
        let (x, end) = (
            scale.x(from * 1000),
            scale.x((from + bucket.len() as u64) * 1000),
        );
        // A hair's breadth between bars, where they are wide enough for one.
        let wide = (end - x - 0.5).max(0.5 * (end - x));
        let unit = BARS / (most * bucket.len() as u64) as f64;
        let ok: u64 = bucket.iter().map(|second| second.ok).sum();
        let lost: u64 = bucket.iter().map(|second| second.lost).sum();
        let high = ok as f64 * unit;
        let mut rect = |class: &str, high: f64, bottom: f64, wide: f64| {
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\"/>",
                bottom - high
            );
        };
        if ok > 0 {
            rect("ok", high, base, wide);
        }
        if lost > 0 {
            let high_lost = (lost as f64 * unit).max(LEAST_LOST);
            rect("lost", high_lost, base - high, wide.max(1.5));
        }
    }
}

/// Pods side by side: each in the first lane that is free when it comes, so that a hundred
/// rollouts take no more room than one.
fn lanes(pods: &[Pod]) -> Vec<Vec<&Pod>> {
    let life = |pod: &Pod| {
        let spans = spans(pod);
        let from = spans.first().map(|span| span.from)?;
        let gone = spans.iter().find(|span| span.phase == Phase::Gone);
        Some((from, gone.map_or(Millis::MAX, |span| span.from)))
    };
    let mut lives: Vec<(Millis, Millis, &Pod)> = pods
        .iter()
        .filter_map(|pod| life(pod).map(|(from, to)| (from, to, pod)))
        .collect();
    lives.sort_by_key(|(from, ..)| *from);
    let mut lanes: Vec<(Millis, Vec<&Pod>)> = Vec::new();
    for (from, to, pod) in lives {
        match lanes.iter_mut().find(|(free, _)| *free <= from) {
            Some((free, lane)) => {
                *free = to;
                lane.push(pod);
            }
            None => lanes.push((to, vec![pod])),
        }
    }
    lanes.into_iter().map(|(_, lane)| lane).collect()
}

fn bar_of(svg: &mut String, pod: &Pod, run: &Run, scale: &Scale, y: f64) {
    let end = run.load.seconds.len() as u64 * 1000;
    let _ = write!(svg, "<g><title>{}</title>", escape(&pod.name));
    for span in spans(pod) {
        if span.phase == Phase::Gone {
            continue;
        }
        let within = |at: Millis| scale.x(at.saturating_sub(run.started_ms).min(end));
        let x = within(span.from);
        let wide = within(span.to.unwrap_or(Millis::MAX)) - x;
        if wide > 0.0 {
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{LANE}\"/>",
                span.phase,
                wide.max(0.6)
            );
        }
    }
    svg.push_str("</g>\n");
}

fn axis(svg: &mut String, scale: &Scale, y: f64) {
    let mut second = 0;
    while second <= scale.seconds {
        let _ = writeln!(
            svg,
            "<text class=\"quiet small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            scale.x(second * 1000),
            y + 14.0,
            scale.clock(second)
        );
        second += scale.step();
    }
}

/// About how wide a text is: fonts differ, and the legend leaves room.
fn width(text: &str) -> f64 {
    count(text.len()) * 6.4
}

#[expect(clippy::cast_precision_loss, reason = "lanes and letters are few")]
fn count(number: usize) -> f64 {
    number as f64
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
