//! Runs that are killed at any moment, and connections that break at any byte: in the end every
//! message is stored exactly once.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::*;
use proto_mock::pop3::{Maildrop, Source};
use proto_mock::{Fault, Options, Server, Service};

/// How many runs are disturbed. More with PROTO_KILLS.
const KILLS: u64 = 200;

/// So many series of them go at the same time, each with a server and a store of its own.
const SERIES: u64 = 4;

/// How many messages there are whenever all were fetched.
const MESSAGES: usize = 500;

/// More than a server says until then.
const OCTETS: u64 = 350_000;

/// Numbers that are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A maildrop over a Maildir that is filled again when it is empty.
struct Refilled {
    folder: tempfile::TempDir,
    maildrop: Arc<Maildrop>,
    sent: BTreeMap<String, Vec<u8>>,
}

impl Refilled {
    fn new(without: &[&str]) -> Refilled {
        let folder = folder();
        let new = folder.path().join("source/new");
        fs::create_dir_all(new).unwrap();
        let mut drop = maildrop(&[]);
        drop.source = Source::Maildir(folder.path().join("source"));
        drop.without = without.iter().map(|name| (*name).to_owned()).collect();
        Refilled {
            folder,
            maildrop: Arc::new(drop),
            sent: BTreeMap::new(),
        }
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
}

/// What tells the messages apart.
fn subject(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    let subject = lines.find_map(|line| line.strip_prefix("Subject: "));
    subject.unwrap_or_else(|| panic!("{text:?}")).to_owned()
}

fn kills() -> u64 {
    let more = std::env::var("PROTO_KILLS").ok();
    more.map_or(KILLS, |text| text.parse().unwrap())
}

/// Disturbs so many runs in several series.
fn disturb(store: &str, without: &[&str], kills: u64, read: fn(&Path) -> Vec<Vec<u8>>) {
    thread::scope(|scope| {
        for series in 0..SERIES {
            let source = Refilled::new(without);
            let kills = kills.div_ceil(SERIES);
            scope.spawn(move || disturb_series(source, store, kills, series, read));
        }
    });
}

/// Disturbs runs, and lets the last one end. What was stored must be what was sent.
fn disturb_series(
    mut source: Refilled,
    store: &str,
    kills: u64,
    series: u64,
    read: fn(&Path) -> Vec<Vec<u8>>,
) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 + series);
    let path = source.folder.path().to_owned();
    let options = &[store, "mail", "--delete"];
    // One server without faults, for all runs that are killed: the account is the same.
    let (_server, url) = source.serve(Vec::new());
    // How long a run takes, in microseconds, or so.
    let mut whole = 50_000;
    let mut disturbed = 0;
    while disturbed < kills {
        source.fill();
        let is_disturbed = match numbers.below(3) {
            0 => {
                let faults = vec![Fault::Cut(numbers.below(OCTETS))];
                let (server, _) = source.serve(faults);
                let elsewhere = format!("localhost:{}", server.port());
                let mut command = fetching(&url, &path, options);
                command.args(["--connect-to", &elsewhere]);
                let run = Run::from(command.output().unwrap());
                assert!(matches!(run.code, 0 | 75), "{run:?}");
                run.code != 0
            }
            _ => {
                let mut command = fetching(&url, &path, options);
                command.stdout(Stdio::null()).stderr(Stdio::null());
                let mut child = command.spawn().unwrap();
                thread::sleep(Duration::from_micros(numbers.below(whole)));
                child.kill().unwrap();
                let is_killed = child.wait().unwrap().code().is_none();
                // One that came to its end before was faster than was thought.
                whole = if is_killed {
                    whole * 11 / 10
                } else {
                    whole * 4 / 5
                }
                .max(20_000);
                is_killed
            }
        };
        disturbed += u64::from(is_disturbed);
    }
    // A server that still writes to a client that was killed has the maildrop until it notices.
    let mut command = fetching(&url, &path, options);
    Run::from(command.args(["--retry", "5"]).output().unwrap()).exits(0);
    let stored = sorted(read(&path.join("mail")));
    let sent: Vec<Vec<u8>> = source.sent.values().cloned().collect();
    assert_eq!(stored.len(), sent.len(), "in {kills} runs");
    assert!(stored == sorted(sent));
    assert_eq!(source.maildrop.messages_left(), [""; 0]);
}

/// What has its place in a Maildir; nothing if there is none yet.
fn maildir(folder: &Path) -> Vec<Vec<u8>> {
    match folder.join("new").exists() && folder.join("cur").exists() {
        true => read_maildir(folder),
        false => Vec::new(),
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
    disturb("--maildir", &[], kills(), maildir);
}

#[test]
fn a_folder_has_every_message_once_however_often_runs_are_killed() {
    disturb("--eml-dir", &[], kills() / 3, eml);
}

#[test]
fn messages_without_a_unique_id_are_there_once_however_often_runs_are_killed() {
    disturb("--maildir", &["UIDL"], kills() / 5, maildir);
}
