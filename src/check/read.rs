//! Reading untyped JSON: what is absent, or of a shape that the API would refuse, is read as absent.

use serde_json::Value;

/// A text; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A list; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list.
pub(super) fn words<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    list(value, name).iter().filter_map(Value::as_str)
}

/// A whole number, or a share of one: the API's `IntOrString`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    Number(i64),
    Percent(i64),
}

impl Amount {
    pub(super) fn read(value: &Value) -> Option<Self> {
        if let Some(number) = value.as_i64() {
            return Some(Self::Number(number));
        }
        let text = value.as_str()?;
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Self::Percent),
            None => text.parse().ok().map(Self::Number),
        }
    }

    /// Of so many, rounded down, as Kubernetes does for `maxUnavailable` of a rolling update.
    pub(super) fn floor(self, of: i64) -> i64 {
        match self {
            Self::Number(number) => number,
            Self::Percent(percent) => of.saturating_mul(percent) / 100,
        }
    }

    /// Of so many, rounded up, as Kubernetes does for both fields of a `PodDisruptionBudget`.
    pub(super) fn ceiling(self, of: i64) -> i64 {
        match self {
            Self::Number(number) => number,
            Self::Percent(percent) => (of.saturating_mul(percent).saturating_add(99)) / 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_rounded_as_kubernetes_rounds_them() {
        for (value, floor, ceiling) in [
            (json!(1), Some(1), Some(1)),
            (json!("25%"), Some(0), Some(1)),
            (json!("100%"), Some(3), Some(3)),
            (json!("2"), Some(2), Some(2)),
            (json!("x%"), None, None),
            (json!(null), None, None),
            (json!([1]), None, None),
        ] {
            let amount = Amount::read(&value);
            assert_eq!(amount.map(|amount| amount.floor(3)), floor, "{value}");
            assert_eq!(amount.map(|amount| amount.ceiling(3)), ceiling, "{value}");
        }
    }
}
