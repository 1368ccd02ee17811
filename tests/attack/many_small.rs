//! Bodies of millions of small things: each is cheap, and takes far more memory than its bytes.

use crate::harness::{Attack, Victim};

pub(crate) const ATTACK: Attack = Attack {
    name: "many-small-things",
    what: "dry runs of 50 at once: Lists of {}, arrays of numbers, documents of 6 bytes, comments, reviews, in all outputs",
    flags: &[],
    strikers: 50,
    strike,
};

const MIB: usize = 1 << 20;

fn strike(victim: &Victim, striker: usize) {
    let output = ["json", "yaml", "diff", "patch"][striker / 11 % 4];
    let path = format!("/dry-run?output={output}");
    victim.post(&path, body(striker % 11).as_bytes());
}

fn body(shape: usize) -> String {
    let list = |item: &str, bytes: usize| {
        let items = vec![item; bytes / (item.len() + 1)].join(",");
        format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{items}]}}")
    };
    let deployment = |spec: &str| {
        format!(
            "{{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{{\"name\":\"w\",\"namespace\":\"shop\"}},\
             \"spec\":{{\"selector\":{{}},\"template\":{{\"spec\":{spec}}}}}}}"
        )
    };
    match shape {
        0 => list("{}", 27 * MIB / 10),
        1 => format!("{{\"a\":[{}1]}}", "1,".repeat(7 * MIB / 2 - 10)),
        2 => "---\na\n".repeat(249_000),
        3 => "#\n".repeat(3 * MIB),
        4 => list(&list("{}", 1000), 2 * MIB),
        5 => format!("a: {}{}", "[".repeat(95), "[],".repeat(MIB)) + &"]".repeat(95),
        6 => format!("{{\"a\":\"{}\"}}", "\\u0001".repeat(MIB)),
        7 => deployment(&format!(
            "{{\"containers\":[{}{{}}]}}",
            "{},".repeat(2 * MIB)
        )),
        8 => format!(
            "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":\"1\",\
             \"kind\":{{\"group\":\"apps\",\"version\":\"v1\",\"kind\":\"Deployment\"}},\"operation\":\"CREATE\",\
             \"namespace\":\"shop\",\"object\":{}}}}}",
            deployment(
                &format!("{{\"a\":{}1{}}}", "[".repeat(80), "]".repeat(80))
                    .replace('1', &"1,".repeat(MIB / 2))
                    .replace(",]", "]")
            )
        ),
        9 => format!("a:\n{}", "- \n".repeat(2 * MIB)),
        _ => "{}\n".repeat(249_000),
    }
}

#[test]
fn take_no_more_than_the_bound() {
    ATTACK.short();
}
