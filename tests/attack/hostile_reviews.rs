//! Reviews that no API server sends: what is read of them is far larger than they are.

use crate::harness::{Attack, Victim};

pub(crate) const ATTACK: Attack = Attack {
    name: "hostile-reviews",
    what: "32 at once to /mutate: millions of containers, members, variables, annotations under our prefix",
    flags: &[],
    strikers: 32,
    strike,
};

/// Just above the size at which reviews are decided one at a time, and as many as can be.
pub(crate) const QUEUE: Attack = Attack {
    name: "queue-of-large-reviews",
    what: "200 at once to /mutate of 66 KB to 1 MB, each as slow to decide as its size allows",
    flags: &[],
    strikers: 200,
    strike: |victim, striker| {
        let bytes = [66_000, 130_000, 260_000, 1_000_000][striker / 8 % 4];
        victim.post("/mutate", &body(striker % 8, bytes));
    },
};

fn strike(victim: &Victim, striker: usize) {
    victim.post("/mutate", &body(striker % 8, 6_900_000));
}

fn body(shape: usize, bytes: usize) -> Vec<u8> {
    let many = |item: &str, bytes: usize| vec![item; bytes / (item.len() + 1)].join(",");
    let review = |namespace: &str, annotations: &str, spec: &str| {
        format!(
            "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":\"1\",\
             \"kind\":{{\"group\":\"apps\",\"version\":\"v1\",\"kind\":\"Deployment\"}},\"operation\":\"CREATE\",\
             \"namespace\":\"{namespace}\",\"object\":{{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\
             \"metadata\":{{\"name\":\"w\",\"annotations\":{{{annotations}}}}},\
             \"spec\":{{\"template\":{{\"spec\":{spec}}}}}}}}}}}"
        )
    };
    let container = |inside: &str| format!("{{\"containers\":[{{\"name\":\"w\",{inside}}}]}}");
    let text = match shape {
        0 => review(
            "shop",
            "",
            &format!("{{\"containers\":[{}]}}", many("{}", bytes)),
        ),
        1 => review("shop", "", &format!("{{{}}}", many("\"\":0", bytes))),
        2 => review(
            "shop",
            "",
            &container(&format!("\"env\":[{}]", many("0", bytes))),
        ),
        3 => review("shop", &many("\"silkroll.dev/\":\"\"", bytes), "{}"),
        4 => review("shop", "", &container(&many("\"\":0", bytes))),
        5 => review(
            "shop",
            "",
            &format!("{{\"volumes\":[{}]}}", many("0", bytes)),
        ),
        // Below the allowance, a thousand a second, for a namespace that is not there.
        6 => review(
            "nowhere",
            "",
            &format!("{{\"containers\":[{}]}}", many("{}", 60_000)),
        ),
        _ => review(
            "shop",
            "",
            &format!(
                "{{\"containers\":[{}]}}",
                many("{\"name\":\"w\",\"ports\":[]}", bytes)
            ),
        ),
    };
    text.into_bytes()
}

#[test]
fn take_no_more_than_the_bound() {
    ATTACK.short();
}

#[test]
fn many_that_wait_for_their_turn_take_no_more_than_the_bound() {
    QUEUE.short();
}
