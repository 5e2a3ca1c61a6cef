//! Every no, and what comes of it.

use super::*;
use crate::harness::sample;
use proto_mock::{Options, Trap};

#[test]
fn the_exit_status_says_what_kind_of_no_it_was() {
    for (rule, code, result) in [
        ("mail reply=550 5.7.1 No", 69, "refused-for-good"),
        ("mail reply=451 4.7.1 Later", 75, "refused-for-now"),
        (
            "mail reply=530 5.7.0 Authentication required",
            77,
            "refused-for-good",
        ),
        ("rcpt reply=550 5.1.1 No", 69, "refused-for-good"),
        ("rcpt reply=452 4.2.2 Full", 75, "refused-for-now"),
        ("data reply=554 5.0.0 No", 69, "refused-for-good"),
        ("data reply=452 4.3.1 Full", 75, "refused-for-now"),
        ("dot reply=554 5.6.0 Spam", 69, "refused-for-good"),
        ("dot reply=451 4.3.0 Later", 75, "refused-for-now"),
        ("mail reply=421 4.3.2 Bye", 75, "refused-for-now"),
        ("rcpt reply=421 4.3.2 Bye", 75, "refused-for-now"),
        ("data reply=421 4.3.2 Bye", 75, "refused-for-now"),
        ("dot reply=421 4.3.2 Bye", 75, "refused-for-now"),
        ("mail drop", 75, "not-sent"),
        ("rcpt drop", 75, "not-sent"),
        ("mail reset", 75, "not-sent"),
    ] {
        for options in [
            &[][..],
            &["--without", "CHUNKING"],
            &["--without", "PIPELINING"],
            &["--without", "CHUNKING", "--without", "PIPELINING"],
        ] {
            let mail = Mail::ruled(&[rule]);
            // With both extensions the message goes with the envelope: without any answer nobody
            // knows what became of it.
            let (code, result) = match options.is_empty() && !rule.contains("reply=") {
                true => (79, "unknown"),
                false => (code, result),
            };
            let run = send(&mail, options).exits(code);
            assert!(
                run.text().starts_with(result),
                "{rule} {options:?}: {run:?}"
            );
            if let Some((_, reply)) = rule.split_once("reply=") {
                assert_eq!(rows(&run), row(result, "b@example.org", reply), "{rule}");
            }
            assert_eq!(mail.letters(), [], "{rule}");
        }
    }
}

#[test]
fn a_lost_answer_to_the_message_has_a_status_of_its_own() {
    for rule in ["dot drop", "dot reset"] {
        for options in [
            &[][..],
            &["--without", "CHUNKING"],
            &["--without", "PIPELINING"],
            &["--retry", "2"],
        ] {
            let mail = Mail::ruled(&[rule]);
            let run = send(&mail, options).exits(79);
            assert!(run.text().starts_with("unknown "), "{run:?}");
            assert_eq!(mail.server.connections(), 1);
        }
    }
}

#[test]
fn one_bad_recipient_does_not_stop_the_others() {
    for (reply, code, result) in [
        ("550 5.1.1 No", 69, "refused-for-good"),
        ("451 4.1.1 Later", 75, "refused-for-now"),
    ] {
        for options in [
            &[][..],
            &["--without", "CHUNKING"],
            &["--without", "PIPELINING"],
        ] {
            let mail = Mail::ruled(&[&format!("rcpt=bad@* reply={reply}")]);
            let mut options = options.to_vec();
            options.extend(["--to", "bad@example.org,c@example.org"]);
            let run = send(&mail, &options).exits(code);
            let taken = "250 2.0.0 Taken";
            let expected = [
                row("accepted", "b@example.org", taken),
                row(result, "bad@example.org", reply),
                row("accepted", "c@example.org", taken),
            ];
            assert_eq!(rows(&run), expected.concat());
            assert_eq!(run.stderr, "proto: 1 of 3 recipients did not get it\n");
            assert_eq!(mail.letter().recipients.len(), 2);
        }
    }
}

#[test]
fn all_or_nothing_is_nothing_when_one_is_refused() {
    for options in [
        &[][..],
        &["--without", "CHUNKING"],
        &["--without", "PIPELINING"],
    ] {
        let mail = Mail::ruled(&["rcpt=bad@* reply=550 5.1.1 No"]);
        let mut options = options.to_vec();
        options.extend(["--all-or-nothing", "--to", "bad@example.org"]);
        let run = send(&mail, &options).exits(69);
        let text = rows(&run);
        assert!(
            text.contains("not-sent  b@example.org  others were refused\n"),
            "{text}"
        );
        assert!(
            text.contains("refused-for-good  bad@example.org  550 5.1.1 No\n"),
            "{text}"
        );
        assert_eq!(mail.letters(), []);
        send(&mail, &["--all-or-nothing"]).exits(0);
        assert_eq!(mail.letters().len(), 1);
    }
}

#[test]
fn when_nobody_is_welcome_the_server_gets_no_message() {
    for options in [
        &[][..],
        &["--without", "CHUNKING"],
        &["--without", "PIPELINING"],
    ] {
        let mail = Mail::ruled(&["rcpt reply=550 5.1.1 No"]);
        let mut options = options.to_vec();
        options.extend(["--to", "c@example.org"]);
        send(&mail, &options).exits(69).says("2 of 2 recipients");
        assert_eq!(mail.letters(), []);
        assert_eq!(mail.heard().last().unwrap(), "QUIT");
    }
}

#[test]
fn lmtp_has_a_fate_for_each_recipient() {
    for options in [
        &[][..],
        &["--without", "CHUNKING"],
        &["--without", "PIPELINING"],
    ] {
        let mut mta = mta(&[
            "dot=full@* reply=452 4.2.2 Full",
            "dot=gone@* reply=550 5.2.1 Gone",
        ]);
        mta.lmtp = true;
        let mail = Mail::with(mta, Options::default());
        let mut options = options.to_vec();
        options.extend(["--to", "full@example.org,gone@example.org,c@example.org"]);
        let run = send(&mail, &options).exits(69);
        let expected = [
            row("accepted", "b@example.org", "250 2.0.0 Taken"),
            row("refused-for-now", "full@example.org", "452 4.2.2 Full"),
            row("refused-for-good", "gone@example.org", "550 5.2.1 Gone"),
            row("accepted", "c@example.org", "250 2.0.0 Taken"),
        ];
        assert_eq!(rows(&run), expected.concat(), "{options:?}");
    }
}

#[test]
fn lmtp_that_hangs_up_between_its_replies_leaves_the_rest_unknown() {
    let mut mta = mta(&["dot=c@* drop"]);
    mta.lmtp = true;
    let mail = Mail::with(mta, Options::default());
    let run = send(&mail, &["--to", "c@example.org,d@example.org"]).exits(79);
    let results: Vec<String> = run
        .text()
        .lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(results, ["accepted", "unknown", "unknown"]);
}

#[test]
fn what_is_refused_for_now_is_tried_again_for_those_who_miss_it() {
    let mail = Mail::ruled(&["rcpt=slow@* count=1 reply=451 4.7.1 Greylisted"]);
    let run = send(&mail, &["--retry", "2", "--to", "slow@example.org"]).exits(0);
    run.says("trying again in ");
    let letters = mail.letters();
    let all: Vec<Vec<&str>> = letters
        .iter()
        .map(|letter| {
            letter
                .recipients
                .iter()
                .map(|(to, _)| to.as_str())
                .collect()
        })
        .collect();
    assert_eq!(all, [["b@example.org"], ["slow@example.org"]]);
    // What is refused for good is not.
    let mail = Mail::ruled(&["rcpt reply=550 5.1.1 No"]);
    let run = send(&mail, &["--retry", "2"]).exits(69);
    assert_eq!((run.stderr.as_str(), mail.server.connections()), ("", 1));
}

#[test]
fn retries_come_to_an_end() {
    let mail = Mail::ruled(&["mail reply=451 4.7.1 Later"]);
    let run = send(&mail, &["--retry", "1", "--json"]).exits(75);
    let item: Value = serde_json::from_str(&run.text()).unwrap();
    assert_eq!(item["tries"], 2);
    // There is no time for another try.
    let mail = Mail::ruled(&["mail reply=451 4.7.1 Later"]);
    send(&mail, &["--retry", "9", "--deadline", "500ms"]).exits(75);
    assert!(mail.server.connections() <= 2);
}

#[test]
fn a_server_that_does_not_greet_us_is_tried_again() {
    let mail = Mail::ruled(&["connect count=1 reply=421 4.3.2 Later"]);
    send(&mail, &["--retry", "1"]).exits(0);
    assert_eq!(mail.server.connections(), 2);
    mail.letter();
}

#[test]
fn the_next_message_goes_over_another_connection_when_one_is_used_up() {
    for options in [
        &[][..],
        &["--without", "CHUNKING"],
        &["--without", "PIPELINING"],
        &["--without", "PIPELINING", "--without", "CHUNKING"],
    ] {
        for rule in [
            "mail after=2 count=1 reply=421 4.7.0 Enough",
            "mail after=2 count=1 drop",
        ] {
            if rule.ends_with("drop") && options.is_empty() {
                // The message went with the envelope, so that nobody knows what became of it.
                continue;
            }
            let mail = Mail::ruled(&[rule]);
            let mut options = options.to_vec();
            options.extend(["--repeat", "4"]);
            let run = send(&mail, &options);
            assert_eq!(run.code, 0, "{rule} {options:?}: {run:?}");
            assert_eq!(mail.letters().len(), 4, "{rule} {options:?}");
            assert_eq!(mail.server.connections(), 2);
        }
    }
}

#[test]
fn a_message_that_cannot_be_sent_does_not_stop_the_others() {
    let mail = Mail::ruled(&[]);
    let others = [sample("nul.eml"), sample("dots.eml")];
    let run = send(&mail, &["--message", &others[0], "--message", &others[1]]).exits(64);
    assert_eq!(mail.letters().len(), 2);
    assert_eq!(run.text().matches("accepted").count(), 2);
}

#[test]
fn nobody_there_no_such_host_and_no_such_file_are_told_apart() {
    let port = {
        let trap = Trap::set().unwrap();
        trap.port()
    };
    let path = sample("plain.eml");
    let rest = [
        "--from",
        "a@x.example",
        "--to",
        "b@x.example",
        "--message",
        &path,
    ];
    let to = |url: &str| proto(&[&["smtp-send", url], &rest[..]].concat());
    let run = to(&format!("smtp://localhost:{port}")).exits(69);
    assert!(run.text().starts_with("not-sent "), "{run:?}");
    to("smtp://nothing.invalid").exits(68);
    for url in [
        "http://localhost",
        "smtp://localhost/x",
        "smtp://",
        "smtp://local host",
    ] {
        to(url).exits(64);
    }
    let mail = Mail::ruled(&[]);
    send_message(&mail, "/nonexistent/message", &[]).exits(74);
    compose(&mail, &["--text", "x", "--attach", "/nonexistent/file"]).exits(74);
    send(&mail, &["--report", "/dev/null/report"]).exits(74);
    assert_eq!(mail.server.connections(), 0);
}

#[test]
fn a_full_stdout_is_an_error_and_no_panic() {
    let mail = Mail::ruled(&[]);
    let path = sample("plain.eml");
    let url = mail.url();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = command(&[
        "smtp-send",
        &url,
        "--from",
        "a@x.example",
        "--to",
        "b@x.example",
        "--message",
        &path,
    ]);
    let run = Run::from(command.stdout(full).output().unwrap()).exits(74);
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    assert!(run.stderr.contains("No space left"), "{run:?}");
    mail.letter();
}
