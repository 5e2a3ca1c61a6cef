//! A server on the loopback: one thread a connection, and nothing left behind when it stops.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use proto_transport::{Security, Socket};
use socket2::SockRef;

use crate::fault::Fault;
use crate::faulty::Wire;
use crate::identity::Identity;
use crate::peer::Peer;
use crate::stop::{locked, Control, Stop};
use crate::tls::Acceptor;

/// What a server says to those who connect.
pub trait Service: Send + Sync {
    /// Holds one conversation, on a thread of its own. Connections count from 1. When this
    /// returns, also with an error, the connection is closed in an orderly way.
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()>;
}

impl<F> Service for F
where
    F: Fn(&mut Peer, usize) -> io::Result<()> + Send + Sync,
{
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        self(peer, connection)
    }
}

/// How a server is reached and what it does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where to listen: by default 127.0.0.1 and a free port. Anything else than a loopback
    /// address shows a server without any defences to the network.
    pub bind: SocketAddr,
    /// Who the server is; by default [`Identity::localhost`].
    pub tls: Option<Identity>,
    /// `Tls` wraps from the first byte. The others leave it to the service.
    pub security: Security,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            security: Security::Plain,
            faults: Vec::new(),
        }
    }
}

/// A running server. It stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<Accepting>>,
}

struct Shared {
    service: Arc<dyn Service>,
    security: Security,
    faults: Vec<Fault>,
    acceptor: Arc<Acceptor>,
    stop: Stop,
    accepted: AtomicUsize,
    workers: Mutex<Vec<Worker>>,
}

struct Accepting {
    listener: Arc<TcpListener>,
    thread: JoinHandle<()>,
}

/// One conversation under way.
struct Worker {
    control: Control,
    thread: JoinHandle<()>,
}

/// How many conversations there may be at a time; more are closed at once. Each has a thread, and
/// a client that runs wild should not take the machine with it.
const CONVERSATIONS: usize = 1000;

/// How many may wait to be accepted: when tests connect with all their clients at once, who finds no
/// place in the queue tries again only after a second.
const WAITING: i32 = 1024;

/// How long to wait when nothing can be accepted, for example because all descriptors are in use.
const PATIENCE: Duration = Duration::from_millis(50);

impl Server {
    /// Listens, and serves whoever connects until the server is stopped.
    pub fn start(options: Options, service: Arc<dyn Service>) -> io::Result<Server> {
        let listener = Arc::new(TcpListener::bind(options.bind)?);
        // Listening once more sets how many may wait to be accepted.
        SockRef::from(&*listener).listen(WAITING)?;
        let address = listener.local_addr()?;
        let says_goodbye = !options.faults.contains(&Fault::NoCloseNotify);
        let identity = options.tls.unwrap_or_default();
        let shared = Arc::new(Shared {
            service,
            security: options.security,
            faults: options.faults,
            acceptor: Arc::new(Acceptor::new(identity, says_goodbye)),
            stop: Stop::default(),
            accepted: AtomicUsize::new(0),
            workers: Mutex::default(),
        });
        let thread = {
            let (listener, shared) = (Arc::clone(&listener), Arc::clone(&shared));
            spawn("mock server", move || accept_all(&listener, &shared))?
        };
        Ok(Server {
            address,
            shared,
            accepting: Mutex::new(Some(Accepting { listener, thread })),
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Stops accepting, ends all conversations and waits until their threads are gone.
    pub fn stop(&self) {
        let Some(accepting) = locked(&self.accepting).take() else {
            return;
        };
        self.shared.stop.raise();
        // This makes the accept return, with an error.
        let _ = SockRef::from(&*accepting.listener).shutdown(Shutdown::Both);
        let _ = accepting.thread.join();
        let workers = std::mem::take(&mut *locked(&self.shared.workers));
        for worker in &workers {
            worker.control.shut();
        }
        for worker in workers {
            let _ = worker.thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        match listener.accept() {
            _ if shared.stop.is_raised() => return,
            // A connection that cannot be served is closed.
            Ok((stream, _)) => drop(welcome(shared, stream)),
            Err(_) => drop(shared.stop.wait(PATIENCE)),
        }
    }
}

fn welcome(shared: &Arc<Shared>, stream: TcpStream) -> io::Result<()> {
    let connection = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
    let mut workers = locked(&shared.workers);
    workers.retain(|worker| !worker.thread.is_finished());
    if workers.len() >= CONVERSATIONS {
        return Ok(());
    }
    let control = Control::of(&stream)?;
    let thread = {
        let (shared, control) = (Arc::clone(shared), control.clone());
        spawn(&format!("mock connection {connection}"), move || {
            // Most errors are the client's, or wanted; it is the client that is under test.
            let _ = converse(&shared, stream, control.clone(), connection);
            control.let_go();
        })?
    };
    workers.push(Worker { control, thread });
    Ok(())
}

fn converse(
    shared: &Shared,
    stream: TcpStream,
    control: Control,
    connection: usize,
) -> io::Result<()> {
    let faults = &shared.faults;
    let stream = Wire::over(Box::new(Socket::tcp(stream)?), faults, &shared.stop);
    let mut peer = Peer::new(
        stream,
        shared.security,
        faults,
        Arc::clone(&shared.acceptor),
        control,
        shared.stop.clone(),
    );
    if faults.contains(&Fault::Reset) {
        peer.reset();
        return Ok(());
    }
    if faults.contains(&Fault::Silence) {
        peer.hear_out();
        return Ok(());
    }
    if shared.security == Security::Tls {
        peer.start_tls()?;
    }
    let result = shared.service.serve(&mut peer, connection);
    peer.close();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::AUTHORITY;
    use proto_transport::{Connection, Connector, Endpoint, Error, TlsPolicy};
    use std::io::{Read, Write};
    use std::time::Instant;

    /// A greeting, then every line back; "STLS" starts TLS, "RST" resets.
    fn echo(peer: &mut Peer, connection: usize) -> io::Result<()> {
        write!(peer, "+OK {connection}\r\n")?;
        while let Some(line) = peer.read_line()? {
            match line.as_slice() {
                b"STLS" => {
                    peer.write_line("+OK go")?;
                    peer.start_tls()?;
                }
                b"RST" => peer.reset(),
                b"QUIT" => return peer.write_line("+OK bye"),
                line => peer.write_line(line)?,
            }
        }
        Ok(())
    }

    fn start(security: Security, faults: &[&str]) -> Server {
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let options = Options {
            security,
            faults,
            ..Options::default()
        };
        Server::start(options, Arc::new(echo)).unwrap()
    }

    fn connect(server: &Server, security: Security) -> Result<Connection, Error> {
        let mut connector = Connector::default();
        let policy = TlsPolicy {
            roots: Some(AUTHORITY.to_owned()),
            ..TlsPolicy::default()
        };
        connector.tls = Arc::new(policy.into());
        connector.timeouts.silence = Duration::from_secs(5);
        connector.connect(&Endpoint {
            scheme: "test".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: server.port(),
            security,
        })
    }

    fn everything(server: &Server, said: &[u8]) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let _ = stream.write_all(said);
        let mut heard = Vec::new();
        let result = stream.read_to_end(&mut heard);
        (heard, result.err().map(|error| error.kind()))
    }

    #[test]
    fn connections_are_counted_and_closed_in_order() {
        let server = start(Security::Plain, &[]);
        for count in 1..=2 {
            let expected = format!("+OK {count}\r\nhi\r\n+OK bye\r\n").into_bytes();
            assert_eq!(everything(&server, b"hi\r\nQUIT\r\n"), (expected, None));
            assert_eq!(server.connections(), count);
        }
    }

    #[test]
    fn stopping_leaves_nothing_behind() {
        let server = start(Security::Plain, &[]);
        let mut idle = TcpStream::connect(server.address()).unwrap();
        idle.read_exact(&mut [0; 7]).unwrap();
        let started = Instant::now();
        server.stop();
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!(idle.read(&mut [0; 8]).unwrap_or(0), 0);
        assert!(TcpStream::connect(server.address()).is_err());
        assert_eq!(Arc::strong_count(&server.shared), 1, "no thread is left");
    }

    #[test]
    fn tls_from_the_first_byte_and_by_command() {
        let server = start(Security::Tls, &[]);
        let mut connection = connect(&server, Security::Tls).unwrap();
        assert_eq!(connection.read_line().unwrap(), b"+OK 1");
        connection.write_line("QUIT").unwrap();
        assert_eq!(connection.read_line().unwrap(), b"+OK bye");
        let error = connection.read_line().unwrap_err().to_string();
        assert!(!error.contains("close_notify"), "{error}");

        let server = start(Security::StartTls, &[]);
        let mut connection = connect(&server, Security::StartTls).unwrap();
        connection.read_line().unwrap();
        connection.write_line("STLS").unwrap();
        assert_eq!(connection.read_line().unwrap(), b"+OK go");
        connection.start_tls().unwrap();
        connection.write_line("hi").unwrap();
        assert_eq!(connection.read_line().unwrap(), b"hi");
    }

    #[test]
    fn tls_can_end_like_a_cut_connection() {
        let server = start(Security::Tls, &["no-close-notify"]);
        let mut connection = connect(&server, Security::Tls).unwrap();
        connection.read_line().unwrap();
        connection.write_line("QUIT").unwrap();
        connection.read_line().unwrap();
        let error = connection.read_line().unwrap_err().to_string();
        assert!(error.contains("close_notify"), "{error}");
    }

    #[test]
    fn injected_bytes_come_with_the_reply() {
        let server = start(Security::StartTls, &["inject=+OK evil\\r\\n"]);
        let mut connection = connect(&server, Security::StartTls).unwrap();
        connection.read_line().unwrap();
        connection.write_line("STLS").unwrap();
        connection.read_line().unwrap();
        let error = connection.start_tls().unwrap_err().to_string();
        assert!(error.contains("10 bytes"), "{error}");
    }

    #[test]
    fn cuts_are_orderly_or_not() {
        let server = start(Security::Plain, &["cut=9"]);
        assert_eq!(
            everything(&server, b"hi\r\n"),
            (b"+OK 1\r\nhi".to_vec(), None)
        );
        let server = start(Security::Plain, &["cut-reset=3"]);
        let (_, error) = everything(&server, b"");
        assert_eq!(error, Some(io::ErrorKind::ConnectionReset));
        let server = start(Security::Plain, &["reset"]);
        let (heard, error) = everything(&server, b"");
        assert_eq!((heard.len(), error.is_some()), (0, true));
        let server = start(Security::Plain, &[]);
        let (_, error) = everything(&server, b"RST\r\n");
        assert_eq!(error, Some(io::ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_dripping_handshake_gets_there() {
        let server = start(Security::Tls, &["drip=0"]);
        let mut connection = connect(&server, Security::Tls).unwrap();
        assert_eq!(connection.read_line().unwrap(), b"+OK 1");
    }

    #[test]
    fn whatever_hangs_ends_with_the_server() {
        for fault in ["silence", "deaf", "endless-line", "delay=60s", "drip=60s"] {
            let server = start(Security::Plain, &[fault]);
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(b"one\r\ntwo\r\n").unwrap();
            thread::sleep(Duration::from_millis(50));
            let started = Instant::now();
            drop(server);
            assert!(started.elapsed() < Duration::from_secs(1), "{fault}");
        }
    }
}
