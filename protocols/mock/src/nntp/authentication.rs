//! Who the client is, and how the connection is protected: STARTTLS (RFC 4642), AUTHINFO (RFC 4643)
//! and COMPRESS (RFC 8054).

use base64::prelude::{Engine, BASE64_STANDARD};

use super::conversation::{refused, Conversation, Result, LINE};
use super::rule::Event;
use super::News;
use crate::sasl::{Exchange, Guard, Mechanism, Turn, MECHANISMS};

impl Conversation<'_> {
    /// RFC 4642 section 2.2. What was said before TLS is forgotten, and what came together with the
    /// command is dropped.
    pub fn start_tls(&mut self, arguments: &[&str]) -> Result {
        self.check_no_arguments(arguments)?;
        if !self.server.has("STARTTLS") {
            return refused("500 no such command");
        }
        let why = match () {
            () if self.channel.peer.is_encrypted() => "502 TLS is there already",
            () if self.user.is_some() => "502 STARTTLS comes before AUTHINFO (RFC 4642)",
            () if self.channel.is_compressed() => "502 STARTTLS comes before COMPRESS (RFC 8054)",
            () => "",
        };
        if !why.is_empty() {
            return Err(self.wrong(why));
        }
        let said = self.consult(Event::StartTls, &[])?;
        self.say_or(said, "382 begin TLS now")?;
        if self.is_over {
            return Ok(());
        }
        self.channel.start_tls()?;
        self.group = None;
        self.current = None;
        self.is_reader = !self.server.starts_in_transit;
        Ok(())
    }

    /// RFC 8054 section 2.2.
    pub fn compress(&mut self, arguments: &[&str]) -> Result {
        if !self.server.has("COMPRESS") {
            return refused("500 no such command");
        }
        match arguments {
            [name] if name.eq_ignore_ascii_case("DEFLATE") => {}
            [_] => return refused("503 only DEFLATE is known"),
            _ => return Err(self.wrong("501 COMPRESS takes an algorithm")),
        }
        if self.channel.is_compressed() {
            return Err(self.wrong("502 it is compressed already"));
        }
        let said = self.consult(Event::Compress, &[])?;
        self.say_or(said, "206 compression is active")?;
        Ok(self.channel.compress()?)
    }

    /// RFC 4643 sections 2.3 and 2.4.
    pub fn authinfo(&mut self, arguments: &[&str]) -> Result {
        let named = self.named.take();
        let server = self.server;
        if !server.has("AUTHINFO") {
            return refused("500 no such command");
        }
        if self.user.is_some() {
            return Err(self.wrong("502 you are logged in already"));
        }
        if self.channel.is_compressed() {
            return Err(self.wrong("502 AUTHINFO comes before COMPRESS (RFC 8054)"));
        }
        let (way, rest) = arguments.split_first().unwrap_or((&"", &[]));
        match (way.to_ascii_uppercase().as_str(), rest) {
            ("USER", [name]) if server.has("AUTHINFO=USER") => self.name(name),
            ("PASS", [password]) if server.has("AUTHINFO=USER") => self.pass(named, password),
            ("SASL", [mechanism]) if server.has("AUTHINFO=SASL") => self.sasl(mechanism, None),
            ("SASL", [mechanism, initial]) if server.has("AUTHINFO=SASL") => {
                self.sasl(mechanism, Some(initial))
            }
            ("USER" | "PASS", [_]) | ("SASL", [_] | [_, _]) => {
                refused("503 this way to log in is not offered")
            }
            _ => Err(self.wrong("501 AUTHINFO takes USER, PASS or SASL and what belongs to it")),
        }
    }

    fn name(&mut self, name: &str) -> Result {
        let said = self.consult(Event::User, &[name])?;
        self.named = Some(name.to_owned());
        match said {
            // A server may be content with a name.
            Some(said) if said.starts_with('2') => self.log_in(name, &said),
            // Whether there is such a user is nobody's business.
            said => self.say_or(said, "381 and the password?"),
        }
    }

    fn pass(&mut self, named: Option<String>, password: &str) -> Result {
        let Some(user) = named else {
            return Err(self.wrong("482 AUTHINFO PASS comes right behind AUTHINFO USER"));
        };
        let said = self.consult(Event::Pass, &[&user])?;
        let mut users = self.server.users.iter();
        let is_known = users.any(|(name, right)| *name == user && right == password);
        match is_known || self.server.users.is_empty() {
            true => self.log_in(&user, said.as_deref().unwrap_or("281 welcome")),
            false => refused("481 wrong name or password"),
        }
    }

    // --- SASL ---

    /// Whether a mechanism is offered, now.
    pub fn offers_mechanism(&self, mechanism: Mechanism) -> bool {
        let needs_no_users = matches!(
            mechanism,
            Mechanism::Plain | Mechanism::External | Mechanism::Anonymous
        );
        self.server.has(&format!("SASL={}", mechanism.name()))
            && (!mechanism.is_bound() || self.end_point().is_some())
            && (needs_no_users || !self.server.users.is_empty())
            && (self.channel.peer.is_encrypted() || !self.server.needs_tls)
    }

    fn end_point(&self) -> Option<Vec<u8>> {
        match self.channel.peer.is_encrypted() {
            true => self.channel.peer.identity().end_point(),
            false => None,
        }
    }

    fn sasl(&mut self, name: &str, initial: Option<&str>) -> Result {
        let known = Mechanism::named(name).filter(|known| self.offers_mechanism(*known));
        let Some(mechanism) = known else {
            return Err(self.wrong("503 no such mechanism"));
        };
        let said = self.consult(Event::Sasl, &[mechanism.name()])?;
        let initial = match initial {
            Some(initial) => Some(self.decode(initial)?),
            None => None,
        };
        let (user, last) = self.exchange(mechanism, initial)?;
        let reply = match last {
            Some(last) => format!("283 {}", BASE64_STANDARD.encode(last)),
            None => "281 welcome".to_owned(),
        };
        self.log_in(&user, said.as_deref().unwrap_or(&reply))
    }

    /// Exchanges messages until it is clear who this is. Also what goes with the success.
    fn exchange(
        &mut self,
        mechanism: Mechanism,
        initial: Option<Vec<u8>>,
    ) -> Result<(String, Option<Vec<u8>>)> {
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
        let mut last = None;
        let mut turn = match initial {
            Some(initial) => exchange.answer(&initial),
            None => exchange.begin(),
        };
        loop {
            match turn {
                // RFC 4643 section 2.4.2: what SCRAM says last goes with the success.
                Turn::Challenge(challenge) if challenge.starts_with(b"v=") => {
                    turn = exchange.answer(b"");
                    last = Some(challenge);
                }
                Turn::Challenge(challenge) => {
                    turn = exchange.answer(&self.challenge(&challenge)?);
                }
                Turn::Welcome(user) => return Ok((user, last)),
                Turn::Refused(why) => return refused(format!("481 {why}")),
                Turn::Broken(why) => return Err(self.wrong(&format!("482 {why}"))),
            }
        }
    }

    /// Says a challenge and reads what answers it; nothing is written as an equals sign.
    fn challenge(&mut self, challenge: &[u8]) -> Result<Vec<u8>> {
        let text = match challenge {
            b"" => "=".to_owned(),
            challenge => BASE64_STANDARD.encode(challenge),
        };
        self.say(&format!("383 {text}"))?;
        let line = self.read_line(LINE)?;
        self.check_unread(true);
        match line.as_str() {
            "*" => refused("481 cancelled"),
            _ => self.decode(&line),
        }
    }

    fn decode(&mut self, text: &str) -> Result<Vec<u8>> {
        if text == "=" {
            return Ok(Vec::new());
        }
        let decoded = BASE64_STANDARD.decode(text).ok();
        let decoded = decoded.filter(|decoded| !decoded.is_empty());
        decoded.ok_or_else(|| self.wrong("482 not base64"))
    }

    fn log_in(&mut self, user: &str, reply: &str) -> Result {
        let said = self.consult(Event::Login, &[user])?;
        self.server.tell(&News::Login {
            connection: self.connection,
            user,
        });
        self.user = Some(user.to_owned());
        self.named = None;
        self.say_or(said, reply)
    }
}

/// The name and password of a PLAIN message (RFC 4616 section 2), where everybody is believed.
fn claim(message: &[u8]) -> Option<(String, String)> {
    let mut parts = std::str::from_utf8(message).ok()?.split('\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}
