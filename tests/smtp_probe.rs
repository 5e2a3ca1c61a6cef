//! `proto smtp-probe`: what a server says of itself, before and after TLS.

use serde_json::{json, Value};

use crate::harness::{authority, folder, mta, proto, tls, tls_as, Mail, Run};
use proto_mock::{Options, Trap};

fn probe(mail: &Mail, options: &[&str]) -> Run {
    let url = mail.url();
    proto(&[&["smtp-probe", &url], options].concat())
}

/// The lines of a name: those that follow without one belong to it too.
fn lines<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut is_wanted = false;
    for line in text.lines().skip(1) {
        let (left, right) = line.split_at_checked(16).unwrap_or((line, ""));
        let left = left.trim();
        is_wanted = left == name || left.is_empty() && is_wanted;
        if is_wanted {
            found.push(right);
        }
    }
    found
}

#[test]
fn everything_that_a_server_tells_is_shown() {
    let mail = Mail::ruled(&[]);
    let run = probe(&mail, &["--ca", &authority()]).exits(0);
    let text = run.text();
    assert!(text.starts_with("smtp://localhost:"), "{text}");
    assert_eq!(run.stderr, "");
    let port = mail.server.port();
    assert_eq!(lines(&text, "address"), [format!("127.0.0.1:{port}")]);
    assert_eq!(
        lines(&text, "greeting"),
        ["220 localhost ESMTP mock server ready"]
    );
    let clear = lines(&text, "in the clear");
    assert!(clear.contains(&"STARTTLS") && clear.contains(&"PIPELINING"));
    let encrypted = lines(&text, "under TLS");
    assert!(!encrypted.contains(&"STARTTLS") && encrypted.contains(&"PIPELINING"));
    assert!(encrypted.iter().any(|line| line.contains("-PLUS")));
    assert_eq!(lines(&text, "TLS"), ["by STARTTLS"]);
    assert_eq!(lines(&text, "verdict"), ["trusted"]);
    assert!(lines(&text, "names")[0].contains("localhost"), "{text}");
    assert!(lines(&text, "mechanisms")[0].contains("SCRAM-SHA-256-PLUS"));
    assert_eq!(lines(&text, "size limit"), ["104857600 octets"]);
    // Nobody is named to it.
    let verbs: Vec<String> = mail.heard();
    let verbs: Vec<&str> = verbs.iter().filter_map(|line| line.get(..4)).collect();
    assert_eq!(verbs, ["EHLO", "STAR", "EHLO", "QUIT"]);
    assert_eq!(mail.letters(), []);
}

#[test]
fn json_and_report_hold_the_same() {
    let folder = folder();
    let path = folder.path().join("report");
    let mail = Mail::ruled(&[]);
    let ca = authority();
    let options = ["--json", "--ca", &ca, "--report", path.to_str().unwrap()];
    let run = probe(&mail, &options).exits(0);
    let item: Value = serde_json::from_str(&run.text()).unwrap();
    let mut keys: Vec<&String> = item.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "address",
            "extensions",
            "extensions_under_tls",
            "greeting",
            "mechanisms",
            "server",
            "size_limit",
            "tls",
            "verdict"
        ]
    );
    assert_eq!(item["verdict"], "trusted");
    assert_eq!(item["size_limit"], 104_857_600);
    assert!(item["extensions"]
        .as_array()
        .unwrap()
        .contains(&json!("STARTTLS")));
    assert!(item["tls"]["certificate"]["key_sha256"].is_string());
    let record: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(record["command"], "smtp-probe");
    assert_eq!((&record["ok"], &record["exit"]), (&json!(true), &json!(0)));
    assert_eq!(record["items"], json!([item]));
}

#[test]
fn a_certificate_that_is_not_trusted_is_shown_and_said_to_be_so() {
    for (name, ca) in [
        ("localhost", ""),
        ("expired", "ca"),
        ("selfsigned", ""),
        ("wrong", "ca"),
    ] {
        let authority = authority();
        let options: &[&str] = if ca.is_empty() {
            &[]
        } else {
            &["--ca", &authority]
        };
        let by_command = Options {
            security: proto_transport::Security::Plain,
            ..tls_as(name)
        };
        for options_of_server in [tls_as(name), by_command] {
            let mail = Mail::with(mta(&[]), options_of_server);
            let run = probe(&mail, options).exits(77);
            let text = run.text();
            assert!(
                lines(&text, "verdict")[0].starts_with("NOT trusted: "),
                "{text}"
            );
            assert!(!lines(&text, "under TLS").is_empty(), "{text}");
            assert!(!lines(&text, "certificate").is_empty(), "{text}");
            let heard = mail.heard();
            assert!(!heard.iter().any(|line| line.starts_with("AUTH")));
        }
    }
}

#[test]
fn tls_from_the_first_byte_is_told_apart() {
    let mail = Mail::with(mta(&[]), tls());
    let run = probe(&mail, &["--ca", &authority()]).exits(0);
    let text = run.text();
    assert_eq!(lines(&text, "TLS"), ["from the first byte"]);
    assert_eq!(lines(&text, "in the clear"), [""; 0]);
}

#[test]
fn what_is_missing_is_told() {
    let mut without = mta(&[]);
    without.without = vec!["STARTTLS".into(), "SIZE".into(), "AUTH".into()];
    let mail = Mail::with(without, Options::default());
    let text = probe(&mail, &[]).exits(0).text();
    assert_eq!(lines(&text, "TLS"), ["none"]);
    assert_eq!(lines(&text, "size limit"), ["none told"]);
    assert_eq!(lines(&text, "verdict"), [""; 0]);
    // It was demanded.
    let run = probe(&mail, &["--starttls"]).exits(76);
    assert_eq!(lines(&run.text(), "TLS"), ["failed"]);

    let mut old = mta(&[]);
    old.without = vec!["EHLO".into()];
    let mail = Mail::with(old, Options::default());
    let text = probe(&mail, &[]).exits(0).text();
    assert_eq!(lines(&text, "in the clear"), ["no extensions"]);
}

#[test]
fn one_failure_does_not_stop_the_rest() {
    let folder = folder();
    let path = folder.path().join("report");
    let (bad, good) = (
        Mail::ruled(&["connect reply=554 5.7.1 No"]),
        Mail::ruled(&[]),
    );
    let port = Trap::set().unwrap().port();
    let nobody = format!("smtp://localhost:{port}");
    let run = proto(&[
        "smtp-probe",
        "--plain",
        "--report",
        path.to_str().unwrap(),
        &bad.url(),
        &nobody,
        &good.url(),
    ]);
    let run = run.exits(69).says("554 5.7.1 No");
    assert_eq!(run.text().matches("greeting").count(), 1);
    let records = std::fs::read_to_string(path).unwrap();
    let exits: Vec<Value> = records
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["exit"].clone())
        .collect();
    assert_eq!(exits, [69, 69, 0]);
}

#[test]
fn a_password_in_the_url_is_neither_said_nor_shown() {
    let mail = Mail::ruled(&[]);
    let url = format!("smtp://fred:canary-7Q@localhost:{}", mail.server.port());
    let run = proto(&["smtp-probe", "--plain", &url]).exits(0);
    assert!(
        !run.text().contains("canary") && !run.stderr.contains("canary"),
        "{run:?}"
    );
    assert!(!mail.heard().join("\n").contains("AUTH"));
}

#[test]
fn what_is_no_mail_server_is_a_mistake() {
    let trap = Trap::set().unwrap();
    let port = trap.port();
    for url in [
        format!("http://localhost:{port}"),
        format!("smtp://localhost:{port}/path"),
        format!("smtp://localhost:{port}?query"),
        format!("smtp://local\r\nhost:{port}"),
        format!("smtp://local%0d%0ahost:{port}"),
    ] {
        proto(&["smtp-probe", &url]).exits(64);
    }
    proto(&["smtp-probe"]).exits(64);
    proto(&["smtp-probe", "--mx", "example.org", "localhost"]).exits(64);
    proto(&["smtp-probe", "--dns", "127.0.0.1", "localhost"]).exits(64);
    assert!(!trap.was_touched());
}

#[test]
fn lmtp_is_looked_at_too() {
    let mut lmtp = mta(&[]);
    lmtp.lmtp = true;
    let mail = Mail::with(lmtp, Options::default());
    let text = probe(&mail, &["--plain"]).exits(0).text();
    assert!(text.starts_with("lmtp://"), "{text}");
    assert!(lines(&text, "in the clear").contains(&"PIPELINING"));
    assert_eq!(mail.letters(), []);
}
