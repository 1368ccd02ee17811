//! The tasks of a process that none of them may leave early.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use anyhow::anyhow;
use futures::FutureExt as _;
use tokio::task::JoinSet;

/// Tasks by name, each of which runs until it is told to end.
#[derive(Default)]
pub(super) struct Tasks(JoinSet<Ended>);

/// How a task ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its name.
    pub(super) name: &'static str,
    /// An error where it failed or panicked.
    pub(super) result: anyhow::Result<()>,
}

impl Ended {
    /// What to say of a task that was told nothing.
    pub(super) fn too_early(self) -> anyhow::Error {
        let name = self.name;
        match self.result {
            Ok(()) => anyhow!("{name} ended although nothing told it to"),
            Err(error) => error.context(format!("{name} failed")),
        }
    }
}

impl Tasks {
    /// Starts a task.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.0.spawn(async move {
            let result = AssertUnwindSafe(task)
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| Err(anyhow!("it panicked: {}", message(&*panic))));
            Ended { name, result }
        });
    }

    /// The next task that ends; waits for ever where there is none.
    pub(super) async fn next(&mut self) -> Ended {
        loop {
            match self.0.join_next().await {
                Some(Ok(ended)) => return ended,
                // Neither aborted nor panicking, for its panic is caught.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_fails_or_panics_is_named_with_the_reason() {
        type Task = futures::future::BoxFuture<'static, anyhow::Result<()>>;
        let number = 7;
        let cases: [(Task, &str); 4] = [
            (
                async { Ok(()) }.boxed(),
                "the watch ended although nothing told it to",
            ),
            (
                async { Err(anyhow!("no socket")) }.boxed(),
                "the watch failed: no socket",
            ),
            (
                async { panic!("on purpose") }.boxed(),
                "the watch failed: it panicked: on purpose",
            ),
            (
                async move { panic!("number {number}") }.boxed(),
                "the watch failed: it panicked: number 7",
            ),
        ];
        for (task, expected) in cases {
            let mut tasks = Tasks::default();
            tasks.spawn("another one", std::future::pending());
            tasks.spawn("the watch", task);
            let ended = tasks.next().await;
            assert_eq!(format!("{:#}", ended.too_early()), expected);
        }
    }
}
