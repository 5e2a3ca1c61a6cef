//! Where the mail of a domain goes: its MX records, asked of a name server within a deadline.
//!
//! ```text
//! MX example.org? →                        UDP, a fresh port and a fresh ID for every try
//!                 ← 10 mx1, 20 mx2         the answer
//!                 ← (truncated)            the same over TCP
//!                 ← no such name           the end: there is no such domain
//!                 ← failure, or silence    try again, then the next server
//! ```

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;
use proto_transport::{excerpt, Error, Host, Refusal, Result, Socket, Stream, Unreachable};

use crate::dns::{self, Answer, Name};

/// A mail exchanger of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanger {
    /// The lower, the better.
    pub preference: u16,
    /// Its name as A-labels, in lower case and without a final dot.
    pub host: String,
}

/// The exchangers of a domain, best first (RFC 5321 section 5.1): its MX records by preference, equal
/// ones as the server ordered them; or the domain itself with preference 0 where it has none.
///
/// A null MX (RFC 7505) is a lasting refusal. A record that names no host is passed over, and so is an
/// address, which some domains write there: an exchanger must be a name. If that leaves none, the
/// domain itself must not take their place, and it is a lasting refusal too.
///
/// Each server is tried twice before the next one. The answers are as trustworthy as the way to the
/// servers: signatures are not checked.
pub fn exchangers(
    domain: &str,
    servers: &[SocketAddr],
    deadline: Instant,
) -> Result<Vec<Exchanger>> {
    let lookup = Lookup::new(domain)?;
    let tries: Vec<&SocketAddr> = servers
        .iter()
        .flat_map(|server| [server; TRIES_PER_SERVER])
        .collect();
    let mut failure = Error::illegal("there is no name server to ask for mail exchangers");
    for (done, server) in tries.iter().enumerate() {
        let until = end_of_try(deadline, tries.len() - done);
        match lookup.ask(server, until) {
            Ok(records) => return lookup.choose(records),
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The name servers of this machine, as `/etc/resolv.conf` lists them: the first three, or 127.0.0.1
/// where it lists none, as resolv.conf(5) has it.
pub fn name_servers() -> Vec<SocketAddr> {
    listed_servers(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

/// `*( *( WSP ) "nameserver" 1*WSP address [ 1*WSP anything ] LF )` among other lines
fn listed_servers(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| -> Option<IpAddr> {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        words.next()?.parse().ok()
    };
    let mut listed: Vec<IpAddr> = text
        .lines()
        .filter_map(address)
        .take(MOST_SERVERS)
        .collect();
    if listed.is_empty() {
        listed.push(Ipv4Addr::LOCALHOST.into());
    }
    listed
        .into_iter()
        .map(|address| SocketAddr::new(address, PORT))
        .collect()
}

/// Whether no other server would say anything else.
fn is_final(error: &Error) -> bool {
    let no_such_host = Unreachable::NoSuchHost;
    matches!(error, Error::Unreachable { because, .. } if *because == no_such_host)
}

/// When a try must end, so that each of those that are left has its share of the time.
fn end_of_try(deadline: Instant, tries_left: usize) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    let share = left / u32::try_from(tries_left).unwrap_or(u32::MAX).max(1);
    now.checked_add(share.min(PATIENCE)).unwrap_or(deadline)
}

/// A question, and when it was first asked.
struct Lookup {
    domain: String,
    name: Name,
    started: Instant,
}

impl Lookup {
    fn new(domain: &str) -> Result<Lookup> {
        let (domain, name) = host_name(domain).ok_or_else(|| {
            let shown = escaped(domain.as_bytes());
            Error::illegal(format!(
                "\"{shown}\" is no domain, so it has no mail exchangers"
            ))
        })?;
        Ok(Lookup {
            domain,
            name,
            started: Instant::now(),
        })
    }

    /// One try of one server.
    fn ask(&self, server: &SocketAddr, until: Instant) -> Result<Vec<(u16, Name)>> {
        let query = dns::query(random_id()?, &self.name);
        let failed = |error| self.failed(server, error);
        let mut message = over_udp(&query, server, until).map_err(failed)?;
        if dns::is_truncated(&message) {
            message = over_tcp(&query, server, until).map_err(failed)?;
        }
        let malformed = |rule: dns::Rule| Error::Malformed {
            peer: server.to_string(),
            doing: self.doing(),
            rule: rule.to_owned(),
            excerpt: excerpt(&message),
        };
        if !dns::is_answer(&message, &query) {
            return Err(malformed(
                "an answer has the ID and the question of its query",
            ));
        }
        match dns::read_answer(&message).map_err(malformed)? {
            Answer::Records(records) => Ok(records),
            Answer::NoSuchName => Err(Error::Unreachable {
                peer: self.domain.clone(),
                because: Unreachable::NoSuchHost,
                why: format!("the name server {server} knows no such domain"),
            }),
            Answer::Failure(why) => Err(Error::Refused {
                peer: server.to_string(),
                doing: self.doing(),
                reply: why.to_owned(),
                refusal: Refusal::Transient,
            }),
        }
    }

    /// What the MX records of the domain mean.
    fn choose(&self, records: Vec<(u16, Name)>) -> Result<Vec<Exchanger>> {
        if records.is_empty() {
            return Ok(vec![Exchanger {
                preference: 0,
                host: self.domain.clone(),
            }]);
        }
        // RFC 7505 section 3 allows no other record beside a null MX; if there are some, they count.
        if records.iter().all(|(_, host)| host.is_root()) {
            return Err(self.takes_no_mail("it accepts no mail, as its null MX says".to_owned()));
        }
        let count = records.len();
        let exchanger = |(preference, host): (u16, Name)| {
            let (host, _) = host_name(&host.to_text()?)?;
            Some(Exchanger { preference, host })
        };
        let mut usable: Vec<Exchanger> = records.into_iter().filter_map(exchanger).collect();
        if usable.is_empty() {
            return Err(self.takes_no_mail(format!("none of its {count} MX records names a host")));
        }
        usable.sort_by_key(|exchanger| exchanger.preference);
        usable.truncate(MOST_EXCHANGERS);
        Ok(usable)
    }

    fn takes_no_mail(&self, why: String) -> Error {
        Error::Refused {
            peer: self.domain.clone(),
            doing: LOOKING_UP.to_owned(),
            reply: why,
            refusal: Refusal::Lasting,
        }
    }

    fn failed(&self, server: &SocketAddr, error: io::Error) -> Error {
        let peer = server.to_string();
        let doing = self.doing();
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::TimedOut {
                peer,
                doing,
                after: self.started.elapsed(),
            },
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Error::Closed {
                peer,
                doing,
                why: error.to_string(),
            },
            _ => Error::Unreachable {
                peer,
                because: Unreachable::NobodyAnswers,
                why: format!("{error} while {doing}"),
            },
        }
    }

    fn doing(&self) -> String {
        format!("{LOOKING_UP} of {}", self.domain)
    }
}

/// A name as A-labels, and as the name servers see it; `None` for an address in any of its forms,
/// such as `127.1` or `0x7f000001`, and for what cannot be the name of a host.
fn host_name(text: &str) -> Option<(String, Name)> {
    let Ok(Host::Domain(text)) = Host::parse(text) else {
        return None;
    };
    let text = text.strip_suffix('.').unwrap_or(&text);
    Some((text.to_owned(), Name::from_text(text)?))
}

/// Who cannot hear our queries must guess the ID, and the port that the system chose at random, to
/// be taken for the server (RFC 5452 section 9.2).
fn random_id() -> Result<u16> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| {
        Error::io(
            "asking the system for random bytes",
            io::Error::other(error.to_string()),
        )
    })?;
    Ok(u16::from_ne_bytes(id))
}

/// The answer to a query; whatever else arrives is not heard. The socket is connected, so that the
/// system passes on only what comes from the server's address and port.
fn over_udp(query: &[u8], server: &SocketAddr, until: Instant) -> io::Result<Vec<u8>> {
    let unspecified: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0))?;
    socket.connect(server)?;
    socket.send(query)?;
    let mut buffer = vec![0; LONGEST_DATAGRAM];
    loop {
        socket.set_read_timeout(Some(left_until(until)?))?;
        let length = match socket.recv(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let message = buffer.get(..length).unwrap_or_default();
        if dns::is_answer(message, query) {
            return Ok(message.to_vec());
        }
    }
}

/// As it is; over TCP each message has its length before it (RFC 1035 section 4.2.2).
fn over_tcp(query: &[u8], server: &SocketAddr, until: Instant) -> io::Result<Vec<u8>> {
    let stream = TcpStream::connect_timeout(server, left_until(until)?)?;
    let mut socket = Socket::tcp(stream)?;
    socket.set_deadline(Some(until));
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    socket.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    socket.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    socket.read_exact(&mut message)?;
    Ok(message)
}

fn left_until(end: Instant) -> io::Result<Duration> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// What we are doing, in errors.
const LOOKING_UP: &str = "looking up the mail exchangers";

/// Where name servers listen (RFC 1035 section 4.2).
const PORT: u16 = 53;

/// How many name servers are asked: MAXNS of resolv.conf(5).
const MOST_SERVERS: usize = 3;

/// One datagram may be lost.
const TRIES_PER_SERVER: usize = 2;

/// The longest wait for one answer: what resolv.conf(5) has as its default.
const PATIENCE: Duration = Duration::from_secs(5);

/// RFC 1035 section 2.3.4 allows 512 octets where nothing else was agreed on; more does no harm.
const LONGEST_DATAGRAM: usize = 4096;

/// How many exchangers are worth a try. The largest providers name about five.
const MOST_EXCHANGERS: usize = 64;

#[cfg(test)]
mod tests;
