//! An INN in a folder and on ports of its own.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::{chown, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::harness::{authority, command, folder, repository, Run, Running};
use crate::interop::{free_ports, id, program, skipped, wait_for};

/// The news server and what it keeps.
pub struct Inn {
    /// Where it listens.
    pub ports: Ports,
    _processes: [Running; 3],
    // The last to go.
    _folder: tempfile::TempDir,
}

/// Where it listens.
#[derive(Clone, Copy)]
pub struct Ports {
    /// innd, which takes us for a peer until it hears MODE READER.
    pub transit: u16,
    /// nnrpd, which is for readers, with STARTTLS for those who want it.
    pub reader: u16,
    /// The same with TLS from the first byte.
    pub tls: u16,
}

/// The groups: name, posting, description.
const GROUPS: [(&str, char, &str); 12] = [
    // Without these three innd does not start.
    ("control", 'n', ""),
    ("control.cancel", 'n', ""),
    ("junk", 'n', ""),
    ("test.bytes", 'y', ""),
    ("test.feed", 'y', ""),
    ("test.groups", 'y', "Of groups; κόσμε"),
    ("test.many", 'y', ""),
    ("test.moderated", 'm', "Calm words (Moderated)"),
    ("test.overview", 'y', ""),
    ("test.private", 'y', ""),
    ("test.samples", 'y', ""),
    ("test.unused", 'y', ""),
];

/// Those who may log in with "secret", as crypt(3) has it. SASL knows fred alone.
const USERS: [&str; 2] = ["fred", "wilma"];
const SECRET: &str = "$6$prototest$ZyRNFRX4mRNwNvv1A9kSU0AEKxtUWECvA3JABDjEoOfr431lVszN0YU7Dka3etQ\
                      rva3JCzgIDOZvAZWOIOAV/0";

/// Articles that may be ahead of their answers.
const WINDOW: usize = 50;

/// The one that runs, for as long as some test has it.
static SHARED: Mutex<Weak<Inn>> = Mutex::new(Weak::new());

impl Inn {
    /// The server that other tests have started, or a new one. It stops when the last test that has
    /// it is over, however it ends.
    pub fn shared() -> Option<Arc<Inn>> {
        // Also after a test that failed here.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inn) = shared.upgrade() {
            return Some(inn);
        }
        let inn = Arc::new(Inn::start()?);
        *shared = Arc::downgrade(&inn);
        Some(inn)
    }

    fn start() -> Option<Inn> {
        let programs = Programs {
            innd: program("/usr/lib/news/bin/innd", "inn2")?,
            nnrpd: program("/usr/lib/news/bin/nnrpd", "inn2")?,
            makehistory: program("/usr/lib/news/bin/makehistory", "inn2")?,
            makedbz: program("/usr/lib/news/bin/makedbz", "inn2")?,
            saslpasswd2: program("saslpasswd2", "sasl2-bin")?,
        };
        if id(&["-u"]) != 0 {
            skipped("INN is started as the user news, which root alone can do");
            return None;
        }
        // Another process may take a port between the choice and the start.
        let mut why = String::new();
        for _ in 0..5 {
            match Inn::try_start(&programs) {
                Ok(inn) => return Some(inn),
                Err(said) => why = said,
            }
        }
        panic!("INN does not start: {why}");
    }

    /// What it said, if it does not start.
    fn try_start(programs: &Programs) -> Result<Inn, String> {
        let folder = folder();
        let path = folder.path();
        let [transit, reader, tls] = free_ports();
        let ports = Ports {
            transit,
            reader,
            tls,
        };
        configure(path, transit);
        programs.run(
            path,
            &programs.saslpasswd2,
            &["-p", "-c", "-f", "db/sasldb2", "fred"],
        );
        // What is configured by root is news's.
        own(path);
        programs.run(path, &programs.makehistory, &[]);
        programs.run(
            &path.join("db"),
            &programs.makedbz,
            &["-i", "-o", "-s", "50000"],
        );
        let serve = |program: &PathBuf, arguments: &[&str]| {
            let mut command = as_news(path, program, arguments);
            Running(command.spawn().unwrap())
        };
        let read = |port: u16, more: &[&str]| {
            let port = port.to_string();
            let arguments = [&["-D", "-f", "-4", "127.0.0.1", "-p", &port], more].concat();
            serve(&programs.nnrpd, &arguments)
        };
        let mut processes = [
            serve(&programs.innd, &["-f"]),
            read(reader, &[]),
            read(tls, &["-S"]),
        ];
        for (process, port) in processes.iter_mut().zip([transit, reader, tls]) {
            let is_up = wait_for("INN", || {
                let is_up = TcpStream::connect(("127.0.0.1", port)).is_ok();
                let has_ended = process.0.try_wait().unwrap().is_some();
                (is_up || has_ended).then_some(!has_ended)
            });
            if !is_up {
                let said = fs::read_to_string(path.join("said")).unwrap_or_default();
                return Err(format!("it has ended (it tells syslog why): {said}"));
            }
        }
        Ok(Inn {
            ports,
            _processes: processes,
            _folder: folder,
        })
    }

    /// The URL of a group or an article; the way is `tls` or nothing.
    pub fn url(&self, way: &str, path: &str) -> String {
        match way {
            "tls" => format!("nntps://localhost:{}/{path}", self.ports.tls),
            _ => format!("nntp://localhost:{}/{path}", self.ports.reader),
        }
    }

    /// Runs `proto` with the password and the authority that the server goes by.
    pub fn proto(&self, arguments: &[&str]) -> Run {
        self.proto_in(Path::new("/"), arguments)
    }

    /// The same in a folder.
    pub fn proto_in(&self, folder: &Path, arguments: &[&str]) -> Run {
        let mut command = command(arguments);
        command.args(["--ca", &authority()]);
        command.env("PROTO_PASSWORD", "secret").current_dir(folder);
        command.output().unwrap().into()
    }

    /// Brings articles, as another server would: with TAKETHIS (RFC 4644 section 2.5).
    pub fn feed(&self, articles: impl IntoIterator<Item = Vec<u8>>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.transit)).unwrap();
        let mut replies = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut hear = |code: &str| {
            let line = replies.next().unwrap().unwrap();
            assert!(line.starts_with(code), "{line}");
        };
        hear("200");
        stream.write_all(b"MODE STREAM\r\n").unwrap();
        hear("203");
        let mut ahead = 0;
        for article in articles {
            stream.write_all(&taken(&article)).unwrap();
            ahead += 1;
            if ahead == WINDOW {
                hear("239");
                ahead -= 1;
            }
        }
        for _ in 0..ahead {
            hear("239");
        }
    }
}

/// An article with the command that brings it.
fn taken(article: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(article);
    let id = text.split_once("Message-ID: ").unwrap().1;
    let id = id.split_once("\r\n").unwrap().0;
    let mut said = format!("TAKETHIS {id}\r\n").into_bytes();
    for line in article.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            said.push(b'.');
        }
        said.extend_from_slice(line);
    }
    said.extend_from_slice(b".\r\n");
    said
}

struct Programs {
    innd: PathBuf,
    nnrpd: PathBuf,
    makehistory: PathBuf,
    makedbz: PathBuf,
    saslpasswd2: PathBuf,
}

impl Programs {
    /// Runs a program to its end, as the user news, in a folder below that of INN.
    fn run(&self, folder: &Path, program: &Path, arguments: &[&str]) {
        let root = match folder.ends_with("db") {
            true => folder.parent().unwrap(),
            false => folder,
        };
        own(root);
        let mut command = as_news(root, program, arguments);
        command.current_dir(folder).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A password for the one that asks.
        let _ = child.stdin.take().unwrap().write_all(b"secret");
        let status = child.wait().unwrap();
        let said = fs::read_to_string(root.join("said")).unwrap();
        assert!(status.success(), "{}: {said}", program.display());
    }
}

/// A program of INN's. What it says goes into a file.
fn as_news(path: &Path, program: &Path, arguments: &[&str]) -> Command {
    let said = File::options()
        .create(true)
        .append(true)
        .open(path.join("said"))
        .unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(path)
        .env("INNCONF", path.join("etc/inn.conf"))
        .env("SASL_CONF_PATH", path.join("etc"))
        .uid(id(&["-u", "news"]))
        .gid(id(&["-g", "news"]))
        .stdin(Stdio::null())
        .stdout(said.try_clone().unwrap())
        .stderr(said);
    command
}

/// Makes all that is there the property of the user news.
fn own(path: &Path) {
    let (user, group) = (id(&["-u", "news"]), id(&["-g", "news"]));
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        chown(&folder, Some(user), Some(group)).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => chown(entry.path(), Some(user), Some(group)).unwrap(),
            }
        }
    }
}

/// Writes all that the server reads.
fn configure(path: &Path, port: u16) {
    let write = |name: &str, text: String| fs::write(path.join(name), text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    for name in [
        "db",
        "etc/filter",
        "log/OLD",
        "run",
        "spool/archive",
        "spool/articles",
        "spool/incoming/bad",
        "spool/incoming/tmp",
        "spool/outgoing",
        "spool/overview",
        "tmp",
    ] {
        fs::create_dir_all(path.join(name)).unwrap();
    }
    write("etc/inn.conf", inn_conf(path, port));
    write("etc/readers.conf", readers_conf(path));
    // Those who connect from here are peers that may feed.
    let peers =
        "streaming: true\nmax-connections: 0\npeer ME { hostname: \"localhost, 127.0.0.1\" }\n";
    write("etc/incoming.conf", peers.to_owned());
    let fixed = [
        ("etc/newsfeeds", "ME:*::\n"),
        (
            "etc/storage.conf",
            "method tradspool {\n newsgroups: *\n class: 0\n}\n",
        ),
        ("etc/expire.ctl", "/remember/:11\n*:A:never:never:never\n"),
        ("etc/control.ctl", ""),
        ("etc/distrib.pats", ""),
        ("etc/moderators", "*:nobody@localhost\n"),
        ("etc/passwd.nntp", ""),
        ("etc/subscriptions", ""),
        ("db/active.times", ""),
    ];
    for (name, text) in fixed {
        write(name, text.to_owned());
    }
    let users = USERS.map(|user| format!("{user}:{SECRET}\n"));
    write("etc/users", users.concat());
    let sasl = format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\n\
         mech_list: PLAIN SCRAM-SHA-256\n",
        path.join("db/sasldb2").display()
    );
    write("etc/INN.conf", sasl);
    let active =
        GROUPS.map(|(name, posting, _)| format!("{name} 0000000000 0000000001 {posting}\n"));
    write("db/active", active.concat());
    let described = GROUPS.map(|(name, _, what)| match what {
        "" => String::new(),
        what => format!("{name}\t{what}\n"),
    });
    write("db/newsgroups", described.concat());
    for (name, mode) in [("crt", 0o644), ("key", 0o600)] {
        let copy = path.join(format!("etc/localhost.{name}"));
        let original = repository().join(format!("samples/certificates/localhost.{name}"));
        fs::copy(original, &copy).unwrap();
        fs::set_permissions(copy, Permissions::from_mode(mode)).unwrap();
    }
}

fn inn_conf(path: &Path, port: u16) -> String {
    let path = path.display();
    format!(
        "domain: news.test
pathhost: news.test
mta: \"/bin/true %s\"
hismethod: hisv6
ovmethod: tradindexed
bindaddress: 127.0.0.1
port: {port}
nnrpdpostport: {port}
artcutoff: 0
maxartsize: 100000000
localmaxartsize: 100000000
maxconnections: 100
icdsynccount: 1
doinnwatch: false
pgpverify: false
nnrpdloadlimit: 0
pathnews: /usr/lib/news
pathdb: {path}/db
pathetc: {path}/etc
pathhttp: {path}/log
pathlog: {path}/log
pathrun: {path}/run
pathspool: {path}/spool
pathtmp: {path}/tmp
tlscertfile: {path}/etc/localhost.crt
tlskeyfile: {path}/etc/localhost.key
"
    )
}

fn readers_conf(path: &Path) -> String {
    let path = path.display();
    format!(
        "auth \"all\" {{
    hosts: \"*\"
    auth: \"ckpasswd -f {path}/etc/users\"
    default: \"anonymous\"
}}
access \"anonymous\" {{
    users: \"anonymous\"
    newsgroups: \"test.*,!test.private\"
    access: RPA
}}
access \"users\" {{
    users: \"*,!anonymous\"
    newsgroups: \"*\"
    access: RPA
}}
"
    )
}
