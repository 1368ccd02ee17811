//! The life of one workload, as tests/support makes it: each part of it (the manifest, a change, …) is drawn by a number
//! of the input, so that libFuzzer can change one and keep the others.

#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "told.rs"]
mod told;

use libfuzzer_sys::fuzz_target;
use proptest::strategy::{BoxedStrategy, ValueTree as _};
use support::laws;
use support::sequence::{Case, case, numbered};

thread_local! {
    static CASES: BoxedStrategy<Case> = case();
}

/// The case that the input's word at this place leads to.
fn part(bytes: &[u8], at: usize) -> Case {
    let word = bytes.chunks(8).nth(at).unwrap_or_default();
    let mut number = [0; 8];
    number[..word.len()].copy_from_slice(word);
    CASES.with(|cases| numbered(cases, at as u64, u64::from_le_bytes(number)).current())
}

fuzz_target!(|bytes: &[u8]| {
    let part = |at| part(bytes, at);
    let (flags, space) = (part(0), part(2));
    let case = Case {
        plain: part(1).plain,
        namespace: space.namespace,
        native_sleep: space.native_sleep,
        later: part(3).later,
        first: part(4).first,
        second: part(5).second,
        webhook: part(6).webhook,
        way: flags.way,
        before: flags.before,
    };
    let steps = case.run();
    for step in &steps {
        told::check(&step.decision);
    }
    if let Err(broken) = laws::check(&case, &steps) {
        panic!("{broken}\n{case:#?}");
    }
});
