//! `smtp-send` against `smtp-sink`, which fails in every way that it is told to.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{as_sent, free_ports, id, program, samples};
use crate::harness::{folder, proto, repository, Run, Running};

/// A running smtp-sink.
struct Sink {
    port: u16,
    _process: Running,
}

impl Sink {
    fn start(sink: &Path, switches: &[&str]) -> Sink {
        // Another process may take the port between the choice and the start.
        for _ in 0..5 {
            if let Some(sink) = Sink::try_start(sink, switches) {
                return sink;
            }
        }
        panic!("{} {switches:?} does not start", sink.display());
    }

    fn try_start(sink: &Path, switches: &[&str]) -> Option<Sink> {
        let [port] = free_ports();
        let mut command = Command::new(sink);
        if id(&["-u"]) == 0 {
            // It does not work for root.
            command.args(["-u", "nobody"]);
        }
        let process = command
            .args(switches)
            .args([&format!("127.0.0.1:{port}"), "100"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut process = Running(process.unwrap());
        while !is_listening(port) {
            if process.0.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(Sink {
            port,
            _process: process,
        })
    }

    /// Sends two people the same.
    fn send(&self, scheme: &str, options: &[&str]) -> Run {
        let url = format!("{scheme}://127.0.0.1:{}", self.port);
        let mail = ["--from", "a@b.example", "--to", "c@d.example, e@d.example"];
        proto(&[&["smtp-send", &url], &mail[..], options].concat())
    }
}

/// Whether somebody waits for connections, found out without making one: smtp-sink counts them.
fn is_listening(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!("0100007F:{port:04X}");
    sockets.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(&local) && words.nth(1) == Some("0A")
    })
}

fn smtp_sink() -> Option<PathBuf> {
    program("smtp-sink", "postfix")
}

/// The text of a message.
const TEXT: [&str; 4] = ["--subject", "Greetings", "--text", "Hello."];

/// Sends two people a short message, and fails the test unless it ends with this status and each of
/// them gets this result.
#[track_caller]
fn check(sink: &Path, switches: &[&str], options: &[&str], code: i32, result: &str) -> Run {
    let scheme = match switches.contains(&"-L") {
        true => "lmtp",
        false => "smtp",
    };
    let sink = Sink::start(sink, switches);
    let run = sink.send(scheme, &[&TEXT, options].concat());
    let text = run.text();
    let words: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let told = (run.code, words);
    assert_eq!(
        told,
        (code, vec![result; 2]),
        "{switches:?}: {text}{}",
        run.stderr
    );
    run
}

/// What is said for one message.
const COMMANDS: [&str; 4] = ["MAIL", "RCPT", "DATA", "."];

#[test]
fn a_command_that_is_refused_decides_for_each_recipient() {
    let Some(sink) = smtp_sink() else { return };
    for (switch, code, result) in [
        ("-f", 69, "refused-for-good"),
        ("-r", 75, "refused-for-now"),
    ] {
        check(&sink, &[switch, "CONNECT"], &[], code, "not-sent");
        check(&sink, &[switch, "EHLO,HELO"], &[], code, "not-sent");
        for command in COMMANDS {
            check(&sink, &[switch, command], &[], code, result);
        }
        for command in ["HELO", "RSET", "NOOP", "VRFY", "QUIT"] {
            check(&sink, &[switch, command], &[], 0, "accepted");
        }
        check(&sink, &["-L", switch, "LHLO"], &[], code, "not-sent");
        for command in COMMANDS {
            check(&sink, &["-L", switch, command], &[], code, result);
        }
    }
    // EHLO alone: HELO does for a message that needs no extension.
    check(&sink, &["-f", "EHLO"], &[], 0, "accepted");
    check(&sink, &["-r", "EHLO"], &[], 75, "not-sent");
}

#[test]
fn the_words_of_a_refusal_are_shown() {
    let Some(sink) = smtp_sink() else { return };
    let soft = ["-b", "452 4.2.2 No room, yet", "-r", "RCPT"];
    let run = check(&sink, &soft, &[], 75, "refused-for-now");
    assert!(run.text().contains("c@d.example  452 4.2.2 No room, yet\n"));
    let hard = ["-B", "552 5.2.2 No room", "-f", "."];
    let run = check(
        &sink,
        &hard,
        &["--json"],
        69,
        r#"{"code":552,"enhanced":"5.2.2","error":null,"message":"the"#,
    );
    assert!(run.text().contains("552 5.2.2 No room"));
    // What may pass is tried again, and told once.
    let run = check(&sink, &soft, &["--retry", "1"], 75, "refused-for-now");
    run.says("trying again in 1.0 s");
}

#[test]
fn a_server_that_hangs_up_leaves_no_doubt_but_after_the_message() {
    let Some(sink) = smtp_sink() else { return };
    for more in [&[][..], &["-p"], &["-L"]] {
        let with = |switch, command| [more, &[switch, command]].concat();
        let hello = match more {
            ["-L"] => "LHLO",
            _ => "EHLO",
        };
        for command in ["CONNECT", hello, "MAIL", "RCPT", "DATA"] {
            check(&sink, &with("-q", command), &[], 75, "not-sent");
        }
        check(&sink, &with("-q", "."), &[], 79, "unknown");
        for command in ["CONNECT", hello] {
            check(&sink, &with("-Q", command), &[], 75, "not-sent");
        }
        for command in ["MAIL", "RCPT", "DATA"] {
            check(&sink, &with("-Q", command), &[], 75, "refused-for-now");
        }
        for switch in ["-q", "-Q"] {
            check(
                &sink,
                &with(switch, "RSET,NOOP,VRFY,QUIT"),
                &[],
                0,
                "accepted",
            );
        }
    }
}

#[test]
fn what_is_not_announced_is_not_used() {
    let Some(sink) = smtp_sink() else { return };
    let password = ["-u", "me", "--password-command", "echo secret"];
    check(&sink, &["-a"], &password, 77, "not-sent").says("cannot be used");
    check(&sink, &["-e"], &password, 69, "not-sent");
    // It announces AUTH, and knows none of its replies.
    check(&sink, &[], &password, 76, "not-sent").says("AUTH is answered with 235");
    let notify = ["--notify", "success", "--return", "full"];
    check(&sink, &[], &notify, 0, "accepted");
    check(&sink, &["-N"], &notify, 69, "not-sent").says("DSN");
    check(&sink, &["-8"], &[], 0, "accepted");
    for (switches, code) in [(&[][..], 0), (&["-8"], 69), (&["-e"], 69), (&["-P"], 69)] {
        let sink = Sink::start(&sink, switches);
        let message = repository().join("samples/messages/eight-bit-utf-8.eml");
        let message = ["--message", message.to_str().unwrap()];
        sink.send("smtp", &message).exits(code);
        let anyway = [&message[..], &["--allow-8bit"]].concat();
        sink.send("smtp", &anyway).exits(0);
    }
    let run = check(&sink, &["-p"], &["--trace"], 0, "accepted");
    assert!(alternates(&run), "{}", run.stderr);
    let run = check(&sink, &["-P"], &["--trace"], 0, "accepted");
    assert!(
        alternates(&run) && run.stderr.contains("C: HELO"),
        "{}",
        run.stderr
    );
    assert!(!alternates(&check(&sink, &[], &["--trace"], 0, "accepted")));
    for switch in ["-C", "-E", "-F", "-c", "-v", "-4"] {
        check(&sink, &[switch], &[], 0, "accepted");
    }
    for (switch, value) in [
        ("-h", "some.example"),
        ("-m", "1"),
        ("-t", "9"),
        ("-T", "2048"),
    ] {
        check(&sink, &[switch, value], &[], 0, "accepted");
    }
}

/// Whether no command was said before the reply to the one before.
fn alternates(run: &Run) -> bool {
    let lines: Vec<&str> = run.stderr.lines().collect();
    let are_commands = |pair: &[&str]| pair.iter().all(|line| line.starts_with("C: "));
    !lines.windows(2).any(are_commands)
}

#[test]
fn a_slow_server_is_waited_for() {
    let Some(sink) = smtp_sink() else { return };
    for command in ["CONNECT", "EHLO", ".", "QUIT"] {
        check(&sink, &["-W", &format!("{command}:1")], &[], 0, "accepted");
    }
    check(&sink, &["-w", "1"], &[], 0, "accepted");
    // The answer to a message may take ten times as long as others.
    check(
        &sink,
        &["-W", ".:1"],
        &["--timeout", "500ms"],
        0,
        "accepted",
    );
}

#[test]
fn a_stuck_server_is_left() {
    let Some(sink) = smtp_sink() else { return };
    let impatient = ["--timeout", "500ms"];
    // Only without commands ahead: it goes on to the next one while it should wait.
    for command in ["CONNECT", "EHLO", "MAIL", "RCPT"] {
        let switches = ["-p", "-W", &format!("{command}:100")];
        check(&sink, &switches, &impatient, 75, "not-sent").says("timed out after 0.5 s");
    }
    for switches in [
        &["-w", "100"][..],
        &["-p", "-w", "100"],
        &["-L", "-w", "100"],
    ] {
        check(&sink, switches, &impatient, 75, "not-sent").says("timed out after 0.5 s");
    }
    check(
        &sink,
        &["-W", "QUIT:100"],
        &["--timeout", "2s"],
        0,
        "accepted",
    );
}

#[test]
fn a_server_that_is_stuck_with_the_whole_message_leaves_a_doubt() {
    let Some(sink) = smtp_sink() else { return };
    let impatient = ["--timeout", "500ms"];
    check(&sink, &["-W", ".:100"], &impatient, 79, "unknown").says("timed out after 5.0 s");
    for switches in [&["-W", ".:100"][..], &["-L", "-W", ".:100"]] {
        check(&sink, switches, &["--deadline", "2s"], 79, "unknown").says("timed out after");
    }
}

#[test]
fn a_large_message_meets_a_server_that_stops_reading() {
    let Some(sink) = smtp_sink() else { return };
    let here = folder();
    let file = here.path().join("large");
    let mut content = vec![0; 8 << 20];
    proto_mock::http::fill(5, &mut content);
    fs::write(&file, content).unwrap();
    let attached = ["--attach", file.to_str().unwrap()];
    check(&sink, &["-T", "2048"], &attached, 0, "accepted");
    check(&sink, &["-H", "1", "-T", "2048"], &attached, 0, "accepted");
    // A refusal in the middle of the message, and nobody who reads the rest.
    for delay in ["0", "1"] {
        let run = check(&sink, &["-A", delay], &attached, 69, "refused-for-good");
        assert!(run.text().contains("550 This violates SMTP"));
    }
    let impatient = [&attached[..], &["--timeout", "500ms"]].concat();
    let run = check(
        &sink,
        &["-H", "100", "-T", "2048"],
        &impatient,
        75,
        "not-sent",
    );
    run.says("timed out after 0.5 s while sending the message");
    let limited = [&attached[..], &["--deadline", "1s"]].concat();
    check(
        &sink,
        &["-H", "100", "-T", "2048"],
        &limited,
        75,
        "not-sent",
    );
}

#[test]
fn a_server_that_ends_leaves_each_message_with_its_result() {
    let Some(sink) = smtp_sink() else { return };
    let count = |run: &Run, word: &str| {
        let text = run.text();
        text.lines().filter(|line| line.starts_with(word)).count()
    };
    let four = [&TEXT[..], &["--repeat", "4"]].concat();
    // It ends with the second message and does not answer for it.
    let run = Sink::start(&sink, &["-M", "2"])
        .send("smtp", &four)
        .exits(79);
    let results = ["accepted ", "unknown ", "not-sent "].map(|word| count(&run, word));
    assert_eq!(results, [2, 2, 4], "{}", run.text());
    // It ends with the first connection: all have gone over that one.
    let run = Sink::start(&sink, &["-n", "1"])
        .send("smtp", &four)
        .exits(0);
    assert_eq!(count(&run, "accepted "), 8);
    // One connection at a time, and eight that want to be served.
    let many = [&TEXT[..], &["--repeat", "40", "-j", "8"]].concat();
    let run = Sink::start(&sink, &["-m", "1"])
        .send("smtp", &many)
        .exits(0);
    assert_eq!(count(&run, "accepted "), 80);
}

#[test]
fn every_sample_is_received_as_it_is() {
    let Some(sink) = smtp_sink() else { return };
    for switches in [&[][..], &["-p"], &["-L"]] {
        let here = folder();
        let received = here.path().join("received");
        fs::create_dir(&received).unwrap();
        for path in [here.path(), &received] {
            // For its own user too.
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        }
        let template = format!("{}/message.", received.display());
        let sink = Sink::start(&sink, &[switches, &["-d", &template]].concat());
        for name in samples() {
            let path = repository().join(format!("samples/messages/{name}.eml"));
            let scheme = if switches == ["-L"] { "lmtp" } else { "smtp" };
            let run = sink.send(scheme, &["--message", path.to_str().unwrap()]);
            match name.as_str() {
                "bare-carriage-return" | "nul" => drop(run.exits(64)),
                // SMTPUTF8 is not announced.
                "utf-8-header" => drop(run.exits(69)),
                _ => {
                    run.exits(0);
                    let messages = crate::harness::names(&received);
                    assert_eq!(messages.len(), 1, "{name}");
                    let file = received.join(&messages[0]);
                    let message = fs::read(&file).unwrap();
                    let message = String::from_utf8_lossy(&message);
                    // It puts fields before the message, and an empty line behind it.
                    assert!(
                        message.ends_with(&(as_sent(&name) + "\n")),
                        "{name}: {message}"
                    );
                    fs::remove_file(file).unwrap();
                }
            }
        }
    }
}
