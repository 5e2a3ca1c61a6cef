//! TLS sessions that other connections resume, as FTP's data connections must on many servers: only so
//! do these know that both are of one client (RFC 4217 section 10).
//!
//! `native-tls` can neither give a session nor take one. Where it stands on OpenSSL, the same
//! OpenSSL is spoken to here, with the same policy; elsewhere `no_resumption.rs` stands in.

use std::io;

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    ConnectConfiguration, HandshakeError, SslConnector, SslMethod, SslSession, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::{X509VerifyResult, X509};

use crate::tls::{TlsPolicy, TlsVersion};
use crate::tls_stream::{Below, Records};

/// A TLS session that another connection with the same server can resume.
pub struct Resumption {
    session: SslSession,
    /// What the session was made with.
    keeper: Keeper,
}

/// Makes TLS of streams, and remembers how for whoever resumes their sessions.
#[derive(Clone)]
pub(crate) struct Keeper {
    connector: SslConnector,
    insecure: bool,
}

/// TLS whose session can be resumed.
pub(crate) struct KeptStream {
    stream: SslStream<Below>,
    keeper: Keeper,
}

/// Why a handshake failed.
pub(crate) enum Failure {
    TimedOut,
    /// The library's account, and the error that has the source in its chain.
    Failed(String, Box<dyn std::error::Error>),
}

impl Keeper {
    /// A policy put into practice. `roots` are DER. `None` where the library cannot do it.
    pub(crate) fn build(policy: &TlsPolicy, roots: &[Vec<u8>]) -> Result<Option<Keeper>, String> {
        let connector = connector(policy, roots).map_err(|error| error.to_string())?;
        Ok(Some(Keeper {
            connector,
            insecure: policy.insecure,
        }))
    }

    pub(crate) fn connect(&self, name: &str, stream: Below) -> Result<KeptStream, Failure> {
        self.handshake(self.configure()?, name, stream)
    }

    fn configure(&self) -> Result<ConnectConfiguration, ErrorStack> {
        let mut configured = self.connector.configure()?;
        if self.insecure {
            configured.set_verify_hostname(false);
            configured.set_verify(SslVerifyMode::NONE);
        }
        Ok(configured)
    }

    fn handshake(
        &self,
        configured: ConnectConfiguration,
        name: &str,
        stream: Below,
    ) -> Result<KeptStream, Failure> {
        match configured.connect(name, stream) {
            Ok(stream) => Ok(KeptStream {
                stream,
                keeper: self.clone(),
            }),
            Err(HandshakeError::WouldBlock(_)) => Err(Failure::TimedOut),
            Err(HandshakeError::SetupFailure(error)) => Err(error.into()),
            Err(HandshakeError::Failure(failed)) => {
                let text = match failed.ssl().verify_result() {
                    X509VerifyResult::OK => failed.error().to_string(),
                    reason => format!("{} ({reason})", failed.error()),
                };
                Err(Failure::Failed(text, Box::new(failed.into_error())))
            }
        }
    }
}

impl From<ErrorStack> for Failure {
    fn from(error: ErrorStack) -> Failure {
        Failure::Failed(error.to_string(), Box::new(error))
    }
}

/// What `native-tls` does with the same policy.
fn connector(policy: &TlsPolicy, roots: &[Vec<u8>]) -> Result<SslConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    for root in roots {
        builder.cert_store_mut().add_cert(X509::from_der(root)?)?;
    }
    if let Some((chain, key)) = &policy.identity {
        let mut chain = X509::stack_from_pem(chain.as_bytes())?.into_iter();
        if let Some(own) = chain.next() {
            builder.set_certificate(&own)?;
        }
        builder.set_private_key(PKey::private_key_from_pem(key.as_bytes())?.as_ref())?;
        for certificate in chain {
            builder.add_extra_chain_cert(certificate)?;
        }
    }
    builder.set_min_proto_version(Some(match policy.minimum {
        Some(TlsVersion::V1_3) => SslVersion::TLS1_3,
        _ => SslVersion::TLS1_2,
    }))?;
    // Each name after its length (RFC 7301 section 3.1).
    let mut protocols = Vec::new();
    for name in &policy.alpn {
        protocols.extend(u8::try_from(name.len()));
        protocols.extend_from_slice(name.as_bytes());
    }
    if !protocols.is_empty() {
        builder.set_alpn_protos(&protocols)?;
    }
    Ok(builder.build())
}

impl Resumption {
    /// The handshake of another connection. A server that does not remember the session makes it a
    /// full one, and then its certificate is verified as in any other.
    pub(crate) fn connect(&self, name: &str, stream: Below) -> Result<KeptStream, Failure> {
        let mut configured = self.keeper.configure()?;
        resume(&mut configured, self)?;
        self.keeper.handshake(configured, name, stream)
    }
}

/// Sound because the session and the handshake are of one context, which is all that
/// `SslRef::set_session` asks for: a `Resumption` is made only by [`KeptStream::resumption`], of a
/// stream's session and of the very connector that made the stream, and `configured` is only made of
/// that connector. Both are counted references, so that neither ends before the other.
#[allow(unsafe_code)]
fn resume(configured: &mut ConnectConfiguration, kept: &Resumption) -> Result<(), ErrorStack> {
    unsafe { configured.set_session(&kept.session) }
}

impl KeptStream {
    /// Whether the session is one that was resumed.
    pub(crate) fn is_resumed(&self) -> bool {
        self.stream.ssl().session_reused()
    }

    /// The server's certificate as DER. A session that is resumed keeps it.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        self.stream.ssl().peer_certificate()?.to_der().ok()
    }

    pub(crate) fn alpn(&self) -> Option<Vec<u8>> {
        self.stream
            .ssl()
            .selected_alpn_protocol()
            .map(<[u8]>::to_vec)
    }
}

impl io::Read for KeptStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl io::Write for KeptStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Records for KeptStream {
    fn below(&self) -> &Below {
        self.stream.get_ref()
    }

    fn below_mut(&mut self) -> &mut Below {
        self.stream.get_mut()
    }

    fn is_pending(&self) -> bool {
        self.stream.ssl().pending() > 0
    }

    fn shut_down(&mut self) -> io::Result<()> {
        match self.stream.shutdown() {
            Ok(_) => Ok(()),
            Err(error) if error.code() == openssl::ssl::ErrorCode::ZERO_RETURN => Ok(()),
            Err(error) => Err(error.into_io_error().unwrap_or_else(io::Error::other)),
        }
    }

    /// In TLS 1.3 this is of use once the server's ticket has come, which is read together with its
    /// first bytes after the handshake (RFC 8446 section 4.6.1).
    fn resumption(&self) -> Option<Resumption> {
        Some(Resumption {
            session: self.stream.ssl().session()?.to_owned(),
            keeper: self.keeper.clone(),
        })
    }
}
