//! What must hold of every life of a workload (the laws of ARCHITECTURE.md), whatever stands in its manifest.

use serde_json::Value;
use silkroll::engine::Outcome;

use super::remove;
use super::sequence::{Case, Step};

const RECORD: &str = "silkroll.dev/status";
const INJECT: &str = "silkroll.dev/inject";

/// The steps by their names.
struct Life<'a>(&'a [Step]);

impl<'a> Life<'a> {
    fn step(&self, name: &str) -> &'a Step {
        let mut steps = self.0.iter();
        steps.find(|step| step.name == name).unwrap()
    }

    fn object(&self, name: &str) -> &'a Value {
        &self.step(name).object
    }

    fn outcome(&self, name: &str) -> Outcome {
        self.step(name).decision.outcome
    }
}

fn same(law: &str, left: &Value, right: &Value) -> Result<(), String> {
    if left == right {
        return Ok(());
    }
    Err(format!("{law}\n--- is\n{left:#}\n--- should be\n{right:#}"))
}

/// What its record says, where it came with the manifest, is not given back.
fn without_record(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(annotations)) =
        object.pointer_mut("/spec/template/metadata/annotations")
    {
        annotations.shift_remove(RECORD);
    }
    object
}

fn has_record(object: &Value) -> bool {
    let at = "/spec/template/metadata/annotations/silkroll.dev~1status";
    object.pointer(at).is_some()
}

fn own_annotations(object: &Value) -> Vec<(&String, &Value)> {
    let annotations = object
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    let ours = |(key, _): &(&String, &Value)| key.starts_with("silkroll.dev/");
    annotations.into_iter().flatten().filter(ours).collect()
}

/// Says which law is broken, and what shows it.
pub(crate) fn check(case: &Case, steps: &[Step]) -> Result<(), String> {
    let life = Life(steps);
    created(case, &life)?;
    asked_again(&life)?;
    rolls_nothing(case, &life)?;
    given_back(case, &life)
}

/// Injecting an injected object changes nothing, and removing gives back what was there.
fn created(case: &Case, life: &Life<'_>) -> Result<(), String> {
    let sent = case.way.first(&case.plain);
    let stored = life.object("create");
    same(
        "injecting twice is injecting once",
        life.object("again"),
        stored,
    )?;
    if life.outcome("create") != Outcome::Injected {
        return same("what is not injected stays as it was", stored, &sent);
    }
    let law = "removing gives back what was there";
    let (back, plain) = (life.object("remove"), &sent);
    if has_record(&sent) {
        return same(law, &without_record(back), &without_record(plain));
    }
    same(law, back, plain)
}

/// As an API server asks once more after another webhook.
fn asked_again(life: &Life<'_>) -> Result<(), String> {
    for (once, again) in [("first", "first-again"), ("webhook", "webhook-again")] {
        if life.outcome(once) != Outcome::Rejected {
            let law = format!("{once}: asking again changes nothing");
            same(&law, life.object(again), life.object(once))?;
        }
    }
    Ok(())
}

/// Only the user's changes change the template.
fn rolls_nothing(case: &Case, life: &Life<'_>) -> Result<(), String> {
    if !case.before {
        let patch = &life.step("label").decision.patch;
        if let Some(patch) = patch {
            return Err(format!(
                "a label rolls nothing out, and this was patched: {patch}"
            ));
        }
    }
    let opted_in = case.later.contains(&(INJECT.into(), "enabled".into()));
    if life.outcome("create") != Outcome::Injected || !opted_in {
        return Ok(());
    }
    let template = |name| &life.object(name)["spec"]["template"];
    same(
        "sending the same manifest again rolls nothing out",
        template("same"),
        template("create"),
    )?;
    let [created, second] = ["create", "second"].map(|name| own_annotations(life.object(name)));
    if created == second && life.outcome("rollback") != Outcome::Rejected {
        same(
            "a rollback brings back what was injected",
            template("rollback"),
            template("create"),
        )?;
    }
    Ok(())
}

/// Opting out is the same as removing, and removing twice is removing once.
fn given_back(case: &Case, life: &Life<'_>) -> Result<(), String> {
    let removed = life.step("remove-last");
    let (twice, decision) = remove(&removed.object, &case.settings());
    if decision.patch.is_some() {
        return same("removing twice is removing once", &twice, &removed.object);
    }
    if life.outcome("opt-out") != Outcome::Removed {
        return Ok(());
    }
    let template = |name| &life.object(name)["spec"]["template"];
    same(
        "opting out gives back what removing does",
        template("opt-out"),
        template("remove-last"),
    )
}
