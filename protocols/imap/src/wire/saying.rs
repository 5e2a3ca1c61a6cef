//! Commands onto the connection, and their ends.

use proto_transport::escape::escaped;
use proto_transport::{Error, Refusal, Result};

use super::{pass_over, Response, Wire};
use crate::reply::{Data, Kind, Told};
use crate::request::Command;

impl Wire {
    /// Says a command, with the literals in it, and returns its tag. An answer that is there before
    /// its command was said is none.
    pub(crate) fn say(&mut self, command: &Command) -> Result<String> {
        self.settle()?;
        self.say_on(command)
    }

    /// The same while answers to other commands are still to come.
    pub(crate) fn say_on(&mut self, command: &Command) -> Result<String> {
        let tag = self.tags.next();
        let mut line = format!("{tag} ").into_bytes();
        for (part, size) in &command.complete {
            let runs_ahead = self.may_run_ahead(*size as u64);
            let plus = if runs_ahead { "+" } else { "" };
            line.extend_from_slice(&part.text);
            line.extend_from_slice(format!("{{{size}{plus}}}").as_bytes());
            self.connection.write_line(&line)?;
            line.clear();
            if !runs_ahead {
                self.await_go_ahead(&tag)?;
            }
        }
        line.extend_from_slice(&command.last.text);
        match &command.last.secret {
            Some(secret) => self.connection.write_secret_line(&line, secret.reveal())?,
            None => self.connection.write_line(&line)?,
        }
        Ok(tag)
    }

    /// Takes in what came without being asked for.
    pub(crate) fn settle(&mut self) -> Result<()> {
        while self.connection.has_unread() {
            match self.hear(&mut pass_over)? {
                Response::Data(data) => self.unasked(data),
                Response::Skipped => {}
                Response::Tagged(tag, told) => {
                    return Err(self.unexpected(&format!("{tag} {told}")));
                }
                Response::GoAhead(text) => {
                    return Err(self.unexpected(&format!("+ {}", escaped(&text))));
                }
            }
        }
        Ok(())
    }

    /// An answer to nothing that was said. Nothing that follows can be believed.
    pub(crate) fn unexpected(&mut self, line: &str) -> Error {
        self.is_lost = true;
        let rule = "an answer belongs to a command that is under way (RFC 9051 section 2.2.2)";
        self.connection.malformed(rule, line.as_bytes())
    }

    /// Whether a literal may follow its announcement at once (RFC 7888 sections 4 and 5).
    pub(crate) fn may_run_ahead(&self, size: u64) -> bool {
        self.capabilities.offers("LITERAL+")
            || (size <= 4_096 && self.capabilities.offers("LITERAL-"))
    }

    /// Waits for the `+` of this command; its NO or BAD ends it instead.
    pub(crate) fn await_go_ahead(&mut self, tag: &str) -> Result<Vec<u8>> {
        loop {
            match self.hear(&mut pass_over)? {
                Response::GoAhead(text) => return Ok(text),
                Response::Tagged(other, told) if other == tag && told.kind != Kind::Ok => {
                    return Err(self.refused(&told));
                }
                Response::Tagged(tag, told) => {
                    return Err(self.unexpected(&format!("{tag} {told}")));
                }
                Response::Data(data) => self.unasked(data),
                Response::Skipped => {}
            }
        }
    }

    /// Hears the yes to a command; a no is an error. What comes before is offered to `wants`, which
    /// hands back what it does not want.
    pub(crate) fn finish(
        &mut self,
        tag: &str,
        wants: &mut dyn FnMut(Data) -> Result<Option<Data>>,
    ) -> Result<Told> {
        let told = self.end(tag, wants)?;
        match told.kind {
            Kind::Ok => Ok(told),
            _ => Err(self.refused(&told)),
        }
    }

    /// Hears the end of a command, whatever it is.
    pub(crate) fn end(
        &mut self,
        tag: &str,
        wants: &mut dyn FnMut(Data) -> Result<Option<Data>>,
    ) -> Result<Told> {
        loop {
            match self.hear(&mut pass_over)? {
                Response::Tagged(other, told) if other == tag => return Ok(told),
                Response::Tagged(tag, told) => {
                    return Err(self.unexpected(&format!("{tag} {told}")));
                }
                Response::GoAhead(text) => {
                    return Err(self.unexpected(&format!("+ {}", escaped(&text))));
                }
                Response::Data(data) => {
                    if let Some(data) = wants(data)? {
                        self.unasked(data);
                    }
                }
                Response::Skipped => {}
            }
        }
    }

    /// Says a command and hears its end.
    pub(crate) fn ask(
        &mut self,
        command: &Command,
        wants: &mut dyn FnMut(Data) -> Result<Option<Data>>,
    ) -> Result<Told> {
        let tag = self.say(command)?;
        self.finish(&tag, wants)
    }

    /// A command of one word or so.
    pub(crate) fn command(&self, name: &str) -> Command {
        Command::new(name, self.is_utf8)
    }

    pub(crate) fn refused(&self, told: &Told) -> Error {
        let refusal = told.refusal().unwrap_or(Refusal::Lasting);
        self.connection.refused(told.to_string(), refusal)
    }

    /// What the capabilities say is missing.
    pub(crate) fn not_offered(&self, what: &str) -> Error {
        let reply = format!("the server does not offer {what}");
        self.connection.refused(reply, Refusal::Lasting)
    }

    /// Says goodbye. That it fails matters to nobody any more.
    pub(crate) fn log_out(&mut self) {
        self.is_leaving = true;
        self.connection.doing("saying goodbye");
        if !self.is_lost && self.connection.is_in_step() {
            let _ = self.ask(&self.command("LOGOUT"), &mut |_| Ok(None));
        }
    }
}
