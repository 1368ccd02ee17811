//! The instances of the liveness scenario that are out of their registry, and one that stays out.

use std::thread;

use anyhow::{Context as _, Result, bail};
use testkit::kubectl::Kubectl;

use super::liveness::{self, Failures};
use super::setup::{annotations_of, set_up};
use super::{Entry, Namespaces, Scenario, Settings};
use crate::node::registry::Registry;
use crate::record::Absence;

/// One pod after the other fails its liveness probe; at the same time the one without a start hook does.
pub(super) fn restarted(
    kubectl: &Kubectl,
    namespace: &str,
    scenario: &Scenario,
    times: u32,
    without: Option<WithoutStartHook>,
) -> Result<Failures> {
    let Entry::Gateway(registry) = scenario.entry else {
        bail!("without a registry there is nothing to be out of");
    };
    let source = registry.source(namespace)?;
    let Some(without) = without else {
        return liveness::run(kubectl, namespace, &source, times);
    };
    thread::scope(|scope| {
        let note = without.note();
        let without = scope.spawn(move || WithoutStartHook::run(kubectl, registry));
        let mut failures = liveness::run(kubectl, namespace, &source, times)?;
        match without.join() {
            Ok(absences) => failures.absences.extend(absences?),
            Err(_) => bail!("the thread without a start hook panicked"),
        }
        failures.note = Some(note);
        Ok(failures)
    })
}

/// The same with Silkroll and without re-enabling: it has to stay out, or a start hook would not be
/// what brings the others back.
pub(super) struct WithoutStartHook {
    annotations: Vec<(&'static str, &'static str)>,
}

impl WithoutStartHook {
    const NAMESPACE: &str = "no-start-hook";

    pub(super) fn set_up(
        kubectl: &Kubectl,
        settings: &Settings,
        scenario: &Scenario,
    ) -> Result<Self> {
        let mut annotations = scenario.annotations.to_vec();
        for (name, value) in &mut annotations {
            if *name == "nacos-group" {
                *value = Self::NAMESPACE;
            }
        }
        // It has no callers: none has to forget it.
        annotations.extend([
            ("start-hook", "none"),
            ("last-instance", "leave"),
            ("drain-seconds", "2"),
        ]);
        // One pod is enough for that.
        let one = |manifest: &&str| manifest.replace("replicas: 3", "replicas: 1");
        let manifests: Vec<String> = scenario.manifests.iter().map(one).collect();
        set_up(
            kubectl,
            settings,
            Self::NAMESPACE,
            &manifests,
            Some(&annotations),
        )
        .context(Self::NAMESPACE)?;
        Ok(Self { annotations })
    }

    fn note(&self) -> String {
        let what = format!(
            "One more pod, in {}, has no gateway and no load; its namespace",
            Self::NAMESPACE
        );
        annotations_of(&what, &self.annotations)
    }

    fn run(kubectl: &Kubectl, registry: Registry) -> Result<Vec<Absence>> {
        let run = || -> Result<Vec<Absence>> {
            let source = registry.source(Self::NAMESPACE)?;
            let failures = liveness::run(kubectl, Self::NAMESPACE, &source, 1)?;
            Namespaces::delete(kubectl, Self::NAMESPACE)?;
            Ok(failures.absences)
        };
        let mut absences = run().context(Self::NAMESPACE)?;
        for absence in &mut absences {
            absence.without_start_hook = true;
        }
        Ok(absences)
    }
}
