//! Runs that are killed at any moment, and connections that break at any byte: in the end every
//! message is stored exactly once, and the server has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::disturbed::{disturb, kills, maildir, subject, Source as Mail, MESSAGES};
use proto_mock::pop3::{Maildrop, Source};
use proto_mock::{Fault, Options, Server, Service};

/// A maildrop over a Maildir that is filled again when it is empty.
struct Refilled {
    folder: tempfile::TempDir,
    store: &'static str,
    maildrop: Arc<Maildrop>,
    sent: BTreeMap<String, Vec<u8>>,
}

impl Refilled {
    fn new(store: &'static str, without: &[&str]) -> Refilled {
        let folder = folder();
        let new = folder.path().join("source/new");
        fs::create_dir_all(new).unwrap();
        let mut drop = maildrop(&[]);
        drop.source = Source::Maildir(folder.path().join("source"));
        drop.without = without.iter().map(|name| (*name).to_owned()).collect();
        Refilled {
            folder,
            store,
            maildrop: Arc::new(drop),
            sent: BTreeMap::new(),
        }
    }
}

impl Mail for Refilled {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn fill(&mut self) {
        if !self.maildrop.messages_left().is_empty() {
            return;
        }
        for _ in 0..MESSAGES {
            let number = self.sent.len();
            let text = message(number, number % 40 + 1);
            let name = format!("{number:06}.uid");
            fs::write(self.folder.path().join("source/new").join(&name), &text).unwrap();
            self.sent.insert(subject(&text), text);
        }
    }

    fn sent(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.sent
    }

    fn serve(&self, faults: Vec<Fault>) -> (Server, String) {
        let service = Arc::clone(&self.maildrop) as Arc<dyn Service>;
        let options = Options {
            faults,
            ..Options::default()
        };
        let server = Server::start(options, service).unwrap();
        let url = format!("pop3://fred:pencil@localhost:{}", server.port());
        (server, url)
    }

    fn fetching(&self, url: &str) -> Command {
        fetching(url, self.folder(), &[self.store, "mail", "--delete"])
    }

    fn stored(&self) -> Vec<Vec<u8>> {
        let mail = self.folder().join("mail");
        match self.store {
            "--maildir" => maildir(&mail),
            _ => eml(&mail),
        }
    }

    fn check(&self) {
        assert_eq!(self.maildrop.messages_left(), [""; 0]);
    }
}

/// The messages of a folder, without what is unfinished.
fn eml(folder: &Path) -> Vec<Vec<u8>> {
    if !folder.exists() {
        return Vec::new();
    }
    let names = names(folder).into_iter();
    let names = names.filter(|name| name.ends_with(".eml"));
    names
        .map(|name| with_line_feeds(&fs::read(folder.join(name)).unwrap()))
        .collect()
}

#[test]
fn a_maildir_has_every_message_once_however_often_runs_are_killed() {
    disturb(kills(), || Refilled::new("--maildir", &[]));
}

#[test]
fn a_folder_has_every_message_once_however_often_runs_are_killed() {
    disturb(kills() / 3, || Refilled::new("--eml-dir", &[]));
}

#[test]
fn messages_without_a_unique_id_are_there_once_however_often_runs_are_killed() {
    disturb(kills() / 5, || Refilled::new("--maildir", &["UIDL"]));
}
