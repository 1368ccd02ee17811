//! `POST /mutate` under input that nobody should send: one stated answer to each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::large_stack_arrays,
    clippy::semicolon_if_nothing_returned,
    reason = "a helper that fails is a test that fails; tables are long"
)]

mod hostile;
mod served;
mod support;

#[path = "bad_reviews/ask.rs"]
mod ask;
#[path = "bad_reviews/bodies.rs"]
mod bodies;
#[path = "bad_reviews/damage.rs"]
mod damage;
#[path = "bad_reviews/form.rs"]
mod form;
#[path = "bad_reviews/large.rs"]
mod large;
#[path = "bad_reviews/odd.rs"]
mod odd;
#[path = "bad_reviews/shapes.rs"]
mod shapes;
#[path = "bad_reviews/user.rs"]
mod user;
#[path = "bad_reviews/values.rs"]
mod values;
