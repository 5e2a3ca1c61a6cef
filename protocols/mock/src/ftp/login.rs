//! Who the client is, and whether anybody listens: USER, PASS, ACCT, HOST (RFC 7151), AUTH, PBSZ and
//! PROT (RFC 4217).

use super::conversation::{refused, Conversation, Result};
use super::rule::Event;
use super::News;

impl Conversation<'_> {
    pub fn user(&mut self, argument: &[u8]) -> Result {
        if argument.is_empty() {
            return Err(self.wrong("501 USER takes a name"));
        }
        if self.server.needs_tls && !self.peer.is_encrypted() {
            return refused("530 say AUTH TLS first");
        }
        self.log_out();
        self.named = Some(String::from_utf8_lossy(argument).into_owned());
        self.ok("331 and the password?")
    }

    pub fn pass(&mut self, argument: &[u8]) -> Result {
        let Some(name) = self.named.clone() else {
            return Err(self.wrong("503 USER comes first"));
        };
        let users = &self.server.users;
        let password = String::from_utf8_lossy(argument);
        let is_right = |(user, known): &(String, String)| {
            *user == name && (known.is_empty() || *known == password)
        };
        if !users.is_empty() && !users.iter().any(is_right) {
            self.named = None;
            return refused("530 wrong name or password");
        }
        if self.server.account.is_some() {
            self.owes_account = true;
            return self.ok("332 and the account?");
        }
        self.let_in(name)
    }

    pub fn acct(&mut self, argument: &[u8]) -> Result {
        let (Some(name), true) = (self.named.clone(), self.owes_account) else {
            return Err(self.wrong("503 USER and PASS come first"));
        };
        self.owes_account = false;
        match self.server.account.as_deref().map(str::as_bytes) == Some(argument) {
            true => self.let_in(name),
            false => refused("530 wrong account"),
        }
    }

    fn let_in(&mut self, name: String) -> Result {
        let said = self.consult(Event("login"), &[&name])?;
        self.server.tell(&News::Login {
            connection: self.connection,
            user: &name,
        });
        self.user = Some(name);
        match said {
            Some(said) => Ok(self.say(&said)?),
            None => self.ok("230 welcome"),
        }
    }

    fn log_out(&mut self) {
        (self.user, self.named, self.owes_account) = (None, None, false);
        self.folder.clear();
    }

    /// RFC 7151 section 3.
    pub fn host(&mut self, argument: &[u8]) -> Result {
        if self.user.is_some() || self.named.is_some() {
            return Err(self.wrong("503 HOST comes before USER"));
        }
        match argument.is_empty() {
            true => Err(self.wrong("501 HOST takes a name")),
            false => self.ok("220 that is me"),
        }
    }

    /// RFC 4217 section 4. Whoever had logged in has not any more.
    pub fn auth(&mut self, argument: &[u8]) -> Result {
        if !["TLS", "TLS-C", "SSL"]
            .map(str::as_bytes)
            .contains(&argument.to_ascii_uppercase().as_slice())
        {
            return refused("504 there is TLS");
        }
        if self.peer.is_encrypted() {
            return Err(self.wrong("503 TLS starts once"));
        }
        if !self.peer.unread().is_empty() {
            self.note("something was said before the reply to AUTH");
        }
        self.ok("234 begin")?;
        self.peer.start_tls()?;
        self.log_out();
        (self.has_buffer_size, self.is_private) = (false, false);
        Ok(())
    }

    /// RFC 4217 section 8.
    pub fn pbsz(&mut self, argument: &[u8]) -> Result {
        if !self.peer.is_encrypted() {
            return Err(self.wrong("503 AUTH comes first"));
        }
        if argument.is_empty() || !argument.iter().all(u8::is_ascii_digit) {
            return Err(self.wrong("501 PBSZ takes a number"));
        }
        self.has_buffer_size = true;
        self.ok("200 PBSZ=0")
    }

    /// RFC 4217 section 9.
    pub fn prot(&mut self, argument: &[u8]) -> Result {
        if !self.has_buffer_size {
            return Err(self.wrong("503 PBSZ comes first"));
        }
        match argument.to_ascii_uppercase().as_slice() {
            b"P" => self.is_private = true,
            b"C" if self.server.needs_tls => return refused("534 only P"),
            b"C" => self.is_private = false,
            b"S" | b"E" => return refused("536 there are C and P"),
            _ => return Err(self.wrong("504 that is no level")),
        }
        self.ok("200 so it is")
    }
}
