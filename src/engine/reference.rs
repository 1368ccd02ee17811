//! A Rollout whose pod template is that of another workload, which its `workloadRef` names: that one is injected, and the
//! Rollout is left alone. Its controller takes no Rollout that has both, were it only an annotation.

use crate::plan::ask::Ask;
use crate::plan::report::{Decision, Reason};
use crate::policy::{PREFIX, cut};
use crate::slots::kind::Kind;
use crate::slots::view::Text;

/// What `workloadRef` names.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    api_version: Option<Text<'a>>,
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

/// The workload that this one takes its template from.
pub(super) fn of<'a>(ask: &Ask<'a>) -> Option<Reference<'a>> {
    let spec = ask.object.spec.as_ref()?;
    let raw = spec.workload_ref.filter(|_| ask.kind == Kind::Rollout)?;
    // What cannot be read as one is refused by the API server.
    let reference: Option<_> = serde_json::from_str(raw.get()).unwrap_or_default();
    reference
}

/// The answer to such a Rollout, with a warning where its author has to do something. `covered`: whether it would be injected
/// if it had a template.
pub(super) fn skipped(ask: &Ask<'_>, reference: &Reference<'_>, covered: bool) -> Decision {
    let text = |text: &Option<Text<'_>>| {
        text.as_ref()
            .map_or(String::new(), |text| text.0.clone().into_owned())
    };
    let [api_version, kind, name] =
        [&reference.api_version, &reference.kind, &reference.name].map(text);
    let named = Kind::of(&api_version, &kind);
    if !named.is_some_and(|kind| ask.settings.kinds.contains(&kind)) {
        let decision = Decision::skipped(Reason::KindNotCovered);
        if !covered {
            return decision;
        }
        return decision.warn(&format!(
            "nothing was injected: workloadRef names a {}, and --workloads of Silkroll has {}: name one of these, or say \
             silkroll.dev/inject: disabled on the Rollout",
            cut(&kind, 40),
            ask.settings.workloads()
        ));
    }
    let decision = Decision::skipped(Reason::WorkloadRef);
    let mut ours = ask.object.our_annotations().iter();
    match ours.next() {
        None => decision,
        Some((key, _)) => decision.warn(&format!(
            "{PREFIX}{} on the Rollout has no effect: put it on the {kind} {}, whose pod template workloadRef names",
            cut(key.strip_prefix(PREFIX).unwrap_or(key), 40),
            cut(&name, 63)
        )),
    }
}
