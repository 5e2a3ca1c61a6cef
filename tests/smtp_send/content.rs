//! What arrives is what was to be sent, byte for byte.

use std::fs;

use super::*;
use crate::harness::{names, repository};
use base64::prelude::{Engine, BASE64_STANDARD};
use proto_mock::Options;

/// Line ends as they go over the wire: CRLF, also behind the last line.
fn canonical(bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// What arrives of a sample, or nothing where it cannot be sent in lines.
fn expected(name: &str) -> Option<Vec<u8>> {
    let bytes = fs::read(sample(name)).unwrap();
    match name {
        "bare-carriage-return.eml" | "nul.eml" => None,
        "blind-copy.eml" => {
            let text = String::from_utf8(bytes).unwrap();
            let bcc = "Bcc: Carl <carl@c.example>,\r\n\tdora@d.example\r\n";
            Some(
                text.replace(bcc, "")
                    .replace("bcc : fred@f.example\r\n", "")
                    .into(),
            )
        }
        // An empty line keeps the text out of the header.
        "body-only.eml" => Some([b"\r\n", &canonical(&bytes)[..]].concat()),
        _ => Some(canonical(&bytes)),
    }
}

fn messages() -> Vec<String> {
    let mut names = names(&repository().join("samples/messages"));
    names.retain(|name| name.ends_with(".eml"));
    assert!(names.len() >= 20, "{names:?}");
    names
}

#[test]
fn every_sample_arrives_as_it_is_in_each_way_of_sending() {
    for (lmtp, options) in [
        (false, &[][..]),
        (false, &["--without", "CHUNKING"]),
        (false, &["--without", "PIPELINING"]),
        (false, &["--without", "CHUNKING", "--without", "PIPELINING"]),
        (true, &[]),
        (true, &["--without", "CHUNKING"]),
    ] {
        let mut mta = mta(&[]);
        mta.lmtp = lmtp;
        let mail = Mail::with(mta, Options::default());
        for name in messages() {
            let before = mail.mta.letters().len();
            let run = send_message(&mail, &sample(&name), options);
            let letters = mail.letters();
            match expected(&name) {
                Some(content) => {
                    let run = run.exits(0);
                    assert_eq!(letters.len(), before + 1, "{name}: {}", run.stderr);
                    let letter = letters.last().unwrap();
                    assert!(letter.content == content, "{name} {options:?}");
                    assert_eq!(letter.by_chunks, !options.contains(&"CHUNKING"));
                    let size = format!("SIZE={}", content.len());
                    assert!(letter.mail_parameters.contains(&size), "{name}");
                }
                None => {
                    let run = run.exits(64);
                    assert_eq!(letters.len(), before, "{name}");
                    let why = ["a CR without LF", "a NUL"];
                    assert!(why.iter().any(|why| run.stderr.contains(why)), "{run:?}");
                }
            }
        }
    }
}

#[test]
fn binary_is_sent_byte_for_byte() {
    let mail = Mail::ruled(&[]);
    for name in messages() {
        if name == "blind-copy.eml" || name == "body-only.eml" {
            continue;
        }
        send_message(&mail, &sample(&name), &["--binary"]).exits(0);
        let letter = mail.letters().pop().unwrap();
        assert!(letter.content == fs::read(sample(&name)).unwrap(), "{name}");
        assert!(letter
            .mail_parameters
            .contains(&"BODY=BINARYMIME".to_owned()));
    }
}

#[test]
fn dots_at_every_offset_of_a_block_arrive() {
    let folder = folder();
    let path = folder.path().join("message");
    for length in [8189, 8190, 8191, 8192, 65533, 65534, 65535, 65536] {
        let body = format!("X: y\r\n\r\n{}\r\n.\r\n..\r\n.", "x".repeat(length - 10));
        fs::write(&path, &body).unwrap();
        for options in [&[][..], &["--without", "CHUNKING"]] {
            let mail = Mail::ruled(&[]);
            send_message(&mail, path.to_str().unwrap(), options).exits(0);
            let content = mail.letter().content;
            assert!(content == format!("{body}\r\n").as_bytes(), "{length}");
        }
    }
}

#[test]
fn a_large_message_arrives_whole() {
    let folder = folder();
    let path = folder.path().join("message");
    let mut text = "X: y\r\n\r\n".to_owned();
    for number in 0..40_000 {
        text.push_str(&format!("{}line {number}\r\n", ["", "."][number % 2]));
    }
    fs::write(&path, &text).unwrap();
    for options in [
        &[][..],
        &["--without", "CHUNKING"],
        &["--without", "PIPELINING"],
    ] {
        let mail = Mail::ruled(&[]);
        send_message(&mail, path.to_str().unwrap(), options).exits(0);
        assert!(mail.letter().content == text.as_bytes(), "{options:?}");
    }
}

#[test]
fn a_composed_message_has_what_it_needs_and_nothing_of_the_machine() {
    let mail = Mail::ruled(&[]);
    let run = compose(
        &mail,
        &[
            "--cc",
            "Carl <c@example.org>",
            "--bcc",
            "dora@example.org",
            "--subject",
            "Grüße",
            "--text",
            "Hello.\n.\n",
            "--header",
            "X-Test: yes",
        ],
    )
    .exits(0);
    assert_eq!(run.text().lines().count(), 3);
    let letter = mail.letter();
    let recipients: Vec<&str> = letter
        .recipients
        .iter()
        .map(|(to, _)| to.as_str())
        .collect();
    assert_eq!(
        recipients,
        ["b@example.org", "c@example.org", "dora@example.org"]
    );
    let text = String::from_utf8(letter.content).unwrap();
    let (header, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(header.is_ascii(), "{header}");
    for field in [
        "Date: ",
        "From: ",
        "To: ",
        "Cc: ",
        "Subject: ",
        "Message-ID: <",
        "MIME-Version: 1.0",
        "X-Test: yes",
    ] {
        let count = header
            .lines()
            .filter(|line| line.starts_with(field))
            .count();
        assert_eq!(count, 1, "{field}: {header}");
    }
    assert!(!text.contains("dora@example.org"), "{text}");
    assert_eq!(body, "Hello.\r\n.\r\n");
    // Neither our host's name nor that of our program.
    let id = header
        .lines()
        .find(|line| line.starts_with("Message-ID"))
        .unwrap();
    assert!(id.ends_with("@example.org>"), "{id}");
    assert!(!header.contains("User-Agent") && !header.contains("X-Mailer"));
    assert_eq!(letter.hello, "[127.0.0.1]");
}

#[test]
fn attachments_arrive_as_they_are() {
    let folder = folder();
    let every_byte: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(40);
    fs::write(folder.path().join("all bytes.bin"), &every_byte).unwrap();
    let path = folder.path().join("all bytes.bin");
    let mail = Mail::ruled(&[]);
    compose(
        &mail,
        &["--text", "see", "--attach", path.to_str().unwrap()],
    )
    .exits(0);
    let text = String::from_utf8(mail.letter().content).unwrap();
    assert!(text.contains("all bytes.bin"), "{text}");
    let coded: String = text
        .split("\r\n")
        .filter(|line| line.len() >= 60 && !line.contains([' ', '-', ':', '"', '<']))
        .collect();
    assert!(BASE64_STANDARD.encode(&every_byte).starts_with(&coded) && coded.len() > 10_000);
    assert!(text.lines().all(|line| line.len() <= 998));
}

#[test]
fn a_line_over_the_limit_is_sent_with_a_warning() {
    let mail = Mail::ruled(&[]);
    let path = sample("long-line-2000.eml");
    let run = send_message(&mail, &path, &[]).exits(0);
    assert!(
        run.stderr.contains("warning: ") && run.stderr.contains("2000 octets"),
        "{}",
        run.stderr
    );
    let run = send_message(&mail, &path, &["-q"]).exits(0);
    assert_eq!(run.stderr, "");
    let run = send_message(&mail, &sample("long-line-998.eml"), &[]).exits(0);
    assert_eq!(run.stderr, "");
}
