//! `proto telnet HOST [PORT]`: a session at the terminal, from a pipe, or by a script.

mod harmless;
mod interactive;
mod piped;
mod prompt;
mod scripted;
mod settings;
mod timeline;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use proto_telnet::{Client, Target, Window};
use proto_transport::escape::escaped;
use proto_transport::{Connector, Error, Result};
use serde_json::json;

use self::interactive::Escape;
use self::timeline::Timeline;
use crate::cli::CommonArgs;
use crate::download::retrying;
use crate::fetching::reported;
use crate::protocol::TELNET;
use crate::report::{Record, Stage};
use crate::units::duration;

/// Talk to a host.
///
/// With a terminal on both sides this is a session: every key goes to the host, and what it says
/// drives the terminal. Otherwise stdin is sent line by line, and what comes goes to stdout until the
/// host hangs up. A password in stdin is said before the question for it comes, so that traces and
/// transcripts show it; a script waits for the question.
#[derive(clap::Args)]
#[command(
    after_help = "In a session, the escape character (^], see --escape) asks what to do: quit, status, send ayt, mode line …"
)]
pub struct Args {
    /// The host, host:port, telnet:// or telnets:// (TLS)
    host: String,
    /// The port, if the host does not say
    port: Option<u16>,
    /// Run this file: expect REGEX, else, send TEXT, timeout TIME, pause TIME, fail TEXT, done
    #[arg(long, value_name = "FILE", help_heading = "Conversation")]
    script: Option<PathBuf>,
    /// Hang up so long after the end of stdin
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Conversation")]
    quit_after_eof: Option<Duration>,
    /// The character that asks what to do; "none" for none
    #[arg(long, value_name = "CHARACTER", default_value = "^]", value_parser = Escape::parse, help_heading = "Conversation")]
    escape: Escape,
    /// Ask for eight bits both ways: line ends and NULs are sent as they are
    #[arg(long, help_heading = "Conversation")]
    binary: bool,
    /// The type of the terminal, if the host asks (repeatable, best first)
    #[arg(
        short = 't',
        long = "terminal",
        value_name = "TYPE",
        help_heading = "What is told"
    )]
    terminals: Vec<String>,
    /// Tell this variable, if the host asks (repeatable); without a value, that of the environment
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = "What is told")]
    env: Vec<String>,
    /// The size of the window, if the host asks; that of the terminal in a session
    #[arg(long, value_name = "COLUMNSxROWS", value_parser = window, help_heading = "What is told")]
    window: Option<Window>,
    /// Show what is negotiated, as it happens, in the place of what the host says
    #[arg(long, help_heading = "Results")]
    show_options: bool,
    /// One JSON object a row: with --show-options and --script
    #[arg(long, help_heading = "Results")]
    json: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// Holds the conversation.
pub fn run(args: &Args) -> Result<u8> {
    let mut target = Target::parse(&args.host)?;
    if let Some(port) = args.port {
        target.endpoint.port = port;
    }
    if args.script.is_some() && args.show_options {
        return Err(Error::illegal(
            "--script and --show-options both want stdout; --trace shows the conversation too",
        ));
    }
    if args.json && args.script.is_none() && !args.show_options {
        return Err(Error::illegal(
            "--json is for the rows of --script and --show-options",
        ));
    }
    let manner = match (&args.script, is_session(args)) {
        (Some(path), _) => Manner::Scripted(Box::new(scripted::Job::read(path, args, &target)?)),
        (None, true) => Manner::Interactive,
        (None, false) => Manner::Piped,
    };
    let settings = settings::of(args, &target, matches!(manner, Manner::Interactive))?;
    let connector = args.common.connector(&TELNET)?;
    reported("telnet", target.url(), &args.common, |record, _| {
        record.stage = Stage::Connect;
        let mut client = connect(args, &connector, &target, &settings, record)?;
        let result = match manner {
            Manner::Scripted(job) => job.run(args, &mut client),
            Manner::Interactive => interactive::run(args, &mut client),
            Manner::Piped => piped::run(args, &mut client, Timeline::new(args)),
        };
        note(&client, record);
        result
    })
}

/// Longer than anybody waits for somebody to type.
const A_LONG_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a conversation is held.
enum Manner {
    Scripted(Box<scripted::Job>),
    Interactive,
    Piped,
}

/// Whether somebody sits at both ends of our side.
fn is_session(args: &Args) -> bool {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    is_terminal && !args.show_options
}

fn connect(
    args: &Args,
    connector: &Connector,
    target: &Target,
    settings: &proto_telnet::Settings,
    record: &mut Record,
) -> Result<Client> {
    let mut client = None;
    retrying(&args.common, crate::note, |_| {
        let attempt = || Client::connect(connector, target, settings.clone());
        client = Some(connector.once_more(attempt)?);
        Ok(())
    })?;
    let client = client.ok_or_else(|| Error::illegal("nothing was tried"))?;
    record.connected(client.connection().facts(), false);
    record.stage = Stage::Transfer;
    Ok(client)
}

/// What the report tells.
fn note(client: &Client, record: &mut Record) {
    let in_force = client.nvt().negotiation().in_force();
    record.items = in_force
        .map(|(is_ours, code)| {
            json!({
                "side": if is_ours { "client" } else { "server" },
                "option": code.to_string(),
                "code": code.0,
            })
        })
        .collect();
    let received = json!(client.connection().heard());
    record.bytes.insert("received".to_owned(), received);
}

fn window(text: &str) -> std::result::Result<Window, String> {
    let wrong = || "a window looks like 80x24".to_owned();
    let (columns, rows) = text.split_once('x').ok_or_else(wrong)?;
    Ok(Window {
        columns: columns.parse().map_err(|_| wrong())?,
        rows: rows.parse().map_err(|_| wrong())?,
    })
}

/// The error of a conversation in which nobody says anything any more.
fn silent(client: &Client, after: Duration) -> Error {
    Error::TimedOut {
        peer: client.connection().peer().to_owned(),
        doing: "waiting for the host to go on or hang up; see --quit-after-eof".to_owned(),
        after,
    }
}

/// What can be shown of a host's name, or of what somebody typed.
fn shown(text: &str) -> String {
    escaped(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_two_sides() {
        let size = |columns, rows| Ok(Window { columns, rows });
        assert_eq!(window("80x24"), size(80, 24));
        assert_eq!(window("0x65535"), size(0, 65535));
        for wrong in ["", "80", "80x", "x24", "80x24x1", "-1x5", "65536x1"] {
            assert!(window(wrong).is_err(), "{wrong}");
        }
    }
}
