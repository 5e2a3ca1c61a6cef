//! `proto mock`: the servers that our own tests use, for everybody.

mod ftp;
mod gopher;
mod imap;
mod mail;
mod nntp;
mod pop3;
mod smtp;
mod tcp;
mod telnet;
mod udp;

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Subcommand;
use proto_mock::http::{Protection, Scheme, Site};
use proto_mock::mailbox::Source;
use proto_mock::{Fault, Identity, Options, Replay, Server, Service, FAULTS};
use proto_transport::session::{Session, Side, Step};
use proto_transport::{Error, Result, Security};
use serde_json::json;

use crate::cli::read;
use crate::ending::{Ending, GLANCE};
use crate::exit_code::{OK, PROTOCOL};
use crate::trace::explain;
use crate::units::{duration, size};

use self::ftp::FtpArgs;
use self::gopher::GopherArgs;
use self::imap::ImapArgs;
use self::mail::MailArgs;
use self::nntp::NntpArgs;
use self::pop3::Pop3Args;
use self::smtp::SmtpArgs;
use self::tcp::TcpArgs;
use self::telnet::TelnetArgs;
use self::udp::UdpArgs;

/// Run a server on loopback for testing, faults included.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    server: Kind,
}

#[derive(Subcommand)]
enum Kind {
    /// Serve a folder, and under /mock/ everything that a client must cope with
    Http(HttpArgs),
    Mail(Box<MailArgs>),
    /// Take mail by SMTP or LMTP, strictly, and refuse or fail on request
    Smtp(SmtpArgs),
    /// Give out mail by POP3, strictly, and refuse or fail on request
    Pop3(Pop3Args),
    /// Keep mail by IMAP, strictly, and refuse or fail on request
    Imap(ImapArgs),
    /// Keep news by NNTP, strictly, and refuse or fail on request
    Nntp(NntpArgs),
    /// Keep files by FTP, and refuse or fail on request
    Ftp(FtpArgs),
    /// Serve menus and files by Gopher, and fail on request
    Gopher(GopherArgs),
    /// Echo, discard, uppercase, daytime or chargen by TCP
    Tcp(TcpArgs),
    /// The same by UDP, and everything that a network may do to datagrams
    Udp(UdpArgs),
    /// Ask who is there by Telnet, run a little shell, and fail on request
    Telnet(TelnetArgs),
    /// Play the server's side of a recorded conversation
    Replay(ReplayArgs),
}

#[derive(clap::Args)]
struct ListenArgs {
    /// Listen on this port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Listen on this address; anything but loopback shows the server to the network
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// TLS from the first byte
    #[arg(long)]
    tls: bool,
    /// Certificate chain (PEM) instead of the built-in one for localhost
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key (PKCS#8 PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Do something wrong (repeatable); "--fault help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    fault: Vec<String>,
    /// Write the port as JSON to this file once the server is ready
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    stop_after: Option<Duration>,
}

#[derive(clap::Args)]
struct HttpArgs {
    /// Serve the files of this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Ask for credentials everywhere
    #[arg(long, value_name = "SCHEME", requires = "user", value_parser = ["basic", "digest"])]
    protect: Option<String>,
    /// The credentials that are accepted
    #[arg(long, value_name = "NAME:PASSWORD")]
    user: Option<String>,
    #[command(flatten)]
    listen: ListenArgs,
}

#[derive(clap::Args)]
struct ReplayArgs {
    /// The session, as --transcript records it
    file: PathBuf,
    /// Show the session on stderr, and say what each line means, and what document says so
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    listen: ListenArgs,
}

/// Serves until it is told to stop.
pub fn run(args: &Args) -> Result<u8> {
    let listen = match &args.server {
        Kind::Mail(args) => return mail::run(args),
        Kind::Http(args) => &args.listen,
        Kind::Smtp(args) => &args.listen,
        Kind::Pop3(args) => &args.listen,
        Kind::Imap(args) => &args.listen,
        Kind::Nntp(args) => &args.listen,
        Kind::Ftp(args) => &args.listen,
        Kind::Gopher(args) => &args.listen,
        Kind::Tcp(args) => &args.listen,
        Kind::Udp(args) => return udp::run(args),
        Kind::Telnet(args) => &args.listen,
        Kind::Replay(args) => &args.listen,
    };
    if listen.fault.iter().any(|fault| fault == "help") {
        return list(FAULTS);
    }
    match &args.server {
        Kind::Mail(args) => mail::run(args),
        Kind::Http(args) => http(args),
        Kind::Smtp(args) => smtp::run(args),
        Kind::Pop3(args) => pop3::run(args),
        Kind::Imap(args) => imap::run(args),
        Kind::Nntp(args) => nntp::run(args),
        Kind::Ftp(args) => ftp::run(args),
        Kind::Gopher(args) => gopher::run(args),
        Kind::Tcp(args) => tcp::run(args),
        Kind::Udp(args) => udp::run(args),
        Kind::Telnet(args) => telnet::run(args),
        Kind::Replay(args) => replay(args),
    }
}

/// Prints names and what they do.
fn list(names: &[(&str, &str)]) -> Result<u8> {
    let lines = names
        .iter()
        .map(|(name, does)| format!("{name:16} {does}\n"));
    print(&lines.collect::<String>())?;
    Ok(OK)
}

fn http(args: &HttpArgs) -> Result<u8> {
    let mut site = match &args.dir {
        Some(folder) if !folder.is_dir() => {
            return Err(Error::illegal(format!("{} is no folder", folder.display())))
        }
        Some(folder) => Site::new(folder.clone()),
        None => Site::default(),
    };
    if let (Some(scheme), Some(user)) = (&args.protect, &args.user) {
        let (user, password) = user
            .split_once(':')
            .ok_or_else(|| Error::illegal("--user takes NAME:PASSWORD"))?;
        site.protect = Some(Protection {
            scheme: match scheme.as_str() {
                "digest" => Scheme::Digest,
                _ => Scheme::Basic,
            },
            user: user.to_owned(),
            password: password.to_owned(),
        });
    }
    let scheme = if args.listen.tls { "https" } else { "http" };
    serve(&args.listen, scheme, Arc::new(site))
}

/// Plays the session once, however long that takes, and says whether the client kept to it.
fn replay(args: &ReplayArgs) -> Result<u8> {
    let file = &args.file;
    let text = read(file)?;
    let session = Session::parse(&text)
        .map_err(|error| Error::illegal(format!("{}: {error}", file.display())))?;
    if session.steps.is_empty() {
        return Err(Error::illegal(format!(
            "{} holds no conversation",
            file.display()
        )));
    }
    if args.explain {
        explain(&session).map_err(|error| Error::io("writing to stderr", error))?;
    }
    let mut ending = Ending::new()?;
    let scheme = scheme_of(&session);
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    let replay = Arc::new(Replay::new(session, folder));
    let server = start(&args.listen, Arc::clone(&replay) as Arc<dyn Service>)?;
    announce(&args.listen, scheme, &server)?;
    let started = Instant::now();
    while !replay.is_over() {
        let left = args
            .listen
            .stop_after
            .map(|time| time.saturating_sub(started.elapsed()));
        if ending.wait(Some(left.unwrap_or(GLANCE).min(GLANCE))) {
            if server.connections() == 0 {
                return Ok(OK);
            }
            break;
        }
        if left.is_some_and(|left| left.is_zero()) {
            break;
        }
    }
    let outcome = replay.outcome_so_far();
    server.stop();
    crate::note(&format!("proto: {}: {outcome}", file.display()));
    Ok(if outcome.is_ok() { OK } else { PROTOCOL })
}

/// How a client would name the server: what the client says first tells the protocol.
fn scheme_of(session: &Session) -> &'static str {
    let mut steps = session.steps.iter().map(|(_, step)| step);
    let tls = matches!(steps.next(), Some(Step::Tls));
    let http = session.steps.iter().any(
        |(_, step)| matches!(step, Step::Line(Side::Client, line) if line.ends_with(" HTTP/1.1")),
    );
    match (http, mail_scheme(session), tls) {
        (true, _, true) => "https",
        (true, _, false) => "http",
        (false, Some("smtp"), true) => "smtps",
        (false, Some("lmtp"), true) => "lmtps",
        (false, Some("pop3"), true) => "pop3s",
        (false, Some(scheme), _) => scheme,
        (false, None, true) => "tls",
        (false, None, false) => "tcp",
    }
}

/// In SMTP and LMTP the server speaks first, and the client introduces itself; in POP3 the greeting
/// has its own form, and the client asks, upgrades or logs in.
fn mail_scheme(session: &Session) -> Option<&'static str> {
    let mut lines = session.steps.iter().filter_map(|(_, step)| match step {
        Step::Line(side, line) => Some((*side, line.as_str())),
        _ => None,
    });
    let (Side::Server, greeting) = lines.next()? else {
        return None;
    };
    let (_, hello) = lines.find(|(side, _)| *side == Side::Client)?;
    let verb = hello.split(' ').next()?.to_ascii_uppercase();
    match (greeting.get(..3)?, verb.as_str()) {
        ("220", "EHLO" | "HELO") => Some("smtp"),
        ("220", "LHLO") => Some("lmtp"),
        ("+OK", "CAPA" | "STLS" | "USER" | "APOP" | "AUTH" | "UTF8" | "LANG" | "QUIT") => {
            Some("pop3")
        }
        _ => None,
    }
}

fn start(listen: &ListenArgs, service: Arc<dyn Service>) -> Result<Server> {
    let mut faults = Vec::new();
    for fault in &listen.fault {
        let fault: Fault = fault
            .parse()
            .map_err(|error: proto_mock::NotAFault| Error::illegal(error.to_string()))?;
        faults.push(fault);
    }
    let tls = match (&listen.cert, &listen.key) {
        (Some(certificate), Some(key)) => Some(Identity {
            chain: read(certificate)?,
            key: read(key)?,
        }),
        _ => None,
    };
    let bind = SocketAddr::new(listen.bind, listen.port);
    if !listen.bind.is_loopback() {
        crate::warn(&format!(
            "{bind} is open to the network, and a mock server defends nothing"
        ));
    }
    let options = Options {
        bind,
        tls,
        security: match listen.tls {
            true => Security::Tls,
            false => Security::Plain,
        },
        faults,
    };
    Server::start(options, service)
        .map_err(|error| Error::io(format!("listening on {bind}"), error))
}

/// Serves until it is told to stop.
fn serve(listen: &ListenArgs, scheme: &str, service: Arc<dyn Service>) -> Result<u8> {
    let mut ending = Ending::new()?;
    let server = start(listen, service)?;
    announce(listen, scheme, &server)?;
    ending.wait(listen.stop_after);
    server.stop();
    Ok(OK)
}

/// Rules, flaws or other words of the user's.
fn parsed<T>(texts: &[String]) -> Result<Vec<T>>
where
    T: FromStr,
    T::Err: Display,
{
    let parsed = texts.iter().map(|text| text.parse::<T>());
    let parsed: std::result::Result<Vec<T>, T::Err> = parsed.collect();
    parsed.map_err(illegal)
}

/// Something that the user asks for and that cannot be.
fn illegal(error: impl Display) -> Error {
    Error::illegal(error.to_string())
}

/// The octets of a generated message.
const SIZE: usize = 1000;

fn generated(text: &str) -> std::result::Result<Source, String> {
    let (count, octets) = match text.split_once('x') {
        Some((count, octets)) => (count, Some(octets)),
        None => (text, None),
    };
    let count = count.parse().map_err(|_| "it takes COUNT or COUNTxSIZE")?;
    let octets = match octets {
        Some(octets) => usize::try_from(size(octets)?).map_err(|_| "that is too much")?,
        None => SIZE,
    };
    Ok(Source::Generated {
        count,
        size: octets,
    })
}

/// Says that the server is ready, on stdout and in the file.
fn announce(listen: &ListenArgs, scheme: &str, server: &Server) -> Result<()> {
    tell_address(listen.ports_file.as_deref(), scheme, server.address())
}

fn tell_address(ports_file: Option<&Path>, scheme: &str, address: SocketAddr) -> Result<()> {
    if let Some(path) = ports_file {
        let ports = json!({ scheme: address.port() });
        write_whole(path, &format!("{ports}\n"))
            .map_err(|error| Error::io(format!("writing {}", path.display()), error))?;
    }
    print(&format!("{scheme}://{address}/\n"))
}

/// Writes a file that appears whole: whoever waits for it may read it at once. Until then it has a
/// name that nobody else uses; a file of that name would be somebody's, and is left alone.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(new);
    let mut file = File::create_new(&new)?;
    let result = file
        .write_all(text.as_bytes())
        .and_then(|()| fs::rename(&new, path));
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result
}

fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::io("writing to stdout", error))
}
