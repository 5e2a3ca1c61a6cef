//! Data connections: every one is made here, of one policy with the control connection.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use proto_transport::{
    read_some, BareCr, CanonicalLines, Connection, Connector, Endpoint, Error, Result, Security,
};

use crate::request::Type;

/// How data connections are made.
#[derive(Debug, Clone, Default)]
pub struct DataPolicy {
    /// Who connects to whom.
    pub mode: Mode,
    /// Whether the address in the reply to PASV is dialled. Without this the data connection goes to
    /// the address of the control connection: what the server tells may be wrong behind a
    /// translator of addresses, or lead an attacker's way (RFC 2577 section 3).
    pub trusts_address: bool,
    /// Whether passive ports below 1024 are dialled, where other services are.
    pub allows_low_ports: bool,
}

/// Who makes the data connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// We connect to the server, by EPSV or else PASV.
    #[default]
    Passive,
    /// The server connects to us, by EPRT or else PORT; to one of these ports, or to any. Only from
    /// the address of the control connection.
    Active(Option<RangeInclusive<u16>>),
}

/// How the next data connection comes to be.
pub(crate) enum Way {
    To(String, u16),
    From(TcpListener),
}

/// Opens a data connection to the server. The certificate that it shows is to be of the host that the
/// control connection went to.
pub(crate) fn connect(
    connector: &Connector,
    control: &Endpoint,
    host: String,
    port: u16,
) -> Result<Connection> {
    let connector = Connector {
        connect_to: Some((host, port)),
        unix_socket: None,
        ..connector.clone()
    };
    connector.connect(&Endpoint {
        port,
        security: Security::Plain,
        ..control.clone()
    })
}

/// Where the server's data connections are, if it is not believed: at the far end of the control
/// connection.
pub(crate) fn peer_host(control: &Connection, connector: &Connector, named: &Endpoint) -> String {
    let facts = control.facts();
    let address = facts
        .address
        .as_ref()
        .and_then(|text| text.parse::<SocketAddr>().ok());
    match (address, &facts.proxy, &connector.connect_to) {
        (Some(address), None, _) => address.ip().to_string(),
        (_, _, Some((host, _))) => host.clone(),
        _ => named.host.clone(),
    }
}

/// Waits for the server on one of these ports, at our side of the control connection.
pub(crate) fn listen(
    control: &Connection,
    ports: Option<&RangeInclusive<u16>>,
) -> Result<TcpListener> {
    let facts = control.facts();
    let (Some(local), None) = (facts.local, &facts.proxy) else {
        return Err(Error::illegal(
            "active mode needs a connection over TCP and without a proxy",
        ));
    };
    let mut failed = None;
    for port in ports.cloned().unwrap_or(0..=0) {
        match TcpListener::bind((local, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = Some(error),
        }
    }
    let why = failed.unwrap_or_else(|| std::io::ErrorKind::InvalidInput.into());
    Err(Error::io("listening for the data connection", why))
}

/// How long to sleep between two looks at who has connected.
const GLANCE: Duration = Duration::from_millis(5);

/// Takes the server's connection, and nobody else's (RFC 2577 section 4).
pub(crate) fn accept(
    listener: &TcpListener,
    control: &Connection,
    connector: &Connector,
) -> Result<Connection> {
    let failed = |error| Error::io("waiting for the data connection", error);
    let peer = control.facts().address.as_ref();
    let peer = peer.and_then(|text| text.parse::<SocketAddr>().ok());
    let peer: Option<IpAddr> = peer.map(|address| address.ip().to_canonical());
    listener.set_nonblocking(true).map_err(failed)?;
    let patience = connector.timeouts.connect;
    let started = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, from)) if Some(from.ip().to_canonical()) == peer => {
                stream.set_nonblocking(false).map_err(failed)?;
                return connector.accepted(stream, control);
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(GLANCE);
            }
            Err(error) => return Err(failed(error)),
        }
        if started.elapsed() >= patience || late(connector) {
            return Err(Error::TimedOut {
                peer: control.peer().to_owned(),
                doing: "waiting for the server's data connection".to_owned(),
                after: started.elapsed(),
            });
        }
    }
}

fn late(connector: &Connector) -> bool {
    let deadline = connector.timeouts.deadline;
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// Bytes that are read from our side at once: each block costs a look at what the server has to say.
const BLOCK: usize = 256 * 1024;

/// Why not all of it was sent.
pub(crate) enum Unsent {
    /// What was to be sent cannot be, or not all of it.
    Source(Error),
    /// The data connection broke.
    Connection(Error),
}

/// Sends all of `source`; the number of its bytes that went. As text, line ends become CRLF, and a
/// CR alone cannot be sent (RFC 959 section 3.1.1.1). A last line without an end stays so.
pub(crate) fn pour(
    data: &mut Connection,
    source: &mut dyn std::io::Read,
    kind: Type,
) -> std::result::Result<u64, Unsent> {
    let mut block = vec![0; BLOCK];
    let mut text = Vec::new();
    let mut lines = CanonicalLines::plain();
    let bare = |_: BareCr| {
        let why = "the text holds a CR without LF, which cannot be sent as type A";
        Unsent::Source(Error::illegal(why))
    };
    let mut sent = 0;
    loop {
        let count = read_some(source, &mut block).map_err(Unsent::Source)?;
        let bytes = block.get(..count).unwrap_or_default();
        let bytes = match (kind, count) {
            (Type::Image, _) => bytes,
            (Type::Ascii, 0) => lines.end().map(|()| bytes).map_err(bare)?,
            (Type::Ascii, _) => {
                text.clear();
                lines.push(bytes, &mut text).map_err(bare)?;
                &text
            }
        };
        write(data, bytes).map_err(Unsent::Connection)?;
        if count == 0 {
            return Ok(sent);
        }
        sent += count as u64;
    }
}

fn write(data: &mut Connection, bytes: &[u8]) -> Result<()> {
    if !bytes.is_empty() {
        data.write_block(bytes)?;
    }
    data.flush()?;
    // While we send, the other side has nothing to say but that it hangs up. TLS takes its
    // session tickets meanwhile: left unread, they would turn our end into a reset.
    match data.is_reusable() {
        true => Ok(()),
        false => Err(data.closed("the server closed the data connection")),
    }
}
