//! Conversations that are written down.

use std::fs;
use std::path::Path;

use proto_mock::telnet::TelnetServer;
use proto_mock::Options;

use super::Shell;
use crate::harness::{command, folder, Run};

const LOGIN: &str = "\
timeout 10s
expect login:\\s
send ${user}
expect Password:\\s
send ${password}
expect Welcome, (?<who>\\w+)
else incorrect
    fail the password is wrong
expect \\$\\s
send size
expect (?<columns>\\d+) x (?<rows>\\d+)
send exit
expect Bye
";

/// A server that lets one person in.
fn guarded() -> Shell {
    let mut telnet = TelnetServer::default();
    telnet.users = vec![("fred".to_owned(), "canary-7Q".to_owned())];
    Shell::with(telnet, Options::default())
}

/// Runs a script against a server.
fn run(shell: &Shell, folder: &Path, script: &str, password: &str, options: &[&str]) -> Run {
    fs::write(folder.join("script"), script).unwrap();
    let mut command = command(&["telnet", &shell.url(), "--script", "script"]);
    command.current_dir(folder).env("PROTO_PASSWORD", password);
    Run::from(command.args(options).output().unwrap())
}

#[test]
fn somebody_logs_in_and_the_size_of_the_window_is_seen() {
    let (shell, folder) = (guarded(), folder());
    let options = [
        "-u",
        "fred",
        "--window",
        "132x50",
        "--transcript",
        "record",
        "--trace",
    ];
    let done = run(&shell, folder.path(), LOGIN, "canary-7Q", &options).exits(0);
    assert_eq!(done.text(), "who=fred\ncolumns=132\trows=50\n");
    let record = fs::read_to_string(folder.path().join("record")).unwrap();
    for text in [&record, &done.stderr] {
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("C: (secret)\n"), "{text}");
    }
    let options = ["-u", "fred", "--window", "80x24", "--json"];
    let done = run(&shell, folder.path(), LOGIN, "canary-7Q", &options).exits(0);
    assert_eq!(
        done.text(),
        "{\"who\":\"fred\"}\n{\"columns\":\"80\",\"rows\":\"24\"}\n"
    );
    assert_eq!(shell.telnet.violations(), [""; 0]);
}

#[test]
fn a_script_that_fails_says_why() {
    let (shell, folder) = (guarded(), folder());
    let failed = run(&shell, folder.path(), LOGIN, "wrong", &["-u", "fred"]).exits(69);
    failed.says("the password is wrong");
    let late = "timeout 200ms\nexpect nonsense\n";
    let late = run(&shell, folder.path(), late, "", &[]).exits(75);
    late.says("nonsense").says("login:");
    let gone = "expect login:\nsend fred\nexpect Password:\nsend x\nexpect never\n";
    let closing = Shell::flawed(&["cut"]);
    run(&closing, folder.path(), gone, "", &[]).exits(75);
    let wrong = run(&shell, folder.path(), "expect (\n", "", &[]).exits(64);
    wrong.says("line 1");
    assert_eq!(run(&shell, folder.path(), LOGIN, "x", &[]).code, 64);
}

/// What a script says literally is recorded, unless it answers a question for a password.
#[test]
fn a_password_in_a_script_is_not_recorded() {
    let (shell, folder) = (guarded(), folder());
    let script = "expect login:\nsend fred\nexpect Password:\nsend canary-7Q\nexpect Welcome\n";
    let options = ["--transcript", "record"];
    run(&shell, folder.path(), script, "", &options).exits(0);
    let record = fs::read_to_string(folder.path().join("record")).unwrap();
    assert!(record.contains("C: fred\n"), "{record}");
    assert!(!record.contains("canary"), "{record}");
    let options = ["--transcript", "record", "--show-secrets"];
    run(&shell, folder.path(), script, "", &options).exits(0);
    let record = fs::read_to_string(folder.path().join("record")).unwrap();
    assert!(record.contains("canary"), "{record}");
}

#[test]
fn a_password_does_not_go_in_the_clear_to_another_machine() {
    let folder = folder();
    fs::write(folder.path().join("script"), LOGIN).unwrap();
    let far = ["telnet", "192.0.2.1", "--script", "script", "-u", "fred"];
    let mut command = command(&far);
    command
        .current_dir(folder.path())
        .env("PROTO_PASSWORD", "x");
    let run = Run::from(command.output().unwrap()).exits(76);
    run.says("in the clear").says("--plain");
}
