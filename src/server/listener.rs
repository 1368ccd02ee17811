//! Accepts connections, no more than allowed, and stops without dropping a request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::{self, Phase, Shared, Situation};
use super::limits::Limits;
use crate::observe::Metrics;

/// The first pause after an accept that failed, doubled up to [`LONGEST_PAUSE`]. Out of file
/// descriptors, accepting at once again would only burn a core.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Short enough to be back soon after descriptors are free again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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

impl Listener {
    /// Serves until `shutdown` is ready and everything under way has ended.
    ///
    /// After `shutdown` it goes on accepting and answering for [`Limits::drain`], asking each
    /// client to go elsewhere (`Connection: close`, or GOAWAY on HTTP/2). Then it closes idle
    /// connections, lets answers under way finish within [`Limits::close`], and returns.
    ///
    /// A handler that panics answers 500; it ends neither the connection nor the process.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (tell, situation) = watch::channel(Situation::default());
        let shared = Arc::new(Shared {
            tls: self.tls,
            app: self.app,
            limits: self.limits,
            metrics: self.metrics,
            situation,
        });
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let mut accept = Accept {
            name: self.name,
            socket: self.socket,
            tell: &tell,
            permits,
            shared,
            waiting: None,
            tasks: JoinSet::new(),
        };

        tokio::select! {
            () = accept.forever() => {}
            () = shutdown => {}
        }
        tell.send_modify(|now| now.phase = Phase::Draining);
        tracing::info!(listener = self.name, drain = ?self.limits.drain, "draining");
        let end = Instant::now() + self.limits.drain;
        tokio::select! {
            () = accept.forever() => {}
            () = sleep_until(end) => {}
        }
        tell.send_modify(|now| now.phase = Phase::Closing);
        let Accept { socket, tasks, .. } = accept;
        drop(socket);
        finish(self.name, self.limits.close, tasks).await;
    }
}

struct Accept<'a> {
    name: &'static str,
    socket: TcpListener,
    tell: &'a watch::Sender<Situation>,
    permits: Arc<Semaphore>,
    shared: Arc<Shared>,
    /// Accepted, but without a place yet: the one beyond the cap that shows that somebody waits.
    waiting: Option<TcpStream>,
    tasks: JoinSet<()>,
}

impl Accept<'_> {
    /// Accepts without end. May be dropped and called again at any time.
    async fn forever(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.waiting.is_some() {
                let permit = self.permit().await;
                if let Some(tcp) = self.waiting.take() {
                    self.start(tcp, permit);
                }
            }
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(_) = self.tasks.join_next() => continue,
            };
            match accepted {
                Ok((tcp, _)) => {
                    pause = FIRST_PAUSE;
                    self.waiting = Some(tcp);
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    tracing::warn!(
                        listener = self.name, %error, retry_in = ?pause,
                        "no connection can be accepted; if files ran out, raise the limit of open files"
                    );
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// A place for the connection that waits; while there is none, idle ones are asked to go.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permits = Arc::clone(&self.permits);
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Some(permit);
        }
        self.full(true);
        // Only a closed semaphore refuses, and nothing closes this one.
        let permit = permits.acquire_owned().await.ok();
        self.full(false);
        permit
    }

    fn full(&self, full: bool) {
        self.tell
            .send_if_modified(|now| std::mem::replace(&mut now.full, full) != full);
    }

    fn start(&mut self, tcp: TcpStream, permit: Option<OwnedSemaphorePermit>) {
        let shared = Arc::clone(&self.shared);
        let open = shared.metrics.connection(self.name);
        self.tasks.spawn(async move {
            connection::serve(shared, tcp).await;
            drop(open);
            drop(permit);
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

async fn finish(name: &'static str, bound: Duration, mut tasks: JoinSet<()>) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(bound, all).await.is_err() {
        tracing::warn!(
            listener = name,
            connections = tasks.len(),
            "connections cut: their answers were not done in time"
        );
        tasks.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_went_is_accepted_past_without_a_pause() {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM; ECONNABORTED, ECONNRESET, EINTR (Linux).
        for (code, clients) in [
            (24, false),
            (23, false),
            (105, false),
            (12, false),
            (103, true),
            (104, true),
            (4, true),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(is_the_clients(&error), clients, "{error}");
        }
    }
}
