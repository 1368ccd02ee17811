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

impl Cluster {
    /// The workloads and what is judged with them, of one namespace or of all, as the API's own Lists.
    ///
    /// # Errors
    /// One of the kinds cannot be listed. A kind that the cluster does not know has no objects.
    pub async fn lists(&self, namespace: Option<&str>) -> Result<Vec<Value>, Error> {
        let mut lists = match namespace {
            Some(name) => vec![self.get(&format!("/api/v1/namespaces/{name}")).await?],
            None => self.pages("/api/v1/namespaces").await?,
        };
        for (group, plural) in READ {
            let path = match namespace {
                Some(name) => format!("/{group}/namespaces/{name}/{plural}"),
                None => format!("/{group}/{plural}"),
            };
            lists.extend(self.pages(&path).await?);
        }
        Ok(lists)
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
            Err(error) => Err(failed(0, error.to_string())),
        }
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
