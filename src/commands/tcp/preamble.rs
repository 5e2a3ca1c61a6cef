//! What is said before TLS can start: each protocol has words of its own for it.

use clap::ValueEnum;
use proto_transport::{Connection, Connector, Continuation, Endpoint, Error, Result, StatusReply};

use crate::protocol::{Protocol, FTP, IMAP, NNTP, POP3, SMTP};

/// A protocol with a command that starts TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Upgrade {
    /// EHLO and STARTTLS (RFC 3207)
    Smtp,
    /// STLS (RFC 2595)
    Pop3,
    /// STARTTLS (RFC 9051)
    Imap,
    /// AUTH TLS (RFC 4217)
    Ftp,
    /// STARTTLS (RFC 4642)
    Nntp,
}

impl Upgrade {
    /// What its lines mean.
    pub fn protocol(self) -> &'static Protocol {
        match self {
            Upgrade::Smtp => &SMTP,
            Upgrade::Pop3 => &POP3,
            Upgrade::Imap => &IMAP,
            Upgrade::Ftp => &FTP,
            Upgrade::Nntp => &NNTP,
        }
    }

    /// Connects, and gives the connection when TLS is there.
    pub fn connect(self, connector: &Connector, endpoint: &Endpoint) -> Result<Connection> {
        let connection = connector.connect(endpoint)?;
        let url = |scheme: &str| format!("{scheme}://{endpoint}");
        match self {
            Upgrade::Smtp => {
                let mut target = proto_smtp::Target::parse(&url("smtp"))?;
                target.endpoint = endpoint.clone();
                let mut client =
                    proto_smtp::Client::over(connection, &target, &Default::default())?;
                client.hello(false)?;
                client.start_tls().map(proto_smtp::Client::into_connection)
            }
            Upgrade::Pop3 => {
                let mut target = proto_pop3::Target::parse(&url("pop3"))?;
                target.endpoint = endpoint.clone();
                let mut client = proto_pop3::Client::over(connection, &target)?;
                client.ask_capabilities()?;
                client.start_tls().map(proto_pop3::Client::into_connection)
            }
            Upgrade::Imap => {
                let mut target = proto_imap::Target::parse(&url("imap"))?;
                target.endpoint = endpoint.clone();
                let mut client = proto_imap::Client::over(connection, &target)?;
                if !client.capabilities().offers("STARTTLS") {
                    client.ask_capabilities()?;
                }
                client.start_tls().map(proto_imap::Client::into_connection)
            }
            Upgrade::Nntp => {
                let mut target = proto_nntp::Target::parse(&url("nntp"))?;
                target.endpoint = endpoint.clone();
                let mut client = proto_nntp::Client::over(connection, &target)?;
                client.ask_capabilities()?;
                client.start_tls().map(proto_nntp::Client::into_connection)
            }
            Upgrade::Ftp => auth_tls(connection),
        }
    }
}

/// What we were doing, in errors.
const AUTH_TLS: &str = "AUTH TLS";

/// Greeting, AUTH TLS, and no more: what protects data connections (PBSZ, PROT) is for whoever types
/// to say (RFC 4217 section 4).
fn auth_tls(mut connection: Connection) -> Result<Connection> {
    connection.doing("reading the greeting");
    let mut greeting = StatusReply::read(&mut connection, Continuation::Free)?;
    // RFC 959 section 5.4: ready in some minutes.
    if greeting.code == 120 {
        greeting = StatusReply::read(&mut connection, Continuation::Free)?;
    }
    greeting.expect(220, &connection)?;
    connection.doing(AUTH_TLS);
    connection.expect_quiet()?;
    connection.write_line("AUTH TLS")?;
    let reply = StatusReply::read(&mut connection, Continuation::Free)?;
    if !reply.is(234) {
        return Err(Error::Insecure {
            peer: connection.peer().to_owned(),
            doing: AUTH_TLS.to_owned(),
            why: format!("the server refused AUTH TLS: {reply}"),
            certificate: false,
        });
    }
    connection.start_tls()?;
    Ok(connection)
}
