//! What must hold of every life of a workload (the laws of ARCHITECTURE.md), whatever stands in its manifest.

use std::collections::BTreeSet;

use serde_json::Value;
use silkroll::engine::Outcome;

use super::changes::Way;
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

/// Without what is there and empty, and without the default: they say no more than what is absent.
fn meant(value: &Value) -> Value {
    let says = |value: &Value| {
        !value.is_null() && *value != serde_json::json!([]) && *value != serde_json::json!({})
    };
    match value {
        Value::Object(map) => {
            let members = map.iter().map(|(key, value)| (key.clone(), meant(value)));
            let default = |key: &str| key == "terminationGracePeriodSeconds";
            let says =
                |(key, value): &(String, Value)| says(value) && !(default(key) && *value == 30);
            Value::Object(members.filter(says).collect())
        }
        Value::Array(items) => items.iter().map(meant).collect(),
        _ => value.clone(),
    }
}

/// Whether an apply of it is nothing to rely on: a null takes away what others wrote there, the record too, and lists
/// with the same key twice merge in no order.
fn merges_oddly(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().any(merges_oddly),
        Value::Array(items) => {
            let names = items.iter().filter_map(|item| item["name"].as_str());
            let different: BTreeSet<_> = names.clone().collect();
            different.len() < names.count() || items.iter().any(merges_oddly)
        }
        _ => false,
    }
}

/// Says which law is broken, on the first line, and what shows it.
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
    let controller = life.0.iter().find(|step| step.name == "controller");
    if let Some(Some(patch)) = controller.map(|step| &step.decision.patch)
        && life.outcome("create") == Outcome::Injected
        && case.later.contains(&(INJECT.into(), "enabled".into()))
    {
        return Err(format!(
            "what its controller writes back rolls nothing out, and this was patched: {patch}"
        ));
    }
    let opted_in = case.later.contains(&(INJECT.into(), "enabled".into()));
    if life.outcome("create") != Outcome::Injected || !opted_in {
        return Ok(());
    }
    let template = |name| &life.object(name)["spec"]["template"];
    if case.way != Way::Apply || !merges_oddly(&case.plain) {
        let law = "sending the same manifest again rolls nothing out";
        same(law, template("same"), template("create"))?;
    }
    let [created, second] = ["create", "second"].map(|name| own_annotations(life.object(name)));
    // Whose template is another workload's since has none of its own that matters.
    let refers = !life.object("rollback")["spec"]["workloadRef"].is_null();
    if !refers && created == second && life.outcome("rollback") != Outcome::Rejected {
        // What the user wrote then may be what stands there already, injected by a later version.
        let nothing_new = meant(template("remove")) == meant(template("remove-last"));
        let stays = nothing_new && meant(template("rollback")) == meant(template("second"));
        let wanted = template(if stays { "second" } else { "create" });
        let law = "a rollback brings back what was injected";
        same(law, &meant(template("rollback")), &meant(wanted))?;
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
    let [mut out, mut removed] = ["opt-out", "remove-last"].map(|name| template(name).clone());
    let warnings = &life.step("opt-out").decision.warnings;
    if warnings
        .iter()
        .any(|said| said.contains("stays as Silkroll set it"))
    {
        // An UPDATE may not give back what the API refuses.
        for template in [&mut out, &mut removed] {
            let spec = template["spec"].as_object_mut().unwrap();
            spec.remove("terminationGracePeriodSeconds");
        }
    }
    same("opting out gives back what removing does", &out, &removed)
}
