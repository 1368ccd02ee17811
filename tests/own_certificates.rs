//! Certificates that Silkroll keeps by itself: what is decided, by a table, and what becomes of it on a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod cluster;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster::installed::{NAME, trusting};
use cluster::side::namespace;
use cluster::{ControlPlane, Options};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};
use serde_json::{Value, json};
use silkroll::cluster::{Certificate, Certificates, Cluster};
use silkroll::tls::check::{self, Files};
use silkroll::tls::config::server_config;
use silkroll::tls::issue::Authority;
use silkroll::tls::own::{Ca, Cert, Lifetimes, SUBJECT, Store};
use silkroll::tls::plan::{Serving, Step, Stuck, View, verifies};
use silkroll::tls::{CertificateSlot, Pair};
use testkit::wait::eventually;

const DAY: i64 = 24 * 60 * 60;
const NOW: i64 = 1_800_000_000;
const USUAL: Lifetimes = Lifetimes {
    ca: 365 * DAY,
    leaf: 7 * DAY,
    settle: 30,
};

fn ca(made: i64) -> Ca {
    Ca::new(made, &USUAL, vec![]).unwrap()
}

fn after(made: i64, previous: &[&Ca]) -> Ca {
    let previous = previous.iter().map(|ca| ca.cert.clone()).collect();
    Ca::new(made, &USUAL, previous).unwrap()
}

fn leaf(ca: &Ca, made: i64) -> Serving {
    Serving {
        by: ca.cert.clone(),
        made,
        not_after: made + USUAL.leaf,
    }
}

fn bundle(certs: &[&Ca]) -> Vec<u8> {
    let certs: Vec<Cert> = certs.iter().map(|ca| ca.cert.clone()).collect();
    Cert::join(&certs).into_bytes()
}

fn step(
    store: &Store,
    bundles: Option<&[Vec<u8>]>,
    memory: Option<&Ca>,
    serving: Option<&Serving>,
    since: Option<i64>,
) -> String {
    let view = View {
        store,
        bundles,
        memory,
        serving,
        since,
        written: None,
        stuck: Stuck::default(),
        now: NOW,
        lifetimes: &USUAL,
    };
    said(&view)
}

fn said(view: &View) -> String {
    match view.step() {
        Step::Make(previous) => format!("make after {}", previous.len()),
        Step::Restore => "restore".to_owned(),
        Step::Publish(certs) => format!("publish {}", certs.len()),
        Step::Sign => "sign".to_owned(),
        Step::Rest => "rest".to_owned(),
    }
}

/// What it is, then the Secret, the bundles, the CA held last, what is served, since when the CA is published; and the step.
type Case<'a> = (
    &'a str,
    Store,
    Option<Vec<Vec<u8>>>,
    Option<&'a Ca>,
    Option<Serving>,
    Option<i64>,
    &'a str,
);

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn what_is_to_be_done_follows_from_what_is_there_and_the_time() {
    let (young, old) = (ca(NOW - DAY), ca(NOW - 400 * DAY));
    let due = ca(NOW - 244 * DAY);
    let just = ca(NOW - 243 * DAY);
    let next = after(NOW, &[&due]);
    let foreign = Authority::new(NOW, 10).unwrap().issued.cert_pem;
    let with = |ca: &Ca| Store::Held(ca.clone());
    let not_ours = Store::Foreign("it is of type kubernetes.io/tls".to_owned());
    let both = |one: &[u8], other: &[u8]| Some(vec![one.to_vec(), other.to_vec()]);
    let fresh = |ca| Some(leaf(ca, NOW - DAY));
    let young_bundle = bundle(&[&young]);
    let cases: Vec<Case> = vec![
        (
            "nothing at all",
            Store::Absent,
            None,
            None,
            None,
            None,
            "make after 0",
        ),
        (
            "a Secret with nothing in it",
            Store::Empty,
            None,
            None,
            None,
            None,
            "make after 0",
        ),
        (
            "a Secret that came back empty",
            Store::Empty,
            both(&young_bundle, &young_bundle),
            Some(&young),
            fresh(&young),
            Some(NOW - DAY),
            "restore",
        ),
        (
            "one that is empty when it is time for a new one",
            Store::Empty,
            None,
            Some(&due),
            None,
            None,
            "make after 1",
        ),
        (
            "a Secret that went",
            Store::Absent,
            both(&young_bundle, &young_bundle),
            Some(&young),
            fresh(&young),
            None,
            "make after 1",
        ),
        (
            "one that went while nothing ran",
            Store::Absent,
            both(&young_bundle, b""),
            None,
            None,
            None,
            "make after 1",
        ),
        (
            "a third and a day left",
            with(&just),
            both(&bundle(&[&just]), &bundle(&[&just])),
            None,
            fresh(&just),
            Some(NOW - DAY),
            "rest",
        ),
        (
            "a third left",
            with(&due),
            both(&bundle(&[&due]), &bundle(&[&due])),
            None,
            fresh(&due),
            None,
            "make after 1",
        ),
        (
            "a machine that was suspended for a year",
            with(&old),
            None,
            Some(&old),
            Some(leaf(&old, NOW - 399 * DAY)),
            None,
            "make after 0",
        ),
        (
            "no configuration yet",
            with(&young),
            None,
            None,
            None,
            None,
            "rest",
        ),
        (
            "a blank bundle",
            with(&young),
            both(b"", b""),
            None,
            fresh(&young),
            None,
            "publish 1",
        ),
        (
            "a blank bundle in one entry",
            with(&young),
            both(&young_bundle, b""),
            None,
            fresh(&young),
            None,
            "publish 1",
        ),
        (
            "a stale bundle",
            with(&next),
            both(&bundle(&[&due]), &bundle(&[&due])),
            None,
            fresh(&due),
            None,
            "publish 2",
        ),
        (
            "another's certificate in it, valid",
            with(&young),
            both(foreign.as_bytes(), foreign.as_bytes()),
            None,
            None,
            None,
            "publish 2",
        ),
        (
            "rubbish in it",
            with(&young),
            both(b"rubbish", b"rubbish"),
            None,
            None,
            None,
            "publish 1",
        ),
        (
            "published, nothing served",
            with(&young),
            both(&young_bundle, &young_bundle),
            None,
            None,
            Some(NOW),
            "sign",
        ),
        (
            "a leaf with more than a third left",
            with(&young),
            both(&young_bundle, &young_bundle),
            None,
            Some(leaf(&young, NOW - 4 * DAY)),
            Some(NOW),
            "rest",
        ),
        (
            "a leaf with a third left",
            with(&young),
            both(&young_bundle, &young_bundle),
            None,
            Some(leaf(&young, NOW - 5 * DAY)),
            Some(NOW),
            "sign",
        ),
        (
            "a new CA just published",
            with(&next),
            both(&bundle(&[&next, &due]), &bundle(&[&next, &due])),
            None,
            fresh(&due),
            Some(NOW - 29),
            "rest",
        ),
        (
            "a new CA that all have heard of",
            with(&next),
            both(&bundle(&[&next, &due]), &bundle(&[&next, &due])),
            None,
            fresh(&due),
            Some(NOW - 30),
            "sign",
        ),
        (
            "a new CA while the leaf of the old one has expired",
            with(&next),
            both(&bundle(&[&next, &due]), &bundle(&[&next, &due])),
            None,
            Some(leaf(&due, NOW - 8 * DAY)),
            Some(NOW),
            "sign",
        ),
        (
            "a served leaf that no bundle trusts, with a CA that is new there",
            with(&young),
            both(&young_bundle, &young_bundle),
            None,
            fresh(&due),
            Some(NOW),
            "publish 2",
        ),
        (
            "a served leaf that no bundle trusts",
            with(&young),
            both(&young_bundle, &young_bundle),
            None,
            fresh(&due),
            Some(NOW - 30),
            "sign",
        ),
        (
            "a Secret that is another's, at the start",
            not_ours.clone(),
            both(b"", b""),
            None,
            None,
            None,
            "rest",
        ),
        (
            "a Secret that became another's",
            not_ours.clone(),
            both(b"", b""),
            Some(&young),
            fresh(&young),
            None,
            "publish 1",
        ),
    ];
    for (what, store, bundles, memory, serving, since, expected) in cases {
        let step = step(&store, bundles.as_deref(), memory, serving.as_ref(), since);
        assert_eq!(step, expected, "{what}");
    }
}

/// What it is, then the Secret's CA, those in the bundles, what is served, when the bundles were written; and the step.
type Bundled<'a> = (
    &'a str,
    &'a Ca,
    &'a [&'a Ca],
    Option<Serving>,
    Option<i64>,
    &'a str,
);

/// What it is, then the Secret, the CAs in the bundles, the CA held last, what is served, what cannot be written; and the step.
type Hindered<'a> = (
    &'a str,
    Store,
    &'a [&'a Ca],
    Option<&'a Ca>,
    Option<Serving>,
    Stuck,
    &'a str,
);

/// How long a CA of ours stays once another one leads the bundles: a leaf's life, and an hour.
const OUTLIVED: i64 = 7 * DAY + 30 + 60 * 60;

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn a_ca_of_ours_stays_in_the_bundle_until_no_leaf_of_it_can_be_valid() {
    // The Secret's CA, which is older than the one that was served until now: somebody put a backup over it.
    let (older, served) = (ca(NOW - 100 * DAY), ca(NOW - 20 * DAY));
    let back = after(NOW - 20 * DAY, &[&older]);
    let ended = Ca::new(
        NOW - 9 * DAY,
        &Lifetimes {
            ca: 8 * DAY,
            ..USUAL
        },
        vec![],
    )
    .unwrap();
    let by = |ca: &Ca| Some(leaf(ca, NOW - DAY));
    let names = [
        (&older, "older"),
        (&served, "served"),
        (&back, "back"),
        (&ended, "ended"),
    ];
    let cases: [Bundled; 13] = [
        (
            "it was put over just now",
            &older,
            &[&served],
            by(&served),
            Some(NOW - 20 * DAY),
            "older served",
        ),
        (
            "by a replica that starts",
            &older,
            &[&served],
            None,
            Some(NOW - 20 * DAY),
            "older served",
        ),
        (
            "where it is not known since when",
            &older,
            &[&served],
            None,
            None,
            "older served",
        ),
        (
            "and the bundle was blanked",
            &older,
            &[],
            by(&served),
            None,
            "older served",
        ),
        (
            "it was published",
            &older,
            &[&older, &served],
            by(&served),
            Some(NOW),
            "rest",
        ),
        (
            "it leads for less than a leaf lives",
            &older,
            &[&older, &served],
            by(&older),
            Some(NOW - OUTLIVED + 1),
            "rest",
        ),
        (
            "it leads for longer",
            &older,
            &[&older, &served],
            by(&older),
            Some(NOW - OUTLIVED),
            "older",
        ),
        (
            "it is not known since when",
            &older,
            &[&older, &served],
            by(&older),
            None,
            "rest",
        ),
        (
            "here the other is served on",
            &older,
            &[&older, &served],
            by(&served),
            Some(NOW - OUTLIVED),
            "rest",
        ),
        (
            "it does not lead",
            &older,
            &[&served, &older],
            by(&older),
            Some(NOW - OUTLIVED),
            "older served",
        ),
        (
            "the newer one is put back",
            &back,
            &[&older, &back],
            by(&older),
            Some(NOW - OUTLIVED),
            "back older",
        ),
        (
            "the newer one leads for longer",
            &back,
            &[&back, &older],
            by(&back),
            Some(NOW - OUTLIVED),
            "back",
        ),
        (
            "one that has ended",
            &older,
            &[&older, &ended],
            by(&older),
            None,
            "older",
        ),
    ];
    for (what, held, there, serving, written, expected) in cases {
        let bundles = [bundle(there), bundle(there)];
        let view = View {
            store: &Store::Held(held.clone()),
            bundles: Some(&bundles),
            memory: None,
            serving: serving.as_ref(),
            since: there.iter().any(|ca| ca.cert == held.cert).then_some(NOW),
            written,
            stuck: Stuck::default(),
            now: NOW,
            lifetimes: &USUAL,
        };
        let step = match view.step() {
            Step::Publish(certs) => {
                let name = |cert: &Cert| names.iter().find(|(ca, _)| ca.cert == *cert).unwrap().1;
                certs.iter().map(name).collect::<Vec<_>>().join(" ")
            }
            _ => said(&view),
        };
        assert_eq!(step, expected, "{what}");
    }
}

#[test]
fn bundles_and_the_secret_stay_bounded() {
    let present = ca(NOW - DAY);
    let many: Vec<Ca> = (0..200).map(|n| ca(NOW - 50 * DAY + n)).collect();
    let mut there: Vec<&Ca> = many.iter().collect();
    there.push(&present);
    let bundles = [bundle(&there)];
    let view = |store| View {
        store,
        bundles: Some(&bundles),
        memory: None,
        serving: None,
        since: None,
        written: None,
        stuck: Stuck::default(),
        now: NOW,
        lifetimes: &USUAL,
    };
    let held = Store::Held(present.clone());
    let Step::Publish(certs) = view(&held).step() else {
        panic!("nothing is published");
    };
    assert_eq!(certs.len(), 1 + 64);
    assert_eq!(certs[0], present.cert);
    assert_eq!(certs[1], many[199].cert, "the newest come first");
    let Step::Make(previous) = view(&Store::Absent).step() else {
        panic!("no CA is made");
    };
    assert_eq!(previous.len(), 64);
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn what_cannot_be_written_and_a_ca_that_is_not_valid_yet_keep_nothing_else_from_being_done() {
    let (young, due, old) = (ca(NOW - DAY), ca(NOW - 250 * DAY), ca(NOW - 400 * DAY));
    // Certificates count from five minutes before they were made.
    let (early, nearly) = (ca(NOW + 301), ca(NOW + 300));
    let with = |ca: &Ca| Store::Held(ca.clone());
    let secret = Stuck {
        secret: true,
        bundles: false,
    };
    let bundles = Stuck {
        secret: false,
        bundles: true,
    };
    let none = Stuck::default();
    let ends = |ca| Some(leaf(ca, NOW - 5 * DAY));
    let fresh = |ca| Some(leaf(ca, NOW - DAY));
    let cases: [Hindered; 21] = [
        (
            "a CA that is due",
            with(&due),
            &[&due],
            None,
            None,
            none,
            "make after 1",
        ),
        (
            "and cannot be replaced, at the start",
            with(&due),
            &[&due],
            None,
            None,
            secret,
            "sign",
        ),
        (
            "with a leaf that ends soon",
            with(&due),
            &[&due],
            None,
            ends(&due),
            secret,
            "sign",
        ),
        (
            "with a blank bundle",
            with(&due),
            &[],
            None,
            fresh(&due),
            secret,
            "publish 1",
        ),
        (
            "with all that is needed",
            with(&due),
            &[&due],
            None,
            fresh(&due),
            secret,
            "rest",
        ),
        (
            "one that has ended",
            with(&old),
            &[&old],
            None,
            None,
            secret,
            "rest",
        ),
        (
            "a Secret that went and cannot be made",
            Store::Absent,
            &[&young],
            Some(&young),
            ends(&young),
            secret,
            "sign",
        ),
        (
            "or comes back empty",
            Store::Empty,
            &[],
            Some(&young),
            fresh(&young),
            secret,
            "publish 1",
        ),
        (
            "a bundle that cannot be written",
            with(&young),
            &[],
            None,
            ends(&young),
            bundles,
            "sign",
        ),
        (
            "with nothing to serve",
            with(&young),
            &[],
            None,
            None,
            bundles,
            "rest",
        ),
        (
            "with a new CA",
            with(&young),
            &[&due],
            None,
            fresh(&due),
            bundles,
            "rest",
        ),
        (
            "five minutes ahead",
            with(&nearly),
            &[&nearly],
            None,
            None,
            none,
            "sign",
        ),
        (
            "more than that, and nothing else",
            with(&early),
            &[],
            None,
            None,
            none,
            "make after 1",
        ),
        (
            "already in the bundle",
            with(&early),
            &[&early],
            None,
            None,
            none,
            "make after 1",
        ),
        (
            "in place of one that is served",
            with(&early),
            &[&young],
            Some(&young),
            fresh(&young),
            none,
            "make after 2",
        ),
        (
            "that cannot be replaced, and nothing else",
            with(&early),
            &[],
            None,
            None,
            secret,
            "rest",
        ),
        (
            "that cannot be replaced, in the bundle",
            with(&early),
            &[&early],
            None,
            None,
            secret,
            "rest",
        ),
        (
            "with one that is served",
            with(&early),
            &[&young],
            Some(&young),
            fresh(&young),
            secret,
            "rest",
        ),
        (
            "with one that ends soon",
            with(&early),
            &[&young],
            Some(&young),
            ends(&young),
            secret,
            "sign",
        ),
        (
            "with a blank bundle",
            with(&early),
            &[],
            Some(&young),
            fresh(&young),
            secret,
            "publish 1",
        ),
        (
            "alone in the bundle",
            with(&early),
            &[&early],
            Some(&young),
            fresh(&young),
            secret,
            "publish 2",
        ),
    ];
    for (what, store, there, memory, serving, stuck, expected) in cases {
        let all = [bundle(there), bundle(there)];
        let view = View {
            store: &store,
            bundles: Some(&all),
            memory,
            serving: serving.as_ref(),
            since: None,
            written: None,
            stuck,
            now: NOW,
            lifetimes: &USUAL,
        };
        assert_eq!(said(&view), expected, "{what}");
    }
    // What was made by a clock that is years ahead does not keep those before it for years.
    let ahead = ca(NOW + 3000 * DAY);
    let next = after(NOW - 8 * DAY, &[&ahead, &due]);
    let all = [bundle(&[&next])];
    let held = with(&next);
    let view = View {
        store: &held,
        bundles: Some(&all),
        memory: None,
        serving: None,
        since: Some(NOW - DAY),
        written: None,
        stuck: none,
        now: NOW,
        lifetimes: &USUAL,
    };
    assert_eq!(said(&view), "sign");
}

#[test]
fn a_secret_that_is_not_ours_is_told_by_what_is_in_it() {
    let pem = |text: &str| text.as_bytes().to_vec();
    let users = Authority::new(NOW, 10).unwrap().issued;
    let ours = ca(NOW).data();
    let other = ca(NOW).data();
    let with = |changes: &[(&str, Vec<u8>)]| {
        let mut data = ours.clone();
        data.extend(
            changes
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone())),
        );
        data
    };
    for (what, kind, data, expected) in [
        ("ours", Some("Opaque"), ours.clone(), "held"),
        ("without a type", None, ours.clone(), "held"),
        ("no data", Some("Opaque"), BTreeMap::new(), "empty"),
        (
            "blank values",
            Some("Opaque"),
            with(&[("ca.crt", vec![]), ("ca.key", vec![])]),
            "empty",
        ),
        (
            "a lost key",
            Some("Opaque"),
            with(&[("ca.key", vec![])]),
            "empty",
        ),
        (
            "the key of another CA",
            Some("Opaque"),
            with(&[("ca.key", other["ca.key"].clone())]),
            "empty",
        ),
        (
            "a CA that no server's certificate counts of",
            Some("Opaque"),
            of_clients(),
            "empty",
        ),
        (
            "another type",
            Some("kubernetes.io/tls"),
            BTreeMap::new(),
            "it is of type kubernetes.io/tls, ours are Opaque",
        ),
        (
            "one more key",
            Some("Opaque"),
            with(&[("tls.crt", vec![])]),
            "it has the key tls.crt, ours have ca.crt, ca.key, previous.crt",
        ),
        (
            "a user's CA",
            Some("Opaque"),
            with(&[
                ("ca.crt", pem(&users.cert_pem)),
                ("ca.key", pem(&users.key_pem)),
            ]),
            "its ca.crt is not one that Silkroll made for it",
        ),
        (
            "a text",
            Some("Opaque"),
            with(&[("ca.crt", pem("mine"))]),
            "its ca.crt is no certificate",
        ),
        (
            "a key alone",
            Some("Opaque"),
            with(&[("ca.crt", vec![])]),
            "its ca.crt is no certificate",
        ),
    ] {
        let read = match Store::read(kind, &data) {
            Store::Absent => "absent".to_owned(),
            Store::Empty => "empty".to_owned(),
            Store::Held(_) => "held".to_owned(),
            Store::Foreign(why) => why,
        };
        assert_eq!(read, expected, "{what}");
    }
}

/// A Secret with a CA of our name whose certificates are for clients.
fn of_clients() -> BTreeMap<String, Vec<u8>> {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, SUBJECT);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    BTreeMap::from([
        ("ca.crt".to_owned(), cert.into_bytes()),
        ("ca.key".to_owned(), key.serialize_pem().into_bytes()),
    ])
}

fn pair(ca: &Ca, now: i64) -> Pair {
    let names = [NAME.to_owned()];
    let leaf = ca
        .authority()
        .unwrap()
        .leaf_for(&names, &[], now, USUAL.leaf)
        .unwrap();
    let files = Files {
        cert: "leaf".to_owned(),
        key: "key".to_owned(),
    };
    let (cert, key) = (leaf.cert_pem.as_bytes(), leaf.key_pem.as_bytes());
    check::check(&files, cert, key, &names, now).unwrap()
}

#[test]
fn a_leaf_verifies_against_a_bundle_with_its_ca_in_time_and_by_its_name() {
    let (one, other) = (ca(NOW - 1), ca(NOW));
    let served = pair(&one, NOW);
    let (both, alone) = (bundle(&[&other, &one]), bundle(&[&other]));
    for (what, bundle, name, now, expected) in [
        ("both", &both, NAME, NOW, true),
        ("its CA is not there", &alone, NAME, NOW, false),
        ("blank", &vec![], NAME, NOW, false),
        ("another name", &both, "silkroll.other.svc", NOW, false),
        ("a clock five minutes behind", &both, NAME, NOW - 300, true),
        (
            "a leaf that has ended",
            &both,
            NAME,
            NOW + 7 * DAY + 1,
            false,
        ),
    ] {
        assert_eq!(verifies(&served, bundle, name, now), expected, "{what}");
    }
    // No leaf outlives its CA, whose end callers look at, too.
    let last = pair(&one, NOW + 364 * DAY);
    assert_eq!(last.not_after(), one.cert.not_after);
    // Callers look at the CA's own first second, too.
    let early = ca(NOW + 301);
    let leaf = pair(&early, NOW);
    assert!(!verifies(&leaf, &bundle(&[&early]), NAME, NOW));
    assert!(verifies(&leaf, &bundle(&[&early]), NAME, NOW + 1));
    // A CA of a clock that is ahead of ours is read as it is.
    assert!(matches!(
        Store::read(None, &ca(NOW + DAY).data()),
        Store::Held(_)
    ));
}

#[test]
fn no_key_is_shown() {
    let ca = ca(NOW);
    let shown = format!("{ca:?} {:?}", Store::Held(ca.clone()));
    assert!(
        !shown.contains("PRIVATE") && !shown.contains("key"),
        "{shown}"
    );
}

/// What all replicas of this process log.
static LOG: Mutex<Vec<u8>> = Mutex::new(vec![]);

struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn listen() {
    let log = tracing_subscriber::fmt().with_ansi(false);
    // Those that start later find it set.
    let _ = log.with_writer(|| Log).try_init();
}

/// The lines with all of these words.
fn logged(words: &[&str]) -> Vec<String> {
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let lines = log
        .lines()
        .filter(|line| words.iter().all(|word| line.contains(word)));
    lines.map(str::to_owned).collect()
}

/// A replica's certificates, as `serve` keeps them. Stops when dropped.
struct Replica {
    slot: Arc<CertificateSlot>,
    heard: Arc<Mutex<Vec<Certificate>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Replica {
    async fn start(plane: &ControlPlane, home: &str, lifetimes: Lifetimes) -> Self {
        Self::start_as(&plane.kubeconfig(), home, home, lifetimes).await
    }

    async fn start_as(
        kubeconfig: &std::path::Path,
        home: &str,
        configuration: &str,
        lifetimes: Lifetimes,
    ) -> Self {
        let cluster = Cluster::with_config(cluster::config(kubeconfig).await).unwrap();
        let names = vec![NAME.to_owned()];
        let mut of = Certificates::new(
            home.into(),
            "silkroll-own-ca".into(),
            configuration.into(),
            names,
        );
        of.lifetimes = lifetimes;
        if lifetimes != USUAL {
            of.look = Duration::from_secs(1);
        }
        listen();
        let (slot, heard) = (CertificateSlot::empty(), Arc::new(Mutex::new(vec![])));
        let (into, log) = (Arc::clone(&slot), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            let report = move |event| log.lock().unwrap().push(event);
            let ended = cluster.keep_certificates(of, into, report).await;
            panic!("{ended}");
        });
        Self { slot, heard, task }
    }

    fn state(&self) -> Option<Certificate> {
        let heard = self.heard.lock().unwrap();
        let mut states = heard.iter().rev();
        states
            .find(|event| matches!(event, Certificate::Trusted | Certificate::Untrusted(_)))
            .cloned()
    }

    /// How often this was reported.
    fn times(&self, event: &Certificate) -> usize {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| *heard == event).count()
    }

    fn trusted(&self) {
        eventually("a certificate that is trusted", || {
            (self.state() == Some(Certificate::Trusted)).then_some(())
        });
    }

    fn untrusted(&self, words: &str) {
        eventually(words, || match self.state() {
            Some(Certificate::Untrusted(why)) if why.contains(words) => Some(()),
            _ => None,
        });
    }

    /// Whether a caller that trusts this bundle gets through a handshake.
    fn answers(&self, bundle: &[u8]) -> bool {
        answers(&self.slot, bundle)
    }
}

/// Whether a caller that trusts this bundle gets through a handshake with what serves this.
fn answers(slot: &Arc<CertificateSlot>, bundle: &[u8]) -> bool {
    let name = ServerName::try_from(NAME).unwrap();
    let mut client = ClientConnection::new(Arc::new(trusting(bundle)), name).unwrap();
    let mut server = ServerConnection::new(server_config(Arc::clone(slot) as _).unwrap()).unwrap();
    while client.is_handshaking() {
        let mut sent = vec![];
        client.write_tls(&mut sent).unwrap();
        server.read_tls(&mut &sent[..]).unwrap();
        if server.process_new_packets().is_err() {
            return false;
        }
        sent.clear();
        server.write_tls(&mut sent).unwrap();
        client.read_tls(&mut &sent[..]).unwrap();
        if client.process_new_packets().is_err() {
            return false;
        }
    }
    true
}

/// A webhook configuration as the install file has it, without `caBundle`; it is for no object of any other test.
fn configuration(home: &str) -> String {
    let entry = |name: &str| {
        json!({
            "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
            "clientConfig": {"service": {"namespace": "silkroll-system", "name": "silkroll", "path": "/mutate"}},
            "objectSelector": {"matchLabels": {"for": "nothing"}},
            "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}],
        })
    };
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": home}, "webhooks": [entry("inject.silkroll.dev"), entry("pods.silkroll.dev")],
    });
    object.to_string()
}

fn apply(plane: &ControlPlane, home: &str) {
    plane.ok(&["apply", "--server-side", "-f", "-"], &configuration(home));
}

fn there(plane: &ControlPlane, home: &str) -> Value {
    plane.get(&["mutatingwebhookconfiguration", home]).unwrap()
}

/// `caBundle` of both entries, where they are the same.
fn published(plane: &ControlPlane, home: &str) -> Option<Vec<u8>> {
    let there = there(plane, home);
    let of = |entry: usize| there["webhooks"][entry]["clientConfig"]["caBundle"].as_str();
    let bundle = of(0).filter(|bundle| of(1) == Some(bundle) && !bundle.is_empty())?;
    Some(STANDARD.decode(bundle).unwrap())
}

fn secret(plane: &ControlPlane, home: &str) -> Option<Value> {
    plane.get(&["secret", "-n", home, "silkroll-own-ca"])
}

fn blank(plane: &ControlPlane, home: &str) {
    let one = |entry: u8| json!({"op": "replace", "path": format!("/webhooks/{entry}/clientConfig/caBundle"), "value": ""});
    let patch = json!([one(0), one(1)]).to_string();
    plane.ok(
        &[
            "patch",
            "mutatingwebhookconfiguration",
            home,
            "--type=json",
            "-p",
            &patch,
        ],
        "",
    );
}

/// How long until every entry has a bundle by which the replica is called.
fn healed(plane: &ControlPlane, home: &str, replica: &Replica) -> Duration {
    let start = Instant::now();
    eventually("a bundle by which the replica answers", || {
        secret(plane, home).filter(|secret| secret["data"]["ca.key"].is_string())?;
        published(plane, home).filter(|bundle| replica.answers(bundle))
    });
    start.elapsed()
}

const SOON: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_at_once_agree_on_one_ca() {
    let (plane, home) = (ControlPlane::shared(), "own-race");
    namespace(plane, home, None);
    apply(plane, home);
    let mut replicas = vec![];
    for _ in 0..4 {
        replicas.push(Replica::start(plane, home, USUAL).await);
    }
    for replica in &replicas {
        replica.trusted();
    }
    let bundle = published(plane, home).unwrap();
    assert_eq!(Cert::all(&bundle).len(), 1);
    assert!(replicas.iter().all(|replica| replica.answers(&bundle)));
    assert_eq!(secret(plane, home).unwrap()["type"], "Opaque");
    let written = plane.audit();
    let written = written.iter().filter(|event| {
        event["objectRef"]["resource"] == "secrets"
            && event["objectRef"]["namespace"] == home
            && event["responseStatus"]["code"]
                .as_u64()
                .is_some_and(|code| code < 300)
            && ["create", "update", "patch"]
                .iter()
                .any(|verb| event["verb"] == *verb)
    });
    assert_eq!(written.count(), 1, "one replica's CA, written once");
    // One that comes later takes what is there.
    let version = secret(plane, home).unwrap()["metadata"]["resourceVersion"].clone();
    let late = Replica::start(plane, home, USUAL).await;
    late.trusted();
    assert!(late.answers(&bundle));
    assert_eq!(
        secret(plane, home).unwrap()["metadata"]["resourceVersion"],
        version
    );
}

/// What answered before.
struct Old {
    slot: Arc<CertificateSlot>,
    ca: String,
}

/// What `silkroll certs` made before.
fn old() -> Old {
    let now = silkroll_now();
    let authority = Authority::new(now, 10).unwrap();
    let leaf = authority.leaf(&[NAME.to_owned()], &[], now, 10).unwrap();
    let files = Files {
        cert: "leaf".to_owned(),
        key: "key".to_owned(),
    };
    let (cert, key) = (leaf.cert_pem.as_bytes(), leaf.key_pem.as_bytes());
    let slot = CertificateSlot::empty();
    slot.set(&check::check(&files, cert, key, &[NAME.to_owned()], now).unwrap());
    Old {
        slot,
        ca: authority.issued.cert_pem,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_over_from_a_certificate_of_the_users_fails_no_call_by_an_api_server_that_is_late() {
    let (plane, home) = (ControlPlane::shared(), "own-after");
    namespace(plane, home, None);
    apply(plane, home);
    let old = old();
    let trust = |entry: u8| {
        json!({"op": "add", "path": format!("/webhooks/{entry}/clientConfig/caBundle"),
        "value": STANDARD.encode(&old.ca)})
    };
    let patch = json!([trust(0), trust(1)]).to_string();
    let configuration = ["mutatingwebhookconfiguration", home, "--type=json"];
    let by_user = [
        &["patch", "--field-manager=silkroll", "-p", &patch],
        &configuration[..],
    ];
    plane.ok(&by_user.concat(), "");

    // What an API server goes by is a second old, of the 3 s that it has.
    let lifetimes = Lifetimes { settle: 3, ..USUAL };
    let late = Duration::from_secs(1);
    let mut seen = vec![(Instant::now(), published(plane, home).unwrap())];
    let replicas = [
        Replica::start(plane, home, lifetimes).await,
        Replica::start(plane, home, lifetimes).await,
    ];
    replicas[0].untrusted("the CA is new");
    let (mut calls, mut by_new) = (0, 0);
    let start = Instant::now();
    while by_new < 40 {
        assert!(start.elapsed() < Duration::from_secs(60), "of {calls}");
        seen.push((Instant::now(), published(plane, home).unwrap()));
        let known = seen.iter().rev().find(|(at, _)| at.elapsed() > late);
        let known = &known.unwrap_or(&seen[0]).1;
        calls += 1;
        let ready: Vec<_> = replicas
            .iter()
            .filter(|replica| replica.state() == Some(Certificate::Trusted))
            .collect();
        if let Some(replica) = ready.get(calls % 3) {
            by_new += 1;
            assert!(replica.answers(known), "call {calls}, to a new replica");
        } else {
            assert!(answers(&old.slot, known), "call {calls}, to an old one");
        }
    }
    assert!(start.elapsed() > Duration::from_secs(3));

    // Back is as good, and one that starts later takes calls at once.
    let bundle = published(plane, home).unwrap();
    assert!(answers(&old.slot, &bundle));
    let begun = Instant::now();
    let next = Replica::start(plane, home, lifetimes).await;
    next.trusted();
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_blanked_emptied_or_deleted_is_back_within_five_seconds() {
    let (plane, home) = (ControlPlane::shared(), "own-heal");
    namespace(plane, home, None);
    let replica = Replica::start(plane, home, USUAL).await;
    replica.untrusted("there is no MutatingWebhookConfiguration own-heal yet");
    apply(plane, home);
    replica.trusted();
    let first = Cert::all(&published(plane, home).unwrap());

    blank(plane, home);
    assert!(healed(plane, home, &replica) < SOON);
    assert_eq!(Cert::all(&published(plane, home).unwrap()), first);

    // Applied again with nothing in it, as some tools do at every turn: the same CA is put back.
    let before = secret(plane, home).unwrap()["data"].clone();
    let empty = json!([{"op": "remove", "path": "/data"}]).to_string();
    plane.ok(
        &[
            "patch",
            "secret",
            "-n",
            home,
            "silkroll-own-ca",
            "--type=json",
            "-p",
            &empty,
        ],
        "",
    );
    assert!(healed(plane, home, &replica) < SOON);
    assert_eq!(secret(plane, home).unwrap()["data"], before);

    // Deleted: a new CA, and the one before stays as long as leaves of it may be served.
    plane.ok(&["delete", "secret", "-n", home, "silkroll-own-ca"], "");
    assert!(healed(plane, home, &replica) < SOON);
    let both = eventually("both in the bundle", || {
        let both = Cert::all(&published(plane, home)?);
        (both.len() == 2).then_some(both)
    });
    assert_eq!(both[1..], first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_put_into_the_configuration_stays_and_nothing_conflicts() {
    let (plane, home) = (ControlPlane::shared(), "own-shared");
    namespace(plane, home, None);
    apply(plane, home);
    let replica = Replica::start(plane, home, USUAL).await;
    replica.trusted();
    // A provider adds a label and a selector, under its own name.
    let selector = json!([
        {"op": "add", "path": "/metadata/labels", "value": {"provider": "yes"}},
        {"op": "add", "path": "/webhooks/0/namespaceSelector", "value": {"matchLabels": {"provider": "yes"}}},
    ]);
    let selector = selector.to_string();
    plane.ok(
        &[
            "patch",
            "mutatingwebhookconfiguration",
            home,
            "--type=json",
            "-p",
            &selector,
        ],
        "",
    );
    blank(plane, home);
    healed(plane, home, &replica);
    for _ in 0..3 {
        apply(plane, home);
        assert!(
            published(plane, home).is_some(),
            "applying leaves caBundle alone"
        );
    }
    let there = there(plane, home);
    assert_eq!(there["metadata"]["labels"]["provider"], "yes");
    assert_eq!(
        there["webhooks"][0]["namespaceSelector"]["matchLabels"]["provider"],
        "yes"
    );
    let there = plane.get(&[
        "mutatingwebhookconfiguration",
        home,
        "--show-managed-fields",
    ]);
    let managers = there.unwrap()["metadata"]["managedFields"].clone();
    let managers = managers.as_array().unwrap().clone();
    assert!(
        managers
            .iter()
            .any(|manager| manager["manager"] == "silkroll")
    );
    for manager in managers {
        let owns = manager["fieldsV1"].to_string();
        assert!(
            manager["manager"] != "silkroll" || !owns.contains("f:rules"),
            "{owns}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_the_users_is_never_written_over() {
    let (plane, home) = (ControlPlane::shared(), "own-foreign");
    namespace(plane, home, None);
    apply(plane, home);
    let users = Authority::new(silkroll_now(), 10).unwrap().issued;
    let object = |kind: &str, keys: [&str; 2]| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": "silkroll-own-ca", "namespace": home},
            "stringData": {keys[0]: users.cert_pem, keys[1]: users.key_pem},
        })
        .to_string()
    };
    for (kind, keys, words) in [
        (
            "kubernetes.io/tls",
            ["tls.crt", "tls.key"],
            "of type kubernetes.io/tls",
        ),
        ("Opaque", ["tls.crt", "tls.key"], "the key tls.crt"),
        ("Opaque", ["ca.crt", "ca.key"], "not one that Silkroll made"),
    ] {
        plane.ok(&["create", "-f", "-"], &object(kind, keys));
        let before = secret(plane, home).unwrap();
        let replica = Replica::start(plane, home, USUAL).await;
        replica.untrusted(words);
        assert!(!replica.slot.is_set());
        assert_eq!(secret(plane, home).unwrap(), before);
        assert_eq!(published(plane, home), None);
        drop(replica);
        plane.ok(&["delete", "secret", "-n", home, "silkroll-own-ca"], "");
    }
    // What is served already is served on, and its bundle kept.
    let replica = Replica::start(plane, home, USUAL).await;
    replica.trusted();
    plane.ok(&["delete", "secret", "-n", home, "silkroll-own-ca"], "");
    plane.kubectl(
        &["create", "-f", "-"],
        &object("Opaque", ["ca.crt", "ca.key"]),
    );
    assert!(healed(plane, home, &replica) < SOON);
    assert_eq!(replica.state(), Some(Certificate::Trusted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_api_server_is_away_what_is_served_is_served_on() {
    let plane = ControlPlane::start(Options::default());
    let home = "own-away";
    namespace(&plane, home, None);
    apply(&plane, home);
    let replica = Replica::start(&plane, home, USUAL).await;
    replica.trusted();
    let bundle = published(&plane, home).unwrap();
    plane.stop_api_server();
    let late = Replica::start(&plane, home, USUAL).await;
    late.untrusted("cannot read the webhook configuration");
    assert!(replica.answers(&bundle));
    assert_eq!(replica.state(), Some(Certificate::Trusted));
    plane.start_api_server();
    late.trusted();
    blank(&plane, home);
    assert!(healed(&plane, home, &replica) < SOON);
    assert_eq!(published(&plane, home), Some(bundle));
}

/// Puts this into the Secret, or makes it.
fn put(plane: &ControlPlane, home: &str, ca: &Ca, immutable: bool) {
    let data: BTreeMap<String, String> = ca
        .data()
        .into_iter()
        .map(|(key, value)| (key, STANDARD.encode(value)))
        .collect();
    if secret(plane, home).is_some() {
        let patch = json!([
            {"op": "add", "path": "/data", "value": data},
            {"op": "add", "path": "/immutable", "value": immutable},
        ]);
        let patch = patch.to_string();
        let name = ["patch", "secret", "-n", home, "silkroll-own-ca"];
        let patch = ["--type=json", "-p", &patch];
        plane.ok(&[&name[..], &patch[..]].concat(), "");
        return;
    }
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": immutable,
        "metadata": {"name": "silkroll-own-ca", "namespace": home}, "data": data,
    });
    plane.ok(&["create", "-f", "-"], &object.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_is_not_valid_yet_is_replaced_and_never_served() {
    let (plane, home) = (ControlPlane::shared(), "own-early");
    namespace(plane, home, None);
    apply(plane, home);
    let early = ca(silkroll_now() + DAY);
    put(plane, home, &early, true);
    let replica = Replica::start(plane, home, USUAL).await;
    replica.untrusted("cannot write the CA's Secret");
    assert!(!replica.slot.is_set());
    assert_eq!(published(plane, home), None);
    assert_eq!(logged(&["not valid before", home]).len(), 1);
    plane.ok(&["delete", "secret", "-n", home, "silkroll-own-ca"], "");
    replica.trusted();
    // One that can be replaced is, and what is served is trusted throughout.
    put(plane, home, &early, false);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        assert!(replica.answers(&published(plane, home).unwrap()));
    }
    assert_eq!(replica.state(), Some(Certificate::Trusted));
    let certs = Cert::all(&published(plane, home).unwrap());
    assert!(certs[0].counts(silkroll_now()), "{certs:?}");
    assert_ne!(certs[0], early.cert);
    // One that cannot be changes nothing.
    let before = published(plane, home).unwrap();
    put(plane, home, &ca(silkroll_now() + 2 * DAY), true);
    eventually("a write that fails", || {
        (replica.times(&Certificate::Unwritten) > 0).then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(replica.state(), Some(Certificate::Trusted));
    assert_eq!(published(plane, home).unwrap(), before);
    blank(plane, home);
    assert!(healed(plane, home, &replica) < SOON);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_ca_cannot_be_renewed_it_is_used_while_it_is_valid() {
    let (plane, home) = (ControlPlane::shared(), "own-stuck");
    namespace(plane, home, None);
    apply(plane, home);
    let due = ca(silkroll_now() - 250 * DAY);
    put(plane, home, &due, true);
    let replica = Replica::start(plane, home, USUAL).await;
    replica.trusted();
    assert!(replica.answers(&bundle(&[&due])));
    assert!(replica.times(&Certificate::Unwritten) > 0);
    blank(plane, home);
    assert!(healed(plane, home, &replica) < SOON);
    // Leaves are signed as long as it lasts.
    let lifetimes = Lifetimes { leaf: 6, ..USUAL };
    let short = Replica::start(plane, home, lifetimes).await;
    short.trusted();
    std::thread::sleep(Duration::from_secs(8));
    assert!(short.answers(&published(plane, home).unwrap()));
    assert_eq!(short.state(), Some(Certificate::Trusted));
    plane.ok(&["delete", "secret", "-n", home, "silkroll-own-ca"], "");
    eventually("a new CA", || {
        let certs = Cert::all(&published(plane, home)?);
        (certs[0] != due.cert && certs.contains(&due.cert)).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_secret_put_over_the_present_one_fails_no_call() {
    let (plane, home) = (ControlPlane::shared(), "own-backup");
    namespace(plane, home, None);
    apply(plane, home);
    let lifetimes = Lifetimes { settle: 2, ..USUAL };
    let older = ca(silkroll_now() - 100 * DAY);
    let replica = Replica::start(plane, home, lifetimes).await;
    replica.trusted();
    // One that serves on and hears nothing.
    let stalled = Replica::start(plane, home, lifetimes).await;
    stalled.trusted();
    stalled.task.abort();
    put(plane, home, &older, false);
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < Duration::from_secs(6) {
        let bundle = published(plane, home).unwrap();
        assert!(replica.answers(&bundle), "call {calls}");
        assert!(stalled.answers(&bundle), "call {calls} of the stalled one");
        calls += 1;
    }
    assert!(calls > 5, "{calls}");
    // By now it serves by the older one.
    assert!(replica.answers(&bundle(&[&older])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fight_over_the_bundle_is_bounded_and_told_once() {
    let (plane, home) = (ControlPlane::shared(), "own-fight");
    namespace(plane, home, None);
    apply(plane, home);
    let replica = Replica::start(plane, home, USUAL).await;
    replica.trusted();
    let generation = || {
        there(plane, home)["metadata"]["generation"]
            .as_u64()
            .unwrap()
    };
    let foreign = foreign_ca("The Opponent");
    let value = STANDARD.encode(&foreign);
    let one = |entry: u8| json!({"op": "add", "path": format!("/webhooks/{entry}/clientConfig/caBundle"), "value": value});
    let patch = json!([one(0), one(1)]).to_string();
    let write = [
        "patch",
        "mutatingwebhookconfiguration",
        home,
        "--type=json",
        "--field-manager=rival",
        "-p",
        &patch,
    ];
    let (before, start) = (generation(), Instant::now());
    while start.elapsed() < Duration::from_secs(15) {
        if published(plane, home).as_deref() != Some(foreign.as_bytes()) {
            plane.ok(&write, "");
        }
    }
    let restored = replica.times(&Certificate::Restored);
    // Five at once; 0.25, 0.5 and 1 s later one each; then one every 2 s: the 14th after 13.75 s, the 15th after 15.75 s.
    assert!((5..=15).contains(&restored), "{restored}");
    // As many by the rival, and its first.
    assert!(generation() - before <= 31, "{}", generation() - before);
    let warned = logged(&["WARN", "again and again", "field manager rival"]);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(healed(plane, home, &replica) < SOON);
    replica.trusted();
    let told = logged(&["WARN", "not Silkroll's", "The Opponent"]);
    assert_eq!(told.len(), 1, "{told:?}");
}

/// The certificate of a CA of somebody's.
fn foreign_ca(name: &str) -> String {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem().replace('\r', "")
}

fn silkroll_now() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().try_into().unwrap()
}

/// Handshakes with two replicas by what the configuration trusts, 50 a second, until so many new leaves were served;
/// how many there were, and how many failed.
async fn rotate(home: &str, lifetimes: Lifetimes, leaves: usize) -> (usize, usize) {
    let plane = ControlPlane::shared();
    namespace(plane, home, None);
    apply(plane, home);
    let replicas = [
        Replica::start(plane, home, lifetimes).await,
        Replica::start(plane, home, lifetimes).await,
    ];
    replicas.iter().for_each(Replica::trusted);
    // An API server goes by what it read, a moment old.
    let trusted = Arc::new(Mutex::new(published(plane, home).unwrap()));
    let reader = Arc::clone(&trusted);
    let kubectl = home.to_owned();
    let read = std::thread::spawn(move || {
        while Arc::strong_count(&reader) > 1 {
            if let Some(bundle) = published(ControlPlane::shared(), &kubectl) {
                *reader.lock().unwrap() = bundle;
            }
        }
    });
    let (mut calls, mut failed) = (0, 0);
    let served = |replica: &Replica| {
        let heard = replica.heard.lock().unwrap();
        heard
            .iter()
            .filter(|event| matches!(event, Certificate::Served { .. }))
            .count()
    };
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    while replicas.iter().map(served).sum::<usize>() < leaves {
        turns.tick().await;
        let bundle = trusted.lock().unwrap().clone();
        let replica = &replicas[calls % 2];
        calls += 1;
        failed += usize::from(!replica.answers(&bundle));
    }
    drop(trusted);
    read.join().unwrap();
    (calls, failed)
}

const SHORT: Lifetimes = Lifetimes {
    ca: 12,
    leaf: 6,
    settle: 2,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_fails_no_call() {
    let (calls, failed) = rotate("own-rotate", SHORT, 6).await;
    assert!(calls > 50, "{calls}");
    assert_eq!(failed, 0, "of {calls}");
}

/// `cargo test --test own_certificates -- --ignored --nocapture hundreds_of_rotations`; `ROTATIONS=50` for fewer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half an hour"]
async fn hundreds_of_rotations_fail_no_call() {
    let rotations = std::env::var("ROTATIONS").map_or(500, |text| text.parse().unwrap());
    let (calls, failed) = rotate("own-rotations", SHORT, rotations).await;
    println!("{rotations} rotations, {calls} calls, {failed} failed");
    assert_eq!(failed, 0, "of {calls}");
}

/// `cargo test --test own_certificates -- --ignored --nocapture a_hundred_times`; `TIMES=10` for fewer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn deleted_and_blanked_a_hundred_times_all_is_back_within_five_seconds() {
    let times = std::env::var("TIMES").map_or(100, |text| text.parse().unwrap());
    let (plane, home) = (ControlPlane::shared(), "own-hundred");
    namespace(plane, home, None);
    apply(plane, home);
    let replica = Replica::start(plane, home, USUAL).await;
    replica.trusted();
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        plane.ok(&["delete", "secret", "-n", home, "silkroll-own-ca"], "");
        blank(plane, home);
        longest = longest.max(healed(plane, home, &replica));
    }
    println!("{times} times, healed in {longest:?} at most");
    assert!(longest < SOON, "{longest:?}");
}
