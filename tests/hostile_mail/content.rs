//! What a message holds cannot end it early, here or at the next server; and it takes no memory.

use std::fs;
use std::io::{BufWriter, Write};
use std::sync::{mpsc, Arc, Mutex};

use proto_mock::smtp::News;
use proto_mock::{Options, Peer};

use super::*;
use crate::harness::{folder, Running, MOST_MEMORY};

/// A server that keeps what comes behind DATA, with the dot at its end.
fn recorder() -> (Server, Arc<Mutex<Vec<u8>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&kept);
    let service = move |peer: &mut Peer, _: usize| {
        peer.write_all(b"220 x\r\n")?;
        peer.flush()?;
        while let Some(line) = peer.read_line()? {
            if line == b"DATA" {
                peer.write_all(b"354 x\r\n")?;
                peer.flush()?;
                let mut bytes = Vec::new();
                let mut block = [0; 4096];
                while !bytes.ends_with(b"\r\n.\r\n") && bytes != b".\r\n" {
                    let count = peer.read_some(&mut block)?;
                    if count == 0 {
                        break;
                    }
                    bytes.extend_from_slice(&block[..count]);
                }
                *log.lock().unwrap() = bytes;
            }
            peer.write_all(b"250 x\r\n")?;
            peer.flush()?;
        }
        Ok(())
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    (server, kept)
}

#[test]
fn no_content_ends_the_message_for_this_server_or_the_next() {
    let folder = folder();
    let path = folder.path().join("message");
    for (body, wire) in [
        ("a\n.\nb", Some("a\r\n..\r\nb\r\n.\r\n")),
        ("a\r\n.\nb", Some("a\r\n..\r\nb\r\n.\r\n")),
        ("a\n.\r\nb", Some("a\r\n..\r\nb\r\n.\r\n")),
        ("a\r\n.\r\nb", Some("a\r\n..\r\nb\r\n.\r\n")),
        (".", Some("..\r\n.\r\n")),
        (".\r\n.", Some("..\r\n..\r\n.\r\n")),
        ("..\n", Some("...\r\n.\r\n")),
        ("\n\n.\n\n", Some("\r\n\r\n..\r\n\r\n.\r\n")),
        ("a\r.\rb", None),
        ("a\r\n.\r", None),
        ("a\r\n.\r.\r\n", None),
        ("a\r\r\n.\r\n", None),
        ("a\n\r.\n", None),
        ("a\0b", None),
        ("\r", None),
    ] {
        fs::write(&path, format!("X: y\r\n\r\n{body}")).unwrap();
        let message = path.to_str().unwrap();
        let (server, kept) = recorder();
        let run = send(&url_of(&server), &["--message", message]);
        let got = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        match wire {
            Some(wire) => {
                run.exits(0);
                assert_eq!(got, format!("X: y\r\n\r\n{wire}"), "{body:?}");
            }
            None => {
                run.exits(64);
                assert_eq!(got, "", "{body:?}");
            }
        }
        // In chunks there are no dots to double, and line ends are the same.
        let mail = Mail::ruled(&[]);
        let run = send(&mail.url(), &["--message", message]);
        match wire {
            Some(wire) => {
                run.exits(0);
                let plain = wire
                    .strip_suffix(".\r\n")
                    .unwrap()
                    .replace("\r\n..", "\r\n.");
                let plain = plain.strip_prefix('.').map_or(plain.clone(), str::to_owned);
                assert_eq!(
                    mail.letter().content,
                    format!("X: y\r\n\r\n{plain}").as_bytes()
                );
            }
            None => {
                run.exits(64);
                assert_eq!(mail.letters(), []);
            }
        }
    }
}

#[test]
fn a_lone_cr_in_an_option_is_not_sent() {
    for option in ["--text", "--html"] {
        let mail = Mail::ruled(&[]);
        let mut command = command(&[
            "smtp-send",
            &mail.url(),
            "--from",
            "a@example.org",
            "--to",
            "b@example.org",
        ]);
        command.args([option, "a\r.\rb"]);
        let run = finish(command);
        for letter in mail.letters() {
            let text = String::from_utf8(letter.content).unwrap();
            assert!(!text.replace("\r\n", "").contains('\r'), "{text:?}");
        }
        assert!(matches!(run.code, 0 | 64), "{run:?}");
    }
}

/// How much the attached file is.
const ATTACHED: usize = 50 << 20;

#[test]
fn a_large_attachment_takes_no_memory() {
    let folder = folder();
    let path = folder.path().join("large");
    let mut file = BufWriter::new(fs::File::create(&path).unwrap());
    let block: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(4096);
    for _ in 0..ATTACHED / block.len() {
        file.write_all(&block).unwrap();
    }
    file.flush().unwrap();
    let lines = folder.path().join("lines");
    let mut file = BufWriter::new(fs::File::create(&lines).unwrap());
    file.write_all(b"X: y\r\n\r\n").unwrap();
    for _ in 0..ATTACHED / 64 {
        file.write_all(format!(".{}\n", "x".repeat(62)).as_bytes())
            .unwrap();
    }
    file.flush().unwrap();
    for (name, path) in [("--attach", &path), ("--message", &lines)] {
        for options in [
            &[][..],
            &["--without", "CHUNKING"],
            &["--without", "PIPELINING"],
        ] {
            let peak = peak(&[&[name, path.to_str().unwrap()], options].concat());
            assert!(peak < MOST_MEMORY, "{peak} KiB: {name} {options:?}");
        }
    }
}

/// The most memory that a run took, in KiB. The server holds its answer back until that was read:
/// nobody can look at a process that has ended.
fn peak(options: &[&str]) -> u64 {
    let (is_there, letter) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let shared = Mutex::new((is_there, may_go_on));
    let folder = folder();
    let mut mta = mta(&[]);
    mta.store = proto_mock::smtp::Store::Maildir(folder.path().to_owned());
    mta.notify = Some(Box::new(move |news| {
        if matches!(news, News::Letter(_)) {
            let shared = shared.lock().unwrap();
            let _ = shared.0.send(());
            let _ = shared.1.recv();
        }
    }));
    let mail = Mail::with(mta, Options::default());
    let mut command = command(&[
        "smtp-send",
        &mail.url(),
        "--from",
        "a@example.org",
        "--to",
        "b@example.org",
    ]);
    command.args(options).stdout(std::process::Stdio::null());
    let mut child = Running(command.spawn().unwrap());
    letter.recv().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
    go_on.send(()).unwrap();
    assert!(child.0.wait().unwrap().success());
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}
