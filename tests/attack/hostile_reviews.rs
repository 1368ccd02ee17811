//! Reviews that no API server sends: what is read of them is far larger than they are.

use crate::harness::{Attack, Victim};

pub(crate) const ATTACK: Attack = Attack {
    name: "hostile-reviews",
    what: "32 at once to /mutate: millions of containers, members, variables, annotations under our prefix",
    flags: &[],
    strikers: 32,
    strike,
};

fn strike(victim: &Victim, striker: usize) {
    victim.post("/mutate", &body(striker % 8));
}

fn body(shape: usize) -> Vec<u8> {
    const BYTES: usize = 6_900_000;
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
            &format!("{{\"containers\":[{}]}}", many("{}", BYTES)),
        ),
        1 => review("shop", "", &format!("{{{}}}", many("\"\":0", BYTES))),
        2 => review(
            "shop",
            "",
            &container(&format!("\"env\":[{}]", many("0", BYTES))),
        ),
        3 => review("shop", &many("\"silkroll.dev/\":\"\"", BYTES), "{}"),
        4 => review("shop", "", &container(&many("\"\":0", BYTES))),
        5 => review(
            "shop",
            "",
            &format!("{{\"volumes\":[{}]}}", many("0", BYTES)),
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
                many("{\"name\":\"w\",\"ports\":[]}", BYTES)
            ),
        ),
    };
    text.into_bytes()
}

#[test]
fn take_no_more_than_the_bound() {
    ATTACK.short();
}
