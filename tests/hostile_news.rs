//! News and gopher servers that lie, flood, stall and cheat.
//!
//! Whatever the attack, every run here is checked for the same: it ends, neither stdout nor stderr
//! holds anything that drives a terminal, and nothing panics.

mod attacks;

use std::fs;
use std::process::Command;
use std::thread;

use proto_mock::{gopher, nntp, Fault, Options, FAULTS};
use proto_transport::escape::is_harmful;

use crate::gopher_get::Gopher;
use crate::harness::{authority, command, folder, names, tls, Run};
use crate::nntp_groups::{news, News};

/// Runs a command to its end, and checks what holds for every run.
#[track_caller]
fn run(arguments: &[&str]) -> (Run, tempfile::TempDir) {
    let place = folder();
    let article = "From: a@b.example\nNewsgroups: misc.test\nSubject: x\n\nx\n";
    fs::write(place.path().join("article"), article).unwrap();
    let mut command: Command = command(arguments);
    command.current_dir(place.path());
    command.args(["--ca", &authority(), "--deadline", "10s"]);
    let run = Run::from(command.output().unwrap());
    for text in [&run.stderr, &run.text()] {
        let bad = text
            .chars()
            .find(|c| !"\r\n".contains(*c) && is_harmful(*c));
        assert_eq!(bad, None, "{arguments:?}: {text:?}");
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert!(
        [0, 64, 65, 69, 74, 75, 76, 77, 79].contains(&run.code),
        "{arguments:?}: {} {}",
        run.code,
        run.stderr
    );
    (run, place)
}

/// Every way of asking a news server.
const NEWS: [(&str, &str, &[&str]); 7] = [
    ("nntp-groups", "", &[]),
    ("nntp-overview", "misc.test", &[]),
    ("nntp-fetch", "misc.test", &STORE),
    ("nntp-fetch", "misc.test/3", &[]),
    ("nntp-fetch", "", &["<none@x>", "--eml-dir", "mail"]),
    ("nntp-post", "", &["article"]),
    ("nntp-overview", "misc.test", &["--last", "3", "--json"]),
];

const STORE: [&str; 4] = ["--eml-dir", "mail", "--state", "state"];

/// Every way of asking a gopher server.
const GOPHER: [(&str, &str, &[&str]); 6] = [
    ("gopher-menu", "1/mock/types", &[]),
    ("gopher-menu", "1/mock/", &["--json"]),
    ("gopher-menu", "1/mock/", &["--follow", "1", "-o", "a"]),
    ("gopher-get", "0/mock/dots", &["-o", "a"]),
    (
        "gopher-get",
        "9/mock/binary",
        &["-o", "a", "--max-size", "2M"],
    ),
    (
        "gopher-get",
        "9/mock/binary%09%09+",
        &["-o", "a", "--max-size", "2M"],
    ),
];

fn ask_news(news: &News, more: &[&str]) {
    thread::scope(|scope| {
        for (name, path, options) in NEWS {
            scope.spawn(move || {
                let url = news.url(path);
                let arguments = [&[name, url.as_str()], options, more].concat();
                let (run, place) = run(&arguments);
                let mail = place.path().join("mail");
                // What is stored is told, and the reverse.
                let text = run.text();
                let stored = text.lines().filter(|row| row.starts_with("stored"));
                let stored = stored.count();
                let files = if mail.exists() {
                    names(&mail)
                } else {
                    Vec::new()
                };
                if name == "nntp-fetch" {
                    let is_whole = files.iter().all(|file| file.ends_with(".eml"));
                    assert!(
                        is_whole && files.len() == stored,
                        "{files:?} {}",
                        run.text()
                    );
                }
            });
        }
    });
}

#[test]
fn every_flaw_of_a_news_server() {
    thread::scope(|scope| {
        for (usage, _) in nntp::FLAWS {
            let name = usage.split(['[', '=']).next().unwrap();
            scope.spawn(move || ask_news(&News::flawed(&[name]), &[]));
        }
    });
}

#[test]
fn flaws_of_a_news_server_have_their_status() {
    for (flaw, name, path, code) in [
        ("wrong-counts", "nntp-fetch", "misc.test", 0),
        ("no-final-dot", "nntp-overview", "misc.test", 75),
        ("no-final-dot", "nntp-groups", "", 75),
        ("cut-body=3", "nntp-fetch", "misc.test", 75),
        ("wrong-number", "nntp-fetch", "misc.test", 76),
        ("login-loop", "nntp-fetch", "misc.test", 77),
        ("tls-loop", "nntp-fetch", "misc.test", 76),
        ("early-replies", "nntp-overview", "misc.test", 76),
    ] {
        let news = News::flawed(&[flaw]);
        let url = news.url(path);
        let mut arguments = vec![name, url.as_str()];
        if name == "nntp-fetch" {
            arguments.extend(STORE);
        }
        let (run, _place) = run(&arguments);
        assert_eq!(run.code, code, "{flaw} {name}: {}", run.stderr);
    }
}

#[test]
fn every_flaw_of_a_gopher_server() {
    thread::scope(|scope| {
        for (usage, _) in gopher::FLAWS {
            let name = usage.split(['[', '=']).next().unwrap();
            scope.spawn(move || {
                let server = Gopher::flawed(&[name]);
                for (command, path, options) in GOPHER {
                    let url = server.url(path);
                    let arguments = [&[command, url.as_str()], options].concat();
                    let (run, place) = run(&arguments);
                    let files = names(place.path());
                    let wanted = match run.code == 0 && options.contains(&"-o") {
                        true => &["a", "article"][..],
                        false => &["article"],
                    };
                    assert_eq!(files, wanted, "{name}: {arguments:?} {}", run.stderr);
                }
            });
        }
    });
}

#[test]
fn a_cut_under_tls_is_not_the_end() {
    let mut cut = gopher::GopherServer::default();
    cut.flaws = vec!["no-final-dot".parse().unwrap()];
    let options = Options {
        faults: vec!["no-close-notify".parse::<Fault>().unwrap()],
        ..tls()
    };
    let server = Gopher::with(cut, options);
    for path in ["0/mock/text", "9/mock/binary"] {
        let (run, place) = run(&["gopher-get", &server.url(path), "-o", "a"]);
        assert_ne!(run.code, 0, "{path}");
        assert_eq!(names(place.path()), ["article"]);
    }
}

#[test]
fn every_fault_of_the_line() {
    let faults = FAULTS.iter().map(|(usage, _)| match *usage {
        "cut=N" => "cut=300",
        "cut-reset=N" => "cut-reset=300",
        "inject=TEXT" => r"inject=200 evil\r\n",
        usage => usage.split(['[', '=']).next().unwrap(),
    });
    thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || {
                let options = || Options {
                    faults: vec![fault.parse().unwrap()],
                    ..Options::default()
                };
                let more = ["--timeout", "2s"];
                let server = News::with(news(), options());
                ask_news(&server, &more);
                let server = Gopher::with(gopher::GopherServer::default(), options());
                thread::scope(|scope| {
                    for (command, path, options) in GOPHER {
                        let url = server.url(path);
                        let arguments = move |url: &str| {
                            run(&[&[command, url], options, &more].concat());
                        };
                        scope.spawn(move || arguments(&url));
                    }
                });
            });
        }
    });
}
