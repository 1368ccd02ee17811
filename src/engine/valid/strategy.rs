//! Update strategies that the API refuses.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::engine::Kind;

/// What the API fills in for maxUnavailable and maxSurge (`SetDefaults_Deployment`,
/// `SetDefaults_DaemonSet`), before a webhook sees the object; a manifest may leave them out.
pub(in crate::engine) fn defaults(kind: Kind) -> Option<(Value, Value)> {
    match kind {
        Kind::Deployment => Some(("25%".into(), "25%".into())),
        Kind::DaemonSet => Some((1.into(), 0.into())),
        Kind::StatefulSet => None,
    }
}

/// Whether the API refuses this update strategy as it stands.
pub(in crate::engine) fn refuses_strategy(kind: Kind, strategy: Option<&RawValue>) -> bool {
    let strategy: Value = strategy
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    let rolling = &strategy["rollingUpdate"];
    if !matches!(strategy["type"].as_str(), None | Some("" | "RollingUpdate")) {
        return false;
    }
    let Some((unavailable, surge)) = defaults(kind) else {
        return false;
    };
    let amount = |member: &str, default: Value| match &rolling[member] {
        Value::Null => Amount::read(&default),
        value => Amount::read(value),
    };
    let (Some(unavailable), Some(surge)) = (
        amount("maxUnavailable", unavailable),
        amount("maxSurge", surge),
    ) else {
        return true;
    };
    let both = unavailable.number > 0 && surge.number > 0;
    let none = unavailable.number == 0 && surge.number == 0;
    match kind {
        Kind::DaemonSet => both || none || unavailable.above_all() || surge.above_all(),
        _ => none || unavailable.above_all(),
    }
}

/// A number of pods, or a share of them.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Amount {
    pub(in crate::engine) number: u64,
    percent: bool,
}

impl Amount {
    /// As `ValidatePositiveIntOrPercent` does; `None` where it is neither.
    pub(in crate::engine) fn read(value: &Value) -> Option<Self> {
        if let Some(number) = value.as_u64() {
            return i32::try_from(number).is_ok().then_some(Self {
                number,
                percent: false,
            });
        }
        let digits = value.as_str()?.strip_suffix('%')?;
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| Self {
            number: digits.parse().unwrap_or(u64::MAX),
            percent: true,
        })
    }

    fn above_all(self) -> bool {
        self.percent && self.number > 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_strategy_is_refused_where_the_api_refuses_it() {
        let refused = |kind: Kind, unavailable: &Value, surge: &Value| {
            let strategy =
                json!({"rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}});
            let raw = RawValue::from_string(strategy.to_string()).unwrap();
            refuses_strategy(kind, Some(&raw))
        };
        let none = Value::Null;
        // maxUnavailable, maxSurge, and whether it is refused of a Deployment and of a DaemonSet.
        for (unavailable, surge, deployment, daemon_set) in [
            (none.clone(), none.clone(), false, false),
            (json!(1), json!(0), false, false),
            (json!(0), json!(1), false, false),
            (json!(0), json!(0), true, true),
            (json!("0%"), json!("00%"), true, true),
            (json!(1), json!(1), false, true),
            (none.clone(), json!(1), false, true),
            (none.clone(), json!(0), false, false),
            (json!(0), none.clone(), false, true),
            (json!("100%"), json!(0), false, false),
            (json!("101%"), json!(0), true, true),
            (json!(0), json!("101%"), false, true),
            (json!("1"), json!(1), true, true),
            (json!("%"), json!(1), true, true),
            (json!(-1), json!(1), true, true),
            (json!(1.5), json!(1), true, true),
        ] {
            for (kind, expected) in [
                (Kind::Deployment, deployment),
                (Kind::DaemonSet, daemon_set),
            ] {
                let found = refused(kind, &unavailable, &surge);
                assert_eq!(found, expected, "{kind:?} {unavailable} {surge}");
            }
        }
        let recreate = RawValue::from_string(json!({"type": "Recreate"}).to_string()).unwrap();
        assert!(!refuses_strategy(Kind::Deployment, Some(&recreate)));
    }
}
