//! What we are asked to say: nothing in an argument becomes another line, another command, another
//! recipient or another host.

use std::fs;

use proto_mock::Trap;

use super::*;
use crate::harness::folder;

/// Runs and fails the test unless that is refused before anybody is asked.
#[track_caller]
fn refuses(trap: &Trap, command: Command) {
    let shown = format!("{command:?}");
    let run = finish(command);
    assert_eq!(run.code, 64, "{shown}: {run:?}");
    assert!(!trap.was_touched(), "{shown} connected");
}

fn composing(trap: &Trap, options: &[&str]) -> Command {
    let url = format!("smtp://localhost:{}", trap.port());
    let mut command = command(&["smtp-send", &url, "--deadline", "3s"]);
    for (name, value) in [
        ("--from", "a@example.org"),
        ("--to", "b@example.org"),
        ("--text", "x"),
    ] {
        if !options.contains(&name) {
            command.args([name, value]);
        }
    }
    command.args(options);
    command
}

#[test]
fn no_option_can_hold_a_line_end() {
    let trap = Trap::set().unwrap();
    for evil in ["\r\n", "\n", "\r"] {
        for (name, value) in [
            (
                "--from",
                format!("a@example.org{evil}RCPT TO:<evil@example.org>"),
            ),
            (
                "--from",
                format!("A{evil}Bcc: evil@example.org <a@example.org>"),
            ),
            ("--to", format!("b@example.org{evil}DATA")),
            ("--to", format!("b@exa{evil}mple.org")),
            ("--to", format!("\"b{evil}c\"@example.org")),
            (
                "--to",
                format!("<b@example.org>{evil}RCPT TO:<evil@example.org>"),
            ),
            ("--cc", format!("c@example.org{evil}X: y")),
            ("--bcc", format!("c@example.org{evil}X: y")),
            ("--subject", format!("a{evil}Bcc: evil@example.org")),
            ("--header", format!("X-A: b{evil}Bcc: evil@example.org")),
            ("--header", format!("X-A{evil}X-B: c")),
            (
                "--sender",
                format!("a@example.org>{evil}RCPT TO:<evil@example.org"),
            ),
            ("--submitter", format!("a@example.org{evil}DATA")),
        ] {
            refuses(&trap, composing(&trap, &[name, &value]));
        }
    }
}

#[test]
fn an_envelope_id_is_printable_ascii() {
    // RFC 3461 section 4.4, although xtext could write anything.
    let trap = Trap::set().unwrap();
    for id in [
        "a\r\nRCPT TO:<evil@example.org>",
        "a\nb",
        "a\rb",
        "a\x1bb",
        "a\u{fc}",
    ] {
        refuses(&trap, composing(&trap, &["--envelope-id", id]));
    }
}

#[test]
fn our_name_cannot_hold_a_line_end_or_a_blank() {
    let trap = Trap::set().unwrap();
    for name in [
        "me\r\nMAIL FROM:<>",
        "me\nx",
        "me\rx",
        "me you",
        "",
        "m\u{fc}",
        "me\tx",
    ] {
        refuses(&trap, composing(&trap, &["--ehlo", name]));
        let url = format!("smtp://localhost:{}", trap.port());
        let mut command = command(&["smtp-probe", &url, "--deadline", "3s"]);
        command.args(["--ehlo", name]);
        refuses(&trap, command);
    }
}

#[test]
fn a_user_cannot_hold_a_line_end() {
    let trap = Trap::set().unwrap();
    for evil in ["\r\n", "\n", "\r"] {
        let user = format!("fr{evil}ed");
        for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2"] {
            let mut options = vec!["-u", &user, "--auth", mechanism];
            if mechanism == "XOAUTH2" {
                options.extend(["--token-command", "echo x"]);
            }
            let mut command = composing(&trap, &options);
            command.env("PROTO_PASSWORD", "secret");
            refuses(&trap, command);
        }
    }
}

#[test]
fn a_password_cannot_hold_a_line_end() {
    let trap = Trap::set().unwrap();
    for evil in ["\r\n", "\n", "\r"] {
        let mut command = composing(&trap, &["-u", "fred"]);
        command.env("PROTO_PASSWORD", format!("se{evil}cret"));
        refuses(&trap, command);
    }
}

#[test]
fn whatever_is_refused_late_is_never_said() {
    // Even where somebody is connected to, nothing of it reaches the wire.
    for (name, value) in [
        ("--ehlo", "me\r\nMAIL FROM:<evil@example.org>"),
        ("-u", "fr\r\nevil"),
    ] {
        for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"] {
            let mail = Mail::ruled(&[]);
            let mut command = command(&["smtp-send", &mail.url(), "--auth", mechanism]);
            command.args([
                "--from",
                "a@example.org",
                "--to",
                "b@example.org",
                "--text",
                "x",
            ]);
            if name != "-u" {
                command.args(["-u", "fred"]);
            }
            command.args([name, value]).env("PROTO_PASSWORD", "secret");
            let run = finish(command);
            assert!(matches!(run.code, 64 | 77), "{run:?}");
            let heard = mail.heard().join("\n");
            assert!(!heard.contains("evil"), "{heard}");
            assert_eq!(mail.letters(), []);
        }
    }
}

#[test]
fn a_url_cannot_hold_a_line_end_or_a_nul() {
    let trap = Trap::set().unwrap();
    let port = trap.port();
    for evil in ["%0d%0a", "%0a", "%0D", "%00", "%ff", "\r\n", "\n", "\t"] {
        for url in [
            format!("smtp://fr{evil}ed:x@localhost:{port}"),
            format!("smtp://fred:se{evil}cret@localhost:{port}"),
            format!("smtp://local{evil}host:{port}"),
            format!("smtp://localhost:{port}/{evil}x"),
        ] {
            let command = sending(&url, &["--deadline", "3s"]);
            refuses(&trap, command);
        }
    }
}

#[test]
fn a_name_of_a_file_cannot_become_a_header_field() {
    let folder = folder();
    for (number, name) in [
        "a\r\nBcc: evil@example.org",
        "a\nX: y",
        "a\"; x=\"y",
        "\u{202e}gpj.exe",
        "a\\",
    ]
    .iter()
    .enumerate()
    {
        let path = folder.path().join(name);
        fs::write(&path, "x").unwrap();
        let mail = Mail::ruled(&[]);
        let url = mail.url();
        let mut command = command(&[
            "smtp-send",
            &url,
            "--from",
            "a@example.org",
            "--to",
            "b@example.org",
        ]);
        command.arg("--attach").arg(&path);
        let run = finish(command);
        if number < 2 {
            run.exits(64);
            assert_eq!(mail.server.connections(), 0);
            continue;
        }
        run.exits(0);
        let text = String::from_utf8(mail.letter().content).unwrap();
        let field = |line: &str| line.starts_with("Bcc:") || line.starts_with("X:");
        assert!(!text.lines().any(field), "{text}");
        assert!(text.is_ascii(), "{text}");
    }
}

#[test]
fn addresses_that_may_be_read_in_two_ways_are_refused() {
    let trap = Trap::set().unwrap();
    for address in [
        "<a@example.org>b@example.org",
        "a@example.org>",
        "a b@example.org",
        "a@b@example.org",
        "@example.org",
        "a@",
        "a@exa mple.org",
        "a@example..org",
        "@one,@two:a@example.org",
        "a@[127.0.0.1",
        "a@[127.0.0.1] RCPT",
        "a@example.org SIZE=1",
        "a@example.org\u{0}",
        "\u{202e}a@example.org\u{7f}",
    ] {
        if address.contains('\0') {
            continue;
        }
        for name in ["--to", "--from", "--sender", "--submitter"] {
            refuses(&trap, composing(&trap, &[name, address]));
        }
    }
    let long = format!("{}@example.org", "a".repeat(500));
    refuses(&trap, composing(&trap, &["--to", &long]));
}

#[test]
fn nested_comments_do_not_overflow_the_stack() {
    let trap = Trap::set().unwrap();
    let deep = format!("{}a@example.org", "(".repeat(60_000));
    refuses(&trap, composing(&trap, &["--to", &deep]));
    let closed = format!("{}{} a@example.org", "(".repeat(30_000), ")".repeat(30_000));
    let mut command_for_it = composing(&trap, &["--to", &closed, "--dry-run"]);
    let run = Run::from(command_for_it.output().unwrap());
    assert!(matches!(run.code, 0 | 64), "{run:?}");
    let folder = folder();
    let path = folder.path().join("message");
    fs::write(&path, format!("From: a@example.org\r\nTo: {deep}\r\n\r\n")).unwrap();
    let url = format!("smtp://localhost:{}", trap.port());
    let mut command = command(&["smtp-send", &url, "--recipients-from-headers", "--message"]);
    command.arg(&path);
    let run = finish(command);
    assert!(run.code != 0, "{run:?}");
}

#[test]
fn recipients_in_a_header_cannot_be_commands() {
    let folder = folder();
    let path = folder.path().join("message");
    for to in [
        "b@example.org>\r\n RCPT TO:<evil@example.org",
        "\"b\r\n DATA\"@example.org",
        "b@example.org\rRCPT TO:<evil@example.org>",
        "b@exa\0mple.org",
    ] {
        fs::write(
            &path,
            format!("From: a@example.org\r\nTo: {to}\r\n\r\nx\r\n"),
        )
        .unwrap();
        let mail = Mail::ruled(&[]);
        let mut command = command(&[
            "smtp-send",
            &mail.url(),
            "--recipients-from-headers",
            "--message",
        ]);
        command.arg(&path);
        finish(command);
        let heard = mail.heard().join("\n");
        assert!(!heard.contains("evil"), "{heard}");
        assert_eq!(mail.mta.violations(), [""; 0], "{to:?}");
    }
}

#[test]
fn a_host_is_what_it_looks_like() {
    let trap = Trap::set().unwrap();
    let port = trap.port();
    for url in [
        format!("smtp://good.example\\@localhost:{port}"),
        format!("smtp://localhost:{port}%2f@"),
        format!("smtp://good.example%40localhost:{port}"),
        format!("smtp://localhost:{port}x"),
        format!("smtp://localhost:99999{port}"),
        format!("smtp://localhost:{port}#@good.example"),
        format!("smtp://localhost:{port}?@good.example"),
        format!("smtp://EX%41MPLE.com:{port}"),
        format!("smtp://local host:{port}"),
        format!("smtp://local\thost:{port}"),
        "smtp://".to_owned(),
        format!("smtp://{}", "a".repeat(300)),
        String::new(),
    ] {
        refuses(&trap, sending(&url, &["--deadline", "3s"]));
        let mut command = command(&["smtp-probe", &url]);
        command.args(["--deadline", "3s"]);
        refuses(&trap, command);
    }
    // An option is no server.
    refuses(&trap, sending("-oProxyCommand=x", &[]));
}

#[test]
fn numeric_hosts_mean_what_everybody_takes_them_for() {
    for host in ["0x7f.1", "2130706433", "017700000001", "127.1"] {
        let mail = Mail::ruled(&[]);
        let url = format!("smtp://{host}:{}", mail.server.port());
        let run = send(&url, &[]);
        assert!(run.code == 0 || run.code == 64, "{host}: {run:?}");
    }
}

#[test]
fn international_hosts_are_shown_as_they_are_asked_for() {
    for host in [
        "bücher.invalid",
        "ｌocalhost.invalid",
        "\u{430}pple.invalid",
    ] {
        let run = send(&format!("smtp://{host}"), &[]);
        assert!(matches!(run.code, 64 | 68), "{run:?}");
        assert!(run.stderr.is_ascii() || run.code == 64, "{run:?}");
    }
}

#[test]
fn a_field_that_would_name_other_recipients_is_not_sent_by_accident() {
    let mail = Mail::ruled(&[]);
    let url = mail.url();
    let mut command = command(&[
        "smtp-send",
        &url,
        "--from",
        "a@example.org",
        "--to",
        "b@example.org",
        "--text",
        "x",
    ]);
    command.args(["--header", "Bcc: evil@example.org"]);
    let run = finish(command);
    if run.code == 0 {
        let letter = mail.letter();
        assert_eq!(letter.recipients.len(), 1);
        assert!(
            !String::from_utf8_lossy(&letter.content).contains("evil"),
            "{letter:?}"
        );
    } else {
        assert_eq!(run.code, 64, "{run:?}");
    }
}
