//! One kind, listed page by page. A page is let go before the next one is asked for, so memory stays flat however many
//! objects there are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::Request;
use kube::client::Body;
use tokio::time::{sleep, timeout};

use super::super::list::escaped;
use super::super::{Cluster, told};
use super::lease::Lease;
use super::page::{self, Page};
use super::tell::Teller;
use super::{Audit, CALL, Said, Trouble};
use crate::audit::covers;
use crate::engine::{Kind, NamespaceView, Settings};

/// Objects of one page: an API server makes it in some ten milliseconds.
const PAGE: usize = 250;
/// Bytes of one page. Objects have 1.5 MiB at most, and some 10 kB as a rule; where they are larger, fewer are asked for.
const BYTES: usize = 16 * 1024 * 1024;
/// Between two pages: there is no hurry, and an API server has others to serve.
const PAUSE: Duration = Duration::from_millis(100);
/// A list whose pages have expired at the API server is begun again so often.
const TRIES: usize = 3;
/// Up to so many namespaces are listed one by one; beyond, the whole cluster is: fewer calls, more bytes.
const APART: usize = 32;

/// All that a run goes by.
pub(super) struct Run<'r> {
    pub(super) cluster: &'r Cluster,
    pub(super) audit: &'r Audit,
    pub(super) settings: &'r Arc<Settings>,
    pub(super) lease: &'r mut Lease,
    pub(super) teller: &'r mut Teller,
    pub(super) said: &'r mut Said,
}

/// What a list came to.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) looked_at: u64,
    pub(super) found: BTreeMap<&'static str, u64>,
}

/// An answer of the API server.
enum Answer {
    Text(String),
    /// More bytes than are held at once.
    TooLong,
}

impl Run<'_> {
    /// Lists a kind to its end. One that the cluster does not know has no objects.
    pub(super) async fn kind(mut self, kind: Kind) -> Result<Listed, Trouble> {
        let namespaces = self.audit.namespaces.served_where(|_, entry| {
            let (annotations, labels) = (&entry.annotations, &entry.labels);
            covers(
                kind,
                NamespaceView::Known {
                    annotations,
                    labels,
                },
            )
        });
        let mut all = Listed::default();
        for path in paths(kind, &namespaces) {
            let mut tries = 1;
            let listed = loop {
                match self.pages(kind, &path).await {
                    Err(trouble) if trouble.status() == Some(404) => break Listed::default(),
                    Err(trouble) if trouble.status() == Some(410) && tries < TRIES => tries += 1,
                    listed => break listed?,
                }
            };
            all.looked_at += listed.looked_at;
            for (reason, count) in listed.found {
                *all.found.entry(reason).or_default() += count;
            }
        }
        Ok(all)
    }

    async fn pages(&mut self, kind: Kind, path: &str) -> Result<Listed, Trouble> {
        let mut listed = Listed::default();
        let mut limit = PAGE;
        let mut next = String::new();
        loop {
            self.lease.keep().await?;
            let more = if next.is_empty() {
                String::new()
            } else {
                format!("&continue={}", escaped(&next))
            };
            let text = match self.get(&format!("{path}?limit={limit}{more}")).await? {
                Answer::Text(text) => text,
                Answer::TooLong if limit > 1 => {
                    limit /= 4;
                    limit = limit.max(1);
                    continue;
                }
                Answer::TooLong => {
                    let why = format!("one object is longer than {BYTES} bytes");
                    return Err(Trouble::Other(why));
                }
            };
            let page = self.judge(kind, text).await?;
            listed.looked_at += page.looked_at;
            for found in page.found {
                *listed.found.entry(found.finding.reason).or_default() += 1;
                self.teller.tell(kind, &found, self.said).await;
            }
            next = page.next;
            if next.is_empty() {
                return Ok(listed);
            }
            sleep(PAUSE).await;
        }
    }

    /// Beside the threads that answer: a page takes a while.
    async fn judge(&self, kind: Kind, text: String) -> Result<Page, Trouble> {
        let settings = Arc::clone(self.settings);
        let namespaces = Arc::clone(&self.audit.namespaces);
        let asked = Arc::clone(&self.audit.asked);
        let judged = tokio::task::spawn_blocking(move || {
            page::judge(&text, kind, &settings, &namespaces, &asked)
        });
        match judged.await {
            Ok(page) => page.map_err(|error| Trouble::Other(told(&error))),
            Err(panic) => Err(Trouble::Other(told(&panic))),
        }
    }

    async fn get(&self, path: &str) -> Result<Answer, Trouble> {
        let request = Request::get(path).body(Body::empty());
        let request = request.map_err(|error| Trouble::Other(told(&error)))?;
        let answer = async {
            let response = self.cluster.client.send(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), BYTES);
            let bytes = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => return Ok(Answer::TooLong),
                Err(error) => return Err(Trouble::Other(told(&error))),
            };
            if !status.is_success() {
                let told = serde_json::from_slice::<kube::core::Status>(&bytes);
                let mut told = told.unwrap_or_default();
                told.code = status.as_u16();
                return Err(kube::Error::Api(Box::new(told)).into());
            }
            // The API's JSON is UTF-8.
            let text = String::from_utf8(bytes.into());
            text.map(Answer::Text)
                .map_err(|error| Trouble::Other(told(&error)))
        };
        timeout(CALL, answer).await.unwrap_or(Err(Trouble::Silent))
    }
}

/// Where a kind is listed.
fn paths(kind: Kind, namespaces: &[Box<str>]) -> Vec<String> {
    let version = kind.api_version();
    let group = if version.contains('/') { "apis" } else { "api" };
    let plural = kind.plural();
    if namespaces.len() > APART {
        return vec![format!("/{group}/{version}/{plural}")];
    }
    let each = namespaces.iter();
    each.map(|name| format!("/{group}/{version}/namespaces/{name}/{plural}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_namespaces_are_listed_one_by_one_and_many_at_once() {
        let names = |n: usize| {
            (0..n)
                .map(|n| format!("n{n}").into())
                .collect::<Vec<Box<str>>>()
        };
        assert_eq!(paths(Kind::Deployment, &[]), Vec::<String>::new());
        assert_eq!(
            paths(Kind::Deployment, &names(1)),
            ["/apis/apps/v1/namespaces/n0/deployments"]
        );
        assert_eq!(paths(Kind::Pod, &names(1)), ["/api/v1/namespaces/n0/pods"]);
        assert_eq!(paths(Kind::Rollout, &names(APART)).len(), APART);
        assert_eq!(
            paths(Kind::Rollout, &names(APART + 1)),
            ["/apis/argoproj.io/v1alpha1/rollouts"]
        );
    }
}
