//! `smtp-send` and `smtp-probe` against Postfix, which delivers by LMTP to Dovecot, and against
//! Dovecot's LMTP itself: ways in, refusals, and what a message looks like when it has arrived.

use std::fs;

use mailparse::{parse_mail, MailHeaderMap, ParsedMail};
use serde_json::Value;

use super::mail_server::MailServer;
use super::{as_sent, lines, samples, wait_for};
use crate::harness::{folder, proto, repository, Run};

/// The words of a message from somebody to somebody here.
fn mail<'a>(from: &'a str, to: &'a str) -> [&'a str; 8] {
    [
        "--from",
        from,
        "--to",
        to,
        "--subject",
        "Greetings",
        "--text",
        "Hello.",
    ]
}

/// What was sent to a server, of all that `--trace` shows.
fn said(run: &Run) -> Vec<&str> {
    let lines = run.stderr.lines();
    lines.filter_map(|line| line.strip_prefix("C: ")).collect()
}

#[test]
fn mail_arrives_by_every_way_in_and_every_mechanism() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let ports = server.ports;
    let smtp = format!("smtp://localhost:{}", ports.smtp);
    let submission = format!("submission://localhost:{}", ports.submission);
    let smtps = format!("smtps://localhost:{}", ports.smtps);
    let me = ["-u", "ways"];
    let with = |mechanism| ["-u", "ways", "--auth", mechanism];
    let mut ways: Vec<(&str, Vec<&str>, &str)> = vec![
        (&smtp, vec![], "250"),
        (&smtp, vec!["--starttls"], "250"),
        (&smtp, me.to_vec(), "SCRAM-SHA-256"),
        (&smtp, [&me[..], &["--starttls"]].concat(), "SCRAM-SHA-256"),
        (&smtps, me.to_vec(), "SCRAM-SHA-256"),
        (&submission, me.to_vec(), "SCRAM-SHA-256"),
    ];
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"] {
        for url in [&smtp, &submission, &smtps] {
            ways.push((url, with(mechanism).to_vec(), mechanism));
        }
    }
    for (url, options, mechanism) in &ways {
        let mail = mail("sender@localhost", "ways@localhost");
        let arguments = [&["smtp-send", url, "--trace"], &mail[..], options].concat();
        let run = server.proto(&arguments).exits(0);
        assert!(run
            .text()
            .starts_with("accepted          ways@localhost  250 2.0.0 Ok"));
        let said = said(&run);
        let is_said = |what: &str| said.iter().any(|line| line.starts_with(what));
        assert_eq!(
            is_said("AUTH "),
            options.contains(&"-u"),
            "{url} {options:?}"
        );
        if options.contains(&"-u") {
            assert!(is_said(&format!("AUTH {mechanism}")), "{url} {options:?}");
        }
        let upgrades = *url == submission || options.contains(&"--starttls");
        assert_eq!(is_said("STARTTLS"), upgrades, "{url} {options:?}");
    }
    server.arrived("ways", ways.len());
    let log = server.log();
    for (_, options, mechanism) in &ways {
        let method = format!("sasl_method={mechanism}, sasl_username=ways");
        assert!(
            !options.contains(&"-u") || log.contains(&method),
            "{method}"
        );
    }
}

#[test]
fn attachments_arrive_byte_for_byte() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let mut random = vec![0; 1 << 20];
    proto_mock::http::fill(3, &mut random);
    let image: &[u8] = b"\x89PNG\r\n\x1a\n and no more";
    let here = folder();
    let file = |name: &str, content: &[u8]| {
        let path = here.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let text = "Grüße aus Köln\n.\nFrom here to there.\n";
    let html = "<p>Grüße: <img src=\"cid:dot.png\"></p>\n";
    let (text_file, html_file) = (file("text", text.as_bytes()), file("html", html.as_bytes()));
    let (inline, attached) = (file("dot.png", image), file("Grüße 日本.bin", &random));
    let url = format!("smtps://localhost:{}", server.ports.smtps);
    let arguments = [
        "smtp-send",
        &url,
        "-u",
        "parts",
        "--from",
        "Jörg Groß <sender@localhost>",
        "--to",
        "parts@localhost",
        "--subject",
        "Grüße, in vielen Teilen",
        "--text-file",
        &text_file,
        "--html-file",
        &html_file,
        "--inline",
        &inline,
        "--attach",
        &attached,
    ];
    server.proto(&arguments).exits(0);
    let message = server.message("parts");
    let message = parse_mail(&message).unwrap();
    let field = |name| message.headers.get_first_value(name).unwrap();
    assert_eq!(field("Subject"), "Grüße, in vielen Teilen");
    assert!(field("From").contains("Jörg Groß"));
    let part = |kind| part(&message, kind).unwrap_or_else(|| panic!("there is no {kind}"));
    assert_eq!(
        lines(part("text/plain").get_body().unwrap().as_bytes()),
        lines(text.as_bytes())
    );
    assert_eq!(
        lines(part("text/html").get_body().unwrap().as_bytes()),
        lines(html.as_bytes())
    );
    assert!(part("image/png").get_body_raw().unwrap() == image);
    assert_eq!(
        part("image/png")
            .headers
            .get_first_value("Content-ID")
            .unwrap(),
        "<dot.png>"
    );
    let attached = part("application/octet-stream");
    assert!(attached.get_body_raw().unwrap() == random);
    let disposition = attached.get_content_disposition();
    assert_eq!(disposition.params["filename"], "Grüße 日本.bin");
}

/// The first part of a kind.
fn part<'m, 'b>(message: &'m ParsedMail<'b>, kind: &str) -> Option<&'m ParsedMail<'b>> {
    match message.ctype.mimetype == kind {
        true => Some(message),
        false => message.subparts.iter().find_map(|inner| part(inner, kind)),
    }
}

#[test]
fn every_sample_message_arrives_as_it_is() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let url = format!("smtp://localhost:{}", server.ports.smtp);
    let folder = repository().join("samples/messages");
    let mut sent = Vec::new();
    for name in samples() {
        let path = folder.join(format!("{name}.eml"));
        let to = format!("{name}@localhost");
        let from = [
            "--from",
            "sender@localhost",
            "--message",
            path.to_str().unwrap(),
        ];
        let run = server.proto(&[&["smtp-send", &url, "--to", &to], &from[..]].concat());
        match name.as_str() {
            // What no mail may hold.
            "bare-carriage-return" => drop(run.exits(64).says("CR")),
            "nul" => drop(run.exits(64).says("NUL")),
            _ => {
                run.exits(0);
                sent.push(name);
            }
        }
    }
    for name in sent {
        let message = lines(&server.message(&name));
        let arrived = String::from_utf8_lossy(without_traces(&message));
        let expected = match name.as_str() {
            // Postfix ends the header that is not there.
            "body-only" => "\n".to_owned() + &as_sent(&name),
            _ => as_sent(&name),
        };
        assert_eq!(arrived, expected, "{name}");
    }
}

/// A message without the fields that servers put before it.
fn without_traces(mut message: &[u8]) -> &[u8] {
    let added = |line: &[u8]| {
        let names: [&[u8]; 4] = [
            b"Return-Path:",
            b"Delivered-To:",
            b"X-Original-To:",
            b"Received:",
        ];
        names.iter().any(|name| line.starts_with(name))
    };
    let mut is_added = false;
    while let Some(line) = message.split_inclusive(|byte| *byte == b'\n').next() {
        let is_folded = line.starts_with(b"\t") || line.starts_with(b" ");
        is_added = is_added && is_folded || added(line);
        if !is_added {
            break;
        }
        message = &message[line.len()..];
    }
    message
}

#[test]
fn addresses_and_subjects_may_be_of_any_script() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let url = format!("submission://localhost:{}", server.ports.submission);
    for user in ["δοκιμή", "jalapeño"] {
        let to = format!("{user}@localhost");
        let mail = [
            "--from",
            "jalapeño@localhost",
            "--to",
            &to,
            "--text",
            "ñandú",
        ];
        let options = [
            "smtp-send",
            &url,
            "-u",
            "ways",
            "--subject",
            "piñata",
            "--trace",
        ];
        let run = server.proto(&[&options, &mail[..]].concat()).exits(0);
        let mail_from = said(&run).into_iter().find(|line| line.starts_with("MAIL"));
        assert!(mail_from.unwrap().contains(" SMTPUTF8"));
        let message = server.message(user);
        let message = parse_mail(&message).unwrap();
        assert_eq!(
            message.headers.get_first_value("Subject").unwrap(),
            "piñata"
        );
        assert_eq!(message.headers.get_first_value("Delivered-To").unwrap(), to);
        assert_eq!(message.get_body().unwrap().trim_end(), "ñandú");
        let plain = server.proto(&[&options, &mail[..], &["--without", "SMTPUTF8"]].concat());
        plain.exits(69).says("SMTPUTF8");
    }
}

#[test]
fn a_body_of_eight_bits_is_announced() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let here = folder();
    let file = here.path().join("message");
    fs::write(
        &file,
        "Subject: x\n\nGr\u{fc}\u{df}e\n".replace('e', "e \u{20ac}"),
    )
    .unwrap();
    let url = format!("smtp://localhost:{}", server.ports.smtp);
    let mail = [
        "--from",
        "sender@localhost",
        "--to",
        "eight@localhost",
        "--message",
    ];
    let arguments = [
        &["smtp-send", &url, "--trace"],
        &mail[..],
        &[file.to_str().unwrap()],
    ]
    .concat();
    let run = server.proto(&arguments).exits(0);
    let mail_from = said(&run).into_iter().find(|line| line.starts_with("MAIL"));
    assert!(mail_from.unwrap().contains(" BODY=8BITMIME"));
    let message = server.message("eight");
    assert!(message.ends_with("Grüße €\n".as_bytes()));
    let plain = server.proto(&[&arguments[..], &["--without", "8BITMIME"]].concat());
    plain.exits(69).says("8BITMIME");
}

#[test]
fn a_report_of_delivery_comes_back_when_it_is_asked_for() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let url = format!("smtp://localhost:{}", server.ports.smtp);
    let mail = mail("sender@localhost", "reports@localhost");
    let asked = [
        "--notify",
        "success,failure",
        "--return",
        "headers",
        "--envelope-id",
        "name of=it+",
    ];
    server
        .proto(&[&["smtp-send", &url], &mail[..], &asked].concat())
        .exits(0);
    server.arrived("reports", 1);
    let report = String::from_utf8(server.message("sender")).unwrap();
    for line in [
        "Original-Envelope-Id: name of=it+",
        "Original-Recipient: rfc822;reports@localhost",
        "Content-Type: text/rfc822-headers",
    ] {
        assert!(report.contains(line), "{line} is not in {report}");
    }
}

#[test]
fn one_of_three_recipients_is_refused() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let url = format!("smtp://localhost:{}", server.ports.smtp);
    let to = "first@localhost, nobody@localhost, second@localhost";
    let mail = mail("sender@localhost", to);
    let expected = [
        ("accepted", "first@localhost", 250),
        ("refused-for-good", "nobody@localhost", 550),
        ("accepted", "second@localhost", 250),
    ];
    let ways: [&[&str]; 3] = [
        &[],
        &["--without", "CHUNKING"],
        &["--without", "CHUNKING", "--without", "PIPELINING"],
    ];
    for options in ways {
        let run = server.proto(&[&["smtp-send", &url, "--json"], &mail[..], options].concat());
        let run = run.exits(69).says("1 of 3 recipients did not get it");
        assert_eq!(rows(&run), expected.map(row), "{options:?}");
    }
    server.arrived("first", ways.len());
    server.arrived("second", ways.len());
    let options = ["smtp-send", &url, "--json", "--all-or-nothing"];
    let run = server.proto(&[&options, &mail[..]].concat()).exits(69);
    assert_eq!(rows(&run)[0].0, "not-sent");
}

type Row = (String, String, u64);

fn row((result, recipient, code): (&str, &str, u64)) -> Row {
    (result.to_owned(), recipient.to_owned(), code)
}

/// The rows of a run with `--json`: what became of whom, by which code (0 for none).
fn rows(run: &Run) -> Vec<Row> {
    let text = run.text();
    let rows = text.lines().map(|line| {
        let item: Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| item[name].as_str().unwrap().to_owned();
        (
            word("result"),
            word("recipient"),
            item["code"].as_u64().unwrap_or(0),
        )
    });
    rows.collect()
}

#[test]
fn a_wrong_password_is_tried_once() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let url = format!("submission://localhost:{}", server.ports.submission);
    let mail = mail("sender@localhost", "wrong@localhost");
    let mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"];
    let wrong = [
        "-u",
        "wrong",
        "--password-command",
        "echo mistaken",
        "--retry",
        "3",
        "--trace",
    ];
    let arguments = [&["smtp-send", &url], &mail[..], &wrong].concat();
    let mut ways = vec![arguments.clone()];
    ways.extend(mechanisms.map(|mechanism| [&arguments[..], &["--auth", mechanism]].concat()));
    for arguments in &ways {
        let run = server.proto(arguments).exits(77).says("535");
        let tries = said(&run)
            .iter()
            .filter(|line| line.starts_with("AUTH"))
            .count();
        assert_eq!(tries, 1, "{arguments:?}");
    }
    let failed = || {
        let log = server.dovecot_log();
        let lines = log
            .lines()
            .filter(|line| line.contains("(wrong,127.0.0.1)"));
        Some(lines.filter(|line| line.contains("mismatch")).count()).filter(|count| *count >= 6)
    };
    assert_eq!(
        wait_for("the log of six tries", failed),
        6,
        "{}",
        server.dovecot_log()
    );
    assert!(server.mailbox("wrong").is_empty());
}

#[test]
fn a_submission_server_wants_tls_and_a_name() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let (submission, smtp) = (server.ports.submission, server.ports.smtp);
    let mail = mail("sender@localhost", "unsecured@localhost");
    for url in ["submission", "smtp"].map(|scheme| format!("{scheme}://localhost:{submission}")) {
        let run = server.proto(&[&["smtp-send", &url, "--plain"], &mail[..]].concat());
        let run = run.exits(77);
        assert!(run
            .text()
            .contains("refused-for-good  unsecured@localhost  530 5.7.0"));
    }
    let url = format!("submission://localhost:{submission}");
    let run = server
        .proto(&[&["smtp-send", &url], &mail[..]].concat())
        .exits(69);
    assert!(run
        .text()
        .contains("refused-for-good  unsecured@localhost  554 5.7.1"));
    // There is no mechanism to be had before TLS.
    let run = server.proto(&[&["smtp-send", &url, "--plain", "-u", "ways"], &mail[..]].concat());
    run.exits(77);
    // Nobody here is for somebody elsewhere.
    let url = format!("smtp://localhost:{smtp}");
    let elsewhere = [
        "--from",
        "a@localhost",
        "--to",
        "b@elsewhere.example",
        "--text",
        "x",
    ];
    let run = server.proto(&[&["smtp-send", &url], &elsewhere[..]].concat());
    let text = run.exits(75).text();
    assert!(
        text.contains("refused-for-now   b@elsewhere.example  454 4.7.1"),
        "{text}"
    );
    assert!(server.mailbox("unsecured").is_empty());
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let url = format!("lmtp://localhost:{}", server.ports.lmtp);
    let socket = server.socket();
    let ways: [(&str, Vec<&str>); 2] = [
        ("direct", vec![&url]),
        ("socket", vec!["lmtp://localhost", "--unix-socket", &socket]),
    ];
    for (user, way) in ways {
        // The mail box of one is full: that shows only when the message is there.
        let to = format!("{user}@localhost, nobody@localhost, full@localhost");
        let mail = mail("sender@localhost", &to);
        for options in [
            &[][..],
            &["--without", "CHUNKING"],
            &["--without", "PIPELINING"],
        ] {
            let arguments = [&["smtp-send", "--json"], &way[..], &mail, options].concat();
            let run = server.proto(&arguments).exits(69).says("2 of 3 recipients");
            let rows = rows(&run);
            assert_eq!(
                rows[0],
                row(("accepted", &format!("{user}@localhost"), 250))
            );
            assert_eq!(rows[1], row(("refused-for-good", "nobody@localhost", 550)));
            assert_eq!(rows[2], row(("refused-for-good", "full@localhost", 552)));
        }
        server.arrived(user, 3);
        let probe = proto(&[&["smtp-probe"], &way[..]].concat()).exits(0).text();
        assert!(
            probe.contains("8BITMIME") && probe.contains("TLS           none"),
            "{probe}"
        );
    }
}

#[test]
fn a_probe_tells_what_each_port_offers_and_whom_to_trust() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let ports = server.ports;
    let everywhere = [
        format!("smtp://localhost:{}", ports.smtp),
        format!("submission://localhost:{}", ports.submission),
        format!("smtps://localhost:{}", ports.smtps),
    ];
    for url in &everywhere {
        let run = server.proto(&["smtp-probe", "--json", url]).exits(0);
        let seen: Value = serde_json::from_str(&run.text()).unwrap();
        assert_eq!(seen["verdict"], "trusted", "{url}");
        assert_eq!(seen["size_limit"], 100_000_000);
        assert_eq!(seen["tls"]["certificate"]["names"][0], "localhost");
        let offers = |name: &str, keyword: &str| {
            let list = seen[name].as_array().unwrap().iter();
            let mut lines = list.map(|line| line.as_str().unwrap());
            lines.any(|line| line.split(' ').next() == Some(keyword))
        };
        assert!(
            offers("extensions_under_tls", "CHUNKING") && offers("extensions_under_tls", "AUTH")
        );
        assert!(!offers("extensions_under_tls", "STARTTLS"));
        if !url.starts_with("smtps") {
            assert!(offers("extensions", "STARTTLS"));
            assert_eq!(offers("extensions", "AUTH"), url.starts_with("smtp:"));
        }
        let mechanisms: Vec<String> = serde_json::from_value(seen["mechanisms"].clone()).unwrap();
        assert!(mechanisms.contains(&"SCRAM-SHA-256".to_owned()));
        // Without the authority of the certificate.
        let run = proto(&["smtp-probe", url]).exits(77);
        let text = run.text();
        assert!(
            text.contains("verdict       NOT trusted: nobody we trust vouches"),
            "{text}"
        );
        assert!(text.contains("mechanisms    PLAIN"), "{text}");
    }
    let expired = format!("smtps://localhost:{}", ports.expired);
    let run = server
        .proto(&["smtp-probe", &expired])
        .exits(77)
        .says("expired");
    assert!(run.text().contains("NOT trusted"));
    let mail = mail("sender@localhost", "unsecured@localhost");
    let run = server.proto(&[&["smtp-send", &expired, "-u", "ways"], &mail[..]].concat());
    run.exits(77).says("expired");
    let wrong = format!("smtps://127.0.0.2:{}", ports.smtps);
    server.proto(&["smtp-probe", &wrong]).exits(69);
    let all: Vec<&str> = everywhere
        .iter()
        .chain([&expired])
        .map(String::as_str)
        .collect();
    let run = server
        .proto(&[&["smtp-probe"], &all[..]].concat())
        .exits(77);
    assert_eq!(run.text().matches("verdict       trusted").count(), 3);
}
