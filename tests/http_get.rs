//! `proto http-get`: what ends up where, and with which exit status.

use std::fs;
use std::io::Write;

use proto_mock::{Options, Trap};
use serde_json::Value;

use crate::harness::{answering, command, folder, names, proto, proto_in, root_of, Run, Web};

mod access;
mod lists;
mod resume;

const PAGE: &[u8] = b"<p>hello\n";

fn web() -> Web {
    Web::serve(&[
        ("page.html", PAGE),
        ("empty", b""),
        ("a", b"A"),
        ("b", b"B"),
    ])
}

fn report(path: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_body_goes_to_stdout_and_nothing_else() {
    let run = proto(&["http-get", &web().url("/page.html")]).exits(0);
    assert_eq!(run.stdout, PAGE);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_bare_host_is_http() {
    let web = web();
    let target = format!("localhost:{}/page.html", web.server.port());
    assert_eq!(proto(&["http-get", &target]).exits(0).stdout, PAGE);
}

#[test]
fn files_are_named_by_option_or_url() {
    let (web, folder) = (web(), folder());
    let page = web.url("/page.html?x=1");
    proto_in(folder.path(), &["http-get", &page, "-o", "named"]).exits(0);
    proto_in(folder.path(), &["http-get", &page, "-O"]).exits(0);
    proto_in(
        folder.path(),
        &["http-get", &page, &web.url("/"), "--output-dir", "new/dir"],
    )
    .exits(0);
    assert_eq!(names(folder.path()), ["named", "new", "page.html"]);
    assert_eq!(
        names(&folder.path().join("new/dir")),
        ["index.html", "page.html"]
    );
    assert_eq!(fs::read(folder.path().join("named")).unwrap(), PAGE);
}

#[test]
fn an_empty_body_is_an_empty_file() {
    let (web, folder) = (web(), folder());
    proto_in(folder.path(), &["http-get", &web.url("/empty"), "-O"]).exits(0);
    assert_eq!(fs::read(folder.path().join("empty")).unwrap(), b"");
}

#[test]
fn existing_files_are_left_alone_unless_forced() {
    let (web, folder) = (web(), folder());
    fs::write(folder.path().join("a"), "mine").unwrap();
    let run = proto_in(folder.path(), &["http-get", &web.url("/a"), "-O"]).exits(74);
    run.says("--force");
    assert!(web.site.requests().is_empty(), "asked for nothing");
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"mine");
    proto_in(
        folder.path(),
        &["http-get", &web.url("/a"), "-O", "--force"],
    )
    .exits(0);
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"A");
}

#[test]
fn the_server_names_the_file_only_when_asked_to() {
    let (web, folder) = (web(), folder());
    let url = web.url("/mock/disposition?name=..%2Freal%20name.txt");
    proto_in(folder.path(), &["http-get", &url, "-O"]).exits(0);
    proto_in(folder.path(), &["http-get", &url, "--content-disposition"]).exits(0);
    assert_eq!(names(folder.path()), ["disposition", "real name.txt"]);
}

#[test]
fn an_error_status_writes_no_file() {
    let (web, folder) = (web(), folder());
    for (status, code) in [
        (404, 69),
        (500, 69),
        (410, 69),
        (503, 75),
        (429, 75),
        (401, 77),
    ] {
        let url = web.url(&format!("/mock/status/{status}"));
        let run = proto_in(folder.path(), &["http-get", &url, "-O"]).exits(code);
        run.says(&status.to_string());
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn the_body_of_an_error_can_be_kept() {
    let web = web();
    let url = web.url("/mock/status/404");
    assert!(proto(&["http-get", &url]).exits(69).stdout.is_empty());
    let run = proto(&["http-get", &url, "--keep-error-body"]).exits(69);
    assert!(!run.stdout.is_empty());
}

#[test]
fn redirects_are_followed_up_to_the_limit() {
    let web = web();
    let chain = |length: usize| web.url(&format!("/mock/redirect/{length}"));
    proto(&["http-get", &chain(10)]).exits(0);
    proto(&["http-get", &chain(11)])
        .exits(65)
        .says("limit of 10");
    proto(&["http-get", &chain(3), "--max-redirects", "2"]).exits(65);
    proto(&["http-get", &chain(3), "--max-redirects", "0"]).exits(0);
}

#[test]
fn codings_are_undone_or_left_alone() {
    let web = web();
    for coding in ["gzip", "deflate", "chunked", "close"] {
        let url = web.url(&format!("/mock/{coding}/page.html"));
        assert_eq!(proto(&["http-get", &url]).exits(0).stdout, PAGE, "{coding}");
    }
    let raw = proto(&["http-get", &web.url("/mock/gzip/page.html"), "--raw"]).exits(0);
    assert!(raw.stdout == PAGE || raw.stdout.starts_with(&[0x1f, 0x8b]));
    let asked = proto(&["http-get", &web.url("/mock/headers"), "--raw"]).exits(0);
    assert!(
        asked.text().contains("Accept-Encoding: identity"),
        "{}",
        asked.text()
    );
}

#[test]
fn fields_are_added_and_replaced() {
    let web = web();
    let url = web.url("/mock/headers");
    let run = proto(&[
        "http-get",
        &url,
        "--header",
        "X-One: 1",
        "--header",
        "user-agent: me",
    ])
    .exits(0);
    let text = run.text();
    assert!(
        text.contains("X-One: 1") && text.contains("user-agent: me"),
        "{text}"
    );
    assert!(!text.contains("proto/"), "{text}");
    for wrong in [
        "nocolon",
        "A B: c",
        "Host: evil",
        "A: b\r\nC: d",
        "Content-Length: 5",
    ] {
        proto(&["http-get", &url, "--header", wrong]).exits(64);
    }
}

#[test]
fn a_truncated_body_is_no_file_and_says_what_is_missing() {
    let (web, folder) = (web(), folder());
    let run = proto_in(
        folder.path(),
        &["http-get", &web.url("/mock/truncated/page.html"), "-O"],
    );
    run.exits(75).says("missing");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_digest_must_match_before_the_file_has_its_name() {
    let (web, folder) = (web(), folder());
    let right = "sha256:559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd";
    let wrong = right.replace("559aead0", "00000000");
    let url = web.url("/a");
    proto_in(
        folder.path(),
        &["http-get", &url, "-O", "--checksum", &wrong],
    )
    .exits(76)
    .says("559aead0");
    assert!(names(folder.path()).is_empty());
    proto_in(
        folder.path(),
        &["http-get", &url, "-O", "--checksum", right],
    )
    .exits(0);
    assert_eq!(names(folder.path()), ["a"]);
    proto_in(
        folder.path(),
        &["http-get", &url, "-O", "--checksum", "md5:1"],
    )
    .exits(64);
}

#[test]
fn what_is_too_large_is_refused() {
    let (web, folder) = (web(), folder());
    for path in [
        "/mock/bytes/1001",
        "/mock/chunked/mock/bytes/1001",
        "/mock/close/mock/bytes/1001",
        "/mock/gzip/mock/bytes/1001",
    ] {
        proto_in(
            folder.path(),
            &["http-get", &web.url(path), "-O", "--max-size", "1000"],
        )
        .exits(65);
        proto_in(
            folder.path(),
            &[
                "http-get",
                &web.url(path),
                "-o",
                "x",
                "--force",
                "--max-size",
                "1001",
            ],
        )
        .exits(0);
    }
    assert_eq!(names(folder.path()), ["x"]);
}

#[test]
fn failures_that_may_pass_are_tried_again() {
    let (web, folder) = (web(), folder());
    let url = web.url("/mock/flaky/2/once/page.html");
    proto_in(
        folder.path(),
        &["http-get", &url, "-o", "x", "--retry", "1"],
    )
    .exits(75);
    let url = web.url("/mock/flaky/2/again/page.html");
    let run = proto_in(
        folder.path(),
        &["http-get", &url, "-o", "x", "--retry", "2"],
    )
    .exits(0);
    run.says("trying again");
    assert_eq!(fs::read(folder.path().join("x")).unwrap(), PAGE);
    // What will not mend itself is not tried again.
    let before = web.site.requests().len();
    proto(&["http-get", &web.url("/mock/status/404"), "--retry", "5"]).exits(69);
    assert_eq!(web.site.requests().len(), before + 1);
}

#[test]
fn the_report_tells_everything_of_each_target() {
    let (web, folder) = (web(), folder());
    let path = folder.path().join("report");
    let url = web.url("/mock/redirect/1");
    proto(&["http-get", &url, "--report", path.to_str().unwrap()]).exits(0);
    let record = &report(&path)[0];
    assert_eq!(record["command"], "http-get");
    assert_eq!(record["target"], url.as_str());
    assert_eq!(record["ok"], true);
    assert_eq!(record["exit"], 0);
    assert_eq!(record["error"], Value::Null);
    assert_eq!(record["items"][0]["redirects"][0]["status"], 302);
    for time in ["resolve", "connect", "first_byte", "total"] {
        assert!(record["timings"][time].is_number(), "{time}");
    }
    for (target, stage, exit) in [
        ("http://host.invalid/", "resolve", 68),
        ("http://127.0.0.1:1/", "connect", 69),
        (web.url("/mock/status/404").as_str(), "command", 69),
        (web.url("/mock/status/401").as_str(), "auth", 77),
        (
            web.url("/mock/truncated/page.html").as_str(),
            "transfer",
            75,
        ),
    ] {
        proto(&["http-get", target, "--report", path.to_str().unwrap()]).exits(exit);
        let record = &report(&path)[0];
        assert_eq!(record["stage"], stage, "{target}");
        assert!(record["error"].is_string() && record["ok"] == false);
    }
}

#[test]
fn a_trace_shows_the_conversation_and_no_secret() {
    let web = web();
    let url = web.url("/mock/basic/page.html");
    let arguments = [
        "http-get",
        &url,
        "-u",
        "fred",
        "--password-command",
        "echo secret",
        "--trace",
    ];
    let run = proto(&arguments).exits(0);
    assert_eq!(run.stdout, PAGE);
    run.says("C: GET /mock/basic/page.html HTTP/1.1")
        .says("S: HTTP/1.1 401")
        .says("C: Authorization: Basic (secret)")
        .says("S| <p>hello\\n");
    let shown = proto(&[&arguments[..], &["--show-secrets"]].concat()).exits(0);
    shown.says("C: Authorization: Basic ZnJlZDpzZWNyZXQ=");
}

#[test]
fn what_is_recorded_can_be_replayed() {
    let (web, folder) = (web(), folder());
    let url = web.url("/mock/chunked/page.html");
    proto_in(
        folder.path(),
        &["http-get", &url, "--transcript", "session"],
    )
    .exits(0);
    let session = fs::read_to_string(folder.path().join("session")).unwrap();
    assert!(
        session.starts_with("# proto http-get http://localhost:"),
        "{session}"
    );
    let script = crate::harness::Script::play(&session);
    // The Host field names the port that was recorded.
    let dial = format!("localhost:{}", script.server.port());
    let run = proto(&["http-get", &url, "--connect-to", &dial]).exits(0);
    assert_eq!(run.stdout, PAGE);
    assert!(
        script.replay.outcome().is_ok(),
        "{}",
        script.replay.outcome()
    );
}

#[test]
fn rows_come_as_json() {
    let (web, folder) = (web(), folder());
    let run = proto_in(folder.path(), &["http-get", &web.url("/a"), "-O", "--json"]).exits(0);
    let row: Value = serde_json::from_str(run.text().trim()).unwrap();
    assert_eq!(
        (&row["file"], &row["bytes"]["stored"]),
        (&"a".into(), &1.into())
    );
}

#[test]
fn a_device_is_written_to() {
    let web = web();
    proto(&["http-get", &web.url("/a"), "-o", "/dev/null"]).exits(0);
    let run = proto(&["http-get", &web.url("/a"), "-o", "/dev/stdout"]).exits(0);
    assert_eq!(run.stdout, b"A");
    use std::os::unix::fs::FileTypeExt;
    assert!(fs::metadata("/dev/null")
        .unwrap()
        .file_type()
        .is_char_device());
}

#[test]
fn a_unix_socket_serves_as_well() {
    let folder = folder();
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        std::io::Read::read(&mut peer, &mut [0; 4096]).unwrap();
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            .unwrap();
    });
    let run = proto(&[
        "http-get",
        "http://anything/",
        "--unix-socket",
        path.to_str().unwrap(),
    ])
    .exits(0);
    assert_eq!(run.stdout, b"hi");
    server.join().unwrap();
}

#[test]
fn a_rate_limit_and_a_deadline_hold() {
    let web = web();
    let url = web.url("/mock/bytes/100000");
    proto(&[
        "http-get",
        &url,
        "-o",
        "/dev/null",
        "--limit-rate",
        "10k",
        "--deadline",
        "1s",
    ])
    .exits(75);
    let url = web.url("/mock/bytes/2000");
    proto(&[
        "http-get",
        &url,
        "-o",
        "/dev/null",
        "--limit-rate",
        "10k",
        "--deadline",
        "30s",
    ])
    .exits(0);
}

#[test]
fn usage_errors_have_their_own_status() {
    let trap = Trap::set().unwrap();
    let url = format!("http://127.0.0.1:{}/", trap.port());
    proto(&["http-get"]).exits(64);
    proto(&["http-get", &url, "--nonsense"]).exits(64);
    proto(&["http-get", &url, "--timeout", "soon"]).exits(64);
    proto(&["http-get", "ftp://localhost/"]).exits(64);
    proto(&["http-get", &url, "--auth", "nonsense"]).exits(64);
    proto(&["http-get", &url, "-i", "/nonexistent"]).exits(74);
    proto(&["http-get", &url, "--report", "/nonexistent/x"]).exits(74);
    proto(&["http-get", &url, "--ca", "/nonexistent"]).exits(74);
    assert!(!trap.was_touched());
}

#[test]
fn a_closed_reader_is_no_reason_to_complain() {
    let server = answering(b"HTTP/1.1 200 OK\r\n\r\nbody");
    let mut child = command(&["http-get", &root_of(&server)])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let run = Run::from(child.wait_with_output().unwrap());
    assert!(!run.stderr.contains("panic"), "{}", run.stderr);
}

#[test]
fn what_brings_no_content_replaces_no_file() {
    let folder = folder();
    let file = folder.path().join("f");
    for (head, field, code) in [
        ("HTTP/1.1 304 Not Modified", "A: b", 69),
        ("HTTP/1.1 304 Not Modified", "If-None-Match: \"x\"", 0),
        ("HTTP/1.1 302 Found", "A: b", 69),
        ("HTTP/1.1 300 Multiple Choices", "A: b", 69),
    ] {
        fs::write(&file, "good").unwrap();
        let server = answering(format!("{head}\r\nContent-Length: 0\r\n\r\n").as_bytes());
        let url = root_of(&server);
        proto_in(
            folder.path(),
            &["http-get", &url, "-o", "f", "--force", "--header", field],
        )
        .exits(code);
        assert_eq!(fs::read(&file).unwrap(), b"good", "{head}");
    }
}

#[test]
fn only_the_last_error_body_is_shown() {
    let web = web();
    let url = web.url("/mock/flaky/2/kept/page.html");
    let run = proto(&["http-get", &url, "--keep-error-body", "--retry", "2"]).exits(0);
    assert_eq!(run.stdout, PAGE);
    let told = |name: &str, retries: &str| {
        let url = web.url(&format!("/mock/flaky/9/{name}/page.html"));
        let arguments = ["http-get", &url, "--keep-error-body", "--retry", retries];
        proto(&arguments).exits(75).stdout
    };
    assert!(!told("once", "0").is_empty());
    assert_eq!(told("twice", "1"), told("thrice", "0"));
}

#[test]
fn an_error_is_told_at_once_whatever_its_body_does() {
    // The body would end with the connection, which the server keeps.
    let service = |peer: &mut proto_mock::Peer, _: usize| {
        while peer.read_line()?.is_some_and(|line| !line.is_empty()) {}
        peer.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n")?;
        peer.flush()?;
        peer.wait(std::time::Duration::from_secs(60))
    };
    let server =
        proto_mock::Server::start(Options::default(), std::sync::Arc::new(service)).unwrap();
    proto(&["http-get", &root_of(&server), "--deadline", "10s"]).exits(69);
}

#[test]
fn the_deadline_is_the_whole_commands() {
    let web = Web::with(
        &[],
        Options {
            faults: vec!["silence".parse().unwrap()],
            ..Options::default()
        },
    );
    let started = std::time::Instant::now();
    let urls = [web.url("/1"), web.url("/2"), web.url("/3")];
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let run = proto(
        &[
            &["http-get"][..],
            &urls,
            &["--retry", "9", "--deadline", "2s"],
        ]
        .concat(),
    );
    run.exits(75);
    // Three URLs, one deadline: far from three of them, on the slowest machine.
    assert!(
        started.elapsed() < std::time::Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn strange_places_are_told_or_written_to() {
    use std::os::unix::ffi::OsStrExt;
    let (web, folder) = (web(), folder());
    let url = web.url("/a");
    proto_in(folder.path(), &["http-get", &url, "-o", "."])
        .exits(74)
        .says("--output-dir");
    proto(&["http-get", &url, "--header", "Range: bytes=0-3"])
        .exits(64)
        .says("--continue");
    let name = std::ffi::OsStr::from_bytes(b"x\xff");
    let mut run = command(&["http-get", &url, "-o"]);
    Run::from(run.arg(name).current_dir(folder.path()).output().unwrap()).exits(0);
    assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"A");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut help = command(&["--help"]);
    Run::from(help.stdout(full).output().unwrap()).exits(74);
}
