//! What somebody at a terminal sees: questions, bodies and progress, on a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};
use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
use rustix::termios::{tcgetattr, tcsetwinsize, LocalModes, Winsize};

use proto_mock::http::{Protection, Scheme, Site};
use proto_mock::{Options, Server};

use crate::harness::{command, folder, Run, Running, Web};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pseudo-terminal, and what was shown on it.
pub struct Terminal {
    keyboard: File,
    /// What programs have of it.
    pub inside: File,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// A terminal of 100 columns and 24 rows.
    pub fn new() -> Terminal {
        let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&outside).unwrap();
        unlockpt(&outside).unwrap();
        let name = ptsname(&outside, Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let inside = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&inside, size).unwrap();
        let keyboard = File::from(outside);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Terminal {
            keyboard,
            inside: inside.into(),
            screen,
        }
    }

    /// What a program has as stdin, stdout or stderr.
    pub fn end(&self) -> Stdio {
        self.inside.try_clone().unwrap().into()
    }

    /// A command whose terminal this is; its stdout and stderr are pipes unless told otherwise.
    fn command(&self, plain: &Command) -> Command {
        let mut command = Command::new("setsid");
        command.args(["-c", "-w"]).arg(plain.get_program());
        command.args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("TERM", "xterm").stdin(self.end());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The binary, with its stdin at this terminal.
    pub fn run(&self, arguments: &[&str]) -> Command {
        self.command(&command(arguments))
    }

    /// All that was shown.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits until this is shown.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        until(|| self.screen().contains(text), || self.screen());
    }

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.inside).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    /// Types.
    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }
}

/// Waits until something happens.
#[track_caller]
pub fn until(mut happens: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let started = Instant::now();
    while !happens() {
        assert!(started.elapsed() < PATIENCE, "{}", otherwise());
        thread::sleep(Duration::from_millis(5));
    }
}

/// A server that wants to know who asks, by Basic.
fn protected() -> Server {
    let mut site = Site::default();
    site.protect = Some(Protection {
        scheme: Scheme::Basic,
        user: "fred".to_owned(),
        password: "canary-7Q".to_owned(),
    });
    Server::start(Options::default(), Arc::new(site)).unwrap()
}

/// A run that has come to its question.
struct Asked {
    terminal: Terminal,
    server: Server,
    child: Running,
    _folder: tempfile::TempDir,
}

fn asked() -> Asked {
    asked_with(|command| command)
}

fn asked_with(prepare: impl Fn(Command) -> Command) -> Asked {
    let (terminal, server, folder) = (Terminal::new(), protected(), folder());
    let url = format!("http://localhost:{}/mock/bytes/5", server.port());
    let plain = prepare(command(&["http-get", "-u", "fred", &url]));
    let mut command = terminal.command(&plain);
    assert!(terminal.echoes());
    let child = Running(command.current_dir(folder.path()).spawn().unwrap());
    terminal.shows(&format!(
        "Password of fred at localhost:{}: ",
        server.port()
    ));
    assert!(!terminal.echoes());
    Asked {
        terminal,
        server,
        child,
        _folder: folder,
    }
}

impl Asked {
    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.0.id().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    fn state(&self) -> char {
        let stat = format!("/proc/{}/stat", self.child.0.id());
        let stat = std::fs::read_to_string(stat).unwrap();
        let state = stat.rsplit(')').next().unwrap();
        state.trim_start().chars().next().unwrap()
    }

    fn ends(&mut self) -> ExitStatus {
        let child = &mut self.child.0;
        until(
            || child.try_wait().unwrap().is_some(),
            || "it does not end".into(),
        );
        child.wait().unwrap()
    }
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let mut asked = asked();
    asked.terminal.types("canary-7Q\n");
    assert!(asked.ends().success());
    assert!(asked.terminal.echoes());
    assert!(!asked.terminal.screen().contains("canary"));
}

#[test]
fn no_signal_leaves_the_terminal_silent() {
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::QUIT,
        Signal::ALARM,
        Signal::HUP,
    ] {
        let mut asked = asked();
        asked.signal(signal);
        let status = asked.ends();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        assert!(asked.terminal.echoes(), "{signal:?}");
    }
}

#[test]
fn a_stop_gives_the_terminal_back_and_going_on_takes_it_again() {
    let mut asked = asked();
    asked.signal(Signal::TSTP);
    until(|| asked.state() == 'T', || "it does not stop".into());
    assert!(asked.terminal.echoes());
    asked.signal(Signal::CONT);
    until(|| !asked.terminal.echoes(), || "it echoes".into());
    asked.terminal.types("canary-7Q\n");
    assert!(asked.ends().success());
    assert!(asked.terminal.echoes());
    assert!(!asked.terminal.screen().contains("canary"));
}

#[test]
fn what_nohup_ignores_stays_ignored() {
    let mut asked = asked_with(|plain| {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
        command.arg(plain.get_program()).args(plain.get_args());
        command
    });
    asked.signal(Signal::HUP);
    thread::sleep(Duration::from_millis(100));
    assert!(!asked.terminal.echoes());
    asked.terminal.types("canary-7Q\n");
    assert!(asked.ends().success());
}

#[test]
fn the_end_of_input_is_no_password() {
    let mut asked = asked();
    asked.terminal.types("\x04");
    assert_eq!(asked.ends().code(), Some(64));
    assert!(asked.terminal.echoes());
    // Nothing was tried with an empty one: there was only the connection that asked, if any.
    assert!(asked.server.connections() <= 1);
}

#[test]
fn a_password_is_asked_for_once_for_each_user_and_service() {
    let mut terminal = Terminal::new();
    let (server, folder) = (protected(), folder());
    let port = server.port();
    let url =
        |user: &str, host: &str, size: u8| format!("http://{user}{host}:{port}/mock/bytes/{size}");
    let urls = [
        url("", "localhost", 1),
        url("", "localhost", 2),
        url("", "localhost", 3),
        url("", "127.0.0.1", 4),
    ];
    let mut command = terminal.run(&["http-get", "-u", "fred", "--output-dir", "out", "-j", "4"]);
    command.args(&urls).current_dir(folder.path());
    let mut child = Running(command.spawn().unwrap());
    for number in 1..=2 {
        let questions = || terminal.screen().matches("Password of ").count();
        until(|| questions() == number, || terminal.screen());
        until(|| !terminal.echoes(), || "it echoes".into());
        terminal.types("canary-7Q\n");
    }
    until(
        || child.0.try_wait().unwrap().is_some(),
        || terminal.screen(),
    );
    assert!(child.0.wait().unwrap().success());
    let screen = terminal.screen();
    for host in ["localhost", "127.0.0.1"] {
        let question = format!("Password of fred at {host}:{port}: ");
        assert_eq!(screen.matches(&question).count(), 1, "{screen}");
    }
}

#[test]
fn a_body_cannot_drive_the_terminal_unless_that_is_asked_for() {
    let web = Web::serve(&[("evil", b"a\x1b[2J\x07b\n")]);
    for (options, raw) in [(&[][..], false), (&["-o", "-"], true)] {
        let terminal = Terminal::new();
        let url = web.url("/evil");
        let mut command = terminal.run(&["http-get", &url]);
        command.args(options).stdout(terminal.end());
        let run = Run::from(command.output().unwrap()).exits(0);
        assert_eq!(run.stderr, "");
        terminal.shows("b\r\n");
        let screen = terminal.screen();
        assert_eq!(screen.contains("\x1b[2J\x07"), raw, "{screen:?}");
        assert_eq!(screen.contains('\x1b'), raw, "{screen:?}");
    }
}

#[test]
fn a_slow_download_shows_how_far_it_is() {
    let web = Web::serve(&[]);
    let (terminal, folder) = (Terminal::new(), folder());
    let urls = [30_000, 60_000].map(|size| web.url(&format!("/mock/slow/mock/bytes/{size}")));
    let mut command = terminal.run(&["http-get", "--output-dir", "out", "-j", "2"]);
    command.args(&urls).stderr(terminal.end());
    let status = command.current_dir(folder.path()).status().unwrap();
    assert!(status.success(), "{}", terminal.screen());
    terminal.shows("60000 ");
    terminal.shows("1 of 2 done");
}

#[test]
fn what_is_no_terminal_gets_neither_progress_nor_colours() {
    let web = Web::serve(&[]);
    let (terminal, folder) = (Terminal::new(), folder());
    let url = web.url("/mock/slow/mock/bytes/40000");
    for options in [&[][..], &["--trace"]] {
        let mut command = terminal.run(&["http-get", "-o", "file", "--force", &url]);
        command.args(options).current_dir(folder.path());
        let run = Run::from(command.output().unwrap()).exits(0);
        assert!(!run.stderr.contains(['\x1b', '\r']), "{:?}", run.stderr);
        assert_eq!(run.stderr.is_empty(), options.is_empty(), "{}", run.stderr);
        assert_eq!(terminal.screen(), "");
    }
}

#[test]
fn what_a_peer_says_does_not_drive_the_terminal() {
    let service = |peer: &mut proto_mock::Peer, _: usize| {
        peer.write_all(b"hello \x1b]0;owned\x07\xc2\x9b2J\r\nsecond \xe2\x80\xae\r")?;
        peer.flush()?;
        // What is typed comes as a line.
        let line = peer.read_line()?.unwrap_or_default();
        peer.write_line([b"\nyou said ", line.as_slice()].concat())
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    let mut terminal = Terminal::new();
    let port = server.port().to_string();
    let mut command = terminal.run(&["tcp", "localhost", &port]);
    command.stdout(terminal.end()).stderr(terminal.end());
    let mut child = Running(command.spawn().unwrap());
    terminal.shows("second");
    terminal.types("hi there\n");
    terminal.shows("you said hi there");
    terminal.shows("the peer has closed the connection");
    assert!(child.0.wait().unwrap().success());
    let screen = terminal.screen();
    assert!(screen.contains("hello \\x1b]0;owned\\x07"), "{screen:?}");
    assert!(
        !screen.contains(['\x1b', '\x07', '\u{9b}', '\u{202e}']),
        "{screen:?}"
    );
}

#[test]
fn the_sides_of_a_conversation_have_colours() {
    let terminal = Terminal::new();
    let mut demo = terminal.run(&["demo"]);
    let output = demo.stderr(terminal.end()).output().unwrap();
    Run::from(output).exits(0);
    for (colour, line) in [(36, "C: RETR 1"), (32, "S: 550 5.1.1 No such person")] {
        terminal.shows(&format!("\x1b[{colour}m{line}\x1b[0m"));
    }
}
