//! What one listener grants its clients.

use std::time::Duration;

/// Bounds of one listener; [`Limits::default`] fits the webhook's port.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. One more takes the place of the one that is missed least.
    pub connections: usize,
    /// What each has at least for its next step before it gives way to a new one, as long as places
    /// are not short for three times as long: a burst of good clients is not to cut its own.
    pub grace: Duration,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// From the end of one answer to the first byte of the next request.
    pub idle: Duration,
    /// From a request's head to its answer, reading the body included.
    pub request: Duration,
    /// How long a client may take none of an answer that waits for it.
    pub unread: Duration,
    /// From an answer's first byte to its last, however slowly the client reads.
    pub answer: Duration,
    /// How long to serve on after the signal to stop.
    pub drain: Duration,
    /// After the drain: how much longer the port stays open while new connections keep coming.
    pub linger: Duration,
    /// After the port has closed: how long the last answers may take before they are cut.
    pub close: Duration,
    /// Bytes of buffer for a connection; a request's head must fit in it. At least 8 KiB.
    pub buffer: usize,
    /// Bytes that the kernel holds for a connection in each direction; it takes twice as much.
    pub kernel_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An API server keeps 25 idle; a burst of 200 requests was seen to open hundreds.
            // At about 100 KB each with TLS, 512 stay within 50 MB.
            connections: 512,
            // A handshake takes a few milliseconds, and 3,840 a second get this much of 384 places
            // anyway.
            grace: Duration::from_millis(100),
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(10),
            // Go's client drops an idle connection after 90 s. Closing earlier than it does would
            // race with its next request, and a POST that loses this race is not sent again.
            idle: Duration::from_secs(120),
            // `timeoutSeconds` of a webhook is 30 at most: no API server waits longer for the answer.
            request: Duration::from_secs(30),
            unread: Duration::from_secs(10),
            // A client that is in earnest reads the largest dry run's answer in this time over
            // any line that has brought the request in time.
            answer: Duration::from_secs(60),
            // API servers go on using connections to a terminating pod until endpoints have spread.
            // This, `linger` and `close` are 20 s; with the preStop hook's 5 s, 1 s for handshakes
            // under way and the admin port, and 1 s for what still computes, that is 27 s of the
            // grace period of 30 s in `manifests/install.yaml`.
            drain: Duration::from_secs(10),
            linger: Duration::from_secs(5),
            close: Duration::from_secs(5),
            // An API server's head has some 300 bytes, a client certificate or a token may be in a
            // person's.
            buffer: 32 * 1024,
            // Left to itself the kernel lets each grow to megabytes, and they count towards the
            // pod's memory. A review of 1 MB comes in 16 rounds: 32 ms between zones.
            kernel_buffer: 64 * 1024,
        }
    }
}

impl Limits {
    /// Bounds for the plain port: probes and scrapes, a handful of clients that ask at once. They need
    /// few places; the rest is what a flood has to fill before it reaches one that is about to ask.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            connections: 256,
            // No TLS: a probe that has come through is answered at the next turn.
            grace: Duration::from_millis(20),
            head: Duration::from_secs(2),
            // A scrape every 30 s opens a new connection; a GET that is cut is sent again.
            idle: Duration::from_secs(20),
            request: Duration::from_secs(5),
            unread: Duration::from_secs(2),
            answer: Duration::from_secs(10),
            drain: Duration::ZERO,
            linger: Duration::ZERO,
            close: Duration::from_millis(500),
            buffer: 8 * 1024,
            kernel_buffer: 16 * 1024,
            ..Self::default()
        }
    }
}
