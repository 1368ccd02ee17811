//! The change as people read it.

use std::fmt;

use super::budget::{Account, Excess};
use similar::{DiffTag, TextDiff};

/// A unified diff with three lines of context; empty where nothing changed.
#[must_use]
pub fn unified_diff(name: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let mut diff = String::new();
    // Writing into a String cannot fail.
    let _ = write(name, before, after, &mut diff);
    diff
}

fn write(name: &str, before: &str, after: &str, out: &mut impl fmt::Write) -> fmt::Result {
    let (old, new) = (format!("a/{name}"), format!("b/{name}"));
    let compared = TextDiff::from_lines(before, after);
    let mut diff = compared.unified_diff();
    write!(out, "{}", diff.context_radius(3).header(&old, &new))
}

/// Bytes of a line while two texts are compared: its slice in a list, its place among those that are distinct, and its
/// share of the search.
const LINE: usize = 112;

/// The same within a budget, written as it is made.
///
/// # Errors
/// As [`Account::charge`], before anything is written; then what the writer says.
pub fn write_unified_diff(
    name: &str,
    before: &str,
    after: &str,
    account: &mut Account,
    out: &mut impl fmt::Write,
) -> Result<fmt::Result, Excess> {
    charge(before, after, account)?;
    Ok(write(name, before, after, out))
}

/// Lines that were put in the place of others: the first of them, counted from 0, and how many; before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What is replaced: nothing, where lines were only added.
    pub before: (usize, usize),
    /// What stands there now: nothing, where lines were only taken out.
    pub after: (usize, usize),
}

/// The same changes as places, for whoever has both texts.
///
/// # Errors
/// As [`Account::charge`], before anything is compared.
pub fn line_changes(
    before: &str,
    after: &str,
    account: &mut Account,
) -> Result<Vec<Change>, Excess> {
    charge(before, after, account)?;
    let compared = TextDiff::from_lines(before, after);
    let ops = compared.ops().iter();
    let changed = ops.filter(|op| op.tag() != DiffTag::Equal);
    Ok(changed
        .map(|op| {
            let (old, new) = (op.old_range(), op.new_range());
            Change {
                before: (old.start, old.len()),
                after: (new.start, new.len()),
            }
        })
        .collect())
}

fn charge(before: &str, after: &str, account: &mut Account) -> Result<(), Excess> {
    let lines = |text: &str| memchr::memchr_iter(b'\n', text.as_bytes()).count() + 1;
    account.charge(LINE * (lines(before) + lines(after)))
}

#[cfg(test)]
mod tests {
    use super::{Change, line_changes, unified_diff, write_unified_diff};
    use crate::manifest::budget::{Budget, Excess, Stop};

    #[test]
    fn shows_three_lines_around_a_change() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        let diff =
            "--- a/x.yaml\n+++ b/x.yaml\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
        assert_eq!(unified_diff("x.yaml", before, after), diff);
    }

    #[test]
    fn lines_are_charged_before_they_are_compared() {
        let (before, after) = ("#\n".repeat(1000), "#\n".repeat(1001));
        let mut account = Budget::new(100_000, Stop::default()).account();
        let mut out = String::new();
        let written = write_unified_diff("x", &before, &after, &mut account, &mut out);
        assert!(matches!(written, Err(Excess::Memory { .. })));
        let mut account = Budget::new(1 << 20, Stop::default()).account();
        write_unified_diff("x", &before, &after, &mut account, &mut out)
            .unwrap()
            .unwrap();
        assert_eq!(out, unified_diff("x", &before, &after));
    }

    #[test]
    fn changes_are_told_as_places_in_both_texts() {
        let changes = |before: &str, after: &str| {
            let mut account = Budget::new(1 << 20, Stop::default()).account();
            line_changes(before, after, &mut account).unwrap()
        };
        let change = |before, after| Change { before, after };
        assert_eq!(changes("a\nb\n", "a\nb\n"), []);
        assert_eq!(
            changes("a\nb\nc\n", "a\nB\nc\nd\n"),
            [change((1, 1), (1, 1)), change((3, 0), (3, 1))]
        );
        assert_eq!(changes("a\nb\n", "b\n"), [change((0, 1), (0, 0))]);
    }

    #[test]
    fn is_empty_without_a_change_and_says_where_the_last_line_has_no_end() {
        assert_eq!(unified_diff("x", "a\n", "a\n"), "");
        assert!(unified_diff("x", "a", "a\n").contains("No newline at end of file"));
    }
}
