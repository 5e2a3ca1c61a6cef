//! How long we wait and how much we take. Each number has its reason; exactly the limit is allowed.

use std::time::{Duration, Instant};

/// How long each kind of wait may last.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// Resolving, connecting and the TLS handshake together, for one connection.
    pub connect: Duration,
    /// Silence: the longest wait for the next bytes from the peer, or for it to take ours.
    pub silence: Duration,
    /// The point in time at which everything must be over; `None` for no such point.
    pub deadline: Option<Instant>,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            // Longer than one lost SYN (1 s) and its two repeats, shorter than a person's patience.
            connect: Duration::from_secs(30),
            // RFC 5321 section 4.5.3.2 asks for minutes of patience only after the final dot;
            // there the client asks for more.
            silence: Duration::from_secs(60),
            deadline: None,
        }
    }
}

impl Timeouts {
    /// When a wait of `span` that starts now must end.
    pub(crate) fn end_of(&self, span: Duration) -> Instant {
        let now = Instant::now();
        let end = now.checked_add(span).unwrap_or(now);
        self.deadline.map_or(end, |deadline| deadline.min(end))
    }
}

/// How much a peer may send where we must hold it in memory. Bodies stream and are not counted here.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes in one line. No line-oriented protocol here allows more than 1,000 in its replies
    /// (RFC 5321 section 4.5.3.1.5); real HTTP header fields reach 16 KiB.
    pub line: usize,
    /// Lines in one reply that is held whole (EHLO, CAPA, FEAT, HTTP heads).
    pub reply_lines: usize,
    /// Bytes in one such reply.
    pub reply_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            line: 64 * 1024,
            reply_lines: 1_000,
            reply_bytes: 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_end_counts() {
        let soon = Instant::now();
        let timeouts = Timeouts {
            deadline: Some(soon),
            ..Timeouts::default()
        };
        assert_eq!(timeouts.end_of(Duration::from_secs(9)), soon);
        assert!(Timeouts::default().end_of(Duration::from_secs(9)) > soon);
        // A span that no clock can hold does not overflow.
        Timeouts::default().end_of(Duration::MAX);
    }
}
