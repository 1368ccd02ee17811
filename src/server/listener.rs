//! Accepts connections, no more than allowed, and stops without dropping a request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::activity::{Activity, Class};
use super::connection::{self, Phase, Shared, Situation};
use super::door;
use super::limits::Limits;
use super::places::Places;
use crate::observe::Metrics;

/// The first pause after an accept that failed, doubled up to [`LONGEST_PAUSE`]. Out of file
/// descriptors, accepting at once again would only burn a core.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Short enough to be back soon after descriptors are free again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How soon a place is looked for again where every connection works on an answer or is new.
const NEXT_LOOK: Duration = Duration::from_millis(5);
/// During this no new connection has to come before the port closes.
const QUIET: Duration = Duration::from_secs(1);
/// Connections in the kernel's backlog; it allows 4,096 at most by default. Between two looks of the
/// accept loop hundreds can come.
pub const BACKLOG: u32 = 4096;

/// A bound port with what is served there.
pub struct Listener {
    /// Which port this is, in logs and metrics.
    pub name: &'static str,
    /// The bound socket: binding is the caller's, so that a taken port is an error at start.
    pub socket: TcpListener,
    /// None for a plain port.
    pub tls: Option<Arc<ServerConfig>>,
    /// The routes.
    pub app: Router,
    /// The bounds.
    pub limits: Limits,
    /// Where connections and refusals are counted.
    pub metrics: Arc<Metrics>,
}

/// Why a listener ended although nothing told it to.
#[derive(Debug, thiserror::Error)]
#[error("the {listener} port can accept no connection any more")]
pub struct Failed {
    /// Which port.
    pub listener: &'static str,
    /// What the kernel says.
    pub source: io::Error,
}

impl Listener {
    /// Serves until `shutdown` is ready and everything under way has ended.
    ///
    /// After `shutdown` it goes on accepting and answering for [`Limits::drain`], and for up to
    /// [`Limits::linger`] while new connections keep coming, asking each client to go elsewhere
    /// (`Connection: close`). Then the port closes behind whoever came through it. Idle connections
    /// are closed, answers under way finish within [`Limits::close`], and it returns.
    ///
    /// A handler that panics answers 500; it ends neither the connection nor the process.
    ///
    /// # Errors
    /// The socket fails for good.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Failed> {
        let (tell, situation) = watch::channel(Situation {
            phase: Phase::Serving,
            since: Instant::now(),
        });
        let enter = |phase| {
            tell.send_replace(Situation {
                phase,
                since: Instant::now(),
            });
        };
        small_kernel_buffers(&self.socket, self.limits.kernel_buffer);
        let shared = Arc::new(Shared {
            tls: self.tls,
            app: self.app,
            limits: self.limits,
            metrics: self.metrics,
            situation,
        });
        let mut accept = Accept {
            socket: self.socket,
            waiting: None,
            warned: None,
            last: Instant::now(),
            open: Connections {
                name: self.name,
                places: Places::new(self.limits.connections, self.limits.grace),
                shared,
                tasks: JoinSet::new(),
            },
        };

        tokio::select! {
            failed = accept.forever() => return Err(failed),
            () = shutdown => {}
        }
        enter(Phase::Draining);
        tracing::info!(listener = self.name, drain = ?self.limits.drain, "draining");
        let drained = after(self.limits.drain);
        accept.until(drained).await?;
        let latest = drained + self.limits.linger;
        loop {
            let end = latest.min(accept.last + QUIET);
            if end <= Instant::now() {
                break;
            }
            accept.until(end).await?;
        }
        door::ignore_new_handshakes(&accept.socket);
        accept.until(after(door::HANDSHAKES)).await?;
        let mut tasks = accept.close();
        enter(Phase::Closing);
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(self.limits.close, all).await.is_err() {
            tracing::warn!(
                listener = self.name,
                connections = tasks.len(),
                "connections cut: their answers were not done in time"
            );
            tasks.shutdown().await;
        }
        Ok(())
    }
}

/// The moment after so long, or one that never comes: an [`Instant`] cannot hold every sum.
fn after(duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
    Instant::now() + duration.min(NEVER)
}

/// Accepted connections inherit them.
fn small_kernel_buffers(socket: &TcpListener, bytes: usize) {
    let socket = SockRef::from(socket);
    let set = socket
        .set_recv_buffer_size(bytes)
        .and_then(|()| socket.set_send_buffer_size(bytes));
    if let Err(error) = set {
        tracing::debug!(%error, "the kernel keeps its own sizes of buffers");
    }
}

struct Accept {
    socket: TcpListener,
    /// Accepted, but without a place yet: every connection works on an answer or is new.
    waiting: Option<TcpStream>,
    /// When it was last said that no connection can be accepted.
    warned: Option<Instant>,
    /// When a connection came last.
    last: Instant,
    open: Connections,
}

impl Accept {
    /// Accepts until then.
    async fn until(&mut self, end: Instant) -> Result<(), Failed> {
        tokio::select! {
            failed = self.forever() => Err(failed),
            () = sleep_until(end) => Ok(()),
        }
    }

    /// Accepts until the socket fails for good. May be dropped and called again at any time.
    async fn forever(&mut self) -> Failed {
        let mut pause = FIRST_PAUSE;
        loop {
            while self.waiting.is_some() && !self.open.has_place() {
                tokio::select! {
                    Some(ended) = self.open.tasks.join_next_with_id() => self.open.ended(ended),
                    () = sleep(NEXT_LOOK) => {}
                }
            }
            if let Some(tcp) = self.waiting.take() {
                self.open.start(tcp);
            }
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(ended) = self.open.tasks.join_next_with_id() => {
                    self.open.ended(ended);
                    continue;
                }
            };
            match accepted {
                Ok((tcp, _)) => {
                    pause = FIRST_PAUSE;
                    self.last = Instant::now();
                    self.waiting = Some(tcp);
                }
                Err(error) if is_the_clients(&error) => {}
                Err(source) if is_for_good(&source) => {
                    return Failed {
                        listener: self.open.name,
                        source,
                    };
                }
                Err(error) => {
                    self.warn(&error);
                    // The one that is missed least has a descriptor that the next one needs.
                    if self.open.evict() {
                        pause = FIRST_PAUSE;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn warn(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.warned.is_none_or(|at| now >= at + LONGEST_PAUSE) {
            self.warned = Some(now);
            tracing::warn!(
                listener = self.open.name, %error,
                "no connection can be accepted; if files ran out, raise the limit of open files"
            );
        }
    }

    /// Closes the port behind all who came through it; what remains are the connections.
    fn close(self) -> JoinSet<()> {
        let mut open = self.open;
        let mut start = |tcp| {
            // Beyond the places, where all work on answers: there will be no more.
            open.has_place();
            open.start(tcp);
        };
        self.waiting.into_iter().for_each(&mut start);
        door::close(self.socket, start);
        open.tasks
    }
}

/// The connections of a listener.
struct Connections {
    name: &'static str,
    places: Places,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Connections {
    /// Whether there is a place for one more, made at the cost of another where need be.
    fn has_place(&mut self) -> bool {
        !self.places.are_taken() || self.evict()
    }

    fn evict(&mut self) -> bool {
        let Some(class) = self.places.evict() else {
            return false;
        };
        self.shared.metrics.refused(match class {
            Class::Unproven => "evicted-unproven",
            Class::Slow => "evicted-slow",
            Class::Idle => "evicted-idle",
            Class::Body => "evicted-body",
        });
        true
    }

    fn start(&mut self, tcp: TcpStream) {
        let shared = Arc::clone(&self.shared);
        let activity = Activity::new();
        let open = shared.metrics.connection(self.name);
        let served = activity.clone();
        let task = self.tasks.spawn(async move {
            connection::serve(shared, served, tcp).await;
            drop(open);
        });
        self.places.take(activity, task.id());
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        self.places.free(match ended {
            Ok((id, ())) => id,
            Err(error) => error.id(),
        });
    }
}

/// Whether an accept failed because this one client had gone already.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Whether an accept failed because this is no listening socket any more.
fn is_for_good(error: &io::Error) -> bool {
    // EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP: none of them depends on load or clients.
    matches!(error.raw_os_error(), Some(9 | 22 | 88 | 95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accept_that_failed_is_the_clients_or_for_good_or_tried_again_after_a_pause() {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM; ECONNABORTED, ECONNRESET, EINTR; EBADF, EINVAL (Linux).
        for (code, clients, for_good) in [
            (24, false, false),
            (23, false, false),
            (105, false, false),
            (12, false, false),
            (103, true, false),
            (104, true, false),
            (4, true, false),
            (9, false, true),
            (22, false, true),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(is_the_clients(&error), clients, "{error}");
            assert_eq!(is_for_good(&error), for_good, "{error}");
        }
    }
}
