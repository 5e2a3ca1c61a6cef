//! Going only so far, and not going at all.

use super::*;
use crate::harness::authority;

/// The verbs that the server heard.
fn verbs(mail: &Mail) -> Vec<String> {
    let verb = |line: &String| line.split([' ', ':']).next().unwrap().to_owned();
    mail.heard().iter().map(verb).collect()
}

#[test]
fn every_stage_is_the_last_one_where_that_is_asked_for() {
    let ca = authority();
    for (stage, said, shown) in [
        ("connect", &["QUIT"][..], "connect           220 "),
        ("ehlo", &["EHLO", "QUIT"], "ehlo              250 "),
        (
            "tls",
            &["EHLO", "STARTTLS", "EHLO", "QUIT"],
            "tls               250 ",
        ),
        (
            "auth",
            &["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"],
            "auth              logged in",
        ),
        (
            "mail",
            &["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "QUIT"],
            "mail              250 ",
        ),
        (
            "rcpt",
            &["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "QUIT"],
            "willing           b@example.org  250 ",
        ),
        (
            "data",
            &["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"],
            "willing           b@example.org  250 ",
        ),
    ] {
        for drops in [false, true] {
            let mut mta = mta(&[]);
            mta.users.push(("fred".to_owned(), "secret".to_owned()));
            let mail = Mail::with(mta, proto_mock::Options::default());
            let (url, message) = (mail.url(), sample("plain.eml"));
            let mut command = command(&["smtp-send", &url, "--until", stage]);
            if drops {
                command.arg("--drop");
            }
            let with_tls = !matches!(stage, "connect" | "ehlo");
            if with_tls {
                command.args(["--starttls", "--ca", &ca]);
            }
            if !matches!(stage, "connect" | "ehlo" | "tls") {
                command
                    .args(["-u", "fred", "--auth", "PLAIN"])
                    .env("PROTO_PASSWORD", "secret");
            }
            command.args([
                "--from",
                "a@example.org",
                "--to",
                "b@example.org",
                "--message",
                &message,
            ]);
            let run = Run::from(command.output().unwrap()).exits(0);
            assert!(run.text().starts_with(shown), "{stage}: {run:?}");
            let mut said = said.to_vec();
            if drops {
                said.retain(|verb| *verb != "QUIT");
            }
            assert_eq!(verbs(&mail), said, "{stage}");
            assert_eq!(mail.letters(), []);
        }
    }
}

#[test]
fn a_stage_that_is_refused_says_so() {
    for (rule, stage, code) in [
        ("connect reply=554 No", "connect", 69),
        ("ehlo reply=421 No", "ehlo", 75),
        ("mail reply=550 No", "mail", 69),
        ("rcpt reply=451 No", "rcpt", 75),
        ("data reply=554 No", "data", 69),
    ] {
        let mail = Mail::ruled(&[rule]);
        let run = send(&mail, &["--until", stage]).exits(code);
        let told = format!("{}{}", run.text(), run.stderr);
        assert!(
            told.contains(rule.split_once("reply=").unwrap().1),
            "{stage}: {run:?}"
        );
        assert_eq!(mail.letters(), []);
    }
}

#[test]
fn stages_in_json_and_in_the_report() {
    let mail = Mail::ruled(&[]);
    let folder = folder();
    let path = folder.path().join("report");
    let run = send(
        &mail,
        &[
            "--until",
            "ehlo",
            "--json",
            "--report",
            path.to_str().unwrap(),
        ],
    )
    .exits(0);
    let item: Value = serde_json::from_str(&run.text()).unwrap();
    assert_eq!(keys(&item), ["code", "reply", "stage"]);
    assert_eq!(
        (&item["stage"], &item["code"]),
        (&"ehlo".into(), &250.into())
    );
    let record = report(&folder);
    assert_eq!(record["items"][0], item);
    assert_eq!(record["ok"], true);
}

#[test]
fn a_stage_that_there_is_not_is_a_mistake() {
    let mail = Mail::ruled(&[]);
    send(&mail, &["--until", "tls"]).exits(64);
    send(&mail, &["--until", "auth"]).exits(64);
    send(&mail, &["--until", "rcpt", "-j", "2"]).exits(64);
    send(&mail, &["--drop"]).exits(64);
    send(&mail, &["--until", "rcpt", "--dry-run"]).exits(64);
    assert_eq!(mail.letters(), []);
}

#[test]
fn a_dry_run_shows_everything_and_connects_to_nobody() {
    let mail = Mail::ruled(&[]);
    let run = send(&mail, &["--dry-run", "--to", "c@example.org"]).exits(0);
    let message = std::fs::read_to_string(sample("plain.eml")).unwrap();
    let expected = format!(
        "MAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\nRCPT TO:<c@example.org>\n\n{message}"
    );
    assert_eq!(run.text(), expected);
    let run = send_message(
        &mail,
        &sample("blind-copy.eml"),
        &["--dry-run", "--recipients-from-headers"],
    );
    let text = run.exits(0).text();
    assert!(
        text.contains("RCPT TO:<carl@c.example>\n") && !text.contains("Carl"),
        "{text}"
    );
    assert_eq!(mail.server.connections(), 0);
}
