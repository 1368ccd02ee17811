//! terminationGracePeriodSeconds: the hook's budget never eats the app's own time to shut down.

use super::Stop;
use super::base::{Base, integer};
use super::inject::{Budget, Injection};
use super::report::{Reason, Timeline};
use super::status::Change;
use super::view::Template;
use crate::policy::Policy;

/// Seconds for the kubelet's own work between the hook and SIGKILL.
const MARGIN: i64 = 5;
/// The API's default for terminationGracePeriodSeconds.
pub(super) const DEFAULT_GRACE: i64 = 30;
/// What the API's own seconds go up to where it bounds them; nobody means more.
const LONGEST: i64 = i32::MAX as i64;
/// `--max-graceful-termination-sec` of the cluster autoscaler.
const AUTOSCALER_LIMIT: i64 = 600;

/// The seconds that the user's object has or gets, without Silkroll.
pub(super) fn had(template: &Template<'_>, base: &Base<'_>) -> i64 {
    let before = match base.our_grace {
        Some(change) => change.before,
        None => integer(template.spec.grace),
    };
    before.unwrap_or(DEFAULT_GRACE)
}

impl Injection<'_> {
    pub(super) fn grace(
        &mut self,
        policy: &Policy<'_>,
        template: &Template<'_>,
        base: &Base<'_>,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let before = match base.our_grace {
            Some(change) => change.before,
            None => match template.spec.grace {
                None => None,
                Some(raw) if raw.get() == "null" => None,
                Some(raw) => match integer(Some(raw)) {
                    // The API server refuses it with a better message than a raised number would get.
                    Some(seconds) if (0..=LONGEST).contains(&seconds) => Some(seconds),
                    _ => {
                        return Err(Stop::skip(
                            Reason::BadGracePeriod,
                            format!(
                                "nothing was injected: terminationGracePeriodSeconds is {}, allowed is a whole number from 0",
                                crate::policy::cut(raw.get(), 40)
                            ),
                        ));
                    }
                },
            },
        };
        let had = before.unwrap_or(DEFAULT_GRACE);
        let own = budget.own;
        let shutdown = policy.shutdown.map_or(had, i64::from);
        let hook_needs = budget.leave + budget.drain + budget.end + own;
        let needed = hook_needs + shutdown + MARGIN;
        let needs_more = budget.hooks || own > 0 || policy.shutdown.is_some();
        // A record of more would not be believed.
        let needed = needed.clamp(had, LONGEST.max(had));
        let grace = if needs_more { needed } else { had };
        if grace != had || base.our_grace.is_some() {
            self.wanted.grace = Some(grace);
        }
        if grace != had {
            self.status.grace = Some(Change {
                before,
                after: grace,
            });
        }
        self.pod_step("grace", || {
            if !needs_more {
                return format!("{grace} s, as it was: no hook takes any of it");
            }
            let end = match budget.end {
                0 => String::new(),
                seconds => format!(" + end {seconds}"),
            };
            format!(
                "{grace} s: leave {} + drain {}{end} + own hook {own} + shutdown {shutdown} + {MARGIN}, never less than {had}",
                budget.leave, budget.drain
            )
        });
        if grace > AUTOSCALER_LIMIT {
            self.warnings.push(format!(
                "terminationGracePeriodSeconds is {grace}; the cluster autoscaler cuts it at {AUTOSCALER_LIMIT} s unless told otherwise"
            ));
        }
        let known = (!budget.unbounded).then(|| own.max(budget.kept));
        let sigterm = known.map(|hook| hook_needs - own + hook);
        self.timeline = Some(Timeline {
            leave: budget.leave,
            drain: budget.drain,
            end: budget.end,
            hook: known,
            sigterm,
            shutdown: sigterm.map(|at| grace - at),
            sigkill: grace,
        });
        Ok(())
    }
}
