//! Which of a container's ports is meant where no annotation says: one answer for the readiness probe and for
//! every registry.

use super::Registrant;
use crate::policy::Port;

/// A port that a container declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPort<'a> {
    /// Its name, where it has one.
    pub name: Option<std::borrow::Cow<'a, str>>,
    /// 1 to 65535.
    pub number: u16,
}

/// What a port is for that is not the main one, as the beginning or the end of its name.
const ASIDE: [&str; 9] = [
    "management",
    "actuator",
    "admin",
    "metrics",
    "prometheus",
    "jmx",
    "debug",
    "health",
    "probe",
];

impl DeclaredPort<'_> {
    /// Whether its name says that it does not serve callers.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        self.named_for(&ASIDE)
    }

    /// Whether its name begins or ends with one of these.
    fn named_for(&self, words: &[&str]) -> bool {
        let name = self.name.as_deref();
        name.is_some_and(|name| is_named_for(name, words))
    }
}

/// Whether a port's name says that it does not serve callers.
#[must_use]
pub fn is_aside(name: &str) -> bool {
    is_named_for(name, &ASIDE)
}

fn is_named_for(name: &str, words: &[&str]) -> bool {
    let mut words = words.iter();
    words.any(|word| name.starts_with(word) || name.ends_with(word))
}

impl Registrant<'_> {
    /// The number of a port that a setting names, else of the main port.
    ///
    /// # Errors
    /// What the port would have to be, as the end of a sentence.
    pub fn port(&self, wanted: Option<Port<'_>>) -> Result<u16, String> {
        match wanted {
            Some(Port::Number(number)) => Ok(number),
            Some(Port::Name(name)) => self
                .ports
                .iter()
                .find(|port| port.name.as_deref() == Some(name))
                .map(|port| port.number)
                .ok_or_else(|| {
                    format!(
                        "container {} declares no TCP port of that name ({})",
                        self.container,
                        self.declared()
                    )
                }),
            None => self
                .main_port()
                .map_err(|why| format!("container {} declares {why}", self.container)),
        }
    }

    /// The port that serves callers: the only TCP port that is declared; of several, the only one left
    /// without those whose name says that they are for something else.
    ///
    /// # Errors
    /// What is declared instead, e.g. `2 TCP ports (http 8080, grpc 9090)`.
    pub fn main_port(&self) -> Result<u16, String> {
        let aside = |port: &&DeclaredPort<'_>| !port.is_aside();
        match self.ports {
            [] => Err("no TCP port".to_owned()),
            [only] => Ok(only.number),
            several => {
                let mut left = several.iter().filter(aside);
                match (left.next(), left.next()) {
                    (Some(only), None) => Ok(only.number),
                    _ => Err(format!("{} TCP ports ({})", several.len(), self.listed())),
                }
            }
        }
    }

    /// The ports whose connections are callers': all TCP ports that are declared, without those whose name says that
    /// they are for something else, where others are left.
    pub fn serving_ports(&self) -> impl Iterator<Item = u16> {
        let others = self.ports.iter().any(|port| !port.is_aside());
        let serving = self
            .ports
            .iter()
            .filter(move |port| !(others && port.is_aside()));
        serving.map(|port| port.number)
    }

    /// The port of the actuator: the one that is named for it, else the main port, as Spring has it.
    ///
    /// # Errors
    /// What the port would have to be, as the end of a sentence.
    pub fn actuator_port(&self) -> Result<u16, String> {
        let named = |port: &&DeclaredPort<'_>| port.named_for(&["management", "actuator"]);
        let mut found = self.ports.iter().filter(named);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only.number),
            (None, _) => self.port(None),
            _ => Err(format!(
                "container {} declares several ports for management ({})",
                self.container,
                self.listed()
            )),
        }
    }

    fn declared(&self) -> String {
        match self.ports {
            [] => "it declares none".to_owned(),
            _ => format!("declared: {}", self.listed()),
        }
    }

    fn listed(&self) -> String {
        /// More would push the rest out of a kubectl warning.
        const SHOWN: usize = 5;
        let names: Vec<_> = self
            .ports
            .iter()
            .take(SHOWN)
            .map(|port| match &port.name {
                Some(name) => format!("{name} {}", port.number),
                None => port.number.to_string(),
            })
            .collect();
        let more = if self.ports.len() > SHOWN {
            ", …"
        } else {
            ""
        };
        format!("{}{more}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(ports: &[(&'static str, u16)]) -> Vec<DeclaredPort<'static>> {
        let port = |(name, number): &(&'static str, u16)| DeclaredPort {
            name: (!name.is_empty()).then_some((*name).into()),
            number: *number,
        };
        ports.iter().map(port).collect()
    }

    fn place<'a>(ports: &'a [DeclaredPort<'a>]) -> Registrant<'a> {
        Registrant {
            workload: "web",
            container: "web",
            ports,
        }
    }

    #[test]
    fn the_main_port_is_the_only_one_whose_name_does_not_say_otherwise() {
        for (ports, main, actuator) in [
            (&[("", 80)][..], Some(80), Some(80)),
            // An only port is the main one, whatever it is called.
            (&[("metrics", 9090)], Some(9090), Some(9090)),
            (&[("http", 80), ("management", 81)], Some(80), Some(81)),
            (&[("admin", 81), ("", 80)], Some(80), Some(80)),
            (&[("http-metrics", 81), ("http", 80)], Some(80), Some(80)),
            (&[("web", 80), ("jmx-exporter", 81)], Some(80), Some(80)),
            (
                &[
                    ("actuator", 1),
                    ("metrics", 2),
                    ("prometheus", 3),
                    ("jmx", 4),
                    ("debug", 5),
                    ("healthcheck", 6),
                    ("probes", 7),
                    ("grpc", 8),
                ],
                Some(8),
                Some(1),
            ),
            (&[("http", 80), ("grpc", 81)], None, None),
            (&[("", 80), ("", 81)], None, None),
            (
                &[("http", 80), ("grpc", 81), ("management", 82)],
                None,
                Some(82),
            ),
            (&[("admin", 80), ("metrics", 81)], None, None),
            (
                &[("http", 80), ("management", 81), ("actuator", 82)],
                Some(80),
                None,
            ),
            // In the middle of a name the word says nothing.
            (&[("http", 80), ("my-admin-ui", 81)], None, None),
            (&[], None, None),
        ] {
            let ports = declared(ports);
            let place = place(&ports);
            assert_eq!(place.main_port().ok(), main, "{ports:?}");
            assert_eq!(place.port(None).ok(), main, "{ports:?}");
            assert_eq!(place.actuator_port().ok(), actuator, "{ports:?}");
        }
    }

    #[test]
    fn connections_are_looked_for_at_every_port_that_serves_callers() {
        for (ports, serving) in [
            (
                &[("http", 80), ("grpc", 81), ("metrics", 82)][..],
                &[80, 81][..],
            ),
            (&[("", 80)], &[80]),
            (&[("admin", 80), ("metrics", 81)], &[80, 81]),
            (&[], &[]),
        ] {
            let ports = declared(ports);
            let seen: Vec<u16> = place(&ports).serving_ports().collect();
            assert_eq!(seen, serving, "{ports:?}");
        }
    }

    #[test]
    fn what_is_left_open_is_told_with_all_that_is_declared() {
        let ports = declared(&[("http", 80), ("grpc", 81), ("metrics", 82)]);
        assert_eq!(
            place(&ports).port(None).unwrap_err(),
            "container web declares 3 TCP ports (http 80, grpc 81, metrics 82)"
        );
    }
}
