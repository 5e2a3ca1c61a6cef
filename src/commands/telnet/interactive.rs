//! A session: the keys go to the host, and what it says drives the terminal. That is what a session
//! is; it is held only where stdin and stdout are a terminal.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use proto_telnet::{Client, Event, Window};
use proto_transport::{Error, Result};
use rustix::event::{epoll, poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::termios::{
    tcflush, tcgetwinsize, LocalModes, QueueSelector, SpecialCodeIndex, Termios,
};
use signal_hook::consts::SIGWINCH;
use signal_hook::low_level::pipe;

use super::prompt::{parse, Wish, HELP};
use super::{shown, Args, A_LONG_TIME};
use crate::terminal::Modes;

/// The character that asks what to do, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Escape(Option<u8>);

impl Escape {
    /// Reads `^]`, a single character, or `none`.
    pub fn parse(text: &str) -> std::result::Result<Escape, String> {
        match text.as_bytes() {
            b"none" => Ok(Escape(None)),
            [b'^', letter @ b'?'..=b'_'] => Ok(Escape(Some(letter ^ 0x40))),
            [b'^', letter @ b'a'..=b'z'] => Ok(Escape(Some(letter & 0x1f))),
            [byte] if byte.is_ascii() => Ok(Escape(Some(*byte))),
            _ => Err("an escape is a character like ^] or ~, or none".to_owned()),
        }
    }

    fn name(byte: u8) -> String {
        match byte {
            0..=0x1f | 0x7f => format!("^{}", char::from(byte ^ 0x40)),
            byte => char::from(byte).to_string(),
        }
    }
}

/// The size of the terminal's window.
pub(super) fn window_of(terminal: impl AsFd) -> Option<Window> {
    let size = tcgetwinsize(terminal).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(Window {
        columns: size.ws_col,
        rows: size.ws_row,
    })
}

/// Holds the session until the host hangs up or the user has enough of it.
pub(super) fn run(args: &Args, client: &mut Client) -> Result<()> {
    let escape = args.escape.0;
    if !args.common.looking.quiet {
        let peer = client.connection().peer();
        match escape {
            Some(byte) => crate::note(&format!(
                "Connected to {peer}. {} asks what to do.",
                Escape::name(byte)
            )),
            None => crate::note(&format!("Connected to {peer}.")),
        }
    }
    let end = Session::new(args, client)?.hold()?;
    if !args.common.looking.quiet {
        let peer = client.connection().peer();
        match end {
            End::ByHost => crate::note(&format!("{peer} has hung up.")),
            End::ByUser => crate::note("Hung up."),
        }
    }
    Ok(())
}

/// While so much waits to be sent, nothing more is read from the keyboard: somebody may have dropped
/// a book into it.
const ENOUGH: usize = 64 * 1024;

/// Who ended the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    ByHost,
    ByUser,
}

/// How keys are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Manner {
    /// The terminal collects a line, and lets it be edited.
    in_lines: bool,
    /// The terminal shows what is typed.
    echoes: bool,
}

struct Session<'s> {
    client: &'s mut Client,
    keyboard: File,
    screen: File,
    modes: Modes,
    manner: Manner,
    /// Whether lines are sent, whatever the host says.
    in_lines: Option<bool>,
    escape: Option<u8>,
    /// Written to when the window has another size.
    resized: UnixStream,
    /// Whether the host is told of that.
    tells_size: bool,
    /// What can be read from when one of these two can be.
    either: OwnedFd,
    deadline: Option<Instant>,
}

impl<'s> Session<'s> {
    fn new(args: &Args, client: &'s mut Client) -> Result<Session<'s>> {
        let escape = args.escape.0;
        let manner = manner(client, None);
        let (keyboard, screen) = (duplicate(io::stdin())?, duplicate(io::stdout())?);
        let resized = watch_window().map_err(failed)?;
        let either = either(&keyboard, &resized).map_err(failed)?;
        let modes = Modes::change(&keyboard, |modes| adapt(modes, manner, escape));
        Ok(Session {
            client,
            modes: modes.map_err(failed)?,
            keyboard,
            screen,
            manner,
            in_lines: None,
            escape,
            resized,
            either,
            tells_size: args.window.is_none(),
            deadline: args.common.deadline(),
        })
    }

    fn hold(mut self) -> Result<End> {
        let end = self.go_on();
        // What the terminal itself has typed, because the host asked it something, is for nobody
        // who comes after.
        let _ = tcflush(&self.keyboard, QueueSelector::IFlush);
        let is_raw = !self.manner.in_lines;
        drop(self.modes);
        if is_raw {
            let _ = self.screen.write_all(b"\r\n");
        }
        end
    }

    fn go_on(&mut self) -> Result<End> {
        loop {
            let until = Instant::now() + A_LONG_TIME;
            // What the host does not take must not pile up here.
            let is_taken = self.client.connection().queued() < ENOUGH;
            let keys = is_taken.then(|| self.either.as_fd());
            let ready = self.client.wait(keys, until)?;
            if ready.peer && !self.hear()? {
                return Ok(End::ByHost);
            }
            if ready.other {
                self.resize()?;
            }
            if ready.other && wait_for(&self.keyboard, Instant::now())? {
                let mut keys = [0; 4096];
                let count = self.read(&mut keys)?;
                let typed = keys.get(..count).unwrap_or_default();
                if typed.is_empty() || self.take(typed)? == Some(End::ByUser) {
                    return Ok(End::ByUser);
                }
            }
        }
    }

    /// Shows what has come; whether there may be more.
    fn hear(&mut self) -> Result<bool> {
        let screen = &mut self.screen;
        let goes_on = self.client.receive(&mut |event| match event {
            Event::Data(bytes) => screen
                .write_all(bytes)
                .map_err(|error| Error::io("writing to the terminal", error)),
            Event::Notice(_) => Ok(()),
        })?;
        let wanted = manner(self.client, self.in_lines);
        if wanted != self.manner {
            self.manner = wanted;
            self.adapt();
        }
        Ok(goes_on)
    }

    fn adapt(&self) {
        self.modes
            .edit(|modes| adapt(modes, self.manner, self.escape));
    }

    /// A terminal that is gone has nothing more to say.
    fn read(&mut self, keys: &mut [u8]) -> Result<usize> {
        loop {
            match self.keyboard.read(keys) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    return Ok(0)
                }
                result => return result.map_err(failed),
            }
        }
    }

    /// Sends what was typed, up to an escape.
    fn take(&mut self, typed: &[u8]) -> Result<Option<End>> {
        let at = self
            .escape
            .and_then(|escape| typed.iter().position(|byte| *byte == escape));
        let (keys, rest) = typed
            .split_at_checked(at.unwrap_or(typed.len()))
            .unwrap_or_default();
        if !keys.is_empty() {
            match self.manner.in_lines {
                true => self.client.say_text(keys)?,
                false => self.client.say_keys(keys)?,
            }
        }
        match rest.split_first() {
            Some((_, typed)) => self.ask(typed.to_vec()),
            None => Ok(None),
        }
    }

    /// Tells the host of another size.
    fn resize(&mut self) -> Result<()> {
        let mut bytes = [0; 64];
        let count = self.resized.read(&mut bytes);
        let is_resized = count.is_ok_and(|count| count > 0);
        if !is_resized || !self.tells_size {
            return Ok(());
        }
        match window_of(&self.keyboard) {
            Some(window) => self.client.resize(window),
            None => Ok(()),
        }
    }

    // --- behind the escape ---

    /// Asks what to do, and does it. What was typed behind the escape is the beginning of the answer.
    fn ask(&mut self, mut typed: Vec<u8>) -> Result<Option<End>> {
        // As the terminal was at first: in lines, and with echo.
        self.modes.edit(|_| {});
        self.show("\nproto telnet> ")?;
        let line = match self.line(&mut typed)? {
            Some(line) => line,
            None => return Ok(Some(End::ByUser)),
        };
        let line = String::from_utf8_lossy(&line).into_owned();
        let end = match parse(&line) {
            Ok(wish) => self.fulfil(wish)?,
            Err(why) => {
                self.show(&format!("{}\n", shown(&why)))?;
                None
            }
        };
        if end.is_none() {
            self.manner = manner(self.client, self.in_lines);
            self.adapt();
            return match typed.is_empty() {
                true => Ok(None),
                false => self.take(&typed),
            };
        }
        Ok(end)
    }

    /// The line that is typed, of which the beginning may be there; `typed` keeps what is behind it.
    /// `None` is the end of what is typed.
    fn line(&mut self, typed: &mut Vec<u8>) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = typed.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                let rest = typed.split_off(at + 1);
                return Ok(Some(std::mem::replace(typed, rest)));
            }
            if !wait_for(&self.keyboard, self.until())? {
                return Ok(None);
            }
            let mut keys = [0; 256];
            match self.read(&mut keys)? {
                0 => return Ok(None),
                count => typed.extend_from_slice(keys.get(..count).unwrap_or_default()),
            }
        }
    }

    fn fulfil(&mut self, wish: Wish) -> Result<Option<End>> {
        match wish {
            Wish::GoOn => {}
            Wish::Quit => return Ok(Some(End::ByUser)),
            Wish::Status => self.show(&self.status())?,
            Wish::Help => self.show(HELP)?,
            Wish::Send(command) => self.client.say_command(command)?,
            Wish::SendEscape => {
                if let Some(escape) = self.escape {
                    self.client.say_keys(&[escape])?;
                }
            }
            Wish::Lines(in_lines) => self.in_lines = in_lines,
        }
        Ok(None)
    }

    fn status(&self) -> String {
        let connection = self.client.connection();
        let tls = if connection.is_encrypted() {
            ", under TLS"
        } else {
            ""
        };
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for (is_ours, code) in self.client.nvt().negotiation().in_force() {
            match is_ours {
                true => ours.push(code.to_string()),
                false => theirs.push(code.to_string()),
            }
        }
        let list = |names: &[String]| match names {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        let lines = if self.manner.in_lines {
            "lines"
        } else {
            "every key"
        };
        let echo = if self.manner.echoes {
            "the terminal"
        } else {
            "the host"
        };
        let escape = self.escape.map_or("none".to_owned(), Escape::name);
        format!(
            "connected to {}{tls}\nwe send {lines}; {echo} echoes; the escape is {escape}\n\
             the host does: {}\nwe do: {}\n",
            connection.peer(),
            list(&theirs),
            list(&ours),
        )
    }

    /// When nobody waits for keys any more.
    fn until(&self) -> Instant {
        self.deadline
            .unwrap_or_else(|| Instant::now() + A_LONG_TIME)
    }

    fn show(&mut self, text: &str) -> Result<()> {
        self.screen
            .write_all(text.as_bytes())
            .map_err(|error| Error::io("writing to the terminal", error))
    }
}

/// How keys are taken with what is in force: a host that suppresses go-aheads takes every key
/// (RFC 858, and RFC 857 at its end), and one that echoes needs no help.
fn manner(client: &Client, in_lines: Option<bool>) -> Manner {
    let nvt = client.nvt();
    Manner {
        in_lines: in_lines.unwrap_or(!nvt.they_take_characters()),
        echoes: !nvt.they_echo(),
    }
}

/// The modes of a terminal for one manner. In lines, the escape ends a line like the return key, so
/// that it is seen at once.
fn adapt(modes: &mut Termios, manner: Manner, escape: Option<u8>) {
    if manner.in_lines {
        if let Some(escape) = escape {
            // A name of the system's own for a place in a table of its own.
            #[allow(clippy::indexing_slicing)]
            let code = &mut modes.special_codes[SpecialCodeIndex::VEOL];
            *code = escape;
        }
    } else {
        modes.make_raw();
    }
    modes.local_modes.set(LocalModes::ECHO, manner.echoes);
}

fn duplicate(stream: impl AsFd) -> Result<File> {
    let owned = stream.as_fd().try_clone_to_owned();
    owned.map(File::from).map_err(failed)
}

fn failed(error: io::Error) -> Error {
    Error::io("using the terminal", error)
}

/// What can be read from when the window has another size.
fn watch_window() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    pipe::register(SIGWINCH, writer)?;
    Ok(reader)
}

/// What can be read from when one of two can be.
fn either(one: impl AsFd, other: impl AsFd) -> io::Result<OwnedFd> {
    let either = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &either,
        one,
        epoll::EventData::new_u64(0),
        epoll::EventFlags::IN,
    )?;
    epoll::add(
        &either,
        other,
        epoll::EventData::new_u64(1),
        epoll::EventFlags::IN,
    )?;
    Ok(either)
}

/// Waits for keys; `false` when the time is over.
fn wait_for(keyboard: &File, until: Instant) -> Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut wanted = [PollFd::new(keyboard, PollFlags::IN)];
        match poll(&mut wanted, Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_characters() {
        for (text, byte) in [
            ("^]", Some(0x1d)),
            ("^a", Some(1)),
            ("^A", Some(1)),
            ("^?", Some(0x7f)),
            ("^@", Some(0)),
            ("~", Some(b'~')),
            ("none", None),
        ] {
            assert_eq!(Escape::parse(text), Ok(Escape(byte)), "{text}");
        }
        for wrong in ["", "ab", "^", "ü", "^{x"] {
            let _ = Escape::parse(wrong);
        }
        assert!(Escape::parse("").is_err() && Escape::parse("ab").is_err());
        assert_eq!(Escape::name(0x1d), "^]");
    }
}
