//! The readiness probe, where the container has none.

use crate::deregister::Registrant;
use crate::plan::ask::Stop;
use crate::plan::chain::HANDLERS;
use crate::plan::wants::{Part, Plan, Target, Wants};
use crate::policy::{Policy, Port, ProbeTimes, Problem, Readiness};
use crate::slots::json::{list, string};
use crate::slots::slot::{Form, Holds, Root};

static FORM: Form = Form {
    key: "readiness",
    root: Root::Container,
    path: &["readinessProbe"],
    item: None,
    holds: Holds::Object(&HANDLERS),
};

pub(crate) const PART: Part = Part {
    forms: &[&FORM],
    wants: Wants::Container(want),
};

/// The probe to add, or why there is none.
enum Probe {
    /// Its JSON, and one line about it.
    Add(String, String),
    /// The annotation says `none`.
    NotWanted,
    /// There is no single port to try; the text says what is declared.
    NoPort(String),
}

fn want<'a>(plan: &mut Plan<'a>, target: &Target<'_, 'a>) -> Result<(), Stop> {
    let probe = decide(target.pod.policy, target.place).map_err(Stop::Problem)?;
    if target.container.json("readinessProbe").is_some() {
        plan.step("readiness", target, || {
            "the container has a probe, it stays".to_owned()
        });
        return Ok(());
    }
    match probe {
        Probe::Add(text, line) => {
            plan.step("readiness", target, || line);
            plan.want(target.slot(&FORM), text);
        }
        Probe::NotWanted => plan.step("readiness", target, || "none, as asked".to_owned()),
        Probe::NoPort(why) => {
            plan.step("readiness", target, || format!("none: {why}"));
            plan.warn(format!(
                "container {}: no readiness probe was added, {why}; set silkroll.dev/readiness",
                target.name
            ));
        }
    }
    Ok(())
}

/// Decides on the probe of one container.
fn decide(policy: &Policy<'_>, place: &Registrant<'_>) -> Result<Probe, Problem> {
    let Some((readiness, found)) = &policy.readiness else {
        return Ok(match place.main_port() {
            Ok(port) => tcp(&port.to_string(), &policy.probe),
            Err(why) => Probe::NoPort(format!("it declares {why}")),
        });
    };
    let port = |port: &Port<'_>| match port {
        Port::Number(number) => Ok(number.to_string()),
        Port::Name(name) => place
            .port(Some(*port))
            .map(|_| string(name))
            .map_err(|allowed| policy.misfit("readiness", found, allowed)),
    };
    Ok(match readiness {
        Readiness::None => Probe::NotWanted,
        Readiness::Tcp(at) => tcp(&port(at)?, &policy.probe),
        Readiness::Http {
            scheme,
            port: at,
            path,
        } => {
            let at = port(at)?;
            let action = format!(
                r#""httpGet":{{"path":{},"port":{at},"scheme":"{scheme}"}}"#,
                string(path)
            );
            let line = format!(
                "{} GET :{}{path}",
                scheme.to_lowercase(),
                at.trim_matches('"')
            );
            Probe::Add(with_times(&action, &policy.probe), line)
        }
        Readiness::Grpc { port: at, service } => {
            // The API takes no names here.
            let number = place
                .port(Some(*at))
                .map_err(|allowed| policy.misfit("readiness", found, allowed))?;
            let action = format!(
                r#""grpc":{{"port":{number},"service":{}}}"#,
                string(service)
            );
            Probe::Add(
                with_times(&action, &policy.probe),
                format!("grpc health on :{number}"),
            )
        }
        Readiness::Exec(words) => {
            let words: Vec<_> = words.iter().map(|word| string(word)).collect();
            let command = list(words.iter().map(String::as_str));
            let action = format!(r#""exec":{{"command":{command}}}"#);
            Probe::Add(
                with_times(&action, &policy.probe),
                format!("exec {command}"),
            )
        }
    })
}

fn tcp(port: &str, times: &ProbeTimes) -> Probe {
    let line = format!("tcp connect to :{}", port.trim_matches('"'));
    Probe::Add(
        with_times(&format!(r#""tcpSocket":{{"port":{port}}}"#), times),
        line,
    )
}

/// Every field that the API server would fill in is written, so that the next round sees no
/// difference; members in its order.
fn with_times(action: &str, times: &ProbeTimes) -> String {
    let ProbeTimes {
        initial_delay,
        period,
        timeout,
        success,
        failure,
    } = times;
    // The API leaves a delay of 0 out.
    let delay = match initial_delay {
        0 => String::new(),
        seconds => format!(r#""initialDelaySeconds":{seconds},"#),
    };
    format!(
        r#"{{{action},{delay}"timeoutSeconds":{timeout},"periodSeconds":{period},"successThreshold":{success},"failureThreshold":{failure}}}"#
    )
}
