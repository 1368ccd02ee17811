//! The annotations as a form shows them: from the same table that checks them.

use super::{Layer, Method, catalogue};

/// One annotation as a field of a form.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    /// Without the prefix `silkroll.dev/`.
    pub name: &'static str,
    /// The way of leaving that it belongs to; empty where it is for all of them.
    pub method: &'static str,
    /// What is allowed on a Namespace, as the end of a sentence.
    pub allowed: String,
    /// Values that the sentence names; where there are none, it takes more than these.
    pub choices: Vec<String>,
    /// Whether it takes a number.
    pub number: bool,
}

/// All annotations there are, in the order of the documentation.
#[must_use]
pub fn fields(methods: &'static [Method]) -> Vec<Field> {
    let of = |name: &str| {
        let own = |method: &&Method| method.settings.iter().any(|key| key.name == name);
        methods.iter().find(own).map_or("", |method| method.name)
    };
    let fields = catalogue(methods).map(|key| {
        let fits = |text: &str| key.check(text, Layer::Namespace, methods).is_ok();
        // No annotation may hold a NUL.
        let refused = key.check("\0", Layer::Namespace, methods);
        let allowed = refused.err().unwrap_or_default();
        // What takes any word, or any number, has no choice of them.
        let (word, number) = (fits("allowed"), fits("7"));
        let choices = if word || number {
            Vec::new()
        } else {
            let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            let mut seen = Vec::new();
            for word in allowed.split(|c| !part(c)) {
                if fits(word) && !seen.iter().any(|known| known == word) {
                    seen.push(word.to_owned());
                }
            }
            seen
        };
        Field {
            name: key.name,
            method: of(key.name),
            allowed,
            choices,
            number: number && !word,
        }
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deregister::METHODS;

    #[test]
    fn what_a_field_offers_is_what_its_check_takes() {
        let fields = fields(METHODS);
        assert_eq!(fields.len(), catalogue(METHODS).count());
        for (name, method, number, choices) in [
            (
                "inject",
                "",
                false,
                &["enabled", "disabled", "true", "false", "on-request"][..],
            ),
            ("level", "", false, &["workload", "pod"]),
            (
                "existing-pre-stop",
                "",
                false,
                &["chain", "keep", "replace"],
            ),
            ("drain-seconds", "", true, &[]),
            ("container", "", false, &[]),
            ("nacos-server", "nacos", false, &[]),
            (
                "spring-status",
                "spring",
                false,
                &["DOWN", "OUT_OF_SERVICE"],
            ),
            (
                "deregister",
                "",
                false,
                &[
                    "none", "nacos", "eureka", "consul", "dubbo", "spring", "http", "nginx",
                    "signal",
                ],
            ),
        ] {
            let field = fields.iter().find(|field| field.name == name).unwrap();
            assert_eq!(field.method, method, "{name}");
            assert_eq!(field.number, number, "{name}");
            assert_eq!(field.choices, choices, "{name}: {}", field.allowed);
        }
        for field in fields {
            assert!(field.allowed.starts_with("allowed is "), "{field:?}");
        }
    }
}
