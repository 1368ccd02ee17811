//! Bodies that come slowly, together, or never to their end.

use std::io::Write as _;

use crate::harness::{Attack, head};

/// Holds a body at its last byte, as large as can be.
pub(crate) const STALLED: Attack = Attack {
    name: "stalled-at-the-end",
    what: "8 reviews of 7 MB to /mutate that stall before their last byte, again and again",
    flags: &[],
    strikers: 8,
    strike: |victim, _| {
        let Some(mut stream) = victim.connect() else {
            return;
        };
        let body = vec![b' '; 7_000_000];
        let sent = stream
            .write_all(&head("/mutate", body.len() + 1))
            .and_then(|()| stream.write_all(&body))
            .and_then(|()| stream.flush());
        if sent.is_ok() {
            victim.hold(6.0);
        }
    },
};

/// Many that advance together and could all be read, if there were room for all of them.
pub(crate) const TOGETHER: Attack = Attack {
    name: "advancing-together",
    what: "60 reviews of 1 MiB to /mutate that advance by 64 KiB every 100 ms",
    flags: &[],
    strikers: 60,
    strike: |victim, _| {
        let Some(mut stream) = victim.connect() else {
            return;
        };
        let _ = stream.write_all(&head("/mutate", 1 << 20));
        for _ in 0..16 {
            let sent = stream.write_all(&[b' '; 1 << 16]);
            if sent.and_then(|()| stream.flush()).is_err() {
                return;
            }
            victim.hold(0.1);
        }
    },
};

/// One byte to a chunk.
pub(crate) const CHUNKED: Attack = Attack {
    name: "chunks-of-one-byte",
    what: "16 bodies to /mutate and /dry-run in chunks of one byte",
    flags: &[],
    strikers: 16,
    strike: |victim, striker| {
        let Some(mut stream) = victim.connect() else {
            return;
        };
        let path = ["/mutate", "/dry-run"][striker % 2];
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes());
        let chunks = b"1\r\n \r\n".repeat(10_000);
        while !victim.over() && stream.write_all(&chunks).is_ok() {}
    },
};

#[test]
fn stalled_bodies_keep_nobody_waiting() {
    STALLED.short();
}

#[test]
fn bodies_that_advance_together_keep_nobody_waiting() {
    TOGETHER.short();
}

#[test]
fn chunks_of_one_byte_take_no_more_than_the_bound() {
    CHUNKED.short();
}
