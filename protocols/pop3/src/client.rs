//! The conversation before the maildrop opens: greeting, capabilities, TLS, logging in.

use proto_auth::{
    decode, encode, select, SaslContext, SaslCredentials, SaslExchange, SaslMechanism,
};
use proto_transport::escape::escaped;
use proto_transport::{Connection, Connector, Error, Refusal, Result, Secret};

use crate::reply::{refusal, timestamp, Capabilities, Status};
use crate::request::{Request, Target};
use crate::session::Session;

/// A server that has greeted us.
pub struct Client {
    connection: Connection,
    target: Target,
    greeting: String,
    timestamp: Option<String>,
    capabilities: Capabilities,
}

/// A way of logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// USER and PASS (RFC 1939 section 7).
    User,
    /// APOP (RFC 1939 section 7): MD5 of a timestamp and the password. Only when it is asked for.
    Apop,
    /// AUTH with a mechanism (RFC 5034).
    Sasl(SaslMechanism),
}

impl Method {
    /// The method of this name: USER, APOP or a mechanism's.
    pub fn from_name(name: &str) -> Option<Method> {
        match name.to_ascii_uppercase().as_str() {
            "USER" => Some(Method::User),
            "APOP" => Some(Method::Apop),
            _ => SaslMechanism::from_name(name).map(Method::Sasl),
        }
    }
}

/// The longest command, without its CRLF (RFC 2449 section 4).
const LONGEST: usize = 253;

impl Client {
    /// Connects and hears the greeting.
    pub fn connect(connector: &Connector, target: &Target) -> Result<Client> {
        Client::over(connector.connect(&target.endpoint)?, target)
    }

    /// Hears the greeting on a connection that is there.
    pub fn over(mut connection: Connection, target: &Target) -> Result<Client> {
        connection.doing(GREETING);
        let text = hear(&mut connection)?;
        Ok(Client {
            connection,
            target: target.clone(),
            timestamp: timestamp(&text).map(str::to_owned),
            greeting: escaped(&text),
            capabilities: Capabilities::default(),
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
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// What the server can do; nothing before [`Client::ask_capabilities`].
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks what the server can do. Old servers do not know the question.
    pub fn ask_capabilities(&mut self) -> Result<()> {
        self.connection.doing("asking for capabilities");
        self.capabilities = ask_capabilities(&mut self.connection)?;
        Ok(())
    }

    /// Upgrades to TLS or fails. What was learned before is forgotten (RFC 2595 section 4).
    pub fn start_tls(mut self) -> Result<Client> {
        self.connection.doing(STLS);
        if !self.capabilities.offers("STLS") {
            return Err(self.insecure(
                "the server does not offer STLS; pop3s:// is TLS from the first byte, and \
                 --plain does without it"
                    .to_owned(),
            ));
        }
        self.connection.expect_quiet()?;
        self.connection.write_line(Request::Stls.to_string())?;
        match hear(&mut self.connection) {
            Ok(_) => self.connection.start_tls()?,
            Err(Error::Refused { reply, .. }) => {
                return Err(self.insecure(format!("the server refused STLS: {reply}")))
            }
            Err(error) => return Err(error),
        }
        self.capabilities = Capabilities::default();
        // A timestamp that came in the clear may be an attacker's.
        self.timestamp = None;
        Ok(self)
    }

    fn insecure(&self, why: String) -> Error {
        Error::Insecure {
            peer: self.connection.peer().to_owned(),
            doing: STLS.to_owned(),
            why,
            certificate: false,
        }
    }

    /// Logs in: with the strongest mechanism that both sides have, or USER and PASS where the server
    /// has none; or with the method that is `demanded`. `is_private` says that nobody overhears what
    /// is said without TLS.
    pub fn log_in(
        mut self,
        credentials: &SaslCredentials,
        demanded: Option<Method>,
        is_private: bool,
    ) -> Result<Session> {
        let facts = self.connection.facts();
        let context = SaslContext {
            is_private: is_private || self.connection.is_encrypted(),
            end_point: facts.tls.as_ref().and_then(|tls| tls.end_point.clone()),
            host: self.target.endpoint.host.clone(),
            port: self.target.endpoint.port,
        };
        match self.log_in_with(credentials, demanded, &context) {
            Ok(()) => Session::new(self.connection, self.capabilities),
            Err(error) => {
                self.quit();
                Err(error)
            }
        }
    }

    fn log_in_with(
        &mut self,
        credentials: &SaslCredentials,
        demanded: Option<Method>,
        context: &SaslContext,
    ) -> Result<()> {
        let offered = self.capabilities.mechanisms();
        let mechanism = match demanded {
            Some(Method::User) => None,
            Some(Method::Apop) => return self.apop(credentials),
            Some(Method::Sasl(mechanism)) => Some(mechanism),
            None if offered.is_empty() && is_password(credentials) => None,
            None => {
                let found = select(&offered, credentials, context, None);
                match found {
                    Ok(found) => found.first().copied(),
                    // RFC 1939 section 7: every server knows USER, if not by its capabilities.
                    Err(_) if is_password(credentials) && context.is_private => None,
                    Err(error) => return Err(error),
                }
            }
        };
        let Some(mechanism) = mechanism else {
            return self.user(credentials, context);
        };
        select(&offered, credentials, context, Some(mechanism))?;
        self.connection
            .doing(format!("logging in with {}", mechanism.name()));
        let exchange = SaslExchange::new(mechanism, credentials, context, &offered)?;
        self.exchange(exchange)
    }

    fn user(&mut self, credentials: &SaslCredentials, context: &SaslContext) -> Result<()> {
        let (user, password) = password_of(credentials)?;
        self.connection.doing("logging in with USER");
        if !context.is_private {
            return Err(Error::Insecure {
                peer: self.connection.peer().to_owned(),
                doing: "logging in".to_owned(),
                why: "USER would show the password to whoever listens; see --starttls and --plain"
                    .to_owned(),
                certificate: false,
            });
        }
        self.connection.expect_quiet()?;
        self.connection
            .write_line(Request::User(user.to_owned()).to_string())?;
        self.hear_login()?;
        self.connection.expect_quiet()?;
        self.connection
            .write_secret_line("PASS ", password.reveal())?;
        self.hear_login()
    }

    fn apop(&mut self, credentials: &SaslCredentials) -> Result<()> {
        let (user, password) = password_of(credentials)?;
        self.connection.doing("logging in with APOP");
        let Some(timestamp) = &self.timestamp else {
            return Err(self.connection.refused(
                "the greeting holds no proper timestamp, so there is no APOP here",
                Refusal::Credentials,
            ));
        };
        let digest = proto_auth::apop(timestamp, password);
        self.connection.expect_quiet()?;
        self.connection
            .write_secret_line(format!("APOP {user} "), digest.reveal())?;
        self.hear_login()
    }

    /// RFC 5034 section 4.
    fn exchange(&mut self, mut exchange: SaslExchange) -> Result<()> {
        self.connection.expect_quiet()?;
        let start = format!("AUTH {}", exchange.mechanism().name());
        let mut initial = exchange.initial_response();
        let said = initial.as_ref().map(|initial| match initial.is_empty() {
            true => Secret::from("="),
            false => encode(initial.reveal().as_bytes()),
        });
        match said.filter(|said| start.len() + 1 + said.reveal().len() <= LONGEST) {
            Some(said) => {
                self.connection
                    .write_secret_line(format!("{start} "), said.reveal())?;
                initial = None;
            }
            None => self.connection.write_line(&start)?,
        }
        loop {
            let line = self.connection.read_line()?.to_vec();
            match Status::parse(&line) {
                Some(Status::Challenge(text)) => match (initial.take(), text) {
                    // What was too long for the command comes after an empty challenge.
                    (Some(initial), b"") => {
                        let said = encode(initial.reveal().as_bytes());
                        self.connection.write_secret_line("", said.reveal())?;
                    }
                    _ => self.respond(&mut exchange, text)?,
                },
                Some(Status::Ok(_)) => {
                    let proved = exchange.finish(None);
                    return proved
                        .map_err(|failure| self.connection.malformed(failure.rule(), b""));
                }
                Some(Status::Err(text)) => {
                    let mut told = format!("-ERR {}", escaped(text));
                    if let Some(why) = exchange.told() {
                        told = format!("{told} ({why})");
                    }
                    let refusal = refusal(text).unwrap_or(Refusal::Credentials);
                    return Err(self.connection.refused(told, refusal));
                }
                None => return Err(not_a_status(&self.connection, &line)),
            }
        }
    }

    fn respond(&mut self, exchange: &mut SaslExchange, text: &[u8]) -> Result<()> {
        let answer = match decode(text.trim_ascii()) {
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
                let _ = self.connection.read_line();
                Err(error)
            }
        }
    }

    /// A no without a code is about the credentials here.
    fn hear_login(&mut self) -> Result<()> {
        match hear(&mut self.connection) {
            Err(Error::Refused {
                peer,
                doing,
                reply,
                refusal: Refusal::Lasting,
            }) if !reply.contains("[SYS/PERM]") => Err(Error::Refused {
                peer,
                doing,
                reply,
                refusal: Refusal::Credentials,
            }),
            result => result.map(|_| ()),
        }
    }

    /// Says goodbye. That it fails matters to nobody any more.
    pub fn quit(mut self) {
        if self.connection.is_in_step() && self.connection.expect_quiet().is_ok() {
            let said = self.connection.write_line(Request::Quit.to_string());
            if said.is_ok() {
                let _ = hear(&mut self.connection);
            }
        }
    }
}

/// What we are doing, in the errors of the greeting.
pub const GREETING: &str = "reading the greeting";

/// What we are doing, in the errors of the upgrade to TLS.
pub const STLS: &str = "starting TLS";

fn is_password(credentials: &SaslCredentials) -> bool {
    matches!(credentials, SaslCredentials::Password { .. })
}

fn password_of(credentials: &SaslCredentials) -> Result<(&str, &Secret)> {
    match credentials {
        SaslCredentials::Password { user, password } => Ok((user, password)),
        _ => Err(Error::illegal("USER and APOP need a password")),
    }
}

/// Hears a status line; the text of a yes.
pub(crate) fn hear(connection: &mut Connection) -> Result<Vec<u8>> {
    let line = connection.read_line()?.to_vec();
    match Status::parse(&line) {
        Some(Status::Ok(text)) => Ok(text.to_vec()),
        Some(Status::Err(text)) => {
            let refusal = refusal(text).unwrap_or(Refusal::Lasting);
            Err(connection.refused(format!("-ERR {}", escaped(text)), refusal))
        }
        _ => Err(not_a_status(connection, &line)),
    }
}

pub(crate) fn not_a_status(connection: &Connection, line: &[u8]) -> Error {
    connection.malformed("a reply begins with +OK or -ERR", line)
}

/// The lines of a capability list, which is bounded like any reply that is held whole.
pub(crate) fn ask_capabilities(connection: &mut Connection) -> Result<Capabilities> {
    connection.expect_quiet()?;
    connection.write_line(Request::Capa.to_string())?;
    let mut capabilities = Capabilities::default();
    match hear(connection) {
        Ok(_) => {}
        Err(Error::Refused { .. }) => return Ok(capabilities),
        Err(error) => return Err(error),
    }
    for _ in 0..=connection.limits().reply_lines {
        match connection.read_line()? {
            b"." => return Ok(capabilities),
            line => capabilities.add(line),
        }
    }
    Err(Error::TooLarge {
        what: format!("{}: a reply, in lines,", connection.peer()),
        limit: connection.limits().reply_lines as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto_transport::{Memory, Said};

    fn client(heard: &str) -> (Result<Client>, Said) {
        // A bar keeps lines together that come in one piece.
        let memory = match heard.contains('|') {
            true => Memory::in_pieces(heard.split('|')),
            false => Memory::in_pieces(heard.split_inclusive('\n')),
        };
        let said = memory.said();
        let target = Target::parse("pop3://localhost").unwrap();
        (Client::over(Connection::over(memory), &target), said)
    }

    fn tim() -> SaslCredentials {
        SaslCredentials::Password {
            user: "mrose".to_owned(),
            password: "tanstaaf".into(),
        }
    }

    fn logs_in(heard: &str, method: Option<Method>, is_private: bool) -> (Result<Session>, String) {
        let (client, said) = client(heard);
        let mut client = client.unwrap();
        client.ask_capabilities().unwrap();
        let result = client.log_in(&tim(), method, is_private);
        (result, said.text())
    }

    const GREETS: &str = "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n";
    const KNOWS_NO_CAPA: &str = "-ERR unknown command\r\n";

    #[test]
    fn the_example_of_the_rfc_by_apop() {
        let heard = format!("{GREETS}{KNOWS_NO_CAPA}+OK maildrop has 2 messages\r\n");
        let (result, said) = logs_in(&heard, Some(Method::Apop), false);
        result.unwrap();
        assert_eq!(
            said,
            "CAPA\r\nAPOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"
        );
    }

    #[test]
    fn apop_needs_a_proper_timestamp() {
        let heard = format!("+OK <\u{80}@x>\r\n{KNOWS_NO_CAPA}+OK\r\n");
        let (result, said) = logs_in(&heard, Some(Method::Apop), true);
        assert!(matches!(result, Err(Error::Refused { .. })));
        assert_eq!(said, "CAPA\r\nQUIT\r\n");
    }

    #[test]
    fn an_old_server_hears_user_and_pass_where_nobody_overhears_it() {
        let heard = format!("{GREETS}{KNOWS_NO_CAPA}+OK\r\n+OK\r\n");
        let (result, said) = logs_in(&heard, None, true);
        result.unwrap();
        assert_eq!(said, "CAPA\r\nUSER mrose\r\nPASS tanstaaf\r\n");
        let (result, said) = logs_in(&heard, None, false);
        assert!(matches!(result, Err(Error::Insecure { .. })));
        assert_eq!(said, "CAPA\r\nQUIT\r\n");
    }

    #[test]
    fn refusals_have_their_kind() {
        for (reply, transient, credentials) in [
            ("-ERR no", false, true),
            ("-ERR [AUTH] no", false, true),
            ("-ERR [IN-USE] busy", true, false),
            ("-ERR [SYS/TEMP] later", true, false),
            ("-ERR [SYS/PERM] never", false, false),
        ] {
            let heard = format!("{GREETS}{KNOWS_NO_CAPA}+OK\r\n{reply}\r\n+OK\r\n");
            let (result, _) = logs_in(&heard, None, true);
            let Err(error @ Error::Refused { .. }) = result else {
                panic!("{reply}");
            };
            assert_eq!(error.is_transient(), transient, "{reply}");
            let about = matches!(
                error,
                Error::Refused {
                    refusal: Refusal::Credentials,
                    ..
                }
            );
            assert_eq!(about, credentials, "{reply}");
        }
    }

    #[test]
    fn capabilities_are_asked_again_after_the_login() {
        let capa = "+OK\r\nSASL PLAIN\r\n.\r\n";
        let again = "+OK\r\nPIPELINING\r\n.\r\n";
        let heard = format!("{GREETS}{capa}+OK\r\n{again}");
        let (result, said) = logs_in(&heard, None, true);
        let session = result.unwrap();
        assert!(session.capabilities().offers("PIPELINING"));
        assert!(!session.capabilities().offers("SASL"));
        assert_eq!(said, "CAPA\r\nAUTH PLAIN AG1yb3NlAHRhbnN0YWFm\r\nCAPA\r\n");
    }

    #[test]
    fn a_challenge_that_is_no_base64_is_cancelled() {
        let heard = format!("{GREETS}+OK\r\nSASL LOGIN\r\n.\r\n+ ???\r\n-ERR\r\n+OK\r\n");
        let (result, said) = logs_in(&heard, None, true);
        assert!(matches!(result, Err(Error::Malformed { .. })));
        assert!(said.contains("\r\n*\r\n"), "{said}");
    }

    #[test]
    fn stls_must_be_offered_and_be_answered_with_yes() {
        for (heard, why) in [
            (format!("{GREETS}{KNOWS_NO_CAPA}"), "does not offer"),
            (
                format!("{GREETS}+OK\r\nSTLS\r\n.\r\n-ERR no\r\n"),
                "refused STLS",
            ),
            (
                format!("{GREETS}|+OK\r\nSTLS\r\n.\r\n|+OK go\r\n+OK injected\r\n"),
                "14 bytes",
            ),
        ] {
            let (client, _) = client(&heard);
            let mut client = client.unwrap();
            client.ask_capabilities().unwrap();
            let Err(error @ Error::Insecure { .. }) = client.start_tls() else {
                panic!("{why}");
            };
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn a_greeting_is_a_yes_or_no() {
        assert!(client("+OK\r\n").0.is_ok());
        for wrong in ["", "+OK", "220 hi\r\n", "* OK\r\n", "-ERR\r\n", "+ \r\n"] {
            assert!(client(wrong).0.is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_endless_list_of_capabilities_ends() {
        let heard = format!("{GREETS}+OK\r\n{}", "X\r\n".repeat(2_000));
        let (client, _) = client(&heard);
        let error = client.unwrap().ask_capabilities().unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}
