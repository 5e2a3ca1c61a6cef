//! Bytes without sense and answers with a flaw: never a panic, never a hang, and what is taken for
//! a whole body ends where its head says.
//!
//! All of it is the same on every run: the seeds are fixed.

use std::io::Read;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use proto_http::{codings_of, decoder, Client, Coding, Fields, Head, Method, Request, Target};
use proto_mock::{Options, Peer, Server};
use proto_transport::escape::{escaped, is_harmful};
use proto_transport::session::Session;
use proto_transport::{parse_url, Connector, NoProxy, Proxy, Url};

/// Numbers without a pattern (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.roll() >> 11) as usize % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        (self.roll() >> 24) as u8
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What answers are made of, right and wrong.
const WORDS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 302 Found\r\n",
    b"HTTP/1.1 401 No\r\n",
    b"HTTP/1.1 ",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: ",
    b"18446744073709551615",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Location: /\r\n",
    b"Location: //[",
    b"WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n",
    b"WWW-Authenticate: ",
    b"Content-Encoding: gzip\r\n",
    b"Set-Cookie: a=b\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\0",
    b": ",
    b";",
    b",",
    b"\"",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\n",
    b"ffffffffffffffff\r\n",
    b"hello",
    b"\xff\xfe",
    b"\xc2\x9b",
    b" ",
    b"\t",
];

fn soup(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Most soups begin like an answer, so that they are tasted beyond the first spoon.
    match dice.below(4) {
        0 => {}
        1 => bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        _ => bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\n"),
    }
    for _ in 0..dice.below(24) {
        match dice.below(6) {
            0 => bytes.extend((0..dice.below(12)).map(|_| dice.byte()).collect::<Vec<_>>()),
            _ => bytes.extend_from_slice(dice.pick(WORDS)),
        }
    }
    bytes
}

/// Answers without a flaw.
const GOOD: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nETag: \"a\"\r\n\r\nhello, world\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7;a=b\r\nhello, \r\n6\r\nworld\n\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nab",
    b"HTTP/1.0 200\r\nServer: old\r\n\r\nuntil the end",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a, b\", Digest realm=\"c\", nonce=\"d\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n",
];

/// An answer with up to four flaws.
fn flawed(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dice.pick(GOOD).to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        let end = (at + dice.below(8)).min(bytes.len());
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = dice.byte(),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => bytes.truncate(at),
            _ => {
                let word = dice.pick(WORDS).to_vec();
                bytes.splice(at..at, word);
            }
        }
    }
    bytes
}

/// One server that says what it is handed, and closes.
struct Kitchen {
    server: Server,
    dish: Arc<Mutex<Vec<u8>>>,
}

impl Kitchen {
    fn open() -> Kitchen {
        let dish: Arc<Mutex<Vec<u8>>> = Arc::default();
        let served = Arc::clone(&dish);
        let service = move |peer: &mut Peer, _: usize| {
            while let Some(line) = peer.read_line()? {
                if line.is_empty() {
                    let bytes = served.lock().unwrap().clone();
                    peer.write_all(&bytes)?;
                    break;
                }
            }
            Ok(())
        };
        let server = Server::start(Options::default(), Arc::new(service)).unwrap();
        Kitchen { server, dish }
    }

    /// Asks for what is served. An answer comes with its body.
    fn taste(&self, dish: &[u8], method: Method) -> Option<(Head, Vec<u8>)> {
        *self.dish.lock().unwrap() = dish.to_vec();
        let mut connector = Connector::default();
        connector.timeouts.silence = Duration::from_secs(5);
        let mut client = Client::new(connector);
        let url = format!("http://127.0.0.1:{}/", self.server.port());
        let target = Target::from_url(&parse_url(&url, "http").unwrap()).unwrap();
        let request = Request::new(method, target);
        let mut response = client.send(request, &mut Vec::new()).ok()?;
        let head = response.head().clone();
        let mut body = Vec::new();
        response.body().read_to_end(&mut body).ok()?;
        response.finish();
        Some((head, body))
    }
}

/// The body of the last answer in `bytes`, by the book and with another reader than the client's.
fn body_by_the_book(head: &Head, is_head: bool, bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    loop {
        let mut informs = None;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = &rest[end + 1..];
            informs.get_or_insert(line.get(9) == Some(&b'1'));
            if line.is_empty() {
                break;
            }
        }
        if informs != Some(true) {
            break;
        }
    }
    if is_head || matches!(head.status, 204 | 304) {
        return Vec::new();
    }
    if head.fields.get("Transfer-Encoding").is_some() {
        return chunks(rest);
    }
    match head.fields.get("Content-Length") {
        None => rest.to_vec(),
        Some(value) => {
            let digits: String = value
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .map(|byte| char::from(*byte))
                .collect();
            rest[..digits.parse().unwrap()].to_vec()
        }
    }
}

fn chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let line = std::str::from_utf8(&rest[..end]);
        let line = line.map_or_else(|error| &rest[..error.valid_up_to()], str::as_bytes);
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let size: String = digits.map(|byte| char::from(*byte)).collect();
        let size = usize::from_str_radix(&size, 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n");
        rest = &rest[size + 2..];
    }
}

/// Serves `count` dishes; a panic tells which.
fn serve(seed: u64, count: usize, cook: fn(&mut Dice) -> Vec<u8>) -> usize {
    let kitchen = Kitchen::open();
    let mut dice = Dice(seed);
    let mut whole = 0;
    for number in 0..count {
        let dish = cook(&mut dice);
        let is_head = dice.below(5) == 0;
        let method = if is_head {
            Method::head()
        } else {
            Method::get()
        };
        let started = Instant::now();
        let tasted = catch_unwind(AssertUnwindSafe(|| {
            let answer = kitchen.taste(&dish, method);
            if let Some((head, body)) = &answer {
                assert_eq!(*body, body_by_the_book(head, is_head, &dish));
            }
            answer.is_some()
        }));
        let shown = escaped(&dish);
        let elapsed = started.elapsed();
        assert!(
            elapsed < Duration::from_secs(4),
            "{number}: {elapsed:?} {shown}"
        );
        whole += usize::from(tasted.unwrap_or_else(|_| panic!("dish {number}: {shown}")));
    }
    whole
}

#[test]
fn soups_of_bytes_do_no_harm() {
    let whole = serve(0x9e37_79b9_7f4a_7c15, 8_000, soup);
    assert!(
        whole > 0,
        "no soup was good; they are too bad to tell anything"
    );
}

#[test]
fn flawed_answers_do_no_harm() {
    let whole = serve(0x2545_f491_4f6c_dd1d, 12_000, flawed);
    assert!(whole > 100, "{whole}");
}

/// What fields, URLs and files are made of.
const BITS: &[&str] = &[
    "a",
    "b=",
    "\"",
    "\\",
    "\\\"",
    ",",
    ";",
    " ",
    "=",
    "*",
    "''",
    "UTF-8''",
    "%",
    "%2",
    "%2F",
    "%0a",
    "%ff",
    "-",
    "/",
    "//",
    "..",
    "bytes ",
    "0",
    "1",
    "18446744073709551616",
    "W/",
    "Basic",
    "Digest ",
    "realm=",
    "nonce=",
    "qop=",
    "filename=",
    "filename*=",
    "attachment",
    "http://",
    "https:",
    "@",
    ":",
    "[",
    "]",
    "?",
    "#",
    "\u{202e}",
    "ä",
    "\u{0}",
    "\t",
    "\r",
    "\n",
    "C: ",
    "S| ",
    "S< ",
    "= ",
    "= wait ",
    "= connection ",
    "ms",
    "\\x",
    "\\xf",
    "# ",
    "10.0.0.0/",
    "33",
    "*",
    "localhost",
    "::1",
    "socks5h",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "GMT",
];

fn text(dice: &mut Dice) -> String {
    (0..dice.below(14)).map(|_| dice.pick(BITS)).collect()
}

#[test]
fn parsers_of_text_do_no_harm() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let started = Instant::now();
    for _ in 0..60_000 {
        let text = text(&mut dice);
        let bytes = text.as_bytes();
        let parsed = catch_unwind(|| {
            proto_http::parse_challenges([bytes]);
            proto_http::file_name(bytes);
            let _ = proto_http::ContentRange::parse(bytes);
            proto_http::retry_after(bytes, SystemTime::UNIX_EPOCH);
            proto_http::is_strong_etag(bytes);
            let _ = proto_http::parse_status_line(bytes);
            let _ = proto_http::parse_field_line(bytes);
            let mut fields = Fields::default();
            fields.push("Content-Encoding", bytes);
            let _ = codings_of(&fields);
            NoProxy::parse(&text).contains("localhost", 80);
            let _ = Proxy::parse(&text);
            url_means_one_thing(&text);
            session_reads_back(&text);
            assert!(!escaped(bytes).chars().any(is_harmful));
        });
        assert!(parsed.is_ok(), "{text:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// A URL that is taken holds no more hosts than one, and says the same when it is read again.
fn url_means_one_thing(text: &str) {
    let Ok(url) = parse_url(text, "http") else {
        return;
    };
    assert!(!url.as_str().chars().any(|c| c.is_control() || c == ' '));
    assert_eq!(Url::parse(url.as_str()).unwrap(), url);
    assert_eq!(parse_url(url.as_str(), "http").unwrap(), url);
    if let Ok(target) = Target::from_url(&url) {
        assert!(
            !target.host().contains(['@', '/', '\\', '%', '?', '#']),
            "{text:?}"
        );
        assert!(target
            .origin_form()
            .bytes()
            .all(|byte| byte.is_ascii_graphic()));
    }
}

/// A step that is read is written so that it reads the same.
fn session_reads_back(text: &str) {
    let Ok(session) = Session::parse(text) else {
        return;
    };
    session.connections();
    for (_, step) in &session.steps {
        let again = Session::parse(&step.to_string()).unwrap();
        assert_eq!(again.steps.len(), 1, "{step}");
        let (_, read) = &again.steps[0];
        assert_eq!(read.to_string(), step.to_string());
    }
}

#[test]
fn packed_soups_do_no_harm() {
    let mut dice = Dice(0xdead_beef_cafe_f00d);
    let all = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
    let starts: [&[u8]; 5] = [
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03",
        b"\x78\x9c",
        b"\x21\x30\x00\x04hello, world\n\x03",
        b"\x28\xb5\x2f\xfd\x24\x0d\x69\x00\x00hello, world\n",
        b"",
    ];
    let started = Instant::now();
    for _ in 0..4_000 {
        let mut bytes = dice.pick(&starts).to_vec();
        for _ in 0..dice.below(200) {
            bytes.push(dice.byte());
        }
        for _ in 0..dice.below(3) {
            let at = dice.below(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        let codings: Vec<Coding> = (0..=dice.below(2)).map(|_| all[dice.below(4)]).collect();
        let unpacked = catch_unwind(AssertUnwindSafe(|| {
            let mut out = Vec::new();
            let reader = decoder(&codings, Box::new(&bytes[..]));
            // A few bytes may become megabytes; that they end is what counts.
            let _ = reader.take(4 * 1024 * 1024).read_to_end(&mut out);
        }));
        assert!(unpacked.is_ok(), "{codings:?} {}", escaped(&bytes));
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}
