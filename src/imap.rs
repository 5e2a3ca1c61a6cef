//! What the IMAP commands share: the way to an account.

use proto_imap::{Client, Method, Session, Target};
use proto_transport::escape::escaped;
use proto_transport::{Connector, Error, Result, Security};

use crate::cli::CommonArgs;
use crate::login::{is_private, login, no_mechanism, secured, Login, UpgradeArgs};
use crate::report::{Record, Stage};

/// What every IMAP command can be asked for.
#[derive(clap::Args, Clone, Default)]
pub struct ImapArgs {
    #[command(flatten)]
    pub upgrade: UpgradeArgs,
    /// Compress both ways, where the server can (RFC 4978)
    #[arg(long, help_heading = "Connection")]
    pub compress: bool,
}

/// The way to one account.
pub struct Service {
    connector: Connector,
    target: Target,
    login: Option<Login>,
    method: Option<Method>,
    is_private: bool,
    compress: bool,
    is_quiet: bool,
}

impl Service {
    /// The way to the account that `target` names, with the security that its use asks for.
    pub fn new(target: &Target, args: &ImapArgs, common: &CommonArgs) -> Result<Service> {
        let connector = common.connector(&["imap"])?;
        let login = login(common, target.url(), &target.endpoint)?;
        let method = login.as_ref().and_then(|login| login.mechanism.as_deref());
        let method = method
            .map(|name| Method::from_name(name).ok_or_else(|| no_mechanism(name, &["LOGIN"])));
        // Without a user, only a server that has us logged in already will do; that too is private.
        let endpoint = secured(&target.endpoint, common, &args.upgrade, true, &connector)?;
        Ok(Service {
            is_private: is_private(&endpoint, common, &connector),
            method: method.transpose()?,
            connector,
            target: target.at(endpoint),
            login,
            compress: args.compress,
            is_quiet: common.looking.quiet,
        })
    }

    /// A name for the account, which the state is kept under.
    pub fn account(&self) -> String {
        let user = self.login.as_ref().map_or("", Login::user);
        format!("{user}@{}", self.target.endpoint)
    }

    /// What the URL names.
    pub fn target(&self) -> &Target {
        &self.target
    }

    fn reach(&self, record: &mut Record) -> Result<Client> {
        record.stage = Stage::Greeting;
        let mut client = Client::connect(&self.connector, &self.target)?;
        record.connected(client.connection().facts(), false);
        if self.target.endpoint.security == Security::StartTls {
            record.stage = Stage::Tls;
            client.ask_capabilities()?;
            client = client.start_tls()?;
            record.connected(client.connection().facts(), false);
        }
        record.stage = Stage::Auth;
        if client.capabilities().is_empty() {
            client.ask_capabilities()?;
        }
        Ok(client)
    }

    /// Connects, upgrades where that is asked for, and logs in.
    pub fn open(&self, record: &mut Record) -> Result<Session> {
        let mut client = self.connector.once_more(|| self.reach(record))?;
        self.show(client.take_alerts());
        let mut session = match &self.login {
            Some(login) => client.log_in(&login.credentials, self.method, self.is_private)?,
            None if client.is_preauthenticated() => client.enter(self.is_private)?,
            None => {
                client.log_out();
                return Err(Error::illegal("whose account? See -u, or imap://user@host"));
            }
        };
        record.stage = Stage::Command;
        if self.compress && session.capabilities().offers("COMPRESS=DEFLATE") {
            session.compress()?;
        }
        self.tell(&mut session);
        Ok(session)
    }

    /// Shows what the server wants users to see (RFC 9051 section 7.1), and what was passed over.
    pub fn tell(&self, session: &mut Session) {
        self.show(session.take_alerts());
        for note in session.take_notes() {
            crate::warn(&note);
        }
    }

    fn show(&self, alerts: Vec<String>) {
        if self.is_quiet {
            return;
        }
        for alert in alerts {
            crate::note(&format!("the server says: {}", escaped(alert.as_bytes())));
        }
    }
}
