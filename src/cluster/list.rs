//! Everything that `silkroll check --cluster` judges, read page by page; nothing is written.

use std::fmt::Write as _;

use hyper::Request;
use serde_json::Value;

use super::{Cluster, Error};

/// Objects of one page: kubectl's own number.
const PAGE: usize = 500;
/// A list whose pages have expired at the API server, after five minutes, is begun again so often.
const TRIES: usize = 3;

/// What is read: the path of its group and version, and its plural. `ConfigMaps` are not: nobody has to show what is in
/// them.
const READ: [(&str, &str); 8] = [
    ("api/v1", "services"),
    ("apis/apps/v1", "deployments"),
    ("apis/apps/v1", "statefulsets"),
    ("apis/apps/v1", "daemonsets"),
    ("apis/policy/v1", "poddisruptionbudgets"),
    ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    ("apis/networking.k8s.io/v1", "ingresses"),
    ("apis/argoproj.io/v1alpha1", "rollouts"),
];

/// Without these there is nothing to judge.
const NEEDED: &str = "deployments";

/// What was read.
#[derive(Debug, Default)]
pub struct Lists {
    /// The API's own Lists, and a Namespace by itself.
    pub lists: Vec<Value>,
    /// Kinds, by their plurals, that this account may not list.
    pub forbidden: Vec<&'static str>,
}

impl Cluster {
    /// The workloads and what is judged with them, of one namespace or of all. Of a kind that the cluster does not know there
    /// are no objects; one that this account may not list is named and left out.
    ///
    /// # Errors
    /// Deployments cannot be listed, or the cluster does not answer.
    pub async fn lists(&self, namespace: Option<&str>) -> Result<Lists, Error> {
        let mut all = Lists::default();
        let namespaces = match namespace {
            Some(name) => {
                let one = self.get(&format!("/api/v1/namespaces/{name}")).await;
                one.map(|one| vec![one])
            }
            None => self.pages("/api/v1/namespaces").await,
        };
        all.add("api/v1", "namespaces", namespaces, self).await?;
        for (group, plural) in READ {
            let path = match namespace {
                Some(name) => format!("/{group}/namespaces/{name}/{plural}"),
                None => format!("/{group}/{plural}"),
            };
            let pages = self.pages(&path).await;
            all.add(group, plural, pages, self).await?;
        }
        Ok(all)
    }

    /// Whether there is such a kind: who may not list it is refused before anybody looks whether it is there.
    async fn has(&self, group: &str, plural: &str) -> bool {
        match self.get(&format!("/{group}")).await {
            Ok(known) => {
                let mut resources = known["resources"].as_array().into_iter().flatten();
                resources.any(|one| one["name"] == plural)
            }
            Err(Error::List { status: 404, .. }) => false,
            Err(_) => true,
        }
    }

    async fn pages(&self, path: &str) -> Result<Vec<Value>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.all_pages(path).await {
                Err(Error::List { status: 404, .. }) => return Ok(Vec::new()),
                Err(Error::List { status: 410, .. }) if tries < TRIES => {}
                other => return other,
            }
        }
    }

    async fn all_pages(&self, path: &str) -> Result<Vec<Value>, Error> {
        let mut pages = Vec::new();
        let mut next = String::new();
        loop {
            let more = if next.is_empty() {
                String::new()
            } else {
                format!("&continue={}", escaped(&next))
            };
            let mut page = self.get(&format!("{path}?limit={PAGE}{more}")).await?;
            // Half of each object, and nothing that is judged.
            for item in page["items"].as_array_mut().into_iter().flatten() {
                if let Some(metadata) = item["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                }
            }
            page["metadata"]["continue"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut next);
            pages.push(page);
            if next.is_empty() {
                return Ok(pages);
            }
        }
    }

    async fn get(&self, path: &str) -> Result<Value, Error> {
        let failed = |status: u16, why: String| Error::List {
            path: path.split('?').next().unwrap_or(path).to_owned(),
            status,
            why,
        };
        let request = Request::get(path).body(Vec::new());
        let request = request.map_err(|error| failed(0, error.to_string()))?;
        match self.client.request(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err(failed(status.code, status.message)),
            Err(error) => Err(self.no_answer(&error)),
        }
    }
}

impl Lists {
    async fn add(
        &mut self,
        group: &str,
        plural: &'static str,
        read: Result<Vec<Value>, Error>,
        cluster: &Cluster,
    ) -> Result<(), Error> {
        match read {
            Ok(lists) => self.lists.extend(lists),
            Err(Error::List { status: 403, .. }) if plural != NEEDED => {
                if cluster.has(group, plural).await {
                    self.forbidden.push(plural);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A token of the API server's in a query: it is base64 with `=`, and may change its form.
pub(super) fn escaped(token: &str) -> String {
    let mut out = String::with_capacity(token.len());
    for byte in token.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing into a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}
