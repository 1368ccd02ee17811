//! Which registry a container is in, as far as its manifest tells.

use std::borrow::Cow;

use super::hook::LifecycleHandler;

/// What a manifest says of a container that may tell a registry.
pub(super) struct RegistryHints<'t, 'a> {
    /// The last part of the image's name.
    pub(super) image: &'t str,
    /// Names and values.
    pub(super) variables: &'t [(Cow<'a, str>, &'a str)],
    /// Command and arguments.
    pub(super) words: &'t [&'a str],
    /// The preStop hook.
    pub(super) hook: Option<&'t LifecycleHandler<'a>>,
    /// Whether it declares a port for callers.
    pub(super) listens: bool,
}

/// How a registry is told.
struct Registry {
    name: &'static str,
    /// How the client's own settings begin, as variables: who has them is in the registry.
    settings: &'static [&'static str],
    /// How variables begin that people name after it: whoever has them, and listens, seems to be in it.
    named: &'static [&'static str],
    /// Parts of arguments, of values, and of what a hook calls.
    parts: &'static [&'static str],
    /// What to do so that the pod has left before its drain begins.
    way_out: &'static str,
    /// Settings by which a client stays out of it, as variables.
    off: &'static [(&'static str, &'static str)],
}

/// Silkroll alone only sleeps: an app that leaves by itself does so at SIGTERM.
macro_rules! way_out {
    ($annotations:literal) => {
        concat!(
            "Leave the registry first and wait then: ",
            $annotations,
            ", with `silkroll.dev/existing-pre-stop: replace` where there is a hook; `silkroll.dev/inject` alone only sleeps while callers still find the pod there. By hand: a preStop hook that switches the instance off and sleeps after that."
        )
    };
}

/// As the clients' documentation has their settings: Spring Cloud Alibaba, Spring Cloud Netflix, Spring Cloud Consul, Dubbo.
const KNOWN: [Registry; 4] = [
    Registry {
        name: "nacos",
        settings: &["SPRING_CLOUD_NACOS_DISCOVERY", "NACOS_DISCOVERY"],
        named: &["NACOS_", "SPRING_CLOUD_NACOS_SERVER"],
        parts: &["nacos.discovery", "/ns/instance", "nacos://"],
        way_out: way_out!("`silkroll.dev/deregister: nacos` and `silkroll.dev/nacos-server`"),
        off: &[
            ("SPRING_CLOUD_NACOS_DISCOVERY_ENABLED", "false"),
            ("SPRING_CLOUD_NACOS_DISCOVERY_REGISTERENABLED", "false"),
            ("SPRING_CLOUD_NACOS_DISCOVERY_REGISTER_ENABLED", "false"),
        ],
    },
    Registry {
        name: "eureka",
        settings: &["EUREKA_CLIENT", "EUREKA_INSTANCE"],
        named: &["EUREKA_SERVER", "EUREKA_URL"],
        parts: &["eureka.client", "eureka.instance", "/eureka"],
        way_out: way_out!("`silkroll.dev/deregister: eureka` and `silkroll.dev/eureka-server`"),
        off: &[
            ("EUREKA_CLIENT_ENABLED", "false"),
            ("EUREKA_CLIENT_REGISTERWITHEUREKA", "false"),
            ("EUREKA_CLIENT_REGISTER_WITH_EUREKA", "false"),
        ],
    },
    Registry {
        name: "consul",
        settings: &["SPRING_CLOUD_CONSUL"],
        named: &[],
        parts: &["cloud.consul", "/v1/agent/service/"],
        way_out: way_out!("`silkroll.dev/deregister: consul` and `silkroll.dev/consul-service-id`"),
        off: &[
            ("SPRING_CLOUD_CONSUL_ENABLED", "false"),
            ("SPRING_CLOUD_CONSUL_DISCOVERY_ENABLED", "false"),
            ("SPRING_CLOUD_CONSUL_DISCOVERY_REGISTER", "false"),
        ],
    },
    Registry {
        name: "dubbo",
        settings: &["DUBBO_REGISTRY", "DUBBO_PROTOCOL"],
        named: &["DUBBO_"],
        parts: &["dubbo.registry", "dubbo.protocol"],
        way_out: way_out!("`silkroll.dev/deregister: dubbo`"),
        off: &[
            ("DUBBO_REGISTRY_REGISTER", "false"),
            ("DUBBO_REGISTRY_ADDRESS", "N/A"),
        ],
    },
];

/// Of all of Spring's.
const OFF: (&str, &str) = ("SPRING_CLOUD_DISCOVERY_ENABLED", "false");

/// What to do so that a pod has left a registry before its drain begins.
pub(super) fn way_out(registry: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|known| known.name == registry);
    known.map(|known| known.way_out)
}

/// The registry of a method of leaving.
pub(super) fn named(method: &str) -> Option<&'static str> {
    let mut known = KNOWN.iter();
    known
        .find(|known| known.name == method)
        .map(|known| known.name)
}

/// The first registry that is told.
pub(super) fn told(told: &RegistryHints<'_, '_>) -> Option<&'static str> {
    // Once for all registries, whose parts are in small letters.
    let values = told.variables.iter().map(|(_, value)| value);
    let texts = values
        .chain(told.words)
        .map(|text| text.to_ascii_lowercase());
    let texts: Vec<String> = texts.collect();
    let (values, words) = texts.split_at(told.variables.len());
    let found = KNOWN
        .iter()
        .find(|known| known.is_told(told, values, words));
    found.map(|known| known.name)
}

impl Registry {
    /// `values` and `words` are those that are told, in small letters.
    fn is_told(&self, told: &RegistryHints<'_, '_>, values: &[String], words: &[String]) -> bool {
        if is_server(told.image, self.name) {
            return false;
        }
        let begins = |name: &str, any: &[&str]| any.iter().any(|begin| name.starts_with(begin));
        let says = |text: &str| self.parts.iter().any(|part| has_part(text, part));
        let mut variables = told.variables.iter().zip(values);
        let by_variable = variables.any(|((name, _), value)| {
            // The configuration centre has the same name, and registers nobody.
            !name.contains("CONFIG")
                && (begins(name, self.settings)
                    || told.listens && begins(name, self.named)
                    || says(value))
        });
        let is_told = by_variable
            || words.iter().any(|word| says(word))
            || told.hook.is_some_and(|hook| hook.says(self.parts));
        is_told && !self.is_off(told)
    }

    fn is_off(&self, told: &RegistryHints<'_, '_>) -> bool {
        let of_spring = (self.name != "dubbo").then_some(&OFF);
        self.off.iter().chain(of_spring).any(|(setting, off)| {
            let is_off = |name: &str, value: &str| {
                normal(name) == normal(setting) && value.trim().eq_ignore_ascii_case(off)
            };
            told.variables
                .iter()
                .any(|(name, value)| is_off(name, value))
                || told
                    .words
                    .iter()
                    .flat_map(|word| word.split_whitespace())
                    .any(|word| {
                        let word = word.trim_start_matches("--").trim_start_matches("-D");
                        word.split_once('=')
                            .is_some_and(|(name, value)| is_off(name, value))
                    })
        })
    }
}

/// A setting's name as Spring compares them: letters and digits alone.
fn normal(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether a text in small letters has a part, and what is called so does not go on: `/eureka/apps`, and not `/eureka-docs`.
fn has_part(text: &str, part: &str) -> bool {
    text.match_indices(part).any(|(at, _)| {
        let next = text[at + part.len()..].chars().next();
        !part.starts_with("/eureka")
            || next.is_none_or(|next| {
                !next.is_ascii_alphanumeric() && !matches!(next, '-' | '_' | '.')
            })
    })
}

/// Whether an image is the registry itself: nothing stands in its name but what such servers are called by.
fn is_server(image: &str, registry: &str) -> bool {
    const WORDS: [&str; 15] = [
        "server",
        "service",
        "registry",
        "discovery",
        "cluster",
        "admin",
        "dashboard",
        "console",
        "ui",
        "k8s",
        "peer",
        "finder",
        "plugin",
        "cloud",
        "spring",
    ];
    let mut words = image.split(['-', '_', '.']).map(str::to_ascii_lowercase);
    image.to_ascii_lowercase().contains(registry)
        && words.all(|word| word == registry || WORDS.contains(&&*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        image: &str,
        variables: &[(&str, &str)],
        words: &[&str],
        listens: bool,
    ) -> &'static str {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (Cow::from(*name), *value))
            .collect();
        let told = told(&RegistryHints {
            image,
            variables: &variables,
            words,
            hook: None,
            listens,
        });
        told.unwrap_or("")
    }

    #[test]
    fn a_registry_is_told_by_its_clients_settings() {
        for (name, value, listens, expected) in [
            (
                "SPRING_CLOUD_NACOS_DISCOVERY_SERVER_ADDR",
                "nacos:8848",
                false,
                "nacos",
            ),
            ("NACOS_SERVER_ADDR", "nacos:8848", true, "nacos"),
            ("NACOS_SERVER_ADDR", "nacos:8848", false, ""),
            ("NACOS_CONFIG_SERVER_ADDR", "nacos:8848", true, ""),
            ("SPRING_CLOUD_NACOS_DISCOVERY_ENABLED", "false", true, ""),
            ("DOCS", "https://x/eureka-docs", true, ""),
            ("URL", "http://eureka:8761/eureka/", false, "eureka"),
            (
                "EUREKA_CLIENT_SERVICEURL_DEFAULTZONE",
                "http://e:8761/eureka",
                false,
                "eureka",
            ),
            ("EUREKA_CLIENT_ENABLED", "false", true, ""),
            ("EUREKA_CLIENT_REGISTER_WITH_EUREKA", "false", true, ""),
            ("EUREKA_URL", "http://e:8761", false, ""),
            ("EUREKA_URL", "http://e:8761", true, "eureka"),
            ("DUBBO_REGISTRY_ADDRESS", "N/A", true, ""),
            (
                "DUBBO_REGISTRY_ADDRESS",
                "zookeeper://z:2181",
                true,
                "dubbo",
            ),
            ("DUBBO_REGISTRY_ADDRESS", "nacos://n:8848", true, "nacos"),
        ] {
            assert_eq!(
                found("web", &[(name, value)], &[], listens),
                expected,
                "{name}={value}"
            );
        }
        for (word, expected) in [
            ("--eureka.client.service-url.defaultZone=http://e", "eureka"),
            ("--base=/eureka-ca", ""),
            (
                "java -Deureka.client.register-with-eureka=false -jar a.jar",
                "",
            ),
        ] {
            assert_eq!(found("web", &[], &[word], true), expected, "{word}");
        }
    }

    #[test]
    fn a_server_is_in_no_registry_of_its_own_and_a_client_may_be_called_after_it() {
        for (image, expected) in [
            ("nacos-server", ""),
            ("nacos", ""),
            ("order-nacos", "nacos"),
            ("nacos-provider", "nacos"),
        ] {
            let variables = [("NACOS_SERVER_ADDR", "nacos:8848")];
            assert_eq!(found(image, &variables, &[], true), expected, "{image}");
        }
    }
}
