//! What is composed is read again by another program's parser.

use std::fs;
use std::path::{Path, PathBuf};

use mailparse::{DispositionType, MailHeaderMap, ParsedMail};

use super::*;

fn args() -> ComposeArgs {
    ComposeArgs {
        from: Some("Ann <ann@a.example>".into()),
        to: vec!["bob@b.example".into()],
        subject: Some("Hello".into()),
        ..ComposeArgs::default()
    }
}

fn written(args: &ComposeArgs) -> Vec<u8> {
    let message = compose_with(args, &mut io::empty()).unwrap();
    let loaded = message.load().unwrap();
    let read = || {
        let mut bytes = Vec::new();
        loaded.reader().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let bytes = read();
    assert!(bytes == read(), "the second time is as the first");
    assert_is_mail(&bytes);
    bytes
}

/// RFC 5322 section 2.1: lines of at most 998 bytes, CR and LF only together.
fn assert_is_mail(bytes: &[u8]) {
    let text = bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>();
    let (last, lines) = text.split_last().unwrap();
    for line in lines {
        let line = line.strip_suffix(b"\r").expect("a CR before each LF");
        assert!(line.len() <= 998 && !line.contains(&b'\r'));
    }
    assert!(!last.contains(&b'\r') && !bytes.contains(&0));
}

fn refused(args: &ComposeArgs) -> String {
    let message = compose_with(args, &mut io::empty());
    message.err().expect("it is refused").to_string()
}

fn header(mail: &ParsedMail, name: &str) -> Option<String> {
    mail.headers.get_first_value(name)
}

fn kinds(mail: &ParsedMail) -> String {
    let inner: Vec<String> = mail.subparts.iter().map(kinds).collect();
    match inner.is_empty() {
        true => mail.ctype.mimetype.clone(),
        false => format!("{}({})", mail.ctype.mimetype, inner.join(" ")),
    }
}

#[test]
fn a_short_message() {
    let mut args = args();
    args.text = Some("one\n.\ntwo\rthree\n".into());
    args.cc = vec!["c@x, D E <d@x>".into(), "Group: e@x;".into()];
    let bytes = written(&args);
    assert!(bytes.is_ascii());
    let mail = mailparse::parse_mail(&bytes).unwrap();
    assert_eq!(header(&mail, "From").unwrap(), "\"Ann\" <ann@a.example>");
    assert_eq!(header(&mail, "To").unwrap(), "<bob@b.example>");
    assert_eq!(
        header(&mail, "Cc").unwrap(),
        "<c@x>, \"D E\" <d@x>, \"Group\": <e@x>;"
    );
    assert_eq!(header(&mail, "Subject").unwrap(), "Hello");
    assert_eq!(header(&mail, "MIME-Version").unwrap(), "1.0");
    let date = mailparse::dateparse(&header(&mail, "Date").unwrap()).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert!((now.as_secs() as i64 - date).abs() < 60);
    let names: Vec<String> = mail.headers.iter().map(|field| field.get_key()).collect();
    assert_eq!(
        names,
        [
            "Date",
            "From",
            "To",
            "Cc",
            "Subject",
            "Message-ID",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding"
        ]
    );
    assert_eq!(mail.get_body().unwrap(), "one\r\n.\r\ntwo\r\nthree\r\n");
}

#[test]
fn identifiers_say_the_senders_domain_and_nothing_else() {
    let id = |from: &str| {
        let mut args = args();
        args.from = Some(from.into());
        let message = compose_with(&args, &mut io::empty()).unwrap();
        message.load().unwrap().message_id().unwrap()
    };
    for (from, domain) in [
        ("ann@a.example", "@a.example>"),
        ("Ann <ann@müller.example>", "@xn--mller-kva.example>"),
        ("ann@[127.0.0.1]", "@[127.0.0.1]>"),
        ("root", "@localhost>"),
    ] {
        let (one, other) = (id(from), id(from));
        assert!(one.starts_with('<') && one.ends_with(domain), "{one}");
        assert_eq!(one.len(), 1 + 32 + domain.len());
        assert_ne!(one, other);
    }
}

#[test]
fn what_is_not_ascii_is_encoded() {
    let mut args = args();
    let long = "Grüße ".repeat(100);
    args.from = Some("Jörg Müller <joerg@müller.example>".into());
    args.to = vec!["\"Größe, \\\"X\\\"\" <x@x.example>".into()];
    args.subject = Some(long.clone() + "你好");
    args.text = Some(long.repeat(50) + "\n" + &"x".repeat(3_000));
    args.header = vec![
        "X-Note: schön".into(),
        format!("X-Long: {}", "word ".repeat(500)),
    ];
    let bytes = written(&args);
    assert!(bytes.is_ascii());
    let mail = mailparse::parse_mail(&bytes).unwrap();
    let from = mailparse::addrparse_header(mail.headers.get_first_header("From").unwrap());
    let from = from.unwrap().extract_single_info().unwrap();
    assert_eq!(from.display_name.unwrap(), "Jörg Müller");
    assert_eq!(from.addr, "joerg@xn--mller-kva.example");
    let to = mailparse::addrparse_header(mail.headers.get_first_header("To").unwrap());
    let to = to.unwrap().extract_single_info().unwrap();
    assert_eq!(to.display_name.unwrap(), "Größe, \"X\"");
    assert_eq!(header(&mail, "Subject").unwrap(), args.subject.unwrap());
    assert_eq!(header(&mail, "X-Note").unwrap(), "schön");
    assert_eq!(header(&mail, "X-Long").unwrap(), "word ".repeat(500).trim());
    assert_eq!(
        mail.get_body().unwrap(),
        args.text.unwrap().replace('\n', "\r\n")
    );
}

#[test]
fn a_local_part_has_no_other_form() {
    let mut args = args();
    args.to = vec!["jörg@müller.example".into()];
    let bytes = written(&args);
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.contains("To: <jörg@xn--mller-kva.example>\r\n"),
        "{text}"
    );
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Files {
        Files {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

#[test]
fn every_arrangement_of_parts() {
    let files = Files::new();
    let image = files.write("dot.png", b"\x89PNG");
    let file = files.write("a.txt", b"attached\n.\n");
    for (text, html, inline, attach, wanted) in [
        (false, false, false, false, "text/plain"),
        (true, false, false, false, "text/plain"),
        (false, true, false, false, "text/html"),
        (
            true,
            true,
            false,
            false,
            "multipart/alternative(text/plain text/html)",
        ),
        (
            false,
            true,
            true,
            false,
            "multipart/related(text/html image/png)",
        ),
        (
            true,
            true,
            true,
            false,
            "multipart/alternative(text/plain multipart/related(text/html image/png))",
        ),
        (false, false, false, true, "multipart/mixed(text/plain)"),
        (
            true,
            false,
            false,
            true,
            "multipart/mixed(text/plain text/plain)",
        ),
        (
            true,
            true,
            true,
            true,
            "multipart/mixed(multipart/alternative(text/plain multipart/related(text/html \
             image/png)) text/plain)",
        ),
    ] {
        let mut args = args();
        args.text = text.then(|| "text".into());
        args.html = html.then(|| "<img src=cid:dot.png>".into());
        args.inline = Vec::from_iter(inline.then(|| image.clone()));
        args.attach = Vec::from_iter(attach.then(|| file.clone()));
        let bytes = written(&args);
        assert!(bytes.is_ascii());
        let mail = mailparse::parse_mail(&bytes).unwrap();
        assert_eq!(kinds(&mail), wanted);
        for part in mail.parts().filter(|part| part.subparts.is_empty()) {
            let content = part.get_body_raw().unwrap();
            match part.get_content_disposition().disposition {
                DispositionType::Attachment => assert_eq!(content, b"attached\n.\n"),
                _ if part.ctype.mimetype == "image/png" => {
                    assert_eq!(content, b"\x89PNG");
                    assert_eq!(header(part, "Content-ID").unwrap(), "<dot.png>");
                }
                _ if part.ctype.mimetype == "text/html" => {
                    assert_eq!(content, b"<img src=cid:dot.png>");
                }
                _ => assert_eq!(content, if text { &b"text"[..] } else { b"" }),
            }
        }
    }
}

#[test]
fn attachments_arrive_as_they_were() {
    let files = Files::new();
    let every: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let contents: [(&str, &[u8]); 7] = [
        ("a.bin", &every),
        ("empty.bin", b""),
        ("Grüße \"you\" & 你好.pdf", b"one"),
        (
            "a name with spaces, and so long that it must be folded somewhere, or not.txt",
            b"2",
        ),
        (&("x".repeat(150) + ".bin"), b"three"),
        ("back\\slash;semi=colon'quote%25.html", b"\r\r\n\n"),
        ("mail.eml", b"From: a\r\n\r\n"),
    ];
    let mut args = args();
    for (name, content) in &contents {
        args.attach.push(files.write(name, content));
    }
    let bytes = written(&args);
    assert!(bytes.is_ascii());
    let mail = mailparse::parse_mail(&bytes).unwrap();
    assert_eq!(mail.subparts.len(), contents.len());
    for (part, (name, content)) in mail.subparts.iter().zip(contents) {
        let disposition = part.get_content_disposition();
        assert_eq!(disposition.params["filename"], name);
        assert_eq!(header(part, "Content-Transfer-Encoding").unwrap(), "base64");
        assert!(part.get_body_raw().unwrap() == content, "{name}");
    }
    fs::write(&args.attach[0], b"other").unwrap();
    let message = compose_with(&args, &mut io::empty()).unwrap();
    fs::write(&args.attach[0], b"shorter or longer").unwrap();
    let loaded = message.load().unwrap();
    assert!(loaded
        .reader()
        .unwrap()
        .read_to_end(&mut Vec::new())
        .is_err());
}

#[test]
fn blind_copies_are_not_in_the_message() {
    let mut args = args();
    args.bcc = vec!["Secret <secret@s.example>".into()];
    let bytes = written(&args);
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("ecret") && !text.to_lowercase().contains("bcc"));
    let message = compose_with(&args, &mut io::empty()).unwrap();
    let loaded = message.load().unwrap();
    assert!(loaded.removed_bcc);
    let all = ["bob@b.example", "secret@s.example"];
    assert_eq!(loaded.recipients().unwrap(), all);
    assert_eq!(args.recipients().unwrap(), all);
    assert_eq!(loaded.sender().unwrap().unwrap(), "ann@a.example");
}

#[test]
fn fields_of_the_user_replace_ours() {
    let mut args = args();
    args.header = vec![
        "from: Carl <carl@c.example>".into(),
        "TO: undisclosed-recipients:;".into(),
        "Date: Mon, 01 Jan 2024 12:00:00 +0000".into(),
        "message-id: <x@y>".into(),
        "Subject:".into(),
        "X-One: 1".into(),
        "X-One: 2".into(),
    ];
    let bytes = written(&args);
    let mail = mailparse::parse_mail(&bytes).unwrap();
    for (name, value) in [
        ("From", "\"Carl\" <carl@c.example>"),
        ("Date", "Mon, 01 Jan 2024 12:00:00 +0000"),
        ("Message-ID", "<x@y>"),
    ] {
        assert_eq!(mail.headers.get_all_values(name), [value]);
    }
    assert_eq!(mail.headers.get_all_values("To").len(), 1);
    assert!(!String::from_utf8_lossy(&bytes).contains("bob@b.example"));
    assert_eq!(mail.headers.get_all_values("Subject").len(), 0);
    assert_eq!(mail.headers.get_all_values("X-One"), ["1", "2"]);
}

#[test]
fn nothing_is_smuggled_into_the_header() {
    let evil = "x\r\nBcc: evil@x";
    let options: [fn(&mut ComposeArgs, String); 6] = [
        |args, text| args.subject = Some(text),
        |args, text| args.from = Some(format!("\"{text}\" <a@x>")),
        |args, text| args.to = vec![format!("{text} <a@x>")],
        |args, text| args.cc = vec![format!("a@{text}")],
        |args, text| args.bcc = vec![format!("Group{text}: a@x;")],
        |args, text| args.header = vec![format!("X: {text}")],
    ];
    for set in options {
        for text in [evil, "a\nb", "a\rb", "a\0b", "a\x1bb", "a\u{9b}b"] {
            let mut args = args();
            set(&mut args, text.to_owned());
            refused(&args);
        }
    }
    let mut twice = args();
    twice.header = vec!["Subject: a".into(), "subject: b".into()];
    refused(&twice);
    let mut unfoldable = args();
    unfoldable.header = vec![format!("References: <{}@x>", "x".repeat(1_000))];
    refused(&unfoldable);
}

#[test]
fn a_message_needs_one_sender() {
    for from in [None, Some(""), Some("a@x, b@x"), Some("Group: a@x, b@x;")] {
        let mut args = args();
        args.from = from.map(str::to_owned);
        refused(&args);
    }
    let mut args = args();
    args.from = None;
    args.header = vec!["From: a@x".into()];
    written(&args);
    args.header = vec!["From:".into()];
    refused(&args);
}

#[test]
fn texts_come_from_files_and_stdin() {
    let files = Files::new();
    let mut args = args();
    args.text_file = Some(files.write("a", "Grüße\n".as_bytes()));
    args.html = Some("-".into());
    let message = compose_with(&args, &mut &b"<p>hi</p>"[..]).unwrap();
    let loaded = message.load().unwrap();
    let mut bytes = Vec::new();
    loaded.reader().unwrap().read_to_end(&mut bytes).unwrap();
    let mail = mailparse::parse_mail(&bytes).unwrap();
    assert_eq!(mail.subparts[0].get_body().unwrap(), "Grüße\r\n");
    assert_eq!(mail.subparts[1].get_body().unwrap(), "<p>hi</p>");
    args.text_file = Some("-".into());
    refused(&args);
    args.text_file = Some(files.write("latin", b"Gr\xfc\xdfe"));
    refused(&args);
    args.text_file = Some(files.folder.path().join("nothing"));
    refused(&args);
}

#[test]
fn files_that_cannot_be_sent_are_told_first() {
    let files = Files::new();
    let mut args = args();
    args.attach = vec![files.folder.path().join("nothing")];
    assert!(refused(&args).contains("nothing"));
    args.attach = vec![files.folder.path().to_owned()];
    refused(&args);
    args.attach.clear();
    args.inline = vec![files.write("a.png", b"")];
    assert!(refused(&args).contains("--attach"));
    args.html = Some("<p>".into());
    written(&args);
    args.inline.push(files.write("b c.png", b""));
    assert!(refused(&args).contains("rename"));
    args.inline[1] = Path::new(&args.inline[0]).to_owned();
    assert!(refused(&args).contains("same name"));
}
