//! Time, and every fault of the mock servers against every command: all ends, and soon.

use std::thread;
use std::time::{Duration, Instant};

use proto_mock::{Fault, Options, FAULTS};

use super::{assert_harmless, command, download};
use crate::harness::{authority, folder, names, tls, Run, Web};

/// How long a run may go on behind its deadline, on a machine with other things to do.
const SLACK: Duration = Duration::from_secs(3);

fn faulty(options: Options, fault: &str) -> Web {
    let options = Options {
        faults: vec![fault.parse::<Fault>().unwrap()],
        ..options
    };
    Web::with(&[("page", &[b'x'; 2_000])], options)
}

/// Values for the faults that want one; each name of the table is there.
fn faults() -> Vec<String> {
    let values = |usage: &str| -> Vec<String> {
        let name = usage.split(['[', '=']).next().unwrap();
        let values: &[&str] = match name {
            "drip" => &["1ms", "300ms"],
            "cut" | "cut-reset" => &["0", "1", "40", "1000"],
            "delay" => &["10ms", "10s"],
            "inject" => &["evil"],
            _ => &[""],
        };
        let with_value = |value: &&str| match value.is_empty() {
            true => name.to_owned(),
            false => format!("{name}={value}"),
        };
        values.iter().map(with_value).collect()
    };
    FAULTS.iter().flat_map(|(usage, _)| values(usage)).collect()
}

#[test]
fn every_fault_ends_soon_with_a_sensible_status_and_no_half_file() {
    thread::scope(|scope| {
        for security in ["plain", "tls"] {
            for fault in faults() {
                scope.spawn(move || suffer(security, &fault));
            }
        }
    });
}

fn suffer(security: &str, fault: &str) {
    let options = match security {
        "tls" => tls(),
        _ => Options::default(),
    };
    let web = faulty(options, fault);
    let ca = authority();
    for arguments in [
        &["http-get", "-o", "file"][..],
        &["http-get"],
        &["http-head"],
    ] {
        let folder = folder();
        let mut command = command(arguments);
        command.args(["--deadline", "1500ms", "--ca", &ca, &web.url("/page")]);
        let started = Instant::now();
        let run = Run::from(command.current_dir(folder.path()).output().unwrap());
        let what = format!(
            "{security} {fault} {arguments:?}: {} {}",
            run.code, run.stderr
        );
        assert!(
            started.elapsed() < Duration::from_millis(1500) + SLACK,
            "{what}"
        );
        assert_harmless(&run);
        assert!(matches!(run.code, 0 | 65 | 69 | 75 | 76), "{what}");
        let left = names(folder.path());
        match (run.code, arguments) {
            (0, ["http-get", "-o", _]) => assert_eq!(left, ["file"], "{what}"),
            (0, ["http-get"]) => assert_eq!(run.stdout, [b'x'; 2_000], "{what}"),
            (0, _) => assert!(run.text().starts_with("HTTP/1.1 200 "), "{what}"),
            _ => assert!(left.is_empty(), "{what}: {left:?}"),
        }
        let harmless = ["split", "delay=10ms", "inject=evil", "no-close-notify"];
        if harmless.contains(&fault) {
            assert_eq!(run.code, 0, "{what}");
        }
        if ["silence", "delay=10s", "drip=300ms"].contains(&fault) {
            assert_eq!(run.code, 75, "{what}");
        }
    }
}

#[test]
fn a_truncated_body_under_tls_is_noticed() {
    // Without close_notify the end of the connection is not the end of the body.
    let web = faulty(tls(), "no-close-notify");
    let ca = authority();
    download(&web.url("/mock/close/page"), &["--ca", &ca]).fails(75);
    let web = Web::with(&[("page", b"whole")], tls());
    download(&web.url("/mock/close/page"), &["--ca", &ca]).gives(b"whole");
}

#[test]
fn what_drips_for_ever_ends_at_the_deadline() {
    // Each byte alone comes soon enough for any time-out of silence.
    let web = faulty(Options::default(), "drip=50ms");
    let started = Instant::now();
    let options = ["--deadline", "1s", "--timeout", "500ms"];
    download(&web.url("/page"), &options).fails(75);
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_millis(900), "{elapsed:?}");
    assert!(elapsed < Duration::from_secs(1) + SLACK, "{elapsed:?}");
}

#[test]
fn silence_ends_long_before_the_deadline() {
    let web = faulty(Options::default(), "silence");
    let started = Instant::now();
    let options = ["--timeout", "300ms", "--retry", "1"];
    download(&web.url("/page"), &options).fails(75);
    // Two silences and the pause between them.
    assert!(started.elapsed() < Duration::from_millis(1600) + SLACK);
    assert_eq!(web.server.connections(), 2);
}

#[test]
fn a_server_that_does_not_answer_a_handshake_is_given_up() {
    let web = faulty(tls(), "silence");
    let ca = authority();
    let started = Instant::now();
    let options = ["--connect-timeout", "300ms", "--ca", &ca];
    download(&web.url("/page"), &options).fails(75);
    assert!(started.elapsed() < Duration::from_millis(300) + SLACK);
}

#[test]
fn retries_are_counted_and_bounded_in_time() {
    let web = Web::serve(&[]);
    download(
        &web.url("/mock/status/503?retry-after=0"),
        &["--retry", "5"],
    )
    .fails(75);
    assert_eq!(web.site.requests().len(), 6);
    // A server that wants to be left alone for years is not waited for beyond the deadline.
    let started = Instant::now();
    let url = web.url("/mock/status/503?retry-after=999999999999");
    download(&url, &["--retry", "5", "--deadline", "3s"]).fails(75);
    assert!(started.elapsed() < Duration::from_secs(3) + SLACK);
    assert_eq!(web.site.requests().len(), 7);
    // What will not mend itself is not tried again.
    for status in [400, 403, 404, 410, 500, 501] {
        let before = web.site.requests().len();
        let url = web.url(&format!("/mock/status/{status}"));
        download(&url, &["--retry", "3"]).fails(69);
        assert_eq!(web.site.requests().len(), before + 1, "{status}");
    }
}

#[test]
fn a_tls_server_that_answers_in_plaintext_is_told_apart() {
    let web = Web::serve(&[("page", b"plain")]);
    let url = web.url("/page").replace("http:", "https:");
    let attempt = download(&url, &[]).fails(76);
    assert!(!attempt.run.stderr.is_empty());
}
