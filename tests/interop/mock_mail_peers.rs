//! Other people's programs talk to `mock mail`, and nobody complains.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program;
use crate::harness::{authority, folder, names};
use crate::mock_mail::MockMail;

const MESSAGE: &str = "From: a@x\r\nTo: b@example.org\r\nSubject: hello\r\n\r\n.dot\r\nbody\r\n";

/// A server for everybody, and a folder to work in.
struct Place {
    server: MockMail,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            server: MockMail::start(&[]),
            folder: folder(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        // Some programs keep to themselves what is in their configuration.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
        path
    }

    /// Runs a program, which must end well, for what it says.
    #[track_caller]
    fn run(&self, program: &Path, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", self.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {text}{error}", output.status);
        text
    }

    /// Nobody broke a rule.
    #[track_caller]
    fn ends_without_complaint(self) {
        let (_, error) = self.server.stop();
        assert!(!error.contains("violation"), "{error}");
        assert!(error.contains("letter "), "{error}");
    }

    #[track_caller]
    fn send(&self) {
        let url = self.server.url("smtp", "", "");
        let mail = [
            "--from",
            "a@x",
            "--to",
            "b@example.org",
            "--text",
            "x",
            "-q",
        ];
        crate::harness::proto(&[&["smtp-send", &url][..], &mail].concat()).exits(0);
    }
}

#[test]
fn curl_sends_and_fetches() {
    let Some(curl) = program("curl", "curl") else {
        return;
    };
    let place = Place::new();
    place.write("message.eml", MESSAGE);
    let ca = authority();
    for (scheme, more) in [
        ("smtp", &[][..]),
        ("smtp", &["--ssl-reqd", "--cacert", &ca]),
        ("submission", &["-u", "me:x", "--ssl-reqd", "--cacert", &ca]),
        ("submissions", &["-u", "me:x", "--cacert", &ca]),
    ] {
        let port = place.server.port(scheme);
        let url = match scheme {
            "submissions" => format!("smtps://localhost:{port}/me"),
            _ => format!("smtp://localhost:{port}/me"),
        };
        let mail = [
            "-sS",
            &url,
            "--mail-from",
            "a@x",
            "--mail-rcpt",
            "b@example.org",
            "-T",
        ];
        place.run(&curl, &[&mail[..], &["message.eml"], more].concat());
    }
    let login = ["-sS", "-u", "b@example.org:x", "--cacert", &ca];
    for (scheme, path, more) in [
        ("pop3", "/1", &[][..]),
        ("pop3", "/2", &["--ssl-reqd"]),
        ("pop3s", "/3", &[]),
        ("imap", "/INBOX;MAILINDEX=4", &[]),
        ("imap", "/INBOX;MAILINDEX=1", &["--ssl-reqd"]),
        ("imaps", "/INBOX;MAILINDEX=2", &[]),
    ] {
        let url = place.server.url(scheme, "", path);
        let text = place.run(&curl, &[&login[..], &[&url], more].concat());
        assert!(text.ends_with("\r\n\r\n.dot\r\nbody\r\n"), "{url}: {text}");
    }
    place.ends_without_complaint();
}

#[test]
fn swaks_sends() {
    let Some(swaks) = program("swaks", "swaks") else {
        return;
    };
    let place = Place::new();
    for (scheme, more) in [
        ("smtp", &[][..]),
        ("smtp", &["--tls"]),
        (
            "submission",
            &[
                "--auth",
                "PLAIN",
                "--auth-user",
                "me",
                "--auth-password",
                "x",
            ],
        ),
        (
            "submission",
            &[
                "--auth",
                "LOGIN",
                "--auth-user",
                "me",
                "--auth-password",
                "x",
            ],
        ),
        ("lmtp", &["--protocol", "LMTP"]),
    ] {
        let port = place.server.port(scheme).to_string();
        let mail = [
            "--server",
            "127.0.0.1",
            "--port",
            &port,
            "--from",
            "a@x",
            "--to",
            "b@x",
        ];
        place.run(&swaks, &[&mail[..], more].concat());
    }
    place.ends_without_complaint();
}

#[test]
fn mpop_fetches() {
    let Some(mpop) = program("mpop", "mpop") else {
        return;
    };
    let place = Place::new();
    place.send();
    place.send();
    fs::create_dir_all(place.path().join("mail")).unwrap();
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(place.path().join("mail").join(part)).unwrap();
    }
    let port = place.server.port("pop3");
    let ca = authority();
    let text = format!(
        "account default\nhost localhost\nport {port}\nuser b@example.org\npassword x\nauth user\n\
         tls on\ntls_starttls on\ntls_trust_file {ca}\ndelivery maildir mail\nkeep off\n"
    );
    let file = place.write("mpoprc", &text);
    place.run(&mpop, &["-C", file.to_str().unwrap()]);
    assert_eq!(names(&place.path().join("mail/new")).len(), 2);
    let list = place.run(&mpop, &["-C", file.to_str().unwrap()]);
    assert!(!list.contains("2 messages"), "{list}");
    place.ends_without_complaint();
}

#[test]
fn mbsync_keeps_a_copy() {
    let Some(mbsync) = program("mbsync", "isync") else {
        return;
    };
    let place = Place::new();
    place.send();
    fs::create_dir_all(place.path().join("mail")).unwrap();
    let (port, ca, here) = (
        place.server.port("imap"),
        authority(),
        place.path().display(),
    );
    // What others name "far" and "near", older versions call "master" and "slave".
    let text = format!(
        "IMAPAccount mock\nHost localhost\nPort {port}\nUser b\nPass x\nSSLType STARTTLS\n\
         CertificateFile {ca}\nAuthMechs PLAIN\n\nIMAPStore far\nAccount mock\n\nMaildirStore near\n\
         Path {here}/mail/\nInbox {here}/mail/INBOX\n\nChannel all\nFar :far:\nNear :near:\n\
         Patterns INBOX\nCreate Both\nSync All\nExpunge Both\nSyncState *\n"
    );
    let file = place.write("mbsyncrc", &text);
    let sync = || place.run(&mbsync, &["-c", file.to_str().unwrap(), "all"]);
    sync();
    let near = place.path().join("mail/INBOX");
    assert_eq!(names(&near.join("new")).len(), 1);
    // What is written here is there.
    fs::write(near.join("new/1.mine"), "Subject: mine\n\nmine\n").unwrap();
    sync();
    let url = place.server.url("pop3", "b:x@", "");
    let list = crate::harness::proto(&["pop3-list", &url, "-q"])
        .exits(0)
        .text();
    assert_eq!(list.lines().count(), 2, "{list}");
    place.ends_without_complaint();
}

/// Sends, then reads by POP3 and IMAP, and waits for nothing.
const PYTHON: &str = r#"
import imaplib, poplib, smtplib, ssl, sys
ca, smtp, submission, submissions, lmtp, pop3, pop3s, imap, imaps = sys.argv[1], *map(int, sys.argv[2:])
tls = ssl.create_default_context(cafile=ca)
message = "Subject: hello\r\n\r\n.dot\r\nbody\r\n"
with smtplib.SMTP("localhost", smtp) as s:
    assert s.sendmail("a@x", ["b@x", "c@x"], message) == {}
with smtplib.SMTP("localhost", submission) as s:
    s.starttls(context=tls)
    s.login("me", "x")
    s.sendmail("a@x", ["b@x"], message)
with smtplib.SMTP_SSL("localhost", submissions, context=tls) as s:
    s.login("me", "x")
    s.sendmail("a@x", ["b@x"], message)
with smtplib.LMTP("localhost", lmtp) as s:
    s.sendmail("a@x", ["b@x"], message)
for p in [poplib.POP3("localhost", pop3), poplib.POP3_SSL("localhost", pop3s, context=tls)]:
    if p.port == pop3: p.stls(context=tls)
    p.user("b"); p.pass_("x")
    count, size = p.stat()
    assert count in (4, 3), count
    assert p.retr(1)[1][-2:] == [b".dot", b"body"]
    assert len(p.uidl()[1]) == count and len(p.top(1, 0)[1]) > 3
    p.dele(1); p.quit()
for i in [imaplib.IMAP4("localhost", imap), imaplib.IMAP4_SSL("localhost", imaps, ssl_context=tls)]:
    if i.port == imap: i.starttls(ssl_context=tls)
    i.login("b@x", "x")
    assert i.select("INBOX")[0] == "OK"
    found = i.search(None, "SUBJECT", "hello")[1][0].split()
    assert found, found
    text = i.fetch(found[0], "(RFC822)")[1][0][1]
    assert text.endswith(b"\r\n\r\n.dot\r\nbody\r\n"), text
    assert i.append("INBOX", "", None, b"Subject: more\r\n\r\n")[0] == "OK"
    i.store(found[0], "+FLAGS", r"(\Deleted)"); i.expunge(); i.close(); i.logout()
"#;

#[test]
fn python_sends_and_reads() {
    let Some(python) = program("python3", "python3") else {
        return;
    };
    let place = Place::new();
    let script = place.write("talk.py", PYTHON);
    let schemes = [
        "smtp",
        "submission",
        "submissions",
        "lmtp",
        "pop3",
        "pop3s",
        "imap",
        "imaps",
    ];
    let ports = schemes.map(|scheme| place.server.port(scheme).to_string());
    let ca = authority();
    let mut arguments = vec![script.to_str().unwrap(), &ca];
    arguments.extend(ports.iter().map(String::as_str));
    place.run(&python, &arguments);
    place.ends_without_complaint();
}
