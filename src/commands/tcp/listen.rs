//! `proto tcp --listen [ADDRESS] PORT`: many peers at once, a thread each, none of which can harm
//! another.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use proto_transport::escape::escaped;
use proto_transport::{Connection, Connector, Error, Listener, Result};
use serde_json::json;

use super::Args;
use crate::ending::{Ending, GLANCE};
use crate::exit_code::OK;
use crate::protocol::TCP;
use crate::report::json_line;
use crate::sockets::listening_address;
use crate::tls_roots;

/// What is done with peers.
#[derive(clap::Args)]
#[command(next_help_heading = "Listening")]
pub struct ListeningArgs {
    /// Wait for peers, and print what they say
    #[arg(long, conflicts_with_all = ["tls", "starttls", "unix_socket", "proxy", "connect_to"])]
    pub listen: bool,
    /// Send back what comes
    #[arg(long, requires = "listen")]
    echo: bool,
    /// Run this command for each peer, which is its stdin and stdout; $PROTO_PEER tells who it is
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "listen",
        conflicts_with = "echo"
    )]
    exec: Option<String>,
    /// Peers at a time; who comes when there are so many is sent away
    #[arg(long, value_name = "N", requires = "listen", default_value_t = 100,
          value_parser = clap::value_parser!(u16).range(1..))]
    peers: u16,
}

/// What the threads share.
struct Service {
    doing: Doing,
    peers: AtomicUsize,
    /// Set when all must end.
    ends: AtomicBool,
    is_verbose: bool,
}

enum Doing {
    Print { raw: bool, json: bool },
    Echo,
    Exec(Vec<String>),
}

/// Serves until it is told to stop.
pub fn run(args: &Args) -> Result<u8> {
    let address = listening_address(args.host.as_deref(), args.port)?;
    let connector = args.common.connector(&TCP)?;
    let service = Arc::new(Service {
        doing: doing(args)?,
        peers: AtomicUsize::new(0),
        ends: AtomicBool::new(false),
        is_verbose: args.common.looking.verbose,
    });
    let mut ending = Ending::new()?;
    let listener = Listener::bind(address)?;
    crate::note(&format!(
        "proto: listening on tcp://{}/",
        listener.address()?
    ));
    let end = args.common.deadline();
    let mut threads = Vec::new();
    while !ending.has_come() && end.is_none_or(|end| Instant::now() < end) {
        let accepted = match listener.accept_socket(Instant::now() + GLANCE) {
            Ok(accepted) => accepted,
            // For want of descriptors above all; those that are used up come back.
            Err(error) => {
                crate::tell(&error);
                thread::sleep(GLANCE);
                None
            }
        };
        let Some((stream, peer)) = accepted else {
            continue;
        };
        threads.retain(|thread: &thread::JoinHandle<()>| !thread.is_finished());
        if service.peers.load(Ordering::SeqCst) >= usize::from(args.listening.peers) {
            service.note(&format!("{peer} is sent away: there are enough"));
            continue;
        }
        service.peers.fetch_add(1, Ordering::SeqCst);
        let (service, connector) = (Arc::clone(&service), connector.clone());
        let begun = thread::Builder::new().spawn(move || {
            let _leaving = Leaving(&service.peers);
            service.note(&format!("{peer} is here"));
            match service.serve(stream, peer, &connector) {
                Ok(()) => service.note(&format!("{peer} is gone")),
                // What is wrong here, and not with the peer, is told in any case.
                Err(error @ Error::Io { .. }) => crate::tell(&error),
                Err(error) => service.note(&error.to_string()),
            }
        });
        threads.extend(begun.ok());
    }
    service.ends.store(true, Ordering::SeqCst);
    // A thread that waits for a peer does so no longer than silence may last; nobody waits for it. A
    // command that runs for a peer is ended, which takes no longer than a glance.
    if matches!(service.doing, Doing::Exec(_)) {
        for thread in threads {
            let _ = thread.join();
        }
    }
    Ok(OK)
}

fn doing(args: &Args) -> Result<Doing> {
    if let Some(command) = &args.listening.exec {
        let words = shlex::split(command).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| Error::illegal(format!("{command} is no command")))?;
        return Ok(Doing::Exec(words));
    }
    Ok(match args.listening.echo {
        true => Doing::Echo,
        false => Doing::Print {
            raw: args.console.raw,
            json: args.json,
        },
    })
}

/// Counts a peer down, however it was served.
struct Leaving<'s>(&'s AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service {
    fn note(&self, text: &str) {
        if self.is_verbose {
            crate::note(&format!("proto: {text}"));
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, policy: &Connector) -> Result<()> {
        match &self.doing {
            Doing::Exec(words) => self.exec(words, stream, peer),
            Doing::Echo => echo(&mut Listener::connection(stream, policy)?),
            Doing::Print { raw, json } => {
                let mut connection = Listener::connection(stream, policy)?;
                print(&mut connection, *raw, *json)
            }
        }
    }

    /// The peer's socket becomes the command's stdin and stdout, without a shell.
    fn exec(&self, words: &[String], stream: TcpStream, peer: SocketAddr) -> Result<()> {
        let Some((program, arguments)) = words.split_first() else {
            return Ok(());
        };
        let failed = |error| Error::io(format!("running {program}"), error);
        let input = OwnedFd::from(stream.try_clone().map_err(failed)?);
        let mut command = Command::new(program);
        command.args(arguments).env("PROTO_PEER", peer.to_string());
        command.env_remove("PROTO_PASSWORD");
        tls_roots::restore(&mut command);
        command.stdin(input).stdout(OwnedFd::from(stream));
        let child = command.spawn();
        // The command has its own copies of the socket; ours would keep the connection open.
        drop(command);
        let mut child = child.map_err(failed)?;
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                self.note(&format!("{peer}: {program} ended: {status}"));
                return Ok(());
            }
            if self.ends.load(Ordering::SeqCst) {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(());
            }
            thread::sleep(GLANCE);
        }
    }
}

/// What comes goes back. A peer that takes nothing is waited for no longer than silence may last.
fn echo(connection: &mut Connection) -> Result<()> {
    while let Some(part) = hear(connection)? {
        connection.say(&part)?;
        connection.flush()?;
    }
    connection.end_writing()
}

fn hear(connection: &mut Connection) -> Result<Option<Vec<u8>>> {
    connection.doing("listening");
    Ok(connection.hear()?.map(<[u8]>::to_vec))
}

/// What comes is printed: lines with their sender, whole, or bytes as they are.
fn print(connection: &mut Connection, raw: bool, is_json: bool) -> Result<()> {
    let failed = |error: io::Error| Error::io("writing to stdout", error);
    let peer = connection.peer().to_owned();
    connection.doing("listening");
    loop {
        if raw {
            let Some(part) = connection.hear()? else {
                return Ok(());
            };
            let mut stdout = io::stdout().lock();
            stdout
                .write_all(part)
                .and_then(|()| stdout.flush())
                .map_err(failed)?;
            continue;
        }
        let Some(line) = connection.read_last_line()? else {
            return Ok(());
        };
        let text = match is_json {
            true => json_line(&json!({ "peer": peer, "line": String::from_utf8_lossy(line) }))
                .map_err(|error| failed(error.into()))?,
            false => format!("{peer}\t{}\n", escaped(line)),
        };
        // In one piece, so that peers do not share lines.
        io::stdout()
            .lock()
            .write_all(text.as_bytes())
            .map_err(failed)?;
    }
}
