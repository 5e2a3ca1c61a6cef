//! `telnet` against GNU inetutils' telnetd, which negotiates everything that it knows.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;

use rustix::termios::{tcgetattr, tcsetwinsize, LocalModes, Winsize};
use serde_json::Value;

use super::{program, wait_for};
use crate::harness::{command, folder, proto_in, Run, Running};
use crate::telnet::{piped, Shell};
use crate::terminal::{until, Terminal};

/// A telnetd that is started for each connection, as by inetd, with a small shell for its login.
struct Telnetd {
    port: u16,
    _folder: tempfile::TempDir,
}

/// Stands in for login(1): any user, one password, and commands that show what the terminal is.
const LOGIN: &str = r#"#!/bin/bash
PATH=/usr/bin:/bin
trap 'exit 0' HUP TERM
printf 'lab login: '
read -r user || exit
stty -echo
printf 'Password: '
read -r password || exit
stty echo
printf '\n'
[[ $password == canary-7Q ]] || { printf 'Login incorrect\n'; sleep 0.2; exit 1; }
printf 'Welcome, %s.\n' "$user"
while printf '$ ' && read -r line rest; do
    case $line in
    size)  stty size ;;
    term)  printf '%s\n' "$TERM" ;;
    bytes) printf 'ff:\xff cr:\r. utf8:\xc3\xbc end\n' ;;
    fill)  seq -f 'line %06g of a long output, to see whether all of it arrives' "$rest" ;;
    raw)   stty raw -echo; printf 'type a key\r\n'; key=$(head -c 1 | od -An -tx1); stty sane; printf 'got%s\n' "$key" ;;
    echo)  printf '%s\n' "$rest" ;;
    exit)  printf 'Bye\n'; exit 0 ;;
    esac
done
"#;

impl Telnetd {
    fn start() -> Option<Telnetd> {
        let program = program("telnetd", "inetutils-telnetd")?;
        let folder = folder();
        let login = folder.path().join("login");
        fs::write(&login, LOGIN).unwrap();
        fs::set_permissions(&login, fs::Permissions::from_mode(0o755)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["-h", "-E"]).arg(login).stderr(Stdio::null());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let other = stream.try_clone().unwrap();
                command
                    .stdin(Stdio::from(OwnedFd::from(stream)))
                    .stdout(Stdio::from(OwnedFd::from(other)));
                let child = command.spawn();
                // The connection is over when nobody has it any more.
                command.stdin(Stdio::null()).stdout(Stdio::null());
                thread::spawn(move || child.map(|mut child| child.wait()));
            }
        });
        Some(Telnetd {
            port,
            _folder: folder,
        })
    }

    fn url(&self) -> String {
        format!("telnet://127.0.0.1:{}", self.port)
    }
}

const SCRIPT: &str = r"
timeout 20s
expect login:\s
send ${user}
expect Password:\s
send ${password}
expect Welcome, (?<who>\w+)
expect \$\s
send size
expect (?<rows>\d+) (?<columns>\d+)
expect \$\s
send term
expect \n(?<term>\w+)\r
expect \$\s
send bytes
expect (?-u:ff:\xff cr:\r+\.) utf8:(?<utf8>.) end
expect \$\s
send raw
expect type a key
send x\c
expect got (?<key>\w+)
expect \$\s
send fill 20000
expect line (?<last>020000)
";

#[test]
fn a_script_logs_in_and_sees_what_the_host_sees() {
    let Some(server) = Telnetd::start() else {
        return;
    };
    let folder = folder();
    fs::write(folder.path().join("script"), SCRIPT).unwrap();
    let mut command = command(&["telnet", &server.url(), "--script", "script", "--json"]);
    command.args(["-u", "fred", "--window", "132x50", "-t", "vt220"]);
    command.args(["--env", "PRINTER=seen", "--transcript", "record"]);
    command.env("PROTO_PASSWORD", "canary-7Q");
    let run = Run::from(command.current_dir(folder.path()).output().unwrap()).exits(0);
    let mut told = serde_json::Map::new();
    for line in run.text().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        told.extend(row.as_object().unwrap().clone());
    }
    for (name, value) in [
        ("who", "fred"),
        ("columns", "132"),
        ("rows", "50"),
        ("term", "vt220"),
        ("utf8", "ü"),
        ("key", "78"),
        ("last", "020000"),
    ] {
        assert_eq!(told[name], value, "{told:?}");
    }
    let record = fs::read_to_string(folder.path().join("record")).unwrap();
    assert!(!record.contains("canary"), "{record}");
    // It asks for variables, and gives none of them to the login.
    assert!(
        record.contains(r"\x00\x00USER\x01fred\x00PRINTER\x01seen"),
        "{record}"
    );
}

#[test]
fn a_pipe_and_what_is_negotiated() {
    let Some(server) = Telnetd::start() else {
        return;
    };
    // Not to its end: when the shell ends, telnetd forgets what it has not sent yet.
    let lines = b"fred\ncanary-7Q\nfill 5000\necho done\n";
    let url = server.url();
    let run = piped(&["telnet", &url, "--quit-after-eof", "5s"], lines).exits(0);
    let text = run.text();
    assert_eq!(text.matches(" of a long output").count(), 5000);
    assert!(text.ends_with("done\r\n$ "), "{text}");
    let run = piped(
        &["telnet", &url, "--show-options", "--quit-after-eof", "1s"],
        b"",
    );
    let text = run.exits(0).text();
    for row in [
        "server  DO LINEMODE",
        "client  WONT LINEMODE",
        "client  SB TERMINAL-TYPE IS \"dumb\"",
        "client  DONT AUTHENTICATION",
        "client  WONT NEW-ENVIRON",
        "client  DO ECHO",
    ] {
        assert!(text.contains(row), "{text}");
    }
    // The wrong password is answered as it is here, too.
    let folder = folder();
    let script = "expect login:\nsend fred\nexpect Password:\nsend x\nexpect Welcome\n\
                  else incorrect\n    fail not let in\n";
    fs::write(folder.path().join("script"), script).unwrap();
    let run = proto_in(folder.path(), &["telnet", &url, "--script", "script"]);
    run.exits(69).says("not let in");
}

#[test]
fn a_session_at_a_terminal() {
    let Some(server) = Telnetd::start() else {
        return;
    };
    let mut terminal = Terminal::new();
    let mut command = terminal.run(&["telnet", &server.url()]);
    command.stdout(terminal.end()).stderr(terminal.end());
    let mut child = Running(command.spawn().unwrap());
    terminal.shows("lab login: ");
    let is_raw = |terminal: &Terminal| {
        let modes = tcgetattr(&terminal.inside).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    };
    until(|| is_raw(&terminal), || terminal.screen());
    terminal.types("fredx\x7f\r");
    terminal.shows("Password: ");
    terminal.types("canary-7Q\r");
    terminal.shows("Welcome, fred.");
    assert!(!terminal.screen().contains("canary"));
    terminal.types("size\r");
    terminal.shows("24 100\r\n");
    let size = Winsize {
        ws_row: 41,
        ws_col: 97,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal.inside, size).unwrap();
    for _ in 0..100 {
        terminal.types("size\r");
        thread::sleep(std::time::Duration::from_millis(50));
        if terminal.screen().contains("41 97\r\n") {
            break;
        }
    }
    terminal.shows("41 97\r\n");
    terminal.types("raw\r");
    terminal.shows("type a key\r\n");
    terminal.types("\r");
    terminal.shows("got 0d");
    terminal.types("\x1d");
    terminal.shows("proto telnet> ");
    terminal.types("send ayt\n");
    terminal.shows("Yes");
    terminal.types("exit\r");
    until(
        || child.0.try_wait().unwrap().is_some(),
        || terminal.screen(),
    );
    assert!(child.0.wait().unwrap().success());
    until(|| terminal.echoes(), || "it stays silent".to_owned());
}

/// Somebody else's client, and a server of ours that is strict.
#[test]
fn curl_talks_to_the_mock_server() {
    let Some(curl) = program("curl", "curl") else {
        return;
    };
    let shell = Shell::open();
    let mut command = Command::new(curl);
    command
        .args(["-s", "--max-time", "60", &shell.url()])
        .stdout(Stdio::piped());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"echo hello\r\n").unwrap();
    wait_for("the line", || (!shell.heard().is_empty()).then_some(()));
    stdin.write_all(b"exit\r\n").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\r\nhello\r\n$ "), "{text}");
    assert_eq!(shell.heard(), ["echo hello", "exit"]);
    assert_eq!(shell.telnet.violations(), [""; 0]);
}
