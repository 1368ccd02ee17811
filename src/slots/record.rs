//! The record that Silkroll leaves on the pod template: what stands in each slot and what stood there
//! before, by which version. It travels with the template through a rollback. It is believed as far as the
//! template bears it out, or not read at all (law 13).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::json;
use super::slot::{Form, Holds, Slot};

/// Format 1 was never published.
const FORMAT: u32 = 2;

/// Containers that serve traffic and that a record names: more than any pod has, and few enough that a forged record is
/// read in a moment.
pub(crate) const MOST_CONTAINERS: usize = 256;
/// Slots that a record has, at most: some 40 for a container.
const MOST_SLOTS: usize = MOST_CONTAINERS * 64;

/// What a parent may have been to be worth remembering.
const EMPTY: [&str; 3] = ["null", "[]", "{}"];

/// Values by the name of their slot.
type Values<'a> = BTreeMap<Cow<'a, str>, Raw<'a>>;

/// A value as JSON.
#[derive(Debug)]
pub(crate) struct Raw<'a>(Cow<'a, str>);

impl Raw<'_> {
    /// The text has to be JSON.
    pub(crate) fn new(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    pub(crate) fn get(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(Cow::Borrowed(raw.get())))
    }
}

/// What was injected, over what.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record<'a> {
    format: u32,
    /// The version that injected.
    #[serde(borrow)]
    version: Cow<'a, str>,
    /// Fingerprint of what the user wrote: tells a template that was brought back whole, as a
    /// rollback does, from one that was changed.
    #[serde(borrow)]
    pub(crate) user: Cow<'a, str>,
    /// The containers that serve traffic.
    #[serde(borrow)]
    pub(crate) containers: Vec<Cow<'a, str>>,
    /// What stands in each slot, abbreviated.
    #[serde(borrow)]
    pub(crate) slots: Values<'a>,
    /// What stood there before, where something did.
    #[serde(borrow, default)]
    pub(crate) was: Values<'a>,
    /// Parents that stood there, but empty or null.
    #[serde(borrow, default)]
    pub(crate) empty: Values<'a>,
}

/// The numbers of a record's format alone.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl<'a> Record<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// Why it is none that this version can read.
    pub(crate) fn read(text: &'a str, forms: &[&'static Form]) -> Result<Self, String> {
        let read: Result<Self, _> = serde_json::from_str(text);
        // A later format may have members that this one does not know.
        let format = if let Ok(record) = &read {
            record.format
        } else {
            let head: Head = serde_json::from_str(text).map_err(|error| error.to_string())?;
            head.format
        };
        if format != FORMAT {
            return Err(format!(
                "it is of format {format}, this version knows {FORMAT}"
            ));
        }
        let record = read.map_err(|error| error.to_string())?;
        let slots = &record.slots;
        if record.containers.len() > MOST_CONTAINERS || slots.len() > MOST_SLOTS {
            return Err(format!(
                "it has {} containers and {} slots, at most {MOST_CONTAINERS} and {MOST_SLOTS} are read",
                record.containers.len(),
                slots.len()
            ));
        }
        for (key, now) in slots {
            let slot = Slot::parse(key, forms.iter().copied());
            let slot =
                slot.ok_or_else(|| format!("{} is no slot", crate::policy::quoted(key, 60)))?;
            // What stood there before may be anything: it was the user's.
            if !fits(slot.form, now.get()) {
                return Err(format!(
                    "{} cannot hold that",
                    crate::policy::quoted(key, 60)
                ));
            }
        }
        let unknown = record.was.keys().find(|key| !slots.contains_key(*key));
        if let Some(key) = unknown {
            return Err(format!(
                "{} is no slot of it",
                crate::policy::quoted(key, 60)
            ));
        }
        if record.empty.values().all(|raw| EMPTY.contains(&raw.get())) {
            Ok(record)
        } else {
            Err("a value in it is of the wrong kind".to_owned())
        }
    }

    /// A record of this version, without slots.
    pub(crate) fn new(user: String) -> Self {
        Self {
            format: FORMAT,
            version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            user: Cow::Owned(user),
            ..Self::default()
        }
    }

    /// The slots with what is recorded as standing there.
    pub(crate) fn slots<'r>(
        &'r self,
        forms: &'r [&'static Form],
    ) -> impl Iterator<Item = (Slot<'r>, &'r str, &'r str)> {
        let slots = self.slots.iter();
        slots.filter_map(|(key, now)| {
            let slot = Slot::parse(key, forms.iter().copied())?;
            Some((slot, &**key, now.get()))
        })
    }

    /// The record as the annotation's value.
    pub(crate) fn write(&self) -> String {
        let values =
            |values: &Values<'_>| json::object(values.iter().map(|(key, raw)| (key, raw.get())));
        let containers = self.containers.iter().map(|name| json::string(name));
        let mut members = vec![
            ("format", self.format.to_string()),
            ("version", json::string(&self.version)),
            ("user", json::string(&self.user)),
            ("containers", json::list(containers)),
            ("slots", values(&self.slots)),
        ];
        for (name, some) in [("was", &self.was), ("empty", &self.empty)] {
            if !some.is_empty() {
                members.push((name, values(some)));
            }
        }
        json::object(members)
    }
}

/// Whether a slot can hold this.
fn fits(form: &Form, text: &str) -> bool {
    match form.holds {
        Holds::Seconds => {
            json::integer(Some(text)).is_some_and(|n| (0..=i64::from(i32::MAX)).contains(&n))
        }
        Holds::Plain => !text.starts_with('{') && text != "null",
        Holds::Object(_) => text.starts_with('{') || text.starts_with("\"#"),
    }
}
