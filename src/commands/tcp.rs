//! `proto tcp HOST PORT`: a console that speaks in lines, a script, or with `--listen` the other side.

mod console;
pub mod hex;
mod listen;
mod preamble;

use std::path::PathBuf;
use std::time::Duration;

use proto_transport::{Connection, Connector, Endpoint, Error, Result, Secret, Security};

use crate::cli::{read, CommonArgs};
use crate::credentials::Credentials;
use crate::download::retrying;
use crate::fetching::reported;
use crate::protocol::TCP;
use crate::report::{Record, Stage};
use crate::rows::Rows;
use crate::script::{Row, Runner, Script};
use crate::sockets;
use crate::units::duration;

use self::console::{Console, Line};
use self::preamble::Upgrade;

/// Speak in lines with whatever listens, or listen.
#[derive(clap::Args)]
pub struct Args {
    /// The host: a name, an address, host:port, tcp://host:port or tls://host:port; with --listen an
    /// address of this machine (127.0.0.1)
    #[arg(value_name = "HOST", required_unless_present_any = ["unix_socket", "listen"])]
    host: Option<String>,
    /// Its port
    #[arg(value_name = "PORT")]
    port: Option<u16>,
    /// TLS from the first byte
    #[arg(long, conflicts_with_all = ["starttls", "plain"], help_heading = "TLS")]
    tls: bool,
    /// Upgrade to TLS by the command of this protocol, or fail; then the line is yours
    #[arg(
        long,
        value_name = "PROTOCOL",
        conflicts_with = "plain",
        help_heading = "TLS"
    )]
    starttls: Option<Upgrade>,
    #[command(flatten)]
    console: ConsoleArgs,
    #[command(flatten)]
    listening: listen::ListeningArgs,
    /// One JSON object for what an `expect` of the script, or a line of a peer, holds
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// What is sent and shown.
#[derive(clap::Args)]
#[command(next_help_heading = "Console")]
pub struct ConsoleArgs {
    /// Lines end in LF alone, instead of CRLF
    #[arg(long, conflicts_with_all = ["raw", "listen"])]
    lf: bool,
    /// Send bytes as they are read
    #[arg(long)]
    raw: bool,
    /// Show both directions as hexadecimal bytes
    #[arg(long, conflicts_with = "listen")]
    hex: bool,
    /// Run this file: expect REGEX, else, send TEXT, timeout TIME, pause TIME, close, fail TEXT, done
    #[arg(long, value_name = "FILE", conflicts_with_all = ["raw", "hex", "wait", "keep_open", "listen"])]
    script: Option<PathBuf>,
    /// Leave after this time when the input has ended, whatever the peer does
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "listen")]
    wait: Option<Duration>,
    /// Do not tell the peer that the input has ended (under TLS it is told after a second of silence)
    #[arg(long, conflicts_with = "listen")]
    keep_open: bool,
}

impl ConsoleArgs {
    /// What lines end in; nothing for bytes as they are.
    fn line_end(&self) -> Option<&'static [u8]> {
        match (self.raw, self.lf) {
            (true, _) => None,
            (_, true) => Some(b"\n"),
            _ => Some(b"\r\n"),
        }
    }
}

/// Connects, and talks to the end; or listens.
pub fn run(args: &Args) -> Result<u8> {
    let connection = &args.common.connection;
    if connection.limit_rate.is_some() || connection.max_size.is_some() {
        return Err(Error::illegal(
            "--limit-rate and --max-size are for transfers, and a conversation is none",
        ));
    }
    if args.listening.listen {
        return listen::run(args);
    }
    let endpoint = endpoint(args)?;
    let script = args.console.script.as_deref().map(|path| {
        let text = read(path)?;
        Script::parse(&path.display().to_string(), &text, &["user", "password"])
    });
    let script = script.transpose()?;
    let protocol = args.starttls.map_or(&TCP, Upgrade::protocol);
    let connector = args.common.connector(protocol)?;
    reported("tcp", endpoint.to_string(), &args.common, |record, _| {
        let talking = Talking {
            args,
            endpoint: &endpoint,
            connector: &connector,
            script: script.as_ref(),
        };
        retrying(&args.common, crate::note, |this| {
            let mut connection = talking.connect(record)?;
            // What was said cannot be taken back.
            this.is_last = true;
            talking.talk(&mut connection, record)
        })
    })
}

fn endpoint(args: &Args) -> Result<Endpoint> {
    let mut endpoint = match &args.host {
        Some(host) => sockets::endpoint("tcp", host, args.port)?,
        // A Unix socket has no name; what TLS verifies is this machine.
        None => sockets::endpoint("tcp", "localhost", Some(0))?,
    };
    if args.tls {
        endpoint.security = Security::Tls;
    }
    match (args.starttls, endpoint.security) {
        (Some(_), Security::Tls) => Err(Error::illegal(
            "tls:// is TLS from the first byte, and --starttls upgrades later",
        )),
        (Some(_), _) => {
            endpoint.security = Security::StartTls;
            Ok(endpoint)
        }
        (None, _) => Ok(endpoint),
    }
}

/// A conversation that is wanted.
struct Talking<'a> {
    args: &'a Args,
    endpoint: &'a Endpoint,
    connector: &'a Connector,
    script: Option<&'a Script>,
}

impl Talking<'_> {
    fn connect(&self, record: &mut Record) -> Result<Connection> {
        record.stage = Stage::Connect;
        let connection = match self.args.starttls {
            Some(upgrade) => self
                .connector
                .once_more(|| upgrade.connect(self.connector, self.endpoint))?,
            None => self.connector.connect(self.endpoint)?,
        };
        record.connected(connection.facts(), false);
        record.stage = Stage::Transfer;
        if self.args.common.looking.verbose {
            let facts = connection.facts();
            let address = facts.address.as_deref().unwrap_or("a proxy");
            let how = if connection.is_encrypted() {
                " under TLS"
            } else {
                ""
            };
            crate::note(&format!(
                "proto: connected to {} ({address}){how}",
                facts.peer
            ));
        }
        Ok(connection)
    }

    fn talk(&self, connection: &mut Connection, record: &mut Record) -> Result<()> {
        if let Some(script) = self.script {
            return self.run(script, connection, record);
        }
        let mut console = Console::new(connection, &self.args.console, &self.args.common)?;
        let result = console.run();
        record.bytes = console.counts();
        result
    }

    fn run(&self, script: &Script, connection: &mut Connection, record: &mut Record) -> Result<()> {
        connection.doing("running the script");
        let (user, password) = self.login(script, connection)?;
        if script.uses("user") && user.is_none() {
            return Err(Error::illegal(
                "the script names ${user}: who is that? See -u",
            ));
        }
        let mut rows = Rows::new(self.args.json, self.args.common.report.is_some());
        let mut add = |row: Row| rows.add(|| row.text(), || row.item());
        let line_end = self.args.console.line_end().unwrap_or_default();
        let mut line = Line::new(connection, line_end);
        let timeout = self.args.common.connection.timeout;
        let mut runner = Runner::new(script, &mut line, timeout, &mut add);
        if let Some(user) = &user {
            runner.tell("user", user);
        }
        if let Some(password) = password {
            runner.give("password", password);
        }
        let result = runner.run();
        record.items = rows.into_items();
        result
    }

    /// Who logs in, as far as the script wants to know.
    fn login(
        &self,
        script: &Script,
        connection: &Connection,
    ) -> Result<(Option<String>, Option<Secret>)> {
        let common = &self.args.common;
        if !script.uses("password") {
            return Ok((common.credentials.user.clone(), None));
        }
        let is_private = connection.is_encrypted() || self.connector.is_private(self.endpoint);
        if !is_private && !common.tls.plain {
            return Err(Error::Insecure {
                peer: connection.peer().to_owned(),
                doing: "running the script".to_owned(),
                why: "it would send the password in the clear; --tls and --starttls encrypt, and \
                      --plain allows it"
                    .to_owned(),
                certificate: false,
            });
        }
        let credentials = Credentials::new(&common.credentials)?;
        let url = sockets::url(self.endpoint)?;
        match credentials.for_target(&url, self.endpoint, None)? {
            Some((user, password)) => Ok((Some(user), Some(password))),
            None => Err(Error::illegal(
                "the script wants to log in: as whom? See -u",
            )),
        }
    }
}
