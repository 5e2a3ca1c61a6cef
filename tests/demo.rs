//! `proto demo`: what the README promises first.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::harness::{command, folder, names, proto, Running};

#[test]
fn the_demonstration_needs_nothing_and_shows_the_conversations() {
    let run = proto(&["demo"]).exits(0);
    let text = run.text();
    let mut rest = text.as_str();
    for (command, result) in [
        ("http-get http://127.0.0.1:", "Hello from a mock server."),
        ("smtp-send smtp://127.0.0.1:", "refused-for-good"),
        ("imap-fetch imap://bob@127.0.0.1:", "stored "),
        ("pop3-fetch pop3://bob@127.0.0.1:", "stored "),
        ("mail-show inbox.mbox", "Hello from proto."),
        ("ftp-get ftp://127.0.0.1:", "Hello from a mock server."),
        ("nntp-overview nntp://127.0.0.1:", "Re: Article 1"),
        (
            "gopher-get gopher://127.0.0.1:",
            "Hello from a mock server.",
        ),
        ("telnet telnet://127.0.0.1:", "user=fred"),
    ] {
        let command = format!("\n$ proto {command}");
        let (_, after) = rest
            .split_once(&command)
            .unwrap_or_else(|| panic!("{command}: {text}"));
        let (_, after) = after
            .split_once(result)
            .unwrap_or_else(|| panic!("{result}: {text}"));
        rest = after;
    }
    run.says("C: GET /page.html HTTP/1.1")
        .says("S: HTTP/1.1 200 OK")
        .says("S: 550 5.1.1 No such person")
        .says("C: RETR 1")
        .says(" UID FETCH 1 (")
        .says("C: RETR pub/hello.txt")
        .says("C: OVER 1-3")
        .says("C: /mock/text")
        .says("S: Welcome, fred.")
        .says("C: NOOP");
}

#[test]
fn lines_are_explained_where_that_is_asked_for() {
    let run = proto(&["demo", "--explain"]).exits(0);
    assert!(run.text().contains("--explain\n"), "{}", run.text());
    for source in [
        "RFC 9110", "RFC 5321", "RFC 9051", "RFC 1939", "RFC 3977", "RFC 1436", "RFC 959",
    ] {
        assert!(run.stderr.contains(&format!("({source}")), "{source}");
    }
    let plain = proto(&["demo"]).exits(0);
    assert!(!plain.stderr.contains("(RFC "));
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = folder();
    // The shell becomes the program, and keeps its number.
    let script = "mkdir \"$TMPDIR/proto-demo-$$\" && touch \"$TMPDIR/proto-demo-$$/mine\" && exec \"$0\" demo";
    let status = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_proto")])
        .env("TMPDIR", folder.path())
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    let left = names(folder.path());
    assert_eq!(left.len(), 1);
    assert_eq!(names(&folder.path().join(&left[0])), ["mine"]);
}

#[test]
fn a_demonstration_that_is_broken_off_leaves_nothing_behind() {
    let folder = folder();
    // A pipe that is full holds it up as soon as it says something.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    let size = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![0; size]).unwrap();
    let child = command(&["demo"])
        .env("TMPDIR", folder.path())
        .stdout(writer)
        .spawn()
        .unwrap();
    let mut child = Running(child);
    while names(folder.path()).is_empty() {
        assert!(child.0.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = child.0.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert_eq!(child.0.wait().unwrap().signal(), Some(15));
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}
