//! What one listener grants its clients.

use std::time::Duration;

/// Bounds of one listener; [`Limits::default`] fits the webhook's port.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once. One more is accepted and waits, further ones in the backlog.
    pub connections: usize,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of an HTTP/1.1 request to the end of its head.
    pub head: Duration,
    /// From the end of one answer to the first byte of the next request.
    pub idle: Duration,
    /// What `idle` shrinks to while every connection is taken.
    pub idle_when_full: Duration,
    /// From a request's head to its answer, reading the body included.
    pub request: Duration,
    /// How long to serve on after the signal to stop.
    pub drain: Duration,
    /// After the drain: how long the last answers may take before they are cut.
    pub close: Duration,
    /// Bytes of buffer for a connection; an HTTP/1.1 head must fit in it.
    pub buffer: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An API server keeps 25 idle; a burst of 200 requests was seen to open hundreds.
            // At about 100 KB each with TLS, 512 stay within 50 MB.
            connections: 512,
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(10),
            // Go's client drops an idle connection after 90 s. Closing earlier than it does would
            // race with its next request, and a POST that loses this race is not sent again.
            idle: Duration::from_secs(120),
            idle_when_full: Duration::from_secs(1),
            // `timeoutSeconds` of a webhook is 30 at most: nobody waits longer for the answer.
            request: Duration::from_secs(30),
            // API servers go on using connections to a terminating pod until endpoints have spread.
            drain: Duration::from_secs(10),
            close: Duration::from_secs(5),
            buffer: 64 * 1024,
            streams: 64,
        }
    }
}

impl Limits {
    /// Bounds for the plain port: probes and scrapes, a handful of clients.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            connections: 32,
            streams: 8,
            ..Self::default()
        }
    }
}
