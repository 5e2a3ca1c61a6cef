//! TLS that is taken away, faked or spoken into.

use super::*;
use crate::harness::{tls, tls_as};
use proto_mock::{Options, Outcome};
use proto_transport::Security;

/// Runs with `--starttls`, where the server plays `text`, and must not hear more than that.
#[track_caller]
fn upgrade(text: &str, options: &[&str]) -> Run {
    let script = Script::play(text);
    let ca = authority();
    let mut all = vec!["--starttls", "--ca", &ca];
    all.extend_from_slice(options);
    let mut command = sending(&url_of(&script.server), &all);
    command.env("PROTO_PASSWORD", "canary-7Q");
    let run = finish(command);
    assert_eq!(script.replay.outcome(), Outcome::AsWritten, "{text}{run:?}");
    run
}

#[test]
fn a_missing_offer_of_starttls_is_the_end() {
    for offer in [
        &[][..],
        &["8BITMIME"],
        &["XSTARTTLS"],
        &["STARTTLSX"],
        &["START-TLS"],
    ] {
        upgrade(&greeting(offer), &[]).exits(76);
        upgrade(&greeting(offer), &["-u", "fred"]).exits(76);
    }
}

#[test]
fn only_220_begins_tls() {
    for code in [
        "221", "200", "250", "235", "334", "354", "421", "454", "500", "501", "502", "503", "504",
        "530", "554",
    ] {
        let text = format!("{}C: STARTTLS\nS: {code} what\n", greeting(&["STARTTLS"]));
        for options in [&[][..], &["-u", "fred"]] {
            let run = upgrade(&text, options).exits(76);
            assert!(run.stderr.contains(code), "{run:?}");
        }
    }
}

#[test]
fn a_server_that_hangs_up_instead_of_tls_is_not_asked_again_in_the_clear() {
    let text = format!("{}C: STARTTLS\n= closed\n", greeting(&["STARTTLS"]));
    upgrade(&text, &["-u", "fred"]).exits(75);
    let text = format!(
        "{}C: STARTTLS\nS: 220 Go\n= closed\n",
        greeting(&["STARTTLS"])
    );
    let script = Script::play(&text);
    let run = send(&url_of(&script.server), &["--starttls"]);
    assert!(matches!(run.code, 75 | 76), "{run:?}");
    assert_eq!(script.server.connections(), 1);
}

#[test]
fn where_extensions_are_needed_nobody_says_helo() {
    for code in ["500", "502", "504", "550", "554"] {
        let text = format!("S: 220 x\nC: EHLO client.example.org\nS: {code} what\n");
        let run = upgrade(&text, &[]);
        assert!(matches!(run.code, 69 | 76), "{run:?}");
        // To log in needs them as well.
        let script = Script::play(&text);
        let mut command = sending(&url_of(&script.server), &["-u", "fred"]);
        let run = finish({
            command.env("PROTO_PASSWORD", "canary-7Q");
            command
        });
        assert!(matches!(run.code, 69 | 76 | 77), "{run:?}");
        assert_eq!(script.replay.outcome(), Outcome::AsWritten);
    }
}

#[test]
fn what_is_injected_behind_the_answer_to_starttls_is_not_heard() {
    for injected in ["250 OK", "250-x\nS: 250 AUTH PLAIN", "235 Welcome", "x"] {
        let text = format!(
            "{}C: STARTTLS\nS: 220 Go\nS: {injected}\n",
            greeting(&["STARTTLS"])
        );
        upgrade(&text, &["-u", "fred"]).exits(76);
    }
    // Nor if it comes a little later.
    let text = format!(
        "{}C: STARTTLS\nS: 220 Go\n= wait 100ms\nS: 250 OK\n= wait 200ms\n",
        greeting(&["STARTTLS"])
    );
    let script = Script::play(&text);
    send(&url_of(&script.server), &["--starttls"]).exits(76);
    let script = Script::play(&format!(
        "{}C: STARTTLS\nS: 220 Go\nS: 250 OK\n",
        greeting(&["STARTTLS"])
    ));
    probe(&url_of(&script.server), &["--ehlo", "client.example.org"]).exits(76);
}

#[test]
fn what_was_offered_in_the_clear_does_not_count_under_tls() {
    let clear = greeting(&["STARTTLS", "AUTH PLAIN"]);
    let start = "C: STARTTLS\nS: 220 Go\n= tls\nC: EHLO client.example.org\n";
    let text = format!("{clear}{start}S: 250 server.example.org\nC: QUIT\nS: 221 Bye\n");
    upgrade(&text, &["-u", "fred"]).exits(77);
    // And what was not, does.
    let clear = greeting(&["STARTTLS", "AUTH GSSAPI"]);
    let text = format!(
        "{clear}{start}S: 250-x\nS: 250 AUTH PLAIN\nC: AUTH PLAIN (secret)\nS: 235 OK\n{LETTER}"
    );
    upgrade(&text, &["-u", "fred"]).exits(0);
    // Where TLS is refused by the second EHLO, nothing is said.
    let text = format!("{clear}{start}S: 502 What?\n");
    let run = upgrade(&text, &["-u", "fred"]);
    assert!(matches!(run.code, 69 | 76 | 77), "{run:?}");
}

#[test]
fn nothing_is_said_behind_starttls_before_its_answer() {
    let mail = Mail::ruled(&["starttls delay=50ms"]);
    send(&mail.url(), &["--starttls", "--ca", &authority()]).exits(0);
    let letter = mail.letter();
    assert!(letter.is_encrypted);
}

#[test]
fn a_certificate_that_cannot_be_trusted_ends_it_before_anything_is_said() {
    let ca = authority();
    for (name, options) in [
        ("expired", &["--ca", &ca][..]),
        ("wrong", &["--ca", &ca]),
        ("selfsigned", &["--ca", &ca]),
        ("localhost", &[]),
    ] {
        for (security, starttls) in [(Security::Tls, false), (Security::Plain, true)] {
            let mail = Mail::with(
                mta(&[]),
                Options {
                    security,
                    ..tls_as(name)
                },
            );
            let mut options = options.to_vec();
            options.extend(["-u", "fred"]);
            if starttls {
                options.push("--starttls");
            }
            let mut command = sending(&mail.url(), &options);
            command.env("PROTO_PASSWORD", "canary-7Q");
            finish(command).exits(77);
            let heard = mail.heard();
            assert!(
                heard
                    .iter()
                    .all(|line| line.starts_with("EHLO") || line == "STARTTLS"),
                "{heard:?}"
            );
        }
    }
}

#[test]
fn a_server_that_greets_in_the_clear_where_tls_is_due_is_told_apart() {
    let mail = Mail::ruled(&[]);
    let url = mail.url().replace("smtp:", "smtps:");
    for run in [send(&url, &[]), probe(&url, &[])] {
        assert_eq!(run.code, 76, "{run:?}");
    }
    assert_eq!(mail.mta.letters(), []);
    // And the other way round.
    let mail = Mail::with(mta(&[]), tls());
    let url = mail.url().replace("smtps:", "smtp:");
    let run = send(&url, &["--timeout", "500ms"]);
    assert!(matches!(run.code, 75 | 76), "{run:?}");
}

#[test]
fn submission_means_starttls() {
    let mut without = mta(&[]);
    without.without.push("STARTTLS".to_owned());
    let mail = Mail::with(without, Options::default());
    let url = mail.url().replace("smtp:", "submission:");
    send(&url, &[]).exits(76);
    probe(&url, &[]).exits(76);
    assert!(!mail.heard().iter().any(|line| line.starts_with("MAIL")));
    let mail = Mail::ruled(&[]);
    let url = mail.url().replace("smtp:", "submission:");
    send(&url, &["--ca", &authority()]).exits(0);
    assert!(mail.letter().is_encrypted);
}
