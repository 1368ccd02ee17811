//! How many values a body has, without reading it: what is read of a review, and the time that takes, grows with them.

/// The most values of a review: at a microsecond or two for each, and a few milliseconds for the bytes, none takes longer
/// than a third of a second. Two objects of the largest size that etcd stores, 1.5 MiB, have fewer, at 15 bytes for each.
pub const MOST_VALUES: usize = 200_000;

/// Whether JSON has more than [`MOST_VALUES`] members and elements. Commas outside of strings are counted, which is nearly
/// the same. What is no JSON gives some answer.
#[must_use]
pub fn too_many(body: &[u8]) -> bool {
    let (mut values, mut inside, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b',' if !inside => values += 1,
            _ => {}
        }
    }
    values >= MOST_VALUES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_are_counted_and_the_text_of_strings_is_not() {
        let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
        for (what, text, expected) in [
            ("elements", list("0", MOST_VALUES), false),
            ("one more", list("0", MOST_VALUES + 1), true),
            (
                "members",
                list(r#"{"a":1,"b":2}"#, MOST_VALUES / 2 + 1),
                true,
            ),
            (
                "text",
                format!("[\"{}\"]", ",".repeat(2 * MOST_VALUES)),
                false,
            ),
            ("escapes", list(r#""\",\\""#, MOST_VALUES), false),
            ("no JSON", ",".repeat(MOST_VALUES), true),
        ] {
            assert_eq!(too_many(text.as_bytes()), expected, "{what}");
        }
    }
}
