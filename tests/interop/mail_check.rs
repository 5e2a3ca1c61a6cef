//! `mail-check` through Postfix and Dovecot.

use serde_json::Value;

use super::mail_server::MailServer;

#[test]
fn mail_comes_through_postfix_and_dovecot() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let smtp = format!("submission://checked@localhost:{}", server.ports.submission);
    let mail = [
        "--smtp",
        &smtp,
        "--from",
        "checked@localhost",
        "--to",
        "checked@localhost",
    ];
    for (option, scheme, port, path) in [
        ("--imap", "imap", server.ports.imap, "/INBOX"),
        ("--imap", "imaps", server.ports.imaps, "/INBOX"),
        ("--pop3", "pop3", server.ports.pop3, ""),
        ("--pop3", "pop3s", server.ports.pop3s, ""),
    ] {
        let url = format!("{scheme}://checked@localhost:{port}{path}");
        let more = [option, &url, "--json", "--poll", "100ms", "--warn", "110s"];
        let run = server
            .proto(&[&["mail-check"], &mail[..], &more].concat())
            .exits(0);
        let found: Value = serde_json::from_str(&run.text()).unwrap();
        assert_eq!(found["body"]["unchanged"], true, "{found}");
        assert_eq!(found["reached"], "removed", "{found}");
        let stages = found["timeline"].as_array().unwrap();
        let stages: Vec<&str> = stages
            .iter()
            .filter_map(|one| one["stage"].as_str())
            .collect();
        let wanted = [
            "connect",
            "tls",
            "auth",
            "accepted",
            "delivered",
            "fetched",
            "removed",
        ];
        assert_eq!(stages, wanted, "{found}");
        // Postfix had it from us, and Dovecot from Postfix.
        let hops = found["hops"].as_array().unwrap();
        let by: Vec<&str> = hops.iter().filter_map(|hop| hop["by"].as_str()).collect();
        assert_eq!(by.first(), Some(&"mail.test"), "{found}");
        assert!(hops.len() >= 2, "{found}");
        assert!(
            hops.iter().all(|hop| hop["delay"].as_i64().unwrap() >= 0),
            "{found}"
        );
        assert_eq!(server.count("checked"), 0, "{url}");
    }
    // What Postfix refuses.
    let url = format!("imap://checked@localhost:{}/INBOX", server.ports.imap);
    let smtp = format!("smtp://localhost:{}", server.ports.smtp);
    let mail = [
        "--smtp",
        &smtp,
        "--from",
        "checked@localhost",
        "--to",
        "nobody@localhost",
    ];
    let run = server.proto(&[&["mail-check", "--imap", &url], &mail[..]].concat());
    run.exits(69).says("550 5.1.1");
}

#[test]
fn mail_that_is_late_lost_or_altered_is_told() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let imap = format!(
        "imap://check-troubled@localhost:{}/INBOX",
        server.ports.imap
    );
    let pop3 = format!("pop3://check-troubled@localhost:{}", server.ports.pop3);
    let check = |port: u16, options: &[&str]| {
        let smtp = format!("smtp://localhost:{port}");
        let address = "check-troubled@localhost";
        let mail = [
            "mail-check",
            "--smtp",
            &smtp,
            "--from",
            address,
            "--to",
            address,
        ];
        server.proto(&[&mail[..], &["--poll", "50ms"], options].concat())
    };
    let (usual, altering) = (server.ports.smtp, server.ports.altering);
    for place in [["--imap", &imap], ["--pop3", &pop3]] {
        let late = ["--subject", "to be held", "--warn", "1ms", "--nagios"];
        let run = std::thread::scope(|scope| {
            let checking = scope.spawn(|| check(usual, &[&place[..], &late].concat()));
            server.release();
            checking.join().unwrap()
        });
        let run = run.exits(1);
        assert!(run.text().starts_with("WARNING - "), "{}", run.text());

        let lost = ["--subject", "to be lost", "--fail", "500ms"];
        let run = check(usual, &[&place[..], &lost].concat()).exits(75);
        let told = "the last stage it reached is accepted: 250 2.0.0 Ok: ";
        assert!(run.text().contains(told), "{}", run.text());

        let run = check(altering, &[&place[..], &["--json"]].concat()).exits(65);
        let found: Value = serde_json::from_str(&run.text()).unwrap();
        assert_eq!(found["verdict"], "altered", "{found}");
        assert_ne!(found["body"]["sent"], found["body"]["arrived"], "{found}");
        assert_eq!(server.count("check-troubled"), 0);
    }
}
