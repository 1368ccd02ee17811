//! The names that a certificate can be for.

use std::net::IpAddr;

use crate::text::quoted;

/// The longest name of the DNS, in bytes (RFC 1035, section 2.3.4), as text.
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A DNS name as callers can use it: labels of letters, digits and hyphens, the first may be a star.
///
/// # Errors
/// What is wrong with it and what is allowed.
pub fn dns(name: &str) -> Result<(), String> {
    if name.parse::<IpAddr>().is_ok() {
        return Err(format!("{name} is an address, no DNS name"));
    }
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let under_star = name.strip_prefix("*.").unwrap_or(name);
    if name.len() <= LONGEST && under_star.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "{} is no DNS name: allowed are letters, digits and hyphens in parts of 1 to {LONGEST_LABEL}, with dots \
         between them, {LONGEST} in all; the first part may be *",
        quoted(name, 80)
    ))
}

/// A DNS name or an address.
///
/// # Errors
/// It is neither.
pub fn any(name: &str) -> Result<(), String> {
    if name.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    dns(name).map_err(|error| format!("{error}; nor is it an address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_resolver_can_be_asked_for() {
        let long = "a".repeat(64);
        let longest = ["a".repeat(63).as_str(); 4].join(".");
        for (name, good) in [
            ("silkroll.silkroll-system.svc", true),
            ("localhost", true),
            ("Hook.Example.ORG", true),
            ("*.example.org", true),
            ("3com.example", true),
            ("", false),
            ("a b", false),
            ("a,b", false),
            ("a..b", false),
            (".a", false),
            ("a.", false),
            ("*", false),
            ("*.", false),
            ("a.*.b", false),
            ("-a", false),
            ("a-", false),
            ("a_b", false),
            ("größe", false),
            ("a\n", false),
            ("127.0.0.1", false),
            ("::1", false),
            (&long, false),
            (&longest, false),
            (&longest[2..], true),
        ] {
            assert_eq!(dns(name).is_ok(), good, "{name:?}: {:?}", dns(name));
        }
        assert!(any("127.0.0.1").is_ok() && any("::1").is_ok() && any("a.b").is_ok());
        assert!(any("a b").unwrap_err().contains(r#""a b" is no DNS name"#));
    }
}
