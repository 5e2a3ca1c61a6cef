//! The conversation before the account opens: greeting, capabilities, TLS, logging in.

use proto_auth::{
    decode, encode, select, SaslContext, SaslCredentials, SaslExchange, SaslMechanism,
};
use proto_transport::{Connection, Connector, Error, Refusal, Result, Secret, Security};

use crate::reply::{Capabilities, Data, Kind, Told};
use crate::session::Session;
use crate::tags::Tags;
use crate::target::Target;
use crate::wire::{nothing, pass_over, Response, Wire};

/// A server that has greeted us.
pub struct Client {
    wire: Wire,
    target: Target,
    greeting: String,
    is_preauthenticated: bool,
}

/// A way of logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The command LOGIN (RFC 9051 section 6.2.3); where the server has it disabled, the mechanism
    /// of that name.
    Login,
    /// AUTHENTICATE with a mechanism.
    Sasl(SaslMechanism),
}

impl Method {
    /// The method of this name: LOGIN or a mechanism's.
    pub fn from_name(name: &str) -> Option<Method> {
        match name.eq_ignore_ascii_case("LOGIN") {
            true => Some(Method::Login),
            false => SaslMechanism::from_name(name).map(Method::Sasl),
        }
    }
}

impl Client {
    /// Connects and hears the greeting.
    pub fn connect(connector: &Connector, target: &Target) -> Result<Client> {
        Client::over(connector.connect(&target.endpoint)?, target)
    }

    /// Hears the greeting on a connection that is there.
    pub fn over(connection: Connection, target: &Target) -> Result<Client> {
        Client::over_with_tags(connection, target, Tags::random()?)
    }

    /// As [`Client::over`], with tags that are known beforehand: for a conversation whose other side
    /// is a script.
    pub fn over_with_tags(connection: Connection, target: &Target, tags: Tags) -> Result<Client> {
        let mut wire = Wire::new(connection, tags);
        wire.connection.doing(GREETING);
        let told = match wire.hear(&mut pass_over)? {
            Response::Data(Data::Told(told)) if matches!(told.kind, Kind::Ok | Kind::Preauth) => {
                told
            }
            Response::Tagged(tag, told) => {
                return Err(not_a_greeting(&wire, &format!("{tag} {told}")))
            }
            other => return Err(not_a_greeting(&wire, &format!("{other:?}"))),
        };
        let client = Client {
            wire,
            target: target.clone(),
            is_preauthenticated: told.kind == Kind::Preauth,
            greeting: told.text,
        };
        // No command can be said that would bring TLS (RFC 9051 section 11.1).
        if client.is_preauthenticated && target.endpoint.security == Security::StartTls {
            return Err(client.insecure(PREAUTHENTICATED));
        }
        Ok(client)
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.wire.connection
    }

    /// The connection itself, for a conversation that goes on by hand.
    pub fn into_connection(self) -> Connection {
        self.wire.connection
    }

    /// What the server greeted us with, escaped. Before TLS, anybody may have said it.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Whether the server has us logged in already.
    pub fn is_preauthenticated(&self) -> bool {
        self.is_preauthenticated
    }

    /// What the server can do; nothing before [`Client::ask_capabilities`] unless it greeted us so.
    pub fn capabilities(&self) -> &Capabilities {
        &self.wire.capabilities
    }

    /// What the server wants users to see, escaped. Before TLS, anybody may have said it.
    pub fn take_alerts(&mut self) -> Vec<String> {
        self.wire.take_alerts()
    }

    /// Asks what the server can do. One that does not say it can do nothing.
    pub fn ask_capabilities(&mut self) -> Result<()> {
        ask_capabilities(&mut self.wire)
    }

    /// Upgrades to TLS or fails. What was learned before is forgotten (RFC 9051 section 6.2.1).
    pub fn start_tls(mut self) -> Result<Client> {
        self.wire.connection.doing(STARTTLS);
        if self.is_preauthenticated {
            return Err(self.insecure(PREAUTHENTICATED));
        }
        if !self.capabilities().offers("STARTTLS") {
            return Err(self.insecure(
                "the server does not offer STARTTLS; imaps:// is TLS from the first byte, and \
                 --plain does without it",
            ));
        }
        self.wire.connection.expect_quiet()?;
        match self.wire.ask(&self.wire.command("STARTTLS"), &mut nothing) {
            Ok(_) => self.wire.connection.start_tls()?,
            Err(Error::Refused { reply, .. }) => {
                return Err(self.insecure(&format!("the server refused STARTTLS: {reply}")))
            }
            Err(error) => return Err(error),
        }
        self.wire.forget();
        self.greeting.clear();
        Ok(self)
    }

    fn insecure(&self, why: &str) -> Error {
        Error::Insecure {
            peer: self.wire.connection.peer().to_owned(),
            doing: STARTTLS.to_owned(),
            why: why.to_owned(),
            certificate: false,
        }
    }

    /// Logs in: with the strongest mechanism that both sides have, or LOGIN where the server has
    /// none; or with the method that is `demanded`, or else the one that the URL names. `is_private`
    /// says that nobody overhears what is said without TLS. A server that has us logged in already
    /// is taken at its word only where it is private.
    pub fn log_in(
        mut self,
        credentials: &SaslCredentials,
        demanded: Option<Method>,
        is_private: bool,
    ) -> Result<Session> {
        let facts = self.wire.connection.facts();
        let context = SaslContext {
            is_private: is_private || self.wire.connection.is_encrypted(),
            end_point: facts.tls.as_ref().and_then(|tls| tls.end_point.clone()),
            host: self.target.endpoint.host.clone(),
            port: self.target.endpoint.port,
        };
        if self.is_preauthenticated {
            return self.enter(context.is_private);
        }
        self.wire.has_learned = false;
        match self.log_in_with(credentials, demanded, &context) {
            Ok(()) => Session::open(self.wire),
            Err(error) => {
                self.log_out();
                Err(error)
            }
        }
    }

    /// Goes on without logging in, where the server has us logged in already. `is_private` says that
    /// nobody can have put this into the server's mouth.
    pub fn enter(mut self, is_private: bool) -> Result<Session> {
        if !self.is_preauthenticated {
            self.wire.connection.doing("going on without logging in");
            let reply = "the server wants a login";
            return Err(self.wire.connection.refused(reply, Refusal::Credentials));
        }
        if !is_private && !self.wire.connection.is_encrypted() {
            return Err(self.insecure(PREAUTHENTICATED));
        }
        self.wire.has_learned = false;
        Session::open(self.wire)
    }

    fn log_in_with(
        &mut self,
        credentials: &SaslCredentials,
        demanded: Option<Method>,
        context: &SaslContext,
    ) -> Result<()> {
        let offered = self.capabilities().mechanisms();
        let demanded = match (demanded, &self.target.mechanism) {
            (None, Some(name)) => Some(Method::from_name(name).ok_or_else(|| {
                Error::illegal(format!(
                    "the mechanism {name} that the URL names is not known here"
                ))
            })?),
            (demanded, _) => demanded,
        };
        let has_login = !self.capabilities().offers("LOGINDISABLED");
        let mechanism = match demanded {
            Some(Method::Login) if has_login => None,
            Some(Method::Login) => Some(SaslMechanism::Login),
            Some(Method::Sasl(mechanism)) => Some(mechanism),
            None if offered.is_empty() && is_password(credentials) => None,
            None => match select(&offered, credentials, context, None) {
                Ok(found) => found.first().copied(),
                // RFC 9051 section 6.2.3: LOGIN is there, unless it is said not to be.
                Err(_) if is_password(credentials) && context.is_private && has_login => None,
                Err(error) => return Err(error),
            },
        };
        let Some(mechanism) = mechanism else {
            return self.login(credentials, context, has_login);
        };
        select(&offered, credentials, context, Some(mechanism))?;
        self.wire
            .connection
            .doing(format!("logging in with {}", mechanism.name()));
        let exchange = SaslExchange::new(mechanism, credentials, context, &offered)?;
        self.exchange(exchange)
    }

    /// RFC 9051 section 6.2.3.
    fn login(
        &mut self,
        credentials: &SaslCredentials,
        context: &SaslContext,
        has_login: bool,
    ) -> Result<()> {
        let SaslCredentials::Password { user, password } = credentials else {
            return Err(Error::illegal("LOGIN needs a password"));
        };
        self.wire.connection.doing("logging in with LOGIN");
        if !has_login {
            let reply =
                "the server offers no way to log in here (LOGINDISABLED); it may with --starttls";
            return Err(self.wire.connection.refused(reply, Refusal::Credentials));
        }
        if !context.is_private {
            return Err(Error::Insecure {
                peer: self.wire.connection.peer().to_owned(),
                doing: "logging in".to_owned(),
                why: "LOGIN would show the password to whoever listens; see --starttls and --plain"
                    .to_owned(),
                certificate: false,
            });
        }
        let command = self.wire.command("LOGIN").astring(user.as_bytes())?;
        let command = command.secret(password)?;
        let tag = self.wire.say(&command)?;
        let told = self.wire.end(&tag, &mut nothing)?;
        match told.kind {
            Kind::Ok => Ok(()),
            _ => Err(self.not_let_in(&told, None)),
        }
    }

    /// A no without a code that says otherwise is about the credentials here.
    fn not_let_in(&self, told: &Told, why: Option<&str>) -> Error {
        let reply = match why {
            Some(why) => format!("{told} ({why})"),
            None => told.to_string(),
        };
        let refusal = told.refusal().unwrap_or(Refusal::Credentials);
        self.wire.connection.refused(reply, refusal)
    }

    /// RFC 9051 section 6.2.2.
    fn exchange(&mut self, mut exchange: SaslExchange) -> Result<()> {
        self.wire.settle()?;
        let tag = self.wire.tags.next();
        let start = format!("{tag} AUTHENTICATE {}", exchange.mechanism().name());
        let connection = &mut self.wire.connection;
        // RFC 4959: the first words may go with the command, and `=` stands for none.
        let initial = match self.wire.capabilities.offers("SASL-IR") {
            true => exchange.initial_response(),
            false => None,
        };
        match initial {
            Some(initial) => {
                let said = match initial.is_empty() {
                    true => Secret::from("="),
                    false => encode(initial.reveal().as_bytes()),
                };
                connection.write_secret_line(format!("{start} "), said.reveal())?;
            }
            None => connection.write_line(&start)?,
        }
        loop {
            match self.wire.hear(&mut pass_over)? {
                Response::GoAhead(text) => self.respond(&mut exchange, &text, &tag)?,
                Response::Tagged(other, told) if other == tag => {
                    return self.conclude(&mut exchange, &told);
                }
                Response::Tagged(tag, told) => {
                    return Err(self.wire.unexpected(&format!("{tag} {told}")));
                }
                Response::Data(data) => self.wire.unasked(data),
                Response::Skipped => {}
            }
        }
    }

    fn conclude(&mut self, exchange: &mut SaslExchange, told: &Told) -> Result<()> {
        if told.kind != Kind::Ok {
            return Err(self.not_let_in(told, exchange.told()));
        }
        let proved = exchange.finish(None);
        proved.map_err(|failure| self.wire.connection.malformed(failure.rule(), b""))
    }

    fn respond(&mut self, exchange: &mut SaslExchange, text: &[u8], tag: &str) -> Result<()> {
        let answer = match decode(text) {
            Some(challenge) => exchange
                .respond(&challenge)
                .map_err(|failure| failure.rule()),
            None => Err("a challenge is base64"),
        };
        match answer {
            Ok(answer) => {
                let answer = encode(answer.reveal().as_bytes());
                self.wire.connection.write_secret_line("", answer.reveal())
            }
            Err(rule) => {
                let error = self.wire.connection.malformed(rule, text);
                self.wire.connection.write_line("*")?;
                let _ = self.wire.finish(tag, &mut nothing);
                Err(error)
            }
        }
    }

    /// Says goodbye. That it fails matters to nobody any more.
    pub fn log_out(mut self) {
        self.wire.log_out();
    }
}

/// What we are doing, in the errors of the greeting.
pub const GREETING: &str = "reading the greeting";

/// What we are doing, in the errors of the upgrade to TLS.
pub const STARTTLS: &str = "starting TLS";

const PREAUTHENTICATED: &str =
    "the server says that we are logged in already (PREAUTH), so that it \
     cannot be asked for TLS any more; whoever stands in between could have said it";

fn not_a_greeting(wire: &Wire, line: &str) -> Error {
    let rule = "a greeting begins with * OK, * PREAUTH or * BYE";
    wire.connection.malformed(rule, line.as_bytes())
}

fn is_password(credentials: &SaslCredentials) -> bool {
    matches!(credentials, SaslCredentials::Password { .. })
}

/// Asks what the server can do.
pub(crate) fn ask_capabilities(wire: &mut Wire) -> Result<()> {
    wire.connection.doing("asking for capabilities");
    match wire.ask(&wire.command("CAPABILITY"), &mut nothing) {
        Ok(_) => Ok(()),
        // A server that hangs up or is asked too early is another matter than one that says no.
        Err(Error::Refused { reply, .. }) if !reply.starts_with("BYE") => {
            wire.capabilities = Capabilities::default();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
