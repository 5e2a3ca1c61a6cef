//! Logging in: by every mechanism, with secrets from everywhere, and not twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::harness::authority;
use proto_mock::{Options, Trap};

/// A server that knows fred.
fn protected(rules: &[&str]) -> Mail {
    without(rules, &[])
}

fn without(rules: &[&str], names: &[&str]) -> Mail {
    let mut mta = mta(rules);
    mta.users.push(("fred".to_owned(), "canary-7Q".to_owned()));
    mta.requires_login = true;
    mta.without = names.iter().map(|name| (*name).to_owned()).collect();
    Mail::with(mta, Options::default())
}

/// Sends with a password in the environment.
fn log_in(mail: &Mail, password: &str, options: &[&str]) -> Run {
    let (url, message) = (mail.url(), sample("plain.eml"));
    let arguments = [
        "smtp-send",
        &url,
        "--from",
        "a@example.org",
        "--to",
        "b@example.org",
        "--message",
        &message,
    ];
    let mut command = command(&arguments);
    command.args(options).env("PROTO_PASSWORD", password);
    Run::from(command.output().unwrap())
}

/// What was said to log in, by mechanism.
fn attempts(mail: &Mail) -> Vec<String> {
    let mechanism = |line: String| Some(line.strip_prefix("AUTH ")?.split(' ').next()?.to_owned());
    mail.heard().into_iter().filter_map(mechanism).collect()
}

#[test]
fn every_mechanism_logs_in() {
    let ca = authority();
    for (mechanism, options) in [
        ("PLAIN", &[][..]),
        ("LOGIN", &[]),
        ("CRAM-MD5", &[]),
        ("SCRAM-SHA-1", &[]),
        ("SCRAM-SHA-256", &[]),
        ("SCRAM-SHA-1-PLUS", &["--starttls"]),
        ("SCRAM-SHA-256-PLUS", &["--starttls"]),
        ("XOAUTH2", &["--token-command", "echo canary-7Q"]),
        ("OAUTHBEARER", &["--token-command", "echo canary-7Q"]),
    ] {
        let mail = protected(&[]);
        let mut options = options.to_vec();
        let lower = mechanism.to_lowercase();
        options.extend(["-u", "fred", "--auth", &lower, "--ca", &ca]);
        log_in(&mail, "canary-7Q", &options).exits(0);
        let letter = mail.letter();
        assert_eq!(letter.mechanism.as_deref(), Some(mechanism));
        assert_eq!(letter.user.as_deref(), Some("fred"), "{mechanism}");
    }
    for mechanism in ["EXTERNAL", "ANONYMOUS"] {
        let mail = protected(&[]);
        log_in(&mail, "", &["--auth", mechanism]).exits(0);
        assert_eq!(mail.letter().mechanism.as_deref(), Some(mechanism));
    }
}

#[test]
fn the_strongest_mechanism_is_chosen() {
    let ca = authority();
    for (hidden, options, chosen) in [
        (&[][..], &[][..], "SCRAM-SHA-256"),
        (&[], &["--starttls"], "SCRAM-SHA-256-PLUS"),
        (&["AUTH=SCRAM-SHA-256"], &[], "SCRAM-SHA-1"),
        (&["AUTH=SCRAM-SHA-256", "AUTH=SCRAM-SHA-1"], &[], "PLAIN"),
        (
            &["AUTH=SCRAM-SHA-256", "AUTH=SCRAM-SHA-1", "AUTH=PLAIN"],
            &[],
            "LOGIN",
        ),
        (&[], &["--token-command", "echo canary-7Q"], "OAUTHBEARER"),
        (
            &["AUTH=OAUTHBEARER"],
            &["--token-command", "echo canary-7Q"],
            "XOAUTH2",
        ),
    ] {
        let mail = without(&[], hidden);
        let mut options = options.to_vec();
        options.extend(["-u", "fred", "--ca", &ca]);
        log_in(&mail, "canary-7Q", &options).exits(0);
        assert_eq!(mail.letter().mechanism.as_deref(), Some(chosen));
        assert_eq!(attempts(&mail), [chosen]);
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    for options in [
        &[][..],
        &["--auth", "PLAIN"],
        &["--auth", "LOGIN"],
        &["--auth", "CRAM-MD5"],
        &["--auth", "SCRAM-SHA-1"],
        &["--retry", "3"],
        &["--repeat", "3"],
        &["--token-command", "echo wrong"],
        &["--token-command", "echo wrong", "--auth", "XOAUTH2"],
    ] {
        let mail = protected(&[]);
        let mut options = options.to_vec();
        options.extend(["-u", "fred"]);
        let run = log_in(&mail, "wrong", &options).exits(77);
        assert!(run.stderr.contains("535"), "{run:?}");
        assert!(run.text().starts_with("not-sent "), "{run:?}");
        assert_eq!(attempts(&mail).len(), 1, "{options:?}");
        assert_eq!(mail.server.connections(), 1);
        assert_eq!(mail.letters(), []);
    }
}

#[test]
fn another_mechanism_follows_only_where_the_mechanism_was_refused() {
    for reply in [
        "504 5.5.4 Unrecognized",
        "534 5.7.9 Too weak",
        "538 5.7.11 Encrypt",
    ] {
        let mail = protected(&[&format!("auth=SCRAM* reply={reply}")]);
        log_in(&mail, "canary-7Q", &["-u", "fred"]).exits(0);
        assert_eq!(attempts(&mail), ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
    }
    for (reply, code) in [
        ("535 5.7.8 Wrong", 77),
        ("454 4.7.0 Later", 75),
        ("500 5.5.1 What", 77),
        ("432 4.7.12 Transition", 75),
        ("421 4.3.2 Bye", 75),
    ] {
        let mail = protected(&[&format!("auth reply={reply}")]);
        log_in(&mail, "canary-7Q", &["-u", "fred"]).exits(code);
        assert_eq!(attempts(&mail).len(), 1, "{reply}");
    }
    // Whoever asks for a mechanism gets that one or none.
    let mail = protected(&["auth reply=504 5.5.4 Unrecognized"]);
    log_in(&mail, "canary-7Q", &["-u", "fred", "--auth", "plain"]).exits(77);
    assert_eq!(attempts(&mail), ["PLAIN"]);
    let mail = without(&[], &["AUTH=PLAIN"]);
    log_in(&mail, "canary-7Q", &["-u", "fred", "--auth", "plain"]).exits(77);
    assert_eq!(attempts(&mail), [""; 0]);
}

#[test]
fn cram_md5_is_used_only_when_it_is_named() {
    let others =
        ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"].map(|name| format!("AUTH={name}"));
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let mail = without(&[], &others);
    let run = log_in(&mail, "canary-7Q", &["-u", "fred"]).exits(77);
    run.says("--auth CRAM-MD5");
    assert_eq!(attempts(&mail), [""; 0]);
}

#[test]
fn the_password_comes_from_a_file_a_command_the_environment_or_the_url() {
    let folder = folder();
    let path = folder.path().join("password");
    fs::write(&path, "canary-7Q\nnot this\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mail = protected(&[]);
    let (url, message) = (mail.url(), sample("plain.eml"));
    let with_user = url.replace("smtp://", "smtp://fred@");
    let with_both = url.replace("smtp://", "smtp://fred:canary%2D7Q@");
    let file = ["--password-file", path.to_str().unwrap()];
    for (url, options, warns) in [
        (&url, &[&["-u", "fred"][..], &file].concat()[..], false),
        (&with_user, &file, false),
        (&with_user, &["--password-command", "echo canary-7Q"], false),
        (&with_both, &[], true),
    ] {
        let arguments = [
            "smtp-send",
            url,
            "--from",
            "a@x.example",
            "--to",
            "b@x.example",
            "--message",
            &message,
        ];
        let run = proto(&[&arguments, options].concat()).exits(0);
        assert_eq!(
            run.stderr.contains("a URL holds a password"),
            warns,
            "{run:?}"
        );
        assert!(!run.stderr.contains("canary"));
    }
    assert_eq!(mail.letters().len(), 4);
}

#[test]
fn whoever_has_no_password_does_not_connect() {
    let trap = Trap::set().unwrap();
    let url = format!("smtp://fred@localhost:{}", trap.port());
    let message = sample("plain.eml");
    let arguments = [
        "smtp-send",
        &url,
        "--from",
        "a@x.example",
        "--to",
        "b@x.example",
        "--message",
        &message,
    ];
    // No terminal to ask on.
    let plain = command(&arguments);
    let mut alone = std::process::Command::new("setsid");
    alone
        .arg("-w")
        .arg(plain.get_program())
        .args(plain.get_args());
    alone
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    alone.stdin(std::process::Stdio::null());
    Run::from(alone.output().unwrap()).exits(64);
    assert!(!trap.was_touched());
}

#[test]
fn a_password_goes_to_another_machine_only_under_tls() {
    // The name is far away; that it is dialled here does not make it near.
    let ca = authority();
    let message = sample("plain.eml");
    let run = |mail: &Mail, options: &[&str]| {
        let here = format!("127.0.0.1:{}", mail.server.port());
        let mut command = command(&[
            "smtp-send",
            "smtp://mail.example.org",
            "--connect-to",
            &here,
        ]);
        command.args([
            "--from",
            "a@x.example",
            "--to",
            "b@x.example",
            "--message",
            &message,
        ]);
        command.args(["-u", "fred", "--ca", &ca]).args(options);
        Run::from(command.env("PROTO_PASSWORD", "canary-7Q").output().unwrap())
    };
    // There is no STARTTLS to be had.
    let mail = without(&[], &["STARTTLS"]);
    run(&mail, &[]).exits(76);
    run(&mail, &["--auth", "plain"]).exits(76);
    assert_eq!(attempts(&mail), [""; 0]);
    // There is, but the certificate is another's.
    let mail = protected(&[]);
    run(&mail, &[]).exits(77);
    assert_eq!(attempts(&mail), [""; 0]);
    run(&mail, &["--insecure"]).exits(0).says("--insecure");
    assert!(mail.mta.letters()[0].is_encrypted);
    // Only where that is asked for does it go in the clear.
    let mail = without(&[], &["STARTTLS", "AUTH=SCRAM-SHA-1", "AUTH=SCRAM-SHA-256"]);
    run(&mail, &["--plain"]).exits(0);
    assert_eq!(attempts(&mail), ["PLAIN"]);
}

#[test]
fn on_loopback_a_password_may_go_in_the_clear() {
    let mail = without(&[], &["STARTTLS"]);
    log_in(&mail, "canary-7Q", &["-u", "fred", "--auth", "plain"]).exits(0);
    assert!(!mail.letter().is_encrypted);
}

#[test]
fn tls_is_used_from_the_first_byte_or_by_command() {
    let ca = authority();
    let mut mta = mta(&[]);
    mta.requires_tls = true;
    let mail = Mail::with(mta, Options::default());
    send(&mail, &["--starttls", "--ca", &ca]).exits(0);
    assert!(mail.letter().is_encrypted);
    let run = send(&mail, &["--plain"]).exits(77);
    assert!(run.text().contains("530"), "{run:?}");
    let mail = Mail::with(crate::harness::mta(&[]), crate::harness::tls());
    send(&mail, &["--ca", &ca]).exits(0);
    assert!(mail.letter().is_encrypted);
    send(&mail, &[]).exits(77);
    send(&mail, &["--starttls", "--ca", &ca]).exits(64);
    send(&mail, &["--starttls", "--plain"]).exits(64);
}
