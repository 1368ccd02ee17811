//! What is checked before a certificate is served, and what is issued.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

use std::net::IpAddr;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use silkroll::tls::check::{Error, check};
use silkroll::tls::issue::{Authority, Issued};
use silkroll::tls::{Files, Pair};
use x509_parser::prelude::{FromDer, X509Certificate};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
const NAME: &str = "silkroll.silkroll-system.svc";

fn files() -> Files {
    Files {
        cert: "/tls/tls.crt".into(),
        key: "/tls/tls.key".into(),
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn authority() -> Authority {
    Authority::new(NOW, 3650).unwrap()
}

fn leaf(authority: &Authority, dns: &[&str]) -> Issued {
    authority.leaf(&names(dns), &[], NOW, 365).unwrap()
}

fn checked(cert: &str, key: &str, expected: &[&str], now: i64) -> Result<Pair, Error> {
    check(
        &files(),
        cert.as_bytes(),
        key.as_bytes(),
        &names(expected),
        now,
    )
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn custom(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    change(&mut params);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_good_pair_tells_its_names_and_its_end() {
    let issued = leaf(&authority(), &[NAME, "localhost"]);
    let pair = checked(&issued.cert_pem, &issued.key_pem, &[NAME], NOW).unwrap();
    assert_eq!(pair.names(), [NAME, "localhost"]);
    assert_eq!(pair.not_after(), NOW + 365 * DAY);
    assert_eq!(pair.not_after(), issued.not_after);
}

#[test]
fn a_key_may_be_in_the_old_ec_format() {
    let issued = leaf(&authority(), &[NAME]);
    let PrivateKeyDer::Pkcs8(key) =
        PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap()
    else {
        panic!("PKCS#8 is what is issued");
    };
    // PKCS#8 of P-256 is a head of fixed length before the SEC 1 structure.
    let sec1 = &key.secret_pkcs8_der()[29..];
    let old = pem("EC PRIVATE KEY", sec1);
    checked(&issued.cert_pem, &old, &[NAME], NOW).unwrap();
    // openssl writes the curve's parameters before it.
    let with_parameters = format!("{}{old}", pem("EC PARAMETERS", &[6, 1, 0]));
    checked(&issued.cert_pem, &with_parameters, &[NAME], NOW).unwrap();
}

#[test]
fn a_damaged_rsa_key_in_the_old_format_is_taken_for_a_key() {
    let issued = leaf(&authority(), &[NAME]);
    let key = pem("RSA PRIVATE KEY", &[0x30, 3, 2, 1, 0]);
    let error = checked(&issued.cert_pem, &key, &[], NOW).unwrap_err();
    assert!(matches!(error, Error::Key { .. }), "{error}");
}

#[test]
fn each_fault_is_named_with_its_file_and_what_to_do() {
    let ca = authority();
    let good = leaf(&ca, &[NAME]);
    let other = leaf(&ca, &[NAME]);
    let (cert, key) = (good.cert_pem.as_str(), good.key_pem.as_str());
    let wrong_order = format!("{}{cert}", ca.issued.cert_pem);
    let (client_only, client_key) = custom(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (nameless, nameless_key) = custom(|params| params.subject_alt_names.clear());
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                         DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let half = &cert[..cert.len() / 2];
    let not_x509 = pem("CERTIFICATE", b"not a certificate");

    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, i64, &[&str])] = &[
        ("empty certificate", "", key, NOW, &["/tls/tls.crt holds no certificate", "BEGIN CERTIFICATE"]),
        ("not PEM", "\u{0}\u{1}", key, NOW, &["/tls/tls.crt holds no certificate"]),
        ("swapped", key, cert, NOW, &["/tls/tls.crt holds a private key", "swap"]),
        ("half a certificate", half, key, NOW, &["/tls/tls.crt is damaged"]),
        ("no X.509", &not_x509, key, NOW, &["/tls/tls.crt cannot be read"]),
        ("empty key", cert, "", NOW, &["/tls/tls.key holds no private key"]),
        ("certificate for a key", cert, cert, NOW, &["/tls/tls.key holds no private key"]),
        ("half a key", cert, &key[..key.len() / 2], NOW, &["/tls/tls.key is damaged"]),
        ("encrypted", cert, encrypted, NOW, &["/tls/tls.key is encrypted", "openssl pkey"]),
        ("encrypted, old format", cert, old_encrypted, NOW, &["/tls/tls.key is encrypted"]),
        ("another key", cert, &other.key_pem, NOW, &["/tls/tls.crt does not belong", "/tls/tls.key"]),
        ("issuer first", &wrong_order, key, NOW, &["number 2 does", "first"]),
        ("too early", cert, key, NOW - 600, &["/tls/tls.crt is not valid before", "clock"]),
        ("too late", cert, key, NOW + 366 * DAY, &["/tls/tls.crt expired on 2028-01-15", "silkroll certs"]),
        ("for clients", &client_only, &client_key, NOW, &["may not be used by a server"]),
        ("no names", &nameless, &nameless_key, NOW, &[NAME, "are none"]),
    ];
    for (case, cert, key, now, parts) in cases {
        let error = checked(cert, key, &[NAME], *now).unwrap_err().to_string();
        for part in *parts {
            assert!(error.contains(part), "{case}: {part:?} is not in: {error}");
        }
    }
}

#[test]
fn names_are_compared_as_callers_compare_them() {
    let ca = authority();
    let cases: &[(&str, &str, bool)] = &[
        (NAME, NAME, true),
        ("Silkroll.Silkroll-System.SVC", NAME, true),
        ("*.silkroll-system.svc", NAME, true),
        ("*.svc", NAME, false),
        ("*.svc", "silkroll.svc", true),
        ("silkroll-system.svc", NAME, false),
        ("localhost", NAME, false),
    ];
    for (has, expected, covered) in cases {
        let issued = leaf(&ca, &[has]);
        let result = checked(&issued.cert_pem, &issued.key_pem, &[expected], NOW);
        assert_eq!(result.is_ok(), *covered, "{has} for {expected}: {result:?}");
    }
    let ip: IpAddr = "::1".parse().unwrap();
    let issued = ca.leaf(&[], &[ip], NOW, 1).unwrap();
    for (expected, covered) in [("0:0:0:0:0:0:0:1", true), ("127.0.0.1", false)] {
        let result = checked(&issued.cert_pem, &issued.key_pem, &[expected], NOW);
        assert_eq!(result.is_ok(), covered, "{expected}: {result:?}");
    }
}

#[test]
fn a_leaf_is_for_serving_and_counts_from_five_minutes_ago() {
    let ca = authority();
    let issued = leaf(&ca, &[NAME]);
    let der = CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap();
    let (_, cert) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(cert.validity().not_before.timestamp(), NOW - 300);
    assert!(!cert.is_ca());
    assert!(
        cert.extended_key_usage()
            .unwrap()
            .unwrap()
            .value
            .server_auth
    );
    assert!(cert.key_usage().unwrap().unwrap().value.digital_signature());

    let der = CertificateDer::from_pem_slice(ca.issued.cert_pem.as_bytes()).unwrap();
    let (_, ca_cert) = X509Certificate::from_der(&der).unwrap();
    assert!(ca_cert.is_ca());
    assert!(ca_cert.key_usage().unwrap().unwrap().value.key_cert_sign());
    cert.verify_signature(Some(ca_cert.public_key())).unwrap();
}

#[test]
fn an_authority_can_be_taken_up_again_and_leaves_do_not_outlive_it() {
    let first = authority();
    let (cert, key) = (&first.issued.cert_pem, &first.issued.key_pem);
    let again = Authority::from_pem(&files(), cert, key, NOW).unwrap();
    let issued = again.leaf(&names(&[NAME]), &[], NOW, 36500).unwrap();
    assert_eq!(issued.not_after, first.issued.not_after);
    let der = CertificateDer::from_pem_slice(issued.cert_pem.as_bytes()).unwrap();
    let (_, leaf_cert) = X509Certificate::from_der(&der).unwrap();
    let ca_der = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
    let (_, ca_cert) = X509Certificate::from_der(&ca_der).unwrap();
    leaf_cert
        .verify_signature(Some(ca_cert.public_key()))
        .unwrap();
    assert_eq!(leaf_cert.issuer(), ca_cert.subject());
}

#[test]
fn an_authority_of_no_use_is_refused() {
    let ca = authority();
    let issued = leaf(&ca, &[NAME]);
    let refused = |cert: &str, key: &str, now| {
        Authority::from_pem(&files(), cert, key, now)
            .err()
            .unwrap()
            .to_string()
    };
    let error = refused(&issued.cert_pem, &issued.key_pem, NOW);
    assert!(error.contains("not a CA"), "{error}");
    let error = refused(&ca.issued.cert_pem, &issued.key_pem, NOW);
    assert!(error.contains("does not belong"), "{error}");
    let error = refused(&ca.issued.cert_pem, &ca.issued.key_pem, NOW + 3651 * DAY);
    assert!(error.contains("expired"), "{error}");
}

#[test]
fn a_name_that_no_certificate_can_hold_is_named() {
    let error = authority()
        .leaf(&names(&["größe.svc"]), &[], NOW, 1)
        .err()
        .unwrap();
    assert!(error.to_string().contains("größe.svc"), "{error}");
}
