//! Where the files of a control plane are, and what its programs are started with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::kubectl::Kubectl;
use crate::process::Spec;

/// A control plane on this machine.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The folder with etcd, kubectl and the programs of Kubernetes.
    pub bin: PathBuf,
    /// The folder of certificates, kubeconfigs and data.
    pub home: PathBuf,
    /// The URL of the API server.
    pub server: String,
    /// The URL at which it finds etcd.
    pub etcd: String,
}

impl Layout {
    /// Writes the certificates of the API server, which has these names and addresses besides the usual ones, those for
    /// service accounts, and the administrator's kubeconfig, `admin.kubeconfig`.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written to.
    pub fn write_certificates(&self, addresses: &[&str]) -> Result<Authority> {
        let authority = Authority::new()?;
        self.write("ca.crt", &authority.certificate())?;
        let usual = ["127.0.0.1", "localhost", "kubernetes.default.svc"];
        authority
            .serving(&[&usual, addresses].concat())?
            .write(&self.home, "apiserver")?;
        // Signs service account tokens. Of the certificate only its public key counts: the API server
        // reads an EC one from a certificate, but not from the private key.
        authority
            .client("service-accounts", "none")?
            .write(&self.home, "service-accounts")?;
        self.write_client(&authority, "admin", "admin", "system:masters")?;
        Ok(authority)
    }

    /// Writes NAME.crt, NAME.key and NAME.kubeconfig for a user of a group.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written to.
    pub fn write_client(
        &self,
        authority: &Authority,
        name: &str,
        user: &str,
        group: &str,
    ) -> Result<()> {
        let pair = authority.client(user, group)?;
        let (certificate, key) = pair.write(&self.home, name)?;
        let user = json!({"client-certificate": certificate, "client-key": key});
        self.write_kubeconfig(name, &user).map(drop)
    }

    /// Writes NAME.kubeconfig for a user as a kubeconfig has it, and says where.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written to.
    pub fn write_kubeconfig(&self, name: &str, user: &Value) -> Result<PathBuf> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": name}}],
            "clusters": [{"name": "here", "cluster": {
                "server": self.server, "certificate-authority": self.home.join("ca.crt"),
            }}],
            "users": [{"name": name, "user": user}],
        });
        self.write(&format!("{name}.kubeconfig"), &config.to_string())
    }

    /// Writes a file, and says where.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written to.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.home.join(name);
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// The kubeconfig of a name.
    #[must_use]
    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        self.home.join(format!("{name}.kubeconfig"))
    }

    /// kubectl as its administrator.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.bin.join("kubectl"), self.kubeconfig("admin"))
    }

    /// A program of it.
    #[must_use]
    pub fn spec(&self, name: &str, args: Vec<String>) -> Spec {
        Spec {
            name: name.to_owned(),
            program: self.bin.join(name),
            args,
            env: Vec::new(),
        }
    }

    /// A program that talks to the API server, with the kubeconfig of this name.
    #[must_use]
    pub fn client(&self, name: &str, kubeconfig: &str, args: &[&str]) -> Spec {
        let path = self.kubeconfig(kubeconfig);
        let mut all = vec![format!("--kubeconfig={}", path.display())];
        all.extend(args.iter().map(|&arg| arg.to_owned()));
        self.spec(name, all)
    }

    /// etcd, which finds the address to listen at in `more`.
    #[must_use]
    pub fn etcd(&self, more: Vec<String>) -> Spec {
        let mut args = vec![
            format!("--data-dir={}", self.home.join("etcd").display()),
            // The data need not survive the machine.
            "--unsafe-no-fsync".to_owned(),
        ];
        args.extend(more);
        self.spec("etcd", args)
    }

    /// The API server, which finds its addresses and what else is special about it in `more`.
    #[must_use]
    pub fn api_server(&self, more: Vec<String>) -> Spec {
        let file = |flag: &str, name: &str| format!("--{flag}={}", self.home.join(name).display());
        let mut args = vec![
            format!("--etcd-servers={}", self.etcd),
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "apiserver.crt"),
            file("tls-private-key-file", "apiserver.key"),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            file("service-account-key-file", "service-accounts.crt"),
            file("service-account-signing-key-file", "service-accounts.key"),
        ];
        args.extend(more);
        self.spec("kube-apiserver", args)
    }
}
