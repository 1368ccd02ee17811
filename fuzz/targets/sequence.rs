//! The life of one workload, as tests/support makes it: the input is what its generator draws from, so that
//! libFuzzer looks for lives that reach new code.

#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "told.rs"]
mod told;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use proptest::strategy::BoxedStrategy;
use proptest::test_runner::RngAlgorithm;
use support::laws;
use support::sequence::{Case, case, of_bytes};
use xxhash_rust::xxh3::xxh3_64;

thread_local! {
    static CASES: BoxedStrategy<Case> = case();
}

/// What is drawn after the input, the same each time.
static MORE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let word = |at: u32| xxh3_64(&at.to_le_bytes()).to_le_bytes();
    (0..4_096).flat_map(word).collect()
});

fuzz_target!(|bytes: &[u8]| {
    // Past its end the generator would draw noughts, and where it looks for something different never end.
    let bytes = [bytes, &MORE[..]].concat();
    let case = CASES.with(|cases| of_bytes(cases, RngAlgorithm::PassThrough, &bytes));
    let steps = case.run();
    for step in &steps {
        told::check(&step.decision);
    }
    if let Err(broken) = laws::check(&case, &steps) {
        panic!("{broken}\n{case:#?}");
    }
});
