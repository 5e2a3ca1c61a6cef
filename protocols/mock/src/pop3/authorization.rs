//! Before the maildrop is open: STLS (RFC 2595), USER, PASS and APOP (RFC 1939 section 7), AUTH
//! (RFC 5034), UTF8 (RFC 6856).

use base64::prelude::{Engine, BASE64_STANDARD};
use md5::{Digest, Md5};
use proto_transport::certificate::hexadecimal;

use super::conversation::{Break, Conversation, Result, Session, ANSWER};
use super::flaw::Flaw;
use super::rule::Event;
use super::News;
use crate::sasl::{Exchange, Guard, Mechanism, Turn, MECHANISMS};

impl Conversation<'_> {
    /// A command of the AUTHORIZATION state. `named` is what the command before it was told, if that
    /// was USER.
    pub fn authorize(&mut self, verb: &str, rest: Option<&str>, named: Option<String>) -> Result {
        match verb {
            "STLS" => self.start_tls(rest),
            "UTF8" => self.use_utf8(rest),
            "USER" => self.user(rest),
            "PASS" => self.pass(rest, named),
            "APOP" => self.apop(rest),
            _ => self.authenticate(rest),
        }
    }

    /// RFC 2595 section 4. What was said before TLS is forgotten, and what came together with the
    /// command is dropped.
    fn start_tls(&mut self, rest: Option<&str>) -> Result {
        self.check_no_argument(rest)?;
        if !self.maildrop.has("STLS") || self.peer.is_encrypted() {
            return Err(self.wrong("STLS is not offered"));
        }
        if self.is_utf8 {
            return Err(self.wrong("STLS comes before UTF8 (RFC 6856 section 2.1)"));
        }
        let said = self.consult(Event::Stls, &[])?;
        self.say_or(said, "+OK begin TLS now")?;
        if self.is_over {
            return Ok(());
        }
        Ok(self.peer.start_tls()?)
    }

    /// RFC 6856 section 2.1. Messages are sent as they are, with it and without.
    fn use_utf8(&mut self, rest: Option<&str>) -> Result {
        self.check_no_argument(rest)?;
        if !self.maildrop.has("UTF8") {
            return Err(self.wrong("UTF8 is not offered"));
        }
        let said = self.consult(Event::Utf8, &[])?;
        self.is_utf8 = true;
        self.say_or(said, "+OK UTF8 enabled")
    }

    // --- passwords ---

    fn user(&mut self, rest: Option<&str>) -> Result {
        if !self.maildrop.has("USER") {
            return Err(Break::Refused("-ERR USER is not taken here".to_owned()));
        }
        let name = rest.unwrap_or_default();
        self.check_name(name)?;
        let said = self.consult(Event::User, &[name])?;
        self.named = Some(name.to_owned());
        // Whether there is such a user is nobody's business.
        self.say_or(said, "+OK and the password?")
    }

    /// RFC 1939 section 3: arguments are printable. RFC 6856 section 2.2: or UTF-8.
    fn check_name(&mut self, name: &str) -> Result {
        if name.is_empty() || name.contains(|c: char| c == ' ' || c.is_control()) {
            return Err(self.wrong("a name without spaces is missing"));
        }
        if !name.is_ascii() && !self.maildrop.has("UTF8") {
            return Err(self.wrong("the name is not ASCII, and UTF8 is not offered"));
        }
        Ok(())
    }

    /// RFC 1939 section 7: only right behind USER. The password may hold spaces.
    fn pass(&mut self, rest: Option<&str>, named: Option<String>) -> Result {
        if !self.maildrop.has("USER") {
            return Err(Break::Refused("-ERR PASS is not taken here".to_owned()));
        }
        let Some(user) = named else {
            return Err(self.wrong("PASS comes right behind USER"));
        };
        let Some(password) = rest else {
            return Err(self.wrong("the password is missing"));
        };
        let said = self.consult(Event::Pass, &[&user])?;
        let mut users = self.maildrop.users.iter();
        let is_known = users.any(|(name, right)| *name == user && right == password);
        match is_known || self.maildrop.users.is_empty() {
            true => self.log_in(&user, said),
            false => Err(self.refusal("AUTH", "wrong name or password")),
        }
    }

    /// RFC 1939 section 7: `"APOP" SP name SP digest`.
    fn apop(&mut self, rest: Option<&str>) -> Result {
        let Some(timestamp) = self.timestamp.clone() else {
            return Err(self.wrong("APOP is not offered: the greeting has no timestamp"));
        };
        if self.maildrop.is_flawed(&Flaw::MalformedTimestamp) {
            self.note("the timestamp is no msg-id and must not be hashed");
        }
        let Some((name, digest)) = rest.unwrap_or_default().split_once(' ') else {
            return Err(self.wrong("APOP takes a name and a digest"));
        };
        self.check_name(name)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digest.len() != 32 || !digest.bytes().all(is_digit) {
            return Err(self.wrong("a digest has 32 digits in lower case"));
        }
        let said = self.consult(Event::Apop, &[name])?;
        let mut users = self.maildrop.users.iter();
        let is_right = |(user, password): &(String, String)| {
            user == name && digest == apop_digest(&timestamp, password)
        };
        match users.any(is_right) {
            true => self.log_in(name, said),
            false => Err(self.refusal("AUTH", "wrong name or digest")),
        }
    }

    // --- AUTH ---

    /// Whether a mechanism is offered, now.
    pub fn offers_mechanism(&self, mechanism: Mechanism) -> bool {
        let needs_no_users = matches!(
            mechanism,
            Mechanism::Plain | Mechanism::External | Mechanism::Anonymous
        );
        self.maildrop.has_mechanism(mechanism)
            && (!mechanism.is_bound() || self.end_point().is_some())
            && (needs_no_users || !self.maildrop.users.is_empty())
    }

    fn end_point(&self) -> Option<Vec<u8>> {
        match self.peer.is_encrypted() {
            true => self.peer.identity().end_point(),
            false => None,
        }
    }

    /// RFC 5034 section 4: `"AUTH" SP mechanism [SP initial-response]`.
    fn authenticate(&mut self, rest: Option<&str>) -> Result {
        if !self.maildrop.has("SASL") {
            return Err(self.wrong("AUTH is not offered"));
        }
        let rest = rest.unwrap_or_default();
        let (name, initial) = match rest.split_once(' ') {
            Some((name, initial)) => (name, Some(initial)),
            None => (rest, None),
        };
        let known = Mechanism::named(name).filter(|known| self.offers_mechanism(*known));
        let Some(mechanism) = known else {
            return Err(self.wrong("no such mechanism"));
        };
        let said = self.consult(Event::Auth, &[mechanism.name()])?;
        let initial = match initial {
            // An equals sign is an empty response, as opposed to none.
            Some("=") => Some(Vec::new()),
            Some(initial) => Some(self.decode(initial)?),
            None => None,
        };
        let user = self.exchange(mechanism, initial)?;
        self.log_in(&user, said)
    }

    /// Exchanges messages until it is clear who this is.
    fn exchange(&mut self, mechanism: Mechanism, initial: Option<Vec<u8>>) -> Result<String> {
        let initial = match (mechanism, initial) {
            (Mechanism::Plain, None) => Some(self.challenge(b"")?),
            (_, initial) => initial,
        };
        let claimed: Vec<(String, String)> = match &initial {
            Some(message) if self.maildrop.users.is_empty() => claim(message).into_iter().collect(),
            _ => Vec::new(),
        };
        let guard = Guard {
            users: match self.maildrop.users.as_slice() {
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
                Turn::Refused(why) => return Err(self.refusal("AUTH", why)),
                Turn::Broken(why) => return Err(self.wrong(why)),
            }
        }
    }

    /// Says a challenge and reads what answers it.
    fn challenge(&mut self, challenge: &[u8]) -> Result<Vec<u8>> {
        self.say(&format!("+ {}", BASE64_STANDARD.encode(challenge)))?;
        let line = self.read_line(ANSWER)?;
        self.check_unread(true);
        match line.as_str() {
            // RFC 5034 section 4: the client gives up.
            "*" => Err(Break::Refused("-ERR cancelled".to_owned())),
            _ => self.decode(&line),
        }
    }

    fn decode(&mut self, text: &str) -> Result<Vec<u8>> {
        let decoded = BASE64_STANDARD.decode(text);
        decoded.map_err(|_| self.wrong("not base64"))
    }

    // --- the login ---

    /// Opens the maildrop for somebody who has proved who they are (RFC 1939 section 4).
    fn log_in(&mut self, user: &str, said: Option<String>) -> Result {
        let said = self.consult(Event::Login, &[user])?.or(said);
        let Some((owner, account)) = self.maildrop.user_of(user) else {
            return Err(self.refusal("AUTH", "there is no maildrop of that name"));
        };
        let Some(hold) = self.maildrop.hold(owner, account) else {
            return Err(self.refusal("IN-USE", "the maildrop is open elsewhere"));
        };
        let Ok(messages) = hold.list() else {
            return Err(self.refusal("SYS/TEMP", "the maildrop cannot be read"));
        };
        let count = messages.len();
        self.maildrop.tell(&News::Login {
            connection: self.connection,
            user,
            messages: count,
        });
        self.session = Some(Session { hold, messages });
        self.say_or(said, &format!("+OK {count} messages"))
    }
}

/// The name and password of a PLAIN message (RFC 4616 section 2), where everybody is believed.
fn claim(message: &[u8]) -> Option<(String, String)> {
    let mut parts = std::str::from_utf8(message).ok()?.split('\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// RFC 1939 section 7: MD5 of the timestamp, angle brackets included, and the secret.
pub(super) fn apop_digest(timestamp: &str, password: &str) -> String {
    let mut digest = Md5::new();
    digest.update(timestamp);
    digest.update(password);
    hexadecimal(&digest.finalize())
}
