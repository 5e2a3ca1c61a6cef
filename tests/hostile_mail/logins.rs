//! Servers that want to know more than they may, or let us in too soon.

use std::sync::{Arc, Mutex};

use base64::prelude::{Engine, BASE64_STANDARD};
use proto_mock::{Options, Outcome, Peer};

use super::*;

const PASSWORD: [&str; 5] = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"];

/// Logs in with one mechanism, and sends if that goes well.
#[track_caller]
fn log_in(url: &str, mechanism: &str) -> Run {
    let mut options = vec!["-u", "fred", "--auth", mechanism];
    if ["XOAUTH2", "OAUTHBEARER"].contains(&mechanism) {
        options.extend(["--token-command", "echo canary-7Q"]);
    }
    let mut command = sending(url, &options);
    command.env("PROTO_PASSWORD", "canary-7Q");
    finish(command)
}

/// A server that answers AUTH and all that follows with what `answer` makes of it, and what it heard.
fn asking(
    answer: impl Fn(usize, &str) -> String + Send + Sync + 'static,
) -> (Server, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let service = move |peer: &mut Peer, _: usize| {
        peer.write_all(b"220 x\r\n")?;
        peer.flush()?;
        let mut turn = 0;
        while let Some(line) = peer.read_line()? {
            let line = String::from_utf8_lossy(&line).into_owned();
            log.lock().unwrap().push(line.clone());
            let said = match line.get(..4) {
                Some("EHLO") => "250-x\r\n250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER".to_owned(),
                Some("QUIT") => "221 x".to_owned(),
                _ => {
                    turn += 1;
                    answer(turn, &line)
                }
            };
            peer.write_all(format!("{said}\r\n").as_bytes())?;
            peer.flush()?;
        }
        Ok(())
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    (server, heard)
}

fn challenge(bytes: impl AsRef<[u8]>) -> String {
    format!("334 {}", BASE64_STANDARD.encode(bytes))
}

#[test]
fn a_server_that_always_wants_more_gets_little() {
    let all = PASSWORD.iter().chain(&["XOAUTH2", "OAUTHBEARER"]);
    for mechanism in all {
        for asked in [
            "334 ",
            "334 eA==",
            "334 VXNlcm5hbWU6",
            "334 not base64",
            "334",
            "334-eA==\r\n334 eA==",
        ] {
            let (server, heard) = asking(move |_, _| asked.to_owned());
            let run = log_in(&url_of(&server), mechanism);
            assert!(matches!(run.code, 76 | 77), "{mechanism} {asked}: {run:?}");
            let heard = heard.lock().unwrap();
            assert!(heard.len() <= 8, "{mechanism} {asked}: {heard:?}");
            let attempts = heard.iter().filter(|line| line.starts_with("AUTH "));
            assert_eq!(attempts.count(), 1);
            assert!(!heard.iter().any(|line| line.starts_with("MAIL")));
        }
    }
}

#[test]
fn a_welcome_before_the_server_has_proved_itself_is_none() {
    for mechanism in ["SCRAM-SHA-1", "SCRAM-SHA-256"] {
        let (server, heard) = asking(|_, _| "235 2.7.0 Welcome".to_owned());
        log_in(&url_of(&server), mechanism).exits(76);
        assert!(!heard
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.starts_with("MAIL")));
        // Nor behind our proof.
        let (server, heard) = asking(|turn, line| match turn {
            1 => challenge(server_first(line, "x", "4096")),
            _ => "235 2.7.0 Welcome".to_owned(),
        });
        log_in(&url_of(&server), mechanism).exits(76);
        assert!(!heard
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.starts_with("MAIL")));
    }
    // LOGIN and CRAM-MD5 ask first.
    for mechanism in ["LOGIN", "CRAM-MD5"] {
        let (server, _) = asking(|_, _| "235 2.7.0 Welcome".to_owned());
        let run = log_in(&url_of(&server), mechanism);
        assert_ne!(run.code, 0, "{mechanism}: {run:?}");
    }
}

/// A server's first message in SCRAM, to the command that began it.
fn server_first(line: &str, more: &str, iterations: &str) -> String {
    let first = line.rsplit(' ').next().unwrap();
    let first = String::from_utf8(BASE64_STANDARD.decode(first).unwrap()).unwrap();
    let nonce = first.rsplit("r=").next().unwrap();
    format!("r={nonce}{more},s=QSXCR+Q6sek8bf92,i={iterations}")
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    for proof in [
        "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "v=",
        "v=x",
        "",
        "e=other-error",
        "m=x,v=AAAA",
    ] {
        for last in ["235 2.7.0 Welcome", "535 5.7.8 No"] {
            let (server, heard) = asking(move |turn, line| match turn {
                1 => challenge(server_first(line, "x", "4096")),
                2 => challenge(proof),
                _ => last.to_owned(),
            });
            let run = log_in(&url_of(&server), "SCRAM-SHA-256");
            assert!(matches!(run.code, 76 | 77), "{proof}: {run:?}");
            assert!(!heard
                .lock()
                .unwrap()
                .iter()
                .any(|line| line.starts_with("MAIL")));
        }
    }
}

/// What a server answers to the command that began SCRAM.
type FirstMessage = fn(&str) -> String;

#[test]
fn a_first_message_that_breaks_the_rules_gets_no_proof() {
    let table: [(&str, FirstMessage); 14] = [
        ("the nonce alone", |line| server_first(line, "", "4096")),
        ("another nonce", |_| {
            "r=abc,s=QSXCR+Q6sek8bf92,i=4096".to_owned()
        }),
        ("no iterations", |line| server_first(line, "x", "0")),
        ("one iteration", |line| server_first(line, "x", "1")),
        ("too few", |line| server_first(line, "x", "4095")),
        ("hours of work", |line| {
            server_first(line, "x", "4294967295")
        }),
        ("more than fit", |line| {
            server_first(line, "x", "18446744073709551616")
        }),
        ("no number", |line| server_first(line, "x", "many")),
        ("a sign", |line| server_first(line, "x", "+4096")),
        ("an extension", |line| {
            format!("m=x,{}", server_first(line, "x", "4096"))
        }),
        ("no salt", |line| {
            server_first(line, "x", "4096").replace("QSXCR+Q6sek8bf92", "")
        }),
        ("salt that is no base64", |line| {
            server_first(line, "x", "4096").replace("QSXCR+Q6sek8bf92", "!")
        }),
        ("nothing", |_| String::new()),
        ("no attribute", |_| "r".to_owned()),
    ];
    for (what, first) in table {
        let (server, heard) = asking(move |turn, line| match turn {
            1 => challenge(first(line)),
            _ => "501 5.7.0 Cancelled".to_owned(),
        });
        let run = log_in(&url_of(&server), "SCRAM-SHA-256");
        assert_eq!(run.code, 76, "{what}: {run:?}");
        let heard = heard.lock().unwrap();
        assert!(heard.contains(&"*".to_owned()), "{what}: {heard:?}");
    }
}

#[test]
fn what_is_wrong_with_a_token_is_told_and_the_token_is_not() {
    let told = r#"{"status":"invalid_token","scope":"x\u001b[2J"}"#;
    for (mechanism, apology) in [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")] {
        let (server, heard) = asking(move |turn, _| match turn {
            1 => challenge(told),
            _ => "535 5.7.8 Invalid token".to_owned(),
        });
        let run = log_in(&url_of(&server), mechanism).exits(77);
        assert!(run.stderr.contains("invalid_token"), "{run:?}");
        assert!(!run.stderr.contains("canary"), "{run:?}");
        let heard = heard.lock().unwrap();
        assert_eq!(heard[2], apology, "{heard:?}");
        assert_eq!(
            heard.iter().filter(|line| line.starts_with("AUTH")).count(),
            1
        );
    }
}

#[test]
fn there_is_no_login_where_no_extension_is_known() {
    for (offer, code) in [
        (&[][..], 77),
        (&["AUTH"], 77),
        (&["AUTH NTLM GSSAPI"], 77),
        (&["XAUTH PLAIN"], 77),
    ] {
        let text = format!("{}C: QUIT\nS: 221 x\n", greeting(offer));
        let script = Script::play(&text);
        let mut command = sending(&url_of(&script.server), &["-u", "fred"]);
        command.env("PROTO_PASSWORD", "canary-7Q");
        finish(command).exits(code);
        assert_eq!(script.replay.outcome(), Outcome::AsWritten);
    }
}

#[test]
fn a_list_of_mechanisms_without_the_bound_ones_is_answered_with_what_was_seen() {
    // A server that offers binding notices that somebody took that away: the client says y.
    let mut without = mta(&[]);
    without
        .users
        .push(("fred".to_owned(), "canary-7Q".to_owned()));
    without.without = vec![
        "AUTH=SCRAM-SHA-256-PLUS".into(),
        "AUTH=SCRAM-SHA-1-PLUS".into(),
    ];
    let mail = Mail::with(without, Options::default());
    let ca = authority();
    let options = [
        "-u",
        "fred",
        "--auth",
        "scram-sha-256",
        "--starttls",
        "--ca",
        &ca,
    ];
    let mut command = sending(&mail.url(), &options);
    command.env("PROTO_PASSWORD", "canary-7Q");
    finish(command).exits(0);
    let heard = mail.heard();
    let first = heard
        .iter()
        .find_map(|line| line.strip_prefix("AUTH SCRAM-SHA-256 "));
    let first = BASE64_STANDARD.decode(first.unwrap()).unwrap();
    assert!(
        first.starts_with(b"y,,"),
        "{:?}",
        String::from_utf8_lossy(&first)
    );
}

#[test]
fn mechanisms_with_strange_names_are_not_shown_raw() {
    let long = format!("AUTH \u{1b}[2J \u{202e}NIALP {}", "X".repeat(400));
    let script = Script::play(&format!("{}C: QUIT\nS: 221 x\n", greeting(&[&long])));
    let mut command = sending(&url_of(&script.server), &["-u", "fred"]);
    command.env("PROTO_PASSWORD", "canary-7Q");
    let run = finish(command).exits(77);
    assert!(run.stderr.len() < 2_000, "{run:?}");
}
