//! `tcp --starttls` into real servers: the line is ours when TLS is there.

use std::fs;
use std::process::{Command, Stdio};

use super::mail_server::MailServer;
use super::{free_ports, id, program, skipped, wait_for};
use crate::harness::{authority, folder, repository, Running};
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
    assert_eq!(run.stderr, "");
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
    let Some(program) = program("vsftpd", "vsftpd") else {
        return;
    };
    if id(&["-u"]) != 0 {
        return skipped("vsftpd can be started by root alone");
    }
    let folder = folder();
    let [port] = free_ports();
    let certificates = repository().join("samples/certificates");
    let config = folder.path().join("vsftpd.conf");
    let lines = [
        "listen=YES".to_owned(),
        "background=NO".to_owned(),
        "listen_address=127.0.0.1".to_owned(),
        format!("listen_port={port}"),
        "anonymous_enable=YES".to_owned(),
        format!("secure_chroot_dir={}", folder.path().display()),
        "ssl_enable=YES".to_owned(),
        "allow_anon_ssl=YES".to_owned(),
        "ssl_ciphers=HIGH".to_owned(),
        format!(
            "rsa_cert_file={}",
            certificates.join("localhost.crt").display()
        ),
        format!(
            "rsa_private_key_file={}",
            certificates.join("localhost.key").display()
        ),
    ];
    fs::write(&config, lines.join("\n") + "\n").unwrap();
    let child = Command::new(program)
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let _running = Running(child.unwrap());
    wait_for("vsftpd", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let text = talk(port, "ftp", "FEAT\nQUIT\n");
    assert!(text.contains("\r\n211 End\r\n221 "), "{text}");
}
