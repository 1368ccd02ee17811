use std::borrow::Cow;

use super::*;
use crate::deregister::METHODS;

fn pairs(list: &[(&str, &str)]) -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
    list.iter()
        .map(|(key, value)| (format!("{PREFIX}{key}").into(), (*value).to_owned().into()))
        .collect()
}

const SUBJECT: Subject<'static> = Subject {
    kind: "Deployment",
    namespace: "shop",
    name: "web",
};

fn layers<'a>(
    workload: &'a Pairs<'a>,
    template: &'a Pairs<'a>,
    namespace: &'a Pairs<'a>,
    defaults: &'a Pairs<'a>,
) -> Layers<'a> {
    Layers {
        subject: SUBJECT,
        workload,
        template,
        namespace,
        defaults,
        workload_labels: &[],
        template_labels: &[],
        namespace_labels: &[],
    }
}

#[test]
fn the_strongest_layer_wins() {
    let of = |seconds: &str| pairs(&[("drain-seconds", seconds)]);
    let (workload, template, namespace, default) = (of("1"), of("2"), of("3"), of("4"));
    let none = pairs(&[]);
    for (layers, expected) in [
        (layers(&workload, &template, &namespace, &default), 1),
        (layers(&none, &template, &namespace, &default), 2),
        (layers(&none, &none, &namespace, &default), 3),
        (layers(&none, &none, &none, &default), 4),
        (layers(&none, &none, &none, &none), 15),
    ] {
        let policy = resolve(&layers, METHODS).policy.unwrap();
        assert_eq!(policy.drain, expected);
    }
}

#[test]
fn every_hostile_number_is_refused_by_name_value_place_and_what_is_allowed() {
    let long = "9".repeat(300 * 1024);
    for value in [
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1e9",
        "10s",
        "0x10",
        "010",
        "1_0",
        " 15",
        "15 ",
        "15\n",
        "99999999999999999999",
        "３０",
        "१५",
        "$(id)",
        "`id`",
        "\"15\"",
        "15\0",
        "\u{202e}51",
        "NaN",
        "true",
        "3601",
        &long,
    ] {
        for key in [
            "drain-seconds",
            "drain-until-idle-seconds",
            "shutdown-seconds",
            "deregister-timeout-seconds",
            "existing-pre-stop-seconds",
            "min-ready-seconds",
        ] {
            let workload = pairs(&[(key, value)]);
            let resolved = resolve(&layers(&workload, &[], &[], &[]), METHODS);
            let problems = resolved.policy.unwrap_err();
            let message = problems[0].to_string();
            assert!(
                message.starts_with(&format!("silkroll.dev/{key}: \"")),
                "{message}"
            );
            assert!(
                message.contains("on Deployment shop/web cannot be used: allowed is"),
                "{message}"
            );
            assert!(message.len() < 700, "{} bytes", message.len());
            assert!(!message.contains(['\n', '\0', '\u{202e}']), "{message:?}");
        }
    }
}

#[test]
fn values_at_the_edges_are_taken() {
    for (key, value) in [
        ("inject", "enabled"),
        ("inject", "disabled"),
        ("inject", "true"),
        ("inject", "false"),
        ("container", "a"),
        ("container", "app, side-car"),
        ("drain-seconds", "0"),
        ("drain-seconds", "3600"),
        ("drain-until-idle-seconds", "0"),
        ("drain-until-idle-seconds", "3600"),
        ("deregister-if-env", "MAINSTAY_GROUP"),
        ("deregister-timeout-seconds", "1"),
        ("deregister-timeout-seconds", "300"),
        ("shutdown-seconds", "3600"),
        ("readiness", "none"),
        ("readiness", "tcp://:http"),
        ("readiness", "tcp://:65535"),
        ("readiness", "http://:8080"),
        ("readiness", "https://:https/health?x=1"),
        ("readiness", "grpc://:9000/my.Service"),
        ("readiness", "grpc://:9000"),
        ("readiness", "exec:test -e /ready"),
        ("readiness", "exec:[\"sh\",\"-c\",\"exit 0\"]"),
        ("hook", "script"),
        ("start-hook", "none"),
        ("existing-pre-stop", "keep"),
        ("rollout", "surge"),
        ("nacos-server", "http://a:8848, https://[::1]:8848/ctx"),
        ("nacos-service", "a service & more=ü"),
        ("http-url", "http://{env:HOST}:80/off?ip={podip}&p={port}"),
        ("http-body", "{\"status\": \"DOWN\"}\n"),
    ] {
        let workload = pairs(&[(key, value)]);
        let policy = resolve(&layers(&workload, &[], &[], &[]), METHODS).policy;
        assert!(policy.is_ok(), "{key}: {value}: {policy:?}");
    }
}

#[test]
fn values_beyond_the_edges_are_refused() {
    for (key, value) in [
        ("inject", "yes"),
        ("inject", "on-request"),
        ("inject", "Enabled"),
        ("container", ""),
        ("container", "a,,b"),
        ("container", "A"),
        ("deregister", "zookeeper"),
        ("deregister", ""),
        ("deregister-if-env", "A-B"),
        ("deregister-if-env", "A B"),
        ("deregister-if-env", "1A"),
        ("deregister-timeout-seconds", "0"),
        ("deregister-timeout-seconds", "301"),
        ("shutdown-seconds", "0"),
        ("readiness", "http"),
        ("readiness", "tcp://host:80"),
        ("readiness", "tcp://:0"),
        ("readiness", "tcp://:65536"),
        ("readiness", "tcp://:80/path"),
        ("readiness", "udp://:80"),
        ("readiness", "http://:80/a b"),
        ("readiness", "http://:80/\u{202e}"),
        ("readiness", "exec:"),
        ("readiness", "exec:sh -c 'exit 0'"),
        ("readiness-period-seconds", "0"),
        ("hook", "Binary"),
        ("hook-arch", "x86_64"),
        ("start-hook", "always"),
        ("existing-pre-stop", "drop"),
        ("rollout", "fast"),
        ("nacos-server", "nacos:8848"),
        ("nacos-server", "http://"),
        ("nacos-server", "http://user:pw@nacos"),
        ("nacos-server", "http://nacos:8848?x=$(id)"),
        ("nacos-server", "http://a,"),
        ("nacos-service", "a\nb"),
        ("nacos-service", "a\u{202e}b"),
        ("nacos-port", "0"),
        ("eureka-server", "eureka:8761"),
        ("eureka-app", "a\nb"),
        ("eureka-instance", "{who}"),
        ("eureka-instance", "{podip"),
        ("eureka-instance", "podip}"),
        ("eureka-instance", "{env:A-B}"),
        ("eureka-credentials-secret", "A"),
        ("consul-agent", "{hostip}:8500"),
        ("consul-agent", "http://{podip}:8500"),
        ("consul-agent", "http://{hostip}{hostip}"),
        ("consul-agent", "http://a,http://b"),
        ("consul-service-id", ""),
        ("consul-service-id", "{hostip}"),
        ("consul-token-secret", "a_b"),
        ("dubbo-port", "http"),
        ("dubbo-port", "0"),
        ("spring-port", "65536"),
        ("spring-path", "actuator"),
        ("spring-path", "//evil/x"),
        ("spring-path", "/a?b"),
        ("spring-path", "/a b"),
        ("spring-path", "/$(id)"),
        ("spring-status", "UP"),
        ("nginx-wait-seconds", "0"),
        ("signal-name", "KILL"),
        ("signal-name", "9"),
        ("signal-name", "SIG"),
        ("signal-process", "/usr/bin/x"),
        ("signal-process", "a b"),
        ("signal-wait-seconds", "3601"),
        ("nacos-credentials-secret", "Secret"),
        ("http-url", "ftp://x"),
        ("http-url", "http://x/`id`"),
        ("http-url", "http://x/{who}"),
        ("http-url", "http://x/{env:A B}"),
        ("http-url", "http://u:p@x/"),
        ("http-url", "http://x/a b"),
        ("http-url", "http://x/\""),
        ("http-method", "post"),
        ("http-body", "a\0b"),
        ("http-content-type", "a\nb"),
    ] {
        let workload = pairs(&[(key, value)]);
        let problems = resolve(&layers(&workload, &[], &[], &[]), METHODS)
            .policy
            .unwrap_err();
        assert_eq!(problems.len(), 1, "{key}: {value}");
        assert!(
            problems[0].to_string().contains("allowed"),
            "{}",
            problems[0]
        );
    }
}

#[test]
fn a_problem_says_in_which_layer_it_stands() {
    let bad = pairs(&[("drain-seconds", "x")]);
    let none = pairs(&[]);
    for (layers, place, authors) in [
        (
            layers(&bad, &none, &none, &none),
            "on Deployment shop/web ",
            true,
        ),
        (
            layers(&none, &bad, &none, &none),
            "on the pod template of Deployment shop/web ",
            true,
        ),
        (
            layers(&none, &none, &bad, &none),
            "on Namespace shop ",
            false,
        ),
        (
            layers(&none, &none, &none, &bad),
            "on the cluster's defaults",
            false,
        ),
    ] {
        let problems = resolve(&layers, METHODS).policy.unwrap_err();
        assert!(problems[0].to_string().contains(place), "{}", problems[0]);
        assert_eq!(problems[0].layer.is_authors(), authors);
    }
}

#[test]
fn an_overridden_value_is_checked_too() {
    let (good, bad) = (
        pairs(&[("drain-seconds", "5")]),
        pairs(&[("drain-seconds", "x")]),
    );
    let none = pairs(&[]);
    let problems = resolve(&layers(&good, &none, &bad, &none), METHODS)
        .policy
        .unwrap_err();
    assert_eq!(problems[0].layer, Layer::Namespace);
}

#[test]
fn unknown_keys_name_the_nearest_real_one() {
    for (key, near) in [
        ("drain-second", Some("drain-seconds")),
        ("drainSeconds", Some("drain-seconds")),
        ("drain_seconds", Some("drain-seconds")),
        ("Inject", Some("inject")),
        ("containers", Some("container")),
        ("nacos-sever", Some("nacos-server")),
        ("readyness", Some("readiness")),
        ("something-else-entirely", None),
        ("", None),
    ] {
        assert_eq!(nearest(key, METHODS), near, "{key}");
        let workload = pairs(&[(key, "1")]);
        let resolved = resolve(&layers(&workload, &[], &[], &[]), METHODS);
        assert!(resolved.policy.is_ok());
        assert_eq!(resolved.notes.len(), 1);
        assert_eq!(resolved.notes[0].contains("did you mean"), near.is_some());
    }
}

#[test]
fn a_label_and_a_status_in_the_wrong_place_are_pointed_out() {
    let label = pairs(&[("inject", "enabled")]);
    let status = pairs(&[("status", "{}")]);
    let none = pairs(&[]);
    let mut all = layers(&status, &status, &status, &none);
    all.workload_labels = &label;
    all.template_labels = &label;
    let notes = resolve(&all, METHODS).notes;
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert!(
        notes
            .iter()
            .any(|note| note.contains("is a label on Deployment shop/web"))
    );
}

#[test]
fn defaults_are_checked_when_they_are_given() {
    assert_eq!(
        check_default("drain-seconds", "20", METHODS).as_deref(),
        Ok("silkroll.dev/drain-seconds")
    );
    assert!(check_default("silkroll.dev/rollout", "surge", METHODS).is_ok());
    for (key, value) in [
        ("inject", "enabled"),
        ("status", "{}"),
        ("drain", "20"),
        ("drain-seconds", "x"),
    ] {
        assert!(check_default(key, value, METHODS).is_err(), "{key}");
    }
}

#[test]
fn a_default_that_is_not_known_is_named_on_one_line() {
    let told = check_default("silkroll.dev/\0\n\u{1b}[2K", "x", METHODS).unwrap_err();
    assert!(
        told.starts_with("silkroll.dev/\\u{0}\\n\\u{1b}[2K on "),
        "{told}"
    );
}

#[test]
fn what_deceives_a_reader_is_shown_escaped() {
    for (text, quoted_text, visible_text) in [
        ("plain é ３", "\"plain é ３\"", "plain é ３"),
        ("a\nb", r#""a\nb""#, r"a\nb"),
        ("a\0b", r#""a\u{0}b""#, r"a\u{0}b"),
        (
            "\u{202e}x\u{1b}[31m",
            r#""\u{202e}x\u{1b}[31m""#,
            r"\u{202e}x\u{1b}[31m",
        ),
        ("a \"b\"", r#""a \"b\"""#, "a \"b\""),
    ] {
        assert_eq!(quoted(text, 60), quoted_text);
        assert_eq!(visible(text), visible_text);
    }
}
