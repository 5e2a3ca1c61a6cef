//! `proto imap-fetch`: which messages, what of them, where to, what is remembered, and how it ends.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::disturbed::maildir;
use crate::harness::{command, folder, imap_of, names, Imap, Run};
use proto_mock::imap::ImapServer;
use proto_mock::Options;

mod choice;
mod flaws;
mod kills;
mod results;
mod state;

/// Fetches from INBOX in a folder, where the state is kept too.
fn fetch(imap: &Imap, folder: &Path, options: &[&str]) -> Run {
    let mut command = fetching(&imap.url("INBOX"), folder, options);
    command.output().unwrap().into()
}

/// The command that does.
fn fetching(url: &str, folder: &Path, options: &[&str]) -> Command {
    let mut command = command(&["imap-fetch", url]);
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
fn server(count: usize) -> ImapServer {
    let messages: Vec<Vec<u8>> = (1..=count).map(|number| message(number, number)).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    imap_of(&messages)
}

/// The same, running.
fn imap(count: usize) -> Imap {
    Imap::with(server(count), Options::default())
}

/// The same with a flaw or some rules, and without some capabilities.
fn with(count: usize, flaw: &str, rules: &[&str], without: &[&str]) -> Imap {
    let mut server = server(count);
    let flaw = (!flaw.is_empty()).then(|| flaw.parse().unwrap());
    server.flaws.extend(flaw);
    server.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    server.without = without.iter().map(|name| (*name).to_owned()).collect();
    Imap::with(server, Options::default())
}

/// The messages of a Maildir of the folder, sorted.
fn stored(folder: &Path) -> Vec<Vec<u8>> {
    let mut stored = maildir(&folder.join("mail"));
    stored.sort();
    stored
}

/// Messages 1 to `count` as they are stored, sorted.
fn expected(count: usize) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = (1..=count).map(|number| message(number, number)).collect();
    messages.sort();
    messages
}

/// Result and UID of each row.
fn rows(run: &Run) -> Vec<(String, u32)> {
    let text = run.text();
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap().to_owned();
        (word(), word().parse().unwrap())
    };
    text.lines().map(row).collect()
}

/// The UIDs of rows that all say the same.
#[track_caller]
fn uids(run: &Run, result: &str) -> Vec<u32> {
    let all = rows(run).into_iter();
    all.map(|(word, uid)| {
        assert_eq!(word, result, "{run:?}");
        uid
    })
    .collect()
}

const MAILDIR: [&str; 2] = ["--maildir", "mail"];
