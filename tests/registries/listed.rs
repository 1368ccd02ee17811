//! What every registry with a list has to do: the last one in it waits until another one comes, and a container has started
//! once it is in it.

use std::thread;
use std::time::Duration;

use crate::hook::{ONE, RUNNERS, Settings};
use crate::start::{World, within};

/// Two instances of one service, neither of which callers can use at the beginning.
pub(crate) struct Pair<'a> {
    /// The settings of the one whose hook is run, and of the other.
    pub(crate) settings: [&'a Settings; 2],
    /// Makes one of them usable.
    pub(crate) appear: &'a (dyn Fn(usize) + Sync),
    /// How many callers can use.
    pub(crate) usable: &'a (dyn Fn() -> usize + Sync),
    /// How old the list may be that callers get, in seconds.
    pub(crate) old: u64,
}

pub(crate) fn goes_by_the_list(world: &World, pair: &Pair<'_>) {
    let [this, other] = pair.settings;
    let seen = |count: usize| {
        within(pair.old, "callers see it", || (pair.usable)() == count);
    };
    let waits = |seconds| {
        this.clone()
            .with("SILKROLL_LAST_INSTANCE", "wait")
            .with("SILKROLL_DEREGISTER_SECONDS", seconds)
    };
    for runner in RUNNERS {
        let (passes, said) = runner.registered(this);
        assert!(!passes && said.contains("not in the list"), "{said}");
        (pair.appear)(0);
        seen(1);
        let (passes, said) = runner.registered(this);
        assert!(passes && said.contains("is listed"), "{said}");

        let said = runner.stop(&waits("10"));
        said.has("is the last usable instance, waiting at most ");
        said.has("no other instance was seen within ");
        said.has("left");
        seen(0);

        (pair.appear)(0);
        seen(1);
        let said = thread::scope(|scope| {
            let stop = scope.spawn(|| runner.stop(&waits("60")));
            // It has to be waiting when the other one comes.
            thread::sleep(Duration::from_secs(3));
            assert!(!stop.is_finished());
            (pair.appear)(1);
            stop.join().unwrap()
        });
        said.has("another instance is listed in");
        said.has("left");
        seen(1);
        let (passes, said) = runner.registered(this);
        assert!(!passes && said.contains("not in the list"), "{said}");

        // With another one there nothing is waited for.
        (pair.appear)(0);
        seen(2);
        let said = runner.stop(&waits("60"));
        assert!(!said.log.contains("last usable"), "{}", said.log);
        said.has("left");
        ONE.stop(other).has("left");
        seen(0);
        world.ok(&format!(
            "{}: the last one waits, and is freed by another one; a container has started once it is listed",
            runner.name
        ));
    }
}
