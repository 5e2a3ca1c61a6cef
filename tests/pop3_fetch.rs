//! `proto pop3-fetch`: what is stored, what is remembered, what is deleted, and how it ends.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{command, folder, maildrop, names, repository, Post, Run};

mod changes;
mod choice;
mod failures;
mod flaws;
mod kills;
mod places;
mod results;
mod state;

/// Fetches in a folder, where the state is kept too.
fn fetch(post: &Post, folder: &Path, options: &[&str]) -> Run {
    fetching(&post.url(), folder, options)
        .output()
        .unwrap()
        .into()
}

/// The command that does.
fn fetching(url: &str, folder: &Path, options: &[&str]) -> Command {
    let mut command = command(&["pop3-fetch", url]);
    command.args(options).current_dir(folder);
    command.env("XDG_STATE_HOME", folder.join("states"));
    command
}

/// A message with so many lines.
fn message(number: usize, lines: usize) -> Vec<u8> {
    let line = format!("This is message {number}.\n");
    let body = line.repeat(lines);
    format!("From: a@example.org\nSubject: Message {number}\n\n{body}").into_bytes()
}

/// A server with so many small messages.
fn post(count: usize) -> Post {
    let messages: Vec<Vec<u8>> = (1..=count).map(|number| message(number, number)).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    Post::of(&messages)
}

/// The samples, by name.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = repository().join("samples/messages");
    let names = names(&folder).into_iter();
    let names = names.filter(|name| name.ends_with(".eml"));
    names
        .map(|name| (name.clone(), fs::read(folder.join(&name)).unwrap()))
        .collect()
}

/// A message as it comes from the server: every line ends in CRLF, the last one too.
fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        wire.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// The same where lines end in LF.
fn with_line_feeds(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in on_the_wire(message).split_inclusive(|byte| *byte == b'\n') {
        text.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
        text.push(b'\n');
    }
    text
}

/// The messages of a file of type mboxrd.
fn read_mbox(mbox: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in mbox.split_inclusive(|byte| *byte == b'\n') {
        let unquoted = line.iter().position(|byte| *byte != b'>').unwrap_or(0);
        match line[unquoted..].starts_with(b"From ") {
            true if unquoted == 0 => messages.push(Vec::new()),
            true => messages.last_mut().unwrap().extend_from_slice(&line[1..]),
            false => messages.last_mut().unwrap().extend_from_slice(line),
        }
    }
    for message in &mut messages {
        assert_eq!(message.pop(), Some(b'\n'), "an empty line ends a message");
    }
    messages
}

/// The messages in a Maildir.
fn read_maildir(folder: &Path) -> Vec<Vec<u8>> {
    let files = |name: &str| {
        let folder = folder.join(name);
        let names = names(&folder).into_iter();
        names.map(move |name| fs::read(folder.join(name)).unwrap())
    };
    files("new").chain(files("cur")).collect()
}

/// The files of a folder with messages.
fn read_folder(folder: &Path) -> Vec<Vec<u8>> {
    let names = names(folder).into_iter();
    names
        .map(|name| fs::read(folder.join(name)).unwrap())
        .collect()
}

fn sorted(mut messages: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    messages.sort();
    messages
}

/// The first word of each row.
fn words(run: &Run) -> Vec<String> {
    let text = run.text();
    let words = text.lines().filter_map(|line| line.split(' ').next());
    words.map(str::to_owned).collect()
}

/// The rows of a run in JSON.
fn objects(run: &Run) -> Vec<Value> {
    let text = run.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
