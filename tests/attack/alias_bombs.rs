//! A few KB that repeat themselves a million times.

use std::fmt::Write as _;

use crate::harness::{Attack, Victim};

pub(crate) const ATTACK: Attack = Attack {
    name: "alias-bombs",
    what: "dry runs of 30 documents in 8 KB, each nested aliases; and of 100 KB of text repeated 1,500 times",
    flags: &[],
    strikers: 8,
    strike,
};

fn strike(victim: &Victim, striker: usize) {
    let body = if striker.is_multiple_of(2) {
        nested()
    } else {
        long_text()
    };
    victim.post("/dry-run", body.as_bytes());
}

/// Documents of lists, each of nine times the one before.
fn nested() -> String {
    let mut text = String::new();
    for _ in 0..30 {
        text.push_str("---\na: &a [1,2,3,4,5,6,7,8,9]\n");
        for (at, name) in ('b'..='f').enumerate() {
            let before = char::from(b'a' + u8::try_from(at).unwrap());
            let list = vec![format!("*{before}"); 9].join(",");
            writeln!(text, "{name}: &{name} [{list}]").unwrap();
        }
    }
    text
}

fn long_text() -> String {
    let text = "x".repeat(100_000);
    let list = vec!["*a"; 1500].join(",");
    format!("x: &a \"{text}\"\ny: [{list}]\n")
}

#[test]
fn take_no_more_than_the_bound() {
    ATTACK.short();
}
