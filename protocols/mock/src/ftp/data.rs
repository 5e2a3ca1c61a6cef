//! Data connections: how the next one comes to be (RFC 959 section 3.2, RFC 2428), and that it does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};

use super::conversation::{refused, Break, Conversation, Result};
use super::flaw::Flaw;
use crate::peer::Peer;

/// How the next data connection comes to be.
pub(super) enum Way {
    /// The client connects to us.
    Passive(TcpListener),
    /// We connect to the client.
    Active(SocketAddr),
}

/// How long either side may take to connect.
const CONNECTING: Duration = Duration::from_secs(10);

/// How long to wait before looking whether the server stops.
const GLANCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

impl Conversation<'_> {
    /// RFC 959 section 4.1.2.
    pub fn pasv(&mut self, argument: &[u8]) -> Result {
        if !argument.is_empty() {
            return Err(self.wrong("501 nothing may follow PASV"));
        }
        self.check_not_all()?;
        let address = self.listen()?;
        let IpAddr::V4(ip) = address.ip().to_canonical() else {
            return refused("425 PASV knows no IPv6; there is EPSV");
        };
        if self.server.is_flawed(&Flaw::BadPassive) {
            return self.ok("227 Entering Passive Mode (127,0,0,1,500)");
        }
        let mut ip = ip.octets().map(|byte| byte.to_string()).join(",");
        for flaw in &self.server.flaws {
            if let Flaw::PasvAddress(address) = flaw {
                ip = address.replace('.', ",");
            }
        }
        let [high, low] = self.told_port(address.port()).to_be_bytes();
        match self.server.is_flawed(&Flaw::BarePasv) {
            true => self.ok(&format!("227 Entering Passive Mode {ip},{high},{low}")),
            false => self.ok(&format!("227 Entering Passive Mode ({ip},{high},{low}).")),
        }
    }

    /// RFC 2428 section 3.
    pub fn epsv(&mut self, argument: &[u8]) -> Result {
        let ours = self
            .peer
            .local_address()
            .map(|address| address.ip().to_canonical());
        match argument.to_ascii_uppercase().as_slice() {
            b"ALL" => {
                self.only_extended = true;
                return self.ok("200 so it is");
            }
            b"" => {}
            b"1" if ours.is_none_or(|ip| ip.is_ipv4()) => {}
            b"2" if ours.is_none_or(|ip| ip.is_ipv6()) => {}
            b"1" | b"2" => return refused("522 not this protocol"),
            _ => return Err(self.wrong("501 that is no protocol")),
        }
        let port = self.listen()?.port();
        if self.server.is_flawed(&Flaw::BadPassive) {
            return self.ok("229 Entering Extended Passive Mode (|||70000|)");
        }
        let port = self.told_port(port);
        self.ok(&format!("229 Entering Extended Passive Mode (|||{port}|)"))
    }

    fn told_port(&self, port: u16) -> u16 {
        match self.server.is_flawed(&Flaw::LowPort) {
            true => 22,
            false => port,
        }
    }

    fn listen(&mut self) -> Result<SocketAddr> {
        let ours = self.peer.local_address();
        let ip = ours.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip());
        let listener = TcpListener::bind((ip, 0))?;
        let address = listener.local_addr()?;
        // Whoever is refused finds that nobody listens any more.
        if !self.server.is_flawed(&Flaw::DataRefused) {
            self.way = Some(Way::Passive(listener));
        }
        Ok(address)
    }

    /// RFC 959 section 4.1.2.
    pub fn port(&mut self, argument: &[u8]) -> Result {
        self.check_not_all()?;
        match port(argument) {
            Some(address) => self.take(address),
            None => Err(self.wrong("501 PORT takes six numbers")),
        }
    }

    /// RFC 2428 section 2.
    pub fn eprt(&mut self, argument: &[u8]) -> Result {
        if self.only_extended {
            return Err(self.wrong("501 EPSV ALL was said"));
        }
        match extended_port(argument) {
            Some(address) => self.take(address),
            None => Err(self.wrong("501 EPRT takes |1|address|port| or |2|address|port|")),
        }
    }

    /// RFC 2577 section 3: nobody is sent elsewhere.
    fn take(&mut self, address: SocketAddr) -> Result {
        let client = self.peer.remote_address();
        let is_client =
            client.is_none_or(|client| client.ip().to_canonical() == address.ip().to_canonical());
        if !is_client || address.port() < 1024 {
            return Err(self.wrong("504 that is not where you are"));
        }
        self.way = Some(Way::Active(address));
        self.ok("200 I will")
    }

    fn check_not_all(&mut self) -> Result {
        match self.only_extended {
            true => Err(self.wrong("501 EPSV ALL was said")),
            false => Ok(()),
        }
    }

    /// Says that a transfer begins, and opens its connection.
    pub fn open(&mut self, reply: &str) -> Result<Peer> {
        if self.server.needs_tls && !self.is_private {
            return refused("521 only with PROT P");
        }
        let refuses = self.server.is_flawed(&Flaw::DataRefused);
        let Some(way) = self.way.take() else {
            if refuses {
                return refused("425 nobody came");
            }
            return Err(self.wrong("425 no PASV, EPSV, PORT or EPRT before it"));
        };
        let stream = match way {
            Way::Passive(listener) => {
                self.begin(reply)?;
                if self.server.is_flawed(&Flaw::DataIgnored) {
                    self.peer.wait(CONNECTING)?;
                    return Err(Break::Over);
                }
                self.accept(&listener)?
            }
            Way::Active(address) => {
                let Ok(stream) = TcpStream::connect_timeout(&address, CONNECTING) else {
                    return refused("425 nobody is there");
                };
                self.begin(reply)?;
                stream
            }
        };
        let is_stranger = self.server.is_flawed(&Flaw::WrongDataCertificate);
        let mut data = match is_stranger {
            true => self.peer.second_as(stream, self.server.stranger())?,
            false => self.peer.second(stream)?,
        };
        if self.is_private && !self.server.is_flawed(&Flaw::ClearData) {
            data.set_deadline(Some(Instant::now() + CONNECTING));
            if data.start_tls().is_err() {
                return refused("425 TLS failed on the data connection");
            }
            data.set_deadline(None);
        }
        Ok(data)
    }

    fn begin(&mut self, reply: &str) -> Result {
        match self.server.is_flawed(&Flaw::Early226) {
            true => self.ok("226 all of it")?,
            false => self.ok(reply)?,
        }
        Ok(self.peer.flush()?)
    }

    /// Waits for the client, and for nobody else.
    fn accept(&mut self, listener: &TcpListener) -> Result<TcpStream> {
        let started = Instant::now();
        let client = self.peer.remote_address().map(|address| address.ip());
        while started.elapsed() < CONNECTING && !self.peer.is_stopping() {
            let mut wanted = [PollFd::new(listener, PollFlags::IN)];
            if !poll(&mut wanted, Some(&GLANCE)).is_ok_and(|ready| ready > 0) {
                continue;
            }
            let (stream, from) = listener.accept()?;
            if client.is_none_or(|client| client == from.ip()) {
                return Ok(stream);
            }
            self.note("the data connection comes from another address");
        }
        refused("425 nobody came")
    }
}

/// `h1,h2,h3,h4,p1,p2` (RFC 959 section 5.3.2).
fn port(argument: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(argument).ok()?;
    let numbers: std::result::Result<Vec<u8>, _> = text.split(',').map(str::parse).collect();
    let [a, b, c, d, high, low] = numbers.ok()?[..] else {
        return None;
    };
    let port = u16::from_be_bytes([high, low]);
    Some(SocketAddr::from(([a, b, c, d], port)))
}

/// `|1|address|port|` (RFC 2428 section 2).
fn extended_port(argument: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(argument).ok()?;
    let divider = text.chars().next().filter(char::is_ascii_graphic)?;
    let fields: Vec<&str> = text.split(divider).collect();
    let ["", family, address, port, ""] = fields[..] else {
        return None;
    };
    let address: IpAddr = address.parse().ok()?;
    let is_family = family == if address.is_ipv4() { "1" } else { "2" };
    is_family.then_some(SocketAddr::new(address, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let text = |address: Option<SocketAddr>| address.map(|address| address.to_string());
        assert_eq!(text(port(b"127,0,0,1,4,1")).unwrap(), "127.0.0.1:1025");
        assert_eq!(
            text(extended_port(b"|1|127.0.0.1|1025|")).unwrap(),
            "127.0.0.1:1025"
        );
        assert_eq!(text(extended_port(b"!2!::1!5!")).unwrap(), "[::1]:5");
        for wrong in ["", "1,2,3,4,5", "256,0,0,1,4,1", "a"] {
            assert_eq!(port(wrong.as_bytes()), None, "{wrong}");
        }
        for wrong in [
            "",
            "|",
            "|1|::1|5|",
            "|1|127.0.0.1|5",
            "|3|x|5|",
            "|2|::1|x|",
        ] {
            assert_eq!(extended_port(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
