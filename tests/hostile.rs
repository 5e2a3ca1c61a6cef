//! Servers that lie, flood, stall and cheat, and arguments that would make us say what was not
//! meant. A test's name says what must not happen, or what happens instead.
//!
//! Whatever the attack, every run here is checked for the same three things: stderr holds nothing
//! that drives a terminal, a failure leaves no file under its final name, and nothing panics.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use proto_mock::{Options, Peer, Server};
use proto_transport::escape::is_harmful;

use crate::harness::{command, folder, names, Run};

mod arguments;
mod bodies;
mod credentials;
mod faults;
mod files;
mod heads;
mod netrc;
mod output;
mod proxies;
mod ranges;
mod redirects;

/// Checks what holds for every run, whatever the server does.
#[track_caller]
fn assert_harmless(run: &Run) {
    let bad = run.stderr.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(bad, None, "raw on stderr: {:?}", run.stderr);
    assert!(!run.stderr.contains('\u{fffd}'), "{:?}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert_ne!(run.code, 101, "{}", run.stderr);
    assert_ne!(run.code, -1, "killed by a signal: {}", run.stderr);
}

/// A download to `file` in a folder of its own, and what came of it.
struct Attempt {
    run: Run,
    folder: tempfile::TempDir,
}

/// Downloads `url` to `file`.
#[track_caller]
fn download(url: &str, options: &[&str]) -> Attempt {
    download_in(folder(), url, options)
}

/// The same in a folder where something may lie already.
#[track_caller]
fn download_in(folder: tempfile::TempDir, url: &str, options: &[&str]) -> Attempt {
    let mut command = command(&["http-get", "-o", "file", url]);
    if !options.contains(&"--deadline") {
        command.args(["--deadline", "30s"]);
    }
    command.args(options).current_dir(folder.path());
    let run = Run::from(command.output().unwrap());
    assert_harmless(&run);
    let attempt = Attempt { run, folder };
    if attempt.run.code != 0 {
        assert!(!attempt.names().contains(&"file".to_owned()));
    }
    attempt
}

impl Attempt {
    /// Fails the test unless the download failed with this status.
    #[track_caller]
    fn fails(self, code: i32) -> Attempt {
        assert_eq!(self.run.code, code, "stderr: {}", self.run.stderr);
        self
    }

    /// Fails the test unless the file holds this.
    #[track_caller]
    fn gives(self, content: &[u8]) -> Attempt {
        assert_eq!(self.run.code, 0, "stderr: {}", self.run.stderr);
        let found = fs::read(self.folder.path().join("file")).unwrap();
        assert!(found == content, "{} bytes came", found.len());
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Attempt {
        assert!(self.run.stderr.contains(text), "{}", self.run.stderr);
        self
    }

    fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Runs a command to its end and tells the most memory that it held, in KiB.
fn peak_memory(mut command: Command) -> (Run, u64) {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        // Linux keeps the high-water mark itself; only the last few milliseconds can be missed.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        peak = number.and_then(|n| n.parse().ok()).unwrap_or(0).max(peak);
        thread::sleep(Duration::from_millis(2));
    }
    let run = Run::from(child.wait_with_output().unwrap());
    assert_harmless(&run);
    (run, peak)
}

/// More than any run needs, in KiB, and much less than what the servers here try to fill.
const MEMORY: u64 = 50 * 1024;

/// A server that remembers what it was asked, and answers as it is told.
struct Talker {
    server: Server,
    heads: Arc<Mutex<Vec<String>>>,
}

/// Starts a [`Talker`]. `answer` is given the number of the request, from 1, and its head. The
/// connection stays open unless the answer says `Connection: close`.
fn talker(answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static) -> Talker {
    talker_with(Options::default(), answer)
}

fn talker_with(
    options: Options,
    answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
) -> Talker {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    let service = move |peer: &mut Peer, _: usize| {
        while let Some(head) = read_head(peer)? {
            let number = {
                let mut log = log.lock().unwrap();
                log.push(head.clone());
                log.len()
            };
            let bytes = answer(number, &head);
            peer.write_all(&bytes)?;
            peer.flush()?;
            if bytes.windows(17).any(|part| part == b"Connection: close") {
                break;
            }
        }
        Ok(())
    };
    let server = Server::start(options, Arc::new(service)).unwrap();
    Talker { server, heads }
}

/// The head of a request with its lines, or `None` at the end.
fn read_head(peer: &mut Peer) -> std::io::Result<Option<String>> {
    let mut head = String::new();
    while let Some(line) = peer.read_line()? {
        if line.is_empty() {
            return Ok(Some(head));
        }
        head.push_str(&String::from_utf8_lossy(&line));
        head.push('\n');
    }
    Ok(None)
}

impl Talker {
    /// The URL of a path.
    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.server.port())
    }

    /// The heads of all requests so far.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// All that was said to the server.
    fn heard(&self) -> String {
        self.heads().concat()
    }
}

/// A response with this body and, if there are any, more header lines.
fn response(status: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for line in lines {
        text.push_str(&format!("{line}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    [text.as_bytes(), body].concat()
}

/// A plain answer.
fn ok(body: &[u8]) -> Vec<u8> {
    response("200 OK", &[], body)
}

/// A redirect.
fn found(location: &str) -> Vec<u8> {
    response("302 Found", &[&format!("Location: {location}")], b"")
}
