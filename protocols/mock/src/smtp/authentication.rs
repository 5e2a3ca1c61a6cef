//! STARTTLS (RFC 3207) and AUTH (RFC 4954).

use base64::prelude::{Engine, BASE64_STANDARD};

use super::command::AUTHENTICATION;
use super::conversation::{Break, Conversation, Login, Result};
use super::reply::Reply;
use super::rule::Event;
use crate::sasl::{Exchange, Guard, Mechanism, Turn, MECHANISMS};

impl Conversation<'_> {
    /// RFC 3207 section 4. What was said before TLS is forgotten (section 4.2), and what came
    /// together with the command is dropped.
    pub fn start_tls(&mut self, rest: &str) -> Result {
        self.check_offered("STARTTLS")?;
        self.check_no_argument(rest)?;
        if self.transaction.is_some() {
            return Err(self.wrong(503, "5.5.1", "a message is under way"));
        }
        let said = self.consult(Event::StartTls, &[])?;
        self.say_or(said, 220, "2.0.0", "Ready to start TLS")?;
        if self.is_over {
            return Ok(());
        }
        self.peer.start_tls()?;
        if let Some(transcript) = &mut self.transcript {
            transcript.began_tls();
        }
        self.forget_transaction();
        self.hello = None;
        self.login = None;
        Ok(())
    }

    fn check_offered(&mut self, extension: &str) -> Result {
        if !self.mta.has(extension) {
            let why = format!("{extension} is not implemented");
            return Err(self.wrong(502, "5.5.1", &why));
        }
        self.check_greeted()?;
        match self.offers(extension) {
            true => Ok(()),
            false => Err(self.wrong(503, "5.5.1", "this was not offered")),
        }
    }

    /// Whether a mechanism is offered, now.
    pub fn offers_mechanism(&self, mechanism: Mechanism) -> bool {
        let tells_password = matches!(mechanism, Mechanism::Plain | Mechanism::Login);
        self.mta.has_mechanism(mechanism)
            && (!mechanism.is_bound() || self.end_point().is_some())
            && (tells_password || !self.takes_any_login())
    }

    /// Whether whoever logs in is believed.
    fn takes_any_login(&self) -> bool {
        self.mta.takes_any_login && self.mta.users.is_empty()
    }

    fn end_point(&self) -> Option<Vec<u8>> {
        match self.peer.is_encrypted() {
            true => self.peer.identity().end_point(),
            false => None,
        }
    }

    /// RFC 4954 section 4: `"AUTH" SP sasl-mech [SP initial-response]`.
    pub fn authenticate(&mut self, rest: &str) -> Result {
        self.check_offered("AUTH")?;
        if self.login.is_some() {
            return Err(self.wrong(503, "5.5.1", "you are logged in already"));
        }
        if self.transaction.is_some() {
            return Err(self.wrong(503, "5.5.1", "a message is under way"));
        }
        let (name, initial) = match rest.split_once(' ') {
            Some((name, initial)) => (name, Some(initial)),
            None => (rest, None),
        };
        let known = Mechanism::named(name).filter(|known| self.offers_mechanism(*known));
        let Some(mechanism) = known else {
            return Err(self.wrong(504, "5.5.4", "no such mechanism"));
        };
        if let Some(said) = self.consult(Event::Auth, &[mechanism.name()])? {
            // Whoever is let in by a rule is nobody in particular.
            self.log_in(String::new(), mechanism);
            return Ok(self.say(&said)?);
        }
        let initial = match initial {
            // Section 4: an equals sign is an empty response, as opposed to none.
            Some("=") => Some(Vec::new()),
            Some(initial) => Some(self.decode(initial)?),
            None => None,
        };
        self.exchange(mechanism, initial)
    }

    fn exchange(&mut self, mechanism: Mechanism, initial: Option<Vec<u8>>) -> Result {
        if self.takes_any_login() {
            let user = self.claim(mechanism, initial)?;
            self.log_in(user, mechanism);
            return self.say_or(None, 235, "2.7.0", "Welcome");
        }
        let guard = Guard {
            users: &self.mta.users,
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
                Turn::Welcome(user) => {
                    self.log_in(user, mechanism);
                    return self.say_or(None, 235, "2.7.0", "Welcome");
                }
                Turn::Refused(why) => {
                    return Err(Break::Refused(Reply::new(535, "5.7.8", why)));
                }
                Turn::Broken(why) => return Err(self.wrong(535, "5.7.8", why)),
            }
        }
    }

    /// Who somebody claims to be by PLAIN (RFC 4616 section 2) or LOGIN.
    fn claim(&mut self, mechanism: Mechanism, initial: Option<Vec<u8>>) -> Result<String> {
        let said = match (mechanism, initial) {
            (_, Some(initial)) => initial,
            (Mechanism::Login, None) => self.challenge(b"Username:")?,
            (_, None) => self.challenge(b"")?,
        };
        let name = match mechanism {
            Mechanism::Login => {
                self.challenge(b"Password:")?;
                Some(said.as_slice())
            }
            _ => said.split(|byte| *byte == 0).nth(1),
        };
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        match name.filter(|name| !name.is_empty()) {
            Some(name) => Ok(name.to_owned()),
            None => Err(self.wrong(535, "5.7.8", "a name is missing")),
        }
    }

    fn log_in(&mut self, user: String, mechanism: Mechanism) {
        let mechanism = mechanism.name();
        self.login = Some(Login { user, mechanism });
    }

    /// Says a challenge and reads what answers it.
    fn challenge(&mut self, challenge: &[u8]) -> Result<Vec<u8>> {
        self.say(&Reply::new(334, "", BASE64_STANDARD.encode(challenge)))?;
        let line = self.read_line(|_| AUTHENTICATION)?;
        if let Some(transcript) = &mut self.transcript {
            transcript.heard_secret();
        }
        self.check_unread(true);
        match line.as_str() {
            // Section 4: the client gives up.
            "*" => Err(Break::Refused(Reply::new(501, "5.7.0", "Cancelled"))),
            _ => self.decode(&line),
        }
    }

    fn decode(&mut self, text: &str) -> Result<Vec<u8>> {
        let decoded = BASE64_STANDARD.decode(text);
        decoded.map_err(|_| self.wrong(501, "5.5.2", "not base64"))
    }
}
