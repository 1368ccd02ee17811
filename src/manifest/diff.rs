//! The change as people read it.

use similar::TextDiff;

/// A unified diff with three lines of context; empty where nothing changed.
#[must_use]
pub fn unified_diff(name: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let (old, new) = (format!("a/{name}"), format!("b/{name}"));
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(3)
        .header(&old, &new)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::unified_diff;

    #[test]
    fn shows_three_lines_around_a_change() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        let diff =
            "--- a/x.yaml\n+++ b/x.yaml\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
        assert_eq!(unified_diff("x.yaml", before, after), diff);
    }

    #[test]
    fn is_empty_without_a_change_and_says_where_the_last_line_has_no_end() {
        assert_eq!(unified_diff("x", "a\n", "a\n"), "");
        assert!(unified_diff("x", "a", "a\n").contains("No newline at end of file"));
    }
}
