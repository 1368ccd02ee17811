//! `silkroll certs`: a certificate authority and a serving certificate, as files and for a cluster.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::object_name;
use crate::policy::dns_label;
use crate::tls::Files;
use crate::tls::check::{check, trusted};
use crate::tls::issue::{Authority, CA_DAYS, Issued, LEAF_DAYS};
use crate::tls::{date, name};

/// How long another run may have the folder: it takes milliseconds.
const LOCKED: Duration = Duration::from_secs(10);
/// How soon it is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(20);
/// Far beyond any bundle; a file that is longer was named by mistake.
const LARGEST_FILE: u64 = 1024 * 1024;

const EXAMPLES: &str = "\
For a server on this machine:
  silkroll certs
  silkroll serve --standalone --tls-cert certs/tls.crt --tls-key certs/tls.key

For a cluster, where Silkroll is not to make its own (docs/operations.md); first the trust, then what is trusted:
  silkroll certs
  silkroll certs --output patch |
    kubectl patch mutatingwebhookconfiguration silkroll \\
      --field-manager=silkroll --patch-file /dev/stdin
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

    /// With `--output secret` or `manifests`: the Secret that Silkroll's pods mount, `certificates.secretName` of the chart
    #[arg(long, value_name = "NAME", default_value = "silkroll-tls", value_parser = object_name)]
    pub secret_name: String,

    /// A further DNS name that callers use; may be repeated
    #[arg(long, value_name = "NAME", value_parser = dns)]
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

    /// With `--output patch` or `manifests`: for the webhook's entry for Pods, too, where
    /// manifests/pods.patch.yaml has added it
    #[arg(long)]
    pub pods: bool,
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
    if !patches && args.pods {
        bail!(
            "--pods is for --output patch or manifests: nothing else is about the webhook's entries"
        );
    }
    if args.output != Output::Files && (args.force || args.reuse_ca) {
        bail!("--force and --reuse-ca make files: run without --output first, then print them");
    }
    let now = date::now();
    if args.output == Output::Files {
        let told = files(args, now)?;
        report.write_all(told.as_bytes())?;
        return Ok(());
    }
    // All is read and checked before any of it is printed: half of it would be applied.
    let mut told = String::new();
    let text = {
        // None where there is no folder: what cannot be read says so.
        let _lock = lock(&args.dir, false).ok();
        match args.output {
            Output::Files | Output::Patch => patch(args, now)?,
            Output::Secret => secret(args, now, &mut told)?,
            Output::Manifests => {
                let patch = patch(args, now)?;
                manifests(&secret(args, now, &mut told)?, &patch)
            }
        }
    };
    report.write_all(told.as_bytes())?;
    super::print(out, text.as_bytes())?;
    Ok(())
}

/// What takes the patch. The field manager has a name of its own: Flux, where it manages the webhook's configuration,
/// takes away what a manager whose name begins with `kubectl` owns, and without its bundle Silkroll is off in silence.
const PATCH: &str = "kubectl patch mutatingwebhookconfiguration silkroll --field-manager=silkroll --patch-file /dev/stdin";

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
#   sed '1,/^---$/d' certs.yaml | {PATCH}
{patch}"
    )
}

/// Makes the files; what to say of them.
fn files(args: &Args, now: i64) -> Result<String> {
    let at = |name: &str| args.dir.join(name);
    if args.reuse_ca && !args.dir.exists() {
        read(&at("ca.crt"))?;
    }
    fs::create_dir_all(&args.dir)
        .with_context(|| format!("the folder {} cannot be made", args.dir.display()))?;
    // From the look at what is there to the last file: two runs at once would mix their keys.
    let lock = lock(&args.dir, true)?;
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
    write_together(&to_write)?;
    drop(lock);

    let written: Vec<_> = to_write
        .iter()
        .map(|(path, ..)| path.display().to_string())
        .collect();
    Ok(format!(
        "{}\nWritten: {}\n\
         Serve with it on this machine:\n  silkroll serve --standalone --tls-cert {} --tls-key {}\n\
         Or bring it into a cluster: silkroll certs --help shows the commands.\n",
        summary(args, leaf.not_after),
        written.join(", "),
        at("tls.crt").display(),
        at("tls.key").display()
    ))
}

/// The folder for this run alone, or together with others that only read, until the file is dropped. The folder itself
/// is locked, so nothing is left behind.
fn lock(dir: &Path, alone: bool) -> Result<File> {
    let cannot = || format!("the folder {} cannot be locked", dir.display());
    let folder = File::open(dir).with_context(cannot)?;
    let until = Instant::now() + LOCKED;
    loop {
        let tried = if alone {
            folder.try_lock()
        } else {
            folder.try_lock_shared()
        };
        match tried {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(TRY_AGAIN);
            }
            Err(TryLockError::WouldBlock) => bail!(
                "{}: another run of `silkroll certs` has had it for {} s; is it stopped?",
                cannot(),
                LOCKED.as_secs()
            ),
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
    }
}

/// The webhook's entries: of the install file, and for Pods, which not every cluster has.
const ENTRIES: [&str; 2] = ["inject.silkroll.dev", "pods.silkroll.dev"];

/// A strategic merge patch. Not a manifest for `kubectl apply --server-side`: on an object that was
/// applied client-side before, kubectl moves all its fields to the new manager, and the next such
/// apply takes away whatever the partial manifest does not have.
fn patch(args: &Args, now: i64) -> Result<String> {
    let mut bundle = certificates(&args.dir.join("ca.crt"), now)?;
    for path in &args.trust {
        bundle.push_str(&certificates(path, now)?);
    }
    let bundle = STANDARD.encode(bundle);
    let mut patch = "webhooks:\n".to_owned();
    for name in ENTRIES.into_iter().take(1 + usize::from(args.pods)) {
        // Writing into a String cannot fail.
        let _ = writeln!(
            patch,
            "- name: {name}\n  clientConfig:\n    caBundle: {bundle}"
        );
    }
    Ok(patch)
}

/// The Secret; `told` gets what to say of it.
fn secret(args: &Args, now: i64, told: &mut String) -> Result<String> {
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
        now,
    )?;
    told.push_str(&summary(args, pair.not_after()));
    told.push_str(
        " The cluster has it once this is applied; running replicas take it up by themselves within two minutes.\n",
    );
    // Both names are checked; quoted, for one of digits is a number else. The rest is base64.
    Ok(format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: \"{}\"
  namespace: \"{}\"
  labels:
    app.kubernetes.io/name: silkroll
type: kubernetes.io/tls
data:
  tls.crt: {}
  tls.key: {}
",
        args.secret_name,
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

/// A file of certificates that count, checked to be nothing else: it goes into a public place.
fn certificates(path: &Path, now: i64) -> Result<String> {
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
    trusted(&path.display().to_string(), text.as_bytes(), now)?;
    Ok(text.trim().to_owned() + "\n")
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|open| open.take(LARGEST_FILE + 1).read_to_string(&mut text))
        .with_context(|| {
            format!(
                "{} cannot be read: `silkroll certs` makes it, --dir names another folder",
                path.display()
            )
        })?;
    if text.len() as u64 > LARGEST_FILE {
        bail!(
            "{} is larger than 1 MiB, so it is no certificate or key: name the right file",
            path.display()
        );
    }
    Ok(text)
}

/// Writes all of them aside first and gives them their names together, so that what can fail does so while the old
/// ones still stand. The lock keeps others out.
fn write_together(files: &[(PathBuf, &String, u32)]) -> Result<()> {
    let cannot = |path: &Path| {
        format!(
            "{} cannot be written: check the folder's permissions",
            path.display()
        )
    };
    let result = files
        .iter()
        .try_for_each(|(path, content, mode)| {
            write_aside(path, content.as_bytes(), *mode).with_context(|| cannot(path))
        })
        .and_then(|()| {
            files.iter().try_for_each(|(path, ..)| {
                fs::rename(aside(path), path).with_context(|| cannot(path))
            })
        });
    if result.is_err() {
        for (path, ..) in files {
            // The first error is the one to tell; a file left behind holds nothing of use.
            let _ = fs::remove_file(aside(path));
        }
    }
    result
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

fn write_aside(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let aside = aside(path);
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Of a run that was killed; its mode may be another.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&aside)?;
    file.write_all(content)?;
    file.sync_all()
}

fn dns(text: &str) -> Result<String, String> {
    name::dns(text).map(|()| text.to_owned())
}

/// A name as Kubernetes allows it for Services and namespaces (RFC 1123 label).
fn label(name: &str) -> Result<String, String> {
    if dns_label(name) {
        Ok(name.to_owned())
    } else {
        Err("use lower-case letters, digits and hyphens, 63 at most, as Kubernetes does".into())
    }
}
