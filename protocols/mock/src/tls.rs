//! The server's side of TLS. The system's library accepts up to TLS 1.2 here, not 1.3.

use std::io::{self, Read, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use native_tls::{HandshakeError, TlsAcceptor, TlsStream};
use proto_transport::Stream;

use crate::identity::Identity;
use crate::stop::Control;

/// Makes TLS of a stream. The library's acceptor is built once, when the first handshake needs it.
pub(crate) struct Acceptor {
    identity: Identity,
    /// Whether TLS ends with close_notify, as it should.
    says_goodbye: bool,
    built: OnceLock<Result<TlsAcceptor, String>>,
}

impl Acceptor {
    pub(crate) fn new(identity: Identity, says_goodbye: bool) -> Acceptor {
        Acceptor {
            identity,
            says_goodbye,
            built: OnceLock::new(),
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn accept(
        &self,
        stream: Box<dyn Stream>,
        control: Control,
    ) -> io::Result<Box<dyn Stream>> {
        let acceptor = self.built.get_or_init(|| self.build());
        let acceptor = acceptor
            .as_ref()
            .map_err(|why| io::Error::other(why.as_str()))?;
        let stream = acceptor.accept(stream).map_err(|error| match error {
            HandshakeError::Failure(error) => io::Error::other(error),
            HandshakeError::WouldBlock(_) => io::ErrorKind::TimedOut.into(),
        })?;
        Ok(Box::new(Tls {
            stream,
            owes_goodbye: self.says_goodbye,
            control,
        }))
    }

    fn build(&self) -> Result<TlsAcceptor, String> {
        let Identity { chain, key } = &self.identity;
        native_tls::Identity::from_pkcs8(chain.as_bytes(), key.as_bytes())
            .and_then(|identity| TlsAcceptor::builder(identity).build())
            .map_err(|error| format!("the mock server's certificate cannot be used: {error}"))
    }
}

struct Tls {
    stream: TlsStream<Box<dyn Stream>>,
    owes_goodbye: bool,
    control: Control,
}

impl Tls {
    fn say_goodbye(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.owes_goodbye) && !self.control.is_resetting() {
            true => self.stream.shutdown(),
            false => Ok(()),
        }
    }
}

/// How long a farewell may take when nothing depends on it.
const FAREWELL: Duration = Duration::from_millis(100);

impl Drop for Tls {
    fn drop(&mut self) {
        self.set_deadline(Some(Instant::now() + FAREWELL));
        let _ = self.say_goodbye();
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Tls {
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.stream.get_mut().set_deadline(deadline);
    }

    fn is_encrypted(&self) -> bool {
        true
    }

    fn has_ended(&self) -> bool {
        self.stream.get_ref().has_ended()
    }

    fn is_readable(&mut self) -> bool {
        self.stream.buffered_read_size().is_ok_and(|size| size > 0)
            || self.stream.get_mut().is_readable()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        self.say_goodbye()?;
        self.stream.get_mut().end_writing()
    }
}
