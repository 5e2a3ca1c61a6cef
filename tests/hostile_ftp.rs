//! FTP servers that lie, flood, stall and cheat.
//!
//! Whatever the attack, every run here is checked for the same: it ends, nothing is written outside
//! of its folder, neither stdout nor stderr holds anything that drives a terminal, and nothing
//! panics.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use proto_mock::{ftp, Fault, Options, FAULTS};
use proto_transport::escape::is_harmful;

use crate::ftp_get::{files, Ftp};
use crate::harness::{authority, command, folder, names, tls, Run};

/// Runs a command to its end, and checks what holds for every run.
#[track_caller]
fn run(arguments: &[&str]) -> (Run, tempfile::TempDir) {
    let outer = folder();
    let place = outer.path().join("place");
    fs::create_dir_all(place.join("tree/sub")).unwrap();
    fs::write(place.join("file"), "content\n").unwrap();
    fs::write(place.join("tree/sub/file"), "content\n").unwrap();
    let mut command: Command = command(arguments);
    command.current_dir(&place);
    command.args(["--ca", &authority(), "--deadline", "6s", "--max-size", "9M"]);
    let run = Run::from(command.output().unwrap());
    for text in [&run.stderr, &run.text()] {
        let bad = text
            .chars()
            .find(|c| !"\r\n".contains(*c) && is_harmful(*c));
        assert_eq!(bad, None, "{arguments:?}: {text:?}");
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert!(
        [0, 64, 65, 69, 74, 75, 76, 77].contains(&run.code),
        "{arguments:?}: {} {}",
        run.code,
        run.stderr
    );
    // Nothing has left the folder.
    assert_eq!(names(outer.path()), ["place"], "{arguments:?}");
    let here = names(&place);
    let allowed = ["copy", "file", "got", "tree"];
    let is_ours = |name: &String| allowed.contains(&name.as_str());
    assert!(here.iter().all(is_ours), "{arguments:?}: {here:?}");
    assert!(!Path::new("/tmp/evil").exists() && !Path::new("/tmp/evil-folder").exists());
    (run, outer)
}

/// Every way of asking a server; URL stands for its URL with this path.
const WAYS: [(&str, &[&str]); 12] = [
    ("pub", &["ftp-list", "URL"]),
    ("pub", &["ftp-list", "URL", "-r", "--json"]),
    ("pub/hello.txt", &["ftp-get", "URL", "--output-dir", "got"]),
    (
        "big",
        &["ftp-get", "URL", "--output-dir", "got", "--continue"],
    ),
    (
        "big",
        &[
            "ftp-get",
            "URL",
            "--output-dir",
            "got",
            "--checksum",
            "server",
        ],
    ),
    (
        "pub",
        &["ftp-get", "URL", "-r", "--output-dir", "got", "-j", "2"],
    ),
    ("pub", &["ftp-mirror", "URL", "copy", "--delete"]),
    ("pub", &["ftp-mirror", "tree", "URL", "--delete"]),
    ("pub/", &["ftp-put", "file", "URL", "--mkdir"]),
    ("pub", &["ftp-remove", "URL", "-r"]),
    ("pub/hello.txt", &["ftp-rename", "URL", "x"]),
    ("pub/new/folder", &["ftp-mkdir", "URL", "-p"]),
];

fn ask_all(server: &Ftp, more: &[&str]) {
    thread::scope(|scope| {
        for (path, way) in WAYS {
            scope.spawn(move || ask(server, path, way, more));
        }
    });
}

fn ask(server: &Ftp, path: &str, way: &[&str], more: &[&str]) -> Run {
    let url = server.url(path);
    let arguments = way.iter().map(|word| match *word {
        "URL" => url.as_str(),
        word => word,
    });
    let arguments: Vec<&str> = arguments.chain(more.iter().copied()).collect();
    let (run, outer) = run(&arguments);
    // A file has its name when it is whole.
    let got = outer.path().join("place/got");
    let whole = |name: &str, length: u64| {
        let file = fs::metadata(got.join(name));
        assert!(file.is_ok_and(|file| file.len() == length), "{arguments:?}");
    };
    if run.code == 0 && way[0] == "ftp-get" && !way.contains(&"-r") {
        match path {
            "big" => whole("big", 3_000_000),
            _ => whole("hello.txt", 6),
        }
    }
    run
}

#[test]
fn every_flaw_of_a_server() {
    thread::scope(|scope| {
        for (usage, _) in ftp::FLAWS {
            let name = usage.split(['[', '=']).next().unwrap();
            scope.spawn(move || ask_all(&Ftp::flawed(&[name]), &["--timeout", "2s"]));
        }
    });
}

#[test]
fn every_flaw_under_tls() {
    thread::scope(|scope| {
        for (usage, _) in ftp::FLAWS {
            let name = usage.split(['[', '=']).next().unwrap();
            scope.spawn(move || {
                let server = Ftp::flawed(&[name]);
                for (path, way) in [WAYS[1], WAYS[3], WAYS[8]] {
                    ask(&server, path, way, &["--starttls", "--timeout", "2s"]);
                }
            });
        }
    });
}

#[test]
fn every_fault_on_the_way() {
    thread::scope(|scope| {
        for (usage, _) in FAULTS {
            let name = usage.split(['[', '=']).next().unwrap();
            let Ok(fault) = name.parse::<Fault>() else {
                continue;
            };
            scope.spawn(move || {
                for options in [Options::default(), tls()] {
                    let options = Options {
                        faults: vec![fault.clone()],
                        ..options
                    };
                    let server = Ftp::with(files(), options);
                    for (path, way) in [WAYS[3], WAYS[6], WAYS[8]] {
                        ask(&server, path, way, &["--timeout", "2s"]);
                    }
                }
            });
        }
    });
}

#[test]
fn flaws_have_their_status() {
    for (flaw, way, code) in [
        ("pasv-address", 3, 0),
        ("bare-pasv", 3, 0),
        ("low-port", 3, 76),
        ("bad-passive", 3, 76),
        ("data-reset", 3, 75),
        ("data-cut", 3, 75),
        ("waits-for-close", 3, 0),
        ("late-426", 3, 75),
        ("no-226", 3, 75),
        ("drop-226", 3, 75),
        ("early-226", 3, 76),
        ("wrong-size", 3, 75),
        ("wrong-hash", 4, 76),
        ("early-replies", 3, 76),
        ("endless-list", 1, 65),
        ("endless-folders", 1, 65),
        ("endless-reply", 1, 65),
        ("strange-lines", 1, 0),
        ("hostile-names", 5, 76),
        ("hostile-names", 6, 76),
    ] {
        let (path, words) = WAYS[way];
        let run = ask(&Ftp::flawed(&[flaw]), path, words, &["--timeout", "3s"]);
        let is_expected = run.code == code || flaw.starts_with("endless") && run.code == 75;
        assert!(is_expected, "{flaw} {words:?}: {} {}", run.code, run.stderr);
    }
    for flaw in ["pasv-address", "bare-pasv"] {
        let mut server = files();
        server.flaws = vec![flaw.parse().unwrap()];
        server.without = vec!["EPSV".to_owned()];
        let server = Ftp::with(server, Options::default());
        let (path, words) = WAYS[3];
        assert_eq!(ask(&server, path, words, &[]).code, 0, "{flaw}");
        assert_eq!(server.count_of("PASV"), 1);
    }
}

#[test]
fn replies_of_every_code_to_every_command() {
    let commands = [
        "user", "pass", "feat", "type", "size", "mdtm", "epsv", "retr", "mlsd", "stor", "rnfr",
        "rnto", "mkd", "mfmt", "transfer",
    ];
    thread::scope(|scope| {
        for command in commands {
            scope.spawn(move || {
                for reply in [
                    "120 x", "150 x", "200 x", "226 x", "331 x", "421 x", "450 x", "522 x",
                    "552 x", "nonsense",
                ] {
                    let server = Ftp::ruled(&[&format!("{command} reply={reply}")]);
                    for (path, way) in [WAYS[5], WAYS[8]] {
                        ask(&server, path, way, &["--timeout", "1s"]);
                    }
                }
            });
        }
    });
}
