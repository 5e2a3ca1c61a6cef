//! Before the login: STARTTLS, LOGIN and AUTHENTICATE (RFC 9051 section 6.2).

use base64::prelude::{Engine, BASE64_STANDARD};

use super::conversation::{Break, Conversation, Result};
use super::flaw::Flaw;
use super::rule::Event;
use super::syntax::Arguments;
use super::News;
use crate::sasl::{Exchange, Guard, Mechanism, Turn, MECHANISMS};

/// The longest answer to a challenge, with its CRLF: as in SMTP (RFC 4954 section 4.3).
const ANSWER: usize = 12288;

impl Conversation<'_> {
    pub fn authentication(&mut self, verb: &str, arguments: &mut Arguments<'_>) -> Result<String> {
        match verb {
            "STARTTLS" => self.start_tls(arguments),
            "LOGIN" => self.login(arguments),
            _ => self.authenticate(arguments),
        }
    }

    /// RFC 9051 section 6.2.1. What came together with the command is dropped.
    fn start_tls(&mut self, arguments: &Arguments<'_>) -> Result<String> {
        self.no_arguments(arguments)?;
        if !self.server.has("STARTTLS") || self.channel.peer.is_encrypted() {
            return Err(self.wrong("STARTTLS is not offered"));
        }
        self.check_last_of_a_group();
        self.consult(Event::StartTls, &[])?;
        if self.server.is_flawed(&Flaw::CapabilityInStartTls) {
            self.say("* CAPABILITY IMAP4rev1 AUTH=PLAIN INJECTED")?;
        }
        let tag = std::mem::take(&mut self.tag);
        self.say(&format!("{tag} OK begin TLS now"))?;
        if self.is_over {
            return Err(Break::Over);
        }
        self.channel.start_tls()?;
        // The reply is said already.
        Ok(String::new())
    }

    /// Whether passwords are taken as they are.
    pub fn takes_login(&self) -> bool {
        self.server.has("LOGIN") && self.takes_passwords()
    }

    fn takes_passwords(&self) -> bool {
        self.channel.peer.is_encrypted() || !self.server.is_flawed(&Flaw::LoginDisabled)
    }

    /// RFC 9051 section 6.2.3.
    fn login(&mut self, arguments: &mut Arguments<'_>) -> Result<String> {
        self.checked(arguments.space())?;
        let user = arguments.text();
        let user = self.checked(user)?;
        self.checked(arguments.space())?;
        let password = arguments.text();
        let password = self.checked(password)?;
        self.no_arguments(arguments)?;
        if !self.takes_login() {
            return Err(self.wrong("LOGIN is disabled"));
        }
        let mut users = self.server.users.iter();
        let is_known = users.any(|(name, right)| *name == user && *right == password);
        match is_known || self.server.users.is_empty() {
            true => self.log_in(&user, "LOGIN"),
            false => Err(refused("wrong name or password")),
        }
    }

    // --- AUTHENTICATE ---

    /// Whether a mechanism is offered, now.
    pub fn offers_mechanism(&self, mechanism: Mechanism) -> bool {
        let needs_no_users = matches!(
            mechanism,
            Mechanism::Plain | Mechanism::External | Mechanism::Anonymous
        );
        let tells_password = matches!(mechanism, Mechanism::Plain | Mechanism::Login);
        self.server.has_mechanism(mechanism)
            && (!mechanism.is_bound() || self.end_point().is_some())
            && (!tells_password || self.takes_passwords())
            && (needs_no_users || !self.server.users.is_empty())
    }

    fn end_point(&self) -> Option<Vec<u8>> {
        match self.channel.peer.is_encrypted() {
            true => self.channel.peer.identity().end_point(),
            false => None,
        }
    }

    /// RFC 9051 section 6.2.2: `"AUTHENTICATE" SP mechanism [SP initial-response]`.
    fn authenticate(&mut self, arguments: &mut Arguments<'_>) -> Result<String> {
        self.checked(arguments.space())?;
        let name = arguments.atom();
        let name = self.checked(name)?;
        let known = Mechanism::named(name).filter(|known| self.offers_mechanism(*known));
        let Some(mechanism) = known else {
            return Err(self.wrong("no such mechanism"));
        };
        let initial = match arguments.rest() {
            b"" => None,
            _ if !self.server.has("SASL-IR") => {
                return Err(self.wrong("initial responses are not offered"));
            }
            // An equals sign is an empty response, as opposed to none.
            b" =" => Some(Vec::new()),
            rest => {
                let text = String::from_utf8_lossy(rest);
                Some(self.decode(text.strip_prefix(' ').unwrap_or(&text))?)
            }
        };
        self.check_last_of_a_group();
        self.consult(Event::Authenticate, &[mechanism.name()])?;
        let user = self.exchange(mechanism, initial)?;
        self.log_in(&user, "AUTHENTICATE")
    }

    /// Exchanges messages until it is clear who this is.
    fn exchange(&mut self, mechanism: Mechanism, initial: Option<Vec<u8>>) -> Result<String> {
        let initial = match (mechanism, initial) {
            (Mechanism::Plain, None) => Some(self.challenge(b"")?),
            (_, initial) => initial,
        };
        let claimed: Vec<(String, String)> = match &initial {
            Some(message) if self.server.users.is_empty() => claim(message).into_iter().collect(),
            _ => Vec::new(),
        };
        let guard = Guard {
            users: match self.server.users.as_slice() {
                [] => &claimed,
                users => users,
            },
            end_point: self.end_point(),
            offers_binding: MECHANISMS
                .iter()
                .any(|one| one.is_bound() && self.offers_mechanism(*one)),
        };
        let mut exchange = Exchange::new(mechanism, guard);
        let mut turn = match initial {
            Some(initial) => exchange.answer(&initial),
            None => exchange.begin(),
        };
        loop {
            match turn {
                Turn::Challenge(challenge) => {
                    turn = exchange.answer(&self.challenge(&challenge)?);
                }
                Turn::Welcome(user) => return Ok(user),
                Turn::Refused(why) => return Err(refused(why)),
                Turn::Broken(why) => return Err(self.wrong(why)),
            }
        }
    }

    /// Says a challenge and reads what answers it.
    fn challenge(&mut self, challenge: &[u8]) -> Result<Vec<u8>> {
        self.say(&format!("+ {}", BASE64_STANDARD.encode(challenge)))?;
        let line = self.read_answer(ANSWER)?;
        self.check_last_of_a_group();
        match line.as_str() {
            "*" => Err(Break::Refused("BAD cancelled".to_owned())),
            _ => self.decode(&line),
        }
    }

    fn decode(&mut self, text: &str) -> Result<Vec<u8>> {
        let decoded = BASE64_STANDARD.decode(text);
        decoded.map_err(|_| self.wrong("not base64"))
    }

    /// Opens the mail of somebody who has proved who they are.
    fn log_in(&mut self, user: &str, verb: &str) -> Result<String> {
        self.consult(Event::Login, &[user])?;
        let Some(account) = self.server.store.account(user) else {
            return Err(refused("there is no mail of that name"));
        };
        self.account = Some(account);
        let server = self.server;
        server.tell(&News::Login {
            connection: self.connection,
            user,
        });
        Ok(format!(
            "OK [CAPABILITY {}] {verb} completed",
            self.capabilities()
        ))
    }
}

/// RFC 5530 section 3.
fn refused(why: &str) -> Break {
    Break::Refused(format!("NO [AUTHENTICATIONFAILED] {why}"))
}

/// The name and password of a PLAIN message (RFC 4616 section 2), where everybody is believed.
fn claim(message: &[u8]) -> Option<(String, String)> {
    let mut parts = std::str::from_utf8(message).ok()?.split('\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}
