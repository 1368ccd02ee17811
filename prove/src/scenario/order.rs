//! What runs beside what. Load on services that answer at once takes next to nothing; what takes a machine's processors
//! is pods that start, over and over, and gateways and services in Java, and servers in Python.

use super::Scenario;

/// What else may run while a scenario does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// So many others like it as are told: its pods are replaced without a pause, which keeps a processor busy.
    Others,
    /// All of these, too: it mostly waits. Those that do take turns.
    Anything,
    /// One more like it: its pods are in Java or Python, but few of them start.
    Another,
    /// Nothing: its callers or pods are in Java, and take so much of a processor that a slow machine cannot do more. Beside
    /// pods that start, a gateway that has just begun left requests unanswered for longer than its callers wait.
    Nothing,
}

/// Scenarios that begin together.
pub type Group = Vec<&'static Scenario>;

/// Groups that run one after the other.
pub type Lane = Vec<Group>;

/// Stages one after the other, and in each of them lanes that run at the same time.
#[must_use]
pub fn stages(scenarios: &[&'static Scenario], at_once: usize) -> Vec<Vec<Lane>> {
    let lane = |beside, at_once: usize| -> Lane {
        let fitting: Group = scenarios
            .iter()
            .copied()
            .filter(|scenario| scenario.beside == beside)
            .collect();
        fitting.chunks(at_once.max(1)).map(<[_]>::to_vec).collect()
    };
    let stages = [
        vec![lane(Beside::Others, at_once), lane(Beside::Anything, 1)],
        vec![lane(Beside::Another, at_once.min(2))],
        vec![lane(Beside::Nothing, 1)],
    ];
    let filled = |lanes: Vec<Lane>| lanes.into_iter().filter(|lane| !lane.is_empty()).collect();
    let stages = stages.into_iter().map(filled);
    stages
        .filter(|lanes: &Vec<Lane>| !lanes.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{all, chosen};
    use super::*;

    fn named(names: &[&str]) -> Vec<Vec<Vec<Vec<&'static str>>>> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let all: Vec<&Scenario> = all().iter().collect();
        let group = |group: Group| group.iter().map(|scenario| scenario.name).collect();
        let lane = |lane: Lane| lane.into_iter().map(group).collect();
        let stages = stages(&chosen(&all, &names).unwrap(), 2).into_iter();
        stages
            .map(|lanes| lanes.into_iter().map(lane).collect())
            .collect()
    }

    #[test]
    fn those_that_mostly_wait_run_beside_others_and_those_that_take_all_run_alone() {
        assert_eq!(named(&["service", "drain"]), [[[["service"]], [["drain"]]]]);
        assert_eq!(
            named(&["service", "liveness", "nacos", "ingress", "drain", "nginx"]),
            [
                vec![
                    vec![vec!["service", "ingress"], vec!["nginx"]],
                    vec![vec!["drain"]]
                ],
                vec![vec![vec!["liveness"], vec!["nacos"]]],
            ]
        );
        assert_eq!(named(&["nacos"]), [[[["nacos"]]]]);
        assert_eq!(
            named(&["gunicorn", "nacos", "last-instance"]),
            [[[vec!["gunicorn", "last-instance"]]], [[vec!["nacos"]]]]
        );
    }

    #[test]
    fn each_runs_once() {
        let mut run: Vec<&str> = named(&[]).concat().concat().concat();
        let mut all: Vec<&str> = all().iter().map(|scenario| scenario.name).collect();
        run.sort_unstable();
        all.sort_unstable();
        assert_eq!(run, all);
    }
}
