//! What a rebuild of the engine changed: the objects that generated workloads come to, as a text to
//! compare. Build it before and after, let each write its file, and look at the difference:
//!
//! ```sh
//! results() { cargo test --locked --config profile.dev.package.silkroll.opt-level=2 --test results -- --ignored --nocapture; }
//! CASES=200000 SEED=1 OUT=before.txt results    # and after the change: OUT=after.txt
//! diff before.txt after.txt | head
//! CASE=1234 SEED=1 results                      # one case whole, without and with the change
//! ```
//!
//! Optimized so, only Silkroll is built anew; with `--release` everything is, and it runs twice as fast. A file for
//! fewer cases is the beginning of one for more.
//!
//! A line is a case: its number, then each request of its life ([`support::sequence`]) with its outcome, its
//! reason, a hash of the object without the record, and one of the warnings and the denial. `CASE` shows one case
//! whole.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop at whatever is wrong"
)]

mod support;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::mpsc;
use std::{env, thread};

use proptest::strategy::ValueTree as _;
use support::sequence::{Case, Step, case, numbered, without_record};
use xxhash_rust::xxh3::xxh3_64;

/// Cases that one thread takes at a time.
const BATCH: u64 = 500;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn hash(value: &impl serde::Serialize) -> u64 {
    xxh3_64(&serde_json::to_vec(value).unwrap())
}

fn line(number: u64, steps: &[Step]) -> String {
    let mut line = number.to_string();
    for Step {
        name,
        object,
        decision,
    } in steps
    {
        // The order of members means nothing to the API.
        let mut object = without_record(object);
        object.sort_all_objects();
        let object = hash(&object) & 0xFFFF_FFFF;
        let told = hash(&(&decision.warnings, &decision.denial)) & 0xFFFF;
        let (outcome, reason) = (decision.outcome.code(), decision.reason.code());
        write!(line, " {name}={outcome}/{reason}/{object:08x}/{told:04x}").unwrap();
    }
    line.push('\n');
    line
}

fn show(case: &Case) {
    println!("{case:#?}");
    for Step {
        name,
        object,
        decision,
    } in case.run()
    {
        println!(
            "\n=== {name}: {} ({})",
            decision.outcome.code(),
            decision.reason.code()
        );
        for warning in decision.warnings.iter().chain(&decision.denial) {
            println!("    {warning}");
        }
        println!("{:#}", without_record(&object));
    }
}

#[test]
#[ignore = "writes a file to compare: see the top of this file"]
fn results() {
    let seed = number("SEED", 1);
    if env::var_os("CASE").is_some() {
        return show(&numbered(&case(), seed, number("CASE", 0)).current());
    }
    let cases = number("CASES", 10_000);
    let out = env::var("OUT").unwrap_or_else(|_| "target/results.txt".to_owned());
    let mut out = BufWriter::new(File::create(out).unwrap());
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let channels: Vec<_> = (0..threads)
        .map(|thread| {
            // Bounded, so that no thread runs far ahead of the file.
            let (lines, receive) = mpsc::sync_channel::<String>(4);
            thread::spawn(move || {
                let strategy = case();
                for start in
                    (thread * BATCH..cases).step_by(usize::try_from(threads * BATCH).unwrap())
                {
                    let batch = (start..cases.min(start + BATCH)).map(|number| {
                        line(number, &numbered(&strategy, seed, number).current().run())
                    });
                    if lines.send(batch.collect()).is_err() {
                        return;
                    }
                }
            });
            receive
        })
        .collect();
    for batch in 0..cases.div_ceil(BATCH) {
        let batch = channels[usize::try_from(batch % threads).unwrap()]
            .recv()
            .unwrap();
        out.write_all(batch.as_bytes()).unwrap();
    }
    out.flush().unwrap();
}
