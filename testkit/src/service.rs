//! One address for several replicas, where no kube-proxy runs: it stands for a Service.
//!
//! As a Service does, it leads each new connection to one of the replicas that are ready, and knows of a change only some
//! time after it; what is connected stays where it is. It tries nothing twice: where a replica does not take a connection, the
//! caller's is closed. A replica is ready as the endpoints controller sees it: its `/readyz` answers 200, and it has not been told to go.

use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::http;

/// Between two looks at `/readyz`; a kubelet looks less often, but hears at once of a container that ended.
const LOOK: Duration = Duration::from_millis(200);
/// From a change of readiness until new connections go by it: the kubelet, the endpoints controller and kube-proxy, one after
/// the other. Something in between each time.
const LAG: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// For a look, and for a connection on loopback.
const PROMPT: Duration = Duration::from_secs(2);

/// An address of 127.0.0.1 that leads to the replicas that are ready. Nothing new is led anywhere once it is dropped.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    members: Mutex<Vec<Member>>,
    turns: AtomicUsize,
    ended: AtomicBool,
    lost: AtomicUsize,
}

#[derive(Debug)]
struct Member {
    name: String,
    to: SocketAddr,
    admin: SocketAddr,
    /// It has been told to go.
    going: bool,
    /// What was seen last, and what new connections go by.
    ready: bool,
    led_to: bool,
    /// Changes that have not come through yet.
    changes: Vec<(Instant, bool)>,
    carried: usize,
}

impl Shared {
    fn members(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let asked: Vec<_> = {
            let members = self.members();
            members
                .iter()
                .map(|member| (member.name.clone(), member.admin))
                .collect()
        };
        for (name, admin) in asked {
            let answer = http::get(admin, "admin", "/readyz", PROMPT);
            let ready = answer.is_ok_and(|answer| answer.status == 200);
            let mut members = self.members();
            if let Some(member) = members.iter_mut().find(|member| member.name == name) {
                member.seen(ready && !member.going);
            }
        }
        let now = Instant::now();
        for member in self.members().iter_mut() {
            while member.changes.first().is_some_and(|(due, _)| *due <= now) {
                member.led_to = member.changes.remove(0).1;
            }
        }
    }

    /// The next one in turn, of those that new connections are led to.
    fn next(&self) -> Option<SocketAddr> {
        let mut members = self.members();
        let mut there: Vec<_> = members.iter_mut().filter(|member| member.led_to).collect();
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let at = turn.checked_rem(there.len())?;
        let member = there.get_mut(at)?;
        member.carried += 1;
        Some(member.to)
    }

    fn lead(&self, caller: &TcpStream) {
        let Some(to) = self.next() else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        match TcpStream::connect_timeout(&to, PROMPT) {
            Ok(replica) => {
                let both = [(caller, &replica), (&replica, caller)];
                let both =
                    both.map(|(from, to)| Some((from.try_clone().ok()?, to.try_clone().ok()?)));
                for (from, to) in both.into_iter().flatten() {
                    thread::spawn(move || carry(from, to));
                }
            }
            Err(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Member {
    fn seen(&mut self, ready: bool) {
        if self.ready != ready {
            self.ready = ready;
            let between = LAG.1.saturating_sub(LAG.0);
            let dice = std::hash::RandomState::new().build_hasher().finish() % 1000;
            let more = between * u32::try_from(dice).unwrap_or_default() / 1000;
            self.changes.push((Instant::now() + LAG.0 + more, ready));
        }
    }
}

/// Carries bytes one way until their end, and their end too.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    // Small answers are not held back for more to come.
    drop(to.set_nodelay(true));
    let mut bytes = [0; 16 * 1024];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => break drop(to.shutdown(Shutdown::Write)),
            Ok(read) if to.write_all(&bytes[..read]).is_ok() => {}
            _ => {
                // One of them is gone.
                drop(from.shutdown(Shutdown::Both));
                break drop(to.shutdown(Shutdown::Both));
            }
        }
    }
}

impl Service {
    /// Begins to listen, with nobody behind it.
    ///
    /// # Errors
    /// Where no port can be had.
    pub fn listen() -> io::Result<Self> {
        let socket = crate::ports::listen()?;
        let address = socket.local_addr()?;
        let shared = Arc::<Shared>::default();
        let looking = Arc::clone(&shared);
        thread::spawn(move || {
            while !looking.ended.load(Ordering::Relaxed) {
                looking.look();
                thread::sleep(LOOK);
            }
        });
        let leading = Arc::clone(&shared);
        thread::spawn(move || {
            for caller in socket.incoming() {
                if leading.ended.load(Ordering::Relaxed) {
                    break;
                }
                if let Ok(caller) = caller {
                    let leading = Arc::clone(&leading);
                    thread::spawn(move || leading.lead(&caller));
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// One more replica, under a name of its own: where it serves, and where its `/readyz` is.
    pub fn add(&self, name: &str, to: SocketAddr, admin: SocketAddr) {
        self.shared.members().push(Member {
            name: name.to_owned(),
            to,
            admin,
            going: false,
            ready: false,
            led_to: false,
            changes: Vec::new(),
            carried: 0,
        });
    }

    /// The replica has been told to go, as a pod that is deleted has: it counts as not ready from now on.
    pub fn going(&self, name: &str) {
        let mut members = self.shared.members();
        if let Some(member) = members.iter_mut().find(|member| member.name == name) {
            member.going = true;
            member.seen(false);
        }
    }

    /// Whether new connections are led to it.
    #[must_use]
    pub fn leads_to(&self, name: &str) -> bool {
        let members = self.shared.members();
        members
            .iter()
            .any(|member| member.name == name && member.led_to)
    }

    /// How many connections each replica was given, in the order in which they were added.
    #[must_use]
    pub fn carried(&self) -> Vec<usize> {
        let members = self.shared.members();
        members.iter().map(|member| member.carried).collect()
    }

    /// How many connections no replica took.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // It waits for a caller.
        drop(TcpStream::connect_timeout(&self.address, PROMPT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::eventually;
    use std::net::TcpListener;

    /// Answers every request on a port of its own with this status and text, until it is told to stop.
    struct Server(SocketAddr, Arc<AtomicBool>);

    fn server(text: &'static str) -> Server {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            for stream in socket.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let mut stream = stream.unwrap();
                if let Ok(Some(_)) = http::head(&mut stream) {
                    let length = text.len();
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                    drop(stream.write_all((head + text).as_bytes()));
                }
            }
        });
        Server(at, stop)
    }

    fn says(service: &Service) -> Option<String> {
        let at = ([127, 0, 0, 1], service.port()).into();
        let answer = http::get(at, "service", "/", PROMPT).ok()?;
        Some(answer.text())
    }

    #[test]
    fn new_connections_go_to_what_is_ready_and_a_change_comes_through_late() {
        let service = Service::listen().unwrap();
        assert_eq!(says(&service), None);
        assert_eq!(service.lost(), 1);
        let (one, other) = (server("one"), server("other"));
        let begun = Instant::now();
        service.add("one", one.0, one.0);
        eventually("that it is led to", || says(&service));
        assert!(begun.elapsed() >= LAG.0);
        service.add("other", other.0, other.0);
        eventually("the other", || service.leads_to("other").then_some(()));
        let both: Vec<_> = (0..4).filter_map(|_| says(&service)).collect();
        assert!(both.len() == 4 && both[0] != both[1] && both[0] == both[2]);

        // It answers no more, and is led to for a while.
        one.1.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(one.0));
        let lost: Vec<_> = (0..2).filter_map(|_| says(&service)).collect();
        assert_eq!(lost, ["other"]);
        eventually("that it is out", || {
            (!service.leads_to("one")).then_some(())
        });
        assert_eq!(says(&service).as_deref(), Some("other"));
        service.going("other");
        assert_eq!(says(&service).as_deref(), Some("other"));
        eventually("that nobody is left", || {
            (!service.leads_to("other")).then_some(())
        });
        assert_eq!(says(&service), None);
        assert!(service.carried().iter().all(|carried| *carried > 1));
    }
}
