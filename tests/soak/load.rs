//! Admissions that a real API server makes, 50 a second: Deployments of a namespace that has opted in. One that comes out
//! without our mark has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::world::{World, deployment, marked};

/// They come a few at a time, so that the API server holds connections to more than one replica.
const AT_ONCE: usize = 5;
const EVERY: Duration = Duration::from_millis(100);
/// Under way at once, where the machine does not keep up.
const MOST: usize = 200;

/// What runs until it is ended.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<Answered>,
    task: JoinHandle<Tally>,
}

/// What was answered so far.
#[derive(Default)]
struct Answered {
    well: AtomicUsize,
    failed: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) asked: usize,
    /// Came out without our mark.
    pub(super) unmarked: Vec<String>,
    /// The API server refused or did not answer.
    pub(super) errors: Vec<String>,
    took: Duration,
    longest: Duration,
}

impl Load {
    /// What is made is kept, or each is a dry run: the same admission, and nothing is stored.
    pub(super) fn start(client: &Client, kept: bool) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let api = Api::<Deployment>::namespaced(client.clone(), "soak");
        let answered = Arc::<Answered>::default();
        let task = tokio::spawn(run(api, kept, Arc::clone(&stop), Arc::clone(&answered)));
        Self {
            stop,
            answered,
            task,
        }
    }

    /// The figures of a run that goes on.
    pub(super) fn so_far(&self) -> String {
        let [well, failed] =
            [&self.answered.well, &self.answered.failed].map(|count| count.load(Ordering::Relaxed));
        format!("{well} admissions well, {failed} failed")
    }

    pub(super) async fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn run(
    api: Api<Deployment>,
    kept: bool,
    stop: Arc<AtomicBool>,
    answered: Arc<Answered>,
) -> Tally {
    let params = PostParams {
        dry_run: !kept,
        ..PostParams::default()
    };
    let longest = Arc::<AtomicUsize>::default();
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut under_way = JoinSet::new();
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) {
        turns.tick().await;
        while under_way.len() > MOST {
            tally.count(under_way.join_next().await);
        }
        for _ in 0..AT_ONCE {
            let name = format!("web-{}", tally.asked);
            tally.asked += 1;
            let (api, params, longest) = (api.clone(), params.clone(), Arc::clone(&longest));
            let answered = Arc::clone(&answered);
            under_way.spawn(async move {
                let begun = Instant::now();
                let made = api.create(&params, &deployment(&name)).await;
                let took = usize::try_from(begun.elapsed().as_millis()).unwrap();
                longest.fetch_max(took, Ordering::Relaxed);
                let made = made.map(|made| marked(&made));
                let count = match made {
                    Ok(true) => &answered.well,
                    _ => &answered.failed,
                };
                count.fetch_add(1, Ordering::Relaxed);
                (name, made)
            });
        }
        while let Some(done) = under_way.try_join_next() {
            tally.count(Some(done));
        }
    }
    while let Some(done) = under_way.join_next().await {
        tally.count(Some(done));
    }
    tally.took = begun.elapsed();
    tally.longest = Duration::from_millis(longest.load(Ordering::Relaxed).try_into().unwrap());
    tally
}

type Done = Result<(String, Result<bool, kube::Error>), tokio::task::JoinError>;

impl Tally {
    fn count(&mut self, done: Option<Done>) {
        match done.map(Result::unwrap) {
            Some((name, Ok(false))) => self.unmarked.push(name),
            Some((name, Err(error))) => self.errors.push(format!("{name}: {error}")),
            Some((_, Ok(true))) | None => {}
        }
    }

    /// The figures, in words.
    pub(super) fn figures(&self) -> String {
        format!(
            "{} admissions in {:.0} s, {:.1} a second, {} without our mark, {} refused, the longest {:.2} s",
            self.asked,
            self.took.as_secs_f64(),
            f64::from(u32::try_from(self.asked).unwrap()) / self.took.as_secs_f64(),
            self.unmarked.len(),
            self.errors.len(),
            self.longest.as_secs_f64(),
        )
    }

    /// Fails where one has failed, and says why.
    pub(super) fn none_failed(&self, world: &World) {
        assert!(
            self.unmarked.is_empty() && self.errors.is_empty(),
            "{}; {}; {:?}",
            self.figures(),
            world.unanswered(),
            self.errors
        );
    }
}

/// What is stored, and by name what of it has no mark.
pub(super) async fn stored(client: &Client) -> (usize, Vec<String>) {
    let api = Api::<Deployment>::namespaced(client.clone(), "soak");
    let mut params = ListParams::default().limit(500);
    let (mut all, mut unmarked) = (0, vec![]);
    loop {
        let page = api.list(&params).await.unwrap();
        all += page.items.len();
        let missed = page.items.iter().filter(|object| !marked(object));
        unmarked.extend(missed.filter_map(|object| object.metadata.name.clone()));
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => break,
        }
    }
    unmarked.sort();
    (all, unmarked)
}
