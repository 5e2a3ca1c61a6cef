//! Runs that fetch and are killed at any moment, and connections that break at any byte.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use proto_mock::{Fault, Server};

use crate::harness::{names, Run};

/// How many runs are disturbed. More with PROTO_KILLS.
const KILLS: u64 = 200;

/// So many series of them go at the same time, each with a server and a store of its own.
const SERIES: u64 = 4;

/// How many messages there are whenever all were fetched.
pub const MESSAGES: usize = 500;

/// More than a server says until then.
const OCTETS: u64 = 350_000;

/// Mail that comes again and again.
pub trait Source: Send {
    /// Where everything is on this side.
    fn folder(&self) -> &Path;
    /// Brings new mail if all that there was is fetched.
    fn fill(&mut self);
    /// All mail that there ever was, by what tells it apart.
    fn sent(&self) -> &BTreeMap<String, Vec<u8>>;
    /// A server that has it, with its URL.
    fn serve(&self, faults: Vec<Fault>) -> (Server, String);
    /// The command that fetches it.
    fn fetching(&self, url: &str) -> Command;
    /// What is stored.
    fn stored(&self) -> Vec<Vec<u8>>;
    /// Looks at the server when everything is over.
    fn check(&self);
}

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

/// How many runs are to be disturbed.
pub fn kills() -> u64 {
    let more = std::env::var("PROTO_KILLS").ok();
    more.map_or(KILLS, |text| text.parse().unwrap())
}

/// What tells messages apart.
pub fn subject(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    let subject = lines.find_map(|line| line.strip_prefix("Subject: "));
    subject.unwrap_or_else(|| panic!("{text:?}")).to_owned()
}

/// What has its place in a Maildir; nothing if there is none yet.
pub fn maildir(folder: &Path) -> Vec<Vec<u8>> {
    let files = |name: &str| {
        let folder = folder.join(name);
        let names = match folder.exists() {
            true => names(&folder),
            false => Vec::new(),
        };
        let read = move |name| std::fs::read(folder.join(name)).unwrap();
        names.into_iter().map(read)
    };
    files("new").chain(files("cur")).collect()
}

/// Disturbs so many runs in several series.
pub fn disturb<S: Source>(kills: u64, source: impl Fn() -> S) {
    thread::scope(|scope| {
        for series in 0..SERIES {
            let source = source();
            let kills = kills.div_ceil(SERIES);
            scope.spawn(move || disturb_series(source, kills, series));
        }
    });
}

/// Disturbs runs, and lets the last one end. What was stored must be what was sent.
fn disturb_series(mut source: impl Source, kills: u64, series: u64) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 + series);
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
                let mut command = source.fetching(&url);
                command.args(["--connect-to", &elsewhere]);
                let run = Run::from(command.output().unwrap());
                assert!(matches!(run.code, 0 | 75), "{run:?}");
                run.code != 0
            }
            _ => {
                let mut command = source.fetching(&url);
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
    // A server that still writes to a client that was killed has the mail until it notices.
    let mut command = source.fetching(&url);
    Run::from(command.args(["--retry", "5"]).output().unwrap()).exits(0);
    let mut stored = source.stored();
    stored.sort();
    let mut sent: Vec<Vec<u8>> = source.sent().values().cloned().collect();
    sent.sort();
    assert_eq!(stored.len(), sent.len(), "in {kills} runs");
    assert!(stored == sent);
    source.check();
}
