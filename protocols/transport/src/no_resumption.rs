//! What stands in for `resumption.rs` where TLS is not OpenSSL's: no session is ever kept, so that
//! each handshake is a full one.

use std::convert::Infallible;
use std::io;

use crate::tls::TlsPolicy;
use crate::tls_stream::{Below, Records};

/// A TLS session that another connection with the same server can resume. There is none here.
pub struct Resumption(Infallible);

#[derive(Clone)]
pub(crate) struct Keeper(Infallible);

pub(crate) struct KeptStream(Infallible);

#[allow(dead_code, reason = "nothing fails that never begins")]
pub(crate) enum Failure {
    TimedOut,
    Failed(String, Box<dyn std::error::Error>),
}

impl Keeper {
    pub(crate) fn build(_: &TlsPolicy, _: &[Vec<u8>]) -> Result<Option<Keeper>, String> {
        Ok(None)
    }

    pub(crate) fn connect(&self, _: &str, _: Below) -> Result<KeptStream, Failure> {
        match self.0 {}
    }
}

impl Resumption {
    pub(crate) fn connect(&self, _: &str, _: Below) -> Result<KeptStream, Failure> {
        match self.0 {}
    }
}

impl KeptStream {
    pub(crate) fn is_resumed(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        match self.0 {}
    }

    pub(crate) fn alpn(&self) -> Option<Vec<u8>> {
        match self.0 {}
    }
}

impl io::Read for KeptStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

impl io::Write for KeptStream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}

impl Records for KeptStream {
    fn below(&self) -> &Below {
        match self.0 {}
    }

    fn below_mut(&mut self) -> &mut Below {
        match self.0 {}
    }

    fn is_pending(&self) -> bool {
        match self.0 {}
    }

    fn shut_down(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
