//! From addresses to a connected socket: Happy Eyeballs (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::error::{Error, Result, Unreachable};

/// What we were doing, in errors.
pub const CONNECTING: &str = "connecting";

/// How long one attempt runs alone (RFC 8305 section 5 recommends 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);

/// One attempt that is under way.
struct Attempt {
    socket: Socket,
    address: SocketAddr,
}

/// Connects to the first of `addresses` that accepts. An attempt starts when the one before it has
/// failed or had its head start; those that are still under way go on.
pub(crate) fn dial(
    peer: &str,
    addresses: &[SocketAddr],
    bind: Option<IpAddr>,
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr)> {
    let started = Instant::now();
    let mut waiting = addresses.iter().copied();
    let mut under_way: Vec<Attempt> = Vec::new();
    let mut failures = Failures::default();
    loop {
        if Instant::now() >= deadline {
            return Err(timed_out(peer, started));
        }
        let next_start = match waiting.next() {
            Some(address) => match begin(address, bind) {
                Ok(attempt) => {
                    under_way.push(attempt);
                    Some(Instant::now() + HEAD_START)
                }
                Err(error) => {
                    failures.push(address, &error);
                    // What has failed already needs no head start.
                    Some(Instant::now())
                }
            },
            None => None,
        };
        // Wait until an attempt ends, or until it is time for the next one.
        loop {
            if under_way.is_empty() {
                break;
            }
            let wake = next_start.map_or(deadline, |next| next.min(deadline));
            let before = under_way.len();
            if let Some(connected) = wait(&mut under_way, &mut failures, wake) {
                return finish(connected).map_err(|error| nobody(peer, error.to_string()));
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(timed_out(peer, started));
            }
            if under_way.len() < before || next_start.is_some_and(|next| now >= next) {
                break;
            }
        }
        if under_way.is_empty() && waiting.len() == 0 {
            return Err(failures.told(peer));
        }
    }
}

/// Why attempts have failed.
#[derive(Default)]
struct Failures {
    told: Vec<String>,
    /// Somebody did accept, and was gone before we looked: a refusal is another error.
    hung_up: bool,
}

impl Failures {
    fn push(&mut self, address: SocketAddr, error: &io::Error) {
        self.hung_up |= error.kind() == io::ErrorKind::ConnectionReset;
        self.told.push(format!("{address}: {error}"));
    }

    fn told(&self, peer: &str) -> Error {
        let why = self.told.join("; ");
        match self.hung_up {
            true => Error::Closed {
                peer: peer.to_owned(),
                doing: CONNECTING.to_owned(),
                why,
            },
            false => nobody(peer, why),
        }
    }
}

/// How long to wait for a place in the queue of a Unix socket; nothing tells when there is one.
const QUEUE: Duration = Duration::from_millis(10);

/// Connects to a Unix socket. When its queue is full, a blocking connect would wait for ever.
pub(crate) fn dial_unix(peer: &str, path: &Path, deadline: Instant) -> Result<UnixStream> {
    let started = Instant::now();
    let failed = |error: io::Error| nobody(peer, format!("{}: {error}", path.display()));
    let address = SockAddr::unix(path).map_err(failed)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    loop {
        match socket.connect(&address) {
            Ok(()) => break,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(failed(error)),
            Err(_) if Instant::now() >= deadline => return Err(timed_out(peer, started)),
            Err(_) => std::thread::sleep(QUEUE),
        }
    }
    socket.set_nonblocking(false).map_err(failed)?;
    Ok(socket.into())
}

fn timed_out(peer: &str, started: Instant) -> Error {
    Error::TimedOut {
        peer: peer.to_owned(),
        doing: CONNECTING.to_owned(),
        after: started.elapsed(),
    }
}

fn nobody(peer: &str, why: String) -> Error {
    Error::Unreachable {
        peer: peer.to_owned(),
        because: Unreachable::NobodyAnswers,
        why,
    }
}

fn begin(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<Attempt> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if let Some(local) = bind {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(Attempt { socket, address })
}

/// Waits until an attempt succeeds (it is taken out and given back), one fails (it is taken out) or
/// `until` is reached.
fn wait(attempts: &mut Vec<Attempt>, failures: &mut Failures, until: Instant) -> Option<Attempt> {
    let left = until.saturating_duration_since(Instant::now());
    // Rounded up, so that a wait never ends just before its time and spins.
    let left = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    };
    let mut wanted: Vec<PollFd<'_>> = attempts
        .iter()
        .map(|attempt| PollFd::new(&attempt.socket, PollFlags::OUT))
        .collect();
    if poll(&mut wanted, Some(&left)).is_err() {
        return None;
    }
    let ready = wanted.iter().position(|fd| !fd.revents().is_empty())?;
    drop(wanted);
    let attempt = attempts.swap_remove(ready);
    match attempt.socket.take_error() {
        Ok(None) => Some(attempt),
        Ok(Some(error)) | Err(error) => {
            failures.push(attempt.address, &error);
            None
        }
    }
}

fn finish(attempt: Attempt) -> io::Result<(TcpStream, SocketAddr)> {
    let stream = TcpStream::from(attempt.socket);
    stream.set_nonblocking(false)?;
    Ok((stream, attempt.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    fn closed_port() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    }

    /// A listener whose queue is full: its SYNs are dropped, so a connection hangs.
    fn tarpit() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
            .unwrap();
        socket.listen(0).unwrap();
        let listener: TcpListener = socket.into();
        let address = listener.local_addr().unwrap();
        let queue = (0..4)
            .filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok())
            .collect();
        (listener, queue, address)
    }

    #[test]
    fn a_refusal_moves_on_at_once() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [closed_port(), open.local_addr().unwrap()];
        let (_, address) = dial("test", &addresses, None, soon()).unwrap();
        assert_eq!(address, addresses[1]);
    }

    #[test]
    fn a_silent_address_has_its_head_start_and_no_more() {
        let (_listener, _queue, silent) = tarpit();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [silent, open.local_addr().unwrap()];
        let (_, address) = dial("test", &addresses, None, soon()).unwrap();
        assert_eq!(address, addresses[1]);
    }

    #[test]
    fn a_failure_at_once_moves_on_also_while_others_are_under_way() {
        let (_listener, _queue, silent) = tarpit();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        // From an IPv4 address none of these can even begin. A head start for each is 10 s.
        let mut addresses = vec!["[::1]:1".parse().unwrap(); 40];
        addresses.insert(0, silent);
        addresses.push(open.local_addr().unwrap());
        let local = Some("127.0.0.1".parse().unwrap());
        let deadline = Instant::now() + Duration::from_secs(5);
        let (_, address) = dial("test", &addresses, local, deadline).unwrap();
        assert_eq!(address, open.local_addr().unwrap());
    }

    #[test]
    fn all_failures_are_told() {
        let addresses = [closed_port(), closed_port()];
        let error = dial("test", &addresses, None, soon())
            .unwrap_err()
            .to_string();
        for address in addresses {
            assert!(error.contains(&address.to_string()), "{error}");
        }
    }

    #[test]
    fn a_reset_is_of_somebody_who_was_there() {
        let mut failures = Failures::default();
        failures.push(closed_port(), &io::ErrorKind::ConnectionRefused.into());
        let error = failures.told("test");
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        failures.push(closed_port(), &io::ErrorKind::ConnectionReset.into());
        let error = failures.told("test");
        assert!(matches!(error, Error::Closed { .. }), "{error}");
    }

    #[test]
    fn the_deadline_ends_all_attempts() {
        let (_listener, _queue, silent) = tarpit();
        let deadline = Instant::now() + Duration::from_millis(30);
        let error = dial("test", &[silent], None, deadline).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_unix_socket_with_a_full_queue_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let deadline = Instant::now() + Duration::from_millis(30);
        let mut queue = Vec::new();
        let error = loop {
            match dial_unix("test", &path, deadline) {
                Ok(stream) => queue.push(stream),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        assert!(!queue.is_empty());
    }

    #[test]
    fn the_local_address_can_be_chosen() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = "127.0.0.9".parse().unwrap();
        dial("test", &[open.local_addr().unwrap()], Some(local), soon()).unwrap();
        assert_eq!(open.accept().unwrap().1.ip(), local);
    }
}
