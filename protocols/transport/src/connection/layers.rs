//! What comes between a conversation and its socket, TLS and compression, and an orderly end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Connection, Facts};
use crate::buffer::Buffer;
use crate::deflate::Deflated;
use crate::error::{Error, Result};
use crate::session::Step;
use crate::stream::Stream;
use crate::tls::{Authority, Trust};
use crate::transcript::Recorder;

/// How long a peer may take to end after we have. By then it has said all that could be in the way
/// of an orderly close.
const PARTING: Duration = Duration::from_secs(10);

impl Connection {
    /// Upgrades to TLS after the peer's clear yes to the protocol's own command. Written once for
    /// all protocols: nothing may cross from plaintext into TLS. After a failure the connection is
    /// gone, so that nothing can go on in plaintext.
    pub fn start_tls(&mut self) -> Result<()> {
        self.leave_plaintext()?;
        let deadline = self.timeouts.end_of(self.timeouts.connect);
        self.handshake(self.tls.first_trust(), deadline)
    }

    /// Upgrades a second connection with a server to TLS, by resuming the session of the first one,
    /// `control`: the data connections of FTP (RFC 4217 section 10). The policy and the name that the
    /// certificate must carry are those of `control`. After a failure the connection is gone.
    ///
    /// A server that does not resume makes the handshake a full one, and so does this side where
    /// `control` is not of a [`Connector::keeping_sessions`](crate::Connector::keeping_sessions) or
    /// TLS is not OpenSSL's; [`TlsFacts::resumed`] tells.
    pub fn resume_tls(&mut self, control: &Connection) -> Result<()> {
        self.leave_plaintext()?;
        self.tls = Arc::clone(&control.tls);
        self.facts.host.clone_from(&control.facts.host);
        let deadline = self.timeouts.end_of(self.timeouts.connect);
        let session = control.stream.as_ref().and_then(|s| s.resumption());
        match &session {
            Some(session) => self.secure(Authority::Resumed(session), deadline),
            None => self.handshake(self.tls.first_trust(), deadline),
        }
    }

    /// Nothing may be left to read or to send when TLS starts.
    fn leave_plaintext(&mut self) -> Result<()> {
        self.can_say()?;
        let unread = self.input.unread().len();
        if unread > 0 {
            self.stream = None;
            self.input = Buffer::default();
            return Err(Error::Insecure {
                peer: self.facts.peer.clone(),
                doing: "starting TLS".to_owned(),
                why: format!("{unread} bytes came in plaintext behind the reply to STARTTLS; they could pass for a reply under TLS"),
                certificate: false,
            });
        }
        if !self.output.is_empty() {
            self.stream = None;
            return Err(Error::illegal(
                "something was still to be sent in plaintext when TLS started",
            ));
        }
        Ok(())
    }

    pub(crate) fn handshake(&mut self, trust: Trust, deadline: Instant) -> Result<()> {
        self.secure(Authority::Trusted(trust), deadline)
    }

    fn secure(&mut self, authority: Authority<'_>, deadline: Instant) -> Result<()> {
        let started = Instant::now();
        let Some(stream) = self.stream.take() else {
            return Err(self.closed("the connection is gone"));
        };
        let tls = Arc::clone(&self.tls);
        let Facts { host, peer, .. } = &self.facts;
        let (stream, facts) = tls.handshake(host, peer, stream, deadline, authority)?;
        self.stream = Some(stream);
        self.input = Buffer::default();
        self.facts.handshake = Some(started.elapsed());
        self.facts.tls = Some(facts);
        match &self.recorder {
            Some(recorder) => recorder.step(&Step::Tls),
            None => Ok(()),
        }
    }

    /// Ends a connection that was written to: says that nothing more comes (under TLS by
    /// close_notify), reads on until the peer has ended too, and only then closes. Closing at once
    /// with something unread, be it the session tickets of TLS 1.3, would reset the connection and
    /// lose what is on its way. How the peer ends does not matter, and one that takes long is not
    /// waited for.
    pub fn finish(mut self) -> Result<()> {
        self.can_say()?;
        self.flush()?;
        self.wait_for(|stream, _| stream.end_writing())?;
        let end = self.timeouts.end_of(PARTING);
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        stream.set_deadline(Some(end));
        let mut rest = [0; 4096];
        while Instant::now() < end {
            match stream.read(&mut rest) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Everything is compressed from now on, both ways, after the peer's clear yes to the protocol's
    /// own command. Only for use after the login: what is secret must not share a compressed stream
    /// with what an attacker can choose (RFC 4978 section 7).
    pub fn compress(&mut self) -> Result<()> {
        self.can_say()?;
        self.flush()?;
        let Some(stream) = self.stream.take() else {
            return Err(self.closed("the connection is gone"));
        };
        let input = std::mem::take(&mut self.input);
        self.stream = Some(Box::new(Deflated::over(stream, input)));
        Ok(())
    }

    /// The stream below and the record, for a proxy that has done its part. Nothing may be left
    /// unread.
    pub(crate) fn into_parts(self) -> Option<(Box<dyn Stream>, Option<Recorder>)> {
        Some((self.stream?, self.recorder))
    }
}
