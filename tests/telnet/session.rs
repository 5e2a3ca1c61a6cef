//! Sessions at a terminal: keys, echo, the window, the escape, and the terminal as it was before.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{kill_process, Pid, Signal};
use rustix::termios::{tcgetattr, tcsetwinsize, LocalModes, OutputModes, Winsize};

use proto_mock::telnet::TelnetServer;
use proto_mock::Options;

use super::{shell, Shell};
use crate::harness::{command, Running};
use crate::terminal::{until, Terminal};

/// A session that has come to the host's first question.
struct Session {
    terminal: Terminal,
    shell: Shell,
    child: Running,
}

impl Session {
    fn with(shell: Shell, options: &[&str], question: &str) -> Session {
        let terminal = Terminal::new();
        let mut command = terminal.run(&[&["telnet", &shell.url()], options].concat());
        command.env("TERM", "canary").env("CANARY", "canary");
        command.stdout(terminal.end()).stderr(terminal.end());
        let child = Running(command.spawn().unwrap());
        terminal.shows(question);
        Session {
            terminal,
            shell,
            child,
        }
    }

    fn begin() -> Session {
        let session = Session::with(Shell::open(), &[], "$ ");
        session.becomes(false, false);
        session
    }

    fn local_modes(&self) -> LocalModes {
        tcgetattr(&self.terminal.inside).unwrap().local_modes
    }

    /// Waits until the terminal collects lines, or not, and echoes, or not.
    #[track_caller]
    fn becomes(&self, in_lines: bool, echoes: bool) {
        until(
            || {
                let modes = self.local_modes();
                modes.contains(LocalModes::ICANON) == in_lines
                    && modes.contains(LocalModes::ECHO) == echoes
            },
            || format!("{:?} {}", self.local_modes(), self.terminal.screen()),
        );
    }

    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        let child = &mut self.child.0;
        let screen = || self.terminal.screen();
        until(|| child.try_wait().unwrap().is_some(), screen);
        let status = child.wait().unwrap();
        let modes = tcgetattr(&self.terminal.inside).unwrap();
        let wanted = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        assert!(modes.local_modes.contains(wanted), "{modes:?}");
        assert!(modes.output_modes.contains(OutputModes::OPOST), "{modes:?}");
        status
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.0.id().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.terminal.inside, size).unwrap();
    }
}

#[test]
fn every_key_goes_to_the_host_which_echoes() {
    let mut session = Session::begin();
    session.terminal.types("echo hx\x7fello\r");
    session.terminal.shows("\r\nhello\r\n$ ");
    // The host's word, not ours.
    session.terminal.types("echo \x03");
    session.terminal.shows("^C\r\n$ ");
    session.terminal.types("exit\r");
    session.terminal.shows("Bye");
    session.terminal.shows("has hung up");
    assert!(session.ends().success());
    assert_eq!(session.shell.telnet.violations(), [""; 0]);
}

#[test]
fn a_password_is_not_shown() {
    let mut telnet = TelnetServer::default();
    telnet.users = vec![("fred".to_owned(), "canary-7Q".to_owned())];
    let shell = Shell::with(telnet, Options::default());
    let mut session = Session::with(shell, &[], "login: ");
    session.becomes(false, false);
    session.terminal.types("fred\r");
    session.terminal.shows("Password: ");
    session.terminal.types("canary-7Q\r");
    session.terminal.shows("Welcome, fred.");
    assert!(!session.terminal.screen().contains("canary"));
    session.terminal.types("\x04");
    assert!(session.ends().success());
}

#[test]
fn the_host_knows_the_window_and_no_more() {
    let mut session = Session::begin();
    session.terminal.types("size\r");
    session.terminal.shows("100 x 24\r\n");
    session.terminal.types("term\r");
    session.terminal.shows("xterm\r\n");
    session.terminal.types("env\r");
    session.terminal.shows("nothing\r\n");
    session.resize(81, 33);
    // The host hears of it before the next key is typed, or soon.
    until(
        || {
            session.terminal.types("size\r");
            std::thread::sleep(std::time::Duration::from_millis(50));
            session.terminal.screen().contains("81 x 33\r\n")
        },
        || "the host does not hear of it".to_owned(),
    );
    assert!(!session.terminal.screen().contains("canary"));
    session.terminal.types("exit\r");
    assert!(session.ends().success());
}

#[test]
fn the_escape_asks_what_to_do() {
    let mut session = Session::begin();
    session.terminal.types("\x1d");
    session.terminal.shows("proto telnet> ");
    session.becomes(true, true);
    session.terminal.types("status\n");
    session.terminal.shows("the host does: ECHO, SGA\r\n");
    session.terminal.shows("we do: TERMINAL-TYPE, NAWS\r\n");
    session.becomes(false, false);
    session.terminal.types("\x1dsend ayt\r");
    session.terminal.shows("[Yes]");
    session.terminal.types("\x1dsend break\recho done\r");
    session.terminal.shows("[Break]");
    session.terminal.shows("\r\ndone\r\n");
    session.terminal.types("\x1dnonsense \x1b[2J\n");
    session.terminal.shows("nothing that can be done here");
    session.terminal.types("\x1dhelp\n");
    session.terminal.shows("send ayt");
    session.terminal.types("\x1dmode line\n");
    session.becomes(true, false);
    session.terminal.types("echo line by line\n");
    session.terminal.shows("\r\nline by line\r\r\n");
    session.terminal.types("\x1dquit\n");
    assert!(session.ends().success());
    session.terminal.shows("Hung up.");
    assert_eq!(session.shell.heard().last().unwrap(), "echo line by line");
}

#[test]
fn another_escape_or_none() {
    let mut session = Session::with(Shell::open(), &["--escape", "~"], "$ ");
    session.terminal.shows("~ asks what to do");
    session.becomes(false, false);
    session.terminal.types("~q\r");
    assert!(session.ends().success());
    let mut session = Session::with(Shell::open(), &["--escape", "none"], "$ ");
    session.becomes(false, false);
    session.terminal.types("\x1dexit\r");
    session.terminal.shows("unknown command");
    session.terminal.types("exit\r");
    assert!(session.ends().success());
}

#[test]
fn a_host_that_negotiates_nothing_gets_lines() {
    let mut session = Session::with(Shell::flawed(&["silent"]), &[], "$ ");
    session.becomes(true, true);
    session.terminal.types("echo hello\n");
    // The terminal shows a CR before each LF, and another in front of it does no harm.
    session.terminal.shows("\r\nhello\r\r\n$ ");
    // The escape is seen in the middle of a line.
    session.terminal.types("\x1d");
    session.terminal.shows("proto telnet> ");
    session.terminal.types("\n");
    session.terminal.types("echo again\n");
    session.terminal.shows("\r\nagain\r\r\n$ ");
    assert_eq!(session.shell.telnet.violations(), [""; 0]);
    // The end of what is typed is the end.
    session.terminal.types("\x04");
    assert!(session.ends().success());
}

#[test]
fn no_signal_leaves_the_terminal_raw() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut session = Session::begin();
        session.signal(signal);
        let status = session.ends();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    }
}

#[test]
fn a_stop_gives_the_terminal_back_and_going_on_takes_it_again() {
    let mut session = Session::begin();
    session.signal(Signal::TSTP);
    session.becomes(true, true);
    session.signal(Signal::CONT);
    session.becomes(false, false);
    session.terminal.types("exit\r");
    assert!(session.ends().success());
}

#[test]
fn an_error_gives_the_terminal_back_too() {
    for (flaws, code) in [(&["looping"][..], 76), (&["flood"], 76)] {
        let mut telnet = shell(flaws, &[]);
        telnet.has_login = false;
        let terminal = Terminal::new();
        let shell = Shell::with(telnet, Options::default());
        let mut command = terminal.run(&["telnet", &shell.url()]);
        command.stdout(terminal.end()).stderr(terminal.end());
        let child = Running(command.spawn().unwrap());
        let mut session = Session {
            terminal,
            shell,
            child,
        };
        assert_eq!(session.ends().code(), Some(code), "{flaws:?}");
        session.terminal.shows("RFC 1143");
    }
    // A terminal that goes away ends the session.
    let Session {
        terminal,
        shell: _shell,
        mut child,
    } = Session::begin();
    drop(terminal);
    until(
        || {
            let _ = kill_process(
                Pid::from_raw(child.0.id().try_into().unwrap()).unwrap(),
                Signal::HUP,
            );
            child.0.try_wait().unwrap().is_some()
        },
        || "it does not end".to_owned(),
    );
}

/// What the host says drives the terminal in a session, and nowhere else.
#[test]
fn escapes_pass_in_a_session_only() {
    let mut telnet = TelnetServer::default();
    telnet.flaws = vec!["escapes".parse().unwrap()];
    let shell = Shell::with(telnet, Options::default());
    let mut session = Session::with(shell, &[], "login: ");
    assert!(session.terminal.screen().contains("\x1b[31m\x1b[2J\x05"));
    session.becomes(false, false);
    // What the terminal answers by itself goes to this host, and what nobody has read by the end
    // goes to nobody.
    session.terminal.types("answerback\x1dq\n");
    assert!(session.ends().success());
    let Session {
        terminal, shell, ..
    } = session;
    let outside = Terminal::new();
    let mut command = command(&["telnet", &shell.url(), "--quit-after-eof", "300ms"]);
    command.stdout(outside.end());
    assert!(command.status().unwrap().success());
    outside.shows("login: ");
    let screen = outside.screen();
    assert!(!screen.contains(['\x1b', '\x05', '\x07']), "{screen:?}");
    assert!(screen.contains("\\x1b[31m"), "{screen:?}");
    drop(terminal);
}
