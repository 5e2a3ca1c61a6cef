//! The server's side of a recorded conversation, and whether the client kept to its own.
//!
//! The [session form](proto_transport::session) says what happens. Beyond it, for a server whose
//! port is known only when it runs, `(port)` in a server's line stands for the port that was connected to, and
//! `(port,port)` for the same as two bytes, as FTP's 227 reply writes it (RFC 959 section 4.1.2).
//! A client that begins its commands with tags of its own choice (RFC 9051 section 2.2.1) hears them
//! again instead of those of the session.

mod outcome;
mod tags;

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto_transport::escape::escaped;
use proto_transport::excerpt;
use proto_transport::session::{matches, Session, Side, Step};

pub use self::outcome::Outcome;
use self::tags::Tags;
use crate::peer::Peer;
use crate::server::Service;
use crate::stop::locked;

/// Plays the server's side of a session. Connections get their scripts in the order in which they
/// are accepted; one for which there is no script is closed at once.
pub struct Replay {
    scripts: Vec<Vec<(usize, Step)>>,
    folder: PathBuf,
    progress: Mutex<Progress>,
    changed: Condvar,
    /// How long the client may take for each step before that counts as a difference.
    pub silence: Duration,
}

#[derive(Default)]
struct Progress {
    begun: usize,
    running: usize,
    problem: Option<Outcome>,
}

/// How long a client may take for a step: long for a program, bearable when a test fails.
const SILENCE: Duration = Duration::from_secs(5);

/// How long the client may take to close once the session is over. One that keeps its connection
/// for later is not at fault.
const FAREWELL: Duration = Duration::from_millis(500);

/// How long a connection that was made may take to show up: on a machine that is busy, a while.
const ARRIVAL: Duration = Duration::from_secs(3);

impl Replay {
    /// Plays `session`; the files that it names are looked up in `folder` and its parents.
    pub fn new(session: Session, folder: PathBuf) -> Replay {
        Replay {
            scripts: session.connections(),
            folder,
            progress: Mutex::default(),
            changed: Condvar::new(),
            silence: SILENCE,
        }
    }

    /// How it went: waits for the conversations under way to end, and a moment for those to come.
    pub fn outcome(&self) -> Outcome {
        let started = Instant::now();
        let mut progress = locked(&self.progress);
        loop {
            let limit = match (progress.running, &progress.problem) {
                (1.., _) => self.silence + FAREWELL + ARRIVAL,
                (0, None) if self.missing(&progress) > 0 => ARRIVAL,
                (0, _) => return self.judged(&progress),
            };
            let Some(left) = limit.checked_sub(started.elapsed()) else {
                return self.judged(&progress);
            };
            let woken = self.changed.wait_timeout(progress, left);
            progress = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How it went, without waiting for what is under way or to come.
    pub fn outcome_so_far(&self) -> Outcome {
        self.judged(&locked(&self.progress))
    }

    /// Whether the outcome is final: nothing is under way, and either every connection was made or
    /// the client has not kept to the session.
    pub fn is_over(&self) -> bool {
        let progress = locked(&self.progress);
        let complete = progress.problem.is_some() || self.missing(&progress) == 0;
        progress.running == 0 && complete
    }

    fn judged(&self, progress: &Progress) -> Outcome {
        match (&progress.problem, progress.running, self.missing(progress)) {
            (Some(problem), _, _) => problem.clone(),
            (None, 1.., _) => Outcome::Unfinished,
            (None, 0, 0) => Outcome::AsWritten,
            (None, 0, missing) => Outcome::Unused(missing),
        }
    }

    /// How many connections of the session were not made yet.
    fn missing(&self, progress: &Progress) -> usize {
        self.scripts.len().saturating_sub(progress.begun)
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut locked(&self.progress));
        self.changed.notify_all();
    }

    /// The bytes of a file, with its lines made ready for a protocol that ends text with a dot if
    /// that is how the text ends.
    fn file(&self, path: &str, dotted: bool) -> io::Result<Vec<u8>> {
        let mut folders = self.folder.ancestors();
        let path = folders
            .find_map(|folder| Some(folder.join(path)).filter(|path| path.is_file()))
            .ok_or_else(|| {
                io::Error::other(format!("there is no file {}", escaped(path.as_bytes())))
            })?;
        let bytes = fs::read(path)?;
        Ok(if dotted { stuffed(&bytes) } else { bytes })
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("scripts", &self.scripts)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Service for Replay {
    fn serve(&self, peer: &mut Peer, connection: usize) -> io::Result<()> {
        let Some(script) = self.scripts.get(connection.saturating_sub(1)) else {
            self.update(|progress| {
                progress.problem.get_or_insert(Outcome::MoreConnections);
            });
            return Ok(());
        };
        self.update(|progress| {
            progress.begun += 1;
            progress.running += 1;
        });
        let mut player = Player {
            replay: self,
            peer,
            connection,
            tags: Tags::default(),
        };
        let result = player.play(script);
        self.update(|progress| {
            progress.running -= 1;
            if let Err(problem) = result {
                progress.problem.get_or_insert(problem);
            }
        });
        Ok(())
    }
}

/// The bytes of `text` as they stand before a final dot: lines end in CRLF, also the last, and a
/// dot at the start of a line is doubled (RFC 5321 section 4.5.2).
fn stuffed(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b".") {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// One connection's script on its way.
struct Player<'a> {
    replay: &'a Replay,
    peer: &'a mut Peer,
    connection: usize,
    tags: Tags,
}

impl Player<'_> {
    fn play(&mut self, script: &[(usize, Step)]) -> Result<(), Outcome> {
        for (index, (line, step)) in script.iter().enumerate() {
            let rest = script.get(index + 1..).unwrap_or_default();
            match step {
                Step::Line(Side::Client, expected) => self.hear_line(*line, expected, rest)?,
                Step::Bytes(Side::Client, expected) => self.hear_bytes(*line, expected)?,
                Step::File(Side::Client, path) => {
                    let expected = self.file(*line, Side::Client, path, rest)?;
                    self.hear_bytes(*line, &expected)?;
                }
                // That the client does not hear us out is no difference; what it then fails to say is.
                Step::Line(Side::Server, text) => drop(self.peer.write_line(self.filled_in(text))),
                Step::Bytes(Side::Server, bytes) => drop(self.peer.write_all(bytes)),
                Step::File(Side::Server, path) => {
                    let bytes = self.file(*line, Side::Server, path, rest)?;
                    drop(self.peer.write_all(&bytes));
                }
                Step::Tls if index == 0 && self.peer.is_encrypted() => {}
                Step::Tls => self.start_tls(*line, rest)?,
                Step::Wait(time) => drop(self.peer.wait(*time)),
                Step::Closed => drop(self.peer.end_writing()),
                Step::Reset => {
                    let _ = self.peer.flush();
                    self.peer.reset();
                    return Ok(());
                }
                Step::Connection(_) => {}
            }
        }
        self.hear_nothing_more()
    }

    fn file(
        &self,
        line: usize,
        side: Side,
        path: &str,
        rest: &[(usize, Step)],
    ) -> Result<Vec<u8>, Outcome> {
        let next = rest.iter().map(|(_, step)| step);
        let next = next.skip_while(|step| matches!(step, Step::File(other, _) if *other == side));
        let dotted = next
            .take(1)
            .any(|step| *step == Step::Line(side, ".".to_owned()));
        self.replay
            .file(path, dotted)
            .map_err(|error| failed(line, &error))
    }

    fn filled_in(&self, text: &str) -> String {
        let text = &self.tags.of_the_client(text);
        let Some(address) = self.peer.local_address().filter(|_| text.contains("(port")) else {
            return text.clone();
        };
        let port = address.port();
        let [high, low] = port.to_be_bytes();
        text.replace("(port,port)", &format!("{high},{low}"))
            .replace("(port)", &port.to_string())
    }

    fn hear_line(
        &mut self,
        line: usize,
        expected: &str,
        rest: &[(usize, Step)],
    ) -> Result<(), Outcome> {
        let shown = || excerpt(expected.as_bytes());
        self.allow(self.replay.silence);
        let came = match self.peer.read_raw_line() {
            Ok(Some(came)) => came,
            result => return Err(silent(line, shown(), result.err())),
        };
        let text = came.strip_suffix(b"\r\n");
        let is_expected = text.is_some_and(|text| {
            let text = String::from_utf8_lossy(text);
            matches(expected, &text) || self.tags.learn(expected, &text, rest)
        });
        if is_expected {
            return Ok(());
        }
        Err(Outcome::Different {
            line,
            expected: shown(),
            // The line end is shown where it is what is wrong.
            came: excerpt(text.unwrap_or(&came)),
        })
    }

    fn hear_bytes(&mut self, line: usize, expected: &[u8]) -> Result<(), Outcome> {
        self.allow(self.replay.silence);
        let mut missing = expected;
        let mut buffer = [0; 8192];
        while !missing.is_empty() {
            let room = buffer
                .get_mut(..missing.len().min(8192))
                .unwrap_or_default();
            let came = match self.peer.read_some(room) {
                Ok(count @ 1..) => room.get(..count).unwrap_or_default(),
                result => return Err(silent(line, excerpt(missing), result.err())),
            };
            let same = came.iter().zip(missing).take_while(|(a, b)| a == b).count();
            missing = missing.get(same..).unwrap_or_default();
            if same < came.len() {
                return Err(Outcome::Different {
                    line,
                    expected: excerpt(missing),
                    came: excerpt(came.get(same..).unwrap_or_default()),
                });
            }
        }
        Ok(())
    }

    fn start_tls(&mut self, line: usize, rest: &[(usize, Step)]) -> Result<(), Outcome> {
        let early = self.peer.unread();
        if !early.is_empty() {
            return Err(Outcome::Different {
                line,
                expected: Step::Tls.to_string(),
                came: excerpt(early),
            });
        }
        self.allow(self.replay.silence);
        match self.peer.start_tls() {
            // A client that should not go on, for example because of what came before TLS.
            Err(_) if !rest.iter().any(|(_, step)| is_said_by_client(step)) => Ok(()),
            Err(error) => Err(failed(line, &error)),
            Ok(()) => Ok(()),
        }
    }

    fn hear_nothing_more(&mut self) -> Result<(), Outcome> {
        self.allow(FAREWELL);
        let mut buffer = [0; 1024];
        match self.peer.read_some(&mut buffer) {
            Ok(count @ 1..) => Err(Outcome::More {
                connection: self.connection,
                came: excerpt(buffer.get(..count).unwrap_or_default()),
            }),
            _ => Ok(()),
        }
    }

    /// Sends what is queued, so that a run of the server's steps is one write, and gives the client
    /// so long to answer.
    fn allow(&mut self, time: Duration) {
        self.peer.set_deadline(None);
        let _ = self.peer.flush();
        self.peer.set_deadline(Some(Instant::now() + time));
    }
}

fn is_said_by_client(step: &Step) -> bool {
    matches!(
        step,
        Step::Line(Side::Client, _) | Step::Bytes(Side::Client, _) | Step::File(Side::Client, _)
    )
}

fn silent(line: usize, expected: String, error: Option<io::Error>) -> Outcome {
    match error {
        Some(error) if error.kind() == io::ErrorKind::TimedOut => Outcome::Different {
            line,
            expected,
            came: "(nothing)".to_owned(),
        },
        _ => Outcome::HungUp { line, expected },
    }
}

fn failed(line: usize, error: &io::Error) -> Outcome {
    Outcome::Failed {
        line,
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Options, Server};
    use proto_transport::Memory;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};
    use std::sync::Arc;

    fn replay(session: &str) -> Replay {
        Replay::new(Session::parse(session).unwrap(), PathBuf::from("."))
    }

    /// What the server says to a client that says all of `client` at once, and the outcome.
    fn play(session: &str, client: &str) -> (String, Outcome) {
        let replay = replay(session);
        let memory = Memory::new(client);
        let said = memory.said();
        replay.serve(&mut Peer::over(memory), 1).unwrap();
        (said.text(), replay.outcome())
    }

    const SESSION: &str =
        "S: +OK ready\nC: USER fred\nS: +OK\nC: PASS (secret)\nS: +OK\n= closed\n";

    #[test]
    fn a_client_that_keeps_to_the_session() {
        let (said, outcome) = play(SESSION, "USER fred\r\nPASS x\r\n");
        assert_eq!(said, "+OK ready\r\n+OK\r\n+OK\r\n");
        assert_eq!(outcome, Outcome::AsWritten);
    }

    #[test]
    fn a_client_has_tags_of_its_own() {
        let session = "S: * OK\nC: a1 NOOP\nC: a2 LOGOUT\nS: * BYE\nS: a2 OK out\nS: a1 OK\n";
        let (said, outcome) = play(session, "x NOOP\r\ny LOGOUT\r\n");
        assert_eq!(said, "* OK\r\n* BYE\r\ny OK out\r\nx OK\r\n");
        assert_eq!(outcome, Outcome::AsWritten);
        let (_, outcome) = play(session, "x NOOP\r\nx OTHER\r\n");
        assert!(matches!(outcome, Outcome::Different { line: 3, .. }));
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        let outcome = |client| play(SESSION, client).1.to_string();
        assert_eq!(
            outcome("USER \x1bx\r\n"),
            "line 2: expected \"USER fred\", but \"USER \\x1bx\" came"
        );
        assert_eq!(
            outcome("USER fred\nPASS x\r\n"),
            "line 2: expected \"USER fred\", but \"USER fred\\n\" came"
        );
        assert_eq!(
            outcome("USER fred\r\n"),
            "the client hung up before line 4: expected \"PASS (secret)\""
        );
        assert_eq!(
            outcome("USER fred\r\nPASS x\r\nSTAT\r\n"),
            "connection 1: after the session's end the client said \"STAT\\r\\n\""
        );
    }

    #[test]
    fn bytes_must_be_exact() {
        let session = "C| ab\\x00c\nS: ok\nC: end\n";
        assert_eq!(play(session, "ab\0cend\r\n").1, Outcome::AsWritten);
        assert_eq!(
            play(session, "ab\0dend\r\n").1,
            Outcome::Different {
                line: 1,
                expected: "c".to_owned(),
                came: "d".to_owned()
            }
        );
        assert!(matches!(
            play(session, "ab").1,
            Outcome::HungUp { line: 1, .. }
        ));
    }

    #[test]
    fn files_are_found_above_and_stuffed_before_a_dot() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::write(folder.path().join("text"), ".one\n..two\r\nthree").unwrap();
        let play = |session: &str, client: &str| {
            let replay = Replay::new(Session::parse(session).unwrap(), below.clone());
            let memory = Memory::new(client);
            let said = memory.said();
            replay.serve(&mut Peer::over(memory), 1).unwrap();
            (said.text(), replay.outcome())
        };
        let dotted = "..one\r\n...two\r\nthree\r\n.\r\n";
        assert_eq!(
            play("S< text\nS: .\n", ""),
            (dotted.into(), Outcome::AsWritten)
        );
        assert_eq!(play("S< text\n", "").0, ".one\n..two\r\nthree");
        assert_eq!(play("C< text\nC: .\n", dotted).1, Outcome::AsWritten);
        assert_eq!(
            play("C< text\n", ".one\n..two\r\nthree").1,
            Outcome::AsWritten
        );
        let (_, outcome) = play("S: hi\nS< none\n", "");
        assert_eq!(outcome.to_string(), "line 2: there is no file none");
    }

    fn start(session: &str) -> (Server, Arc<Replay>) {
        let replay = Arc::new(replay(session));
        let server = Server::start(Options::default(), replay.clone()).unwrap();
        (server, replay)
    }

    fn say(server: &Server, text: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(server.address())?;
        stream.write_all(text.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        Ok(heard)
    }

    #[test]
    fn every_connection_has_its_own_script() {
        let session = "S: one\nC: a\n= connection 2\nS: two (port) (port,port)\nC: b\n";
        let (server, replay) = start(session);
        assert_eq!(say(&server, "a\r\n").unwrap(), "one\r\n");
        assert_eq!(replay.outcome(), Outcome::Unused(1));
        let port = server.port();
        let expected = format!("two {port} {},{}\r\n", port / 256, port % 256);
        assert_eq!(say(&server, "b\r\n").unwrap(), expected);
        assert_eq!(replay.outcome(), Outcome::AsWritten);
        assert_eq!(say(&server, "").unwrap(), "");
        assert_eq!(replay.outcome(), Outcome::MoreConnections);
    }

    #[test]
    fn a_run_of_the_servers_steps_is_one_write() {
        let (server, replay) = start("C: STLS\nS: +OK\nS| injected\n= tls\n");
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"STLS\r\n").unwrap();
        let mut buffer = [0; 64];
        let count = stream.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"+OK\r\ninjected");
        drop(stream);
        assert_eq!(replay.outcome(), Outcome::AsWritten);
    }

    #[test]
    fn nothing_may_be_said_between_the_command_and_tls() {
        let session = "C: STLS\nS: +OK\n= tls\nC: NOOP\n";
        let (_, outcome) = play(session, "STLS\r\nNOOP\r\n");
        assert!(matches!(outcome, Outcome::Different { line: 3, .. }));
        let (_, outcome) = play(session, "STLS\r\n");
        assert!(matches!(outcome, Outcome::Failed { line: 3, .. }));
    }

    #[test]
    fn a_reset_is_a_reset() {
        let (server, replay) = start("C: a\n= reset\n");
        let error = say(&server, "a\r\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(replay.outcome(), Outcome::AsWritten);
    }

    #[test]
    fn a_client_that_says_nothing_is_not_waited_for_for_ever() {
        let mut replay = replay("C: a\n");
        replay.silence = Duration::from_millis(50);
        let replay = Arc::new(replay);
        let server = Server::start(Options::default(), replay.clone()).unwrap();
        let _stream = TcpStream::connect(server.address()).unwrap();
        let outcome = replay.outcome().to_string();
        assert_eq!(outcome, "line 1: expected \"a\", but \"(nothing)\" came");
    }
}
