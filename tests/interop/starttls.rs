//! `tcp --starttls` into real servers: the line is ours when TLS is there.

use std::fs;

use super::inn::server::Inn;
use super::mail_server::MailServer;
use super::vsftpd::Vsftpd;
use crate::harness::{authority, folder};
use crate::tcp::typing;

/// Says something over TLS, for what is answered.
#[track_caller]
fn talk(port: u16, protocol: &str, said: &str) -> String {
    let (port, authority) = (port.to_string(), authority());
    let options = [
        "--starttls",
        protocol,
        "--ca",
        &authority,
        "--deadline",
        "60s",
    ];
    let run = typing(
        &[&["tcp", "localhost", &port], &options[..]].concat(),
        said.as_bytes(),
    );
    // Postfix and vsftpd end without close_notify.
    let lines: Vec<&str> = run.stderr.lines().collect();
    let is_told = |line: &&str| line.contains("warning") && line.contains("close_notify");
    assert!(
        lines.iter().all(is_told) && lines.len() < 2,
        "{}",
        run.stderr
    );
    run.exits(0).text()
}

#[test]
fn postfix() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    for port in [server.ports.smtp, server.ports.submission] {
        let text = talk(port, "smtp", "EHLO localhost\nNOOP\nQUIT\n");
        // Only under TLS is nothing said of STARTTLS.
        assert!(
            text.starts_with("250-") && !text.contains("STARTTLS"),
            "{text}"
        );
        assert!(
            text.contains("\r\n250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n"),
            "{text}"
        );
    }
    let port = server.ports.smtp.to_string();
    let run = typing(
        &["tcp", "localhost", &port, "--starttls", "smtp"],
        b"QUIT\n",
    );
    run.exits(77).says("--ca");
}

#[test]
fn dovecot() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let text = talk(server.ports.pop3, "pop3", "CAPA\nQUIT\n");
    assert!(
        text.starts_with("+OK\r\n") && !text.contains("STLS"),
        "{text}"
    );
    assert!(text.ends_with("\r\n.\r\n+OK Logging out\r\n"), "{text}");
    let text = talk(server.ports.imap, "imap", "a CAPABILITY\nb LOGOUT\n");
    assert!(
        text.starts_with("* CAPABILITY IMAP4rev1") && !text.contains("STARTTLS"),
        "{text}"
    );
    assert!(text.contains("\r\nb OK "), "{text}");
}

#[test]
fn scripts_hold_conversations_with_postfix() {
    let Some(server) = MailServer::shared() else {
        return;
    };
    let folder = folder();
    let script = folder.path().join("probe.script");
    let text = "send EHLO localhost\nexpect ^250[- ]SIZE (?<size>\\d+)\nsend VRFY nobody@b\\x40d\nexpect ^(?<code>[45]\\d\\d) \nsend QUIT\nexpect ^221";
    fs::write(&script, text).unwrap();
    let (port, authority) = (server.ports.smtp.to_string(), authority());
    let script = script.to_str().unwrap();
    let options = ["--starttls", "smtp", "--ca", &authority, "--script", script];
    let run = typing(&[&["tcp", "localhost", &port], &options[..]].concat(), b"").exits(0);
    let text = run.text();
    let rows: Vec<&str> = text.lines().collect();
    assert!(
        rows[0].starts_with("size=") && rows[1].starts_with("code="),
        "{text}"
    );
}

#[test]
fn vsftpd() {
    let Some(server) = Vsftpd::start(&[]) else {
        return;
    };
    let text = talk(server.port, "ftp", "FEAT\nQUIT\n");
    assert!(text.contains("\r\n211 End\r\n221 "), "{text}");
}

#[test]
fn inn() {
    let Some(server) = Inn::shared() else {
        return;
    };
    let text = talk(server.ports.reader, "nntp", "CAPABILITIES\nQUIT\n");
    assert!(
        text.starts_with("101 ") && !text.contains("STARTTLS"),
        "{text}"
    );
    assert!(text.contains("\r\n.\r\n205 "), "{text}");
}
