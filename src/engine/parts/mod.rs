//! Everything that is injected: one file each. This list is the only other place.

#![allow(
    clippy::unnecessary_wraps,
    reason = "all parts have one signature, though not each can fail"
)]

mod blue_green;
mod env;
mod grace;
mod min_ready;
mod mount;
mod post_start;
mod pre_stop;
mod readiness;
mod rollout;
mod startup;

use std::sync::LazyLock;

use super::plan::Part;
use super::slot::Form;

pub(super) use grace::FORM as GRACE;
pub(super) use grace::had;
pub(super) use min_ready::FORM as MIN_READY;
pub(super) use min_ready::{left_out, too_long};
pub(super) use mount::MOUNT_FORM as MOUNT;
pub(super) use post_start::FORM as POST_START;
pub(super) use pre_stop::FORM as PRE_STOP;
pub(super) use rollout::{FORMS as SURGE, Surge, surge};

/// In the order in which they are asked and told of: one may go by what those before it wanted.
pub(super) const PARTS: &[Part] = &[
    pre_stop::PART,
    post_start::PART,
    startup::PART,
    mount::MOUNT,
    env::PART,
    readiness::PART,
    mount::VOLUME_PART,
    grace::PART,
    rollout::PART,
    blue_green::PART,
    min_ready::PART,
];

static FORMS: LazyLock<Vec<&'static Form>> =
    LazyLock::new(|| PARTS.iter().flat_map(|part| part.forms).copied().collect());

static BESIDE_TEMPLATE: LazyLock<Vec<&'static Form>> = LazyLock::new(|| {
    let forms = FORMS.iter().copied();
    forms.filter(|form| !form.root.in_template()).collect()
});

/// Those outside of the pod template, which a rollback does not bring back.
pub(super) fn beside_template() -> &'static [&'static Form] {
    &BESIDE_TEMPLATE
}

/// All slots that there are.
pub(super) fn forms() -> &'static [&'static Form] {
    &FORMS
}
