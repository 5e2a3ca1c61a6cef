//! `proto mail-show`: a message for people.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use proto_transport::escape::is_harmful;
use serde_json::Value;

use crate::harness::{command, folder, names, proto, sample, Run};

/// Shows a message that comes on stdin.
fn show(message: &[u8], options: &[&str]) -> Run {
    let mut child = command(&["mail-show", "-"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let message = message.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&message);
    });
    let run = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    run
}

/// Nothing on stdout or stderr drives a terminal, and nothing panicked.
#[track_caller]
fn assert_harmless(run: &Run) {
    for text in [run.text(), run.stderr.clone()] {
        let bad = text
            .chars()
            .find(|c| !"\n\t".contains(*c) && is_harmful(*c));
        assert_eq!(bad, None, "{text:?}");
    }
    assert!(
        !run.stderr.contains("panicked") && run.code != -1,
        "{}",
        run.stderr
    );
}

fn rows(run: &Run) -> Vec<Value> {
    let rows = run.text();
    rows.lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

#[test]
fn a_message_for_people() {
    let run = proto(&["mail-show", &sample("attachment.eml")]).exits(0);
    assert_eq!(
        run.text(),
        "From: Ann <ann@a.example>\nTo: Bob <bob@b.example>\n\
         Date: Mon, 01 Jan 2024 12:00:00 +0000\nSubject: Attachment\n\
         Message-ID: <attachment@a.example>\n\n\
         TEXT multipart/mixed, 567 bytes\n  1 text/plain, 10 bytes\n  \
         2 application/octet-stream, attachment \"Grüße.bin\", 256 bytes\n\nSee below.\n"
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn a_message_for_programs() {
    let run = proto(&["mail-show", "--json", &sample("attachment.eml")]).exits(0);
    let row = &rows(&run)[0];
    assert_eq!(
        row["headers"][0],
        serde_json::json!(["From", "Ann <ann@a.example>"])
    );
    assert_eq!(row["from"][0]["name"], "Ann");
    assert_eq!(row["to"][0]["address"], "bob@b.example");
    assert_eq!(row["date"], "2024-01-01T12:00:00Z");
    assert_eq!(row["date_written"], "Mon, 01 Jan 2024 12:00:00 +0000");
    assert_eq!(row["subject"], "Attachment");
    assert_eq!(row["message_id"], "<attachment@a.example>");
    assert_eq!(row["parts"][2]["number"], "2");
    assert_eq!(row["parts"][2]["name"], "Grüße.bin");
    assert_eq!(row["attachments"][0]["size"], 256);
    assert_eq!(row["text"], "See below.");
}

#[test]
fn attachments_are_saved_byte_for_byte() {
    let folder = folder();
    let target = folder.path().join("new");
    let path = target.to_str().unwrap();
    let run = proto(&[
        "mail-show",
        &sample("attachment.eml"),
        &sample("inline-image.eml"),
        "--save-attachments",
        path,
    ])
    .exits(0);
    assert_eq!(
        run.text(),
        "Grüße.bin\tapplication/octet-stream\t256\ndot.png\timage/png\t67\n"
    );
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(fs::read(target.join("Grüße.bin")).unwrap(), bytes);
    let image = fs::read(target.join("dot.png")).unwrap();
    assert!(image.starts_with(b"\x89PNG\r\n\x1a\n") && image.ends_with(b"IEND\xaeB`\x82"));
    // Once more, and nothing is overwritten.
    let run = proto(&[
        "mail-show",
        &sample("attachment.eml"),
        "--json",
        "--save-attachments",
        path,
    ])
    .exits(0);
    assert_eq!(rows(&run)[0]["file"], "Grüße-2.bin");
    assert_eq!(names(&target), ["Grüße-2.bin", "Grüße.bin", "dot.png"]);
}

#[test]
fn a_part_is_written_as_it_is() {
    let run = proto(&["mail-show", "--part", "2", &sample("attachment.eml")]).exits(0);
    assert_eq!(run.stdout, (0..=255).collect::<Vec<u8>>());
    proto(&["mail-show", "--part", "3", &sample("attachment.eml")])
        .exits(64)
        .says("no part \"3\"");
}

#[test]
fn names_stay_in_the_folder() {
    let outside = folder();
    let target = outside.path().join("in");
    let named = [
        "../../evil",
        ".bashrc",
        "/etc/passwd",
        "a\\..\\b.exe",
        "a\u{202e}gpj.exe",
        "=?utf-8?Q?..=2F=1B[2Jx?=",
        "same.txt",
        "same.txt",
        "..",
    ];
    let mut message = b"Content-Type: multipart/mixed; boundary=x\n\n".to_vec();
    for name in named {
        let name = name.replace('\\', "\\\\");
        let part = format!("--x\nContent-Disposition: attachment; filename=\"{name}\"\n\n{name}\n");
        message.extend(part.into_bytes());
    }
    message.extend(b"--x\nContent-Type: image/png\n\n1\n--x--\n");
    let run = show(&message, &["--save-attachments", target.to_str().unwrap()]).exits(0);
    assert_harmless(&run);
    assert_eq!(names(outside.path()), ["in"]);
    assert_eq!(
        names(&target),
        [
            "[2Jx",
            "agpj.exe",
            "b.exe",
            "bashrc",
            "evil",
            "part-10.png",
            "part-9.bin",
            "passwd",
            "same-2.txt",
            "same.txt",
        ]
    );
}

#[test]
fn a_link_in_the_folder_is_not_followed() {
    let folder = folder();
    let target = folder.path().join("precious");
    fs::write(&target, "precious").unwrap();
    let saved = folder.path().join("in");
    fs::create_dir(&saved).unwrap();
    std::os::unix::fs::symlink(&target, saved.join("dot.png")).unwrap();
    let path = saved.to_str().unwrap();
    proto(&[
        "mail-show",
        &sample("inline-image.eml"),
        "--save-attachments",
        path,
    ])
    .exits(0);
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert_eq!(names(&saved), ["dot-2.png", "dot.png"]);
}

#[test]
fn a_mail_box_is_shown_message_by_message() {
    let run = proto(&["mail-show", "--json", &sample("three.mbox")]).exits(0);
    assert_eq!(rows(&run).len(), 3);
    let run = proto(&["mail-show", &sample("three.mbox")]).exits(0);
    assert_eq!(run.text().matches("==> ").count(), 3);
    assert!(run.text().contains("three.mbox:2 <=="));
}

#[test]
fn nothing_in_a_message_drives_the_terminal() {
    let message = b"From: \x1b]0;x\x07 <a@x>\nSubject: =?utf-8?Q?a=0AFrom:_b=1B[2J=C2=9B?=\n\
        To: \xe2\x80\xae@x\nX: \x00\nContent-Type: text/\x1b[2J; charset=\"\x1b[2J\"; name=\"\x1b[2J\"\n\
        Content-Transfer-Encoding: \x1b[2J\n\n\x1b[2J\xc2\x9b\x07\r\xff\n";
    for options in [&[][..], &["--all-headers"], &["--json"]] {
        let run = show(message, options).exits(65);
        assert_harmless(&run);
        assert!(!run.text().contains("\nFrom: b"), "{}", run.text());
    }
    let run = show(message, &[]);
    assert!(
        run.text().contains("Subject: a\\nFrom: b\\x1b[2J\\u{9b}\n"),
        "{}",
        run.text()
    );
}

#[test]
fn all_fields_come_in_order() {
    let message = b"X-B: =?utf-8?Q?=C3=BC?=\nSubject: a\n b\nsubject: c\nX-A: \xfc\n\ntext";
    let run = show(message, &["--all-headers"]).exits(0);
    assert_eq!(
        run.text(),
        "X-B: ü\nSubject: a b\nsubject: c\nX-A: ü\n\ntext\n"
    );
    let run = show(message, &[]).exits(0);
    assert_eq!(run.text(), "Subject: a b\nSubject: c\n\ntext\n");
}

#[test]
fn damaged_mail_is_shown_as_far_as_it_goes() {
    for (message, said, shown) in [
        (
            "Content-Transfer-Encoding: base64\n\naGVsbG8!",
            "damaged",
            "hello",
        ),
        (
            "Content-Type: text/plain; charset=x-own\n\n\u{fc}",
            "not known",
            "\u{fc}",
        ),
        (
            "Content-Type: multipart/mixed\n\n--a\n",
            "without a boundary",
            "--a",
        ),
        (
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n\ntext",
            "no end",
            "text",
        ),
        ("Subject: =?x-own?Q?a?=\n\ntext", "Subject", "=?x-own?Q?a?="),
    ] {
        let run = show(message.as_bytes(), &[]).exits(65).says(said);
        assert!(run.text().contains(shown), "{}", run.text());
        assert_harmless(&run);
    }
}

#[test]
fn deep_and_long_messages_end_well() {
    let deep: String = (0..20_000)
        .map(|at| format!("Content-Type: multipart/mixed; boundary={at}\n\n--{at}\n"))
        .collect();
    let run = show(format!("Subject: deep\n{deep}").as_bytes(), &[])
        .exits(65)
        .says("too deep");
    assert!(run.text().starts_with("Subject: deep\n"));
    let long = format!("Subject: {}\n\ntext\n", "=?a?Q?".repeat(200_000));
    let run = show(long.as_bytes(), &[]).exits(0);
    assert!(run.text().ends_with("text\n"));
}

#[test]
fn one_file_that_is_not_there_stops_no_other() {
    let run = proto(&["mail-show", "/nonexistent", &sample("plain.eml")])
        .exits(74)
        .says("/nonexistent");
    assert!(run.text().contains("Subject: "));
    proto(&["mail-show", "-", "-"]).exits(64).says("only once");
}

#[test]
fn what_is_too_large_is_refused() {
    let folder = folder();
    let path = folder.path().join("large.eml");
    let file = fs::File::create(&path).unwrap();
    file.set_len(100 * 1024 * 1024 + 1).unwrap();
    proto(&["mail-show", path.to_str().unwrap()])
        .exits(65)
        .says("limit");
}

#[test]
fn every_sample_can_be_shown() {
    let folder = crate::harness::repository().join("samples/messages");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        for options in [&[][..], &["--json"]] {
            let run: Run = command(&["mail-show", path.to_str().unwrap()])
                .args(options)
                .output()
                .unwrap()
                .into();
            assert!([0, 65].contains(&run.code), "{run:?}");
            assert_harmless(&run);
        }
    }
}
