//! One try at deregistering or re-enabling: calls to servers, each bounded, and what went wrong.

use alloc::vec::Vec;
use core::cell::Cell;

use crate::http::{Reader, request};
use crate::json::{Object, Objects, Whole};
use crate::listed::Listed;
use crate::settings::Settings;
use crate::text::{cut, number, trim, url_text};
use crate::url::Url;

/// What the hook needs of the world. Times are milliseconds of a clock that only goes forward.
pub trait World {
    /// A variable of the environment.
    fn var(&self, name: &[u8]) -> Option<Vec<u8>>;
    /// The clock.
    fn now(&self) -> u64;
    /// Writes a line into the container's log.
    fn say(&self, line: &[u8]);
    /// Waits.
    fn pause(&self, millis: u64);
    /// The whole of a file; none where it cannot be read.
    fn file(&self, path: &[u8]) -> Option<Vec<u8>>;
    /// Connects, sends the request and hands on what comes back, until `take` says that it is enough, the other
    /// side ends or the clock shows `until`.
    fn exchange(
        &self,
        host: &[u8],
        port: u16,
        request: &[u8],
        until: u64,
        take: &mut dyn FnMut(&[u8]) -> bool,
    );
}

/// Why it is not done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Whether trying again may help.
    pub(crate) again: bool,
    /// For the log.
    pub(crate) what: Vec<u8>,
}

impl Trouble {
    pub(crate) fn never(what: impl AsRef<[u8]>) -> Self {
        Self {
            again: false,
            what: what.as_ref().to_vec(),
        }
    }

    pub(crate) fn again(what: impl AsRef<[u8]>) -> Self {
        Self {
            again: true,
            what: what.as_ref().to_vec(),
        }
    }
}

/// What was done, for the log; nothing where nothing was to be done.
pub(crate) type Outcome = Result<Vec<u8>, Trouble>;

/// Words of an answer that are looked at: a registry says what is wrong in its first lines.
const WORDS_BYTES: usize = 4096;
/// More is no answer of a registry: 10,000 instances of Nacos take 5 MB.
const ANSWER_BYTES: usize = 32 * 1024 * 1024;

pub(crate) struct Answer {
    /// 0: there was none.
    pub(crate) status: u16,
    /// The beginning of the body.
    pub(crate) words: Vec<u8>,
    /// Whether the token hides some of it from us (Consul).
    pub(crate) filtered: bool,
    /// What it is, where all its objects were seen.
    whole: Option<Whole>,
}

/// Which server of a list answered last, by its place there from 1 on; 0 where none has yet. The next round begins with it.
#[derive(Debug, Default)]
pub struct Answered(Cell<u8>);

impl Answered {
    /// The server at that place has answered.
    #[must_use]
    pub fn by(place: u8) -> Self {
        Self(Cell::new(place))
    }

    /// Its place.
    #[must_use]
    pub fn place(&self) -> u8 {
        self.0.get()
    }
}

/// A try with its bounds.
pub(crate) struct Attempt<'w> {
    pub(crate) world: &'w dyn World,
    pub(crate) settings: Settings<'w>,
    deadline: u64,
    /// What one call may take at most.
    most: u64,
    /// What one call to the server that is being asked may take.
    each: Cell<u64>,
    /// When the server that is being asked came first.
    asked: Cell<u64>,
    answered: &'w Answered,
    /// Whether there was nothing to take out.
    absent: Cell<bool>,
}

impl<'w> Attempt<'w> {
    /// With several servers a dead one must leave time for the others: 3 s each, for a node may forward and wait
    /// 2 s itself.
    pub(crate) fn new(
        world: &'w dyn World,
        limit_seconds: u64,
        several: bool,
        answered: &'w Answered,
    ) -> Self {
        const EACH_OF_SEVERAL: u64 = 3;
        let most = if several {
            limit_seconds.min(EACH_OF_SEVERAL)
        } else {
            limit_seconds
        };
        Self {
            world,
            settings: Settings(world),
            deadline: world.now() + limit_seconds * 1000,
            most: most * 1000,
            each: Cell::new(most * 1000),
            asked: Cell::new(world.now()),
            answered,
            absent: Cell::new(false),
        }
    }

    /// How long the server that was asked last took in all.
    pub(crate) fn server_took(&self) -> u64 {
        self.world.now().saturating_sub(self.asked.get())
    }

    /// Done, for it is not registered; it may register yet.
    pub(crate) fn absent(&self, what: Vec<u8>) -> Vec<u8> {
        self.absent.set(true);
        what
    }

    pub(crate) fn found_absent(&self) -> bool {
        self.absent.get()
    }

    /// Would there be time for anything after a pause? Giving up before the end leaves time to say why.
    pub(crate) fn time_to_pause(&self) -> bool {
        const PAUSE_AND_CALL: u64 = 1500;
        self.deadline.saturating_sub(self.world.now()) > PAUSE_AND_CALL
    }

    /// Sends a request whose URL has been through `url_text`. Where `objects` is given, it sees the objects of the answer.
    pub(crate) fn call(
        &self,
        verb: &[u8],
        url: &[u8],
        headers: &[Vec<u8>],
        body: &[u8],
        mut objects: Option<&mut dyn FnMut(&Object)>,
    ) -> Result<Answer, Trouble> {
        let parts = Url::parse(verb, url)?;
        let now = self.world.now();
        let until = self.deadline.min(now + self.each.get());
        let mut reader = Reader::new(verb);
        let mut words = Vec::new();
        let mut scanner = Objects::new();
        let mut size = 0;
        if now < until {
            let request = request(verb, &parts, headers, body);
            self.world
                .exchange(parts.host, parts.port, &request, until, &mut |bytes| {
                    size += bytes.len();
                    let complete = reader.take(bytes, &mut |part| {
                        let room = WORDS_BYTES.saturating_sub(words.len());
                        words.extend_from_slice(part.get(..room.min(part.len())).unwrap_or(part));
                        if let Some(found) = objects.as_deref_mut() {
                            scanner.take(part, found);
                        }
                    });
                    // Where only the status counts, an answer that does not end holds nothing up.
                    let enough = objects.is_none()
                        && !reader.in_head()
                        && body_is_of_no_use(reader.status());
                    complete || enough || size > ANSWER_BYTES
                });
        }
        Ok(Answer {
            status: reader.status(),
            words,
            filtered: reader.header("X-Consul-Results-Filtered-By-ACLs") == Some(b"true"),
            whole: scanner.whole(),
        })
    }

    /// A server's answer, which there has to be.
    pub(crate) fn ask(
        &self,
        server: &Server<'_>,
        verb: &str,
        path: &[u8],
        body: &[u8],
        objects: Option<&mut dyn FnMut(&Object)>,
    ) -> Result<Answer, Trouble> {
        let url = text!(server.base, path);
        let answer = self.call(verb.as_bytes(), &url, server.headers, body, objects)?;
        if answer.status == 0 {
            let asked = path.split(|byte| *byte == b'?').next().unwrap_or_default();
            return Err(Trouble::again(text!(
                "no answer from ",
                server.base,
                " to ",
                verb,
                " ",
                asked
            )));
        }
        Ok(answer)
    }

    /// Tries each base URL of a list until one has done it. A URL without a path gets `path`. The one that answered last comes
    /// first. Each may be silent: the first of several gets half of the time that is left at most, those behind it share the rest.
    pub(crate) fn each_server<T>(
        &self,
        variable: &str,
        path: &str,
        each: &mut dyn FnMut(&[u8]) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let list = self.settings.get(variable);
        let first_word = |server| trim(server).split(|byte| *byte == b' ').next();
        let servers = list.split(|byte| *byte == b',').filter_map(first_word);
        let servers = servers.filter(|server| !server.is_empty());
        let mut servers: Vec<_> = (1..=u8::MAX).zip(servers).collect();
        let answered = |(place, _): &(u8, _)| *place == self.answered.place();
        if let Some(at) = servers.iter().position(answered) {
            let first = servers.remove(at);
            servers.insert(0, first);
        }
        let mut worst = if servers.is_empty() {
            Trouble::never(text!(variable, " names no server"))
        } else {
            Trouble::never("there is no time left to ask a server")
        };
        let several = servers.len() as u64;
        for (sharing, (place, server)) in (1..=several).rev().zip(servers) {
            if !self.begin_server(place, sharing, sharing == several) {
                worst.again = true;
                break;
            }
            let server = server.strip_suffix(b"/").unwrap_or(server);
            let mut base = url_text(&match cut(server, b"://") {
                Some(_) => server.to_vec(),
                None => text!("http://", server),
            });
            if cut(&base, b"://").is_none_or(|(_, rest)| !rest.contains(&b'/')) {
                base.extend_from_slice(path.as_bytes());
            }
            let outcome = each(&base);
            self.each.set(self.most);
            match outcome {
                Ok(what) => {
                    self.answered.0.set(place);
                    return Ok(what);
                }
                Err(trouble) => {
                    worst = Trouble {
                        again: worst.again || trouble.again,
                        what: trouble.what,
                    }
                }
            }
        }
        Err(worst)
    }

    /// Bounds the calls to one server, where so many, itself included, are to be asked still. False where there is no time.
    fn begin_server(&self, place: u8, sharing: u64, is_first: bool) -> bool {
        let now = self.world.now();
        let left = self.deadline.saturating_sub(now);
        self.asked.set(now);
        if place != self.answered.place() {
            let share = if is_first { sharing.min(2) } else { sharing };
            let share = left.checked_div(share).unwrap_or(left);
            self.each.set(share.min(self.most));
        }
        left > 0
    }
}

/// Of a 2xx the status says it all; what is behind a refusal is in its words.
fn body_is_of_no_use(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A server, and what is sent to it each time.
pub(crate) struct Server<'a> {
    pub(crate) base: &'a [u8],
    pub(crate) headers: &'a [Vec<u8>],
}

impl Server<'_> {
    /// Is the status one of these? An error of the server may pass, and another server may do better; one of ours
    /// will not.
    pub(crate) fn judge(
        &self,
        answer: &Answer,
        request: &str,
        right: &[u16],
    ) -> Result<(), Trouble> {
        if right.contains(&answer.status) {
            return Ok(());
        }
        let status = number(answer.status.into());
        Err(Trouble {
            again: answer.status >= 500,
            what: text!(self.base, " answered ", status, " to the ", request),
        })
    }
}

impl Server<'_> {
    /// What was not found is not there only where the answer was whole, and one of a registry's.
    pub(crate) fn judge_absence(&self, answer: &Answer, request: &str) -> Result<(), Trouble> {
        self.judge_whole(answer, request, Whole::Object)
    }

    /// That no other one is listed is believed only of a whole answer that has a list: the page of an error has none.
    pub(crate) fn judge_list(
        &self,
        answer: &Answer,
        listed: &Listed,
        is_list: bool,
    ) -> Result<(), Trouble> {
        if listed.others {
            return Ok(());
        }
        self.judge_absence(answer, "list")?;
        if is_list {
            return Ok(());
        }
        let status = number(answer.status.into());
        let none = " to the list with something that is none";
        Err(Trouble::again(text!(self.base, " answered ", status, none)))
    }

    pub(crate) fn judge_whole(
        &self,
        answer: &Answer,
        request: &str,
        whole: Whole,
    ) -> Result<(), Trouble> {
        if answer.whole == Some(whole) {
            return Ok(());
        }
        let status = number(answer.status.into());
        Err(Trouble::again(text!(
            self.base,
            " answered ",
            status,
            " to the ",
            request,
            " with something else or a part"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::Registry;

    #[test]
    fn servers_are_tried_in_turn_and_the_worst_hope_counts() {
        let registry = Registry::new(&[("S", " a:1/ , ,http://b/x,c ?d")], |_| None);
        let mut seen = Vec::new();
        let answered = Answered::default();
        let attempt = Attempt::new(&registry, 9, true, &answered);
        let outcome = attempt.each_server("S", "/p", &mut |base| {
            seen.push(String::from_utf8(base.to_vec()).unwrap());
            Err::<Vec<u8>, _>(if seen.len() == 2 {
                Trouble::again("busy")
            } else {
                Trouble::never("no")
            })
        });
        assert_eq!(seen, ["http://a:1/p", "http://b/x", "http://c/p"]);
        assert_eq!(outcome, Err(Trouble::again("no")));
        let none = attempt.each_server("NONE", "/p", &mut |_| Ok(Vec::<u8>::new()));
        assert_eq!(none, Err(Trouble::never("NONE names no server")));
    }

    #[test]
    fn one_of_several_servers_gets_three_seconds() {
        let registry = Registry::new(&[], |_| None);
        let answered = Answered::default();
        for (several, until) in [(true, 3000), (false, 9000)] {
            let attempt = Attempt::new(&registry, 9, several, &answered);
            let answer = attempt.call(b"GET", b"http://h/", &[], b"", None).unwrap();
            assert_eq!(answer.status, 0);
            assert_eq!(registry.asked().pop().unwrap().until, until);
        }
    }

    #[test]
    fn silent_servers_share_the_time_and_the_one_that_answers_comes_first_the_next_time() {
        let registry = Registry::new(&[("S", "a,b,c")], |asked| {
            (asked.host == "c:80").then(|| (200, String::new()))
        });
        let answered = Answered::default();
        let ask = |seconds| {
            let attempt = Attempt::new(&registry, seconds, true, &answered);
            let outcome = attempt.each_server("S", "", &mut |base| {
                let url = text!(base, "/");
                match attempt.call(b"GET", &url, &[], b"", None)?.status {
                    200 => Ok(attempt.server_took()),
                    _ => Err(Trouble::again("silent")),
                }
            });
            let asked = registry.asked().into_iter();
            (outcome, asked.map(|asked| (asked.host, asked.until)))
        };
        // Of 4 s a half, then half of the rest.
        let (outcome, asked) = ask(4);
        assert_eq!(outcome, Ok(0));
        let shares = [("a:80", 2000), ("b:80", 3000), ("c:80", 4000)];
        let shares = shares.map(|(host, until)| (host.to_owned(), until));
        assert_eq!(asked.collect::<Vec<_>>(), shares);
        assert_eq!(answered.place(), 3);
        let (outcome, asked) = ask(4);
        assert_eq!(outcome, Ok(0));
        assert_eq!(asked.collect::<Vec<_>>(), [("c:80".to_owned(), 3000)]);
    }
}
