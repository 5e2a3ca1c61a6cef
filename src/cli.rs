//! The command line: the commands, and the options that mean the same in every one of them.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand, ValueEnum};
use proto_transport::certificate::parse_pin;
use proto_transport::{
    Connector, Error, Family, Proxies, Proxy, Result, Timeouts, TlsPolicy, TlsVersion,
};

use crate::commands::{
    completions, demo, ftp_get, ftp_list, ftp_mirror, ftp_mkdir, ftp_put, ftp_remove, ftp_rename,
    gopher_get, gopher_menu, http_get, http_head, imap_append, imap_fetch, imap_flag, imap_list,
    imap_move, imap_search, imap_watch, mail_check, mail_show, manual, mock, nntp_fetch,
    nntp_groups, nntp_overview, nntp_post, pop3_delete, pop3_fetch, pop3_list, smtp_probe,
    smtp_send, tcp, telnet, udp,
};
use crate::credentials::CredentialArgs;
use crate::deferred::Deferred;
use crate::protocol::Protocol;
use crate::store::Patience;
use crate::tls_roots;
use crate::trace::LookingArgs;
use crate::units::{duration, size};

/// Talk to Internet services line by line, and see what they say.
#[derive(Parser)]
#[command(
    name = "proto",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit status (sysexits): 0 all went well, 64 cannot be asked, 65 over a limit, \
68 no such host, 69 refused or nobody answers, 74 our own files, 75 may work later, 76 protocol or TLS, \
77 credentials or certificates, 79 sent but not answered for."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, named protocol-verb.
#[derive(Subcommand)]
pub enum Command {
    /// Download: bodies to stdout or files
    HttpGet(Deferred<http_get::Args>),
    /// Show the head of a response alone
    HttpHead(Deferred<http_head::Args>),
    /// Send mail, and tell what became of each recipient
    SmtpSend(Deferred<smtp_send::Args>),
    /// Look at a mail server: extensions, TLS, certificate, mechanisms, limits
    SmtpProbe(Deferred<smtp_probe::Args>),
    /// Show a message: decoded headers, parts, text, attachments
    ///
    /// Damaged mail is shown as far as it goes; what could not be decoded is told on stderr, and the
    /// exit status is 65. A message is held in memory, so one of more than 100 MiB is refused.
    MailShow(Deferred<mail_show::Args>),
    /// Send a message, wait until it arrives, and tell how it came there
    MailCheck(Deferred<mail_check::Args>),
    /// Show what is in a maildrop
    Pop3List(Deferred<pop3_list::Args>),
    /// Fetch mail from a maildrop into a Maildir, an mbox, a folder or a command
    Pop3Fetch(Deferred<pop3_fetch::Args>),
    /// Delete messages of a maildrop
    Pop3Delete(Deferred<pop3_delete::Args>),
    /// Show the mailboxes of an account, and how much is in them
    ImapList(Deferred<imap_list::Args>),
    /// Find messages of a mailbox
    ImapSearch(Deferred<imap_search::Args>),
    /// Fetch messages of a mailbox into a Maildir, an mbox, a folder or a command
    ImapFetch(Deferred<imap_fetch::Args>),
    /// Put messages into a mailbox
    ImapAppend(Deferred<imap_append::Args>),
    /// Change the flags of messages
    ImapFlag(Deferred<imap_flag::Args>),
    /// Move messages to another mailbox
    ImapMove(Deferred<imap_move::Args>),
    /// Watch a mailbox, and tell what happens as it does
    ImapWatch(Deferred<imap_watch::Args>),
    /// Show what is in a folder of an FTP server
    FtpList(Deferred<ftp_list::Args>),
    /// Get files and trees from FTP servers
    FtpGet(Deferred<ftp_get::Args>),
    /// Put files on an FTP server
    FtpPut(Deferred<ftp_put::Args>),
    /// Make a tree on an FTP server like one here, or the reverse
    FtpMirror(Deferred<ftp_mirror::Args>),
    /// Remove files and trees from an FTP server
    FtpRemove(Deferred<ftp_remove::Args>),
    /// Rename a file or folder on an FTP server
    FtpRename(Deferred<ftp_rename::Args>),
    /// Make a folder on an FTP server
    FtpMkdir(Deferred<ftp_mkdir::Args>),
    /// Show the groups of a news server, and how much is in them
    NntpGroups(Deferred<nntp_groups::Args>),
    /// Show the articles of a newsgroup in short
    NntpOverview(Deferred<nntp_overview::Args>),
    /// Fetch articles into a Maildir, an mbox, a folder or a command
    NntpFetch(Deferred<nntp_fetch::Args>),
    /// Post articles, and tell what became of each
    NntpPost(Deferred<nntp_post::Args>),
    /// Fetch an item of a gopher server to stdout or a file
    GopherGet(Deferred<gopher_get::Args>),
    /// Show a menu of a gopher server, or follow one of its items
    GopherMenu(Deferred<gopher_menu::Args>),
    /// Speak in lines with whatever listens, or listen
    Tcp(Deferred<tcp::Args>),
    /// Send each line as a datagram and print what comes back, or listen
    Udp(Deferred<udp::Args>),
    /// Talk to a host: at the terminal, from a pipe, or by a script
    Telnet(Deferred<telnet::Args>),
    /// Run a server on loopback for testing, faults included
    Mock(Deferred<mock::Args>),
    /// Start the mock servers and run the headline jobs against them
    Demo(Deferred<demo::Args>),
    /// Print the completions for a shell
    Completions(Deferred<completions::Args>),
    /// Write the manual pages to a folder
    Manual(Deferred<manual::Args>),
}

/// How connections are made.
#[derive(Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// Longest time for resolving, connecting and the TLS handshake
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// Longest silence of the peer
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
    /// Longest time for the whole command
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    /// IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Connect from this local address
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<IpAddr>,
    /// Dial this host and port; the URL's name stays the one that TLS verifies
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub connect_to: Option<(String, u16)>,
    /// Connect to this Unix socket
    #[arg(long, value_name = "PATH", conflicts_with_all = ["connect_to", "proxy"])]
    pub unix_socket: Option<PathBuf>,
    /// Go through a proxy: http, https, socks5 or socks5h (which resolves names)
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// Use no proxy, whatever the environment says
    #[arg(long, conflicts_with = "proxy")]
    pub no_proxy: bool,
    /// Try again so many times after failures that may pass, waiting longer each time
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retry: u32,
    /// Bytes a second at most
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub limit_rate: Option<u64>,
    /// Refuse what is larger (decoded)
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
}

/// What is asked of TLS.
#[derive(Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Allow what is sent in the clear: credentials, and redirects from https to http
    #[arg(long)]
    pub plain: bool,
    /// Trust the authorities in this PEM file too
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Accept only this public key (repeatable): SHA-256 of its SubjectPublicKeyInfo
    #[arg(long, value_name = "sha256:HEX", value_parser = parse_pin)]
    pub pin: Vec<[u8; 32]>,
    /// Our own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// Its private key (PKCS#8 PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// Oldest version of TLS that will do
    #[arg(long, value_name = "VERSION", default_value = "1.2")]
    pub tls_min: MinimumTls,
    /// Accept any certificate: no protection against an impostor
    #[arg(long)]
    pub insecure: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, ValueEnum)]
pub enum MinimumTls {
    /// TLS 1.2
    #[value(name = "1.2")]
    V1_2,
    /// TLS 1.3
    #[value(name = "1.3")]
    V1_3,
}

/// Everything that a command which talks to a service has in common.
#[derive(Args)]
pub struct CommonArgs {
    /// How connections are made.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// What is asked of TLS.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Who we are.
    #[command(flatten)]
    pub credentials: CredentialArgs,
    /// What is shown of the conversation.
    #[command(flatten)]
    pub looking: LookingArgs,
    /// Write one JSON record a target to this file
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub report: Option<PathBuf>,
}

impl CommonArgs {
    /// When everything must be over.
    pub fn deadline(&self) -> Option<Instant> {
        let started = *STARTED.get_or_init(Instant::now);
        self.connection
            .deadline
            .and_then(|time| started.checked_add(time))
    }

    /// How long what takes messages may take.
    pub fn patience(&self) -> Patience {
        Patience {
            span: self.connection.timeout,
            deadline: self.deadline(),
        }
    }

    /// The policy for all connections of the command.
    pub fn connector(&self, protocol: &Protocol) -> Result<Connector> {
        let connection = &self.connection;
        let family = match (connection.ipv4, connection.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        };
        Ok(Connector {
            timeouts: Timeouts {
                connect: connection.connect_timeout,
                silence: connection.timeout,
                deadline: self.deadline(),
            },
            family,
            bind: connection.bind,
            connect_to: connection.connect_to.clone(),
            unix_socket: connection.unix_socket.clone(),
            proxies: connection.proxies()?,
            allow_clear_credentials: self.tls.plain,
            tls: Arc::new(self.tls.policy(protocol.alpn)?.into()),
            transcript: self.looking.transcript(protocol.words)?,
            ..Connector::default()
        })
    }
}

impl CommonArgs {
    /// The same policy without any distrust of certificates, to look at one that is not trusted.
    /// Nothing secret may be said to such a peer.
    pub fn trusting(&self, connector: &Connector) -> Result<Connector> {
        let policy = TlsPolicy {
            insecure: true,
            pins: Vec::new(),
            ..self.tls.policy(&[])?
        };
        Ok(Connector {
            tls: Arc::new(policy.into()),
            ..connector.clone()
        })
    }
}

/// When the command began: the clock of `--deadline` starts here.
static STARTED: OnceLock<Instant> = OnceLock::new();

impl ConnectionArgs {
    fn proxies(&self) -> Result<Proxies> {
        match &self.proxy {
            Some(text) => Ok(Proxies {
                all: Some(Proxy::parse(text)?),
                ..Proxies::default()
            }),
            None if self.no_proxy || self.unix_socket.is_some() => Ok(Proxies::default()),
            None => Proxies::from_environment(|name| std::env::var(name).ok()),
        }
    }
}

impl TlsArgs {
    fn policy(&self, alpn: &[&str]) -> Result<TlsPolicy> {
        if self.insecure {
            crate::warn("--insecure accepts any certificate; an impostor would not be noticed");
        }
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            _ => None,
        };
        Ok(TlsPolicy {
            roots: self.ca.as_deref().map(read).transpose()?,
            more_roots: tls_roots::bundle(),
            identity,
            minimum: Some(match self.tls_min {
                MinimumTls::V1_2 => TlsVersion::V1_2,
                MinimumTls::V1_3 => TlsVersion::V1_3,
            }),
            pins: self.pin.clone(),
            insecure: self.insecure,
            alpn: alpn.iter().map(|&name| name.to_owned()).collect(),
        })
    }
}

/// A text file that the user named.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .map_err(|error| Error::io(format!("reading {}", path.display()), error))
}

fn host_and_port(text: &str) -> std::result::Result<(String, u16), String> {
    let wrong = || "expected HOST:PORT".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let port = port.parse().map_err(|_| wrong())?;
    match host {
        "" => Err(wrong()),
        host => Ok((host.to_owned(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn hosts_with_ports() {
        assert_eq!(host_and_port("a:1"), Ok(("a".to_owned(), 1)));
        assert_eq!(host_and_port("[::1]:1"), Ok(("::1".to_owned(), 1)));
        for wrong in ["", "a", ":1", "a:", "a:x", "a:99999"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }
}
