//! The site, spoken to by hand.

use super::*;
use crate::{Options, Server};
use flate2::read::{GzDecoder, ZlibDecoder};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

struct Fixture {
    site: Arc<Site>,
    server: Server,
    _folder: tempfile::TempDir,
}

fn start() -> Fixture {
    start_with(None)
}

fn start_with(protect: Option<Protection>) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "0123456789").unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let mut site = Site::new(folder.path());
    site.protect = protect;
    let site = Arc::new(site);
    let server = Server::start(Options::default(), site.clone()).unwrap();
    Fixture {
        site,
        server,
        _folder: folder,
    }
}

impl Fixture {
    /// All that comes back for these bytes until the server closes.
    fn hear(&self, text: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        heard
    }

    /// The same as text, without the date.
    fn say(&self, text: &str) -> String {
        let heard = String::from_utf8_lossy(&self.hear(text)).into_owned();
        let lines = heard.split_inclusive("\r\n");
        lines.filter(|line| !line.starts_with("Date: ")).collect()
    }

    /// The same for one request with these further fields, as its head and its body.
    fn ask(&self, line: &str, fields: &str) -> (String, String) {
        let heard = self.say(&format!(
            "{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n"
        ));
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

fn value<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines();
    lines
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_default()
}

fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let site = start();
    let heard = site.say(
        "GET /mock/status/404 HTTP/1.1\r\nHost: h\r\n\r\n\
         POST /mock/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\
         HEAD /mock/bytes/7 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(
        heard,
        "HTTP/1.1 404 Not Found\r\nServer: proto-mock\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n\
         HTTP/1.1 200 OK\r\nServer: proto-mock\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 8\r\n\r\nPOST\nabc\
         HTTP/1.1 200 OK\r\nServer: proto-mock\r\nContent-Type: application/octet-stream\r\nETag: \"bytes-7\"\r\nLast-Modified: Wed, 01 Jan 2020 00:00:00 GMT\r\nAccept-Ranges: bytes\r\nContent-Length: 7\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(
        site.site.requests(),
        [
            "1 GET /mock/status/404 HTTP/1.1",
            "1 POST /mock/echo HTTP/1.1",
            "1 HEAD /mock/bytes/7 HTTP/1.1"
        ]
    );
}

#[test]
fn files_come_whole_in_part_or_not_at_all() {
    let site = start();
    let (head, body) = site.ask("GET /a.txt", "");
    assert_eq!((status(&head), body.as_str()), ("200", "0123456789"));
    assert_eq!(value(&head, "Content-Type"), "text/plain; charset=utf-8");
    let etag = value(&head, "ETag").to_owned();
    let date = value(&head, "Last-Modified").to_owned();

    let (head, body) = site.ask("GET /a.txt", "Range: bytes=2-4\r\n");
    assert_eq!((status(&head), body.as_str()), ("206", "234"));
    assert_eq!(value(&head, "Content-Range"), "bytes 2-4/10");
    let (head, _) = site.ask("GET /a.txt", "Range: bytes=10-\r\n");
    assert_eq!(status(&head), "416");
    assert_eq!(value(&head, "Content-Range"), "bytes */10");
    for condition in [
        format!("If-None-Match: {etag}"),
        format!("If-Modified-Since: {date}"),
    ] {
        let (head, body) = site.ask("GET /a.txt", &format!("{condition}\r\n"));
        assert_eq!((status(&head), body.as_str()), ("304", ""), "{condition}");
        assert!(!head.contains("Content-Length"), "{head}");
    }
    assert_eq!(status(&site.ask("GET /../a.txt", "").0), "404");
    let (head, _) = site.ask("GET /sub", "");
    assert_eq!((status(&head), value(&head, "Location")), ("301", "/sub/"));
    assert!(site.ask("GET /", "").1.contains("<a href=\"a.txt\">"));
    let (head, _) = site.ask("DELETE /a.txt", "");
    assert_eq!((status(&head), value(&head, "Allow")), ("405", "GET, HEAD"));
}

#[test]
fn what_is_no_request_is_refused_and_the_connection_closed() {
    let site = start();
    let heard = site.say("GET /\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    assert!(heard.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{heard}");
    assert_eq!(heard.matches("HTTP/1.1 4").count(), 1, "{heard}");
    let chunk = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
    assert!(site.say(chunk).starts_with("HTTP/1.1 400 "));
}

#[test]
fn chunks_have_extensions_and_a_trailer() {
    let site = start();
    let (head, body) = site.ask("GET /mock/chunked/a.txt", "");
    assert_eq!(value(&head, "Transfer-Encoding"), "chunked");
    assert_eq!(
        body,
        "3;part\r\n012\r\n3;part\r\n345\r\n3;part\r\n678\r\n1;part\r\n9\r\n0\r\nX-Chunks: 4\r\n\r\n"
    );
    let heard = site.say("GET /mock/chunked/a.txt HTTP/1.0\r\n\r\n");
    assert!(
        heard.ends_with("\r\nConnection: close\r\n\r\n0123456789"),
        "{heard}"
    );
}

#[test]
fn bodies_are_compressed_cut_and_left_open() {
    let site = start();
    let mut expected = vec![0; 100_000];
    fill(0, &mut expected);
    for coding in ["gzip", "deflate"] {
        let line = format!("GET /mock/{coding}/mock/bytes/100000");
        let (head, body) = site.ask(&line, "");
        assert_eq!(value(&head, "Content-Encoding"), coding);
        assert_eq!(value(&head, "ETag"), format!("\"bytes-100000-{coding}\""));
        assert!(body.ends_with("\r\n0\r\n\r\n"), "{coding}");
        // Without chunks the body stands alone behind the head.
        let heard = site.hear(&format!("{line} HTTP/1.0\r\n\r\n"));
        let start = heard.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let mut decoded = Vec::new();
        match coding {
            "gzip" => GzDecoder::new(&heard[start..]).read_to_end(&mut decoded),
            _ => ZlibDecoder::new(&heard[start..]).read_to_end(&mut decoded),
        }
        .unwrap();
        assert!(decoded == expected, "{coding}");
    }
    let (head, body) = site.ask("GET /mock/truncated/a.txt", "");
    assert_eq!(
        (value(&head, "Content-Length"), body.as_str()),
        ("10", "01234")
    );
    let (head, body) = site.ask("GET /mock/close/a.txt", "");
    assert_eq!(
        (value(&head, "Content-Length"), body.as_str()),
        ("", "0123456789")
    );
    let heard = site.say("GET /mock/early-close HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(!heard.contains("Connection: close"), "{heard}");
}

#[test]
fn a_body_may_wait_for_a_yes() {
    let site = start();
    let fields = "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n";
    let heard = site.say(&format!(
        "PUT /mock/echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n3\r\nabc\r\n0\r\n\r\n"
    ));
    assert!(heard.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
    assert!(heard.ends_with("\r\n\r\nPUT\nabc"));
    let heard = site.say(&format!(
        "PUT /mock/basic/mock/echo HTTP/1.1\r\nHost: h\r\n{fields}\r\n"
    ));
    assert!(
        heard.starts_with("HTTP/1.1 401 Unauthorized\r\n"),
        "{heard}"
    );
    assert!(heard.contains("\r\nConnection: close\r\n"), "{heard}");
}

#[test]
fn redirects_and_statuses() {
    let site = start();
    let location = |line: &str| {
        let (head, _) = site.ask(line, "");
        format!("{} {}", status(&head), value(&head, "Location"))
    };
    assert_eq!(location("GET /mock/redirect/3"), "302 /mock/redirect/2");
    assert_eq!(location("GET /mock/redirect/1"), "302 /");
    let line = "POST /mock/redirect-to?url=http%3A//x/%3Fy&code=308";
    assert_eq!(location(line), "308 http://x/?y");
    assert_eq!(location("GET /mock/redirect-to?url=%0d%0aX:y"), "400 ");
    assert_eq!(location("GET /mock/status/100"), "400 ");
    let (head, body) = site.ask("GET /mock/status/204?retry-after=7", "");
    assert_eq!((status(&head), value(&head, "Retry-After")), ("204", "7"));
    assert_eq!((value(&head, "Content-Length"), body.as_str()), ("", ""));
    for expected in ["503", "503", "200", "200"] {
        let (head, _) = site.ask("GET /mock/flaky/2/x/a.txt", "");
        assert_eq!(status(&head), expected);
    }
}

#[test]
fn what_changes_never_continues() {
    let site = start();
    let (head, one) = site.ask("GET /mock/changing", "");
    assert_eq!(value(&head, "Content-Length"), "262144");
    let condition = format!("Range: bytes=5-\r\nIf-Range: {}\r\n", value(&head, "ETag"));
    let (head, two) = site.ask("GET /mock/changing", &condition);
    assert_eq!(status(&head), "200");
    assert_ne!(one, two);
    let (head, _) = site.ask("GET /mock/changing", "Range: bytes=5-\r\n");
    assert_eq!(status(&head), "206");
}

#[test]
fn only_those_who_may_come_in() {
    let site = start();
    let fred = "Authorization: Basic ZnJlZDpzZWNyZXQ=\r\n";
    let (head, _) = site.ask("GET /mock/basic/a.txt", "");
    let basic = "Basic realm=\"mock\", charset=\"UTF-8\"";
    assert_eq!(
        (status(&head), value(&head, "WWW-Authenticate")),
        ("401", basic)
    );
    assert_eq!(site.ask("GET /mock/basic/a.txt", fred).1, "0123456789");
    assert_eq!(status(&site.ask("GET /mock/bearer/a.txt", fred).0), "401");
    let token = "Authorization: Bearer letmein\r\n";
    assert_eq!(site.ask("GET /mock/bearer/a.txt", token).1, "0123456789");
    let (head, _) = site.ask("GET /mock/digest/a.txt", "");
    assert_eq!(head.matches("WWW-Authenticate: Digest ").count(), 2);

    let protected = start_with(Some(Protection {
        scheme: Scheme::Basic,
        user: "fred".to_owned(),
        password: "secret".to_owned(),
    }));
    assert_eq!(status(&protected.ask("GET /a.txt", "").0), "401");
    assert_eq!(status(&protected.ask("GET /a.txt", fred).0), "200");
}

#[test]
fn mirrors() {
    let site = start();
    let (_, body) = site.ask("GET /mock/headers", "X-One:  two\r\n");
    assert_eq!(
        body,
        "GET /mock/headers HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-One:  two\r\n\r\n"
    );
    let (head, _) = site.ask("GET /mock/cookies", "");
    assert_eq!(head.matches("\r\nSet-Cookie: ").count(), 2);
    let (head, _) = site.ask("GET /mock/disposition?name=..%2f%22x", "");
    let expected = "attachment; filename=\"../\\\"x\"";
    assert_eq!(value(&head, "Content-Disposition"), expected);
    let (_, table) = site.ask("GET /mock/", "");
    assert_eq!(table.lines().count(), BEHAVIOURS.len());
}
