//! What every test needs: a patient connector, servers on the loopback, and a closer look at errors.

use std::io;
use std::io::Write;
use std::net::{Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use proto_mock::{Identity, Options, Peer, Server, Service, AUTHORITY};
use proto_transport::{
    Connection, Connector, Endpoint, Error, Framing, Result, Security, TlsPolicy,
};

/// Longer than any step takes on a busy machine: what reaches it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that is meant to run out.
pub const SHORT: Duration = Duration::from_millis(200);

pub fn endpoint(host: &str, port: u16, security: Security) -> Endpoint {
    Endpoint {
        scheme: "test".to_owned(),
        host: host.to_owned(),
        port,
        security,
    }
}

/// Whether this machine has `::1`. Where IPv6 is off, what needs it says so and is left out.
pub fn has_ipv6() -> bool {
    static PROBED: OnceLock<bool> = OnceLock::new();
    let has = *PROBED.get_or_init(|| TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok());
    if !has {
        // Past the capture of the test harness.
        let _ = writeln!(std::io::stderr(), "SKIPPED: ::1 cannot be used here");
    }
    has
}

/// Trusts the test authority.
pub fn policy() -> TlsPolicy {
    TlsPolicy {
        roots: Some(AUTHORITY.to_owned()),
        ..TlsPolicy::default()
    }
}

pub fn connector() -> Connector {
    connector_with(policy())
}

pub fn connector_with(policy: TlsPolicy) -> Connector {
    let mut connector = Connector {
        tls: Arc::new(policy.into()),
        ..Connector::default()
    };
    connector.timeouts.connect = PATIENCE;
    connector.timeouts.silence = PATIENCE;
    connector
}

/// A file beside the sample certificates.
pub fn sample(name: &str) -> String {
    std::fs::read_to_string(samples().join("certificates").join(name)).unwrap()
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples")
}

pub fn identity(name: &str) -> Identity {
    Identity {
        chain: sample(&format!("{name}.crt")),
        key: sample(&format!("{name}.key")),
    }
}

pub fn serve(
    security: Security,
    service: impl Fn(&mut Peer, usize) -> io::Result<()> + Send + Sync + 'static,
) -> Server {
    start(security, "localhost", &[], Arc::new(service))
}

pub fn start(
    security: Security,
    certificate: &str,
    faults: &[&str],
    service: Arc<dyn Service>,
) -> Server {
    let options = Options {
        security,
        tls: Some(identity(certificate)),
        faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
        ..Options::default()
    };
    Server::start(options, service).unwrap()
}

/// A greeting, then every line back. `STLS` starts TLS, `QUIT` ends.
pub fn echo(peer: &mut Peer, _connection: usize) -> io::Result<()> {
    peer.write_line("+OK ready")?;
    while let Some(line) = peer.read_line()? {
        match line.as_slice() {
            b"STLS" => {
                peer.write_line("+OK go")?;
                peer.start_tls()?;
            }
            b"QUIT" => return peer.write_line("+OK bye"),
            line => peer.write_line(line)?,
        }
    }
    Ok(())
}

/// Has the conversation that [`echo`] is for.
pub fn talk(connection: &mut Connection) -> Result<()> {
    assert_eq!(connection.read_line()?, b"+OK ready");
    connection.write_line("hello")?;
    assert_eq!(connection.read_line()?, b"hello");
    connection.write_line("QUIT")?;
    assert_eq!(connection.read_line()?, b"+OK bye");
    Ok(())
}

/// All of a body.
pub fn whole(connection: &mut Connection, framing: impl Framing) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut body = connection.body(framing);
    while let Some(part) = body.next_part()? {
        bytes.extend_from_slice(part);
    }
    Ok(bytes)
}

/// Bytes that several threads add to.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    pub fn push(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Everything that a peer says until it hangs up.
    pub fn all_of(&self, peer: &mut Peer) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match peer.read_some(&mut buffer)? {
                0 => return Ok(()),
                count => self.push(&buffer[..count]),
            }
        }
    }
}

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error of something that must not succeed.
#[track_caller]
pub fn failure<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("it succeeded"),
        Err(error) => error,
    }
}

/// Fails unless an error is of this kind; gives its text.
#[macro_export]
macro_rules! assert_error {
    ($error:expr, $($kind:tt)+) => {{
        let error: proto_transport::Error = $error;
        assert!(matches!(error, $($kind)+), "{error:?}");
        error.to_string()
    }};
}

/// Fails unless a text holds another.
#[track_caller]
pub fn assert_says(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}
