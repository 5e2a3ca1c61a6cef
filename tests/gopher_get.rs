//! `proto gopher-get`: items to stdout and into files.

use std::fs;
use std::sync::Arc;

use proto_mock::gopher::GopherServer;
use proto_mock::{Options, Server};
use proto_transport::Security;
use serde_json::Value;

use crate::harness::{authority, folder, names, proto, proto_in, tls};

/// The mock gopher server.
pub struct Gopher {
    server: Server,
    scheme: &'static str,
    pub gopher: Arc<GopherServer>,
}

impl Gopher {
    /// A server with these flaws and its own items.
    pub fn flawed(flaws: &[&str]) -> Gopher {
        let mut gopher = GopherServer::default();
        gopher.flaws = flaws.iter().map(|flaw| flaw.parse().unwrap()).collect();
        Gopher::with(gopher, Options::default())
    }

    /// The same with other settings.
    pub fn with(gopher: GopherServer, options: Options) -> Gopher {
        let scheme = match options.security {
            Security::Tls => "gophers",
            _ => "gopher",
        };
        let gopher = Arc::new(gopher);
        let service = Arc::clone(&gopher) as Arc<dyn proto_mock::Service>;
        Gopher {
            server: Server::start(options, service).unwrap(),
            scheme,
            gopher,
        }
    }

    /// The URL of an item: its type and selector.
    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}/{path}", self.scheme, self.server.port())
    }

    /// What was asked for.
    pub fn heard(&self) -> Vec<String> {
        let requests = self.gopher.requests();
        requests.into_iter().map(|(_, line)| line).collect()
    }
}

/// A server that shows a folder with these files.
pub fn showing(files: &[(&str, &[u8])]) -> (Gopher, tempfile::TempDir) {
    let root = folder();
    for (name, content) in files {
        fs::write(root.path().join(name), content).unwrap();
    }
    let mut gopher = GopherServer::default();
    gopher.root = Some(root.path().to_owned());
    (Gopher::with(gopher, Options::default()), root)
}

#[test]
fn a_text_loses_its_dots() {
    let text = b".\r\n..two\r\nplain\r\n";
    let (gopher, _root) = showing(&[("a.txt", text)]);
    let run = proto(&["gopher-get", &gopher.url("0/a.txt")]).exits(0);
    assert_eq!(run.stdout, text);
    let run = proto(&["gopher-get", &gopher.url("0/a.txt"), "--raw"]).exits(0);
    assert_eq!(run.stdout, b"..\r\n...two\r\nplain\r\n.\r\n");
    assert_eq!(gopher.heard(), ["/a.txt", "/a.txt"]);
    assert_eq!(gopher.gopher.violations(), [""; 0]);
}

#[test]
fn a_binary_keeps_every_byte() {
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n * 7) as u8).collect();
    let bytes = [bytes.as_slice(), b"\r\n.\r\n"].concat();
    let (gopher, _root) = showing(&[("a.bin", &bytes)]);
    let run = proto(&["gopher-get", &gopher.url("9/a.bin")]).exits(0);
    assert!(run.stdout == bytes);
    let place = folder();
    proto_in(
        place.path(),
        &["gopher-get", &gopher.url("9/a.bin"), "-o", "copy"],
    )
    .exits(0);
    assert!(fs::read(place.path().join("copy")).unwrap() == bytes);
    assert_eq!(names(place.path()), ["copy"]);
}

#[test]
fn files_are_named_and_nothing_is_overwritten() {
    let (gopher, _root) = showing(&[("a.txt", b"new\r\n")]);
    let place = folder();
    let path = place.path().join("a.txt");
    let url = gopher.url("0/a.txt");
    proto_in(place.path(), &["gopher-get", &url, "-O"]).exits(0);
    assert_eq!(fs::read(&path).unwrap(), b"new\r\n");
    fs::write(&path, "old").unwrap();
    proto_in(place.path(), &["gopher-get", &url, "-O"])
        .exits(74)
        .says("--force");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    proto_in(place.path(), &["gopher-get", &url, "-O", "--force"]).exits(0);
    assert_eq!(fs::read(&path).unwrap(), b"new\r\n");
    assert_eq!(names(place.path()), ["a.txt"]);
    assert_eq!(gopher.heard().len(), 2);
}

#[test]
fn what_is_not_there_makes_no_file() {
    let gopher = Gopher::flawed(&[]);
    let place = folder();
    proto_in(
        place.path(),
        &["gopher-get", &gopher.url("0/none"), "-o", "a"],
    )
    .exits(69);
    assert_eq!(names(place.path()), [""; 0]);
    proto(&["gopher-get", &gopher.url("i/x")]).exits(64);
    proto(&["gopher-get", &gopher.url("8/x")]).exits(64);
    proto(&["gopher-get", &gopher.url("0/mock/text"), "-u", "fred"]).exits(64);
}

#[test]
fn searches_take_words() {
    let gopher = Gopher::flawed(&[]);
    for arguments in [
        &["7/mock/echo?two%20words"][..],
        &["7/mock/echo%09two%20words"],
        &["7/mock/echo", "--search", "two words"],
    ] {
        let url = gopher.url(arguments[0]);
        let arguments = [&["gopher-get", url.as_str()], &arguments[1..]].concat();
        proto(&arguments).exits(0);
    }
    assert_eq!(gopher.heard(), [r"/mock/echo\ttwo words"; 3]);
    proto(&["gopher-get", &gopher.url("7/mock/echo")])
        .exits(64)
        .says("--search");
    proto(&["gopher-get", &gopher.url("0/a"), "--search", "x"]).exits(64);
    for words in ["a\r\nb", "a\tb", "a%0d%0ab"] {
        let url = gopher.url("7/mock/echo");
        let code = if words.contains('%') { 0 } else { 64 };
        proto(&["gopher-get", &url, "--search", words]).exits(code);
    }
    proto(&["gopher-get", &gopher.url("0/a%0d%0aMAIL")]).exits(64);
    assert_eq!(gopher.heard().len(), 4);
}

#[test]
fn tls_from_the_first_byte() {
    let gopher = Gopher::with(GopherServer::default(), tls());
    let url = gopher.url("0/mock/text");
    proto(&["gopher-get", &url]).exits(77);
    let run = proto(&["gopher-get", &url, "--ca", &authority()]).exits(0);
    assert!(!run.stdout.is_empty());
}

#[test]
fn the_report_tells_what_came() {
    let gopher = Gopher::flawed(&["no-final-dot"]);
    let place = folder();
    let url = gopher.url("0/mock/text");
    proto_in(
        place.path(),
        &["gopher-get", &url, "-o", "a", "--report", "r"],
    )
    .exits(0);
    let report = fs::read_to_string(place.path().join("r")).unwrap();
    let record: Value = serde_json::from_str(&report).unwrap();
    let length = fs::metadata(place.path().join("a")).unwrap().len();
    assert_eq!(record["command"], "gopher-get");
    assert_eq!(record["stage"], "store");
    assert_eq!(record["bytes"]["stored"], length);
    assert_eq!(record["items"][0]["file"], "a");
    assert_eq!(record["items"][0]["has_dot"], false);
}

#[test]
fn what_is_too_large_makes_no_file() {
    let gopher = Gopher::flawed(&["endless-binary"]);
    let place = folder();
    let url = gopher.url("9/mock/binary");
    proto_in(
        place.path(),
        &["gopher-get", &url, "-o", "a", "--max-size", "1M"],
    )
    .exits(65);
    assert_eq!(names(place.path()), [""; 0]);
}
