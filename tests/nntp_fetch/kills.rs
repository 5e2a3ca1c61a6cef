//! Runs that are killed at any moment, and connections that break at any byte: in the end every
//! article is stored exactly once.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use proto_mock::nntp::NewsServer;
use proto_mock::{Fault, Server, Service};

use super::*;
use crate::disturbed::{disturb, kills, maildir, subject, Source, MESSAGES};

/// A group that gets new articles when all that it had are stored.
struct Growing {
    folder: tempfile::TempDir,
    news: Arc<NewsServer>,
    sent: BTreeMap<String, Vec<u8>>,
}

impl Growing {
    fn new() -> Growing {
        let news = NewsServer::default();
        assert!(news.spool.create("misc.test", 'y', ""));
        Growing {
            folder: folder(),
            news: Arc::new(news),
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
        let spool = folder();
        let group = spool.path().join("misc.test");
        fs::create_dir(&group).unwrap();
        for _ in 0..MESSAGES {
            let number = self.sent.len() + 1;
            let text = article(&format!("<{number}@x>"), &format!("number {number}"));
            fs::write(group.join(number.to_string()), &text).unwrap();
            // In a Maildir lines end in LF; the server tells where the article is.
            let text = String::from_utf8(text).unwrap().replace("\r\n", "\n");
            let place = format!("\nXref: localhost misc.test:{number}\n\n");
            let text = text.replacen("\n\n", &place, 1).into_bytes();
            self.sent.insert(subject(&text), text);
        }
        assert_eq!(self.news.spool.load(spool.path()).unwrap(), MESSAGES);
    }

    fn sent(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.sent
    }

    fn serve(&self, faults: Vec<Fault>) -> (Server, String) {
        let service = Arc::clone(&self.news) as Arc<dyn Service>;
        let options = Options {
            faults,
            ..Options::default()
        };
        let server = Server::start(options, service).unwrap();
        let url = format!("nntp://localhost:{}/misc.test", server.port());
        (server, url)
    }

    fn fetching(&self, url: &str) -> Command {
        let mut command = command(&["nntp-fetch", url, "--maildir", "mail", "--state", "state"]);
        command.current_dir(self.folder());
        command
    }

    fn stored(&self) -> Vec<Vec<u8>> {
        maildir(&self.folder().join("mail"))
    }

    fn check(&self) {
        assert_eq!(self.news.violations(), [""; 0]);
    }
}

#[test]
fn every_article_is_there_once_however_often_runs_are_killed() {
    disturb(kills() / 4, Growing::new);
}
