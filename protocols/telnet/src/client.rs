//! The conversation: both sides speak when they like.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use proto_transport::{Connection, Connector, Ready, Result};

use crate::code::Command;
use crate::nvt::{Event, Nvt, Tell};
use crate::prompt::Prompt;
use crate::settings::{Settings, Window};
use crate::target::Target;

/// Somebody to talk to.
pub struct Client {
    connection: Connection,
    nvt: Nvt,
    prompt: Prompt,
    /// The answer to a question for a password, as far as it was said. It is not recorded.
    secret: Option<Vec<u8>>,
}

impl Client {
    /// Connects.
    pub fn connect(connector: &Connector, target: &Target, settings: Settings) -> Result<Client> {
        let mut connection = connector.connect(&target.endpoint)?;
        // RFC 854: the data mark comes as urgent data, and the byte before it is an IAC that would
        // stand alone without it.
        connection.keep_urgent_in_place()?;
        Client::over(connection, settings)
    }

    /// Somebody on a connection that is there.
    ///
    /// # Errors
    ///
    /// Only if the conversation cannot be recorded.
    pub fn over(mut connection: Connection, settings: Settings) -> Result<Client> {
        connection.doing("talking");
        let mut client = Client {
            connection,
            nvt: Nvt::new(settings),
            prompt: Prompt::default(),
            secret: None,
        };
        client.send()?;
        Ok(client)
    }

    /// The connection, for what it knows of itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// How it stands with the options.
    pub fn nvt(&self) -> &Nvt {
        &self.nvt
    }

    /// Waits as [`Connection::wait`] does, and sends what is to be sent.
    pub fn wait(&mut self, other: Option<BorrowedFd<'_>>, until: Instant) -> Result<Ready> {
        self.connection.wait(other, until)
    }

    /// Hears what has come, or waits for it; `false` when they have hung up. What is to be said to it
    /// is sent by the next [`Client::wait`], or by [`Client::flush`]. A server that negotiates
    /// without end has broken the protocol.
    pub fn receive(&mut self, tell: &mut Tell<'_>) -> Result<bool> {
        let Some(bytes) = self.connection.hear()? else {
            self.nvt.tell_said(tell)?;
            return Ok(false);
        };
        let prompt = &mut self.prompt;
        self.nvt.hear(bytes, &mut |event| {
            if let Event::Data(data) = &event {
                prompt.hear(data);
            }
            tell(event)
        })?;
        self.send()?;
        match self.nvt.runs_in_a_circle() {
            true => Err(self.connection.malformed(
                "options are negotiated once, and not without end (RFC 1143)",
                &[],
            )),
            false => Ok(true),
        }
    }

    /// Says text, in which LF or CR LF ends a line.
    pub fn say_text(&mut self, text: &[u8]) -> Result<()> {
        self.say(text, b"\n", Nvt::say_text)
    }

    /// The text is over: a CR at its end ends no line.
    pub fn finish_text(&mut self) -> Result<()> {
        self.nvt.finish_text();
        self.send()
    }

    /// Says keys as a terminal sends them: the return key is CR.
    pub fn say_keys(&mut self, keys: &[u8]) -> Result<()> {
        self.say(keys, b"\r\n", Nvt::say_keys)
    }

    /// What is said next, up to the end of its line, is a secret, whatever was asked for.
    pub fn expect_secret(&mut self) {
        self.secret.get_or_insert_default();
    }

    /// Sends what was said.
    pub fn flush(&mut self) -> Result<()> {
        self.connection.flush()
    }

    /// Says a command.
    pub fn say_command(&mut self, command: Command) -> Result<()> {
        self.nvt.say_command(command);
        self.send()
    }

    /// The window has another size now.
    pub fn resize(&mut self, window: Window) -> Result<()> {
        self.nvt.resize(window);
        self.send()
    }

    /// Says something; what answers a question for a password is not recorded.
    fn say(&mut self, bytes: &[u8], ends_line: &[u8], encode: fn(&mut Nvt, &[u8])) -> Result<()> {
        self.send()?;
        if self.secret.is_none() && self.prompt.asks_for_secret() {
            self.secret = Some(Vec::new());
        }
        let end = bytes.iter().position(|byte| ends_line.contains(byte));
        let mut open = bytes;
        if let Some(mut secret) = self.secret.take() {
            let length = end.map_or(bytes.len(), |end| end + 1);
            let (hidden, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
            encode(&mut self.nvt, hidden);
            self.connection.say_hidden(&self.nvt.take_output())?;
            secret.extend_from_slice(hidden);
            match end {
                Some(_) => self.connection.record_secret(secret.trim_ascii_end())?,
                None => self.secret = Some(secret),
            }
            open = rest;
        }
        if end.is_some() {
            self.prompt.answered();
        }
        encode(&mut self.nvt, open);
        let text = self.nvt.take_output();
        self.connection.say(&text)
    }

    /// Queues what is to be sent of options and commands, which is no part of a line.
    fn send(&mut self) -> Result<()> {
        let output = self.nvt.take_output();
        match output.is_empty() {
            true => Ok(()),
            false => self.connection.write_block(&output),
        }
    }
}

#[cfg(test)]
mod tests;
