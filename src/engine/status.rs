//! The record that Silkroll leaves on the pod template: what was injected, over what, by which
//! version. It travels with the template through a rollback. Nothing in it is believed that the
//! template itself does not bear out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The only format there is.
const FORMAT: u32 = 1;

/// More would not fit beside the other annotations (256 KiB in all, apimachinery's
/// `TotalAnnotationSizeLimitB`); a real record has a few hundred bytes.
const LONGEST: usize = 64 * 1024;

/// What a member may have been to be worth remembering.
const EMPTY: [&str; 3] = ["null", "[]", "{}"];

/// Containers and their variables, together: keeps the comparison with a template's parts short.
const MOST_PARTS: usize = 1024;

/// What was injected, over what.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Status<'a> {
    /// The record's format.
    pub(super) format: u32,
    /// The version that injected.
    #[serde(borrow)]
    pub(super) version: Cow<'a, str>,
    /// Fingerprint of what the user wrote: tells a template that was brought back whole, as a
    /// rollback does, from one that was changed.
    #[serde(borrow)]
    pub(super) inputs: Cow<'a, str>,
    /// terminationGracePeriodSeconds, where it was raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grace: Option<Change>,
    /// minReadySeconds, where it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min_ready: Option<Change>,
    /// The update strategy, where `surge` changed it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) strategy: Option<Swap<'a>>,
    /// Containers by name.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) containers: BTreeMap<Cow<'a, str>, Container<'a>>,
    /// Members of the template that were there, but empty or null.
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) was: Was<'a>,
}

/// Empty members as they were, by name.
pub(super) type Was<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// A number that was changed; `before` is null where there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) before: Option<i64>,
    pub(super) after: i64,
}

/// A value that was changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Swap<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Cow<'a, RawValue>>,
    #[serde(borrow)]
    pub(super) after: Cow<'a, RawValue>,
}

/// What was injected into one container.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Container<'a> {
    /// Names of the env entries.
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<Cow<'a, str>>,
    /// The preStop hook.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) pre_stop: Option<Hook<'a>>,
    /// The postStart hook.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) post_start: Option<Hook<'a>>,
    /// The readiness probe, whole.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) readiness: Option<Cow<'a, RawValue>>,
    /// Whether the script was mounted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) mount: bool,
    /// Members that were there, but empty or null.
    #[serde(borrow, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) was: Was<'a>,
}

impl Container<'_> {
    /// Whether there is nothing to record.
    pub(super) fn is_empty(&self) -> bool {
        self.env.is_empty()
            && self.pre_stop.is_none()
            && self.post_start.is_none()
            && self.readiness.is_none()
            && !self.mount
    }
}

/// A hook that was injected.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hook<'a> {
    /// Seconds of the native sleep action; none where it is the script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sleep: Option<u32>,
    /// The user's own hook that stood there.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(super) over: Option<Cow<'a, RawValue>>,
}

impl<'a> Status<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!(
                "it has {} bytes, at most {LONGEST} are possible",
                text.len()
            ));
        }
        let status: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let parts = status.containers.len()
            + status
                .containers
                .values()
                .map(|container| container.env.len())
                .sum::<usize>();
        if parts > MOST_PARTS {
            return Err(format!(
                "it names {parts} parts, at most {MOST_PARTS} are possible"
            ));
        }
        status.check()?;
        if status.format == FORMAT {
            Ok(status)
        } else {
            Err(format!(
                "it is of format {}, this version knows {FORMAT}",
                status.format
            ))
        }
    }

    /// What no record of Silkroll's says.
    fn check(&self) -> Result<(), String> {
        let seconds = |change: &Option<Change>| {
            change.is_none_or(|change| {
                let possible = 0..=i64::from(i32::MAX);
                possible.contains(&change.after)
                    && change
                        .before
                        .is_none_or(|before| possible.contains(&before))
            })
        };
        let empty = |was: &Was<'_>| was.values().all(|raw| EMPTY.contains(&raw.get()));
        let object = |raw: &RawValue| raw.get().starts_with('{');
        let whole = |container: &Container<'_>| {
            let hooks = container.pre_stop.iter().chain(&container.post_start);
            empty(&container.was)
                && hooks.filter_map(|hook| hook.over.as_deref()).all(object)
                && container.readiness.as_deref().is_none_or(object)
        };
        let strategy = self
            .strategy
            .as_ref()
            .is_none_or(|swap| object(&swap.after) && swap.before.as_deref().is_none_or(object));
        if !seconds(&self.grace) || !seconds(&self.min_ready) {
            return Err("a number of seconds in it is impossible".to_owned());
        }
        if !strategy || !empty(&self.was) || !self.containers.values().all(whole) {
            return Err("a value in it is of the wrong kind".to_owned());
        }
        Ok(())
    }

    /// A record of this version, still empty.
    pub(super) fn new(inputs: String) -> Self {
        Self {
            format: FORMAT,
            version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            inputs: Cow::Owned(inputs),
            ..Self::default()
        }
    }

    /// The record as the annotation's value.
    pub(super) fn write(&self) -> String {
        let mut out = Vec::with_capacity(1024);
        // Strings, numbers and maps with string keys: nothing in a record can fail to serialise.
        if serde_json::to_writer(&mut out, self).is_err() {
            return String::new();
        }
        String::from_utf8(out).unwrap_or_default()
    }
}
