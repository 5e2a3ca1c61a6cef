//! Memory stays small, whatever the size of a body.

use std::io::Write;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use flate2::write::GzEncoder;
use flate2::Compression;
use proto_mock::{Options, Peer, Server};
use proto_transport::Security;

use crate::harness::{authority, command, folder, tls, Running, MOST_MEMORY};

/// How much the body is, decoded.
const BODY: usize = 64 << 20;

/// The block that the body repeats: further apart than any window of gzip reaches.
const BLOCK: usize = 1 << 20;

fn body() -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    proto_mock::http::fill(7, &mut block);
    block.repeat(BODY / BLOCK)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// The most memory that a download of `body` took, in KiB. The server holds the last byte back until
/// that was read from `/proc`: nobody can look at a process that has ended.
fn peak(body: &Arc<Vec<u8>>, coding: &str, options: Options, to_file: bool) -> u64 {
    let scheme = match options.security {
        Security::Tls => "https",
        _ => "http",
    };
    let (all_but_one, is_sent) = mpsc::channel();
    let (go_on, may_end) = mpsc::channel();
    let may_end = Mutex::new(may_end);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{coding}\r\n",
        body.len()
    );
    let content = Arc::clone(body);
    let service = move |peer: &mut Peer, _: usize| {
        while peer.read_line()?.is_some_and(|line| !line.is_empty()) {}
        let (last, rest) = content.split_last().unwrap();
        peer.write_all(head.as_bytes())?;
        peer.write_all(rest)?;
        peer.flush()?;
        let _ = all_but_one.send(());
        let _ = may_end.lock().unwrap().recv();
        peer.write_all(&[*last])?;
        peer.flush()
    };
    let server = Server::start(options, Arc::new(service)).unwrap();
    let folder = folder();
    let url = format!("{scheme}://localhost:{}/body", server.port());
    let ca = authority();
    let mut arguments = vec!["http-get", &url, "--ca", &ca];
    if to_file {
        arguments.push("-O");
    }
    let child = command(&arguments)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Running(child);
    is_sent.recv().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
    go_on.send(()).unwrap();
    assert!(child.0.wait().unwrap().success());
    if to_file {
        let length = folder.path().join("body").metadata().unwrap().len();
        assert_eq!(length, BODY as u64);
    }
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_large_body_takes_no_more_memory_than_a_small_one() {
    let plain = Arc::new(body());
    let packed = Arc::new(gzip(&plain));
    let coded = "Content-Encoding: gzip\r\n";
    for to_file in [true, false] {
        for options in [Options::default(), tls()] {
            for (body, coding) in [(&plain, ""), (&packed, coded)] {
                let peak = peak(body, coding, options.clone(), to_file);
                assert!(
                    peak < MOST_MEMORY,
                    "{peak} KiB; {options:?}, {coding:?}, to a file: {to_file}"
                );
            }
        }
    }
}
