//! The `silkroll` program: parse, run, exit code.

fn main() {}
