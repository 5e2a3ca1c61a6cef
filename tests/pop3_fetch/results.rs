//! What is told, to people and to programs, and what is told to nobody.

use super::*;
use base64::prelude::{Engine, BASE64_STANDARD};

fn keys(value: &Value) -> Vec<&str> {
    let keys = value.as_object().unwrap().keys();
    let mut keys: Vec<&str> = keys.map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

const STORED: [&str; 10] = [
    "bytes",
    "date",
    "from",
    "message_id",
    "number",
    "place",
    "result",
    "size",
    "subject",
    "uid",
];

#[test]
fn rows_for_people() {
    let post = Post::of(&[
        b"From: a@example.org\nSubject: hi\nDate: Thu, 1 Jan 2026 12:00:00 +0000\n\nx\n",
    ]);
    let folder = folder();
    let uid = post.maildrop.messages_left().remove(0);
    let run = fetch(&post, folder.path(), &["--maildir", "mail"]).exits(0);
    let row = format!("stored          1         77  {uid}  2026-01-01  a@example.org  hi\n");
    assert_eq!(run.text(), row);
}

#[test]
fn rows_for_programs() {
    let mut drop = maildrop(&[&message(1, 1), &message(2, 1), &message(3, 99)]);
    drop.rules
        .push("retr=2 reply=-ERR [SYS/TEMP] later".parse().unwrap());
    let post = Post::with(drop, proto_mock::Options::default());
    let folder = folder();
    let options = ["--maildir", "mail", "--json", "--max-size", "1000"];
    let run = fetch(&post, folder.path(), &options).exits(75);
    let rows = objects(&run);
    assert_eq!(rows.len(), 3);
    for row in rows {
        match row["number"].as_u64() {
            Some(1) => {
                assert_eq!(keys(&row), STORED);
                assert_eq!(
                    (&row["result"], &row["subject"]),
                    (&"stored".into(), &"Message 1".into())
                );
                let place = folder
                    .path()
                    .join("mail")
                    .join(row["place"].as_str().unwrap());
                assert_eq!(fs::read(place).unwrap(), message(1, 1));
                assert_eq!(row["bytes"], row["size"]);
            }
            other => {
                let (result, told) = match other {
                    Some(2) => ("not-stored", "[SYS/TEMP] later"),
                    _ => ("skipped", "larger than --max-size"),
                };
                assert_eq!(keys(&row), ["error", "number", "result", "size", "uid"]);
                assert_eq!(row["result"], result);
                assert!(row["error"].as_str().unwrap().contains(told), "{row}");
            }
        }
    }
}

#[test]
fn the_report_has_the_rows_and_the_status() {
    let mut drop = maildrop(&[&message(1, 1), &message(2, 1)]);
    drop.rules.push("retr=2 reply=-ERR no".parse().unwrap());
    let post = Post::with(drop, proto_mock::Options::default());
    for store in [&["--maildir", "mail"][..], &[]] {
        let folder = folder();
        let options = [store, &["--report", "report"]].concat();
        fetch(&post, folder.path(), &options).exits(69);
        let text = fs::read_to_string(folder.path().join("report")).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["ok"], false, "{report}");
        assert_eq!(report["exit"], 69, "{report}");
        assert_eq!(report["items"].as_array().unwrap().len(), 2, "{report}");
        assert!(!text.contains("pencil"), "{report}");
        let stored = with_line_feeds(&message(1, 1)).len() + 4;
        assert_eq!(report["bytes"]["stored"], stored, "{report}");
    }
}

#[test]
fn rows_that_nobody_reads_lose_no_mail() {
    let post = post(3);
    let folder = folder();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = fetching(
        &post.url(),
        folder.path(),
        &["--maildir", "mail", "--delete"],
    );
    Run::from(command.stdout(full).output().unwrap())
        .exits(74)
        .says("writing to stdout");
    assert_eq!(read_maildir(&folder.path().join("mail")).len(), 3);
    fetch(&post, folder.path(), &["--maildir", "mail", "--delete"]).exits(0);
    assert_eq!(read_maildir(&folder.path().join("mail")).len(), 3);
    assert_eq!(post.maildrop.messages_left().len(), 0);
}

#[test]
fn a_password_is_shown_to_nobody() {
    const CANARY: &str = "canary-7Q";
    for mechanism in [
        "user",
        "apop",
        "plain",
        "login",
        "cram-md5",
        "scram-sha-256",
    ] {
        for (password, code) in [(CANARY, 0), ("canary-7Qx", 77)] {
            let mut drop = maildrop(&[b"A: b\n\nc\n"]);
            drop.users.push(("fred".to_owned(), CANARY.to_owned()));
            let post = Post::with(drop, proto_mock::Options::default());
            let folder = folder();
            let url = format!("pop3://localhost:{}", post.server.port());
            let mut command = fetching(&url, folder.path(), &["-u", "fred", "--auth", mechanism]);
            command.args([
                "--trace",
                "-v",
                "--json",
                "--eml-dir",
                "mail",
                "--state",
                "state",
            ]);
            command.args(["--report", "report", "--transcript", "record"]);
            command.env("PROTO_PASSWORD", password);
            let run = Run::from(command.output().unwrap()).exits(code);
            let mut seen = format!("{}{}", run.text(), run.stderr);
            for name in ["report", "record", "state"] {
                seen.push_str(&fs::read_to_string(folder.path().join(name)).unwrap());
            }
            // What the server heard, but for the commands, is secret too.
            let mut secrets = vec![CANARY.to_owned(), BASE64_STANDARD.encode(password)];
            for line in post.heard() {
                let last = line.rsplit(' ').next().unwrap();
                if line.starts_with("PASS") || line.starts_with("APOP") || last.len() > 20 {
                    secrets.push(last.to_owned());
                }
            }
            for secret in secrets {
                assert!(!seen.contains(&secret), "{mechanism}: {secret} in {seen}");
            }
            assert_eq!(post.maildrop.violations(), [""; 0], "{mechanism}");
        }
    }
}
