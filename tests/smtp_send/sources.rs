//! Where messages come from, and many of them.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::*;

#[test]
fn a_mail_box_and_a_maildir_are_many_messages() {
    let mail = Mail::ruled(&[]);
    send_message(&mail, &sample("three.mbox"), &[]).exits(0);
    let letters = mail.letters();
    assert_eq!(letters.len(), 3);
    let first = String::from_utf8(letters[0].content.clone()).unwrap();
    assert!(first.contains("\r\nFrom here on, a quote is taken off.\r\n>From here, one of two."));

    let folder = folder();
    for name in ["cur", "new", "tmp"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::copy(sample("plain.eml"), folder.path().join("new/1")).unwrap();
    fs::copy(sample("dots.eml"), folder.path().join("cur/2:2,S")).unwrap();
    fs::copy(sample("nul.eml"), folder.path().join("tmp/3")).unwrap();
    let mail = Mail::ruled(&[]);
    send_message(&mail, folder.path().to_str().unwrap(), &[]).exits(0);
    let letters = mail.letters();
    let wanted = ["plain.eml", "dots.eml"].map(|name| fs::read(sample(name)).unwrap());
    assert!(letters.iter().map(|letter| &letter.content).eq(&wanted));
}

#[test]
fn a_message_or_a_text_comes_on_stdin() {
    let mail = Mail::ruled(&[]);
    let url = mail.url();
    for option in ["--message", "--text"] {
        let arguments = [
            "smtp-send",
            &url,
            "--from",
            "a@x.example",
            "--to",
            "b@x.example",
            option,
            "-",
        ];
        let mut child = command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"Subject: hi\n\n.\nend").unwrap();
        drop(stdin);
        Run::from(child.wait_with_output().unwrap()).exits(0);
    }
    let letters = mail.letters();
    assert_eq!(letters[0].content, b"Subject: hi\r\n\r\n.\r\nend\r\n");
    let text = String::from_utf8_lossy(&letters[1].content).into_owned();
    assert!(
        text.contains("\r\n\r\nSubject: hi\r\n\r\n.\r\nend"),
        "{text}"
    );
}

#[test]
fn a_text_comes_from_a_file_and_html_beside_it() {
    let folder = folder();
    let path = folder.path().join("text");
    fs::write(&path, "From a file.\n").unwrap();
    let mail = Mail::ruled(&[]);
    compose(
        &mail,
        &["--text-file", path.to_str().unwrap(), "--html", "<p>hi"],
    )
    .exits(0);
    let text = String::from_utf8(mail.letter().content).unwrap();
    assert!(text.contains("multipart/alternative"), "{text}");
    assert!(
        text.contains("From a file.") && text.contains("<p>hi"),
        "{text}"
    );
}

#[test]
fn messages_go_over_several_connections_and_each_just_once() {
    let mail = Mail::ruled(&[]);
    let run = send(&mail, &["--repeat", "40", "-j", "4", "--json"]).exits(0);
    assert_eq!(run.text().lines().count(), 40);
    assert_eq!(mail.letters().len(), 40);
    assert!((1..=4).contains(&mail.server.connections()));
}

#[test]
fn many_messages_over_one_connection() {
    for options in [
        &[][..],
        &["--without", "CHUNKING"],
        &["--without", "PIPELINING"],
    ] {
        let mail = Mail::ruled(&[
            "dot after=3 count=1 reply=451 4.3.0 Later",
            "rcpt after=6 count=1 reply=550 5.1.1 No",
        ]);
        let mut options = options.to_vec();
        options.extend(["--repeat", "12"]);
        let run = send(&mail, &options).exits(69);
        let text = run.text();
        assert_eq!(text.matches("accepted ").count(), 10, "{text}");
        assert_eq!(text.matches("refused-for-now ").count(), 1);
        assert_eq!(text.matches("refused-for-good ").count(), 1);
        assert_eq!((mail.letters().len(), mail.server.connections()), (10, 1));
    }
}
