//! What the container is told for a method, as admission makes it of annotations: the hook is proved with just that.

use silkroll::deregister::{DeclaredPort, METHODS, Registrant, VarValue, plan};
use silkroll::policy::{Layers, PREFIX, Subject, resolve};
use std::borrow::Cow;

/// The settings of a method that calls something, for a workload `web` with the port 8080. Whatever comes from a Secret is
/// `secret`, and the node has the address `host_ip`.
pub(crate) fn told(
    annotations: &[(&str, &str)],
    secret: &str,
    host_ip: &str,
) -> Vec<(&'static str, String)> {
    let written: Vec<(Cow<'_, str>, Cow<'_, str>)> = annotations
        .iter()
        .map(|(key, value)| (format!("{PREFIX}{key}").into(), (*value).into()))
        .collect();
    let layers = Layers {
        subject: Subject::default(),
        workload: &written,
        template: &[],
        namespace: &[],
        defaults: &[],
        workload_labels: &[],
        template_labels: &[],
        namespace_labels: &[],
    };
    let policy = resolve(&layers, METHODS)
        .policy
        .unwrap_or_else(|problems| panic!("{annotations:?}: {problems:?}"));
    let ports = [DeclaredPort {
        name: None,
        number: 8080,
    }];
    let place = Registrant {
        workload: "web",
        container: "web",
        ports: &ports,
    };
    let leave = plan(&policy, &place).unwrap_or_else(|problem| panic!("{problem:?}"));
    let value = |value| match value {
        VarValue::Text(text) => text,
        VarValue::Secret { .. } => secret.to_owned(),
        VarValue::Field(path) => {
            assert_eq!(path, "status.hostIP");
            host_ip.to_owned()
        }
    };
    leave
        .vars
        .into_iter()
        .map(|var| (var.name, value(var.value)))
        .collect()
}
