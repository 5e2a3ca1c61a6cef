//! `proto http-get`: what ends up where, and with which exit status.

use std::fs;
use std::io::Write;

use proto_mock::{Options, Trap};
use serde_json::Value;

use crate::harness::{
    answering, authority, command, folder, names, proto, proto_in, root_of, tls, tls_as, Run, Web,
};

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
fn a_list_is_downloaded_and_one_failure_does_not_stop_the_rest() {
    for jobs in ["1", "3"] {
        let (web, folder) = (web(), folder());
        let list = format!(
            "# a comment\n{}\n\n{}\n{}\n",
            web.url("/a"),
            web.url("/mock/status/404"),
            web.url("/b")
        );
        fs::write(folder.path().join("list"), list).unwrap();
        let arguments = [
            "http-get",
            "-i",
            "list",
            "-j",
            jobs,
            "--output-dir",
            "out",
            "--report",
            "report",
        ];
        proto_in(folder.path(), &arguments).exits(69).says("1 of 3");
        assert_eq!(names(&folder.path().join("out")), ["a", "b"]);
        let records = report(&folder.path().join("report"));
        let oks = records.iter().filter(|record| record["ok"] == true).count();
        assert_eq!((records.len(), oks), (3, 2));
    }
}

#[test]
fn what_is_no_url_does_not_stop_the_rest_either() {
    let (web, folder) = (web(), folder());
    let list = format!("http://a b/\n{0}/a\nimap://x/\n{0}/b\n", web.url(""));
    fs::write(folder.path().join("list"), list).unwrap();
    let arguments = [
        "http-get",
        "-i",
        "list",
        "--output-dir",
        "out",
        "--report",
        "report",
    ];
    let run = proto_in(folder.path(), &arguments).exits(64);
    run.says("2 of 4");
    assert_eq!(names(&folder.path().join("out")), ["a", "b"]);
    assert_eq!(report(&folder.path().join("report")).len(), 4);
}

#[test]
fn fields_with_secret_names_are_blanked() {
    let web = web();
    let arguments = [
        "http-get",
        &web.url("/a"),
        "--trace",
        "--header",
        "X-Api-Key: canary",
    ];
    let run = proto(&arguments).exits(0).says("C: X-Api-Key: (secret)");
    assert!(!run.stderr.contains("canary"));
}

#[test]
fn a_password_file_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let (web, folder) = (web(), folder());
    let file = folder.path().join("password");
    fs::write(&file, "secret\n").unwrap();
    let url = web.url("/mock/basic/a");
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let run = proto(&[
            "http-get",
            &url,
            "-u",
            "fred",
            "--password-file",
            file.to_str().unwrap(),
        ]);
        assert_eq!(run.exits(0).stderr.contains("others may read"), warned);
    }
}

#[test]
fn a_list_can_come_from_stdin() {
    let (web, folder) = (web(), folder());
    let mut child = command(&["http-get", "-i", "-", "--output-dir", "."])
        .current_dir(folder.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let line = format!("{}\n", web.url("/a"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(line.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(names(folder.path()), ["a"]);
}

#[test]
fn many_files_come_over_one_connection_each_under_its_own_name() {
    let files: Vec<(String, Vec<u8>)> = (0..200)
        .map(|number| {
            (
                format!("f{number}"),
                format!("content {number}").into_bytes(),
            )
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(n, c)| (n.as_str(), c.as_slice()))
        .collect();
    for (jobs, connections) in [("1", 1), ("16", 16)] {
        let (web, folder) = (Web::serve(&files), folder());
        let list: String = files
            .iter()
            .map(|(name, _)| web.url(&format!("/{name}\n")))
            .collect();
        fs::write(folder.path().join("list"), list).unwrap();
        proto_in(
            folder.path(),
            &["http-get", "-i", "list", "-j", jobs, "--output-dir", "out"],
        )
        .exits(0);
        for (name, content) in &files {
            assert_eq!(
                fs::read(folder.path().join("out").join(name)).unwrap(),
                *content
            );
        }
        assert!(
            web.server.connections() <= connections,
            "{}",
            web.server.connections()
        );
        assert_eq!(web.site.requests().len(), 200, "nothing was asked twice");
    }
}

#[test]
fn a_server_that_closes_between_requests_costs_nothing() {
    let (web, folder) = (web(), folder());
    let list = format!(
        "{}\n{}\n{}\n",
        web.url("/mock/early-close"),
        web.url("/a"),
        web.url("/b")
    );
    fs::write(folder.path().join("list"), list).unwrap();
    proto_in(
        folder.path(),
        &["http-get", "-i", "list", "--output-dir", "out"],
    )
    .exits(0);
    assert_eq!(names(&folder.path().join("out")), ["a", "b", "early-close"]);
}

#[test]
fn several_bodies_need_several_places() {
    let web = web();
    let (a, b) = (web.url("/a"), web.url("/b"));
    assert_eq!(proto(&["http-get", &a, &b]).exits(0).stdout, b"AB");
    proto(&["http-get", &a, &b, "-o", "x"])
        .exits(64)
        .says("--output-dir");
    proto(&["http-get", &a, &b, "-j", "2"])
        .exits(64)
        .says("--output-dir");
    proto(&["http-get", &a, "--continue"]).exits(64);
    proto(&["http-get", &a, "--json"]).exits(64);
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

/// The content of /mock/bytes/N.
fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    proto_mock::http::fill(0, &mut bytes);
    bytes
}

/// Downloads `url` from a server that breaks off after some bytes, so that a part is left.
fn broken_off(folder: &std::path::Path, path: &str, web: &Web) -> Run {
    let fault = vec!["cut=200000".parse().unwrap()];
    let options = Options {
        faults: fault,
        ..Options::default()
    };
    let broken = Web::with(&[], options);
    // The same URL, served by another port.
    let dial = format!("localhost:{}", broken.server.port());
    proto_in(
        folder,
        &[
            "http-get",
            &web.url(path),
            "-o",
            "file",
            "--connect-to",
            &dial,
        ],
    )
}

#[test]
fn a_download_that_broke_off_is_gone_on_with() {
    let (web, folder) = (web(), folder());
    let path = "/mock/bytes/500000";
    broken_off(folder.path(), path, &web)
        .exits(75)
        .says("missing");
    assert_eq!(names(folder.path()), ["file.part", "file.part.json"]);
    let have = fs::metadata(folder.path().join("file.part")).unwrap().len();
    assert!(have > 100_000 && have < 200_000, "{have}");
    let run = proto_in(
        folder.path(),
        &[
            "http-get",
            &web.url(path),
            "-o",
            "file",
            "--continue",
            "--report",
            "r",
        ],
    );
    run.exits(0);
    assert_eq!(
        fs::read(folder.path().join("file")).unwrap(),
        bytes(500_000)
    );
    let record = &report(&folder.path().join("r"))[0];
    assert_eq!(record["items"][0]["status"], 206);
    assert_eq!(record["bytes"]["received"], 500_000 - have);
    assert_eq!(names(folder.path()), ["file", "r"]);
}

#[test]
fn without_continue_a_part_of_ours_starts_anew() {
    let (web, folder) = (web(), folder());
    let path = "/mock/bytes/500000";
    broken_off(folder.path(), path, &web).exits(75);
    proto_in(folder.path(), &["http-get", &web.url(path), "-o", "file"]).exits(0);
    assert_eq!(
        fs::read(folder.path().join("file")).unwrap(),
        bytes(500_000)
    );
}

#[test]
fn content_that_changed_is_never_joined() {
    let (web, folder) = (web(), folder());
    let path = "/mock/changing";
    // The next edition of this server is not the first one, which the other server gives.
    proto(&["http-get", &web.url(path), "-o", "/dev/null"]).exits(0);
    broken_off(folder.path(), path, &web).exits(75);
    let run = proto_in(
        folder.path(),
        &[
            "http-get",
            &web.url(path),
            "-o",
            "file",
            "--continue",
            "--report",
            "r",
        ],
    );
    run.exits(0);
    let record = &report(&folder.path().join("r"))[0];
    assert_eq!(record["items"][0]["status"], 200);
    assert_eq!(record["bytes"]["stored"], 256 * 1024);
    assert_eq!(
        fs::read(folder.path().join("file")).unwrap().len(),
        256 * 1024
    );
}

#[test]
fn a_whole_part_needs_the_servers_word() {
    let (web, folder) = (web(), folder());
    let path = "/mock/bytes/100000";
    proto_in(folder.path(), &["http-get", &web.url(path), "-o", "file"]).exits(0);
    // As if it had been killed just before the renaming.
    fs::rename(folder.path().join("file"), folder.path().join("file.part")).unwrap();
    let head = proto(&["http-head", &web.url(path), "--json"]).exits(0);
    let head: Value = serde_json::from_str(head.text().trim()).unwrap();
    let fields = head["fields"].as_array().unwrap();
    let etag = fields.iter().find(|field| field[0] == "ETag").unwrap()[1].clone();
    let origin = serde_json::json!({ "url": web.url(path), "validator": etag, "length": 100_000 });
    fs::write(folder.path().join("file.part.json"), origin.to_string()).unwrap();
    proto_in(
        folder.path(),
        &["http-get", &web.url(path), "-o", "file", "--continue"],
    )
    .exits(0);
    assert_eq!(
        fs::read(folder.path().join("file")).unwrap(),
        bytes(100_000)
    );
}

#[test]
fn continue_skips_what_is_whole() {
    let (web, folder) = (web(), folder());
    fs::write(folder.path().join("a"), "whole").unwrap();
    proto_in(
        folder.path(),
        &[
            "http-get",
            &web.url("/a"),
            &web.url("/b"),
            "--output-dir",
            ".",
            "--continue",
        ],
    )
    .exits(0);
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"whole");
    assert_eq!(fs::read(folder.path().join("b")).unwrap(), b"B");
    assert_eq!(web.site.requests().len(), 1);
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
fn credentials_answer_only_when_asked() {
    let web = web();
    let secret = ["-u", "fred", "--password-command", "echo secret"];
    for scheme in ["basic", "digest"] {
        let url = web.url(&format!("/mock/{scheme}/page.html"));
        let before = web.site.requests().len();
        let run = proto(&[&["http-get", &url][..], &secret].concat()).exits(0);
        assert_eq!(run.stdout, PAGE);
        assert_eq!(
            web.site.requests().len(),
            before + 2,
            "{scheme}: asked, answered"
        );
        proto(&["http-get", &url]).exits(77).says("401");
        proto(&[
            "http-get",
            &url,
            "-u",
            "fred",
            "--password-command",
            "echo wrong",
        ])
        .exits(77);
    }
    let url = web
        .url("/mock/basic/page.html")
        .replace("//", "//fred:secret@");
    assert_eq!(proto(&["http-get", &url]).exits(0).stdout, PAGE);
    let token = ["--token-command", "echo letmein"];
    let url = web.url("/mock/bearer/page.html");
    assert_eq!(
        proto(&[&["http-get", &url][..], &token].concat())
            .exits(0)
            .stdout,
        PAGE
    );
}

#[test]
fn digest_survives_nonces_that_go_stale() {
    let (web, folder) = (web(), folder());
    let list: String = (0..8)
        .map(|n| format!("{}?{n}\n", web.url("/mock/digest/a")))
        .collect();
    fs::write(folder.path().join("list"), list).unwrap();
    let arguments = [
        "http-get",
        "-i",
        "list",
        "-u",
        "fred",
        "--password-command",
        "echo secret",
    ];
    let run = proto_in(folder.path(), &arguments).exits(0);
    assert_eq!(run.stdout, b"AAAAAAAA");
}

#[test]
fn passwords_come_from_file_environment_and_netrc() {
    let (web, folder) = (web(), folder());
    let url = web.url("/mock/basic/page.html");
    fs::write(folder.path().join("password"), "secret\nrest\n").unwrap();
    proto_in(
        folder.path(),
        &[
            "http-get",
            &url,
            "-u",
            "fred",
            "--password-file",
            "password",
        ],
    )
    .exits(0);
    let mut run = command(&["http-get", &url, "-u", "fred"]);
    Run::from(run.env("PROTO_PASSWORD", "secret").output().unwrap()).exits(0);
    let netrc = folder.path().join("netrc");
    fs::write(&netrc, "machine localhost login fred password secret\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&netrc, fs::Permissions::from_mode(0o600)).unwrap();
    let mut run = command(&["http-get", &url, "--netrc"]);
    Run::from(run.env("NETRC", &netrc).output().unwrap()).exits(0);
}

#[test]
fn tls_is_verified() {
    let web = Web::with(&[("page.html", PAGE)], tls());
    let url = web.url("/page.html");
    assert_eq!(
        proto(&["http-get", &url, "--ca", &authority()])
            .exits(0)
            .stdout,
        PAGE
    );
    proto(&["http-get", &url]).exits(77).says("--ca FILE");
    let run = proto(&["http-get", &url, "--insecure"]).exits(0);
    run.says("warning");
    for (name, why) in [
        ("wrong", "hostname mismatch"),
        ("expired", "expired"),
        ("selfsigned", "self-signed"),
    ] {
        let web = Web::with(&[("page.html", PAGE)], tls_as(name));
        proto(&["http-get", &web.url("/page.html"), "--ca", &authority()])
            .exits(77)
            .says(why);
    }
}

#[test]
fn a_pin_holds_the_key() {
    let (web, folder) = (Web::with(&[("page.html", PAGE)], tls()), folder());
    let url = web.url("/page.html");
    let report_path = folder.path().join("report");
    let arguments = [
        "http-get",
        &url,
        "--ca",
        &authority(),
        "--report",
        report_path.to_str().unwrap(),
    ];
    proto(&arguments).exits(0);
    let record = &report(&report_path)[0];
    let certificate = &record["tls"]["certificate"];
    assert_eq!(certificate["subject"], "CN=localhost");
    assert!(
        certificate["names"]
            .as_array()
            .unwrap()
            .contains(&"127.0.0.1".into()),
        "{certificate}"
    );
    let pin = format!("sha256:{}", certificate["key_sha256"].as_str().unwrap());
    proto(&["http-get", &url, "--ca", &authority(), "--pin", &pin]).exits(0);
    let other = format!("sha256:{}", "00".repeat(32));
    let run = proto(&["http-get", &url, "--ca", &authority(), "--pin", &other]).exits(77);
    run.says(&pin);
    proto(&["http-get", &url, "--insecure", "--pin", &other]).exits(77);
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
