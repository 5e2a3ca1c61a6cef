//! Runs that are killed at any moment, and connections that break at any byte: in the end every
//! message is stored exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::disturbed::{disturb, kills, maildir, subject, Source, MESSAGES};
use proto_mock::imap::ImapServer;
use proto_mock::{Fault, Server, Service};

/// A mailbox that gets new mail when all that it had is stored.
struct Growing {
    folder: tempfile::TempDir,
    imap: Arc<ImapServer>,
    sent: BTreeMap<String, Vec<u8>>,
}

impl Growing {
    fn new(flaws: &[&str]) -> Growing {
        let mut imap = imap_of(&[]);
        imap.flaws = flaws.iter().map(|flaw| flaw.parse().unwrap()).collect();
        Growing {
            folder: folder(),
            imap: Arc::new(imap),
            sent: BTreeMap::new(),
        }
    }
}

impl Source for Growing {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn fill(&mut self) {
        if self.stored().len() < self.sent.len() {
            return;
        }
        let account = self.imap.store.account("fred").unwrap();
        for _ in 0..MESSAGES {
            let number = self.sent.len();
            let text = message(number, number % 40 + 1);
            account.deliver(&text).unwrap();
            self.sent.insert(subject(&text), text);
        }
    }

    fn sent(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.sent
    }

    fn serve(&self, faults: Vec<Fault>) -> (Server, String) {
        let service = Arc::clone(&self.imap) as Arc<dyn Service>;
        let options = Options {
            faults,
            ..Options::default()
        };
        let server = Server::start(options, service).unwrap();
        let url = format!("imap://fred:pencil@localhost:{}/INBOX", server.port());
        (server, url)
    }

    fn fetching(&self, url: &str) -> Command {
        fetching(url, self.folder(), &["--maildir", "mail", "--new"])
    }

    fn stored(&self) -> Vec<Vec<u8>> {
        maildir(&self.folder().join("mail"))
    }

    fn check(&self) {
        assert_eq!(self.imap.violations(), [""; 0]);
    }
}

#[test]
fn every_message_is_there_once_however_often_runs_are_killed() {
    disturb(kills(), || Growing::new(&[]));
}

#[test]
fn and_if_the_uids_are_other_ones_each_time() {
    disturb(kills() / 5, || Growing::new(&["new-uidvalidity"]));
}
