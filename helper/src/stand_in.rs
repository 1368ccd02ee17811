//! A world for tests: variables, a clock that only waiting moves, and a server that answers from a function.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::attempt::World;

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) host: String,
    pub(crate) verb: String,
    pub(crate) target: String,
    pub(crate) text: String,
    pub(crate) until: u64,
}

/// Before an answer of which Consul hides some.
pub(crate) const FILTERED: &str = "filtered:";
/// What files hold, by path and time.
type Files = dyn Fn(&str, u64) -> Option<String>;

type Answers = dyn Fn(&Asked) -> Option<(u16, String)>;

pub(crate) struct Registry {
    vars: HashMap<Vec<u8>, Vec<u8>>,
    answers: Box<Answers>,
    files: Box<Files>,
    now: Cell<u64>,
    asked: RefCell<Vec<Asked>>,
    said: RefCell<Vec<String>>,
    /// The milliseconds that an answer takes.
    pub(crate) takes: u64,
}

impl Registry {
    /// `None`: no answer, which takes all the time there is.
    pub(crate) fn new(
        vars: &[(&str, &str)],
        answers: impl Fn(&Asked) -> Option<(u16, String)> + 'static,
    ) -> Self {
        Self {
            vars: vars
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect(),
            answers: Box::new(answers),
            files: Box::new(|_, _| None),
            now: Cell::new(0),
            asked: RefCell::default(),
            said: RefCell::default(),
            takes: 0,
        }
    }

    /// A world without a registry, with files.
    pub(crate) fn of_files(
        vars: &[(&str, &str)],
        files: impl Fn(&str, u64) -> Option<String> + 'static,
    ) -> Self {
        Self {
            files: Box::new(files),
            ..Self::new(vars, |_| None)
        }
    }

    /// Takes what was asked so far, and sets the clock back.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.now.set(0);
        self.asked.take()
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.take()
    }
}

impl World for Registry {
    fn var(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.vars.get(name).cloned()
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn say(&self, line: &[u8]) {
        self.said
            .borrow_mut()
            .push(String::from_utf8_lossy(line).into_owned());
    }

    fn pause(&self, millis: u64) {
        self.now.set(self.now.get() + millis);
    }

    fn file(&self, path: &[u8]) -> Option<Vec<u8>> {
        let path = String::from_utf8_lossy(path);
        (self.files)(&path, self.now.get()).map(String::into_bytes)
    }

    fn exchange(
        &self,
        host: &[u8],
        port: u16,
        request: &[u8],
        until: u64,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) {
        let text = String::from_utf8_lossy(request).into_owned();
        let mut words = text.split(' ').map(str::to_owned);
        let asked = Asked {
            host: format!("{}:{port}", String::from_utf8_lossy(host)),
            verb: words.next().unwrap(),
            target: words.next().unwrap(),
            text,
            until,
        };
        self.asked.borrow_mut().push(asked.clone());
        match (self.answers)(&asked) {
            None => self.now.set(until),
            Some((status, body)) => {
                self.now.set(self.now.get() + self.takes);
                let body = body.strip_prefix(FILTERED).map_or_else(
                    || format!("\r\n{body}"),
                    |body| format!("X-Consul-Results-Filtered-By-ACLs: true\r\n\r\n{body}"),
                );
                take(format!("HTTP/1.1 {status} x\r\n{body}").as_bytes());
            }
        }
    }
}
