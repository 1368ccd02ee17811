//! The generator itself: a thread of its own, so that whatever else the program does cannot make it late.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rustix::process::{Resource, getrlimit, setpriority_process, setrlimit};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::plan::{Plan, Request, Stale, Stream};
use super::tally::{Tally, millis};
use crate::client::{Answer, Failure, Pool, Socket};
use crate::lock::lock;
use crate::record::{Connection, Kind, Load, Lost, Millis, now_ms};

/// Between the call and the first request: the thread has to begin.
const LEAD: Duration = Duration::from_millis(20);

/// So much of an answer that is no success is told.
const SAID: usize = 200;

/// Load that runs. Dropping it stops it, and what it saw is lost.
#[derive(Debug)]
pub struct Handle {
    /// When its first request is due.
    pub started_ms: Millis,
    tally: Arc<Mutex<Tally>>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<Load>>,
}

impl Handle {
    /// How many requests were sent, answered and lost so far.
    #[must_use]
    pub fn so_far(&self) -> (u64, u64, u64) {
        lock(&self.tally).so_far()
    }

    /// Sends no more, waits for what is under way, at most as long as an answer may take, and says
    /// what became of all. Blocks the thread.
    ///
    /// # Errors
    /// Where the generator itself broke: the counts would not add up.
    pub fn stop(self) -> anyhow::Result<Load> {
        // Nothing is there to hear it where the plan has come to its end.
        let _ = self.stop.send(());
        join(self.thread)
    }

    /// Waits for the end of a plan that has one. Blocks the thread.
    ///
    /// # Errors
    /// As [`Handle::stop`].
    pub fn wait(self) -> anyhow::Result<Load> {
        let Self { stop, thread, .. } = self;
        let load = join(thread);
        drop(stop);
        load
    }
}

fn join(thread: JoinHandle<anyhow::Result<Load>>) -> anyhow::Result<Load> {
    thread
        .join()
        .map_err(|_| anyhow!("the load generator panicked"))?
}

/// Begins to send.
///
/// # Errors
/// Where the thread cannot be started.
pub fn start(plan: Plan, target: SocketAddr) -> anyhow::Result<Handle> {
    raise_file_limit();
    let tally = Arc::new(Mutex::new(Tally::new(plan.rate)));
    let (stop, stopped) = oneshot::channel();
    let started = Instant::now() + LEAD;
    let started_ms = now_ms() + millis(LEAD);
    let run = Arc::new(Run {
        pool: Mutex::new(Pool::new(plan.kept)),
        tally: Arc::clone(&tally),
        plan,
        target,
        started,
        started_ms,
    });
    let thread = std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            come_first();
            tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build()
                .context("the load generator's runtime")?
                .block_on(run.send_all(stopped))
        })
        .context("the load generator's thread")?;
    Ok(Handle {
        started_ms,
        tally,
        stop,
        thread,
    })
}

/// A service that hangs has `rate` × `timeout` requests open, more than the usual 1024. Where the
/// limit cannot be raised, requests are lost as [`Kind::Local`], for all to see.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Load comes from other machines in truth, and does not wait for a processor here. Linux has priorities by thread, and
/// 0 is this one. Without the right to that, as in a pod, it stays as it is, and the report says how late it was.
fn come_first() {
    let _ = setpriority_process(None, -15);
}

struct Run {
    plan: Plan,
    target: SocketAddr,
    started: Instant,
    started_ms: Millis,
    tally: Arc<Mutex<Tally>>,
    pool: Mutex<Pool>,
}

/// What is known of the connection that a request was sent on.
struct Via {
    connection: Connection,
    age_ms: Option<u64>,
    pod: Option<Arc<str>>,
}

impl Via {
    const NONE: Self = Self {
        connection: Connection::New,
        age_ms: None,
        pod: None,
    };

    fn of(socket: &Socket, connection: Connection) -> Self {
        Self {
            connection,
            age_ms: Some(millis(socket.opened.elapsed())),
            pod: socket.pod.clone(),
        }
    }
}

impl Run {
    async fn send_all(self: Arc<Self>, mut stopped: oneshot::Receiver<()>) -> anyhow::Result<Load> {
        let mut under_way = JoinSet::new();
        for n in 0.. {
            let Some(request) = self.plan.request(n) else {
                break;
            };
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                () = sleep_until(self.started + request.due) => {}
            }
            lock(&self.tally).sent(request.due);
            under_way.spawn(Arc::clone(&self).send(request));
            while let Some(done) = under_way.try_join_next() {
                whole(done)?;
            }
            if n.is_multiple_of(self.plan.rate.into()) {
                lock(&self.pool).sweep();
            }
        }
        while let Some(done) = under_way.join_next().await {
            whole(done)?;
        }
        let closed_idle = lock(&self.pool).closed_idle;
        Ok(lock(&self.tally).finish(closed_idle))
    }

    async fn send(self: Arc<Self>, request: Request) {
        let due = self.started + request.due;
        lock(&self.tally).begun(due.elapsed());
        let (result, via) = match request.stream {
            Some(stream) => self.stay(request, stream).await,
            None => self.ask(request, self.target).await,
        };
        let after = due.elapsed();
        let failure = match result {
            Ok(answer) if (200..300).contains(&answer.status) => {
                let took = after.saturating_sub(self.plan.asked_for(request));
                lock(&self.tally).ok(request.due, took);
                return;
            }
            Ok(Answer { status, text, .. }) => {
                let said = String::from_utf8_lossy(&text);
                let detail = format!("answered with {status}: {}", said.trim());
                Failure::new(Kind::Status(status), detail)
            }
            Err(failure) => failure,
        };
        // An answer names its pod itself, through a proxy, too.
        let known = self.plan.names_pod || matches!(failure.kind, Kind::Status(_));
        let lost = Lost {
            at_ms: self.started_ms + millis(request.due),
            after_ms: millis(after),
            connection: via.connection,
            connection_age_ms: via.age_ms,
            kind: failure.kind,
            detail: failure.detail,
            url: format!("http://{}{}", self.target, self.plan.path(request)),
            pod: via.pod.filter(|_| known).map(|pod| pod.to_string()),
            undelivered: false,
            phases: Vec::new(),
        };
        lock(&self.tally).lost(request.due, lost);
    }

    /// Comes, stays on the stream and leaves.
    async fn stay(&self, request: Request, stream: Stream) -> (Result<Answer, Failure>, Via) {
        let come = Instant::now();
        let (until, silence) = (come + stream.stay, self.plan.timeout);
        let mut socket = match Socket::open(self.target, come + silence).await {
            Ok(socket) => socket,
            Err(failure) => return (Err(failure), Via::NONE),
        };
        let mut via = Via::of(&socket, Connection::New);
        let result = if stream.web_socket {
            let url = format!("ws://{}{}", self.plan.host, self.plan.path(request));
            let (result, pod) = socket.web_socket(&url, until, silence).await;
            via.pod = pod;
            result
        } else {
            let result = socket
                .events(&self.bytes(request, true), until, silence)
                .await;
            via.pod = socket.pod.clone();
            result
        };
        let result = match result {
            Ok(()) => Ok(Answer {
                status: 200,
                text: Vec::new(),
                keep: false,
            }),
            Err(Failure { kind, detail }) => {
                let (after, stay) = (come.elapsed().as_secs(), stream.stay.as_secs());
                let detail = format!("{detail}, after {after} of {stay} s");
                Err(Failure::new(kind, detail))
            }
        };
        (result, via)
    }

    async fn ask(&self, request: Request, address: SocketAddr) -> (Result<Answer, Failure>, Via) {
        let deadline = Instant::now() + self.plan.timeout + self.plan.asked_for(request);
        if request.connection == Connection::New {
            return self.on_new(request, address, deadline, false).await.0;
        }
        let kept = lock(&self.pool).take(address);
        let (result, socket) = match kept {
            Some(socket) => self.on_kept(request, address, socket, deadline).await,
            None => self.on_new(request, address, deadline, true).await,
        };
        lock(&self.pool).put(address, socket);
        result
    }

    /// The outcome, and the connection where it can carry another request.
    async fn on_new(
        &self,
        request: Request,
        address: SocketAddr,
        deadline: Instant,
        keep: bool,
    ) -> ((Result<Answer, Failure>, Via), Option<Socket>) {
        match Socket::open(address, deadline).await {
            Ok(mut socket) => {
                let result = socket.ask(&self.bytes(request, keep), SAID, deadline).await;
                let via = Via::of(&socket, Connection::New);
                let again = keep && result.as_ref().is_ok_and(|answer| answer.keep);
                ((result, via), again.then_some(socket))
            }
            Err(failure) => ((Err(failure), Via::NONE), None),
        }
    }

    async fn on_kept(
        &self,
        request: Request,
        address: SocketAddr,
        mut socket: Socket,
        deadline: Instant,
    ) -> ((Result<Answer, Failure>, Via), Option<Socket>) {
        let via = Via::of(&socket, Connection::Kept);
        let written = Instant::now();
        let result = socket.ask(&self.bytes(request, true), SAID, deadline).await;
        match result {
            Ok(answer) => {
                let keep = answer.keep;
                let via = Via {
                    pod: socket.pod.clone(),
                    ..via
                };
                ((Ok(answer), via), keep.then_some(socket))
            }
            Err(failure) => {
                let crossed = matches!(failure.kind, Kind::Closed | Kind::Reset)
                    && !socket.begun
                    && written.elapsed() <= Stale::crossing(request);
                if crossed && self.plan.stale == Stale::Retry {
                    lock(&self.tally).retried();
                    return self.on_new(request, address, deadline, true).await;
                }
                ((Err(failure), via), None)
            }
        }
    }

    fn bytes(&self, request: Request, keep: bool) -> Vec<u8> {
        let (path, host) = (self.plan.path(request), &self.plan.host);
        let close = if keep { "" } else { "Connection: close\r\n" };
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: prove\r\nAccept: */*\r\n{close}\r\n"
        )
        .into_bytes()
    }
}

fn whole(done: Result<(), JoinError>) -> anyhow::Result<()> {
    done.context("the load generator lost sight of a request")
}
