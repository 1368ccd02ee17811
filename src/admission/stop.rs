//! How a pod stops, phase by phase: what happens, and what callers see meanwhile. The command line draws it, and the dry
//! run's page does.

use std::fmt::Write as _;

use serde::Serialize;

use crate::engine::Timeline;

/// One phase of a pod's stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// `deregister`, `drain`, `idle`, `end`, `hook`, `SIGTERM` or `SIGKILL`.
    pub name: &'static str,
    /// When it begins at the latest, in seconds after the pod's deletion.
    pub at: i64,
    /// How long it takes at most, in seconds; none where only the grace period bounds it.
    pub seconds: Option<i64>,
    /// What happens.
    pub what: String,
    /// What callers see meanwhile.
    pub callers: &'static str,
}

/// The phases of a stop, in their order; those that take no time are left out.
#[must_use]
pub fn phases(timeline: &Timeline) -> Vec<Phase> {
    let Timeline {
        deregister,
        drain,
        idle,
        end,
        hook,
        sigterm,
        shutdown,
        sigkill,
    } = *timeline;
    let mut phases = Vec::new();
    let mut at = 0;
    let mut next = |name, seconds: Option<i64>, what: String, callers| {
        if seconds != Some(0) {
            phases.push(Phase {
                name,
                at,
                seconds,
                what,
                callers,
            });
            at += seconds.unwrap_or_default();
        }
    };
    next(
        "deregister",
        Some(deregister),
        format!("the registry is told, {deregister} s at most"),
        "requests come as before and are answered; whoever asks the registry now no longer finds the pod",
    );
    next(
        "drain",
        Some(drain),
        format!("callers forget the pod for {drain} s while it still answers"),
        "fewer and fewer new requests come, from callers that do not know yet; each is answered",
    );
    next(
        "idle",
        Some(idle),
        format!("clients that still hold connections are waited for, {idle} s at most"),
        "no new caller comes; connections that are still open are served",
    );
    next(
        "end",
        Some(end),
        format!("the server is told to end and waited for, {end} s at most"),
        "no new request is taken; those under way are answered",
    );
    let own = match hook {
        Some(seconds) => format!("the container's own preStop, {seconds} s"),
        None => "the container's own preStop, not bounded (existing-pre-stop-seconds); SIGTERM comes when it ends"
            .to_owned(),
    };
    next(
        "hook",
        hook,
        own,
        "no new caller comes; what is under way is answered",
    );
    if let (Some(at), Some(seconds)) = (sigterm, shutdown) {
        phases.push(Phase {
            name: "SIGTERM",
            at,
            seconds: Some(seconds),
            what: format!("the app has {seconds} s to end by itself"),
            callers: "no new request comes; the app ends those under way",
        });
    }
    phases.push(Phase {
        name: "SIGKILL",
        at: sigkill,
        seconds: Some(0),
        what: "terminationGracePeriodSeconds is over".to_owned(),
        callers: "what is still under way is cut off",
    });
    phases
}

/// Columns of the picture in a terminal: with what stands beside it most lines fit into 100.
const WIDTH: i64 = 24;

/// The stop as a picture of text: a line for each phase, with its share of the time.
#[must_use]
pub fn draw(timeline: &Timeline) -> String {
    let mut out =
        String::from("  how the pod stops, in seconds after its deletion, at the latest:\n");
    let whole = timeline.sigkill.max(1);
    let column = |at: i64| at.clamp(0, whole).saturating_mul(WIDTH) / whole;
    for phase in phases(timeline) {
        let Phase {
            name,
            at,
            seconds,
            what,
            ..
        } = phase;
        // What is short is seen all the same, and the end is in the last column.
        let from = column(at).min(WIDTH - 1);
        let to = match seconds {
            Some(seconds) => column(at.saturating_add(seconds)).max(from + 1),
            None => WIDTH,
        };
        let bar: String = (0..WIDTH)
            .map(|column| match name {
                _ if column < from || column >= to => ' ',
                "SIGKILL" => 'X',
                "SIGTERM" => '-',
                _ => '=',
            })
            .collect();
        // Writing into a String cannot fail.
        let _ = writeln!(out, "    {at:>5}  |{bar}| {name:<10} {what}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NACOS: Timeline = Timeline {
        deregister: 10,
        drain: 40,
        idle: 0,
        end: 0,
        hook: Some(5),
        sigterm: Some(55),
        shutdown: Some(35),
        sigkill: 90,
    };

    #[test]
    fn each_phase_begins_where_the_one_before_ends() {
        let seen: Vec<_> = phases(&NACOS)
            .into_iter()
            .map(|phase| (phase.name, phase.at, phase.seconds))
            .collect();
        let expected = [
            ("deregister", 0, Some(10)),
            ("drain", 10, Some(40)),
            ("hook", 50, Some(5)),
            ("SIGTERM", 55, Some(35)),
            ("SIGKILL", 90, Some(0)),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_hook_that_nothing_bounds_lasts_until_the_end() {
        let timeline = Timeline {
            hook: None,
            sigterm: None,
            shutdown: None,
            ..NACOS
        };
        let seen: Vec<_> = phases(&timeline)
            .into_iter()
            .map(|phase| (phase.name, phase.at, phase.seconds))
            .collect();
        assert_eq!(seen[2..], [("hook", 50, None), ("SIGKILL", 90, Some(0))]);
        let drawn = draw(&timeline);
        assert!(
            drawn.contains("       50  |             ===========| hook "),
            "{drawn}"
        );
    }

    #[test]
    fn the_picture_has_a_line_for_each_phase_and_keeps_to_its_frame() {
        let drawn = draw(&NACOS);
        assert_eq!(
            drawn.lines().skip(1).collect::<Vec<_>>(),
            [
                "        0  |==                      | deregister the registry is told, 10 s at most",
                "       10  |  ===========           | drain      callers forget the pod for 40 s while it still answers",
                "       50  |             =          | hook       the container's own preStop, 5 s",
                "       55  |              ----------| SIGTERM    the app has 35 s to end by itself",
                "       90  |                       X| SIGKILL    terminationGracePeriodSeconds is over",
            ]
        );
        for timeline in [
            Timeline {
                sigkill: 0,
                ..NACOS
            },
            Timeline {
                drain: i64::MAX / 2,
                sigkill: i64::MAX,
                ..NACOS
            },
        ] {
            for line in draw(&timeline).lines().skip(1) {
                let (_, bar) = line.split_once('|').unwrap();
                assert_eq!(bar.find('|'), Some(24), "{line}");
            }
        }
    }
}
