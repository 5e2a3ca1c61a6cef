//! Replies that are not what the command allows, or not replies at all.

use std::sync::Arc;
use std::thread;

use proto_mock::{Options, Peer};

use super::*;

/// Codes that some command has, that none has, and what is no code at all.
const CODES: [&str; 28] = [
    "100", "150", "199", "211", "220", "221", "235", "250", "251", "252", "299", "300", "334",
    "354", "399", "421", "450", "499", "500", "550", "554", "599", "600", "000", "25", "2500",
    "+OK", "* OK",
];

#[test]
fn a_code_that_a_command_does_not_have_is_no_answer_to_it() {
    thread::scope(|scope| {
        for stage in 0..6 {
            scope.spawn(move || answer_wrongly(stage));
        }
    });
}

fn answer_wrongly(stage: usize) {
    for code in CODES {
        let said = format!("{code} what");
        let right = ["220 x", "250 x", "250 x", "250 x", "354 x", "250 x"];
        let mut replies = right.map(str::to_owned);
        replies[stage] = said;
        let [greeting, hello, mail, rcpt, data, end] = replies;
        let text = format!(
            "S: {greeting}\nC: (any)\nS: {hello}\nC: (any)\nS: {mail}\nC: (any)\nS: {rcpt}\n\
             C: (any)\nS: {data}\nC< messages/plain.eml\nC: .\nS: {end}\nC: QUIT\nS: 221 x\n"
        );
        let script = Script::play(&text);
        let run = send(&url_of(&script.server), &["--timeout", "2s"]);
        let what = format!("{stage} {code}: {run:?}");
        let is_right = match stage {
            0 => code == "220",
            1 => code == "250",
            4 => code == "354",
            _ => code.len() == 3 && code.starts_with('2'),
        };
        let number: u16 = code.parse().unwrap_or_default();
        match run.code {
            0 => assert!(is_right, "{what}"),
            _ => assert!(!is_right, "{what}"),
        }
        match (stage, number, code.len()) {
            _ if is_right => {}
            (_, 400..=499, 3) => assert_eq!(run.code, 75, "{what}"),
            // HELO is tried then, which the script does not know.
            (1, 500..=599, 3) => {}
            (_, 500..=599, 3) => assert_eq!(run.code, 69, "{what}"),
            (5, ..) => assert_eq!(run.code, 79, "{what}"),
            _ => assert_eq!(run.code, 76, "{what}"),
        }
    }
}

/// A server that says this first, and no more.
fn saying(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    let service = move |peer: &mut Peer, _: usize| {
        peer.write_all(&bytes)?;
        peer.flush()?;
        while peer.read_line()?.is_some() {}
        Ok(())
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

#[test]
fn a_nul_in_a_reply_is_refused() {
    for (greeting, hello) in [
        ("220 a\\x00b\\r\\n", "250 x\\r\\n"),
        ("220 a\\r\\n", "250-x\\r\\n250 \\x00STARTTLS\\r\\n"),
        ("220 a\\r\\n", "250\\x00x\\r\\n"),
    ] {
        let text = format!("S| {greeting}\nC: (any)\nS| {hello}\n");
        for options in [&[][..], &["--starttls"]] {
            let script = Script::play(&text);
            send(&url_of(&script.server), options).exits(76);
        }
        let script = Script::play(&text);
        probe(&url_of(&script.server), &[]).exits(76);
    }
}

#[test]
fn what_is_no_reply_is_refused() {
    for bytes in [
        &b"220\r\n\r\n"[..],
        b"\r\n",
        b"220_x\r\n",
        b"220-x\r\n250 x\r\n",
        b"220-x\r\nfree text\r\n220 x\r\n",
        b" 220 x\r\n",
        b"2\xb20 x\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"<html>\n",
        b"\xff\xfe\xfd\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n",
    ] {
        let server = saying(bytes);
        let run = send(&url_of(&server), &["--timeout", "1s"]);
        assert!(matches!(run.code, 75 | 76), "{bytes:?}: {run:?}");
        let run = probe(&url_of(&saying(bytes)), &["--timeout", "1s"]);
        assert!(matches!(run.code, 75 | 76), "{bytes:?}: {run:?}");
    }
}

/// Numbers without a meaning, the same on every run (xorshift, Marsaglia 2003).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 11
}

#[test]
fn random_replies_neither_hang_nor_crash_nor_accept() {
    let lines: [&[u8]; 16] = [
        b"220 x\r\n",
        b"250 x\r\n",
        b"250-x\r\n",
        b"250-PIPELINING\r\n250 CHUNKING\r\n",
        b"250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n",
        b"354 x\r\n",
        b"334 VXNlcg==\r\n",
        b"235 x\r\n",
        b"421 x\r\n",
        b"550 \x1b[2J\r\n",
        b"\0\r\n",
        b"\xff\xfe\r\n",
        b"250",
        b"\r\n",
        b"221 x\r\n",
        b"250 a\r\n250 b\r\n250 c\r\n",
    ];
    thread::scope(|scope| {
        for thread in 1..=4_u64 {
            scope.spawn(move || {
                for round in 0..60_u64 {
                    let seed = thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((round << 32) | 1);
                    let service = move |peer: &mut Peer, connection: usize| {
                        let mut state = seed ^ connection as u64;
                        // The final code of a letter is never among them.
                        peer.write_all(b"220 x\r\n")?;
                        peer.flush()?;
                        while let Some(line) = peer.read_line()? {
                            if line == b"." {
                                break;
                            }
                            let pick = next(&mut state) as usize % lines.len();
                            peer.write_all(lines[pick])?;
                            peer.flush()?;
                        }
                        Ok(())
                    };
                    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
                    let url = format!("smtp://fred:pw@localhost:{}", server.port());
                    let url = if round % 2 == 0 { url_of(&server) } else { url };
                    let run = send(&url, &["--timeout", "200ms", "--without", "CHUNKING"]);
                    assert_ne!(run.code, 0, "{seed}: {run:?}");
                }
            });
        }
    });
}

#[test]
fn a_reply_without_end_is_cut_off() {
    for line in ["250-X\r\n", "250-\r\n"] {
        for stage in 0..3 {
            let line = line.replace("250", if stage == 0 { "220" } else { "250" });
            let service = move |peer: &mut Peer, _: usize| {
                for reply in ["220 x\r\n", "250 x\r\n"].iter().take(stage) {
                    peer.write_all(reply.as_bytes())?;
                    peer.flush()?;
                    peer.read_line()?;
                }
                let block = line.repeat(10_000);
                loop {
                    peer.write_all(block.as_bytes())?;
                    peer.flush()?;
                }
            };
            let server = Server::start(Options::default(), Arc::new(service)).unwrap();
            let run = send(&url_of(&server), &[]);
            assert!(matches!(run.code, 65 | 76), "{run:?}");
            if stage < 2 {
                let run = probe(&url_of(&server), &[]);
                assert!(matches!(run.code, 65 | 76), "{run:?}");
            }
        }
    }
}

#[test]
fn what_comes_without_being_asked_for_is_no_answer() {
    // Two replies to EHLO, of which the second would be that to MAIL.
    for (text, options) in [
        (
            greeting(&[]).replace("S: 250 server", "S: 250 server.example.org\nS: 250 server"),
            &[][..],
        ),
        (
            format!("{}S: 235 Welcome\n", greeting(&["AUTH PLAIN"])),
            &["-u", "fred"],
        ),
    ] {
        let script = Script::play(&text);
        let mut command = sending(&url_of(&script.server), options);
        command.env("PROTO_PASSWORD", "secret");
        finish(command).exits(76);
        assert!(script.replay.outcome().is_ok());
    }
}

#[test]
fn a_great_size_is_only_a_number() {
    for size in [
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "x",
        "4611686018427387904",
        "",
    ] {
        let text = greeting(&[&format!("SIZE {size}")])
            + &LETTER.replace(
                "org>\nS: 250 OK\nC: RCPT",
                "org> SIZE=(any)\nS: 250 OK\nC: RCPT",
            );
        let script = Script::play(&text);
        send(&url_of(&script.server), &[]).exits(0);
        assert!(
            script.replay.outcome().is_ok(),
            "{size}: {}",
            script.replay.outcome()
        );
    }
}

#[test]
fn four_answers_to_five_commands_are_none_for_the_message() {
    let pipelining = greeting(&["PIPELINING"]);
    let group = "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\nC: DATA\n";
    let text = format!("{pipelining}{group}S: 250 OK\nS: 250 OK\nS: 354 Go\nC< messages/plain.eml\nC: .\n= closed\n");
    let script = Script::play(&text);
    let run = send(&url_of(&script.server), &[]).exits(79);
    assert!(run.text().starts_with("unknown "), "{run:?}");
    let text = format!("{pipelining}{group}S: 250 OK\nS: 250 OK\n= wait 5s\n");
    let script = Script::play(&text);
    let run = send(&url_of(&script.server), &["--timeout", "300ms"]).exits(75);
    assert!(run.text().starts_with("not-sent "), "{run:?}");
}

#[test]
fn a_greeting_that_drips_ends_at_the_deadline() {
    let options = Options {
        faults: vec!["drip=100ms".parse().unwrap()],
        ..Options::default()
    };
    let mail = Mail::with(mta(&[]), options);
    let options = ["--timeout", "1s", "--deadline", "1500ms"];
    send(&mail.url(), &options).exits(75);
}
