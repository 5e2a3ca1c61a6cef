//! The conversation before the first message: greeting, extensions, TLS, logging in.

use std::net::IpAddr;

use proto_auth::{
    decode, encode, select, SaslContext, SaslCredentials, SaslExchange, SaslMechanism,
};
use proto_transport::{Connection, Connector, Continuation, Error, Refusal, Result, StatusReply};

use crate::reply::{EnhancedCode, Extension, Extensions};
use crate::request::{Protocol, Request, Target};
use crate::session::Session;

/// A server that has greeted us.
pub struct Client {
    connection: Connection,
    target: Target,
    preferences: Preferences,
    greeting: StatusReply,
    hello: Option<StatusReply>,
    extensions: Extensions,
}

/// How we want to be seen, and what we want to see.
#[derive(Debug, Clone, Default)]
pub struct Preferences {
    /// Our name. Without one the address of our side of the connection is told
    /// (RFC 5321 section 4.1.4).
    pub name: Option<String>,
    /// Extensions to be passed over although they are offered.
    pub without: Vec<Extension>,
    /// Extensions to be used although they are not offered.
    pub assume: Vec<Extension>,
}

impl Client {
    /// Connects and hears the greeting.
    pub fn connect(
        connector: &Connector,
        target: &Target,
        preferences: &Preferences,
    ) -> Result<Client> {
        let connection = connector.connect(&target.endpoint)?;
        Client::over(connection, target, preferences)
    }

    /// Hears the greeting on a connection that is there.
    pub fn over(
        mut connection: Connection,
        target: &Target,
        preferences: &Preferences,
    ) -> Result<Client> {
        connection.doing(GREETING);
        let greeting = hear(&mut connection)?.expect(220, &connection)?;
        Ok(Client {
            connection,
            target: target.clone(),
            preferences: preferences.clone(),
            greeting,
            hello: None,
            extensions: Extensions::default(),
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

    /// What the server greeted us with.
    pub fn greeting(&self) -> &StatusReply {
        &self.greeting
    }

    /// The server's answer to our name; `None` before that.
    pub fn hello_reply(&self) -> Option<&StatusReply> {
        self.hello.as_ref()
    }

    /// What the server can do. Empty before [`Client::hello`], and for a server that knows only HELO.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Says who we are and hears what the server can do. A server that does not know EHLO is told
    /// once more with HELO, unless `may_fall_back` says that extensions are needed: an attacker
    /// could answer so to make TLS go away.
    pub fn hello(&mut self, may_fall_back: bool) -> Result<()> {
        let name = self.name();
        if !is_host_name(&name) {
            return Err(Error::illegal(format!(
                "{name:?} is no name to say hello with"
            )));
        }
        let verb = match self.target.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        self.connection.doing("saying hello");
        let mut reply = self.ask(&Request::Hello(verb, name.clone()))?;
        let falls_back = may_fall_back && self.target.protocol == Protocol::Smtp;
        if falls_back && reply.is(5) {
            self.extensions = Extensions::default();
            reply = self.ask(&Request::Hello("HELO", name))?;
            self.hello = Some(reply.expect(250, &self.connection)?);
        } else {
            let reply = reply.expect(250, &self.connection)?;
            self.extensions = Extensions::parse(&reply);
            self.hello = Some(reply);
        }
        self.extensions.without(&self.preferences.without);
        self.extensions.assume(&self.preferences.assume);
        Ok(())
    }

    /// Upgrades to TLS or fails. What was learned before is forgotten (RFC 3207 section 4.2), so
    /// that [`Client::hello`] must be said again.
    pub fn start_tls(mut self) -> Result<Client> {
        self.connection.doing(STARTTLS);
        if !self.extensions.offers(Extension::StartTls) {
            return Err(self.insecure(
                "the server does not offer STARTTLS; smtps:// is TLS from the first byte, and \
                 --plain does without it"
                    .to_owned(),
            ));
        }
        let reply = self.ask(&Request::StartTls)?;
        if !reply.is(220) {
            return Err(self.insecure(format!("the server refused STARTTLS: {reply}")));
        }
        self.connection.start_tls()?;
        self.extensions = Extensions::default();
        self.hello = None;
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

    /// Logs in with the strongest mechanism that both sides have, or with the one that is
    /// `demanded`. `is_private` says that nobody overhears what is said without TLS. A mechanism that
    /// the server does not want is followed by the next; credentials that it does not want are not
    /// tried again.
    pub fn log_in(
        mut self,
        credentials: &SaslCredentials,
        demanded: Option<SaslMechanism>,
        is_private: bool,
    ) -> Result<Session> {
        let facts = self.connection.facts();
        let context = SaslContext {
            is_private: is_private || self.connection.is_encrypted(),
            end_point: facts.tls.as_ref().and_then(|tls| tls.end_point.clone()),
            host: self.target.endpoint.host.clone(),
            port: self.target.endpoint.port,
        };
        let offered = self.extensions.mechanisms();
        match self.log_in_with(credentials, demanded, &context, &offered) {
            Ok(()) => Ok(self.into_session()),
            Err(error) => {
                self.quit();
                Err(error)
            }
        }
    }

    fn log_in_with(
        &mut self,
        credentials: &SaslCredentials,
        demanded: Option<SaslMechanism>,
        context: &SaslContext,
        offered: &[String],
    ) -> Result<()> {
        let mut refused = None;
        for mechanism in select(offered, credentials, context, demanded)? {
            self.connection
                .doing(format!("logging in with {}", mechanism.name()));
            let exchange = SaslExchange::new(mechanism, credentials, context, offered)?;
            match self.exchange(exchange)? {
                None => return Ok(()),
                not_this => refused = not_this,
            }
        }
        Err(refused.unwrap_or_else(|| self.connection.refused("", Refusal::Credentials)))
    }

    /// One try with one mechanism (RFC 4954 section 4). A reply that is about the mechanism, and not
    /// about the credentials, comes back as `Some`.
    fn exchange(&mut self, mut exchange: SaslExchange) -> Result<Option<Error>> {
        self.connection.expect_quiet()?;
        let start = format!("AUTH {}", exchange.mechanism().name());
        match exchange.initial_response() {
            // An empty response is "=", because nothing at all would mean that there is none.
            Some(response) if response.is_empty() => {
                self.connection.write_line(format!("{start} ="))?;
            }
            Some(response) => {
                let response = encode(response.reveal().as_bytes());
                self.connection
                    .write_secret_line(format!("{start} "), response.reveal())?;
            }
            None => self.connection.write_line(start)?,
        }
        loop {
            let reply = hear(&mut self.connection)?;
            match reply.code {
                334 => self.respond(&mut exchange, &reply)?,
                235 => {
                    let proved = exchange.finish(None);
                    return proved
                        .map(|()| None)
                        .map_err(|failure| self.connection.malformed(failure.rule(), b""));
                }
                400..=599 => return self.not_logged_in(&exchange, reply),
                _ => return Err(self.must_be(&reply)),
            }
        }
    }

    fn respond(&mut self, exchange: &mut SaslExchange, reply: &StatusReply) -> Result<()> {
        self.connection.expect_quiet()?;
        let text = match reply.lines.as_slice() {
            [text] => text.trim_ascii(),
            _ => return Err(self.must_be(reply)),
        };
        let answer = match decode(text) {
            Some(challenge) => exchange
                .respond(&challenge)
                .map_err(|failure| failure.rule()),
            None => Err("a challenge is base64"),
        };
        match answer {
            Ok(answer) => {
                let answer = encode(answer.reveal().as_bytes());
                self.connection.write_secret_line("", answer.reveal())
            }
            Err(rule) => {
                let error = self.connection.malformed(rule, text);
                self.connection.write_line("*")?;
                let _ = hear(&mut self.connection);
                Err(error)
            }
        }
    }

    fn must_be(&self, reply: &StatusReply) -> Error {
        let rule = "AUTH is answered with 235, 334 or a refusal";
        self.connection
            .malformed(rule, reply.to_string().as_bytes())
    }

    fn not_logged_in(
        &mut self,
        exchange: &SaslExchange,
        reply: StatusReply,
    ) -> Result<Option<Error>> {
        let mut text = reply.to_string();
        if let Some(told) = exchange.told() {
            text = format!("{text} ({told})");
        }
        let refusal = match reply.code {
            400..=499 => Refusal::Transient,
            _ => Refusal::Credentials,
        };
        let error = self.connection.refused(text, refusal);
        match is_about_mechanism(&reply) {
            true => Ok(Some(error)),
            false => Err(error),
        }
    }

    /// Goes on without logging in.
    pub fn into_session(self) -> Session {
        Session::new(self.connection, self.extensions, self.target.protocol)
    }

    /// Says goodbye, and waits for the answer. That it fails matters to nobody any more.
    pub fn quit(self) {
        self.into_session().quit();
    }

    fn ask(&mut self, request: &Request) -> Result<StatusReply> {
        self.connection.expect_quiet()?;
        self.connection.write_line(request.to_string())?;
        hear(&mut self.connection)
    }

    /// `EHLO ( Domain / address-literal )`
    fn name(&self) -> String {
        match (&self.preferences.name, self.connection.facts().local) {
            (Some(name), _) => name.clone(),
            (None, Some(IpAddr::V4(address))) => format!("[{address}]"),
            (None, Some(IpAddr::V6(address))) => format!("[IPv6:{address}]"),
            (None, None) => "localhost".to_owned(),
        }
    }
}

/// What we are doing, in the errors of the greeting.
pub const GREETING: &str = "reading the greeting";

/// What we are doing, in the errors of the upgrade to TLS.
pub const STARTTLS: &str = "starting TLS";

/// Whether a name can stand in EHLO: printable ASCII without spaces.
pub fn is_host_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a refusal is about the mechanism: unknown, too weak, or not without encryption (RFC 4954
/// section 6, RFC 5248).
fn is_about_mechanism(reply: &StatusReply) -> bool {
    let enhanced = EnhancedCode::of(reply).map(|code| (code.class, code.subject, code.detail));
    match enhanced {
        Some((5, 5, 4) | (5, 7, 9) | (5, 7, 11)) => true,
        Some((5, 7, 8)) => false,
        _ => matches!(reply.code, 504 | 534 | 538),
    }
}

fn hear(connection: &mut Connection) -> Result<StatusReply> {
    StatusReply::read(connection, Continuation::Coded)
}
