//! `proto mail-check`: mail that arrives, late or changed or not at all, and what is told of it.

use std::sync::Arc;
use std::time::Duration;

use proto_mock::imap::ImapServer;
use proto_mock::mail::{MailServer, Taking};
use proto_mock::mailbox::Message;
use proto_mock::pop3::Maildrop;
use proto_mock::smtp::Mta;
use proto_mock::{Options, Server};
use serde_json::Value;

use crate::harness::{authority, folder, proto, tls, Run};

mod hostile;

/// The servers that a message goes through.
struct Way {
    mail: MailServer,
    smtp: Server,
    imap: Server,
    pop3: Server,
}

impl Way {
    /// Servers that do to the mail what the rules say.
    fn ruled(rules: &[&str]) -> Way {
        Way::with(rules, |_, _, _| {}, &Options::default())
    }

    fn with(
        rules: &[&str],
        set: impl FnOnce(&mut Mta, &mut ImapServer, &mut Maildrop),
        options: &Options,
    ) -> Way {
        let mail = MailServer {
            rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            ..MailServer::default()
        };
        let mut mta = mail.mta(Taking::Smtp).unwrap();
        let (mut imap, mut maildrop) = (mail.imap(), mail.maildrop());
        set(&mut mta, &mut imap, &mut maildrop);
        let start = |service| Server::start(options.clone(), service).unwrap();
        Way {
            smtp: start(Arc::new(mta)),
            imap: start(Arc::new(imap)),
            pop3: start(Arc::new(maildrop)),
            mail,
        }
    }

    /// The ends of the way, as options.
    fn ends(&self, by: &str) -> Vec<String> {
        let smtp = format!("smtp://localhost:{}", self.smtp.port());
        let (option, url) = match by {
            "imap" => (
                "--imap",
                format!("imap://b:x@localhost:{}/INBOX", self.imap.port()),
            ),
            _ => (
                "--pop3",
                format!("pop3://b:x@localhost:{}", self.pop3.port()),
            ),
        };
        let ends = ["mail-check", "-q", "--smtp", &smtp, option, &url];
        ends.map(str::to_owned).to_vec()
    }

    fn check(&self, by: &str, options: &[&str]) -> Run {
        let ends = self.ends(by);
        let mut arguments: Vec<&str> = ends.iter().map(String::as_str).collect();
        arguments.extend(["--from", "a@x", "--to", "b@x", "--poll", "20ms"]);
        arguments.extend(options);
        proto(&arguments)
    }

    fn left(&self) -> Vec<Message> {
        self.mail.wait_for("b", 0, Duration::ZERO)
    }
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.text()).unwrap()
}

#[test]
fn mail_arrives_unchanged_and_is_removed_again() {
    let way = Way::ruled(&[]);
    let account = way.mail.store.account("b").unwrap();
    account
        .deliver(b"Subject: proto mail-check\n\nAnother's\n")
        .unwrap();
    for by in ["imap", "pop3"] {
        let run = way.check(by, &[]).exits(0);
        let text = run.text();
        let mut lines = text.lines();
        for start in [
            "connect ",
            "accepted ",
            "hop 1 ",
            "delivered ",
            "fetched ",
            "removed ",
        ] {
            let line = lines.next().unwrap_or_default();
            assert!(line.starts_with(start), "{start}: {text}");
        }
        assert!(text.contains("  250 2.0.0 Taken\n"), "{text}");
        assert!(text.contains(" by localhost with ESMTP\n"), "{text}");
        assert!(
            text.contains("\nbody                   unchanged, sha256 "),
            "{text}"
        );
        assert!(text.contains("\nok "), "{text}");
        assert_eq!(run.stderr, "");
        assert_eq!(way.left().len(), 1, "{by}: only its own message is removed");
    }
    let run = way.check("imap", &["--keep", "--json"]).exits(0);
    let left = way.left();
    assert_eq!(left.len(), 2);
    let found = json(&run);
    assert_eq!(found["verdict"], "ok");
    assert_eq!(found["reached"], "fetched");
    assert_eq!(found["body"]["unchanged"], true);
    assert_eq!(found["hops"][0]["by"], "localhost");
    assert_eq!(found["hops"][0]["clock_behind"], 0);
    assert!(found["seconds"].as_f64().unwrap() < 30.0);
    let content = String::from_utf8(left[1].content().to_vec()).unwrap();
    assert!(
        content.contains(found["message_id"].as_str().unwrap()),
        "{content}"
    );
    assert!(
        content.contains("\r\nAuto-Submitted: auto-generated\r\n"),
        "{content}"
    );
}

#[test]
fn without_idle_and_without_top_it_is_looked_for() {
    let way = Way::with(
        &["deliver delay=200ms"],
        |_, imap, maildrop| {
            // The second revision has IDLE in any case.
            imap.without
                .extend(["IDLE", "IMAP4rev2"].map(str::to_owned));
            maildrop
                .without
                .extend(["TOP", "PIPELINING"].map(str::to_owned));
        },
        &Options::default(),
    );
    for by in ["imap", "pop3"] {
        let found = json(&way.check(by, &["--json"]).exits(0));
        assert!(found["seconds"].as_f64().unwrap() >= 0.2, "{found}");
        assert_eq!(way.left().len(), 0);
    }
}

#[test]
fn a_server_that_says_no_to_idle_is_looked_at_now_and_then() {
    let way = Way::with(
        &["deliver delay=200ms"],
        |_, imap, _| imap.rules.push("idle reply=NO not today".parse().unwrap()),
        &Options::default(),
    );
    way.check("imap", &[]).exits(0);
    assert_eq!(way.left().len(), 0);
}

#[test]
fn logins_and_tls_have_their_place_in_the_timeline() {
    let set = |mta: &mut Mta, _: &mut ImapServer, _: &mut Maildrop| mta.requires_login = true;
    let way = Way::with(&[], set, &tls());
    let ends = way.ends("imap");
    let (smtp, imap) = (&ends[3], &ends[5]);
    let smtp = smtp.replace("smtp://", "smtps://a:x@");
    let imap = imap.replace("imap://", "imaps://");
    let report = folder();
    let file = report.path().join("report.json");
    let run = proto(&[
        "mail-check",
        "-q",
        "--smtp",
        &smtp,
        "--imap",
        &imap,
        "--from",
        "a@x",
        "--to",
        "b@x",
        "--ca",
        &authority(),
        "--report",
        file.to_str().unwrap(),
    ])
    .exits(0);
    for part in ["\ntls  ", "\nauth  ", " with ESMTPSA\n"] {
        assert!(run.text().contains(part), "{part:?}: {}", run.text());
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&record["ok"], &record["exit"]),
        (&Value::from(true), &Value::from(0))
    );
    assert!(
        record["target"]
            .as_str()
            .unwrap()
            .starts_with("smtps://a@localhost"),
        "{text}"
    );
    assert_eq!(record["items"][0]["timeline"][1]["stage"], "tls");
}

#[test]
fn late_mail_is_told() {
    let way = Way::ruled(&["deliver delay=300ms"]);
    let run = way.check("imap", &["--warn", "100ms"]).exits(75);
    assert!(run.text().contains("\nlate   "), "{}", run.text());
    let run = way.check("pop3", &["--warn", "100ms", "--nagios"]).exits(1);
    let text = run.text();
    assert!(
        text.starts_with("WARNING - mail from a@x to b@x is late: "),
        "{text}"
    );
    assert!(
        text.ends_with("s;0.1;120;0\n") && text.contains(" | time=0."),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
    assert_eq!(way.left().len(), 0);
}

#[test]
fn what_fails_for_now_is_tried_again() {
    let set = |_: &mut Mta, imap: &mut ImapServer, maildrop: &mut Maildrop| {
        // The first login is before the message is sent, and that must work.
        let busy = "pass after=1 count=2 reply=-ERR [IN-USE] Somebody else is reading";
        maildrop.rules.push(busy.parse().unwrap());
        maildrop.without.push("SASL".to_owned());
        imap.rules.push("idle count=1 drop".parse().unwrap());
        let busy = "search after=1 count=1 reply=NO [UNAVAILABLE] Later";
        imap.rules.push(busy.parse().unwrap());
    };
    let way = Way::with(&["deliver delay=100ms"], set, &Options::default());
    for by in ["imap", "pop3"] {
        way.check(by, &[]).exits(0);
        assert_eq!(way.left().len(), 0);
    }
    assert!(way.imap.connections() >= 2 && way.pop3.connections() >= 4);
    // Where nothing works to the end, it is told what does not.
    let set = |_: &mut Mta, _: &mut ImapServer, maildrop: &mut Maildrop| {
        let busy = "pass after=1 reply=-ERR [IN-USE] Somebody else is reading";
        maildrop.rules.push(busy.parse().unwrap());
        maildrop.without.push("SASL".to_owned());
    };
    let way = Way::with(&[], set, &Options::default());
    let run = way.check("pop3", &["--fail", "200ms"]).exits(75);
    run.says("the message was taken (250 2.0.0 Taken), and the last stage it reached is accepted")
        .says("Somebody else is reading");
}

#[test]
fn lost_mail_is_told_with_the_last_stage() {
    let way = Way::ruled(&["deliver drop"]);
    for by in ["imap", "pop3"] {
        let run = way.check(by, &["--fail", "300ms"]).exits(75);
        let told = "the last stage it reached is accepted: 250 2.0.0 Taken";
        assert!(run.text().contains(told), "{}", run.text());
        let run = way.check(by, &["--fail", "300ms", "--nagios"]).exits(2);
        assert!(run.text().starts_with("CRITICAL - ") && run.text().contains(told));
    }
    let found = json(&way.check("imap", &["--fail", "100ms", "--json"]).exits(75));
    assert_eq!(
        (&found["verdict"], &found["reached"]),
        (&"lost".into(), &"accepted".into())
    );
    assert_eq!(found["seconds"], Value::Null);
}

#[test]
fn altered_mail_is_told() {
    let way = Way::ruled(&["deliver reply=-- checked for you"]);
    for by in ["imap", "pop3"] {
        let run = way.check(by, &[]).exits(65);
        assert!(
            run.text().contains("ANOTHER than was sent, sha256 "),
            "{}",
            run.text()
        );
        assert!(run.text().contains("\naltered  "), "{}", run.text());
    }
    let found = json(&way.check("imap", &["--json"]).exits(65));
    assert_ne!(found["body"]["sent"], found["body"]["arrived"]);
    way.check("imap", &["--nagios"]).exits(2);
}

#[test]
fn what_is_refused_is_an_error() {
    let set = |mta: &mut Mta, imap: &mut ImapServer, _: &mut Maildrop| {
        mta.rules
            .push("rcpt=b@x count=2 reply=550 5.1.1 No".parse().unwrap());
        mta.rules
            .push("rcpt=b@x reply=451 4.7.1 Later".parse().unwrap());
        imap.rules.push(
            "login after=4 reply=NO [AUTHENTICATIONFAILED] No"
                .parse()
                .unwrap(),
        );
    };
    let way = Way::with(&[], set, &Options::default());
    way.check("imap", &[]).exits(69).says("550 5.1.1 No");
    let run = way.check("imap", &["--nagios"]).exits(2);
    assert!(
        run.text().starts_with("CRITICAL - localhost:"),
        "{}",
        run.text()
    );
    assert_eq!(run.stderr, "");
    way.check("imap", &[]).exits(75).says("451 4.7.1 Later");
    way.check("pop3", &[]).exits(75);
    way.check("imap", &[]).exits(75);
    way.check("imap", &[]).exits(77);
    // Nobody sends what nobody waits for.
    assert_eq!(way.left().len(), 0);
}

#[test]
fn what_cannot_be_checked_is_told() {
    let both = ["--smtp", "localhost", "--from", "a@x", "--to", "b@x"];
    let imap = ["--imap", "imap://b:x@localhost/INBOX"];
    for (options, told) in [
        (&[][..], "--imap"),
        (&["--imap", "imap://b:x@localhost"], "which mailbox"),
        (
            &["--pop3", "pop3://localhost", "--imap", "x"],
            "cannot be used with",
        ),
        (&["--pop3", "pop3://localhost"], "whose maildrop"),
        (
            &[imap[0], imap[1], "--connect-to", "a:1"],
            "--connect-to is about one server",
        ),
        (
            &[imap[0], imap[1], "--transcript", "/dev/null"],
            "--transcript is about one",
        ),
        (
            &[imap[0], imap[1], "--nagios", "--json"],
            "cannot be used with",
        ),
    ] {
        let arguments = [&["mail-check"], &both[..], options].concat();
        proto(&arguments).exits(64).says(told);
    }
    let arguments = [
        &["mail-check", "--nagios"],
        &both[..],
        &["--imap", "imap://localhost"],
    ];
    let run = proto(&arguments.concat()).exits(3);
    assert!(
        run.text().starts_with("UNKNOWN - which mailbox"),
        "{}",
        run.text()
    );
}
