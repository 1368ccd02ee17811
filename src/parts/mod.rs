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

use crate::plan::wants::Part;
use crate::slots::slot::Form;

pub(crate) use grace::FORM as GRACE;
pub(crate) use grace::had;
pub(crate) use min_ready::FORM as MIN_READY;
pub(crate) use min_ready::{left_out, too_long};
pub(crate) use mount::MOUNT_FORM as MOUNT;
pub(crate) use post_start::FORM as POST_START;
pub(crate) use pre_stop::FORM as PRE_STOP;
pub(crate) use rollout::{FORMS as SURGE, Surge, surge};

/// In the order in which they are asked and told of: one may go by what those before it wanted.
pub(crate) const PARTS: &[Part] = &[
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
pub(crate) fn beside_template() -> &'static [&'static Form] {
    &BESIDE_TEMPLATE
}

/// All slots that there are.
pub(crate) fn forms() -> &'static [&'static Form] {
    &FORMS
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::forms;
    use crate::slots::slot::RECORD;

    #[test]
    fn every_form_has_a_name_of_its_own_in_the_record() {
        let mut seen = HashSet::from([RECORD.key]);
        for form in forms() {
            assert!(seen.insert(form.key), "{}", form.key);
        }
    }
}
