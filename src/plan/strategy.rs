//! Update strategies: what the API, or the controller of a custom resource, refuses of them.

use serde_json::Value;

use crate::slots::json;
use crate::slots::kind::Kind;
use crate::slots::tree::{Node, Tree};

/// Whether a Rollout is said to be blue-green. Exactly one of the two is to be there (`ValidateRolloutStrategy`).
pub(crate) fn is_blue_green(tree: &Tree<'_>) -> bool {
    tree.kind == Kind::Rollout && says(tree.strategy(), "blueGreen")
}

/// Whether a member is there, be it empty.
fn says(strategy: &Node<'_>, name: &str) -> bool {
    let node = strategy.get(name);
    node.is_some_and(|node| !matches!(node, Node::Json(text) if text == "null"))
}

/// Whether the update strategy is refused as it stands, by the API or by the kind's controller.
pub(crate) fn refuses_strategy(tree: &Tree<'_>) -> bool {
    let (kind, strategy) = (tree.kind, tree.strategy());
    if kind == Kind::Rollout && says(strategy, "blueGreen") == says(strategy, "canary") {
        return true;
    }
    let named = strategy.json("type").map(json::value).unwrap_or_default();
    if !matches!(named.as_str(), None | Some("" | "RollingUpdate")) || is_blue_green(tree) {
        return false;
    }
    let Some((unavailable, surge)) = kind.amounts() else {
        return false;
    };
    let amount = |member: &str, default: &str| {
        let said = json::value(tree.rolling().json(member).unwrap_or(default));
        Amount::read(kind, &said)
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
        Kind::Rollout => none,
        _ => none || unavailable.above_all(),
    }
}

/// A number of pods, or a share of them.
#[derive(Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) number: u64,
    percent: bool,
}

impl Amount {
    /// As `ValidatePositiveIntOrPercent` does; `None` where it is neither. To Argo Rollouts a text is a percentage
    /// without its sign, too (`GetValueFromIntOrPercent`).
    pub(crate) fn read(kind: Kind, value: &Value) -> Option<Self> {
        if let Some(number) = value.as_u64() {
            return i32::try_from(number).is_ok().then_some(Self {
                number,
                percent: false,
            });
        }
        let text = value.as_str()?;
        let bare = (kind == Kind::Rollout).then_some(text);
        let digits = text.strip_suffix('%').or(bare)?;
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
    use crate::slots::tree::Tree;
    use crate::slots::view::Spec;
    use serde_json::json;

    fn asked(kind: Kind, strategy: &Value) -> bool {
        let text = json!({"template": {}, kind.strategy(): strategy}).to_string();
        let spec: Spec<'_> = serde_json::from_str(&text).unwrap();
        let tree = Tree::read(kind, &spec).unwrap();
        refuses_strategy(&tree)
    }

    #[test]
    fn a_strategy_is_refused_where_the_api_refuses_it() {
        let refused = |kind: Kind, unavailable: &Value, surge: &Value| {
            let strategy =
                json!({"rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}});
            asked(kind, &strategy)
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
        assert!(!asked(Kind::Deployment, &json!({"type": "Recreate"})));
    }

    #[test]
    fn a_rollouts_strategy_is_refused_where_its_controller_refuses_it() {
        for (strategy, refused) in [
            (json!({"canary": {}}), false),
            (json!({"canary": {"maxSurge": 0}}), false),
            (
                json!({"canary": {"maxSurge": 0, "maxUnavailable": 0}}),
                true,
            ),
            (
                json!({"canary": {"maxSurge": "0%", "maxUnavailable": "0"}}),
                true,
            ),
            (
                json!({"canary": {"maxSurge": "1", "maxUnavailable": 0}}),
                false,
            ),
            (json!({"canary": {"maxUnavailable": "101%"}}), false),
            (json!({"canary": {"maxUnavailable": "few"}}), true),
            (json!({"blueGreen": {"activeService": "web"}}), false),
            (json!({"blueGreen": {}, "canary": null}), false),
            (json!({"blueGreen": {}, "canary": {}}), true),
            (json!({"blueGreen": null}), true),
            (json!({}), true),
        ] {
            assert_eq!(asked(Kind::Rollout, &strategy), refused, "{strategy}");
        }
    }
}
