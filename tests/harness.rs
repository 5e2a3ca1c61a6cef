//! What every test needs: the binary in a clean environment, and mock servers to talk to.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto_mock::http::Site;
use proto_mock::imap::ImapServer;
use proto_mock::mailbox::{Account, Draft, Message};
use proto_mock::pop3::{Maildrop, Source};
use proto_mock::smtp::{Letter, Mta};
use proto_mock::{Identity, Options, Replay, Server, AUTHORITY};
use proto_transport::session::Session;
use proto_transport::Security;
use serde_json::Value;

/// How much memory the process may take at most, in KiB, whatever it sends and fetches. Without
/// optimizations its own code takes many MiB more.
pub const MOST_MEMORY: u64 = match cfg!(debug_assertions) {
    true => 32 * 1024,
    false => 12 * 1024,
};

/// One run of the binary.
#[derive(Debug)]
pub struct Run {
    /// The exit status.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Run {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Fails the test unless the exit status is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Run {
        assert_eq!(
            self.code,
            code,
            "stdout: {}\nstderr: {}",
            self.text(),
            self.stderr
        );
        self
    }

    /// Fails the test unless stderr says this.
    #[track_caller]
    pub fn says(self, text: &str) -> Run {
        assert!(
            self.stderr.contains(text),
            "{text:?} is not in: {}",
            self.stderr
        );
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            // A signal has no code; -1 fails every expectation.
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The binary with an environment that holds nothing of the developer's.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proto"));
    command.args(arguments).stdin(Stdio::null());
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "NETRC",
        "PROTO_PASSWORD",
    ] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env_remove("XDG_STATE_HOME");
    // No folder can be made there, by whomever.
    command.env("HOME", "/dev/null");
    command
}

/// Runs the binary to its end.
pub fn proto(arguments: &[&str]) -> Run {
    command(arguments).output().unwrap().into()
}

/// Runs the binary in a folder.
pub fn proto_in(folder: &Path, arguments: &[&str]) -> Run {
    command(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
        .into()
}

/// A running process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for something that comes soon.
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        let waited = started.elapsed();
        assert!(waited < Duration::from_secs(20), "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A mock server that runs as users run it.
pub struct MockProgram {
    pub running: Running,
    /// The port of each server, by its scheme.
    pub ports: Value,
    _folder: tempfile::TempDir,
}

impl MockProgram {
    /// Starts it, and waits until it is ready.
    pub fn start(arguments: &[&str]) -> MockProgram {
        let folder = folder();
        let file = folder.path().join("ports.json");
        let child = command(arguments)
            .args(["--ports-file", file.to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let running = Running(child.unwrap());
        let ports = wait_for(|| std::fs::read_to_string(&file).ok());
        MockProgram {
            running,
            ports: serde_json::from_str(&ports).unwrap(),
            _folder: folder,
        }
    }

    /// The scheme and the port of the only server.
    pub fn address(&self) -> (String, u16) {
        let ports = self.ports.as_object().unwrap();
        let (scheme, port) = ports.iter().next().unwrap();
        (scheme.clone(), port.as_u64().unwrap().try_into().unwrap())
    }

    /// Ends it, for all that it printed: stdout, then stderr.
    pub fn stop(mut self) -> (String, String) {
        let id = self.running.0.id().to_string();
        let killed = Command::new("kill").arg(id).status();
        assert!(killed.unwrap().success());
        let (mut out, mut error) = (String::new(), String::new());
        let child = &mut self.running.0;
        let stdout = child.stdout.take().unwrap().read_to_string(&mut out);
        let stderr = child.stderr.take().unwrap().read_to_string(&mut error);
        assert!(stdout.is_ok() && stderr.is_ok());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{error}");
        (out, error)
    }
}

/// A folder that goes when the test is over.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The mock web server over some files.
pub struct Web {
    /// The server.
    pub server: Server,
    /// What it serves, and its log.
    pub site: Arc<Site>,
    _root: tempfile::TempDir,
    scheme: &'static str,
}

impl Web {
    /// Serves files given as names and contents.
    pub fn serve(files: &[(&str, &[u8])]) -> Web {
        Web::with(files, Options::default())
    }

    /// The same, with the server's options.
    pub fn with(files: &[(&str, &[u8])], options: Options) -> Web {
        let root = folder();
        for (name, content) in files {
            std::fs::write(root.path().join(name), content).unwrap();
        }
        let scheme = match options.security {
            Security::Tls => "https",
            _ => "http",
        };
        let site = Arc::new(Site::new(root.path()));
        let server =
            Server::start(options, Arc::clone(&site) as Arc<dyn proto_mock::Service>).unwrap();
        Web {
            server,
            site,
            _root: root,
            scheme,
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.server.port())
    }
}

/// The mock mail server.
pub struct Mail {
    /// The server.
    pub server: Server,
    /// What it does, and what it got.
    pub mta: Arc<Mta>,
    scheme: &'static str,
}

impl Mail {
    /// A server that offers everything, but does what the rules say.
    pub fn ruled(rules: &[&str]) -> Mail {
        Mail::with(mta(rules), Options::default())
    }

    /// The same with other settings.
    pub fn with(mta: Mta, options: Options) -> Mail {
        let scheme = match (mta.lmtp, options.security) {
            (true, _) => "lmtp",
            (false, Security::Tls) => "smtps",
            (false, _) => "smtp",
        };
        let mta = Arc::new(mta);
        let service = Arc::clone(&mta) as Arc<dyn proto_mock::Service>;
        Mail {
            server: Server::start(options, service).unwrap(),
            mta,
            scheme,
        }
    }

    /// The URL of the server.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.server.port())
    }

    /// The only letter that came, from a client that kept to the protocol.
    #[track_caller]
    pub fn letter(&self) -> Letter {
        let mut letters = self.letters();
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    /// The letters that came, from clients that kept to the protocol.
    #[track_caller]
    pub fn letters(&self) -> Vec<Letter> {
        assert_eq!(self.mta.violations(), [""; 0]);
        self.mta.letters()
    }

    /// What was said to the server over all connections, line by line.
    pub fn heard(&self) -> Vec<String> {
        let commands = self.mta.commands();
        commands.into_iter().map(|(_, line)| line).collect()
    }
}

/// A mail server with rules.
pub fn mta(rules: &[&str]) -> Mta {
    let mut mta = Mta::default();
    mta.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    mta
}

/// The mock maildrop.
pub struct Post {
    /// The server.
    pub server: Server,
    /// What is in it, and what it heard.
    pub maildrop: Arc<Maildrop>,
    scheme: &'static str,
}

impl Post {
    /// A server that offers everything and has these messages.
    pub fn of(messages: &[&[u8]]) -> Post {
        Post::with(maildrop(messages), Options::default())
    }

    /// The same with other settings.
    pub fn with(maildrop: Maildrop, options: Options) -> Post {
        let scheme = match options.security {
            Security::Tls => "pop3s",
            _ => "pop3",
        };
        let maildrop = Arc::new(maildrop);
        let service = Arc::clone(&maildrop) as Arc<dyn proto_mock::Service>;
        Post {
            server: Server::start(options, service).unwrap(),
            maildrop,
            scheme,
        }
    }

    /// The URL of the server, with a user and a password.
    pub fn url(&self) -> String {
        format!(
            "{}://fred:pencil@localhost:{}",
            self.scheme,
            self.server.port()
        )
    }

    /// What was said to the server over all connections, line by line.
    pub fn heard(&self) -> Vec<String> {
        let commands = self.maildrop.commands();
        commands.into_iter().map(|(_, line)| line).collect()
    }

    /// The commands of this name.
    pub fn heard_of(&self, verb: &str) -> Vec<String> {
        let heard = self.heard().into_iter();
        heard.filter(|line| line.starts_with(verb)).collect()
    }
}

/// A maildrop with these messages.
pub fn maildrop(messages: &[&[u8]]) -> Maildrop {
    let mut maildrop = Maildrop::default();
    let messages = messages.iter().map(|message| message.to_vec());
    maildrop.source = Source::Messages(messages.collect());
    maildrop
}

/// The mock IMAP server.
pub struct Imap {
    /// The server.
    pub server: Server,
    /// What it keeps, and what it heard.
    pub imap: Arc<ImapServer>,
    scheme: &'static str,
}

impl Imap {
    /// A server that offers everything, with these messages in INBOX.
    pub fn of(messages: &[&[u8]]) -> Imap {
        Imap::with(imap_of(messages), Options::default())
    }

    /// The same with other settings.
    pub fn with(imap: ImapServer, options: Options) -> Imap {
        let scheme = match options.security {
            Security::Tls => "imaps",
            _ => "imap",
        };
        let imap = Arc::new(imap);
        let service = Arc::clone(&imap) as Arc<dyn proto_mock::Service>;
        Imap {
            server: Server::start(options, service).unwrap(),
            imap,
            scheme,
        }
    }

    /// The URL of a mailbox, with a user and a password.
    pub fn url(&self, path: &str) -> String {
        let (scheme, port) = (self.scheme, self.server.port());
        format!("{scheme}://fred:pencil@localhost:{port}/{path}")
    }

    /// What the user has.
    pub fn account(&self) -> Arc<Account> {
        self.imap.store.account("fred").unwrap()
    }

    /// Makes a mailbox with these messages.
    pub fn fill(&self, mailbox: &str, messages: &[&[u8]]) {
        self.account().change(|mailboxes| {
            if mailboxes.get(mailbox).is_none() {
                mailboxes.create(mailbox).unwrap();
            }
            for message in messages {
                mailboxes.append(mailbox, Draft::new(message)).unwrap();
            }
        });
    }

    /// What is in a mailbox; nothing if it is not there.
    pub fn messages(&self, mailbox: &str) -> Vec<Message> {
        self.account().read(|mailboxes| {
            let mailbox = mailboxes.get(mailbox);
            mailbox.map_or(Vec::new(), |mailbox| mailbox.messages().to_vec())
        })
    }

    /// The UIDs of what is in a mailbox.
    pub fn uids(&self, mailbox: &str) -> Vec<u32> {
        let messages = self.messages(mailbox);
        messages.iter().map(|message| message.uid).collect()
    }

    /// The flags of a message, each followed by a space.
    pub fn flags(&self, mailbox: &str, uid: u32) -> String {
        let messages = self.messages(mailbox);
        let message = messages.iter().find(|message| message.uid == uid).unwrap();
        message
            .flags
            .iter()
            .map(|flag| format!("{flag} "))
            .collect()
    }

    /// The commands that were heard over all connections, without their tags.
    pub fn heard(&self) -> Vec<String> {
        let commands = self.imap.commands().into_iter();
        let command = |(_, line): (usize, String)| match line.split_once(' ') {
            Some((_, command)) => command.to_owned(),
            None => line,
        };
        commands.map(command).collect()
    }

    /// The commands that begin like this.
    pub fn heard_of(&self, start: &str) -> Vec<String> {
        let heard = self.heard().into_iter();
        heard.filter(|line| line.starts_with(start)).collect()
    }
}

/// An IMAP server with these messages in INBOX.
pub fn imap_of(messages: &[&[u8]]) -> ImapServer {
    let imap = ImapServer::default();
    let account = imap.store.account("fred").unwrap();
    for message in messages {
        account.deliver(message).unwrap();
    }
    imap
}

/// The path of a sample message.
pub fn sample(name: &str) -> String {
    let path = repository().join("samples/messages").join(name);
    path.to_str().unwrap().to_owned()
}

/// Options of a server that speaks TLS from the first byte.
pub fn tls() -> Options {
    Options {
        security: Security::Tls,
        ..Options::default()
    }
}

/// The same with another of the sample certificates.
pub fn tls_as(name: &str) -> Options {
    let read = |kind: &str| {
        let path = repository().join(format!("samples/certificates/{name}.{kind}"));
        std::fs::read_to_string(path).unwrap()
    };
    Options {
        tls: Some(Identity {
            chain: read("crt"),
            key: read("key"),
        }),
        ..tls()
    }
}

/// The authority of the sample certificates, as a file.
pub fn authority() -> String {
    let path = repository().join("samples/certificates/authority.crt");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), AUTHORITY);
    path.to_str().unwrap().to_owned()
}

/// The folder of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A server that plays its side of a conversation in the session form.
pub struct Script {
    /// The server.
    pub server: Server,
    /// The conversation and how it went.
    pub replay: Arc<Replay>,
}

impl Script {
    /// Plays `text`.
    pub fn play(text: &str) -> Script {
        Script::play_with(text, Options::default())
    }

    /// Plays `text` with the server's options.
    pub fn play_with(text: &str, options: Options) -> Script {
        let session = Session::parse(text).unwrap();
        let replay = Arc::new(Replay::new(session, repository().join("samples/sessions")));
        let server =
            Server::start(options, Arc::clone(&replay) as Arc<dyn proto_mock::Service>).unwrap();
        Script { server, replay }
    }

    /// The URL of a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.server.port())
    }
}

/// A server that answers every request of one connection with these bytes and closes.
pub fn answering(response: &[u8]) -> Server {
    let response = response.to_vec();
    let service = move |peer: &mut proto_mock::Peer, _: usize| {
        while let Some(line) = peer.read_line()? {
            if line.is_empty() {
                peer.write_all(&response)?;
                return peer.flush();
            }
        }
        Ok(())
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

/// The URL of a server's root.
pub fn root_of(server: &Server) -> String {
    format!("http://localhost:{}/", server.port())
}
