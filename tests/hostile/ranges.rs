//! Resuming with a server that lies about ranges: nothing is spliced that is not proved to fit.

use super::{download, download_in, response, talker, Attempt, Talker};

/// Long enough to be worth resuming.
const LENGTH: usize = 200_000;

/// Where the first try broke off.
const HALF: usize = 100_000;

fn content() -> Vec<u8> {
    (0..LENGTH).map(|at| (at / 251) as u8).collect()
}

/// A server that breaks off the first answer in the middle and then says `second`.
fn breaking_off(second: Vec<u8>) -> Talker {
    talker(move |number, _| match number {
        1 => {
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"v1\"\r\nContent-Length: {LENGTH}\r\n\r\n");
            [head.as_bytes(), &content()[..HALF]].concat()
        }
        _ => second.clone(),
    })
}

/// Downloads half, and goes on with what the server then says.
#[track_caller]
fn resumed(second: Vec<u8>) -> (Attempt, Talker) {
    let server = breaking_off(second);
    let url = server.url("/file");
    let first = download(&url, &[]).fails(75);
    assert_eq!(first.names(), ["file.part", "file.part.json"]);
    let attempt = download_in(first.folder, &url, &["--continue"]);
    (attempt, server)
}

fn partial(range: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
    let range = format!("Content-Range: {range}");
    let lines: Vec<&str> = [&range[..]].iter().chain(lines).copied().collect();
    response("206 Partial Content", &lines, body)
}

#[test]
fn the_right_rest_completes_the_file() {
    let right = partial(
        "bytes 100000-199999/200000",
        &["ETag: \"v1\""],
        &content()[HALF..],
    );
    let (attempt, server) = resumed(right);
    attempt.gives(&content());
    let asked = &server.heads()[1];
    assert!(asked.contains("Range: bytes=100000-\n"), "{asked}");
    assert!(asked.contains("If-Range: \"v1\"\n"), "{asked}");
}

#[test]
fn a_whole_answer_replaces_what_was_there() {
    let other = vec![b'n'; 150_000];
    let (attempt, _) = resumed(response("200 OK", &["ETag: \"v2\""], &other));
    attempt.gives(&other);
}

#[test]
fn a_rest_that_does_not_fit_is_not_appended() {
    let rest = &content()[HALF..];
    let chunked = |body: &[u8]| {
        let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 100000-199999/200000\r\nTransfer-Encoding: chunked\r\n\r\n";
        let size = format!("{:x}\r\n", body.len());
        [head.as_bytes(), size.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
    };
    for (why, lie) in [
        ("another start", partial("bytes 0-99999/200000", &[], rest)),
        (
            "one byte off",
            partial("bytes 99999-199998/200000", &[], rest),
        ),
        (
            "another ETag",
            partial("bytes 100000-199999/200000", &["ETag: \"v2\""], rest),
        ),
        (
            "another length",
            partial("bytes 100000-199999/300000", &[], rest),
        ),
        (
            "a part of the rest",
            partial("bytes 100000-149999/200000", &[], &rest[..50_000]),
        ),
        (
            "a part, no length",
            partial("bytes 100000-149999/*", &[], &rest[..50_000]),
        ),
        (
            "shorter than its range",
            partial("bytes 100000-199999/200000", &[], &rest[..50_000]),
        ),
        (
            "longer than its range",
            partial("bytes 100000-199999/200000", &[], &[rest, rest].concat()),
        ),
        ("shorter, in chunks", chunked(&rest[..50_000])),
        ("longer, in chunks", chunked(&[rest, b"x"].concat())),
        (
            "another unit",
            partial("items 100000-199999/200000", &[], rest),
        ),
        (
            "backwards",
            partial("bytes 199999-100000/200000", &[], rest),
        ),
        (
            "beyond the end",
            partial("bytes 100000-200000/200000", &[], rest),
        ),
        (
            "a number that is none",
            partial("bytes 100000-18446744073709551616/*", &[], rest),
        ),
        (
            "the largest number",
            partial("bytes 100000-18446744073709551615/*", &[], rest),
        ),
        (
            "no range at all",
            response("206 Partial Content", &["ETag: \"v1\""], rest),
        ),
        (
            "many parts",
            response(
                "206 Partial Content",
                &["Content-Type: multipart/byteranges; boundary=x"],
                b"--x\r\nContent-Range: bytes 100000-199999/200000\r\n\r\n...\r\n--x--\r\n",
            ),
        ),
        (
            "packed, though identity was asked for",
            partial(
                "bytes 100000-199999/200000",
                &["Content-Encoding: gzip"],
                rest,
            ),
        ),
    ] {
        let (attempt, _) = resumed(lie);
        let code = attempt.run.code;
        assert!(
            matches!(code, 75 | 76),
            "{why}: exit {code} {}",
            attempt.run.stderr
        );
        assert!(!attempt.names().contains(&"file".to_owned()), "{why}");
    }
}

#[test]
fn an_unsatisfied_range_is_a_reason_to_begin_anew() {
    let (attempt, server) = resumed(response(
        "416 Range Not Satisfiable",
        &["Content-Range: bytes */5"],
        b"",
    ));
    // The whole is asked for at once; what is there stays until it comes.
    let attempt = attempt.fails(69);
    assert_eq!(attempt.names(), ["file.part", "file.part.json"]);
    let ranges: Vec<bool> = server
        .heads()
        .iter()
        .map(|head| head.contains("Range: bytes="))
        .collect();
    assert_eq!(ranges, [false, true, false]);
}

#[test]
fn a_part_that_was_not_asked_for_is_not_the_whole() {
    let server = talker(|_, _| partial("bytes 0-4/5", &[], b"hello"));
    download(&server.url("/"), &[]).fails(76);
    let server = talker(|_, _| response("206 Partial Content", &[], b"hello"));
    download(&server.url("/"), &[]).fails(76);
}

#[test]
fn a_weak_validator_proves_nothing() {
    let server = talker(|number, head| {
        assert!(!head.contains("Range"), "{head}");
        let close = if number == 1 {
            "Connection: close\r\n"
        } else {
            ""
        };
        let head =
            format!("HTTP/1.1 200 OK\r\n{close}ETag: W/\"v1\"\r\nContent-Length: {LENGTH}\r\n\r\n");
        let all = content();
        let sent = if number == 1 { &all[..HALF] } else { &all[..] };
        [head.as_bytes(), sent].concat()
    });
    let first = download(&server.url("/"), &[]).fails(75);
    download_in(first.folder, &server.url("/"), &["--continue"]).gives(&content());
}
