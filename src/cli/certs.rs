//! `silkroll certs`: a certificate authority and a serving certificate, as files and for a cluster.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::tls::Files;
use crate::tls::check::check;
use crate::tls::date;
use crate::tls::issue::{Authority, CA_DAYS, Issued, LEAF_DAYS};

const EXAMPLES: &str = "\
For a server on this machine:
  silkroll certs
  silkroll serve --standalone --tls-cert certs/tls.crt --tls-key certs/tls.key

For a cluster, after the install manifest was applied; first the trust, then what is trusted:
  silkroll certs
  silkroll certs --output patch |
    kubectl patch mutatingwebhookconfiguration silkroll --patch-file /dev/stdin
  silkroll certs --output secret | kubectl apply --server-side -f -

The same two as one file, to carry to where kubectl is; its comments say how each is applied:
  silkroll certs --output manifests > certs.yaml

To renew it before it expires, under the same authority, so that no call fails meanwhile:
  silkroll certs --reuse-ca
  silkroll certs --output secret | kubectl apply --server-side -f -

Keep certs/ca.key for that, away from the cluster. Where it is lost, make a new authority and let
callers trust both until every replica has the new certificate (two minutes):
  kubectl get mutatingwebhookconfiguration silkroll \\
    -o jsonpath='{.webhooks[0].clientConfig.caBundle}' | base64 -d > old-ca.crt
  silkroll certs --force
  silkroll certs --output patch --trust old-ca.crt | kubectl patch ... (as above, then the Secret)";

/// Make a certificate authority and a serving certificate
///
/// API servers call the webhook over HTTPS and trust only the authority in the webhook's
/// configuration. This makes such an authority and a certificate signed by it (ECDSA P-256), for
/// SERVICE.NAMESPACE.svc, its longer and shorter names, localhost and the loopback addresses.
#[derive(Debug, clap::Args)]
#[group(id = "certs")]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Make the files, or print what is in them for kubectl
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,

    /// The folder that ca.crt, ca.key, tls.crt and tls.key are written to
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub dir: PathBuf,

    /// The Service in front of the webhook
    #[arg(long, value_name = "NAME", default_value = "silkroll", value_parser = label)]
    pub service: String,

    /// The namespace of that Service
    #[arg(long, short, value_name = "NAME", default_value = "silkroll-system", value_parser = label)]
    pub namespace: String,

    /// A further DNS name that callers use; may be repeated
    #[arg(long, value_name = "NAME")]
    pub dns: Vec<String>,

    /// A further address that callers use; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Vec<IpAddr>,

    /// How many days the serving certificate lasts (the authority lasts ten years)
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(CA_DAYS)))]
    pub days: u32,

    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,

    /// Sign with the ca.crt and ca.key that are in the folder, and replace tls.crt and tls.key only:
    /// whoever trusts the authority need not learn a new one
    #[arg(long, conflicts_with = "force")]
    pub reuse_ca: bool,

    /// With `--output patch` or `manifests`: a file of certificates that callers go on trusting
    /// beside ca.crt
    #[arg(long, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
}

/// What becomes of the certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Four files in the folder; the keys readable by their owner only
    #[default]
    Files,
    /// Nothing is made: the folder's ca.crt as a patch of the webhook's configuration
    Patch,
    /// Nothing is made: the folder's tls.crt and tls.key as a Secret
    Secret,
    /// Nothing is made: Secret and patch as two documents, with comments that say how each is applied
    Manifests,
}

/// Makes the certificates, or prints those that are there to `out`. The report for people goes to
/// `report`.
///
/// # Errors
/// Files are there already, are missing or cannot be written, a name is no DNS name, or a
/// certificate is of no use. The message says what to do.
pub fn run(args: &Args, out: &mut dyn Write, report: &mut dyn Write) -> Result<()> {
    let patches = matches!(args.output, Output::Patch | Output::Manifests);
    if !patches && !args.trust.is_empty() {
        bail!("--trust is for --output patch or manifests: nothing else says whom callers trust");
    }
    if args.output != Output::Files && (args.force || args.reuse_ca) {
        bail!("--force and --reuse-ca make files: run without --output first, then print them");
    }
    // All is read and checked before any of it is printed: half of it would be applied.
    let text = match args.output {
        Output::Files => return files(args, report),
        Output::Patch => patch(args)?,
        Output::Secret => secret(args, report)?,
        Output::Manifests => {
            let patch = patch(args)?;
            manifests(&secret(args, report)?, &patch)
        }
    };
    super::print(out, text.as_bytes())?;
    Ok(())
}

/// Two documents of which only the first is an object, so that `kubectl apply` of the whole fails.
fn manifests(secret: &str, patch: &str) -> String {
    format!(
        "\
# What Silkroll's certificates are for kubectl, after `kubectl apply -f manifests/install.yaml`.
# Saved as certs.yaml, the second document goes first: API servers trust before there is anything to trust.
#
# This document is the Secret that Silkroll's pods mount. It holds a private key.
#   sed '/^---$/,$d' certs.yaml | kubectl apply --server-side -f -
{secret}---
# This document is a patch, not an object: whom API servers trust when they call Silkroll.
#   sed '1,/^---$/d' certs.yaml | kubectl patch mutatingwebhookconfiguration silkroll --patch-file /dev/stdin
{patch}"
    )
}

fn files(args: &Args, report: &mut dyn Write) -> Result<()> {
    let at = |name: &str| args.dir.join(name);
    let now = date::now();
    let authority = if args.reuse_ca {
        let (cert, key) = (at("ca.crt"), at("ca.key"));
        Authority::from_pem(
            &Files {
                cert: cert.display().to_string(),
                key: key.display().to_string(),
            },
            &read(&cert)?,
            &read(&key)?,
            now,
        )?
    } else {
        Authority::new(now, CA_DAYS)?
    };
    let leaf = leaf(args, &authority, now)?;

    let mut to_write = vec![
        (at("tls.crt"), &leaf.cert_pem, 0o644),
        (at("tls.key"), &leaf.key_pem, 0o600),
    ];
    if !args.reuse_ca {
        to_write.push((at("ca.crt"), &authority.issued.cert_pem, 0o644));
        to_write.push((at("ca.key"), &authority.issued.key_pem, 0o600));
    }
    if !args.force && !args.reuse_ca {
        let there = to_write.iter().find(|(path, ..)| path.exists());
        if let Some((path, ..)) = there {
            bail!(
                "{} is there already: use --reuse-ca to renew tls.crt under the same authority, \
                 --force to replace all four files, or another --dir",
                path.display()
            );
        }
    }
    fs::create_dir_all(&args.dir)
        .with_context(|| format!("the folder {} cannot be made", args.dir.display()))?;
    for (path, content, mode) in &to_write {
        write_whole(path, content.as_bytes(), *mode).with_context(|| {
            format!(
                "{} cannot be written: check the folder's permissions",
                path.display()
            )
        })?;
    }

    writeln!(report, "{}", summary(args, leaf.not_after))?;
    let written: Vec<_> = to_write
        .iter()
        .map(|(path, ..)| path.display().to_string())
        .collect();
    writeln!(report, "Written: {}", written.join(", "))?;
    writeln!(
        report,
        "Serve with it on this machine:\n  silkroll serve --standalone --tls-cert {} --tls-key {}\n\
         Or bring it into a cluster: silkroll certs --help shows the commands.",
        at("tls.crt").display(),
        at("tls.key").display()
    )?;
    Ok(())
}

/// A strategic merge patch. Not a manifest for `kubectl apply --server-side`: on an object that was
/// applied client-side before, kubectl moves all its fields to the new manager, and the next such
/// apply takes away whatever the partial manifest does not have.
fn patch(args: &Args) -> Result<String> {
    let mut bundle = certificates(&args.dir.join("ca.crt"))?;
    for path in &args.trust {
        bundle.push_str(&certificates(path)?);
    }
    Ok(format!(
        "webhooks:
- name: inject.silkroll.dev
  clientConfig:
    caBundle: {}
",
        STANDARD.encode(bundle)
    ))
}

fn secret(args: &Args, report: &mut dyn Write) -> Result<String> {
    let (cert, key) = (args.dir.join("tls.crt"), args.dir.join("tls.key"));
    let (cert_pem, key_pem) = (read(&cert)?, read(&key)?);
    let files = Files {
        cert: cert.display().to_string(),
        key: key.display().to_string(),
    };
    let expected = [format!("{}.{}.svc", args.service, args.namespace)];
    let pair = check(
        &files,
        cert_pem.as_bytes(),
        key_pem.as_bytes(),
        &expected,
        date::now(),
    )?;
    writeln!(
        report,
        "{} The cluster has it once this is applied; running replicas take it up by themselves \
         within two minutes.",
        summary(args, pair.not_after())
    )?;
    // The namespace is a checked label and the rest is base64, so nothing needs quoting.
    Ok(format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: silkroll-tls
  namespace: {}
  labels:
    app.kubernetes.io/name: silkroll
type: kubernetes.io/tls
data:
  tls.crt: {}
  tls.key: {}
",
        args.namespace,
        STANDARD.encode(cert_pem),
        STANDARD.encode(key_pem),
    ))
}

fn leaf(args: &Args, authority: &Authority, now: i64) -> Result<Issued> {
    let ips = [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let ips: Vec<_> = ips.into_iter().chain(args.ip.iter().copied()).collect();
    Ok(authority.leaf(&dns_names(args), &ips, now, args.days)?)
}

fn dns_names(args: &Args) -> Vec<String> {
    let (service, namespace) = (&args.service, &args.namespace);
    let mut names = vec![
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        format!("{service}.{namespace}"),
        "localhost".to_owned(),
    ];
    names.extend(args.dns.iter().cloned());
    names
}

fn summary(args: &Args, not_after: i64) -> String {
    format!(
        "A certificate for {}.{}.svc, good until {}.",
        args.service,
        args.namespace,
        date::utc(not_after)
    )
}

/// A file of certificates, checked to be nothing else: it goes into a public place.
fn certificates(path: &Path) -> Result<String> {
    let text = read(path)?;
    let count = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{} is damaged: copy it again", path.display()))?
        .len();
    if count == 0 || text.contains("PRIVATE KEY") {
        bail!(
            "{} must hold certificates and nothing else: give the authority's certificate as PEM",
            path.display()
        );
    }
    Ok(text.trim().to_owned() + "\n")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| {
        format!(
            "{} cannot be read: `silkroll certs` makes it, --dir names another folder",
            path.display()
        )
    })
}

/// Writes a file so that nobody ever sees half of it.
fn write_whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The first error is the one to tell; a file left behind holds nothing of use.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A name as Kubernetes allows it for Services and namespaces (RFC 1123 label).
fn label(name: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&name.len())
        && name.chars().all(good)
        && !name.starts_with('-')
        && !name.ends_with('-')
    {
        Ok(name.to_owned())
    } else {
        Err("use lower-case letters, digits and hyphens, 63 at most, as Kubernetes does".into())
    }
}
