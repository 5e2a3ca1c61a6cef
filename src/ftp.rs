//! What the FTP commands share: the way to a server, and from there a file at a time.
//!
//! | file | holds |
//! |---|---|
//! | `download.rs` | a file on its way here |
//! | `upload.rs` | a file on its way there |
//! | `lock.rs` | one upload of a file at a time |
//! | `presence.rs` | whether a name there is taken |
//! | `fleet.rs` | many files over several connections |
//! | `walk.rs` | what is in a tree on the server |
//! | `local.rs` | what is in a tree here, and where names from a server may lead |
//! | `trees.rs` | a tree on its way, either way |
//! | `choice.rs` | which files of a tree are meant |
//! | `digest.rs` | whether a file is what it should be |

pub mod choice;
pub mod digest;
pub mod download;
pub mod fleet;
pub mod local;
pub mod lock;
pub mod presence;
pub mod trees;
pub mod upload;
pub mod walk;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto_auth::SaslCredentials;
use proto_ftp::{Client, DataPolicy, Login, Mode, Modified, No, Path, Precision, Session, Target};
use proto_transport::escape::escaped;
use proto_transport::{Connector, Error, Refusal, Result, Secret, Security};
use serde_json::{json, Value};

use crate::cli::{read, CommonArgs};
use crate::login::{is_private, login, secured, UpgradeArgs};
use crate::protocol::FTP;
use crate::report::{Record, Stage};

/// Options of all FTP commands.
#[derive(clap::Args)]
#[command(next_help_heading = "FTP")]
pub struct FtpArgs {
    /// Have the server connect to us for the data, instead of the reverse
    #[arg(long)]
    pub active: bool,
    /// The same, at one of these ports
    #[arg(long, value_name = "FIRST-LAST", value_parser = ports)]
    pub active_ports: Option<RangeInclusive<u16>>,
    /// Dial the address that the reply to PASV names, and not the server's own
    #[arg(long, conflicts_with_all = ["active", "active_ports"])]
    pub trust_passive_address: bool,
    /// Say one command at a time, for servers that lose commands which are sent ahead
    #[arg(long)]
    pub no_pipelining: bool,
    /// The account that some old servers ask for, in the first line of a file
    #[arg(long, value_name = "FILE")]
    pub account_file: Option<PathBuf>,
    #[command(flatten)]
    pub upgrade: UpgradeArgs,
}

fn ports(text: &str) -> std::result::Result<RangeInclusive<u16>, String> {
    let wrong = || "expected FIRST-LAST, such as 50000-50100".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let first: u16 = first.parse().map_err(|_| wrong())?;
    let last: u16 = last.parse().map_err(|_| wrong())?;
    match first > 0 && first <= last {
        true => Ok(first..=last),
        false => Err(wrong()),
    }
}

/// The way to one server, as one user.
pub struct Service {
    connector: Connector,
    target: Target,
    login: Login,
    is_private: bool,
    policy: DataPolicy,
    is_hasty: bool,
    /// A session that nobody uses just now.
    spare: Mutex<Option<Session>>,
}

impl Service {
    /// The way to the server that `target` names, with the security that its use asks for.
    pub fn new(target: &Target, args: &FtpArgs, common: &CommonArgs) -> Result<Service> {
        let connector = common.connector(&FTP)?;
        let found = login(common, target.url(), &target.endpoint)?;
        let logs_in = found.is_some();
        let mut login = match found.map(|login| login.credentials) {
            Some(SaslCredentials::Password { user, password }) => Login {
                user,
                password,
                account: None,
            },
            Some(_) => {
                return Err(Error::illegal(
                    "FTP knows users with passwords, and no mechanisms or tokens",
                ))
            }
            None => Login::anonymous(),
        };
        if let Some(path) = &args.account_file {
            let text = read(path)?;
            login.account = Some(Secret::from(text.lines().next().unwrap_or_default()));
        }
        let endpoint = secured(&target.endpoint, common, &args.upgrade, logs_in, &connector)?;
        let is_active = args.active || args.active_ports.is_some();
        Ok(Service {
            is_private: is_private(&endpoint, common, &connector),
            connector,
            target: target.at(endpoint),
            login,
            policy: DataPolicy {
                mode: match is_active {
                    true => Mode::Active(args.active_ports.clone()),
                    false => Mode::Passive,
                },
                trusts_address: args.trust_passive_address,
                allows_low_ports: false,
            },
            is_hasty: !args.no_pipelining,
            spare: Mutex::default(),
        })
    }

    /// Whose files they are: the user, the host and the port.
    pub fn account(&self) -> String {
        let endpoint = &self.target.endpoint;
        format!("{}@{}:{}", self.login.user, endpoint.host, endpoint.port)
    }

    /// Whether another target is reached in the same way.
    pub fn serves(&self, target: &Target) -> bool {
        let (mine, other) = (self.target.url(), target.url());
        let same = |part: fn(&proto_transport::Url) -> Option<&str>| part(mine) == part(other);
        mine.scheme() == other.scheme()
            && mine.username() == other.username()
            && same(proto_transport::Url::password)
            && mine.host_str() == other.host_str()
            && mine.port() == other.port()
    }

    fn reach(&self, record: &mut Record) -> Result<Client> {
        record.stage = Stage::Greeting;
        let mut client = Client::connect(&self.connector, &self.target)?;
        record.connected(client.connection().facts(), false);
        if self.target.endpoint.security == Security::StartTls {
            record.stage = Stage::Tls;
            client = client.start_tls()?;
            record.connected(client.connection().facts(), false);
        }
        record.stage = Stage::Greeting;
        client.host()?;
        Ok(client)
    }

    /// A session: one that was used before, or a new one.
    fn open(&self, record: &mut Record) -> Result<Session> {
        match self.spare().take().and_then(usable) {
            Some(session) => {
                record.connected(session.connection().facts(), true);
                record.stage = Stage::Command;
                Ok(session)
            }
            None => self.open_anew(record),
        }
    }

    fn spare(&self) -> MutexGuard<'_, Option<Session>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects, upgrades where that is asked for, and logs in.
    fn open_anew(&self, record: &mut Record) -> Result<Session> {
        let client = self.connector.once_more(|| self.reach(record))?;
        record.stage = Stage::Auth;
        let mut session = client.log_in(&self.login, self.is_private)?;
        record.stage = Stage::Command;
        session.set_data_policy(self.policy.clone());
        if !self.is_hasty {
            session.say_one_at_a_time();
        }
        Ok(session)
    }

    /// Has a conversation; the next may go on with its session.
    pub fn converse<T>(
        &self,
        record: &mut Record,
        act: impl FnOnce(&mut Session, &mut Record) -> Result<T>,
    ) -> Result<T> {
        let mut session = self.open(record)?;
        let result = act(&mut session, record);
        *self.spare() = usable(session);
        result
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(session) = self.spare().take() {
            session.quit();
        }
    }
}

/// A session that is opened when it is needed, and anew after it was lost.
pub struct Link<'s> {
    service: &'s Service,
    session: Option<Session>,
    is_hasty: bool,
}

impl<'s> Link<'s> {
    /// A way that nobody has gone yet.
    pub fn new(service: &'s Service) -> Link<'s> {
        Link {
            service,
            session: None,
            is_hasty: true,
        }
    }

    /// The server at its end.
    pub fn service(&self) -> &'s Service {
        self.service
    }

    /// Has something done, and once more on a session of its own if one that was used before fails:
    /// the server may have closed it meanwhile, or lost what was asked ahead. `act` tells when it
    /// has done something that does not bear being repeated.
    pub fn run<T>(
        &mut self,
        record: &mut Record,
        mut act: impl FnMut(&mut Session, &mut Record, &mut bool) -> Result<T>,
    ) -> Result<T> {
        let spare = || self.service.spare().take();
        self.session = self.session.take().or_else(spare).and_then(usable);
        let was_used = self.session.is_some();
        let mut is_last = false;
        let result = self.once(record, &mut |session, record| {
            act(session, record, &mut is_last)
        });
        let is_lost = was_used && !is_last && self.session.is_none();
        match result {
            Err(error) if is_lost && is_worth_another(&error) => {
                self.is_hasty = false;
                self.once(record, &mut |session, record| {
                    act(session, record, &mut is_last)
                })
            }
            result => result,
        }
    }

    fn once<T>(
        &mut self,
        record: &mut Record,
        act: &mut impl FnMut(&mut Session, &mut Record) -> Result<T>,
    ) -> Result<T> {
        let mut session = match self.session.take() {
            Some(session) => {
                record.connected(session.connection().facts(), true);
                record.stage = Stage::Command;
                session
            }
            None => self.service.open_anew(record)?,
        };
        if !self.is_hasty {
            session.say_one_at_a_time();
        }
        let result = act(&mut session, record);
        let ends_all = matches!(&result, Err(error) if No::of(error) == Some(No::Unavailable));
        self.session = usable(session).filter(|_| !ends_all);
        result
    }

    /// Leaves the session to others, or says goodbye.
    pub fn close(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        let mut spare = self.service.spare();
        match *spare {
            None => *spare = Some(session),
            Some(_) => {
                drop(spare);
                session.quit();
            }
        }
    }
}

/// Whether another session may do better. A firewall that looks for the port of the next data
/// connection may have missed it in what was asked ahead.
fn is_worth_another(error: &Error) -> bool {
    error.is_transient() || matches!(error, Error::Unreachable { .. })
}

fn usable(mut session: Session) -> Option<Session> {
    session.is_usable().then_some(session)
}

/// The error of something that the server does not do as it should, or that is not there.
pub fn lasting(session: &Session, doing: &str, why: impl Into<String>) -> Error {
    Error::Refused {
        peer: session.connection().peer().to_owned(),
        doing: doing.to_owned(),
        reply: why.into(),
        refusal: Refusal::Lasting,
    }
}

/// Whether a no is about all of the conversation, and not about one file.
pub fn ends_all(error: &Error) -> bool {
    match error {
        Error::Refused { .. } => matches!(No::of(error), Some(No::NeedsLogin | No::Unavailable)),
        Error::Illegal { .. } | Error::TooLarge { .. } | Error::Io { .. } => false,
        _ => true,
    }
}

/// A path that names something, and not the folder of the login.
pub fn named(target: &Target, what: &str) -> Result<Path> {
    match &target.path {
        Some(path) if path.as_bytes() != b"/" => Ok(path.clone()),
        _ => Err(Error::illegal(format!("the URL names no {what}"))),
    }
}

/// What is called `name` in a folder; nothing is put before it in the folder of the login, because
/// some servers know no `.`.
pub fn in_folder(folder: Option<&Path>, name: &[u8]) -> Result<Path> {
    match folder {
        Some(folder) => folder.join(name),
        None => Path::new(name),
    }
}

/// The last part of a path.
pub fn last_part(path: &Path) -> &[u8] {
    let bytes = path.as_bytes();
    bytes.rsplit(|byte| *byte == b'/').next().unwrap_or(bytes)
}

/// The folder that a path is in; `None` is that of the login.
pub fn folder_of(path: &Path) -> Result<Option<Path>> {
    let bytes = path.as_bytes();
    match bytes.iter().rposition(|byte| *byte == b'/') {
        None => Ok(None),
        Some(0) => Path::new("/").map(Some),
        Some(end) => Path::new(bytes.get(..end).unwrap_or(bytes)).map(Some),
    }
}

/// A name as a program may read it: as it is if it is UTF-8, else escaped.
pub fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => escaped(bytes),
    }
}

/// When something was changed, as people write it: no more of it than is known.
pub fn time_text(modified: &Modified) -> String {
    let text = modified.moment.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let mut shown = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
    if modified.precision != Precision::Day {
        shown.push_str(&format!(" {}:{}", part(8, 10), part(10, 12)));
    }
    if modified.precision == Precision::Second {
        shown.push_str(&format!(":{}", part(12, 14)));
    }
    if modified.is_utc {
        shown.push('Z');
    }
    shown
}

/// The same for programs.
pub fn time_value(modified: Option<&Modified>) -> Value {
    let Some(modified) = modified else {
        return Value::Null;
    };
    let precision = match modified.precision {
        Precision::Second => "second",
        Precision::Minute => "minute",
        Precision::Day => "day",
    };
    json!({
        "time": time_text(modified).trim_end_matches('Z').replace(' ', "T"),
        "precision": precision,
        "utc": modified.is_utc,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_ftp::Moment;

    #[test]
    fn folders_of_paths() {
        for (path, folder) in [
            ("a", None),
            ("/a", Some("/")),
            ("a/b", Some("a")),
            ("/a/b c/d", Some("/a/b c")),
        ] {
            let found = folder_of(&Path::new(path).unwrap()).unwrap();
            assert_eq!(found.map(|path| path.to_string()).as_deref(), folder);
        }
    }

    #[test]
    fn ranges_of_ports() {
        assert_eq!(ports("50000-50010"), Ok(50000..=50010));
        for wrong in ["", "1", "2-1", "0-5", "a-b", "1-70000"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_more_of_a_time_is_shown_than_is_known() {
        let moment = Moment::parse(b"20240615120930").unwrap();
        for (precision, is_utc, text) in [
            (Precision::Second, true, "2024-06-15 12:09:30Z"),
            (Precision::Minute, false, "2024-06-15 12:09"),
            (Precision::Day, false, "2024-06-15"),
        ] {
            let modified = Modified {
                moment,
                precision,
                is_utc,
            };
            assert_eq!(time_text(&modified), text);
        }
    }
}
