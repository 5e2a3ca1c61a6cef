//! TLS over any stream, by the system's library.
//!
//! Known traps of that library, each met here: building its connector is slow, so it is built once
//! and only when needed; a handshake time-out hides in an error's source chain; an end of TCP
//! without close_notify looks like a clean end, so the stream below keeps note.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use native_tls::{HandshakeError, Identity, Protocol, TlsConnector, TlsStream};

use crate::certificate::{self, Certificate};
use crate::error::{excerpt, Error, Result};
use crate::stream::Stream;

/// What a client asks of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// Authorities to trust beside the system's: a PEM file's text.
    pub roots: Option<String>,
    /// More authorities to trust, in a PEM file that is large: it is read only when nobody else
    /// vouches for a peer, which needs another connection ([`Connector::once_more`](crate::Connector::once_more)).
    pub more_roots: Option<PathBuf>,
    /// Our own certificate chain and PKCS#8 key, both PEM.
    pub identity: Option<(String, String)>,
    /// The oldest version that will do.
    pub minimum: Option<TlsVersion>,
    /// SHA-256 digests of public keys (the certificate's SubjectPublicKeyInfo), of which the peer
    /// must show one. Empty: any key that its certificate vouches for.
    pub pins: Vec<[u8; 32]>,
    /// Accept any certificate. The pins still hold.
    pub insecure: bool,
    /// Application protocols to offer (RFC 7301), best first.
    pub alpn: Vec<String>,
}

/// A policy, and the library's connector, which is built from it once, when the first handshake
/// needs it.
#[derive(Default)]
pub struct Tls {
    policy: TlsPolicy,
    quick: OnceLock<std::result::Result<TlsConnector, String>>,
    complete: OnceLock<std::result::Result<TlsConnector, String>>,
    for_proxy: OnceLock<Arc<Tls>>,
    /// Quick trust was not enough for a peer.
    wants_all: AtomicBool,
}

/// Which authorities a handshake may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those that cost nothing to know.
    Quick,
    /// All of them.
    Complete,
}

/// A version of TLS that may be demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2, also the default.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// What a handshake told.
#[derive(Debug, Clone, Default)]
pub struct TlsFacts {
    /// The application protocol that the server chose.
    pub alpn: Option<String>,
    /// The server's certificate as DER.
    pub certificate: Vec<u8>,
    /// The channel binding `tls-server-end-point` (RFC 5929 section 4): the certificate's digest.
    pub end_point: Option<Vec<u8>>,
}

impl TlsFacts {
    /// The server's certificate, read.
    pub fn certificate(&self) -> Option<Certificate> {
        Certificate::parse(&self.certificate).ok()
    }
}

impl TlsPolicy {
    fn build(&self, trust: Trust) -> std::result::Result<TlsConnector, String> {
        let mut builder = TlsConnector::builder();
        for root in self.root_certificates(trust)? {
            builder.add_root_certificate(root);
        }
        if let Some((chain, key)) = &self.identity {
            let identity = Identity::from_pkcs8(chain.as_bytes(), key.as_bytes()).map_err(|error| {
                format!("the client certificate or its key cannot be used: {error}; the key must be PKCS#8 PEM (-----BEGIN PRIVATE KEY-----)")
            })?;
            builder.identity(identity);
        }
        builder.min_protocol_version(Some(match self.minimum {
            Some(TlsVersion::V1_3) => Protocol::Tlsv13,
            _ => Protocol::Tlsv12,
        }));
        let alpn: Vec<&str> = self.alpn.iter().map(String::as_str).collect();
        if !alpn.is_empty() {
            builder.request_alpns(&alpn);
        }
        builder.danger_accept_invalid_certs(self.insecure);
        builder.danger_accept_invalid_hostnames(self.insecure);
        builder.build().map_err(|error| error.to_string())
    }

    /// The library only logs a root that it cannot read, so each is read here first.
    fn root_certificates(
        &self,
        trust: Trust,
    ) -> std::result::Result<Vec<native_tls::Certificate>, String> {
        let mut roots = match &self.roots {
            Some(pem) => certificate::from_pem(pem.as_bytes())?,
            None => Vec::new(),
        };
        if let (Trust::Complete, Some(path)) = (trust, &self.more_roots) {
            let failed = |why: String| format!("{}: {why}", path.display());
            let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            roots.extend(certificate::from_pem(&pem).map_err(failed)?);
        }
        roots
            .iter()
            .map(|der| native_tls::Certificate::from_der(der).map_err(|error| error.to_string()))
            .collect()
    }
}

impl From<TlsPolicy> for Tls {
    fn from(policy: TlsPolicy) -> Tls {
        Tls {
            policy,
            ..Tls::default()
        }
    }
}

impl Tls {
    fn connector(&self, trust: Trust) -> std::result::Result<&TlsConnector, String> {
        let slot = match trust {
            Trust::Quick => &self.quick,
            Trust::Complete => &self.complete,
        };
        slot.get_or_init(|| self.policy.build(trust))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The trust to begin with where nobody would make the connection again.
    pub(crate) fn all_trust(&self) -> Trust {
        match self.policy.more_roots {
            Some(_) => Trust::Complete,
            None => Trust::Quick,
        }
    }

    /// The trust to begin with elsewhere: the quick one, until it was not enough.
    pub(crate) fn first_trust(&self) -> Trust {
        match self.wants_all.load(Ordering::Relaxed) || self.complete.get().is_some() {
            true => Trust::Complete,
            false => Trust::Quick,
        }
    }

    /// Whether a handshake that failed so with quick trust may succeed with all of it: because
    /// nobody was known who vouches for the peer.
    pub(crate) fn may_trust_more(&self, error: &Error) -> bool {
        let stranger = match error {
            Error::Insecure { why, .. } => why.contains("issuer") || why.contains("self-signed"),
            _ => false,
        };
        stranger && self.policy.more_roots.is_some()
    }

    /// Whether a handshake that failed so should be tried on another connection, where all
    /// authorities will be asked. Says so once.
    pub(crate) fn learns_from(&self, error: &Error) -> bool {
        self.may_trust_more(error) && !self.wants_all.swap(true, Ordering::Relaxed)
    }

    /// What is asked of a proxy. The pins, our own certificate and the application protocols are for
    /// the host behind it.
    pub(crate) fn for_proxy(self: &Arc<Tls>) -> Arc<Tls> {
        let policy = TlsPolicy {
            identity: None,
            pins: Vec::new(),
            alpn: Vec::new(),
            ..self.policy.clone()
        };
        if policy == self.policy {
            return Arc::clone(self);
        }
        Arc::clone(self.for_proxy.get_or_init(|| Arc::new(policy.into())))
    }

    /// The handshake, with the host name verified. `peer` names the endpoint in errors.
    pub(crate) fn handshake(
        &self,
        host: &str,
        peer: &str,
        mut stream: Box<dyn Stream>,
        deadline: Instant,
        trust: Trust,
    ) -> Result<(Box<dyn Stream>, TlsFacts)> {
        let started = Instant::now();
        stream.set_deadline(Some(deadline));
        let connector = self
            .connector(trust)
            .map_err(|why| insecure(peer, why, false))?;
        // The dot that ends an absolute name (RFC 1034 section 3.1) is not in certificates.
        let name = host.strip_suffix('.').unwrap_or(host);
        match connector.connect(name, Below::new(stream)) {
            Ok(stream) => {
                let facts = self.check(peer, &stream)?;
                let first = None;
                Ok((Box::new(TlsSession { stream, first }), facts))
            }
            Err(HandshakeError::WouldBlock(_)) => Err(timed_out(peer, started)),
            Err(HandshakeError::Failure(error)) => Err(explain(peer, started, &error)),
        }
    }

    fn check(&self, peer: &str, stream: &TlsStream<Below>) -> Result<TlsFacts> {
        let certificate = stream
            .peer_certificate()
            .ok()
            .flatten()
            .and_then(|certificate| certificate.to_der().ok())
            .unwrap_or_default();
        if !self.policy.pins.is_empty() {
            let key = certificate::public_key_digest(&certificate)
                .map_err(|why| insecure(peer, why, true))?;
            if !self.policy.pins.contains(&key) {
                let why = format!(
                    "the public key is not the pinned one; it is sha256:{}",
                    certificate::hexadecimal(&key)
                );
                return Err(insecure(peer, why, true));
            }
        }
        let alpn = stream.negotiated_alpn().ok().flatten();
        let alpn = alpn.map(|name| String::from_utf8_lossy(&name).into_owned());
        // RFC 7301 section 3.2; a server of another protocol may hold a valid certificate (ALPACA).
        if let Some(name) = &alpn {
            if !self.policy.alpn.contains(name) {
                let why = format!("the server speaks {name:?}, which was not offered");
                return Err(insecure(peer, why, false));
            }
        }
        Ok(TlsFacts {
            alpn,
            certificate,
            end_point: stream.tls_server_end_point().ok().flatten(),
        })
    }
}

/// What we were doing, in the errors of a handshake.
pub const HANDSHAKE: &str = "the TLS handshake";

fn insecure(peer: &str, why: impl Into<String>, certificate: bool) -> Error {
    Error::Insecure {
        peer: peer.to_owned(),
        doing: HANDSHAKE.to_owned(),
        why: why.into(),
        certificate,
    }
}

fn timed_out(peer: &str, started: Instant) -> Error {
    Error::TimedOut {
        peer: peer.to_owned(),
        doing: HANDSHAKE.to_owned(),
        after: started.elapsed(),
    }
}

/// Turns the library's account of a failed handshake into ours. Time-outs and ends of stream lie
/// somewhere in its source chain; what the peer really said lies in the stream below.
fn explain(peer: &str, started: Instant, error: &native_tls::Error) -> Error {
    let closed = || Error::Closed {
        peer: peer.to_owned(),
        doing: HANDSHAKE.to_owned(),
        why: "the connection ended before TLS was established".to_owned(),
    };
    let text = error.to_string();
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<io::Error>() {
            if let Some(NotTls(said)) = inner.get_ref().and_then(|e| e.downcast_ref::<NotTls>()) {
                let why = format!("the server does not speak TLS here, it said \"{said}\"; try --starttls, --plain or another port");
                return insecure(peer, why, false);
            }
            match inner.kind() {
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                    return timed_out(peer, started)
                }
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => return closed(),
                _ => {}
            }
        }
        source = inner.source();
    }
    if text.contains("unexpected EOF") {
        return closed();
    }
    insecure(
        peer,
        advice(&text),
        text.contains("certificate verify failed"),
    )
}

/// The reason in the library's brackets, and what to try.
fn advice(text: &str) -> String {
    let reason = text
        .rfind('(')
        .and_then(|start| text.get(start + 1..)?.strip_suffix(')'));
    let hint = match reason {
        Some("hostname mismatch" | "IP address mismatch") => {
            "the certificate is for another host (--connect-to keeps the right name)"
        }
        Some("certificate has expired") => "the certificate has expired",
        Some("certificate is not yet valid") => {
            "the certificate is not valid yet (is the clock right?)"
        }
        Some("self-signed certificate" | "self-signed certificate in certificate chain") => {
            "the certificate is self-signed (--ca FILE trusts its authority)"
        }
        Some("unable to get local issuer certificate") => {
            "nobody we trust vouches for the certificate (--ca FILE adds an authority)"
        }
        _ => return text.to_owned(),
    };
    match reason {
        Some(reason) => format!("{hint}: {reason}"),
        None => hint.to_owned(),
    }
}

/// TLS over another stream.
struct TlsSession {
    stream: TlsStream<Below>,
    /// The byte that was read to see whether there is one.
    first: Option<u8>,
}

impl Read for TlsSession {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let (Some(slot), Some(byte)) = (buffer.first_mut(), self.first) {
            *slot = byte;
            self.first = None;
            return Ok(1);
        }
        let count = self.stream.read(buffer).map_err(broken_record)?;
        // RFC 8446 section 6.1: an end without close_notify is a truncation.
        if count == 0 && !buffer.is_empty() && self.stream.get_ref().ended {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended without TLS close_notify, so something may be missing",
            ));
        }
        Ok(count)
    }
}

impl Write for TlsSession {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes).map_err(broken_record)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().map_err(broken_record)
    }
}

/// What the library refuses after the handshake: a record that was tampered with, or an alert.
#[derive(Debug)]
pub(crate) struct BrokenRecord(String);

impl std::fmt::Display for BrokenRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BrokenRecord {}

/// Tells the library's own errors from those of the stream below, which it hands on as they are.
fn broken_record(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Other => io::Error::other(BrokenRecord(error.to_string())),
        _ => error,
    }
}

impl Stream for TlsSession {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.stream.get_mut().inner.set_deadline(deadline);
    }

    fn is_encrypted(&self) -> bool {
        true
    }

    fn has_ended(&self) -> bool {
        self.stream.get_ref().ended
    }

    /// What has arrived below may be half a record, or one that says nothing to us, as the session
    /// tickets do that come behind a TLS 1.3 handshake (RFC 8446 section 4.6.1). So the library looks.
    fn is_readable(&mut self) -> bool {
        if self.first.is_some() || self.stream.buffered_read_size().is_ok_and(|size| size > 0) {
            return true;
        }
        let mut first = [0];
        self.stream.get_mut().may_wait = false;
        let result = self.stream.read(&mut first);
        self.stream.get_mut().may_wait = true;
        match result {
            Ok(1) => self.first = first.first().copied(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            _ => {}
        }
        true
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.stream.get_ref().inner.descriptor()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        self.stream.shutdown()?;
        self.stream.get_mut().inner.end_writing()
    }
}

/// How long a farewell may take when nothing depends on it.
const FAREWELL: Duration = Duration::from_millis(100);

impl Drop for TlsSession {
    fn drop(&mut self) {
        // RFC 8446 section 6.1: we owe the peer a close_notify. It is one small record.
        self.set_deadline(Some(Instant::now() + FAREWELL));
        let _ = self.stream.shutdown();
    }
}

/// The stream below TLS: reads ahead, because the library would read each record in two calls,
/// and looks at the first bytes, because only they tell what a peer that does not speak TLS said.
struct Below {
    inner: Box<dyn Stream>,
    ahead: Vec<u8>,
    start: usize,
    end: usize,
    begun: bool,
    /// Nothing more comes from below. That end may be orderly there, as when TLS with a proxy ends;
    /// for what goes on above, it is the same as a cut.
    ended: bool,
    /// Whether to wait for bytes that have not arrived.
    may_wait: bool,
}

/// Four TLS records of the largest size (RFC 8446 section 5.2), with room for their headers.
const READ_AHEAD: usize = 4 * (16 * 1024 + 512);

/// The peer's first bytes were not a TLS record; they are kept, escaped.
#[derive(Debug)]
struct NotTls(String);

impl std::fmt::Display for NotTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not TLS: {}", self.0)
    }
}

impl std::error::Error for NotTls {}

impl Below {
    fn new(inner: Box<dyn Stream>) -> Below {
        Below {
            inner,
            ahead: vec![0; READ_AHEAD],
            start: 0,
            end: 0,
            begun: false,
            ended: false,
            may_wait: true,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if !self.may_wait && !self.inner.is_readable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.start = 0;
        self.end = 0;
        self.end = self.inner.read(&mut self.ahead)?;
        self.ended |= self.end == 0;
        let bytes = self.ahead.get(..self.end).unwrap_or_default();
        if !self.begun && !bytes.is_empty() {
            self.begun = true;
            // Content types 20 to 23 begin every TLS record (RFC 8446 section 5.1).
            if !bytes.first().is_some_and(|first| (20..=23).contains(first)) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    NotTls(excerpt(bytes)),
                ));
            }
        }
        Ok(())
    }
}

impl Read for Below {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start >= self.end {
            self.fill()?;
        }
        let mut unread = self.ahead.get(self.start..self.end).unwrap_or_default();
        let count = unread.read(buffer)?;
        self.start += count;
        Ok(count)
    }
}

impl Write for Below {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_with_advice() {
        let text = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:../ssl/statem/statem_clnt.c:1889: (hostname mismatch)";
        assert!(advice(text).contains("--connect-to"));
        assert!(advice(text).ends_with("hostname mismatch"));
        assert_eq!(advice("something else"), "something else");
    }

    #[test]
    fn a_bad_root_is_an_error() {
        let policy = TlsPolicy {
            roots: Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into()),
            ..TlsPolicy::default()
        };
        assert!(Tls::from(policy).connector(Trust::Quick).is_err());
    }
}
