//! The mount of the script or the helper, and the ConfigMap volume that it comes from.

use crate::deregister::{Arch, MOUNT_PATH, VOLUME};
use crate::plan::ask::Stop;
use crate::plan::program::{Nodes, Program};
use crate::plan::wants::{Part, Plan, Pod, Target, Wants};
use crate::slots::slot::{Form, Holds, Root, Slot};

pub(crate) static MOUNT_FORM: Form = Form {
    key: "mount",
    root: Root::Container,
    path: &["volumeMounts"],
    item: Some(("mountPath", MOUNT_PATH)),
    holds: Holds::Object(&[]),
};
static VOLUME_FORM: Form = Form {
    key: "volume",
    root: Root::Pod,
    path: &["volumes"],
    item: Some(("name", VOLUME)),
    holds: Holds::Object(&[]),
};

pub(crate) const MOUNT: Part = Part {
    forms: &[&MOUNT_FORM],
    wants: Wants::Container(mount),
};
pub(crate) const VOLUME_PART: Part = Part {
    forms: &[&VOLUME_FORM],
    wants: Wants::Pod(volume),
};

fn mount<'a>(plan: &mut Plan<'a>, target: &Target<'_, 'a>) -> Result<(), Stop> {
    if plan.hook.program {
        let mount = format!(r#"{{"name":"{VOLUME}","readOnly":true,"mountPath":"{MOUNT_PATH}"}}"#);
        plan.want(target.slot(&MOUNT_FORM), mount);
    }
    Ok(())
}

fn volume<'a>(plan: &mut Plan<'a>, pod: &Pod<'_, 'a>) -> Result<(), Stop> {
    if plan.wanted(&MOUNT_FORM).next().is_none() {
        return Ok(());
    }
    let settings = pod.ask.settings;
    // Optional: a missing ConfigMap must not keep a pod from starting. 365 is 0555: readable and
    // executable for whatever user the container runs as.
    let value = match plan.chosen.program {
        Program::Script => {
            let name = &settings.script.config_map;
            plan.pod_step("volume", || {
                format!("the script from ConfigMap {name}, mounted at {MOUNT_PATH}")
            });
            format!(
                r#"{{"name":"{VOLUME}","configMap":{{"name":"{name}","defaultMode":365,"optional":true}}}}"#
            )
        }
        Program::Helper => {
            let arch = arch(plan, pod)?;
            let name = &settings.helper.config_map;
            plan.pod_step("volume", || {
                let arch = arch.name();
                format!(
                    "the helper binary for {arch} from ConfigMap {name}, mounted at {MOUNT_PATH}"
                )
            });
            // A start hook whose program is missing would kill the container again and again, and with such a startup probe it
            // would never be ready: then the kubelet rather waits for the ConfigMap. Without, nothing keeps the pod from starting.
            let needing = [&super::post_start::FORM, &super::startup::FORM];
            let starts = needing
                .iter()
                .any(|form| plan.wanted(form).next().is_some());
            let optional = if starts { "" } else { r#","optional":true"# };
            let key = arch.key();
            format!(
                r#"{{"name":"{VOLUME}","configMap":{{"name":"{name}","items":[{{"key":"{key}","path":"hook"}}],"defaultMode":365{optional}}}}}"#
            )
        }
    };
    plan.want(Slot::new(&VOLUME_FORM), value);
    Ok(())
}

/// The architecture of the pod's nodes. A shell-less hook is one fixed path, so one has to be chosen here.
fn arch(plan: &mut Plan<'_>, pod: &Pod<'_, '_>) -> Result<Arch, Stop> {
    if let Some((said, all)) = plan.chosen.misses(pod.ask) {
        let (said, all) = (said.name(), all.name());
        plan.warn(format!(
            "silkroll.dev/hook-arch is {said}, and all nodes of the cluster are {all}: there the helper cannot run, SIGTERM comes at \
             once and there is no start hook; set it to {all}, or a nodeSelector kubernetes.io/arch"
        ));
    }
    match &plan.chosen.nodes {
        Nodes::Manifest(name) => Arch::parse(name).ok_or_else(|| {
            Stop::Problem(pod.policy.hook_problem(format!(
                "the pod's nodes are {}, and the helper binary is made for amd64 and arm64; use hook: script",
                crate::policy::quoted(name, 40)
            )))
        }),
        Nodes::Said(arch) | Nodes::Cluster(arch) => Ok(*arch),
        Nodes::Unknown => {
            let said = pod.policy.hook_arch.and_then(Arch::parse);
            let arch = said.unwrap_or(Arch::Amd64);
            plan.warn(format!(
                "hook: binary was taken for {} nodes; on others it cannot run. Say which with \
                 silkroll.dev/hook-arch or a nodeSelector kubernetes.io/arch",
                arch.name()
            ));
            Ok(arch)
        }
    }
}
