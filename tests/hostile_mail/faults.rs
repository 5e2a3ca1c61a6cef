//! Every fault of the mock servers, and a close at every byte: all ends, and is told for what it is.

use std::fs;
use std::thread;

use proto_mock::{Fault, Options, FAULTS};

use super::*;
use crate::harness::{folder, tls};

/// Values for the faults that want one; each name of the table is there.
fn faults() -> Vec<String> {
    let values = |usage: &str| -> Vec<String> {
        let name = usage.split(['[', '=']).next().unwrap();
        let values: &[&str] = match name {
            "drip" => &["1ms", "300ms"],
            "cut" | "cut-reset" => &["0", "1", "40", "100", "300", "400", "460"],
            "delay" => &["10ms", "10s"],
            "inject" => &["250 evil\\r\\n"],
            _ => &[""],
        };
        let with_value = |value: &&str| match value.is_empty() {
            true => name.to_owned(),
            false => format!("{name}={value}"),
        };
        values.iter().map(with_value).collect()
    };
    FAULTS.iter().flat_map(|(usage, _)| values(usage)).collect()
}

/// The ways of sending.
const WAYS: [(bool, &[&str]); 5] = [
    (false, &["--without", "CHUNKING"]),
    (false, &[]),
    (false, &["--without", "PIPELINING"]),
    (true, &["--without", "CHUNKING"]),
    (true, &[]),
];

#[test]
fn every_fault_ends_with_a_sensible_status_and_no_letter_is_lost_unnoticed() {
    thread::scope(|scope| {
        for fault in faults() {
            scope.spawn(move || {
                for (lmtp, options) in WAYS {
                    suffer(&fault, lmtp, options, Options::default());
                }
                suffer(&fault, false, &[], tls());
                suffer(&fault, false, &["--starttls"], Options::default());
                look(&fault);
            });
        }
    });
}

fn suffer(fault: &str, lmtp: bool, options: &[&str], server: Options) {
    let mut mta = mta(&[]);
    mta.lmtp = lmtp;
    let mail = Mail::with(mta, with_fault(fault, server));
    let mut options = options.to_vec();
    let ca = authority();
    options.extend(["--deadline", "1500ms", "--ca", &ca]);
    let run = send(&mail.url(), &options);
    let what = format!("{fault} {lmtp} {options:?}: {run:?}");
    let arrived = mail.mta.letters().len();
    assert!(matches!(run.code, 0 | 65 | 69 | 75 | 76 | 79), "{what}");
    if run.code == 0 {
        assert!(run.text().starts_with("accepted "), "{what}");
        assert_eq!(arrived, 1, "{what}");
    } else {
        assert!(!run.text().contains("accepted "), "{what}");
        assert!(arrived == 0 || run.code == 79, "{what}");
    }
    let is_upgrade = options.contains(&"--starttls");
    let is_harmless = ["split", "delay=10ms", "no-close-notify"].contains(&fault);
    if is_harmless || fault.starts_with("inject") && !is_upgrade {
        assert_eq!(run.code, 0, "{what}");
    }
    if fault.starts_with("inject") && is_upgrade {
        assert_eq!(run.code, 76, "{what}");
    }
    if ["silence", "delay=10s", "drip=300ms"].contains(&fault) {
        assert_eq!(run.code, 75, "{what}");
    }
}

fn with_fault(fault: &str, options: Options) -> Options {
    Options {
        faults: vec![fault.parse::<Fault>().unwrap()],
        ..options
    }
}

fn look(fault: &str) {
    let mail = Mail::with(mta(&[]), with_fault(fault, Options::default()));
    let mut command = command(&["smtp-probe", &mail.url(), "--deadline", "1500ms"]);
    command.args(["--ca", &authority()]);
    let run = finish(command);
    assert!(
        matches!(run.code, 0 | 65 | 69 | 75 | 76),
        "{fault}: {run:?}"
    );
    if ["split", "delay=10ms", "no-close-notify"].contains(&fault) {
        assert_eq!(run.code, 0, "{fault}: {run:?}");
    }
}

#[test]
fn a_close_at_every_byte_is_told_for_what_it_is() {
    thread::scope(|scope| {
        for (lmtp, options) in WAYS {
            scope.spawn(move || cut_everywhere("cut", lmtp, options));
        }
        for (lmtp, options) in WAYS.into_iter().take(2) {
            scope.spawn(move || cut_everywhere("cut-reset", lmtp, options));
        }
    });
}

/// How many bytes the server has said: when the message may be sent, when all is said of it, and in
/// all.
fn landmarks(lmtp: bool, options: &[&str]) -> (u64, u64, u64) {
    let folder = folder();
    let path = folder.path().join("record");
    let mail = server(lmtp, Options::default());
    let mut options = options.to_vec();
    options.extend(["--transcript", path.to_str().unwrap()]);
    send(&mail.url(), &options).exits(0);
    let record = fs::read_to_string(&path).unwrap();
    let goes_with_the_envelope = !options.contains(&"--without");
    let (mut said, mut hello, mut may_send, mut answered) = (0, 0, 0, 0);
    let mut before = String::new();
    for line in record.lines() {
        if let Some(text) = line.strip_prefix("S: ") {
            said += text.len() as u64 + 2;
            match text.get(..4) {
                Some("354 ") => may_send = said,
                Some("250 ") if hello == 0 => hello = said,
                Some("250 ") if before.starts_with("RCPT ") && !record.contains("\nS: 354") => {
                    may_send = said;
                }
                Some("221 ") => answered = said - text.len() as u64 - 2,
                _ => {}
            }
        } else if let Some(text) = line.strip_prefix("C: ") {
            before = text.to_owned();
        }
    }
    let may_send = if goes_with_the_envelope {
        hello
    } else {
        may_send
    };
    assert!(
        0 < may_send && may_send < answered && answered < said,
        "{record}"
    );
    (may_send, answered, said)
}

/// A server that says little, so that there are few bytes to cut at.
fn server(lmtp: bool, options: Options) -> Mail {
    let mut mta = mta(&["ehlo reply=250 x\\nPIPELINING\\nCHUNKING"]);
    mta.lmtp = lmtp;
    Mail::with(mta, options)
}

fn cut_everywhere(kind: &str, lmtp: bool, options: &[&str]) {
    let (may_send, answered, all) = landmarks(lmtp, options);
    for count in 0..=all {
        let mail = server(
            lmtp,
            with_fault(&format!("{kind}={count}"), Options::default()),
        );
        let run = send(&mail.url(), options);
        let what =
            format!("{kind}={count} of {may_send} {answered} {all} {lmtp} {options:?}: {run:?}");
        let word = run.text().split(' ').next().unwrap_or_default().to_owned();
        let found = (run.code, word.as_str());
        // A reset may take along what was said before it.
        let is_reset = kind == "cut-reset";
        match count {
            _ if count >= answered => {
                assert!(
                    found == (0, "accepted") || is_reset && found == (79, "unknown"),
                    "{what}"
                );
            }
            // The server is gone in the moment in which the message could go.
            _ if count == may_send => {
                assert!(
                    matches!(found, (75, "not-sent") | (79, "unknown")),
                    "{what}"
                );
            }
            _ if count > may_send => {
                let too_soon = is_reset && found == (75, "not-sent");
                assert!(found == (79, "unknown") || too_soon, "{what}");
            }
            // Whoever is reset early enough has not even connected.
            _ if is_reset => {
                assert!(matches!(found, (69 | 75, "not-sent")), "{what}");
            }
            _ => assert_eq!(found, (75, "not-sent"), "{what}"),
        }
        if found.0 == 75 {
            assert_eq!(mail.mta.letters(), [], "{what}");
        }
    }
}

#[test]
fn a_server_that_stops_reading_does_not_keep_us_for_ever() {
    let folder = folder();
    let path = folder.path().join("large");
    fs::write(
        &path,
        format!("X: y\r\n\r\n{}", "0123456789\r\n".repeat(2_000_000)),
    )
    .unwrap();
    for options in [&[][..], &["--without", "CHUNKING"]] {
        // It listens up to the message.
        let service = |peer: &mut proto_mock::Peer, _: usize| {
            peer.write_all(b"220 x\r\n")?;
            peer.flush()?;
            let mut replies = [
                "250-x\r\n250-PIPELINING\r\n250 CHUNKING",
                "250 OK",
                "250 OK",
                "354 Go on",
            ]
            .iter();
            while let Some(line) = peer.read_line()? {
                if line.starts_with(b"BDAT") {
                    break;
                }
                let Some(reply) = replies.next() else { break };
                peer.write_all(format!("{reply}\r\n").as_bytes())?;
                peer.flush()?;
            }
            peer.wait(std::time::Duration::from_secs(60))
        };
        let server = Server::start(Options::default(), std::sync::Arc::new(service)).unwrap();
        let message = path.to_str().unwrap();
        let mut options = options.to_vec();
        options.extend(["--message", message, "--timeout", "500ms"]);
        let run = send(&url_of(&server), &options).exits(75);
        assert!(run.text().starts_with("not-sent "), "{run:?}");
    }
}
