//! A secret is said to whom it is meant for, and shown to nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::prelude::{Engine, BASE64_STANDARD};
use proto_mock::Options;

use super::*;
use crate::harness::{folder, Running};

const CANARY: &str = "canary-7Q";

/// Every form in which the secret may be written.
fn forms() -> Vec<String> {
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![CANARY.to_owned(), hex.to_uppercase(), hex];
    for text in [
        CANARY.to_owned(),
        format!("\0fred\0{CANARY}"),
        format!("fred\0{CANARY}"),
    ] {
        forms.push(
            BASE64_STANDARD
                .encode(text)
                .trim_end_matches('=')
                .to_owned(),
        );
    }
    // The secret at each offset in base64.
    for before in ["", "x", "xx"] {
        let coded = BASE64_STANDARD.encode(format!("{before}{CANARY}"));
        forms.push(coded[4..coded.len() - 4].to_owned());
    }
    forms
}

/// Logs in and looks at everything that is left behind, with what was said to the server.
fn traces(mechanism: &str, password: &str, options: &[&str]) -> (Run, String, Vec<String>) {
    let folder = folder();
    let mut mta = mta(&[]);
    mta.users.push(("fred".to_owned(), CANARY.to_owned()));
    let mail = Mail::with(mta, Options::default());
    let (report, record) = (folder.path().join("report"), folder.path().join("record"));
    let ca = authority();
    let mut all = vec![
        "-u", "fred", "--auth", mechanism, "--trace", "-v", "--json", "--ca", &ca,
    ];
    let file = folder.path().join("token");
    fs::write(&file, password).unwrap();
    let token = format!("cat {}", file.display());
    if ["XOAUTH2", "OAUTHBEARER"].contains(&mechanism) {
        all.extend(["--token-command", &token]);
    }
    if mechanism.ends_with("-PLUS") {
        all.push("--starttls");
    }
    all.extend([
        "--report",
        report.to_str().unwrap(),
        "--transcript",
        record.to_str().unwrap(),
    ]);
    all.extend_from_slice(options);
    let mut command = sending(&mail.url(), &all);
    command.env("PROTO_PASSWORD", password);
    let run = Run::from(command.output().unwrap());
    let mut seen = format!("{}{}", run.text(), run.stderr);
    for path in [report, record] {
        seen.push_str(&fs::read_to_string(path).unwrap());
    }
    // What was said to log in, in the words of the wire.
    let is_command = |line: &str| {
        [
            "EHLO", "STAR", "MAIL", "RCPT", "DATA", "BDAT", "QUIT", "RSET",
        ]
        .iter()
        .any(|verb| line.starts_with(verb))
    };
    let heard = mail.heard();
    let said = heard
        .iter()
        .filter(|line| !is_command(line) && *line != "*");
    let said = said.filter_map(|line| match line.strip_prefix("AUTH ") {
        Some(rest) => rest
            .split_once(' ')
            .map(|(_, response)| response.to_owned()),
        None => Some(line.clone()),
    });
    let said = said.filter(|line| line.len() > 4).collect();
    (run, seen, said)
}

const MECHANISMS: [&str; 9] = [
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS",
    "XOAUTH2",
    "OAUTHBEARER",
];

#[test]
fn a_password_is_in_nothing_that_is_shown_or_kept() {
    for mechanism in MECHANISMS {
        // The right one, and one that the server does not know.
        for (user_password, code) in [(CANARY.to_owned(), 0), (format!("{CANARY}x"), 77)] {
            let (run, seen, said) = traces(mechanism, &user_password, &[]);
            assert_eq!(run.code, code, "{mechanism}: {run:?}");
            assert!(seen.contains("(secret)"), "{mechanism}: {seen}");
            assert!(!said.is_empty(), "{mechanism}");
            for secret in forms().iter().chain(&said) {
                assert!(!seen.contains(secret), "{mechanism} {secret}: {seen}");
            }
        }
    }
}

#[test]
fn a_secret_is_shown_where_that_is_asked_for() {
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2"] {
        let (run, seen, said) = traces(mechanism, CANARY, &["--show-secrets"]);
        assert_eq!(run.code, 0);
        for secret in &said {
            assert!(seen.contains(secret), "{mechanism} {secret}: {seen}");
        }
    }
}

#[test]
fn what_a_server_gives_back_of_a_secret_is_its_own_doing_but_not_ours() {
    // The challenge of the server may hold what it likes; our answers stay hidden all the same.
    let mail = Mail::ruled(&["auth reply=535 5.7.8 No"]);
    let mut command = sending(&mail.url(), &["-u", "fred", "--trace"]);
    command.env("PROTO_PASSWORD", CANARY);
    let run = finish(command).exits(77);
    assert!(!run.stderr.contains(CANARY), "{run:?}");
}

#[test]
fn a_password_is_not_on_the_command_line() {
    let folder = folder();
    let path = folder.path().join("password");
    fs::write(&path, CANARY).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let silent = Options {
        faults: vec!["silence".parse().unwrap()],
        ..Options::default()
    };
    let mail = Mail::with(mta(&[]), silent);
    let url = format!("smtp://fred@localhost:{}", mail.server.port());
    let file = path.to_str().unwrap();
    let mut command = sending(&url, &["--password-file", file]);
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let child = Running(command.spawn().unwrap());
    while mail.server.connections() == 0 {
        std::thread::yield_now();
    }
    for name in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{}/{name}", child.0.id())).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains(CANARY), "{name}: {text}");
    }
}

#[test]
fn a_password_file_that_others_may_read_is_warned_of() {
    let folder = folder();
    let path = folder.path().join("password");
    fs::write(&path, CANARY).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mail = Mail::ruled(&[]);
    let file = path.to_str().unwrap();
    let run = send(&mail.url(), &["-u", "fred", "--password-file", file]);
    assert!(
        run.stderr.contains("others may read the password"),
        "{run:?}"
    );
}

#[test]
fn nothing_of_the_machine_is_told() {
    let mail = Mail::ruled(&[]);
    let mut command = command(&[
        "smtp-send",
        &mail.url(),
        "--from",
        "a@example.org",
        "--to",
        "b@example.org",
        "--text",
        "x",
    ]);
    command
        .env("HOSTNAME", "canary-host")
        .env("USER", "canary-user")
        .env("TZ", "Asia/Kathmandu");
    finish(command).exits(0);
    let letter = mail.letter();
    let text = String::from_utf8(letter.content).unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    for secret in ["canary", "+0545", host] {
        assert!(
            secret.is_empty() || !text.contains(secret),
            "{secret}: {text}"
        );
    }
    assert_eq!(letter.hello, "[127.0.0.1]");
}

#[test]
fn two_messages_have_nothing_in_common() {
    let mail = Mail::ruled(&[]);
    let mut ids = Vec::new();
    for _ in 0..20 {
        let mut command = command(&[
            "smtp-send",
            &mail.url(),
            "--from",
            "a@example.org",
            "--to",
            "b@example.org",
            "--text",
            "x",
            "--html",
            "y",
        ]);
        command.arg("-q");
        finish(command).exits(0);
    }
    for letter in mail.letters() {
        let text = String::from_utf8(letter.content).unwrap();
        for start in ["Message-ID: ", "boundary="] {
            let found = text.split(start).nth(1).unwrap();
            ids.push(found.lines().next().unwrap().to_owned());
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}
