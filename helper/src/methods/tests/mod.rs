//! The ways against a stand-in that answers as the real registries were seen to.

mod eureka;
mod listed;
mod nacos;
mod others;

use crate::stand_in::{Asked, Registry};
use crate::{Answered, Direction, Limit, Tried, Wanted, keep_trying, wanted};

/// What was asked, each as `VERB host/target`, and the log.
fn run(
    direction: Direction,
    vars: &[(&str, &str)],
    answers: impl Fn(&Asked) -> Option<(u16, String)> + 'static,
) -> (bool, Vec<String>, Vec<String>) {
    let mut all = vec![("podip", "10.1.2.3")];
    all.extend(vars);
    let registry = Registry::new(&all, answers);
    let Some(Wanted::Call(way)) = wanted(&registry, direction) else {
        panic!("no way: {:?}", registry.said());
    };
    let limit = Limit {
        seconds: 8,
        once: false,
        between_seconds: 1,
        answered: &Answered::default(),
    };
    let done = keep_trying(&registry, way, direction, limit) != Tried::Failed;
    let asked = registry
        .asked()
        .iter()
        .map(|asked| format!("{} {}{}", asked.verb, asked.host, asked.target))
        .collect();
    (done, asked, registry.said())
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the form in which a stand-in answers"
)]
fn answer(status: u16, body: &str) -> Option<(u16, String)> {
    Some((status, body.to_owned()))
}

#[test]
fn there_is_not_always_something_to_do() {
    for (vars, leaves, reenables, said) in [
        (&[][..], false, false, ""),
        (&[("SILKROLL_METHOD", "none")][..], false, false, ""),
        (
            &[("SILKROLL_METHOD", "x y")],
            false,
            false,
            "SILKROLL_METHOD is not the name of a way of leaving",
        ),
        // Any other name is that of a request told in settings.
        (&[("SILKROLL_METHOD", "zoo")], true, false, ""),
        (
            &[
                ("SILKROLL_METHOD", "zoo"),
                ("SILKROLL_HTTP_START_URL", "http://h/on"),
            ],
            true,
            true,
            "",
        ),
        (&[("SILKROLL_METHOD", "nginx")], true, false, ""),
        (&[("SILKROLL_METHOD", "nacos")], true, true, ""),
        (
            &[("SILKROLL_METHOD", "nacos"), ("SILKROLL_IF_ENV", "A")],
            false,
            false,
            "nacos: A is not set here, nothing to leave",
        ),
        (
            &[
                ("SILKROLL_METHOD", "nacos"),
                ("SILKROLL_IF_ENV", "A"),
                ("A", ""),
            ],
            false,
            false,
            "nacos: A is not set here, nothing to leave",
        ),
        (
            &[
                ("SILKROLL_METHOD", "nacos"),
                ("SILKROLL_IF_ENV", "A"),
                ("A", "1"),
            ],
            true,
            true,
            "",
        ),
        (
            &[("SILKROLL_METHOD", "nacos"), ("SILKROLL_IF_ENV", "$A")],
            false,
            false,
            "nacos: not done: SILKROLL_IF_ENV is not a variable's name",
        ),
    ] {
        let registry = Registry::new(vars, |_| None);
        assert_eq!(
            wanted(&registry, Direction::Deregister).is_some(),
            leaves,
            "{vars:?}"
        );
        assert_eq!(registry.said().concat(), said, "{vars:?}");
        assert_eq!(
            wanted(&registry, Direction::Reenable).is_some(),
            reenables,
            "{vars:?}"
        );
    }
}

#[test]
fn a_container_has_a_mark_of_its_own() {
    let mark = |vars: &[(&str, &str)]| crate::mark(&Registry::new(vars, |_| None));
    let plain = mark(&[("podip", "1"), ("SILKROLL_POD_NAME", "2")]);
    assert_eq!(
        plain,
        mark(&[("podip", "1"), ("SILKROLL_POD_NAME", "2"), ("X", "y")])
    );
    assert_ne!(plain, mark(&[("podip", "12")]));
    let container = |name| mark(&[("podip", "1"), ("SILKROLL_CONTAINER", name)]);
    assert_ne!(container("web"), container("grpc"));
    assert_ne!(plain, mark(&[("podip", "2"), ("SILKROLL_POD_NAME", "1")]));
    // The name of a socket has 107 bytes.
    assert!(plain.len() < 100);
}
