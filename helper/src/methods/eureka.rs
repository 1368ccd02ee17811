//! Eureka: a status override and not DELETE, which the next heartbeat undoes. It sticks to the id for as long as an
//! instance of that id is known. Lists come from a cache of up to 30 s; an instance's own page does not.

use alloc::vec::Vec;

use crate::address;
use crate::attempt::{Answer, Attempt, Outcome, Server, Trouble};
use crate::fill::As;
use crate::json::Object;
use crate::listed::Listed;
use crate::text::{base64, component, number};

pub(super) fn deregister(attempt: &Attempt<'_>) -> Outcome {
    each(attempt, |call| {
        let place = text!(" (", call.server.base, ")");
        let Some((id, answer)) = call.instance("PUT", "/status?value=OUT_OF_SERVICE", None)? else {
            return Ok(attempt.absent(text!(
                call.who(b""),
                " is not registered, nothing to switch off",
                place
            )));
        };
        call.server.judge(&answer, "change", &[200])?;
        Ok(text!("left as ", id, " of ", call.app, place))
    })
}

pub(super) fn reenable(attempt: &Attempt<'_>) -> Outcome {
    each(attempt, |call| {
        let place = text!(" (", call.server.base, ")");
        let mut off = false;
        // Versions differ in how they write the name.
        let mut look = |object: &Object| {
            off |= ["overriddenStatus", "overriddenstatus"]
                .iter()
                .any(|key| object.text(key) == Some(b"OUT_OF_SERVICE"));
        };
        let Some((id, answer)) = call.instance("GET", "", Some(&mut look))? else {
            return Ok(text!(
                call.who(b""),
                " is not registered, nothing to switch on",
                place
            ));
        };
        call.server.judge(&answer, "read", &[200])?;
        // A server forgets the override with the instance; one without it is new and must not be disturbed.
        if !off {
            call.server.judge_absence(&answer, "read")?;
            return Ok(text!(id, " is not switched off", place));
        }
        // Without a value: with UP it would be listed before the application is there. Its next heartbeat registers
        // it as it is.
        let answer = call.with_id("DELETE", &id, "/status", None)?;
        call.server.judge(&answer, "change", &[200, 404])?;
        Ok(text!("back as ", id, " of ", call.app, place))
    })
}

/// The server's answer comes from the cache that callers are served from.
pub(super) fn listed(attempt: &Attempt<'_>) -> Result<Listed, Trouble> {
    each(attempt, |call| {
        let podip = attempt.podip()?;
        let name = if call.known.is_empty() {
            &podip
        } else {
            call.known
        };
        let mut listed = Listed::new(&call.who(name));
        let mut is_list = false;
        let mut look = |object: &Object| {
            is_list |= object.has_list("instance");
            let (Some(id), Some(address)) = (object.text("instanceId"), object.text("ipAddr"))
            else {
                return;
            };
            if object.text("status") == Some(b"UP") {
                let here = || call.is_here(address) && call.is_at_port(object);
                listed.add(id == call.known || here());
            }
        };
        let path = text!("/apps/", component(call.app));
        let answer = attempt.ask(&call.server, "GET", &path, b"", Some(&mut look))?;
        if answer.status == 404 {
            return Ok(listed);
        }
        call.server.judge(&answer, "list", &[200])?;
        call.server.judge_list(&answer, &listed, is_list)?;
        Ok(listed)
    })
}

/// What is asked of one server.
struct Call<'a> {
    attempt: &'a Attempt<'a>,
    server: Server<'a>,
    app: &'a [u8],
    /// The id by the default pattern or the setting.
    known: &'a [u8],
    port: Option<&'a [u8]>,
    podip: Vec<u8>,
    /// How the registry may have it.
    addresses: Vec<Vec<u8>>,
}

fn each<T>(
    attempt: &Attempt<'_>,
    step: impl Fn(&Call<'_>) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let settings = attempt.settings;
    let app = settings
        .some("SILKROLL_EUREKA_APP")
        .ok_or_else(|| Trouble::never("SILKROLL_EUREKA_APP is not set"))?;
    let known = attempt.fill(&settings.get("SILKROLL_EUREKA_INSTANCE"), As::Raw)?;
    let port = settings.some("SILKROLL_EUREKA_PORT");
    let mut headers = Vec::from([b"Accept: application/json".to_vec()]);
    if let Some(user) = settings.some("SILKROLL_EUREKA_USERNAME") {
        let pair = text!(user, ":", settings.get("SILKROLL_EUREKA_PASSWORD"));
        headers.push(text!("Authorization: Basic ", base64(&pair)));
    }
    let podip = settings.get("podip");
    let addresses = address::forms(&podip);
    attempt.each_server("SILKROLL_EUREKA_SERVER", "/eureka", &mut |base| {
        step(&Call {
            attempt,
            server: Server {
                base,
                headers: &headers,
            },
            app: &app,
            known: &known,
            port: port.as_deref(),
            podip: podip.clone(),
            addresses: addresses.clone(),
        })
    })
}

impl Call<'_> {
    /// The instance in the log's words, by its id where that is known.
    fn who(&self, id: &[u8]) -> Vec<u8> {
        match self.port {
            _ if !id.is_empty() => text!(id, " of ", self.app),
            Some(port) => text!(self.podip, ":", port, " of ", self.app),
            None => text!(self.podip, " of ", self.app),
        }
    }

    fn is_here(&self, address: &[u8]) -> bool {
        address::is_one(&self.addresses, address)
    }

    /// Where a port is set, whether the instance has it.
    fn is_at_port(&self, object: &Object) -> bool {
        self.port.is_none_or(|port| {
            [object.bare("port"), object.bare("securePort")].contains(&Some(port))
        })
    }

    fn with_id(
        &self,
        verb: &str,
        id: &[u8],
        rest: &str,
        look: Option<&mut dyn FnMut(&Object)>,
    ) -> Result<Answer, Trouble> {
        let path = text!("/apps/", component(self.app), "/", component(id), rest);
        self.attempt.ask(&self.server, verb, &path, b"", look)
    }

    /// Asks for the known id, or for the instance that the list has at our address where there is no such id.
    fn instance(
        &self,
        verb: &str,
        rest: &str,
        mut look: Option<&mut dyn FnMut(&Object)>,
    ) -> Result<Option<(Vec<u8>, Answer)>, Trouble> {
        if !self.known.is_empty() {
            let answer =
                self.with_id(verb, self.known, rest, look.as_mut().map(|f| &mut **f as _))?;
            if answer.status != 404 {
                return Ok(Some((self.known.to_vec(), answer)));
            }
        }
        let Some(id) = self.by_address()? else {
            return Ok(None);
        };
        let answer = self.with_id(verb, &id, rest, look)?;
        Ok((answer.status != 404).then_some((id, answer)))
    }

    /// The only instance at our address, and at our port where one is set.
    fn by_address(&self) -> Result<Option<Vec<u8>>, Trouble> {
        let podip = self.attempt.podip()?;
        let mut id = None;
        let mut count = 0;
        let mut look = |object: &Object| {
            if let Some(name) = object.text("instanceId")
                && object.text("ipAddr").is_some_and(|ip| self.is_here(ip))
                && self.is_at_port(object)
            {
                id = Some(name.to_vec());
                count += 1;
            }
        };
        let path = text!("/apps/", component(self.app));
        let answer = self
            .attempt
            .ask(&self.server, "GET", &path, b"", Some(&mut look))?;
        if answer.status == 404 {
            return Ok(None);
        }
        self.server.judge(&answer, "list", &[200])?;
        if count < 2 {
            // The rest of a list that broke off may hold another one, or this one.
            self.server.judge_absence(&answer, "list")?;
        } else {
            return Err(Trouble::never(text!(
                number(count),
                " instances of ",
                self.app,
                " are at ",
                podip,
                ": which is this one needs a port (",
                self.server.base,
                ")"
            )));
        }
        Ok(id)
    }
}
