//! Bodies: their borders, what comes behind them, where they break off, and what they unpack to.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::Compression;
use proto_mock::{Options, Peer, Server};

use super::{assert_harmless, download, ok, peak_memory, read_head, response, talker, MEMORY};
use crate::harness::{answering, command, folder, names, proto, proto_in, root_of};

#[track_caller]
fn chunked(body: impl AsRef<[u8]>) -> super::Attempt {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = answering(&[head, body.as_ref()].concat());
    download(&root_of(&server), &[])
}

#[test]
fn chunks_are_read_strictly() {
    let long = "x".repeat(5_000);
    for body in [
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\t5\r\nhello\r\n0\r\n\r\n",
        "5x\r\nhello\r\n0\r\n\r\n",
        "5,5\r\nhello\r\n0\r\n\r\n",
        "5\0\r\nhello\r\n0\r\n\r\n",
        "5;a=\0\r\nhello\r\n0\r\n\r\n",
        "5;a=\rb\r\nhello\r\n0\r\n\r\n",
        ";a=b\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        // A bare LF, or a bare CR, where CRLF must be.
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        // Longer or shorter than announced.
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        // Trailers that are none.
        "5\r\nhello\r\n0\r\nA : b\r\n\r\n",
        "5\r\nhello\r\n0\r\n a: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nA: \x1b[2J\r\n\r\n",
        &format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
        &format!("5\r\nhello\r\n0;{long}\r\n\r\n"),
        // Extensions that are most of what is sent (CVE-2023-39326).
        &format!(
            "{}0\r\n\r\n",
            format!("1;{}\r\nx\r\n", &long[..200]).repeat(100)
        ),
        // More trailers than a head may have fields.
        &format!("5\r\nhello\r\n0\r\n{}\r\n", "A: b\r\n".repeat(257)),
    ] {
        let attempt = chunked(body);
        let shown = &body[..body.len().min(60)];
        assert_eq!(attempt.run.code, 76, "{shown:?}: {}", attempt.run.stderr);
        assert!(attempt.names().is_empty(), "{shown:?}");
    }
}

#[test]
fn what_is_allowed_around_chunks_is_taken() {
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "5;a=b;c=\"d;\\\"e\"\r\nhello\r\n0;f\r\n\r\n",
        "5 ; a = b\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nA: b\r\nContent-Length: 7\r\nSet-Cookie: c\r\n\r\n",
    ] {
        chunked(body).gives(b"hello");
    }
}

#[test]
fn chunks_that_break_off_are_not_whole() {
    for body in [
        "",
        "5",
        "5\r\n",
        "5\r\nhel",
        "5\r\nhello",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\nA: b\r\n",
        "FFFFFFFFFFFFFFFF\r\nhello",
        "7FFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    ] {
        let attempt = chunked(body);
        assert_eq!(attempt.run.code, 75, "{body:?}: {}", attempt.run.stderr);
    }
}

#[test]
fn bytes_behind_a_response_are_not_the_answer_to_the_next_request() {
    let evil = ok(b"evil");
    for (first, content) in [
        ([ok(b"one"), evil.clone()].concat(), &b"one"[..]),
        // Statuses that never have a body (RFC 9112 section 6.3).
        (
            [b"HTTP/1.1 204 No Content\r\n\r\n", &evil[..]].concat(),
            b"",
        ),
        (
            [
                &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"[..],
                &evil,
            ]
            .concat(),
            b"one",
        ),
        ([&ok(b"one")[..], b"\n"].concat(), b"one"),
    ] {
        let server = talker(move |number, _| match number {
            1 => first.clone(),
            _ => ok(b"two"),
        });
        let folder = folder();
        let list = format!("{}\n{}\n", server.url("/1"), server.url("/2"));
        std::fs::write(folder.path().join("list"), list).unwrap();
        let arguments = ["http-get", "-i", "list", "--output-dir", "out"];
        let run = proto_in(folder.path(), &arguments).exits(0);
        assert_harmless(&run);
        let read = |name: &str| std::fs::read(folder.path().join("out").join(name)).unwrap();
        let what = String::from_utf8_lossy(content);
        assert_eq!(read("1"), content, "{what}");
        assert_eq!(read("2"), b"two", "{what}");
        assert_eq!(server.server.connections(), 2, "{what}");
    }
}

#[test]
fn a_body_behind_the_answer_to_head_is_not_the_next_answer() {
    let server = talker(|number, _| match number {
        1 => ok(b"HTTP/1.1 200 OK\r\nEvil: yes\r\n\r\n"),
        _ => response("200 OK", &["Good: yes"], b""),
    });
    let run = proto(&["http-head", &server.url("/1"), &server.url("/2")]).exits(0);
    assert!(!run.text().contains("Evil"), "{}", run.text());
    assert!(run.text().contains("Good: yes"), "{}", run.text());
    assert_eq!(server.server.connections(), 2);
}

#[test]
fn answers_that_break_off_are_asked_for_again_in_their_order() {
    // Each connection serves three requests and closes, whatever was asked for ahead.
    let server = talker(|number, head| {
        let path = head.split(' ').nth(1).unwrap();
        match number % 3 {
            0 => response("200 OK", &["Connection: close"], path.as_bytes()),
            _ => ok(path.as_bytes()),
        }
    });
    let folder = folder();
    let list: String = (10..60).map(|n| server.url(&format!("/{n}\n"))).collect();
    std::fs::write(folder.path().join("list"), list).unwrap();
    let arguments = ["http-get", "-i", "list", "--output-dir", "out"];
    proto_in(folder.path(), &arguments).exits(0);
    for n in 10..60 {
        let content = std::fs::read_to_string(folder.path().join(format!("out/{n}")));
        assert_eq!(content.unwrap(), format!("/{n}"));
    }
}

/// Good answers that tell where they end.
fn recorded() -> [Vec<u8>; 3] {
    let packed = gzip(b"hello, world\n");
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nETag: \"x\"\r\n\r\nhello, world\n".to_vec(),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;a=b\r\nhello,\r\n7\r\n world\n\r\n0\r\nA: b\r\n\r\n".to_vec(),
        response("200 OK", &["Content-Encoding: gzip"], &packed),
    ]
}

#[test]
fn an_answer_that_is_cut_at_any_byte_is_not_whole() {
    for good in recorded() {
        let (bytes, length) = (good.clone(), good.len());
        let service = move |peer: &mut Peer, connection: usize| {
            read_head(peer)?;
            peer.write_all(&bytes[..(connection - 1).min(bytes.len())])
        };
        let server = Server::start(Options::default(), Arc::new(service)).unwrap();
        let url = root_of(&server);
        for count in 0..=length {
            let attempt = download(&url, &[]);
            match count == length {
                true => drop(attempt.gives(b"hello, world\n")),
                false => {
                    let code = attempt.run.code;
                    assert!(matches!(code, 75 | 76), "{count} bytes: exit {code}");
                }
            }
        }
    }
}

#[test]
fn an_answer_that_comes_in_two_parts_is_the_same() {
    for good in recorded() {
        let (bytes, length) = (good.clone(), good.len());
        let service = move |peer: &mut Peer, connection: usize| {
            read_head(peer)?;
            let (first, second) = bytes.split_at(connection.min(bytes.len()));
            peer.write_all(first)?;
            peer.wait(Duration::from_millis(2))?;
            peer.write_all(second)
        };
        let server = Server::start(Options::default(), Arc::new(service)).unwrap();
        for _ in 1..length {
            download(&root_of(&server), &[]).gives(b"hello, world\n");
        }
    }
}

#[test]
fn a_body_is_kept_byte_by_byte() {
    let every: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let server = answering(&ok(&every));
    download(&root_of(&server), &[]).gives(&every);
    let run = proto(&["http-get", &root_of(&server)]).exits(0);
    assert_eq!(run.stdout, every);
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// "hello, world\n" by `brotli -q 11` and `zstd -19 --check`.
const BROTLI: &str = "2130000468656c6c6f2c20776f726c640a03";
const ZSTD: &str = "28b52ffd240d69000068656c6c6f2c20776f726c640a4c1ff9f1";

/// 100 MiB of zeros by `brotli -q 11`.
const BROTLI_BOMB: &str = "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfb7ffeffffc33f0110870500baf7fffcffff877f02200e0b0074effff9ffff0fff04401c1600e8deffe7ffff0ffe0980382c00d0bdff01";

fn samples() -> [(&'static str, Vec<u8>); 5] {
    const TEXT: &[u8] = b"hello, world\n";
    [
        ("gzip", gzip(TEXT)),
        ("deflate", zlib(TEXT)),
        ("deflate", bare_deflate(TEXT)),
        ("br", bytes(BROTLI)),
        ("zstd", bytes(ZSTD)),
    ]
}

fn packed(coding: &str, body: &[u8]) -> Server {
    let field = format!("Content-Encoding: {coding}");
    answering(&response("200 OK", &[&field], body))
}

#[test]
fn every_coding_is_undone() {
    for (coding, body) in samples() {
        let server = packed(coding, &body);
        download(&root_of(&server), &[]).gives(b"hello, world\n");
    }
}

#[test]
fn packed_bodies_that_are_cut_or_go_on_are_damaged() {
    for (coding, body) in samples() {
        let middle = body.len() / 2;
        let mut flipped = body.clone();
        flipped[middle] ^= 0x10;
        let cut = [1, middle, body.len() - 1];
        let cuts = cut.iter().map(|length| body[..*length].to_vec());
        let garbage = [&body[..], b"garbage"].concat();
        for damaged in cuts.chain([garbage, b"not packed at all".to_vec()]) {
            let attempt = download(&root_of(&packed(coding, &damaged)), &[]);
            assert_eq!(attempt.run.code, 76, "{coding}: {}", attempt.run.stderr);
            assert!(attempt.names().is_empty(), "{coding}");
        }
        // Not every form has a checksum, but no flip may hang or panic.
        download(&root_of(&packed(coding, &flipped)), &[]);
    }
}

#[test]
fn all_members_of_a_gzip_body_count() {
    let two = [gzip(b"hello, "), gzip(b"world\n")].concat();
    download(&root_of(&packed("gzip", &two)), &[]).gives(b"hello, world\n");
}

#[test]
fn a_wrong_checksum_is_an_error() {
    let mut body = gzip(b"hello, world\n");
    let at = body.len() - 6;
    body[at] ^= 1;
    download(&root_of(&packed("gzip", &body)), &[]).fails(76);
}

#[test]
fn codings_are_undone_one_by_one_but_not_for_ever() {
    let mut body = b"hello, world\n".to_vec();
    for _ in 0..3 {
        body = gzip(&body);
    }
    download(&root_of(&packed("gzip, gzip, gzip", &body)), &[]).gives(b"hello, world\n");
    let four = gzip(&body);
    download(&root_of(&packed("gzip, gzip, gzip, gzip", &four)), &[]).fails(76);
    let hundred = ["gzip"; 100].join(", ");
    download(&root_of(&packed(&hundred, &four)), &[]).fails(76);
    // The list may be spread over many lines.
    let lines = ["Content-Encoding: gzip"; 4];
    let server = answering(&response("200 OK", &lines, &four));
    download(&root_of(&server), &[]).fails(76);
}

#[test]
fn an_unknown_coding_is_not_kept_as_content() {
    for coding in ["compress", "evil", "gzip, evil", "aes128gcm", "\u{9b}2J"] {
        download(&root_of(&packed(coding, b"x")), &[]).fails(76);
    }
    download(&root_of(&packed("evil", b"kept")), &["--raw"]).gives(b"kept");
}

#[test]
fn bombs_are_defused() {
    let zeros = vec![0; 64 * 1024 * 1024];
    let stacked = gzip(&gzip(&zeros));
    for (coding, body) in [("br", bytes(BROTLI_BOMB)), ("gzip, gzip", stacked)] {
        let server = packed(coding, &body);
        let folder = folder();
        let mut command = command(&["http-get", "-o", "file", &root_of(&server)]);
        command.current_dir(folder.path());
        let (run, peak) = peak_memory(command);
        run.exits(65);
        assert!(peak < MEMORY, "{coding}: {peak} KiB");
        assert!(names(folder.path()).is_empty(), "{coding}");
    }
    // What a person may have asked for is bounded by the size that they allow.
    let server = packed("gzip", &gzip(&zeros[..8 * 1024 * 1024]));
    let attempt = download(&root_of(&server), &["--max-size", "1000000"]).fails(65);
    assert!(attempt.names().is_empty());
}
