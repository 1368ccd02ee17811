//! `silkroll serve --standalone` as a child process, and a client that trusts its certificate.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

/// Far longer than a start takes; reached only where something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    child: Child,
    client: reqwest::Client,
    /// `127.0.0.1:PORT`.
    address: String,
    // The certificates, removed with it.
    _folder: tempfile::TempDir,
}

impl Server {
    /// Makes certificates, starts the server on free ports and waits until it is ready.
    pub(crate) async fn start(namespaces: &str) -> Result<Self> {
        let silkroll = binary()?;
        let folder = tempfile::tempdir()?;
        let made = Command::new(&silkroll)
            .arg("certs")
            .arg("--dir")
            .arg(folder.path())
            .output()?;
        ensure!(
            made.status.success(),
            "silkroll certs failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let file = |name: &str| folder.path().join(name).display().to_string();
        let mut child = Command::new(&silkroll)
            .args(["serve", "--standalone", "--namespaces", namespaces])
            .args([
                "--tls-cert",
                &file("tls.crt"),
                "--tls-key",
                &file("tls.key"),
            ])
            // Port 0: the kernel picks one that is free, and the log says which.
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--drain-seconds", "0"])
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("its log cannot be read")?;
        let mut lines = BufReader::new(stderr).lines();
        let (mut log, mut serving) = (String::new(), Value::Null);
        for line in lines.by_ref() {
            let line = line?;
            log = log + &line + "\n";
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(found) = with_addresses(&entry) {
                serving = found.clone();
                break;
            }
        }
        // A full pipe would hold the server up.
        std::thread::spawn(move || lines.for_each(drop));
        let address = |key: &str| serving[key].as_str().map(str::to_owned);
        let (Some(listen), Some(admin)) = (address("listen"), address("admin_listen")) else {
            bail!("silkroll serve did not start: {log}");
        };
        let server = Self {
            child,
            client: client(&folder.path().join("ca.crt"))?,
            address: listen,
            _folder: folder,
        };
        tokio::time::timeout(PATIENCE, server.ready(&format!("http://{admin}/readyz")))
            .await
            .context("silkroll serve did not become ready")?;
        Ok(server)
    }

    async fn ready(&self, url: &str) {
        while !matches!(self.client.get(url).send().await, Ok(answer) if answer.status().is_success())
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// The body of the answer; anything but 200 is an error.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Result<String> {
        let request = self
            .client
            .post(self.url(path))
            .header("content-type", "application/json")
            .body(body.to_owned());
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path} answered {status}: {text}");
        Ok(text)
    }

    /// Asks it to end as a kubelet does, and waits.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status()?;
        ensure!(asked.success(), "process {pid} cannot be asked to end");
        let ended = self.child.wait()?;
        ensure!(ended.success(), "silkroll serve ended with {ended}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// cargo puts examples into a folder beside the binaries.
fn binary() -> Result<PathBuf> {
    let path = std::env::current_exe()?
        .parent()
        .and_then(Path::parent)
        .map(|folder| folder.join("silkroll"))
        .unwrap_or_default();
    ensure!(
        path.exists(),
        "{} is missing: run `make demo`, which builds it",
        path.display()
    );
    Ok(path)
}

/// The part of a log line that has the addresses, wherever the format nests it.
fn with_addresses(entry: &Value) -> Option<&Value> {
    if entry["listen"].is_string() {
        return Some(entry);
    }
    entry.as_object()?.values().find_map(with_addresses)
}

fn client(ca: &Path) -> Result<reqwest::Client> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&std::fs::read(ca)?)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .build()?)
}
