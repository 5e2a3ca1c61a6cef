//! Going on with what broke off.

use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use proto_mock::{Options, Peer, Server};
use serde_json::Value;

use super::{report, web};
use crate::harness::{command, folder, names, proto, proto_in, root_of, Run, Running, Web};

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

/// A server whose first answer breaks off after half of 200,000 bytes, and which gives `second` to a
/// request for the rest, and the whole new content to any other request.
fn forgetful(first: &'static str, second: &'static str) -> Server {
    let asked = AtomicUsize::new(0);
    let service = move |peer: &mut Peer, _: usize| {
        let mut range = false;
        while let Some(line) = peer.read_line()? {
            range |= line.to_ascii_lowercase().starts_with(b"range:");
            if !line.is_empty() {
                continue;
            }
            let number = asked.fetch_add(1, Ordering::SeqCst);
            let (head, body, length) = match (number, range) {
                (0, _) => ("200 OK\r\nContent-Length: 200000", 'x', 100_000),
                (_, true) => (
                    "206 Partial Content\r\nContent-Range: bytes 100000-199999/200000",
                    'N',
                    100_000,
                ),
                (_, false) => ("200 OK", 'N', 200_000),
            };
            let fields = if number == 0 { first } else { second };
            let told = match range && !fields.contains("Content-Length") {
                true => "Content-Length: 100000\r\n",
                false => "",
            };
            peer.write_all(format!("HTTP/1.1 {head}\r\n{fields}{told}\r\n").as_bytes())?;
            peer.write_all(body.to_string().repeat(length).as_bytes())?;
            peer.flush()?;
            return Ok(());
        }
        Ok(())
    };
    Server::start(Options::default(), Arc::new(service)).unwrap()
}

#[test]
fn a_server_that_overlooks_the_condition_is_not_believed() {
    const OLD: &str =
        "Date: Sat, 21 Nov 2026 08:00:00 GMT\r\nLast-Modified: Fri, 20 Nov 2026 08:00:00 GMT\r\n";
    for (first, second) in [
        (OLD, "Last-Modified: Sat, 21 Nov 2026 08:00:00 GMT\r\n"),
        ("ETag: \"a\"\r\n", "ETag: W/\"b\"\r\n"),
        ("ETag: \"a\"\r\n", "ETag: \"b\"\r\n"),
        ("ETag: \"a\"\r\n", ""),
        (
            "ETag: \"a\"\r\n",
            "ETag: \"a\"\r\nContent-Length: 18446744073709551615\r\n",
        ),
    ] {
        let (server, folder) = (forgetful(first, second), folder());
        let url = root_of(&server);
        proto_in(folder.path(), &["http-get", &url, "-o", "f"]).exits(75);
        let run = proto_in(folder.path(), &["http-get", &url, "-o", "f", "--continue"]);
        assert!(!run.stderr.contains("panic"), "{}", run.stderr);
        let content = fs::read(folder.path().join("f")).unwrap_or_default();
        assert!(
            content.iter().all(|byte| *byte == b'N'),
            "two contents were joined: {second}"
        );
    }
}

#[test]
fn a_file_that_is_whole_is_still_checked() {
    let folder = folder();
    fs::write(folder.path().join("f"), "garbage").unwrap();
    let sum = format!("sha256:{}", "00".repeat(32));
    let arguments = [
        "http-get",
        "http://127.0.0.1:1/f",
        "-o",
        "f",
        "--continue",
        "--checksum",
        &sum,
    ];
    proto_in(folder.path(), &arguments).exits(74).says("digest");
    assert_eq!(fs::read(folder.path().join("f")).unwrap(), b"garbage");
}

#[test]
fn a_mistyped_digest_or_limit_costs_no_part() {
    let (web, folder) = (web(), folder());
    let url = web.url("/mock/bytes/500000");
    let sum = format!("sha256:{}", "00".repeat(32));
    proto_in(
        folder.path(),
        &["http-get", &url, "-o", "file", "--checksum", &sum],
    )
    .exits(76);
    assert_eq!(names(folder.path()), ["file.part", "file.part.json"]);
    proto_in(
        folder.path(),
        &[
            "http-get",
            &url,
            "-o",
            "file",
            "--continue",
            "--max-size",
            "9k",
        ],
    )
    .exits(65);
    proto_in(
        folder.path(),
        &["http-get", &url, "-o", "file", "--continue"],
    )
    .exits(0);
    assert_eq!(
        fs::read(folder.path().join("file")).unwrap(),
        bytes(500_000)
    );
}

#[test]
fn a_small_download_that_is_killed_leaves_nothing() {
    let (web, folder) = (web(), folder());
    let url = web.url("/mock/slow/mock/bytes/60000");
    let mut child = command(&["http-get", &url, "-o", "small", "--trace"])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The body is on its way when its first byte is shown.
    let mut seen = Vec::new();
    let stderr = child.stderr.as_mut().unwrap();
    while !String::from_utf8_lossy(&seen).contains("\nS| ") {
        let mut byte = [0];
        assert_eq!(stderr.read(&mut byte).unwrap(), 1);
        seen.push(byte[0]);
    }
    drop(Running(child));
    assert_eq!(names(folder.path()), [""; 0]);
    proto_in(folder.path(), &["http-get", &web.url("/a"), "-o", "small"]).exits(0);
}
