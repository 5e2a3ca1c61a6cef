//! The conversation before files and folders: greeting, TLS, logging in.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use proto_transport::{Connection, Connector, Error, Refusal, Result, Secret, StatusReply};

use crate::reply::Features;
use crate::request::Request;
use crate::session::Session;
use crate::target::Target;
use crate::wire::{ask, hear, no};

/// A server that has greeted us.
pub struct Client {
    connection: Connection,
    connector: Connector,
    target: Target,
    greeting: StatusReply,
    features: Features,
    is_protected: bool,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password. It is said only if the server asks for one.
    pub password: Secret,
    /// The account, for the few servers that ask for one (RFC 959 section 4.1.1).
    pub account: Option<Secret>,
}

impl Login {
    /// The login of everybody (RFC 1635). Its password is no secret.
    pub fn anonymous() -> Login {
        Login {
            user: "anonymous".to_owned(),
            password: "anonymous@".into(),
            account: None,
        }
    }

    fn is_anonymous(&self) -> bool {
        ["anonymous", "ftp"].contains(&self.user.to_ascii_lowercase().as_str())
    }
}

/// How often a server may ask for patience (120) before it greets us.
const DELAYS: usize = 3;

impl Client {
    /// Connects and hears the greeting. Data connections will be made by the same connector.
    pub fn connect(connector: &Connector, target: &Target) -> Result<Client> {
        // Many servers take data connections only if they resume the TLS session of this one.
        let connector = connector.keeping_sessions();
        Client::over(connector.connect(&target.endpoint)?, &connector, target)
    }

    /// Hears the greeting on a connection that is there.
    pub fn over(
        mut connection: Connection,
        connector: &Connector,
        target: &Target,
    ) -> Result<Client> {
        connection.doing(GREETING);
        let mut greeting = hear(&mut connection)?;
        for _ in 0..DELAYS {
            if greeting.code == 120 {
                greeting = hear(&mut connection)?;
            }
        }
        if greeting.code != 220 {
            return Err(no(&connection, &greeting, "220"));
        }
        Ok(Client {
            connection,
            connector: connector.clone(),
            target: target.clone(),
            greeting,
            features: Features::default(),
            is_protected: false,
        })
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What the server greeted us with. Before TLS, anybody may have said it.
    pub fn greeting(&self) -> &StatusReply {
        &self.greeting
    }

    /// What the server can do; nothing before [`Client::ask_features`].
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Asks what the server can do before anybody is logged in. Old servers do not know the
    /// question, and some answer it only after the login, when it is asked again.
    pub fn ask_features(&mut self) -> Result<()> {
        self.connection.doing(FEATURES);
        self.features = ask_features(&mut self.connection)?;
        Ok(())
    }

    /// Tells under which name we know the server, if we know it by one and it wants to know
    /// (RFC 7151): it may serve several. Only before the login. A server that does not know the name
    /// goes on as it is: many know none that nobody has set.
    pub fn host(&mut self) -> Result<()> {
        let host = self.target.endpoint.host.clone();
        // An address of IPv6 may name its interface too, and localhost is whoever hears it (RFC 6761
        // section 6.3).
        let is_address = host.contains(':') || host.parse::<IpAddr>().is_ok();
        if is_address || host.eq_ignore_ascii_case("localhost") {
            return Ok(());
        }
        self.ask_features()?;
        if !self.features.offers("HOST") {
            return Ok(());
        }
        self.connection.doing("telling the name of the host");
        let reply = ask(&mut self.connection, &Request::Host(host))?;
        match reply.code {
            200..=299 | 400..=420 | 422..=599 => Ok(()),
            _ => Err(no(&self.connection, &reply, "220")),
        }
    }

    /// Upgrades to TLS, and has the data connections protected too, or fails. What was learned before
    /// is forgotten (RFC 4217 section 15).
    pub fn start_tls(mut self) -> Result<Client> {
        self.connection.doing(STARTTLS);
        if self.connection.is_encrypted() {
            return Err(Error::illegal("TLS starts once"));
        }
        let reply = ask(&mut self.connection, &Request::AuthTls)?;
        if reply.code != 234 {
            return Err(self.insecure(format!(
                "the server refused AUTH TLS: {reply}; ftps:// is TLS from the first byte, and \
                 --plain does without it"
            )));
        }
        self.connection.start_tls()?;
        self.features = Features::default();
        self.greeting.lines.clear();
        self.protect()?;
        Ok(self)
    }

    /// RFC 4217 section 9: PBSZ, then PROT.
    fn protect(&mut self) -> Result<()> {
        self.connection.doing(STARTTLS);
        for request in [Request::ProtectionBuffer, Request::ProtectPrivate] {
            let reply = ask(&mut self.connection, &request)?;
            if !reply.is(2) {
                return Err(self.insecure(format!(
                    "the server does not protect data connections: {request} was answered with \
                     {reply}"
                )));
            }
        }
        self.is_protected = true;
        Ok(())
    }

    fn insecure(&self, why: String) -> Error {
        Error::Insecure {
            peer: self.connection.peer().to_owned(),
            doing: STARTTLS.to_owned(),
            why,
            certificate: false,
        }
    }

    /// Logs in. `is_private` says that nobody overhears what is said without TLS; else only
    /// everybody's login is said without it.
    pub fn log_in(mut self, login: &Login, is_private: bool) -> Result<Session> {
        match self.log_in_with(login, is_private) {
            Ok(()) => {
                let is_protected = self.is_protected;
                Session::new(
                    self.connection,
                    self.connector,
                    self.target.endpoint,
                    is_protected,
                )
            }
            Err(error) => {
                self.quit();
                Err(error)
            }
        }
    }

    /// The states of RFC 959 section 6: USER, then PASS if asked for (331), then ACCT if asked for
    /// (332).
    fn log_in_with(&mut self, login: &Login, is_private: bool) -> Result<()> {
        if self.connection.is_encrypted() && !self.is_protected {
            self.protect()?;
        }
        self.connection.doing("logging in");
        if !(is_private || self.connection.is_encrypted() || login.is_anonymous()) {
            return Err(Error::Insecure {
                peer: self.connection.peer().to_owned(),
                doing: "logging in".to_owned(),
                why: "PASS would show the password to whoever listens; see --starttls and --plain"
                    .to_owned(),
                certificate: false,
            });
        }
        let mut reply = ask(&mut self.connection, &Request::User(login.user.clone()))?;
        if reply.code == 331 {
            reply = self.secret("PASS ", &login.password)?;
        }
        if reply.code == 332 {
            let Some(account) = &login.account else {
                let told = format!("{reply} (the server wants an account, and none was given)");
                return Err(self.connection.refused(told, Refusal::Credentials));
            };
            reply = self.secret("ACCT ", account)?;
        }
        match reply.code {
            // 232: the TLS certificate was enough (RFC 4217 section 4.2); 202: no need for it.
            230 | 232 | 202 => Ok(()),
            _ => Err(no(&self.connection, &reply, "230")),
        }
    }

    fn secret(&mut self, verb: &str, secret: &Secret) -> Result<StatusReply> {
        self.connection.expect_quiet()?;
        self.connection.write_secret_line(verb, secret.reveal())?;
        hear(&mut self.connection)
    }

    /// Says goodbye. That it fails matters to nobody any more.
    pub fn quit(mut self) {
        if self.connection.is_in_step() && !self.connection.has_unread() {
            let _ = ask(&mut self.connection, &Request::Quit);
        }
    }
}

/// What we are doing, in the errors of the greeting.
pub const GREETING: &str = "reading the greeting";

/// What we are doing, in the errors of the upgrade to TLS.
pub const STARTTLS: &str = "starting TLS";

/// What we are doing, in errors.
pub(crate) const FEATURES: &str = "asking for features";

/// What a server says that it can do; nothing from one that does not know the question.
pub(crate) fn ask_features(connection: &mut Connection) -> Result<Features> {
    let reply = ask(connection, &Request::Features)?;
    match reply.code {
        200..=299 => Ok(Features::parse(&reply)),
        421 => Err(no(connection, &reply, "211")),
        400..=599 => Ok(Features::default()),
        _ => Err(no(connection, &reply, "211")),
    }
}
