//! `none`: there is no registry to tell; the endpoints' controllers see the pod go.

use super::{Deregistration, Registrant};
use crate::policy::{Method, Policy, Problem};

pub(super) const METHOD: Method = Method {
    name: "none",
    settings: &[],
    // kube-proxy and ingress controllers take a few seconds; 15 leaves slow ones their time.
    default_drain: 15,
    lists: false,
};

#[expect(clippy::unnecessary_wraps, reason = "all methods have one signature")]
pub(super) fn plan(_: &Policy<'_>, _: &Registrant<'_>) -> Result<Deregistration, Problem> {
    Ok(Deregistration {
        summary: "nothing to call, Kubernetes takes the pod out of its endpoints".to_owned(),
        ..Deregistration::default()
    })
}
