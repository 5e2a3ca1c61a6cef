//! The conversation before reading and posting: greeting, capabilities, TLS, logging in.

use proto_auth::{
    decode, encode, select, SaslContext, SaslCredentials, SaslExchange, SaslMechanism,
};
use proto_transport::{Connection, Connector, Error, Refusal, Result, Secret, StatusReply};

use crate::reply::Capabilities;
use crate::request::Request;
use crate::session::Session;
use crate::target::Target;
use crate::wire::{ask, each_line, expect, hear, no};

/// A server that has greeted us.
pub struct Client {
    pub(crate) connection: Connection,
    target: Target,
    greeting: String,
    may_post: bool,
    pub(crate) capabilities: Capabilities,
    is_logged_in: bool,
    pub(crate) is_compressed: bool,
}

/// A way of logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// AUTHINFO USER and AUTHINFO PASS (RFC 4643 section 2.3).
    User,
    /// AUTHINFO SASL with a mechanism (RFC 4643 section 2.4).
    Sasl(SaslMechanism),
}

impl Method {
    /// The method of this name: USER or a mechanism's.
    pub fn from_name(name: &str) -> Option<Method> {
        match name.eq_ignore_ascii_case("USER") {
            true => Some(Method::User),
            false => SaslMechanism::from_name(name).map(Method::Sasl),
        }
    }
}

/// The longest command, without its CRLF (RFC 3977 section 3.1).
const LONGEST: usize = 510;

impl Client {
    /// Connects and hears the greeting.
    pub fn connect(connector: &Connector, target: &Target) -> Result<Client> {
        Client::over(connector.connect(&target.endpoint)?, target)
    }

    /// Hears the greeting on a connection that is there.
    pub fn over(mut connection: Connection, target: &Target) -> Result<Client> {
        connection.doing(GREETING);
        let reply = hear(&mut connection)?;
        if !matches!(reply.code, 200 | 201) {
            return Err(no(&connection, &reply, 200));
        }
        Ok(Client {
            connection,
            target: target.clone(),
            greeting: reply.to_string(),
            may_post: reply.code == 200,
            capabilities: Capabilities::default(),
            is_logged_in: false,
            is_compressed: false,
        })
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection itself, for a conversation that goes on by hand.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// What the server greeted us with, escaped. Before TLS, anybody may have said it.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Whether we may post: as the capabilities say, or else as the greeting or the reply to MODE
    /// READER did (RFC 3977 section 5.1.2).
    pub fn may_post(&self) -> bool {
        match self.capabilities.are_told() {
            true => self.capabilities.offers("POST"),
            false => self.may_post,
        }
    }

    /// What the server can do; nothing before [`Client::ask_capabilities`], and never from a server
    /// of before RFC 3977.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks what the server can do. Old servers do not know the question.
    pub fn ask_capabilities(&mut self) -> Result<()> {
        self.connection.doing("asking for capabilities");
        self.capabilities = Capabilities::default();
        let reply = ask(&mut self.connection, &Request::Capabilities)?;
        match reply.code {
            101 => {}
            // The server takes its leave (RFC 3977 section 3.2.1).
            400 => return Err(no(&self.connection, &reply, 101)),
            401..=599 => return Ok(()),
            _ => return Err(no(&self.connection, &reply, 101)),
        }
        let most = self.connection.limits().reply_lines;
        let peer = self.connection.peer().to_owned();
        let (mut lines, mut found) = (0, Capabilities::default());
        each_line(&mut self.connection, &mut |line| {
            lines += 1;
            if lines > most {
                return Err(Error::TooLarge {
                    what: format!("{peer}: a reply, in lines,"),
                    limit: most as u64,
                });
            }
            found.add(line);
            Ok(())
        })?;
        self.capabilities = found;
        Ok(())
    }

    /// Makes a server ready for readers that greets everybody as a server (RFC 3977 section 5.3),
    /// and asks again what it can do. Servers that need no such thing are not asked; those of before
    /// RFC 3977 may need it. Not after TLS or a login, which the server would forget.
    pub fn mode_reader(&mut self) -> Result<()> {
        let is_told = self.capabilities.are_told();
        let is_wanted = !is_told || self.capabilities.offers("MODE-READER");
        let is_late = self.is_logged_in || self.connection.is_encrypted() && is_told;
        if !is_wanted || is_late || is_told && self.capabilities.offers("READER") {
            return Ok(());
        }
        self.connection.doing("asking for reader mode");
        let reply = ask(&mut self.connection, &Request::ModeReader)?;
        match reply.code {
            200 | 201 => self.may_post = reply.code == 200,
            // Not every old server knows it.
            500 | 501 if !is_told => return Ok(()),
            _ => return Err(no(&self.connection, &reply, 200)),
        }
        match is_told {
            true => self.ask_capabilities(),
            false => Ok(()),
        }
    }

    /// Upgrades to TLS or fails. What was learned before is forgotten (RFC 4642 section 2.2.2).
    /// Servers of before RFC 3977 tell nothing of themselves, and are asked without that.
    pub fn start_tls(mut self) -> Result<Client> {
        self.connection.doing(STARTTLS);
        if self.connection.is_encrypted() || self.is_logged_in || self.is_compressed {
            return Err(Error::illegal(
                "TLS starts once, before login and compression (RFC 4642, RFC 8054)",
            ));
        }
        if self.capabilities.are_told() && !self.capabilities.offers("STARTTLS") {
            return Err(self.insecure(
                "the server does not offer STARTTLS; nntps:// is TLS from the first byte, and \
                 --plain does without it"
                    .to_owned(),
            ));
        }
        let reply = ask(&mut self.connection, &Request::StartTls)?;
        if reply.code != 382 {
            return Err(self.insecure(format!("the server refused STARTTLS: {reply}")));
        }
        self.connection.start_tls()?;
        self.capabilities = Capabilities::default();
        self.greeting.clear();
        Ok(self)
    }

    fn insecure(&self, why: String) -> Error {
        Error::Insecure {
            peer: self.connection.peer().to_owned(),
            doing: STARTTLS.to_owned(),
            why,
            certificate: false,
        }
    }

    /// Logs in: with the strongest mechanism that both sides have, or USER and PASS where the server
    /// has none; or with the method that is `demanded`. `is_private` says that nobody overhears what
    /// is said without TLS. A mechanism that the server does not know after all is followed by the
    /// next. Credentials that it does not want by one mechanism are not tried by another, but by USER
    /// and PASS: INN has its users of both in different places, and offers mechanisms for which it
    /// has none.
    pub fn log_in(
        mut self,
        credentials: &SaslCredentials,
        demanded: Option<Method>,
        is_private: bool,
    ) -> Result<Session> {
        if self.is_logged_in || self.is_compressed {
            return Err(Error::illegal(
                "a login comes once, and before compression (RFC 4643, RFC 8054)",
            ));
        }
        let facts = self.connection.facts();
        let context = SaslContext {
            is_private: is_private || self.connection.is_encrypted(),
            end_point: facts.tls.as_ref().and_then(|tls| tls.end_point.clone()),
            host: self.target.endpoint.host.clone(),
            port: self.target.endpoint.port,
        };
        let result = self.log_in_with(credentials, demanded, &context);
        if let Err(error) = result {
            self.quit();
            return Err(error);
        }
        self.is_logged_in = true;
        // What a server can do may change with the login (RFC 4643 section 2.2).
        if self.capabilities.are_told() {
            self.ask_capabilities()?;
        }
        Ok(self.into_session())
    }

    fn log_in_with(
        &mut self,
        credentials: &SaslCredentials,
        demanded: Option<Method>,
        context: &SaslContext,
    ) -> Result<()> {
        let offered = self.capabilities.mechanisms();
        let may_use = is_password(credentials) && demanded.is_none();
        let mechanisms = match demanded {
            Some(Method::User) => Vec::new(),
            Some(Method::Sasl(mechanism)) => {
                select(&offered, credentials, context, Some(mechanism))?
            }
            None if may_use && offered.is_empty() => Vec::new(),
            None => match select(&offered, credentials, context, None) {
                Ok(found) => found,
                Err(_) if may_use && context.is_private => Vec::new(),
                Err(error) => return Err(error),
            },
        };
        let has_user = self.capabilities.offers_with("AUTHINFO", "USER");
        let may_fall_back = may_use && has_user && context.is_private;
        let mut refused = None;
        for mechanism in mechanisms {
            self.connection
                .doing(format!("logging in with {}", mechanism.name()));
            let exchange = SaslExchange::new(mechanism, credentials, context, &offered)?;
            match self.exchange(exchange) {
                Ok(None) => return Ok(()),
                Ok(not_this) => refused = not_this,
                Err(error) if may_fall_back && is_about_credentials(&error) => {
                    refused = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(error) if !(may_use && has_user) => Err(error),
            _ => self.user(credentials, context),
        }
    }

    /// RFC 4643 section 2.3.
    fn user(&mut self, credentials: &SaslCredentials, context: &SaslContext) -> Result<()> {
        let SaslCredentials::Password { user, password } = credentials else {
            return Err(Error::illegal("AUTHINFO USER needs a password"));
        };
        self.connection.doing("logging in with USER");
        if !context.is_private {
            return Err(Error::Insecure {
                peer: self.connection.peer().to_owned(),
                doing: "logging in".to_owned(),
                why: "AUTHINFO USER would show the password to whoever listens; see --starttls \
                      and --plain"
                    .to_owned(),
                certificate: false,
            });
        }
        for (what, text) in [("user", user.as_str()), ("password", password.reveal())] {
            if text.is_empty() || "AUTHINFO USER ".len() + text.len() > LONGEST {
                return Err(Error::illegal(format!(
                    "the {what} is empty, or too long for AUTHINFO USER"
                )));
            }
        }
        self.connection.expect_quiet()?;
        self.connection
            .write_line(format!("AUTHINFO USER {user}"))?;
        let reply = hear(&mut self.connection)?;
        match reply.code {
            281 => return Ok(()),
            381 => {}
            _ => return Err(self.not_let_in(&reply, None)),
        }
        self.connection.expect_quiet()?;
        self.connection
            .write_secret_line("AUTHINFO PASS ", password.reveal())?;
        let reply = hear(&mut self.connection)?;
        match reply.code {
            281 => Ok(()),
            _ => Err(self.not_let_in(&reply, None)),
        }
    }

    /// A no that is not about the server's own troubles is about the credentials here.
    fn not_let_in(&self, reply: &StatusReply, why: Option<&str>) -> Error {
        let refusal = match reply.code {
            400 | 403 => Refusal::Transient,
            500 | 501 | 503 => Refusal::Lasting,
            483 => return no(&self.connection, reply, 281),
            401..=599 => Refusal::Credentials,
            _ => return no(&self.connection, reply, 281),
        };
        let told = match why {
            Some(why) => format!("{reply} ({why})"),
            None => reply.to_string(),
        };
        self.connection.refused(told, refusal)
    }

    /// One try with one mechanism (RFC 4643 section 2.4). A reply that the server does not know it
    /// comes back as `Some`. `=` stands for nothing.
    fn exchange(&mut self, mut exchange: SaslExchange) -> Result<Option<Error>> {
        self.connection.expect_quiet()?;
        let start = format!("AUTHINFO SASL {}", exchange.mechanism().name());
        let mut initial = exchange.initial_response();
        let said = initial.as_ref().map(word);
        match said.filter(|said| start.len() + 1 + said.reveal().len() <= LONGEST) {
            Some(said) => {
                self.connection
                    .write_secret_line(format!("{start} "), said.reveal())?;
                initial = None;
            }
            None => self.connection.write_line(&start)?,
        }
        loop {
            let reply = hear(&mut self.connection)?;
            let text = reply.lines.first().map(Vec::as_slice).unwrap_or_default();
            match (reply.code, initial.take()) {
                // What was too long for the command comes after an empty challenge.
                (383, Some(initial)) => self.say(&word(&initial))?,
                (383, None) => self.respond(&mut exchange, text)?,
                (281 | 283, _) => {
                    let data = match reply.code {
                        283 => Some(challenge(text).ok_or_else(|| self.not_base64(text))?),
                        _ => None,
                    };
                    let proved = exchange.finish(data.as_deref());
                    return proved
                        .map(|()| None)
                        .map_err(|failure| self.connection.malformed(failure.rule(), b""));
                }
                (503, _) => return Ok(Some(self.not_let_in(&reply, None))),
                _ => return Err(self.not_let_in(&reply, exchange.told())),
            }
        }
    }

    fn respond(&mut self, exchange: &mut SaslExchange, text: &[u8]) -> Result<()> {
        let answer = match challenge(text) {
            Some(challenge) => exchange
                .respond(&challenge)
                .map_err(|failure| self.connection.malformed(failure.rule(), text)),
            None => Err(self.not_base64(text)),
        };
        match answer {
            Ok(answer) => self.say(&word(&answer)),
            Err(error) => {
                self.connection.write_line("*")?;
                let _ = hear(&mut self.connection);
                Err(error)
            }
        }
    }

    fn say(&mut self, word: &Secret) -> Result<()> {
        self.connection.expect_quiet()?;
        self.connection.write_secret_line("", word.reveal())
    }

    fn not_base64(&self, text: &[u8]) -> Error {
        self.connection.malformed("a challenge is base64", text)
    }

    /// Goes on without logging in, or after it.
    pub fn into_session(self) -> Session {
        Session::new(self)
    }

    /// Says goodbye. That it fails matters to nobody any more.
    pub fn quit(mut self) {
        if self.connection.is_in_step() {
            self.connection.doing("saying goodbye");
            let _ = ask(&mut self.connection, &Request::Quit);
        }
    }

    pub(crate) fn ask(&mut self, request: &Request, code: u16) -> Result<StatusReply> {
        let reply = ask(&mut self.connection, request)?;
        expect(&self.connection, reply, code)
    }
}

/// What we are doing, in the errors of the greeting.
pub const GREETING: &str = "reading the greeting";

/// What we are doing, in the errors of the upgrade to TLS.
pub const STARTTLS: &str = "starting TLS";

fn is_about_credentials(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused {
            refusal: Refusal::Credentials,
            ..
        }
    )
}

fn is_password(credentials: &SaslCredentials) -> bool {
    matches!(credentials, SaslCredentials::Password { .. })
}

/// What we say in an exchange, as it goes.
fn word(answer: &Secret) -> Secret {
    match answer.is_empty() {
        true => Secret::from("="),
        false => encode(answer.reveal().as_bytes()),
    }
}

/// What the server says in an exchange, decoded.
fn challenge(text: &[u8]) -> Option<Vec<u8>> {
    match text.trim_ascii() {
        b"=" | b"" => Some(Vec::new()),
        text => decode(text),
    }
}

#[cfg(test)]
mod tests;
