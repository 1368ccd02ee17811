//! Annotations with any text as keys and values, wherever they can stand.

#![no_main]

#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "told.rs"]
mod told;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use silkroll::admission::Review;
use silkroll::deregister::METHODS;
use silkroll::engine::{Kind, NamespaceView, Outcome, Settings};
use silkroll::policy::check_default;
use support::{Pairs, deployment, opted_in, review};

/// Between annotations: no byte of a text in UTF-8.
const END: u8 = 0xFF;

/// `1key=value`: where it stands, then what it says. A key is one of Silkroll's, unless it begins with `!`.
struct Said {
    place: u8,
    key: String,
    value: String,
}

fn said(bytes: &[u8]) -> Vec<Said> {
    let one = |bytes: &[u8]| {
        let (place, rest) = bytes.split_first()?;
        let text = String::from_utf8_lossy(rest);
        let (key, value) = text.split_once('=').unwrap_or((&text, ""));
        let key = match key.strip_prefix('!') {
            Some(key) => key.to_owned(),
            None => format!("silkroll.dev/{key}"),
        };
        Some(Said {
            place: *place,
            key,
            value: value.to_owned(),
        })
    };
    bytes.split(|byte| *byte == END).filter_map(one).collect()
}

fn put(object: &mut Value, pointer: &[&str], said: &Said) {
    let at = pointer.iter().fold(object, |at, name| &mut at[*name]);
    at["annotations"][&said.key] = said.value.clone().into();
}

/// Names of ConfigMaps are hashes of what is in them: made once.
static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::default);

fuzz_target!(|bytes: &[u8]| {
    let Some((way, bytes)) = bytes.split_first() else {
        return;
    };
    let mut object = deployment();
    object["kind"] = Kind::ALL[usize::from(*way) % 3].name().into();
    let mut namespace: Pairs = if way & 64 == 0 {
        opted_in(&[])
    } else {
        Pairs::new()
    };
    let mut labels = Pairs::new();
    let mut settings = Settings {
        kinds: Kind::ALL.to_vec(),
        deny_invalid: way & 128 == 0,
        ..SETTINGS.clone()
    };
    for said in said(bytes) {
        let pair = (said.key.clone().into(), said.value.clone().into());
        match said.place % 6 {
            0 => put(&mut object, &["metadata"], &said),
            1 => put(&mut object, &["spec", "template", "metadata"], &said),
            2 => namespace.insert(0, pair),
            3 => labels.push(pair),
            4 => object["metadata"]["labels"][&said.key] = said.value.into(),
            // What is refused at the start reaches no request.
            _ => match check_default(&said.key, &said.value, METHODS) {
                Ok(key) => settings.defaults.push((key.into(), said.value.into())),
                Err(message) => told::fits(&message, 1_000),
            },
        }
    }
    let body = review("CREATE", &object, &Value::Null);
    let view = NamespaceView::Known {
        annotations: &namespace,
        labels: &labels,
    };
    let decision = Review::read(&body)
        .expect("a review")
        .decide(&settings, view, true);
    told::check(&decision);
    let stored = support::apply(&object, &decision);

    let body = review("CREATE", &stored, &Value::Null);
    let again = Review::read(&body)
        .expect("a review")
        .decide(&settings, view, true);
    assert_eq!(again.patch, None, "twice is not once: {decision:?}");
    if decision.outcome == Outcome::Injected && !object.to_string().contains("silkroll.dev/status")
    {
        assert_eq!(
            support::remove(&stored, &settings).0,
            object,
            "not given back"
        );
    }
    if decision.outcome == Outcome::Rejected {
        assert!(
            decision.denial.is_some() && decision.patch.is_none(),
            "{decision:?}"
        );
    }
});
