//! TLS over any stream, by the system's library.
//!
//! Known traps of that library, each met here: building its connector is slow, so it is built once
//! and only when needed; a handshake time-out hides in an error's source chain; an end of TCP
//! without close_notify looks like a clean end, so the stream below keeps note.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use native_tls::{HandshakeError, Identity, Protocol, TlsConnector};

use crate::certificate::{self, Certificate};
use crate::error::{Error, Result};
use crate::resumption::{Failure, Keeper, Resumption};
use crate::stream::Stream;
use crate::tls_stream::{Below, NotTls, TlsSession};

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
    quick: OnceLock<std::result::Result<Library, String>>,
    complete: OnceLock<std::result::Result<Library, String>>,
    for_proxy: OnceLock<Arc<Tls>>,
    keeping: OnceLock<Arc<Tls>>,
    /// Whether sessions can be resumed, where the system's library can do that at all.
    keeps_sessions: bool,
    /// Quick trust was not enough for a peer.
    wants_all: Arc<AtomicBool>,
}

/// What makes the handshakes.
enum Library {
    Native(TlsConnector),
    Keeping(Keeper),
}

/// Which authorities a handshake may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those that cost nothing to know.
    Quick,
    /// All of them.
    Complete,
}

/// Why a handshake believes that the peer is the one it says it is.
pub(crate) enum Authority<'s> {
    /// Somebody vouches for it.
    Trusted(Trust),
    /// It is the one of an earlier session; else, as there, somebody vouches for it.
    Resumed(&'s Resumption),
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
    /// Not known of a session that others may resume.
    pub end_point: Option<Vec<u8>>,
    /// Whether the session of another connection was resumed.
    pub resumed: bool,
}

impl TlsFacts {
    /// The server's certificate, read.
    pub fn certificate(&self) -> Option<Certificate> {
        Certificate::parse(&self.certificate).ok()
    }
}

impl TlsPolicy {
    fn build(&self, trust: Trust, keeps_sessions: bool) -> std::result::Result<Library, String> {
        let roots = self.root_certificates(trust)?;
        let identity = self.own_identity()?;
        if keeps_sessions {
            if let Some(keeper) = Keeper::build(self, &roots)? {
                return Ok(Library::Keeping(keeper));
            }
        }
        let mut builder = TlsConnector::builder();
        for root in &roots {
            let root =
                native_tls::Certificate::from_der(root).map_err(|error| error.to_string())?;
            builder.add_root_certificate(root);
        }
        if let Some(identity) = identity {
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
        let connector = builder.build().map_err(|error| error.to_string())?;
        Ok(Library::Native(connector))
    }

    fn own_identity(&self) -> std::result::Result<Option<Identity>, String> {
        let Some((chain, key)) = &self.identity else {
            return Ok(None);
        };
        let identity = Identity::from_pkcs8(chain.as_bytes(), key.as_bytes());
        identity.map(Some).map_err(|error| {
            format!("the client certificate or its key cannot be used: {error}; the key must be PKCS#8 PEM (-----BEGIN PRIVATE KEY-----)")
        })
    }

    /// The library only logs a root that it cannot read, so each is read here first, to DER.
    fn root_certificates(&self, trust: Trust) -> std::result::Result<Vec<Vec<u8>>, String> {
        let mut roots = match &self.roots {
            Some(pem) => certificate::from_pem(pem.as_bytes())?,
            None => Vec::new(),
        };
        if let (Trust::Complete, Some(path)) = (trust, &self.more_roots) {
            let failed = |why: String| format!("{}: {why}", path.display());
            let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            roots.extend(certificate::from_pem(&pem).map_err(failed)?);
        }
        Ok(roots)
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
    fn library(&self, trust: Trust) -> std::result::Result<&Library, String> {
        let slot = match trust {
            Trust::Quick => &self.quick,
            Trust::Complete => &self.complete,
        };
        slot.get_or_init(|| self.policy.build(trust, self.keeps_sessions))
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

    /// The same policy, whose sessions can be resumed.
    pub(crate) fn keeping_sessions(self: &Arc<Tls>) -> Arc<Tls> {
        if self.keeps_sessions {
            return Arc::clone(self);
        }
        Arc::clone(self.keeping.get_or_init(|| {
            Arc::new(Tls {
                keeps_sessions: true,
                wants_all: Arc::clone(&self.wants_all),
                ..self.policy.clone().into()
            })
        }))
    }

    /// The handshake, with the host name verified. `peer` names the endpoint in errors.
    pub(crate) fn handshake(
        &self,
        host: &str,
        peer: &str,
        mut stream: Box<dyn Stream>,
        deadline: Instant,
        authority: Authority<'_>,
    ) -> Result<(Box<dyn Stream>, TlsFacts)> {
        let started = Instant::now();
        stream.set_deadline(Some(deadline));
        // The dot that ends an absolute name (RFC 1034 section 3.1) is not in certificates.
        let name = host.strip_suffix('.').unwrap_or(host);
        let stream = Below::new(stream);
        let kept = match authority {
            Authority::Resumed(session) => session.connect(name, stream),
            Authority::Trusted(trust) => {
                let library = self.library(trust);
                match library.map_err(|why| insecure(peer, why, false))? {
                    Library::Native(connector) => {
                        return self.native(connector, name, peer, stream, started)
                    }
                    Library::Keeping(keeper) => keeper.connect(name, stream),
                }
            }
        };
        let stream = kept.map_err(|failure| match failure {
            Failure::TimedOut => timed_out(peer, started),
            Failure::Failed(text, error) => explain(peer, started, &text, error.as_ref()),
        })?;
        let mut facts = self.check(peer, stream.certificate(), stream.alpn())?;
        facts.resumed = stream.is_resumed();
        Ok((Box::new(TlsSession::over(stream)), facts))
    }

    fn native(
        &self,
        connector: &TlsConnector,
        name: &str,
        peer: &str,
        stream: Below,
        started: Instant,
    ) -> Result<(Box<dyn Stream>, TlsFacts)> {
        let stream = connector
            .connect(name, stream)
            .map_err(|failure| match failure {
                HandshakeError::WouldBlock(_) => timed_out(peer, started),
                HandshakeError::Failure(error) => {
                    explain(peer, started, &error.to_string(), &error)
                }
            })?;
        let certificate = stream.peer_certificate().ok().flatten();
        let certificate = certificate.and_then(|certificate| certificate.to_der().ok());
        let alpn = stream.negotiated_alpn().ok().flatten();
        let mut facts = self.check(peer, certificate, alpn)?;
        facts.end_point = stream.tls_server_end_point().ok().flatten();
        Ok((Box::new(TlsSession::over(stream)), facts))
    }

    /// What the library does not check, of the server's certificate (DER) and of the application
    /// protocol that it chose.
    fn check(
        &self,
        peer: &str,
        certificate: Option<Vec<u8>>,
        alpn: Option<Vec<u8>>,
    ) -> Result<TlsFacts> {
        let certificate = certificate.unwrap_or_default();
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
            ..TlsFacts::default()
        })
    }
}

/// Why an end of the connection under TLS is none of the conversation.
pub const NO_CLOSE_NOTIFY: &str =
    "the connection ended without TLS close_notify, so something may be missing";

/// What we were doing, in the errors of a handshake.
pub const HANDSHAKE: &str = "the TLS handshake";

/// What to try when a server wants TLS sessions resumed, and [`TlsFacts::resumed`] says that none was.
pub const NOT_RESUMED: &str = "the TLS session of the control connection could not be resumed; a \
     server that insists on it is set otherwise by require_ssl_reuse=NO (vsftpd), or TLSOptions \
     NoSessionReuseRequired (ProFTPD)";

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
fn explain(peer: &str, started: Instant, text: &str, error: &(dyn StdError + 'static)) -> Error {
    let closed = || Error::Closed {
        peer: peer.to_owned(),
        doing: HANDSHAKE.to_owned(),
        why: "the connection ended before TLS was established".to_owned(),
    };
    let mut source = Some(error);
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
        advice(text),
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
        assert!(Tls::from(policy).library(Trust::Quick).is_err());
    }
}
