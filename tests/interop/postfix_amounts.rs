//! `smtp-send` against Postfix and Dovecot when there is much to send: large messages and many.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use mailparse::{parse_mail, MailHeaderMap};
use sha2::{Digest, Sha256};

use super::mail_server::MailServer;
use crate::harness::{authority, command, folder, Running, MOST_MEMORY};

/// How much is attached.
const LARGE: usize = 50 << 20;

#[test]
fn a_message_goes_in_chunks_where_they_are_offered() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let url = format!("smtp://localhost:{}", server.ports.smtp);
    let here = folder();
    let content: String = (0..20_000).map(|line| format!(".{line}\n")).collect();
    let file = here.path().join("text");
    fs::write(&file, &content).unwrap();
    let mail = [
        "--from",
        "sender@localhost",
        "--to",
        "chunks@localhost",
        "--text-file",
    ];
    let ways: [&[&str]; 4] = [
        &[],
        &["--without", "CHUNKING"],
        &["--without", "PIPELINING"],
        &["--without", "CHUNKING", "--without", "PIPELINING"],
    ];
    for options in ways {
        let file = file.to_str().unwrap();
        let arguments = [&["smtp-send", &url, "--trace"], &mail[..], &[file], options].concat();
        let run = server.proto(&arguments).exits(0);
        let is_said = |what: &str| run.stderr.lines().any(|line| line.starts_with(what));
        let chunks = !options.contains(&"CHUNKING");
        assert_eq!(is_said("C: BDAT "), chunks, "{options:?}");
        assert_eq!(is_said("C: DATA"), !chunks, "{options:?}");
    }
    for message in server.arrived("chunks", ways.len()) {
        let body = parse_mail(&message).unwrap().get_body().unwrap();
        assert!(body.replace("\r\n", "\n") == content);
    }
}

#[test]
fn a_large_attachment_arrives_whole_in_little_memory() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let here = folder();
    let file = here.path().join("large.bin");
    let mut content = vec![0; LARGE];
    proto_mock::http::fill(11, &mut content);
    fs::write(&file, &content).unwrap();
    let sum = Sha256::digest(&content);
    drop(content);
    let plain = format!("smtp://localhost:{}", server.ports.smtp);
    let tls = format!("submission://localhost:{}", server.ports.submission);
    let ways: [(&str, &[&str]); 2] = [
        (&plain, &["--without", "CHUNKING"]),
        (&tls, &["-u", "large"]),
    ];
    for (url, options) in ways {
        let peak = send_watched(url, &file, options);
        assert!(
            0 < peak && peak < MOST_MEMORY,
            "{peak} KiB: {url} {options:?}"
        );
    }
    for message in server.arrived("large", ways.len()) {
        let message = parse_mail(&message).unwrap();
        let mut parts = message.parts();
        let large = parts.find(|part| part.ctype.mimetype == "application/octet-stream");
        assert_eq!(Sha256::digest(large.unwrap().get_body_raw().unwrap()), sum);
    }
}

/// Sends a file, and tells the most memory that this took in KiB.
fn send_watched(url: &str, file: &Path, options: &[&str]) -> u64 {
    let mail = [
        "--from",
        "sender@localhost",
        "--to",
        "large@localhost",
        "--text",
        "Here.",
    ];
    let child = command(&["smtp-send", url, "--ca", &authority(), "--attach"])
        .arg(file)
        .args(mail)
        .args(options)
        .env("PROTO_PASSWORD", "secret")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Running(child.unwrap());
    let status = format!("/proc/{}/status", child.0.id());
    // The peak only grows, and is gone when the process has ended.
    let mut peak = 0;
    while child.0.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let size = line.and_then(|line| line.split_whitespace().next());
        peak = size.map_or(peak, |size| size.parse().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let mut said = String::new();
    child
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.0.wait().unwrap().success(), "{said}");
    peak
}

#[test]
fn a_thousand_messages_take_one_connection() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let here = folder();
    let mbox = here.path().join("thousand.mbox");
    let message = |number: usize| {
        format!(
            "From sender@localhost Sat Jan  1 00:00:00 2022\nSubject: {number}\n\nNumber {number}\n\
             >From the mail box.\n\n"
        )
    };
    fs::write(&mbox, (0..1000).map(message).collect::<String>()).unwrap();
    let url = format!("smtp://localhost:{}", server.ports.counted);
    let mail = [
        "--from",
        "sender@localhost",
        "--to",
        "many@localhost",
        "--message",
    ];
    let file = mbox.to_str().unwrap();
    let run = server.proto(&[&["smtp-send", &url], &mail[..], &[file]].concat());
    let text = run.exits(0).text();
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("accepted "))
            .count(),
        1000
    );
    let arrived = server.arrived("many", 1000);
    assert_eq!(server.connections(), 1);
    let numbers: BTreeSet<usize> = arrived
        .iter()
        .map(|message| {
            let message = parse_mail(message).unwrap();
            let number = message.headers.get_first_value("Subject").unwrap();
            let body = message.get_body().unwrap().replace("\r\n", "\n");
            assert_eq!(body, format!("Number {number}\nFrom the mail box.\n"));
            number.parse().unwrap()
        })
        .collect();
    assert_eq!(numbers, (0..1000).collect());
}
