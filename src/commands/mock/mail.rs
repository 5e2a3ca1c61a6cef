//! `proto mock mail`: a mail server in one process. What comes by SMTP, submission or LMTP is there
//! by POP3 and IMAP.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto_mock::mail::{self, MailServer, Taking};
use proto_mock::mailbox::{Addresses, Limits, MailStore};
use proto_mock::{imap, pop3, smtp};
use proto_mock::{Server, Service, FAULTS};
use proto_transport::{Error, Result};
use rustix::process::{getrlimit, setrlimit, Resource};
use serde_json::{Map, Value};

use super::smtp::user;
use super::{list, parsed, print, start, write_whole, Ending, ListenArgs};
use crate::exit_code::OK;
use crate::units::{duration, size};

/// Serve mail by SMTP, submission, LMTP, POP3 and IMAP over one store.
///
/// Mail for an address goes to the mailbox of its local part, and whoever logs in as that, with or
/// without a domain and with any password, finds it. With --user, there are these users alone.
///
/// The servers in the clear offer STARTTLS; submissions, pop3s and imaps are TLS from the first
/// byte. Ports that are not chosen are free ones; when all are ready, they are printed, and written
/// to --ports-file.
#[derive(clap::Args)]
pub struct MailArgs {
    /// Keep the mail in this folder too, a Maildir for each user: what is there is loaded, what is deleted goes
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Credentials that are accepted (repeatable), by address or local part; without any, every login is
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    user: Vec<(String, String)>,
    /// Put mail for everybody else into the mailbox of this user
    #[arg(long, value_name = "NAME")]
    catch_all: Option<String>,
    /// Refuse mail for a mailbox that holds so many messages
    #[arg(long, value_name = "N")]
    max_messages: Option<usize>,
    /// Refuse larger messages; 0 for no limit
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Write each message with the conversation that brought it to this folder: NAME.eml, NAME.session
    #[arg(long, value_name = "DIR")]
    transcripts: Option<PathBuf>,
    /// Say nothing of letters, logins, changes and violations on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    ports: PortArgs,
    #[command(flatten)]
    wrong: WrongArgs,
}

/// Where they listen.
#[derive(clap::Args)]
#[command(next_help_heading = "Listening")]
struct PortArgs {
    /// SMTP, from whoever comes
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    smtp_port: u16,
    /// Submission, from those who log in
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    submission_port: u16,
    /// The same by TLS from the first byte
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    submissions_port: u16,
    /// LMTP
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    lmtp_port: u16,
    /// POP3
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pop3_port: u16,
    /// POP3 by TLS from the first byte
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pop3s_port: u16,
    /// IMAP
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    imap_port: u16,
    /// IMAP by TLS from the first byte
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    imaps_port: u16,
    /// Listen on this address; anything but loopback shows the servers to the network
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Certificate chain (PEM) instead of the built-in one for localhost
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key (PKCS#8 PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Write the ports as JSON, by scheme, to this file once all servers are ready
    #[arg(long, value_name = "FILE")]
    ports_file: Option<PathBuf>,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    stop_after: Option<Duration>,
}

/// What goes wrong on purpose. All of these are repeatable.
#[derive(clap::Args)]
#[command(next_help_heading = "Rules and faults")]
struct WrongArgs {
    /// Do something to mail that was taken, as "deliver=b@* delay=2s", drop or reply=LINE; "--rule help" lists the words
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Do something else than usual by SMTP, submission and LMTP, as "rcpt=bad@* reply=550 5.1.1 No"
    #[arg(long, value_name = "RULE")]
    smtp_rule: Vec<String>,
    /// The same by POP3, as "retr=3 reply=-ERR No"
    #[arg(long, value_name = "RULE")]
    pop3_rule: Vec<String>,
    /// The same by IMAP, as "fetch=3 reply=NO Later"
    #[arg(long, value_name = "RULE")]
    imap_rule: Vec<String>,
    /// Do something wrong all the time by POP3; "--pop3-flaw help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    pop3_flaw: Vec<String>,
    /// The same by IMAP
    #[arg(long, value_name = "NAME[=VALUE]")]
    imap_flaw: Vec<String>,
    /// Do something wrong on every connection; "--fault help" lists what there is
    #[arg(long, value_name = "NAME[=VALUE]")]
    fault: Vec<String>,
    /// The same by SMTP, submission and LMTP alone
    #[arg(long, value_name = "NAME[=VALUE]")]
    smtp_fault: Vec<String>,
    /// The same by POP3 alone
    #[arg(long, value_name = "NAME[=VALUE]")]
    pop3_fault: Vec<String>,
    /// The same by IMAP alone
    #[arg(long, value_name = "NAME[=VALUE]")]
    imap_fault: Vec<String>,
}

/// What may stand before the messages of a size: the fields that say how they came.
const TRACE: u64 = 64 * 1024;

/// Serves until it is told to stop.
pub fn run(args: &MailArgs) -> Result<u8> {
    if let Some(names) = help(&args.wrong) {
        return list(names);
    }
    let mut ending = Ending::new()?;
    allow_many_connections();
    let servers = serve(args, &mail_server(args)?)?;
    announce(args, &servers)?;
    ending.wait(args.ports.stop_after);
    for (_, server) in &servers {
        server.stop();
    }
    Ok(OK)
}

/// Raises the number of files that may be open to what is allowed. A connection takes two.
fn allow_many_connections() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that does not work, there can be fewer.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The list that is asked for, if one is.
fn help(wrong: &WrongArgs) -> Option<&'static [(&'static str, &'static str)]> {
    let lists: [(&[String], _); 10] = [
        (&wrong.rule, mail::RULES),
        (&wrong.smtp_rule, smtp::RULES),
        (&wrong.pop3_rule, pop3::RULES),
        (&wrong.imap_rule, imap::RULES),
        (&wrong.pop3_flaw, pop3::FLAWS),
        (&wrong.imap_flaw, imap::FLAWS),
        (&wrong.fault, FAULTS),
        (&wrong.smtp_fault, FAULTS),
        (&wrong.pop3_fault, FAULTS),
        (&wrong.imap_fault, FAULTS),
    ];
    let mut lists = lists.into_iter();
    let (_, names) = lists.find(|(given, _)| given.iter().any(|word| word == "help"))?;
    Some(names)
}

fn mail_server(args: &MailArgs) -> Result<MailServer> {
    let mut limits = Limits::default();
    limits.messages = args.max_messages.unwrap_or(limits.messages);
    limits.size = match args.max_size {
        Some(0) => u64::MAX,
        Some(size) => size.saturating_add(TRACE),
        None => limits.size,
    };
    let names = args.user.iter().map(|(name, _)| name);
    let addresses = Addresses::new(names, args.catch_all.as_deref());
    let store = MailStore::by_address(limits, addresses, args.dir.as_deref());
    let store = store.map_err(|error| {
        let folder = args.dir.as_deref().unwrap_or("".as_ref()).display();
        Error::io(format!("loading the mail in {folder}"), error)
    })?;
    let mail = MailServer::default();
    Ok(MailServer {
        store: Arc::new(store),
        users: args.user.clone(),
        max_size: args.max_size.unwrap_or(mail.max_size),
        rules: parsed(&args.wrong.rule)?,
        smtp_rules: parsed(&args.wrong.smtp_rule)?,
        pop3_rules: parsed(&args.wrong.pop3_rule)?,
        imap_rules: parsed(&args.wrong.imap_rule)?,
        transcripts: args.transcripts.clone(),
    })
}

/// Starts all servers. Each has a scheme by which clients name it.
fn serve(args: &MailArgs, mail: &MailServer) -> Result<Vec<(&'static str, Server)>> {
    let taking = |taking| -> Result<Arc<dyn Service>> {
        let mta = mail.mta(taking);
        let mut mta = mta.map_err(|error| Error::io("starting a thread", error))?;
        if !args.quiet {
            mta.notify = Some(Box::new(super::smtp::tell));
        }
        Ok(Arc::new(mta))
    };
    let mut maildrop = mail.maildrop();
    maildrop.flaws = parsed(&args.wrong.pop3_flaw)?;
    let mut imap = mail.imap();
    imap.flaws = parsed(&args.wrong.imap_flaw)?;
    if !args.quiet {
        maildrop.notify = Some(Box::new(super::pop3::tell));
        imap.notify = Some(Box::new(super::imap::tell));
    }
    // One service for both ports: a maildrop is open once, however it was reached.
    let (maildrop, imap): (Arc<dyn Service>, Arc<dyn Service>) =
        (Arc::new(maildrop), Arc::new(imap));
    let submission = taking(Taking::Submission)?;
    let (ports, wrong) = (&args.ports, &args.wrong);
    let of_smtp = &wrong.smtp_fault;
    let all = [
        (
            "smtp",
            ports.smtp_port,
            false,
            of_smtp,
            taking(Taking::Smtp)?,
        ),
        (
            "submission",
            ports.submission_port,
            false,
            of_smtp,
            Arc::clone(&submission),
        ),
        (
            "submissions",
            ports.submissions_port,
            true,
            of_smtp,
            submission,
        ),
        (
            "lmtp",
            ports.lmtp_port,
            false,
            of_smtp,
            taking(Taking::Lmtp)?,
        ),
        (
            "pop3",
            ports.pop3_port,
            false,
            &wrong.pop3_fault,
            Arc::clone(&maildrop),
        ),
        ("pop3s", ports.pop3s_port, true, &wrong.pop3_fault, maildrop),
        (
            "imap",
            ports.imap_port,
            false,
            &wrong.imap_fault,
            Arc::clone(&imap),
        ),
        ("imaps", ports.imaps_port, true, &wrong.imap_fault, imap),
    ];
    let servers = all.into_iter().map(|(scheme, port, tls, faults, service)| {
        let listen = ListenArgs {
            port,
            bind: ports.bind,
            tls,
            cert: ports.cert.clone(),
            key: ports.key.clone(),
            fault: [wrong.fault.as_slice(), faults].concat(),
            ports_file: None,
            stop_after: None,
        };
        Ok((scheme, start(&listen, service)?))
    });
    servers.collect()
}

/// Says that all servers are ready, on stdout and in the file.
fn announce(args: &MailArgs, servers: &[(&str, Server)]) -> Result<()> {
    if let Some(path) = &args.ports.ports_file {
        let ports = servers.iter();
        let ports: Map<String, Value> = ports
            .map(|(scheme, server)| ((*scheme).to_owned(), server.port().into()))
            .collect();
        write_whole(path, &format!("{}\n", Value::Object(ports)))
            .map_err(|error| Error::io(format!("writing {}", path.display()), error))?;
    }
    let lines = servers.iter();
    let lines = lines.map(|(scheme, server)| format!("{scheme}://{}/\n", server.address()));
    print(&lines.collect::<String>())
}
