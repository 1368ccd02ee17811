//! What any pod of the cluster can do to the HTTPS port, and what a good review gets meanwhile.
//!
//! An attack is a file here: an [`Attack`] and a test that runs it for a few seconds, in the debug build. `make attack`
//! runs all of them for longer on the release build and prints a table. To add one: the file, its `mod`, its line in
//! [`ALL`]. `strike` is called again and again on each of its threads until the time is up; whatever happens to its
//! connections is no failure. What is judged is the server: its memory, and the good reviews.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a helper that fails is a test that fails; the table goes to the terminal"
)]

#[path = "../served/mod.rs"]
mod served;
#[path = "../support/mod.rs"]
mod support;

mod harness;

mod alias_bombs;
mod crowds;
mod held_bodies;
mod hostile_reviews;
mod many_small;
mod unread_answers;

use harness::Attack;

/// All attacks, in the order of the table.
const ALL: &[&Attack] = &[
    &alias_bombs::ATTACK,
    &crowds::HALF_OPEN,
    &crowds::HALF_HEADS,
    &crowds::HALF_BODIES,
    &crowds::UNREAD,
    &crowds::PROBES,
    &many_small::ATTACK,
    &unread_answers::UNREAD,
    &unread_answers::RESET,
    &hostile_reviews::ATTACK,
    &hostile_reviews::QUEUE,
    &held_bodies::STALLED,
    &held_bodies::TOGETHER,
    &held_bodies::CHUNKED,
];

/// `make attack`: seconds for each in `ATTACK_SECONDS`, those whose name has `ATTACK_ONLY` in it.
#[test]
#[ignore = "minutes: `make attack`"]
fn all_attacks_on_the_release_build() {
    harness::table(ALL);
}
