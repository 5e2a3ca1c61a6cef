//! Every file in `samples/sessions` is a conversation that must go just so.
//!
//! ```text
//! # proto http-get http://localhost/page.html    the command; the port is filled in
//! # A short body.                                what the session shows
//! # exit 69                                      the exit status, if it is not 0
//! # stdout: hello\n                              all that goes to stdout, if that matters
//! # stderr: 404                                  a part of what goes to stderr
//! # stdin: hello\r\n                              what comes on stdin
//! ```
//!
//! The command runs in a folder in which `messages` and `certificates` are those of `samples`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use proto_mock::Outcome;
use proto_transport::session::{Session, Step};

use crate::harness::{command, folder, names, proto_in, repository, Run, Script};

#[test]
fn every_session_goes_as_written() {
    let sessions = repository().join("samples/sessions");
    let names = names(&sessions);
    let files: Vec<&String> = names.iter().filter(|name| is_session(name)).collect();
    assert!(files.len() >= 20, "{files:?}");
    // Most of the time is spent waiting for what must not come.
    let failures: Vec<String> = thread::scope(|scope| {
        let runs: Vec<_> = files
            .iter()
            .map(|name| sessions.join(name))
            .map(|path| scope.spawn(move || play(&path)))
            .collect();
        let results = runs.into_iter().map(|run| run.join().unwrap());
        results.filter_map(Result::err).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn is_session(name: &str) -> bool {
    name.ends_with(".session")
}

/// Plays one session; what is wrong is told as text.
fn play(path: &Path) -> Result<(), String> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let session = Session::parse(&text).map_err(|error| format!("{name}: {error}"))?;
    let (line, notes) = session.comments.split_first().expect("a command");
    let script = Script::play(&text);
    let authority = format!("localhost:{}/", script.server.port());
    let line = line.replace("localhost/", &authority);
    let words = shlex::split(&line).expect("words");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (program, arguments) = words.split_first().expect("a program");
    assert_eq!(*program, "proto", "{name}");
    assert!(
        name.starts_with(arguments[0]),
        "{name} is of {}",
        arguments[0]
    );

    let folder = samples();
    let note = |start: &str| notes.iter().find_map(|note| note.strip_prefix(start));
    let stdin = unescaped(note("stdin:").unwrap_or_default().trim_start());
    let run = proto_with(&stdin, folder.path(), arguments);
    let outcome = script.replay.outcome();
    let code = note("exit ").map_or(0, |code| code.parse().expect("a status"));
    let told = format!("{name}: {outcome}\nexit {}\n{}", run.code, run.stderr);
    let stdout = note("stdout:").map(|text| unescaped(text.trim_start()));
    let stderr = note("stderr:").unwrap_or_default().trim();
    match () {
        () if outcome != Outcome::AsWritten => Err(told),
        () if run.code != code => Err(format!("{told}expected exit {code}")),
        () if stdout.is_some_and(|text| text != run.stdout) => {
            Err(format!("{told}stdout: {:?}", run.text()))
        }
        () if !run.stderr.contains(stderr) => Err(format!("{told}expected {stderr}")),
        () => Ok(()),
    }
}

/// A folder that shows the samples.
fn samples() -> tempfile::TempDir {
    let folder = folder();
    for name in ["messages", "certificates"] {
        symlink(
            repository().join("samples").join(name),
            folder.path().join(name),
        )
        .unwrap();
    }
    folder
}

/// Runs the binary in a folder with something on its stdin.
fn proto_with(stdin: &[u8], folder: &Path, arguments: &[&str]) -> Run {
    let mut command = command(arguments);
    command.current_dir(folder).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read it is none the worse.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap().into()
}

/// The escapes are those of the session form.
fn unescaped(text: &str) -> Vec<u8> {
    let session = Session::parse(&format!("S| {text}")).unwrap();
    match session.steps.as_slice() {
        [(_, Step::Bytes(_, bytes))] => bytes.clone(),
        _ => Vec::new(),
    }
}

#[test]
fn a_transcript_is_a_session() {
    let original = repository().join("samples/sessions/http-get-chunked.session");
    let text = fs::read_to_string(original).unwrap();
    let script = Script::play(&text);
    let folder = folder();
    let arguments = [
        "http-get",
        "--transcript",
        "record",
        &script.url("/page.html"),
    ];
    let first = proto_in(folder.path(), &arguments).exits(0);
    assert_eq!(script.replay.outcome(), Outcome::AsWritten);
    let here = format!("localhost:{}", script.server.port());
    // What was recorded can be played, and the answer is the same.
    let record = fs::read_to_string(folder.path().join("record")).unwrap();
    let again = Script::play(&record.replace(&here, "(any)"));
    let second = proto_in(folder.path(), &["http-get", &again.url("/page.html")]).exits(0);
    assert_eq!(second.stdout, first.stdout);
}

#[test]
fn a_transcript_of_a_letter_is_a_session() {
    for name in [
        "smtp-send",
        "smtp-send-auth-login",
        "smtp-send-chunking",
        "smtp-send-lmtp",
        "smtp-send-retry",
        "smtp-send-starttls",
        "smtp-send-end-lost",
        "smtp-send-binary",
    ] {
        let path = repository().join(format!("samples/sessions/{name}.session"));
        let text = fs::read_to_string(path).unwrap();
        let folder = samples();
        let first = again(&text, &["--transcript", "record"], folder.path());
        let record = fs::read_to_string(folder.path().join("record")).unwrap();
        // The comments of the original hold the command and its stdin.
        let comments: String = text
            .lines()
            .filter(|line| line.starts_with('#'))
            .fold(String::new(), |all, line| all + line + "\n");
        let second = again(&format!("{comments}{record}"), &[], folder.path());
        assert_eq!(second.stdout, first.stdout, "{name}: {record}");
        assert_eq!(second.code, first.code, "{name}: {record}");
    }
}

/// Plays a session to the command that it names, with more options.
#[track_caller]
fn again(text: &str, options: &[&str], folder: &Path) -> Run {
    let script = Script::play(text);
    let session = Session::parse(text).unwrap();
    let authority = format!("localhost:{}/", script.server.port());
    let line = session.comments[0].replace("localhost/", &authority);
    let words = shlex::split(&line).unwrap();
    let mut arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    arguments.extend_from_slice(options);
    let mut notes = session.comments.iter();
    let stdin = notes.find_map(|note| note.strip_prefix("stdin:"));
    let mut run = proto_with(
        &unescaped(stdin.unwrap_or_default().trim_start()),
        folder,
        &arguments,
    );
    assert_eq!(script.replay.outcome(), Outcome::AsWritten, "{text}");
    // Each has its own port.
    let here = authority.trim_end_matches('/');
    run.stdout = run.text().replace(here, "localhost").into_bytes();
    run
}
