//! Nothing that a server says drives a terminal or forges a line, wherever it is shown.

use std::fs::{self, File};
use std::io::Read;
use std::process::Stdio;

use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};

use super::*;
use crate::harness::folder;

/// Clears the screen, sets the clipboard, turns the writing round, in C1 and as UTF-8.
const EVIL: &str = "\u{1b}[2J\u{1b}]52;c;aGk=\u{7}\u{202e}\u{9b}31m\u{8}\u{7f}";

#[test]
fn replies_are_shown_without_what_they_would_do() {
    let folder = folder();
    for event in ["connect", "ehlo", "mail", "rcpt", "data", "dot"] {
        for code in ["250", "550", "451", "421"] {
            let code = match (event, code) {
                ("connect", "250") => "220",
                ("data", "250") => "354",
                _ => code,
            };
            let mail = Mail::ruled(&[&format!("{event} reply={code} {EVIL}\\n{EVIL}")]);
            let path = folder.path().join("report");
            let record = folder.path().join("record");
            for options in [
                &[][..],
                &["--json"],
                &["--trace", "-v"],
                &["--without", "CHUNKING"],
            ] {
                let mut options = options.to_vec();
                options.extend([
                    "--report",
                    path.to_str().unwrap(),
                    "--transcript",
                    record.to_str().unwrap(),
                ]);
                let mut command = sending(&mail.url(), &options);
                command.env("NO_COLOR", "1");
                let run = Run::from(command.output().unwrap());
                let files = [&path, &record].map(|path| fs::read_to_string(path).unwrap());
                for text in [&run.stderr, &run.text(), &files[0], &files[1]] {
                    let bad = text.chars().find(|c| !matches!(c, '\n') && is_harmful(*c));
                    assert_eq!(bad, None, "{event} {code}: {text:?}");
                }
                if !options.contains(&"--json") && !options.contains(&"--trace") {
                    assert!(run.text().lines().count() <= 1, "{run:?}");
                }
            }
            probe(&mail.url(), &["--plain"]);
            probe(&mail.url(), &["--plain", "--json"]);
        }
    }
}

#[test]
fn extensions_are_shown_without_what_they_would_do() {
    let mail = Mail::ruled(&[&format!(
        "ehlo reply=250 x\\n{EVIL}\\nSIZE {EVIL}\\nAUTH {EVIL}\\n\u{85}verdict  trusted"
    )]);
    let text = probe(&mail.url(), &["--plain"]).exits(0).text();
    assert!(!text.contains("\nverdict"), "{text}");
    probe(&mail.url(), &["--plain", "--json"]).exits(0);
    assert_harmless(&send(&mail.url(), &[]));
}

#[test]
fn bytes_that_are_no_text_are_escaped() {
    let text = "S| 220 \\xff\\xfe\\xc0\\xaf\\xed\\xa0\\x80\\r\\nC: (any)\nS| 250 \\xff\\r\\n";
    let text = format!(
        "{}C: QUIT\nS: 221 x\n",
        text.replace("\\r\\nC:", "\\r\\n\nC:") + "\n"
    );
    let script = Script::play(&text);
    let run = probe(&url_of(&script.server), &[]).exits(0);
    assert!(run.text().contains("\\xff\\xfe"), "{run:?}");
}

#[test]
fn a_line_end_in_a_name_forges_no_row() {
    let folder = folder();
    let path = folder
        .path()
        .join("a\naccepted          x@example.org  250 OK");
    fs::copy(sample("plain.eml"), &path).unwrap();
    let mail = Mail::ruled(&["dot reply=550 No"]);
    let message = path.to_str().unwrap();
    let run = send(&mail.url(), &["--message", message, "--repeat", "2"]).exits(69);
    assert!(
        !run.text().lines().any(|line| line.starts_with("accepted ")),
        "{run:?}"
    );
    assert_eq!(run.text().lines().count(), 2);
}

#[test]
fn a_dry_run_on_a_terminal_shows_a_message_and_does_nothing_of_it() {
    let folder = folder();
    let path = folder.path().join("message");
    fs::write(&path, format!("Subject: {EVIL}\r\n\r\na{EVIL}b\r\n")).unwrap();
    let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&outside).unwrap();
    unlockpt(&outside).unwrap();
    let name = ptsname(&outside, Vec::new()).unwrap();
    let inside = rustix::fs::open(
        name,
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let message = path.to_str().unwrap();
    let mut command = sending("smtp://localhost", &["--dry-run", "--message", message]);
    command.stdout(Stdio::from(inside)).stdin(Stdio::null());
    assert!(command.status().unwrap().success());
    // Our end of the terminal goes with the command, so that reading comes to an end.
    drop(command);
    let mut screen = Vec::new();
    let _ = File::from(outside).read_to_end(&mut screen);
    let screen = String::from_utf8(screen).unwrap();
    assert!(screen.contains("RCPT TO:<b@example.org>\r\n"), "{screen:?}");
    let bad = screen
        .chars()
        .find(|c| !matches!(c, '\r' | '\n') && is_harmful(*c));
    assert_eq!(bad, None, "{screen:?}");
    assert!(screen.contains("\\x1b[2J"), "{screen:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let mail = Mail::ruled(&[]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = sending(&mail.url(), &["--repeat", "3"]);
    let run = Run::from(command.stdout(writer).output().unwrap());
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    assert_ne!(run.code, 101);
}
