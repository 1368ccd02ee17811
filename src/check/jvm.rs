//! Whether a container runs Java, and Spring Boot on it, as far as its manifest shows. Names are read word by word: an image
//! called `springfield` is none, and a variable with the address of somebody else's Spring service says nothing of this one.
//!
//! Sources: Spring Boot's "Common Application Properties" and its relaxed binding of environment variables; the launcher's
//! `JDK_JAVA_OPTIONS` (java, JDK 9) and the virtual machine's `JAVA_TOOL_OPTIONS`; Tomcat's `CATALINA_OPTS` and `JAVA_OPTS`;
//! `run-java.sh` of the images of Red Hat and fabric8; Spring Boot's `server.shutdown`.

use super::hook::{mentions, program};
use super::image::{Image, words};
use super::read::{list, text};
use super::workload::Container;

/// Beginnings of words in the names of images that are made for Java.
const RUNTIMES: [&str; 6] = [
    "openjdk",
    "adoptopenjdk",
    "temurin",
    "corretto",
    "amazoncorretto",
    "semeru",
];

/// Servers in Java by what their images are called: by the last word, for a `keycloak-gatekeeper` is another program.
const SERVERS: [&str; 5] = ["tomcat", "keycloak", "jetty", "wildfly", "tomee"];

/// Variables for the Java of their own container, by their beginnings.
const VARIABLES: [&str; 17] = [
    "JAVA_OPT",
    "JAVA_TOOL_OPTIONS",
    "JAVA_ARGS",
    "JAVA_HOME",
    "JAVA_MEM",
    "JAVA_HEAP",
    "JAVA_MAX_",
    "JAVA_INITIAL_",
    "JAVA_XM",
    "JAVA_APP_",
    "JAVA_MAIN_CLASS",
    "JAVA_CLASSPATH",
    "JVM_",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "CATALINA_OPTS",
    "JAVA_DEBUG",
];

/// Properties of Spring's own, as the first part of their names; of what is left out others have variables, too.
const PROPERTIES: [&str; 22] = [
    "APPLICATION",
    "AUTOCONFIGURE",
    "CLOUD",
    "CONFIG",
    "DATA",
    "DATASOURCE",
    "FLYWAY",
    "JACKSON",
    "JPA",
    "KAFKA",
    "LIFECYCLE",
    "LIQUIBASE",
    "MAIN",
    "MVC",
    "OUTPUT",
    "PROFILES",
    "R2DBC",
    "RABBITMQ",
    "REDIS",
    "SECURITY",
    "SERVLET",
    "WEBFLUX",
];

/// What the last word of a variable says that holds where somebody else is.
const ADDRESSES: [&str; 7] = ["URL", "URI", "HOST", "PORT", "ADDR", "ADDRESS", "ENDPOINT"];

fn names<'a>(container: &Container<'a>) -> impl Iterator<Item = &'a str> {
    let entries = list(container.value, "env").iter();
    entries.map(|entry| text(entry, "name"))
}

/// What Spring Boot is told to do with requests that it is answering when it ends (`server.shutdown`): `graceful`,
/// `immediate`.
pub(super) fn shutdown<'a>(container: &Container<'a>) -> Option<&'a str> {
    let words = container.words().into_iter();
    let mut told = words.filter_map(|word| {
        word.trim_start_matches("--")
            .trim_start_matches("-D")
            .split_once('=')
    });
    container
        .env("SERVER_SHUTDOWN")
        .or_else(|| told.find_map(|(name, how)| (name == "server.shutdown").then_some(how)))
}

/// Whether it is Spring Boot.
pub(super) fn is_spring(container: &Container<'_>) -> bool {
    let probes = ["readinessProbe", "livenessProbe", "startupProbe"];
    let actuator =
        |probe: &&str| text(&container.value[*probe]["httpGet"], "path").contains("/actuator/");
    let told = |word: &&str| mentions(word, &["-dspring.", "--spring."]);
    shutdown(container).is_some()
        || probes.iter().any(actuator)
        || container.words().iter().any(told)
        || names(container).any(|name| {
            let rest = name.strip_prefix("SPRING_").unwrap_or_default();
            PROPERTIES.contains(&rest.split('_').next().unwrap_or_default())
        })
}

/// Whether it runs Java.
pub(super) fn is_java(container: &Container<'_>) -> bool {
    let runs = |word: &&str| program(word) == "java" || mentions(word, &["java -", ".jar"]);
    let for_java = |name: &str| {
        let last = name.rsplit('_').next().unwrap_or_default();
        VARIABLES.iter().any(|begin| name.starts_with(begin)) && !ADDRESSES.contains(&last)
    };
    is_image_for_java(&container.image)
        || container.words().iter().any(runs)
        || names(container).any(for_java)
        || is_spring(container)
}

fn is_image_for_java(image: &Image<'_>) -> bool {
    let words = || words(image.name());
    words().any(|word| RUNTIMES.iter().any(|begin| word.starts_with(begin)) || word == "spring" || word == "springboot")
        || words().next_back().is_some_and(|word| SERVERS.contains(&word))
        // distroless has its version in the name: java17, java21-debian12.
        || image.repository.contains("distroless/java")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_the_words_of_their_last_part() {
        for (name, expected) in [
            ("eclipse-temurin:21-jre", true),
            ("openjdk:17", true),
            ("registry.access.redhat.com/ubi8/openjdk-17-runtime", true),
            ("amazoncorretto:21", true),
            ("gcr.io/distroless/java21-debian12", true),
            ("tomcat:10", true),
            ("bitnami/tomcat", true),
            ("quay.io/keycloak/keycloak:26", true),
            ("x/my-keycloak", true),
            ("x/spring-petclinic", true),
            ("keycloak/keycloak-gatekeeper:1", false),
            ("springfield/api:1", false),
            ("x/offspring:1", false),
            ("x/projetty:1", false),
            ("spring/api", false),
            ("x/web", false),
        ] {
            assert_eq!(is_image_for_java(&Image::parse(name)), expected, "{name}");
        }
    }
}
