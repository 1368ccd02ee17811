//! What authors have looked at and want to hear no more of: `SR301 reason`, in a comment at the place or in an annotation.

use super::rule::Rule;
use crate::manifest::budget::element;

/// The annotation on the object; several entries go with semicolons or lines between them.
pub(super) const ANNOTATION: &str = crate::policy::IGNORE;
/// How the comment begins, behind its `#`; a blank after the colon is easily written.
pub(super) const MARKS: [&str; 2] = ["silkroll:ignore", "silkroll: ignore"];
/// Entries of one annotation, which is more than there are rules.
const MOST: usize = 64;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ignore<'a> {
    codes: Vec<&'static str>,
    pub(super) reason: &'a str,
}

impl<'a> Ignore<'a> {
    /// What it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        element::<Self>() + element::<&str>() * self.codes.len()
    }

    /// Reads codes with commas between them, a blank, and the reason.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let text = text.trim().trim_start_matches(':').trim_start();
        let (codes, reason) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let known = |code: &str| -> Result<&'static str, String> {
            let rule = Rule::find(&code.to_ascii_uppercase()).ok_or_else(|| {
                let code = crate::text::quoted(code, 20);
                format!("{code} is no code of a rule: expected is, e.g., SR301 and the reason")
            })?;
            Ok(rule.code)
        };
        // `SR301: why` is how many tools write it.
        let named = codes.trim_end_matches(':').split(',');
        let mut codes: Vec<&'static str> = Vec::new();
        for code in named.filter(|code| !code.is_empty()) {
            let code = known(code)?;
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        if codes.is_empty() {
            return Err("it names no rule: expected is, e.g., SR301 and the reason".to_owned());
        }
        // A dash or colon between the two is no reason yet.
        let reason =
            reason.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | ':' | '–' | '—'));
        if reason.is_empty() {
            return Err(format!(
                "it gives no reason: say it behind {}",
                codes.join(",")
            ));
        }
        Ok(Self { codes, reason })
    }

    /// The entries of an annotation. What is wrong with them is said once, for it is one place.
    pub(super) fn all(text: &'a str) -> impl Iterator<Item = Result<Self, String>> {
        let entries = text.split([';', '\n']).map(str::trim);
        let mut entries = entries.filter(|entry| !entry.is_empty());
        let mut all = Vec::new();
        let (mut first, mut wrong) = (None, 0);
        for entry in entries.by_ref().take(MOST) {
            match Self::parse(entry) {
                Ok(ignore) => all.push(Ok(ignore)),
                Err(why) => {
                    first.get_or_insert(why);
                    wrong += 1;
                }
            }
        }
        if wrong > 1 {
            first = first.map(|why| format!("{why} (and {} more)", wrong - 1));
        }
        if entries.next().is_some() {
            first.get_or_insert(format!("what stands behind entry {MOST} is not read"));
        }
        all.extend(first.map(Err));
        all.into_iter()
    }

    /// Joins those of the same place, where it says more than they do: of thousands a few do.
    pub(super) fn join(self, others: &mut Vec<Self>) {
        let known = |code| others.iter().any(|other| other.codes.contains(code));
        if !self.codes.iter().all(known) {
            others.push(self);
        }
    }

    pub(super) fn covers(&self, rule: &Rule) -> bool {
        self.codes.contains(&rule.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_needs_known_codes_and_a_reason() {
        for (text, expected) in [
            ("SR301 one is enough", Ok((vec!["SR301"], "one is enough"))),
            (
                " SR301,SR402  why not ",
                Ok((vec!["SR301", "SR402"], "why not")),
            ),
            ("SR301: - why", Ok((vec!["SR301"], "why"))),
            ("SR301,sr402: why", Ok((vec!["SR301", "SR402"], "why"))),
            ("sr301 why", Ok((vec!["SR301"], "why"))),
            ("SR301:why", Err("\"SR301:why\" is no code")),
            (": why", Err("\"why\" is no code")),
            ("SR301 - why", Ok((vec!["SR301"], "why"))),
            ("SR301", Err("it gives no reason")),
            ("SR301 -", Err("it gives no reason")),
            ("", Err("it names no rule")),
            (", why", Err("it names no rule")),
            ("SR999 why", Err("\"SR999\" is no code")),
            ("because", Err("\"because\" is no code")),
        ] {
            match (Ignore::parse(text), expected) {
                (Ok(found), Ok((codes, reason))) => {
                    assert_eq!((found.codes, found.reason), (codes, reason), "{text}");
                }
                (Err(found), Err(expected)) => {
                    assert!(found.starts_with(expected), "{text}: {found}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        assert_eq!(Ignore::all("SR301 a; SR402 b\nSR101").count(), 3);
        let many: Vec<_> = Ignore::all("x; SR301 a; y; z").collect();
        assert_eq!(many.len(), 2);
        assert!(
            many[1]
                .as_ref()
                .is_err_and(|why| why.ends_with("(and 2 more)"))
        );
        let long = "SR301 a;".repeat(1000);
        assert_eq!(Ignore::all(&long).count(), MOST + 1);
    }
}
