//! `proto telnet`: from a pipe, by a script, and what is told of us. Sessions at a terminal are in
//! `session.rs`.

mod scripts;
mod session;

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use proto_mock::telnet::TelnetServer;
use proto_mock::{Options, Server};
use proto_transport::Security;
use serde_json::Value;

use crate::harness::{authority, command, folder, proto, tls, Run};

/// The mock Telnet server.
pub struct Shell {
    pub server: Server,
    pub telnet: Arc<TelnetServer>,
    scheme: &'static str,
}

impl Shell {
    /// A server that asks nobody who they are.
    pub fn open() -> Shell {
        Shell::with(shell(&[], &[]), Options::default())
    }

    /// The same with flaws.
    pub fn flawed(flaws: &[&str]) -> Shell {
        Shell::with(shell(flaws, &[]), Options::default())
    }

    /// Any server.
    pub fn with(telnet: TelnetServer, options: Options) -> Shell {
        let scheme = match options.security {
            Security::Tls => "telnets",
            _ => "telnet",
        };
        let telnet = Arc::new(telnet);
        let service = Arc::clone(&telnet) as Arc<dyn proto_mock::Service>;
        Shell {
            server: Server::start(options, service).unwrap(),
            telnet,
            scheme,
        }
    }

    /// The URL of the server.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.server.port())
    }

    /// The lines that were typed.
    pub fn heard(&self) -> Vec<String> {
        let commands = self.telnet.commands();
        commands.into_iter().map(|(_, line)| line).collect()
    }

    /// Says lines to it, each as its own piece of stdin would be, to the end.
    #[track_caller]
    pub fn pipe(&self, options: &[&str], stdin: &str) -> Run {
        let url = self.url();
        let run = piped(
            &[&["telnet", url.as_str()], options].concat(),
            stdin.as_bytes(),
        );
        assert_eq!(self.telnet.violations(), [""; 0]);
        run
    }
}

/// A server without a login.
pub fn shell(flaws: &[&str], rules: &[&str]) -> TelnetServer {
    let mut telnet = TelnetServer::default();
    telnet.has_login = false;
    telnet.flaws = flaws.iter().map(|flaw| flaw.parse().unwrap()).collect();
    telnet.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    telnet
}

/// Runs the binary with something on its stdin.
pub fn piped(arguments: &[&str], stdin: &[u8]) -> Run {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // Who writes much must not wait for who reads.
    let writer = std::thread::spawn(move || drop(input.write_all(&stdin)));
    let run = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    run
}

#[test]
fn stdin_is_said_and_what_comes_is_shown_until_the_host_hangs_up() {
    let shell = Shell::flawed(&["silent"]);
    let run = shell.pipe(&[], "echo one\necho two\r\nexit\n").exits(0);
    assert_eq!(run.text(), "$ one\r\n$ two\r\n$ Bye\r\n");
    assert_eq!(run.stderr, "");
    assert_eq!(shell.heard(), ["echo one", "echo two", "exit"]);
}

#[test]
fn a_port_may_stand_behind_the_host() {
    let shell = Shell::flawed(&["silent"]);
    let port = shell.server.port().to_string();
    let run = piped(&["telnet", "localhost", &port], b"exit\n").exits(0);
    assert_eq!(run.text(), "$ Bye\r\n");
    piped(&["telnet", "127.0.0.1:1", &port], b"exit\n").exits(0);
}

#[test]
fn a_host_that_goes_on_is_left_after_a_time() {
    let shell = Shell::open();
    let run = shell
        .pipe(&["--quit-after-eof", "300ms"], "echo one\n")
        .exits(0);
    assert!(run.text().ends_with("one\r\n$ "), "{}", run.text());
    // Without it, silence is what it is everywhere.
    let run = shell.pipe(&["--timeout", "300ms"], "echo one\n").exits(75);
    run.says("timed out").says("--quit-after-eof");
    let run = shell.pipe(&["--deadline", "300ms"], "echo one\n").exits(75);
    assert!(run.text().ends_with("one\r\n$ "), "{}", run.text());
}

#[test]
fn an_answer_that_takes_its_time_is_waited_for() {
    let shell = Shell::open();
    let run = shell.pipe(&[], "sleep 500ms\necho late\nexit\n").exits(0);
    assert!(run.text().contains("late\r\n$ "), "{}", run.text());
}

#[test]
fn much_goes_both_ways_at_once() {
    let shell = Shell::flawed(&["silent"]);
    let line = format!("echo {}\n", "x".repeat(1000));
    let mut stdin = line.repeat(5000);
    stdin += "exit\n";
    let run = shell.pipe(&[], &stdin).exits(0);
    assert_eq!(run.stdout.len(), 5000 * 1004 + "$ Bye\r\n".len());
    let run = shell.pipe(&[], "fill 100000\nexit\n").exits(0);
    assert_eq!(run.text().lines().count(), 100_001);
    let limited = shell.pipe(&["--max-size", "100k"], "fill 100000\nexit\n");
    assert!(limited.exits(65).stdout.len() <= 100 * 1024);
}

#[test]
fn bytes_travel_in_their_form_and_arrive_as_they_are() {
    let shell = Shell::flawed(&["silent"]);
    let run = shell.pipe(&[], "bytes\nexit\n").exits(0);
    assert_eq!(
        run.stdout,
        b"$ ff:\xff cr:\r utf8:\xc3\xbc end\r\n$ Bye\r\n"
    );
    let run = piped(
        &["telnet", &shell.url()],
        b"echo \xff\xfb\x01 \xc3\xbc\nexit\n",
    )
    .exits(0);
    assert_eq!(
        run.stdout,
        b"$ \xef\xbf\xbd\xef\xbf\xbd\x01 \xc3\xbc\r\n$ Bye\r\n"
    );
    assert_eq!(shell.telnet.violations(), [""; 0]);
}

#[test]
fn every_way_to_negotiate_leads_to_the_same_conversation() {
    for flaws in [
        &["chatty"][..],
        &["split-iac"],
        &["binary"],
        &["nuls"],
        &["chatty", "split-iac", "binary"],
        &["huge-sub"],
        &["unterminated-sub"],
        &["ask-environment"],
    ] {
        let shell = Shell::flawed(flaws);
        let run = shell.pipe(&[], "echo one\nexit\n").exits(0);
        let text = run.text().replace('\0', "");
        assert!(
            text.contains("one\r\n$ ") && text.ends_with("Bye\r\n"),
            "{flaws:?}: {text}"
        );
        assert_eq!(shell.heard(), ["echo one", "exit"], "{flaws:?}");
    }
}

#[test]
fn nothing_is_told_that_was_not_named() {
    let ask = |options: &[&str]| {
        let shell = Shell::flawed(&["ask-environment"]);
        let url = shell.url();
        let mut command = command(&["telnet", &url]);
        command
            .args(options)
            .env("CANARY", "7Q")
            .env("TERM", "canary-term");
        command
            .env("DISPLAY", "canary:0")
            .env("USER", "canary-user");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        // What was asked for first was answered when the first answer comes.
        std::thread::sleep(Duration::from_millis(200));
        let asked = b"env\nterm\nsize\nexit\n";
        stdin.unwrap().write_all(asked).unwrap();
        let run = Run::from(child.wait_with_output().unwrap()).exits(0);
        assert_eq!(shell.telnet.violations(), [""; 0]);
        run.text()
    };
    let text = ask(&[]);
    assert!(!text.to_lowercase().contains("canary"), "{text}");
    for told in ["\r\nnothing\r\n", "\r\ndumb\r\n", "\r\nunknown\r\n"] {
        assert!(text.contains(told), "{text}");
    }
    let text = ask(&[
        "--env", "CANARY", "--env", "LANG=xx", "-t", "vt220", "--window", "132x50",
    ]);
    for told in [
        "\r\nCANARY=7Q\r\nLANG=xx\r\n",
        "\r\nvt220\r\n",
        "\r\n132 x 50\r\n",
    ] {
        assert!(text.contains(told), "{text}");
    }
    let text = ask(&["--env", "TERM", "-u", "fred"]);
    assert!(text.contains("\r\ncanary-term\r\n"), "{text}");
    assert!(text.contains("\r\nUSER=fred\r\n"), "{text}");
}

#[test]
fn what_could_be_misread_is_not_told() {
    let shell = Shell::open();
    for (option, value, why) in [
        ("--env", "USER=-froot", "begins with -"),
        ("--env", "A=b\r\nc", "control character"),
        ("--env", "=x", "a name that is none"),
        ("--env", "NO_SUCH_VARIABLE", "has no such variable"),
        ("-t", "a b", "the type of a terminal"),
        ("-q", "--user=-froot", "begins with -"),
    ] {
        let run = shell.pipe(&[option, value], "exit\n").exits(64);
        run.says(why);
    }
    let mut command = command(&["telnet", &shell.url(), "--env", "TERM"]);
    command.env("TERM", "x\r\n");
    Run::from(command.output().unwrap()).exits(64);
    assert_eq!(shell.server.connections(), 0);
}

#[test]
fn what_makes_no_sense_is_told() {
    for (arguments, why) in [
        (
            &["telnet", "http://localhost"][..],
            "there are telnet and telnets",
        ),
        (&["telnet", "telnet://fred:pencil@localhost"], "--script"),
        (&["telnet", "localhost", "--json"], "--json is for"),
        (&["telnet", "localhost", "--window", "80"], "80x24"),
        (&["telnet", "localhost", "--escape", "ab"], "an escape is"),
        (&["telnet", "localhost", "x"], "invalid value"),
        (
            &["telnet", "localhost", "--script", "x", "--show-options"],
            "both want stdout",
        ),
    ] {
        proto(arguments).exits(64).says(why);
    }
    let run = proto(&["telnet", "127.0.0.1:1"]).exits(69);
    run.says("cannot connect");
}

#[test]
fn the_negotiation_is_a_timeline() {
    let shell = Shell::open();
    let options = [
        "--show-options",
        "--window",
        "80x24",
        "--quit-after-eof",
        "500ms",
    ];
    let run = shell.pipe(&options, "").exits(0);
    let rows: Vec<String> = run
        .text()
        .lines()
        .map(|line| line.get(10..).unwrap().to_owned())
        .collect();
    let negotiated = [
        "server  DO TERMINAL-TYPE",
        "client  WILL TERMINAL-TYPE",
        "server  DO NAWS",
        "client  WILL NAWS",
        "client  SB NAWS 80 x 24",
        "server  DO NEW-ENVIRON",
        "client  WONT NEW-ENVIRON",
        "server  WILL SGA",
        "client  DO SGA",
        "server  WILL ECHO",
        "client  DO ECHO",
        "server  2 bytes of data",
        "server  SB TERMINAL-TYPE SEND",
        "client  SB TERMINAL-TYPE IS \"dumb\"",
    ];
    assert_eq!(rows[..negotiated.len()], negotiated, "{}", run.text());
    let options = ["--show-options", "--json", "--quit-after-eof", "500ms"];
    let run = shell.pipe(&options, "").exits(0);
    let text = run.text();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows[0]["kind"], "negotiation");
    assert_eq!(
        (
            &rows[1]["from"],
            &rows[1]["verb"],
            &rows[1]["option"],
            &rows[1]["code"]
        ),
        (
            &"client".into(),
            &"WILL".into(),
            &"TERMINAL-TYPE".into(),
            &24.into()
        )
    );
    assert!(rows.iter().all(|row| row["time"].is_number()));
    let kinds = |kind: &str| rows.iter().filter(|row| row["kind"] == kind).count();
    assert!(kinds("data") > 0 && kinds("subnegotiation") == 2, "{text}");
}

#[test]
fn tls_is_there_from_the_first_byte() {
    let shell = Shell::with(shell(&[], &[]), tls());
    let trusted = ["--ca", &authority()];
    let run = shell.pipe(&trusted, "echo one\nexit\n").exits(0);
    assert!(run.text().contains("one\r\n"), "{}", run.text());
    let much = shell.pipe(&trusted, "fill 20000\nexit\n").exits(0);
    assert!(much.text().lines().count() > 20_000);
    shell.pipe(&[], "exit\n").exits(77);
}

#[test]
fn the_report_tells_what_was_in_force() {
    let (shell, folder) = (Shell::open(), folder());
    let report = folder.path().join("report");
    let run = shell.pipe(&["--report", report.to_str().unwrap()], "exit\n");
    run.exits(0);
    let record: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(record["command"], "telnet");
    assert_eq!(record["ok"], true);
    assert_eq!(record["stage"], "transfer");
    let items = record["items"].as_array().unwrap();
    let has = |side: &str, option: &str| {
        items
            .iter()
            .any(|item| item["side"] == side && item["option"] == option)
    };
    assert!(
        has("server", "ECHO") && has("client", "TERMINAL-TYPE"),
        "{record}"
    );
    assert!(record["bytes"]["received"].as_u64().unwrap() > 20);
}

#[test]
fn a_connection_is_tried_again() {
    let shell = Shell::with(shell(&[], &[]), Options::default());
    let port = shell.server.port();
    shell.server.stop();
    drop(shell);
    let target = format!("127.0.0.1:{port}");
    let run = proto(&["telnet", &target, "--retry", "1"]).exits(69);
    run.says("trying again");
}
