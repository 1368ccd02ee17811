//! Nacos: 1.x and 2.x answer under /v1; 3.x answers 410 there (3.2: 404) and has /v3/admin. The instance is disabled
//! and not deleted, for its client would only register it again. A 200 proves nothing: the instance is read back.

use alloc::vec::Vec;

use crate::address;
use crate::attempt::{Answer, Attempt, Outcome, Server, Trouble};
use crate::json::Object;
use crate::listed::Listed;
use crate::text::{component, contains};

pub(super) fn deregister(attempt: &Attempt<'_>) -> Outcome {
    switch(attempt, false)
}

pub(super) fn reenable(attempt: &Attempt<'_>) -> Outcome {
    switch(attempt, true)
}

pub(super) fn listed(attempt: &Attempt<'_>) -> Result<Listed, Trouble> {
    at_each(attempt, |registration, base| {
        listed_at(attempt, registration, base)
    })
}

#[derive(Clone)]
struct Registration {
    /// How the registry may have the pod's address.
    addresses: Vec<Vec<u8>>,
    port: Vec<u8>,
    /// The query that names the instance is `[0]`, its address, `[1]`.
    instance: [Vec<u8>; 2],
    /// The page that lists a service's instances.
    catalog: Vec<u8>,
    /// The queries of the list that callers get, of all the service's clusters: by 1.x and 2.x, and by 3.x.
    lists: [Vec<u8>; 2],
    /// For the log.
    who: Vec<u8>,
}

/// The instance as the server has it.
struct Found {
    address: Vec<u8>,
    enabled: bool,
    ephemeral: bool,
    weight: Vec<u8>,
}

impl Registration {
    fn instance(&self, address: &[u8]) -> Vec<u8> {
        let [before, behind] = &self.instance;
        text!(before, component(address), behind)
    }

    fn is_at(&self, address: &[u8]) -> bool {
        address::is_one(&self.addresses, address)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Api {
    V1,
    V3,
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V3 => "v3",
        }
    }
}

fn switch(attempt: &Attempt<'_>, want: bool) -> Outcome {
    at_each(attempt, |registration, base| {
        at_server(attempt, registration, base, want)
    })
}

fn at_each<T>(
    attempt: &Attempt<'_>,
    step: impl Fn(&Registration, &[u8]) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let settings = attempt.settings;
    let podip = attempt.podip()?;
    let service = settings.get("SILKROLL_NACOS_SERVICE");
    let port = settings.get("SILKROLL_NACOS_PORT");
    if service.is_empty() || port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
        return Err(Trouble::never(
            "SILKROLL_NACOS_SERVICE or SILKROLL_NACOS_PORT is not usable",
        ));
    }
    let name = component(&service);
    let group = component(&settings.or("SILKROLL_NACOS_GROUP", "DEFAULT_GROUP"));
    let namespace = text!(
        "namespaceId=",
        component(&settings.or("SILKROLL_NACOS_NAMESPACE", "public"))
    );
    let scope = text!(
        namespace,
        "&clusterName=",
        component(&settings.or("SILKROLL_NACOS_CLUSTER", "DEFAULT")),
    );
    let registration = Registration {
        instance: [
            text!(
                "serviceName=",
                name,
                "&groupName=",
                group,
                "&",
                scope,
                "&ip="
            ),
            text!("&port=", port),
        ],
        catalog: text!(
            "/v1/ns/catalog/instances?serviceName=",
            group,
            "%40%40",
            name,
            "&",
            scope,
            "&pageNo=1&pageSize=10000"
        ),
        lists: [
            text!(
                "/v1/ns/instance/list?serviceName=",
                group,
                "%40%40",
                name,
                "&",
                namespace
            ),
            text!(
                "/v3/client/ns/instance/list?serviceName=",
                name,
                "&groupName=",
                group,
                "&",
                namespace
            ),
        ],
        who: text!(podip, ":", port, " of ", service),
        addresses: address::forms(&podip),
        port,
    };
    attempt.each_server("SILKROLL_NACOS_SERVER", "/nacos", &mut |base| {
        step(&registration, base)
    })
}

fn at_server(
    attempt: &Attempt<'_>,
    registration: &Registration,
    base: &[u8],
    want: bool,
) -> Outcome {
    let headers: Vec<_> = login(attempt, base)?.into_iter().collect();
    let server = Server {
        base,
        headers: &headers,
    };
    let mut api = Api::V1;
    let who = &registration.who;
    let word = if want { "true" } else { "false" };
    let found = read(attempt, &server, registration, &mut api)?;
    let place = text!(" (", base, ", ", api.name(), ")");
    let found = match found {
        None if want => return Err(Trouble::again(text!(who, " is not registered yet", place))),
        None => {
            return Ok(attempt.absent(text!(
                who,
                " is not registered, nothing to switch off",
                place
            )));
        }
        Some(found) if found.enabled == want => {
            return Ok(text!(who, " has enabled=", word, " already", place));
        }
        Some(found) => found,
    };
    // It is read back as it was found.
    let registration = &Registration {
        addresses: Vec::from([found.address.clone()]),
        ..registration.clone()
    };
    // Without its weight the server would set it to 1, and keep it there.
    let change = text!(
        match api {
            Api::V1 => "/v1/ns/instance?",
            Api::V3 => "/v3/admin/ns/instance?",
        },
        registration.instance(&found.address),
        "&enabled=",
        word,
        "&weight=",
        found.weight,
        "&ephemeral=",
        if found.ephemeral { "true" } else { "false" },
    );
    let answer = attempt.ask(&server, "PUT", &change, b"", None)?;
    server.judge(&answer, "change", &[200])?;
    loop {
        let state = read(attempt, &server, registration, &mut api)?.map(|found| found.enabled);
        match (want, state) {
            (true, Some(true)) => return Ok(text!("back as ", who, place)),
            (false, Some(false) | None) => return Ok(text!("left as ", who, place)),
            _ => {}
        }
        if !attempt.time_to_pause() {
            let state = match state {
                Some(true) => "true",
                Some(false) => "false",
                None => "gone",
            };
            return Err(Trouble::again(text!(
                base,
                " answered 200 and still has enabled=",
                state,
                " for ",
                who
            )));
        }
        attempt.world.pause(1000);
    }
}

/// Both lists leave out what is disabled.
fn listed_at(
    attempt: &Attempt<'_>,
    registration: &Registration,
    base: &[u8],
) -> Result<Listed, Trouble> {
    let headers: Vec<_> = login(attempt, base)?.into_iter().collect();
    let server = Server {
        base,
        headers: &headers,
    };
    let mut listed = Listed::new(&registration.who);
    let (mut is_list, mut all_as_healthy) = (false, false);
    let mut look = |path: &[u8]| {
        let each = &mut |object: &Object| {
            is_list |= object.has_list("hosts") || object.has_list("data");
            all_as_healthy |= object
                .bare("reachProtectionThreshold")
                .and_then(as_bool)
                .unwrap_or_default();
            let (Some(ip), Some(port)) = (object.text("ip"), object.bare("port")) else {
                return;
            };
            let off = |name: &str| object.bare(name).and_then(as_bool) == Some(false);
            let weightless = matches!(object.bare("weight"), Some(b"0" | b"0.0"));
            if !(off("enabled") || off("healthy") || weightless) {
                listed.add(registration.is_at(ip) && port == registration.port);
            }
        };
        attempt.ask(&server, "GET", path, b"", Some(each))
    };
    let [one, three] = &registration.lists;
    let mut answer = look(one)?;
    if matches!(answer.status, 404 | 410 | 501) {
        answer = look(three)?;
    }
    if is_absent(&answer) {
        return Ok(listed);
    }
    server.judge(&answer, "list", &[200])?;
    // So many are dead that all are listed as healthy, and which of them live is not told.
    listed.others &= !all_as_healthy;
    server.judge_list(&answer, &listed, is_list)?;
    Ok(listed)
}

/// The header that a login gives, where one is asked for.
fn login(attempt: &Attempt<'_>, base: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
    let settings = attempt.settings;
    let Some(user) = settings.some("SILKROLL_NACOS_USERNAME") else {
        return Ok(None);
    };
    let form = text!(
        "username=",
        component(&user),
        "&password=",
        component(&settings.get("SILKROLL_NACOS_PASSWORD")),
    );
    let server = Server {
        base,
        headers: &[b"Content-Type: application/x-www-form-urlencoded".to_vec()],
    };
    let mut token = Vec::new();
    let mut log_in = |path: &str| {
        let found = &mut |object: &crate::json::Object| {
            if let Some(text) = object.text("accessToken") {
                token = text.to_vec();
            }
        };
        attempt.ask(&server, "POST", path.as_bytes(), &form, Some(found))
    };
    let mut answer = log_in("/v1/auth/login")?;
    if matches!(answer.status, 404 | 410 | 501) {
        answer = log_in("/v3/auth/user/login")?;
    }
    server.judge(&answer, "login", &[200])?;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte);
    if token.is_empty() || !token.iter().all(fits) {
        return Err(Trouble::never(text!(base, " gave no token at the login")));
    }
    Ok(Some(text!("accessToken: ", token)))
}

fn read(
    attempt: &Attempt<'_>,
    server: &Server<'_>,
    registration: &Registration,
    api: &mut Api,
) -> Result<Option<Found>, Trouble> {
    let mut found = None;
    let mut look = |path: &[u8]| {
        let each = &mut |object: &crate::json::Object| {
            if found.is_none()
                && let Some(address) = object.text("ip")
                && registration.is_at(address)
                && object.bare("port") == Some(&registration.port)
                && let Some(enabled) = object.bare("enabled").and_then(as_bool)
            {
                found = Some(Found {
                    address: address.to_vec(),
                    enabled,
                    ephemeral: object.bare("ephemeral").and_then(as_bool) != Some(false),
                    weight: object.bare("weight").unwrap_or(b"1").to_vec(),
                });
            }
        };
        attempt.ask(server, "GET", path, b"", Some(each))
    };
    let mut answer = None;
    if *api == Api::V1 {
        // The list that callers get leaves disabled ones out and a single instance's page has no enabled field;
        // this has both.
        let listed = look(&registration.catalog)?;
        match listed.status {
            404 if contains(&listed.words, b"is not found") => return Ok(None),
            404 | 410 | 501 => *api = Api::V3,
            _ => answer = Some(listed),
        }
    }
    let answer = if let Some(answer) = answer {
        answer
    } else {
        let mut at = |address: &Vec<u8>| {
            let instance = registration.instance(address);
            look(&text!("/v3/admin/ns/instance?", instance))
        };
        let [podip, others @ ..] = registration.addresses.as_slice() else {
            return Ok(None);
        };
        let mut answer = at(podip)?;
        for other in others {
            if !is_absent(&answer) {
                break;
            }
            answer = at(other)?;
        }
        answer
    };
    if is_absent(&answer) {
        return Ok(None);
    }
    server.judge(&answer, "read", &[200])?;
    if found.is_none() {
        server.judge_absence(&answer, "read")?;
    }
    Ok(found)
}

/// Unknown service, group, namespace or instance. A 404 without the registry's own words is a wrong address.
fn is_absent(answer: &Answer) -> bool {
    match answer.status {
        400 => contains(&answer.words, b"not found"),
        404 => contains(&answer.words, b"\"code\":2"),
        _ => false,
    }
}

fn as_bool(text: &[u8]) -> Option<bool> {
    match text {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}
