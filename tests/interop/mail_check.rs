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
