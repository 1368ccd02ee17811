//! A stand-in for Nacos that answers as the real 2.3.1 and 3.1.0 were seen to: status codes, bodies, and the
//! update that takes effect a moment after its "ok". tests/registries has the real ones.

use crate::server::{Reply, Request};
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    Two,
    Three,
}

/// What the registry holds of the instance of `customer` at port 9810.
#[derive(Clone, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is told by itself, and all go together"
)]
pub(crate) struct State {
    pub(crate) generation: Generation,
    pub(crate) address: &'static str,
    pub(crate) registered: bool,
    pub(crate) enabled: bool,
    pub(crate) weight: String,
    /// Reads after a change that still show the old state.
    pub(crate) lag: u32,
    pub(crate) pending: Option<bool>,
    /// Login wanted: the form that is right.
    pub(crate) login: Option<String>,
    /// Says ok to a change and does nothing.
    pub(crate) deaf: bool,
    /// Whether callers find another instance beside it.
    pub(crate) other: bool,
}

impl State {
    pub(crate) fn new(generation: Generation) -> Self {
        Self {
            generation,
            address: "10.1.2.3",
            registered: true,
            enabled: true,
            weight: "2.5".to_owned(),
            lag: 0,
            pending: None,
            login: None,
            deaf: false,
            other: true,
        }
    }
}

const ABSENT: &str =
    r#"{"code":20004,"message":"resource not found","data":"no matched ip found!"}"#;

fn asks_for(state: &State, request: &Request) -> bool {
    let ip = request.query("ip").unwrap_or_default();
    let ip = ip.replace("%3A", ":").replace("%5B", "[");
    ip.replace("%5D", "]").replace("%25", "%") == state.address
}

pub(crate) fn answer(state: &Arc<Mutex<State>>, request: &Request) -> Reply {
    let mut state = state.lock().unwrap();
    let three = state.generation == Generation::Three;
    let no_api = || Reply::Answer(404, r#"{"status":404,"error":"Not Found"}"#.to_owned());
    let gone = || Reply::Answer(410, r#"{"status":410,"error":"Gone"}"#.to_owned());
    let path = request.path().to_owned();
    if path.contains("/auth/") {
        let right = state.login.as_deref().map(str::as_bytes) == Some(&request.body);
        return match (path.as_str(), three) {
            ("/nacos/v1/auth/login", true) => gone(),
            ("/nacos/v1/auth/login", false) | ("/nacos/v3/auth/user/login", true) if right => {
                Reply::Answer(
                    200,
                    r#"{"accessToken":"tok.en-1","tokenTtl":18000}"#.to_owned(),
                )
            }
            ("/nacos/v1/auth/login", false) | ("/nacos/v3/auth/user/login", true) => {
                Reply::Answer(403, "unknown user!".to_owned())
            }
            _ => no_api(),
        };
    }
    match path.as_str() {
        "/nacos/v1/ns/catalog/instances"
        | "/nacos/v1/ns/instance"
        | "/nacos/v1/ns/instance/list"
            if three =>
        {
            return gone();
        }
        "/nacos/v3/admin/ns/instance" | "/nacos/v3/client/ns/instance/list" if !three => {
            return no_api();
        }
        "/nacos/v1/ns/catalog/instances"
        | "/nacos/v1/ns/instance"
        | "/nacos/v1/ns/instance/list"
        | "/nacos/v3/admin/ns/instance"
        | "/nacos/v3/client/ns/instance/list" => {}
        _ => return no_api(),
    }
    if state.login.is_some() && request.header("accessToken") != Some("tok.en-1") {
        return Reply::Answer(403, "user not found!".to_owned());
    }
    let service = request.query("serviceName").unwrap_or_default();
    if service != "customer" && service != "DEFAULT_GROUP%40%40customer" {
        return Reply::Answer(404, format!("service {service} is not found!"));
    }
    if request.method == "PUT" {
        if asks_for(&state, request) && !state.deaf {
            request
                .query("weight")
                .unwrap_or("1.0")
                .clone_into(&mut state.weight);
            state.pending = Some(request.query("enabled") == Some("true"));
        }
        return Reply::Answer(200, "ok".to_owned());
    }
    if state.lag > 0 {
        state.lag -= 1;
    } else if let Some(enabled) = state.pending.take() {
        state.enabled = enabled;
    }
    let instance = format!(
        r#"{{"instanceId":"x","ip":"{}","port":9810,"weight":{},"healthy":true,"enabled":{},"ephemeral":true,"clusterName":"DEFAULT","serviceName":"DEFAULT_GROUP@@customer","metadata":{{"ip":"10.1.2.3","enabled":"true"}},"ipDeleteTimeout":30000}}"#,
        state.address, state.weight, state.enabled
    );
    let other = r#"{"instanceId":"y","ip":"10.1.2.30","port":9810,"weight":7.0,"healthy":true,"enabled":true,"ephemeral":true,"metadata":{}}"#;
    // What callers get leaves out what is disabled.
    if path.ends_with("/list") {
        let this = (state.registered && state.enabled).then_some(&*instance);
        let other = state.other.then_some(other);
        let hosts: Vec<_> = other.into_iter().chain(this).collect();
        let hosts = hosts.join(",");
        let page = if three {
            format!(r#"{{"code":0,"data":[{hosts}]}}"#)
        } else {
            format!(r#"{{"name":"DEFAULT_GROUP@@customer","hosts":[{hosts}],"valid":true}}"#)
        };
        return Reply::Chunks(200, page);
    }
    match (three, state.registered) {
        (true, registered) if !registered || !asks_for(&state, request) => {
            Reply::Answer(404, ABSENT.to_owned())
        }
        (true, _) => Reply::Chunks(200, format!(r#"{{"code":0,"data":{instance}}}"#)),
        (false, false) => Reply::Chunks(200, format!(r#"{{"list":[{other}],"count":1}}"#)),
        (false, true) => {
            Reply::Chunks(200, format!(r#"{{"list":[{other},{instance}],"count":2}}"#))
        }
    }
}
