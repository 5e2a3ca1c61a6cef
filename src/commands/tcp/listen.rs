//! `proto tcp --listen [ADDRESS] PORT`: many peers at once, a thread each, none of which can harm
//! another.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
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
    /// Run this command for each peer, which is its stdin and stdout; $PROTO_PEER tells who it is, and no shell runs it
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
    most: usize,
    peers: AtomicUsize,
    /// Set when all must end.
    ends: AtomicBool,
    /// Why nothing can be printed any more.
    broken: Mutex<Option<Error>>,
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
    let policy = args.common.connector(&TCP)?;
    let service = Arc::new(Service {
        doing: doing(args)?,
        most: args.listening.peers.into(),
        peers: AtomicUsize::new(0),
        ends: AtomicBool::new(false),
        broken: Mutex::default(),
        is_verbose: args.common.looking.verbose,
    });
    let mut ending = Ending::new()?;
    let listener = Listener::bind(address)?;
    let address = listener.address()?;
    crate::note(&format!("proto: listening on tcp://{address}/"));
    let end = args.common.deadline();
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while !ending.has_come() && end.is_none_or(|end| Instant::now() < end) {
        match listener.accept_socket(Instant::now() + GLANCE) {
            Ok(Some((stream, peer))) => {
                threads.retain(|thread| !thread.is_finished());
                threads.extend(welcome(&service, stream, peer, &policy));
            }
            Ok(None) => {}
            // For want of descriptors above all; those that are used up come back.
            Err(error) => {
                crate::tell(&error);
                thread::sleep(GLANCE);
            }
        }
        if let Some(error) = service.broken().take() {
            return Err(error);
        }
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

/// Serves a peer on a thread of its own, if there is room.
fn welcome(
    service: &Arc<Service>,
    stream: TcpStream,
    peer: SocketAddr,
    policy: &Connector,
) -> Option<JoinHandle<()>> {
    let Some(place) = Place::take(service) else {
        service.note(&format!("{peer} is sent away: there are enough"));
        return None;
    };
    let policy = policy.clone();
    let serve = move || {
        let service = &place.0;
        service.note(&format!("{peer} is here"));
        match service.serve(stream, peer, &policy) {
            Ok(()) => service.note(&format!("{peer} is gone")),
            // What is wrong here, and not with the peer.
            Err(error @ Error::Io { .. }) => *service.broken() = Some(error),
            Err(error) => service.note(&error.to_string()),
        }
    };
    thread::Builder::new().spawn(serve).ok()
}

/// A peer's place among those that there may be at a time; free again when it is dropped.
struct Place(Arc<Service>);

impl Place {
    /// Only the thread that accepts takes places, so nobody can come between the two.
    fn take(service: &Arc<Service>) -> Option<Place> {
        let is_free = service.peers.load(Ordering::SeqCst) < service.most;
        is_free.then(|| {
            service.peers.fetch_add(1, Ordering::SeqCst);
            Place(Arc::clone(service))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.peers.fetch_sub(1, Ordering::SeqCst);
    }
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

impl Service {
    fn broken(&self) -> MutexGuard<'_, Option<Error>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                crate::tell(&failed(error));
                return Ok(());
            }
        };
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
