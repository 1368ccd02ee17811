//! What an image's name tells.

/// The parts of an image's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Image<'a> {
    /// Without tag and digest: `docker.io/library/nginx`.
    pub(super) repository: &'a str,
    /// Empty where there is none.
    pub(super) tag: &'a str,
}

impl<'a> Image<'a> {
    pub(super) fn parse(name: &'a str) -> Self {
        let (name, _) = name.split_once('@').unwrap_or((name, ""));
        // A colon before the last slash belongs to the registry's port.
        let last = name.rfind('/').map_or(0, |at| at + 1);
        match name[last..].split_once(':') {
            Some((short, tag)) => Self {
                repository: &name[..last + short.len()],
                tag,
            },
            None => Self {
                repository: name,
                tag: "",
            },
        }
    }

    /// The last part of the repository: `nginx`.
    pub(super) fn name(&self) -> &'a str {
        let at = self.repository.rfind('/').map_or(0, |at| at + 1);
        &self.repository[at..]
    }

    /// Whether it is an image of Docker's own collection, by any of the names that it goes by.
    pub(super) fn is_official(&self, name: &str) -> bool {
        let rest = self.repository.strip_suffix(name);
        rest.is_some_and(|rest| {
            matches!(
                rest,
                "" | "library/" | "docker.io/" | "docker.io/library/" | "index.docker.io/library/"
            )
        })
    }

    /// Major and minor version at the beginning of the tag.
    pub(super) fn version(&self) -> Option<(u32, u32)> {
        let (major, rest) = self.tag.trim_start_matches('v').split_once('.')?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        Some((major.parse().ok()?, rest[..end].parse().ok()?))
    }

    /// Whether the image is known to hold no shell, by what it is called: distroless, scratch and Chainguard's name their
    /// images so, and give those with a shell a word of their own.
    pub(super) fn has_no_shell(&self) -> bool {
        let tag = self.tag;
        let name = self.name();
        let with_shell = ["debug", "dev", "alpine", "bookworm", "bullseye", "busybox"]
            .iter()
            .any(|word| tag.contains(word) || words(name).any(|part| part == *word));
        if with_shell {
            return false;
        }
        // A registry's host says nothing of what it keeps.
        let path = match self.repository.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path,
            _ => self.repository,
        };
        let mut said = path.split('/').chain([tag]).flat_map(words);
        let chainguard = self
            .repository
            .strip_prefix("cgr.dev/")
            .is_some_and(|rest| {
                let name = rest.rsplit('/').next().unwrap_or(rest);
                !SHELLED.contains(&name)
            });
        chainguard
            || said.any(|word| word == "distroless")
            || name == "scratch"
            || tag.ends_with("-scratch")
            || BARE.iter().any(|known| self.repository.ends_with(known))
    }
}

/// The words of a name or tag.
pub(super) fn words(name: &str) -> impl DoubleEndedIterator<Item = &str> {
    name.split(['-', '_', '.'])
}

/// Images of Chainguard's that are there for their shell.
const SHELLED: [&str; 4] = ["wolfi-base", "bash", "busybox", "chainguard-base"];

/// Well-known images without a shell whose name does not say so: each is built from scratch or on distroless.
const BARE: [&str; 8] = [
    "/pause",
    "/csi-node-driver-registrar",
    "coredns/coredns",
    "kube-state-metrics/kube-state-metrics",
    "metrics-server/metrics-server",
    "hashicorp/http-echo",
    "cloud-sql-connectors/cloud-sql-proxy",
    "cr.l5d.io/linkerd/proxy",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (name, repository, tag) in [
            ("nginx", "nginx", ""),
            ("nginx:1.25", "nginx", "1.25"),
            ("host:5000/a/b", "host:5000/a/b", ""),
            ("host:5000/a/b:c@sha256:d", "host:5000/a/b", "c"),
            ("", "", ""),
            (":", "", ""),
        ] {
            assert_eq!(Image::parse(name), Image { repository, tag }, "{name}");
        }
    }

    #[test]
    fn images_without_a_shell_are_known_by_name() {
        for (name, expected) in [
            ("gcr.io/distroless/java17", true),
            ("gcr.io/distroless/java17:debug", false),
            ("gcr.io/distroless/base-debian12:debug-nonroot", false),
            ("cgr.dev/chainguard/node:latest", true),
            ("cgr.dev/chainguard/node:latest-dev", false),
            ("cgr.dev/chainguard/bash", false),
            ("istio/proxyv2:1.22.0-distroless", true),
            ("registry.k8s.io/pause:3.9", true),
            ("quay.io/k8scsi/csi-node-driver-registrar:v1.2.0", true),
            ("distroless.example.com/web:1", false),
            ("distroless:5000/web", false),
            ("myrepo/distroless-tools-alpine:3", false),
            ("myrepo/nodistroless:3", false),
            ("myrepo/web-distroless:3", true),
            ("nginx:1.27", false),
            ("registry.example/shop/web", false),
        ] {
            assert_eq!(Image::parse(name).has_no_shell(), expected, "{name}");
        }
    }
}
