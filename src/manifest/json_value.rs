//! A JSON text as a value, charged as it grows: `serde_json` itself would build first, whatever it costs.

use super::budget::{Account, Excess, ITEM, MEMBER, text};
use super::error::Fault;
use super::tree::At;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Reads a text that [`super::json::parse`] has passed.
pub(crate) fn read(json: &str, account: &mut Account) -> At<Value> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let mut excess = None;
    let seed = Seed {
        account,
        excess: &mut excess,
    };
    let value = seed
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let fault = excess.map_or_else(|| Fault::Json(error.to_string()), Fault::Excess);
        (error.line().max(1), fault)
    })
}

struct Seed<'s> {
    account: &'s mut Account,
    /// Why it failed, where it was not the text: serde's errors carry words only.
    excess: &'s mut Option<Excess>,
}

impl Seed<'_> {
    fn charge<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.account.charge(bytes).map_err(|excess| {
            *self.excess = Some(excess);
            E::custom(excess)
        })
    }

    fn beside(&mut self) -> Seed<'_> {
        Seed {
            account: self.account,
            excess: self.excess,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(mut self, value: &str) -> Result<Value, E> {
        self.charge(text(value.len()))?;
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(self.beside())? {
            self.charge(ITEM)?;
            found.push(item);
        }
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut found = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.charge(MEMBER + text(key.len()))?;
            let value = members.next_value_seed(self.beside())?;
            // The last of a name counts, as for Go; `super::json::parse` has warned of it.
            found.insert(key, value);
        }
        Ok(Value::Object(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::budget::{Budget, Stop, charge_clone};

    #[test]
    fn every_value_is_as_serde_json_reads_it() {
        for text in [
            "null",
            "[true, false, null]",
            "[0, -0, 1, -1, 9223372036854775807, -9223372036854775808, 18446744073709551615, 18446744073709551616]",
            "[1.0, 1e3, -0.0, 5e-324, 1.7976931348623157e308]",
            r#"{"b": {"a": []}, "a": ["\u00e9\n", "", {}]}"#,
            r#"{"$serde_json::private::Number": "1"}"#,
        ] {
            let mut account = Budget::new(1 << 20, Stop::default()).account();
            let value = read(text, &mut account).unwrap();
            assert_eq!(
                value,
                serde_json::from_str::<Value>(text).unwrap(),
                "{text}"
            );
            assert_eq!(
                value.to_string(),
                serde_json::from_str::<Value>(text).unwrap().to_string()
            );
        }
        for text in ["1e999", "[1,]", "{\"a\":1} x", "\"\\ud800\""] {
            let mut account = Budget::new(1 << 20, Stop::default()).account();
            assert!(
                matches!(read(text, &mut account), Err((1, Fault::Json(_)))),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_read_costs_at_least_what_a_clone_of_it_does_but_for_empty_maps() {
        let text = r#"{"a": ["text", [[1], 2], 1], "b": {"c": null}}"#;
        let budget = Budget::new(1 << 20, Stop::default());
        let (mut one, mut other) = (budget.account(), budget.account());
        let value = read(text, &mut one).unwrap();
        charge_clone(&mut other, &value).unwrap();
        let maps = 2 * size_of::<Map<String, Value>>();
        assert_eq!(one.held() + maps, other.held());
    }

    #[test]
    fn a_list_of_numbers_ends_at_the_budget_and_a_stop_ends_it_too() {
        let text = format!("[{}1]", "1,".repeat(1_000_000));
        let stop = Stop::default();
        let budget = Budget::new(1 << 20, stop.clone());
        let excess = Excess::Memory { limit: 1 << 20 };
        assert_eq!(
            read(&text, &mut budget.account()),
            Err((1, Fault::Excess(excess)))
        );
        assert!(budget.most() <= 1 << 20);
        stop.stop();
        assert_eq!(
            read(&text, &mut budget.account()),
            Err((1, Fault::Excess(Excess::Stopped)))
        );
    }
}
