//! Many URLs in one run.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use proto_mock::{Options, Peer, Server};

use super::{report, web};
use crate::harness::{command, folder, names, proto, proto_in, Web};

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
fn two_urls_of_one_run_never_share_a_file() {
    for more in [&["--continue"][..], &["--force", "-j", "2"], &[]] {
        let (web, folder) = (web(), folder());
        let urls = [web.url("/page.html?1"), web.url("/page.html?2")];
        let arguments = [
            &["http-get", &urls[0], &urls[1], "--output-dir", "."][..],
            more,
        ]
        .concat();
        proto_in(folder.path(), &arguments)
            .exits(74)
            .says("same file name");
        assert_eq!(
            fs::read(folder.path().join("page.html")).unwrap(),
            super::PAGE
        );
    }
}

/// Writes a list of URLs of a server, `/0` to `/N-1`.
fn list_of(server: &Server, count: usize, folder: &std::path::Path) {
    let urls: String = (0..count)
        .map(|number| format!("http://localhost:{}/{number}\n", server.port()))
        .collect();
    fs::write(folder.join("list"), urls).unwrap();
}

/// Answers a request with its own path.
fn answer(peer: &mut Peer, line: &[u8]) -> std::io::Result<()> {
    let line = String::from_utf8_lossy(line);
    let path = line.split(' ').nth(1).unwrap_or_default();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", path.len());
    peer.write_all(head.as_bytes())?;
    peer.write_all(path.as_bytes())?;
    peer.flush()
}

#[test]
fn a_server_that_closes_without_a_word_loses_us_nothing() {
    // Three answers a connection, and then the end, whatever was asked ahead.
    let service = |peer: &mut Peer, _: usize| {
        for _ in 0..3 {
            let Some(line) = peer.read_line()? else { break };
            while peer.read_line()?.is_some_and(|line| !line.is_empty()) {}
            answer(peer, &line)?;
        }
        Ok(())
    };
    for jobs in ["1", "4"] {
        let server = Server::start(Options::default(), Arc::new(service)).unwrap();
        let folder = folder();
        list_of(&server, 60, folder.path());
        proto_in(
            folder.path(),
            &["http-get", "-i", "list", "-j", jobs, "--output-dir", "out"],
        )
        .exits(0);
        for number in 0..60 {
            let got = fs::read_to_string(folder.path().join(format!("out/{number}"))).unwrap();
            assert_eq!(got, format!("/{number}"));
        }
    }
}

#[test]
fn a_server_that_hears_one_request_at_a_time_is_asked_one_at_a_time() {
    // It takes whatever has come as one request.
    let service = |peer: &mut Peer, _: usize| {
        let mut block = [0; 65536];
        loop {
            let count = peer.read_some(&mut block)?;
            if count == 0 {
                return Ok(());
            }
            let heard = String::from_utf8_lossy(&block[..count]).into_owned();
            answer(peer, heard.lines().next().unwrap_or_default().as_bytes())?;
        }
    };
    let server = Server::start(Options::default(), Arc::new(service)).unwrap();
    let folder = folder();
    list_of(&server, 12, folder.path());
    let arguments = [
        "http-get",
        "-i",
        "list",
        "--output-dir",
        "out",
        "--timeout",
        "1s",
    ];
    proto_in(folder.path(), &arguments).exits(0);
    assert_eq!(names(&folder.path().join("out")).len(), 12);
}

#[test]
fn a_list_may_hold_lines_that_are_no_text() {
    let (web, folder) = (web(), folder());
    let mut list = b"\xef\xbb\xbf".to_vec();
    list.extend_from_slice(format!("{}\n", web.url("/a")).as_bytes());
    list.extend_from_slice(b"# caf\xe9\n");
    list.extend_from_slice(format!("{}\n", web.url("/b")).as_bytes());
    fs::write(folder.path().join("list"), list).unwrap();
    proto_in(
        folder.path(),
        &["http-get", "-i", "list", "--output-dir", "out"],
    )
    .exits(0);
    assert_eq!(names(&folder.path().join("out")), ["a", "b"]);
}
