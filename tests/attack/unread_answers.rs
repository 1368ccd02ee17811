//! Clients that do not want what they asked for.

use std::io::{Read as _, Write as _};

use crate::harness::{Attack, request};

/// Never reads the answer.
pub(crate) const UNREAD: Attack = Attack {
    name: "unread-answers",
    what: "16 clients that ask for dry runs of 1,000 Deployments and never read the answer",
    flags: &[],
    strikers: 16,
    strike: |victim, _| {
        let Some(mut stream) = victim.connect() else {
            return;
        };
        let sent = stream
            .write_all(&request("/dry-run", &deployments()))
            .and_then(|()| stream.flush());
        if sent.is_ok() {
            victim.hold(10.0);
        }
    },
};

/// Resets the connection while the work goes on.
pub(crate) const RESET: Attack = Attack {
    name: "reset-while-at-work",
    what: "16 clients that reset their dry run of 1,000 Deployments after 50 ms, and ask anew",
    flags: &[],
    strikers: 16,
    strike: |victim, _| {
        let Some(mut stream) = victim.connect() else {
            return;
        };
        let _ = stream.write_all(&request("/dry-run?output=diff", &deployments()));
        let _ = stream.flush();
        victim.hold(0.05);
        // What is unread when it is closed makes a reset of the end.
        let _ = stream
            .sock
            .set_read_timeout(Some(std::time::Duration::from_millis(1)));
        let _ = stream.sock.read(&mut [0]);
    },
};

/// A List of 1,000 Deployments, 600 KB.
fn deployments() -> Vec<u8> {
    let item = crate::support::deployment().to_string();
    let items = vec![item; 1000].join(",\n");
    format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[\n{items}]}}").into_bytes()
}

#[test]
fn unread_answers_take_no_more_than_the_bound() {
    UNREAD.short();
}

#[test]
fn resets_free_nothing_before_the_work_has_ended() {
    RESET.short();
}
