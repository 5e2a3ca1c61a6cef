//! Every file in `samples/sessions` is a conversation that must go just so.
//!
//! ```text
//! # proto http-get http://localhost/page.html    the command; the port is filled in
//! # A short body.                                what the session shows
//! # exit 69                                      the exit status, if it is not 0
//! # stdout: hello\n                              all that goes to stdout, if that matters
//! # stderr: 404                                  a part of what goes to stderr
//! ```

use std::fs;
use std::path::Path;
use std::thread;

use proto_mock::Outcome;
use proto_transport::session::{Session, Step};

use crate::harness::{folder, names, proto_in, repository, Script};

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
    let (command, notes) = session.comments.split_first().expect("a command");
    let script = Script::play(&text);
    let authority = format!("localhost:{}/", script.server.port());
    let command = command.replace("localhost/", &authority);
    let words = shlex::split(&command).expect("words");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (program, arguments) = words.split_first().expect("a program");
    assert_eq!(*program, "proto", "{name}");
    assert!(
        name.starts_with(arguments[0]),
        "{name} is of {}",
        arguments[0]
    );

    let folder = folder();
    let run = proto_in(folder.path(), arguments);
    let outcome = script.replay.outcome();
    let note = |start: &str| notes.iter().find_map(|note| note.strip_prefix(start));
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
