//! How a conversation ends, and whether that is the end of what was being said.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use proto_mock::{Peer, Server};
use proto_transport::{Connection, Dotted, Error, Length, Result, Security, UntilClose};

use crate::assert_error;
use crate::kit::{assert_says, connector, echo, endpoint, failure, serve, start, whole};

const TEXT: &[u8] = b"all that there is\r\n";

fn text(peer: &mut Peer, _connection: usize) -> io::Result<()> {
    peer.write_all(TEXT)
}

fn connect(server: &Server, security: Security) -> Connection {
    let there = endpoint("localhost", server.port(), security);
    connector().connect(&there).unwrap()
}

fn until_close(security: Security, faults: &[&str]) -> Result<Vec<u8>> {
    let server = start(security, "localhost", faults, Arc::new(text));
    whole(&mut connect(&server, security), UntilClose)
}

#[test]
fn a_body_until_the_close_ends_with_an_orderly_close() {
    assert_eq!(until_close(Security::Plain, &[]).unwrap(), TEXT);
    assert_eq!(until_close(Security::Tls, &[]).unwrap(), TEXT);
}

#[test]
fn over_tls_a_close_without_close_notify_is_a_loss() {
    let error = failure(until_close(Security::Tls, &["no-close-notify"]));
    let text = assert_error!(error, Error::Closed { .. });
    assert_says(&text, "close_notify");
    // In the clear there is no such thing, so the fault changes nothing.
    let plain = until_close(Security::Plain, &["no-close-notify"]);
    assert_eq!(plain.unwrap(), TEXT);
}

#[test]
fn a_reset_is_never_the_end_of_a_body() {
    for security in [Security::Plain, Security::Tls] {
        let error = failure(until_close(security, &["cut-reset=5"]));
        assert_error!(error, Error::Closed { .. });
    }
}

#[test]
fn a_body_of_known_length_that_ends_early_is_a_loss_however_it_ends() {
    for security in [Security::Plain, Security::Tls] {
        for faults in [&[][..], &["no-close-notify"], &["cut=9"], &["cut-reset=9"]] {
            let server = start(security, "localhost", faults, Arc::new(text));
            let mut connection = connect(&server, security);
            let more = Length::new(TEXT.len() as u64 + 1);
            let error = failure(whole(&mut connection, more));
            let text = assert_error!(error, Error::Closed { .. });
            if faults.is_empty() {
                assert_says(&text, "1 bytes are missing");
            }
            // What follows could be anything.
            assert_error!(
                failure(
                    connection
                        .write_line("next")
                        .and_then(|()| connection.flush())
                ),
                _
            );
        }
    }
}

#[test]
fn a_body_of_known_length_needs_no_close_notify() {
    let server = start(
        Security::Tls,
        "localhost",
        &["no-close-notify"],
        Arc::new(text),
    );
    let mut connection = connect(&server, Security::Tls);
    let body = whole(&mut connection, Length::new(TEXT.len() as u64));
    assert_eq!(body.unwrap(), TEXT);
}

#[test]
fn a_dotted_body_without_its_dot_is_a_loss() {
    for security in [Security::Plain, Security::Tls] {
        let server = serve(security, text);
        let error = failure(whole(&mut connect(&server, security), Dotted::default()));
        assert_error!(error, Error::Closed { .. });
    }
}

#[test]
fn a_line_that_is_cut_anywhere_is_no_line() {
    for security in [Security::Plain, Security::Tls] {
        for length in 0..TEXT.len() {
            let fault = format!("cut={length}");
            let server = start(security, "localhost", &[&fault], Arc::new(text));
            let mut connection = connect(&server, security);
            connection.doing("reading the line");
            let text = assert_error!(failure(connection.read_line()), Error::Closed { .. });
            assert_says(&text, "reading the line");
        }
    }
}

#[test]
fn the_beginning_of_a_record_is_not_an_early_answer() {
    let server = serve(Security::Tls, |peer: &mut Peer, _| {
        peer.write_line("+OK ready")?;
        let heard = peer.read_exactly(UPLOAD)?;
        peer.write_line(format!("+OK {}", heard.len()))
    });
    // The mock's answer is whole; what comes too early is the head of a record behind the greeting.
    let there = endpoint("localhost", precede(&server), Security::Tls);
    let mut connection = connector().connect(&there).unwrap();
    assert_eq!(connection.read_line().unwrap(), b"+OK ready");
    let sent = connection.send_exactly(&mut io::repeat(b'x'), UPLOAD as u64);
    assert_eq!(sent.unwrap(), UPLOAD as u64);
    let answer = format!("+OK {UPLOAD}");
    assert_eq!(connection.read_line().unwrap(), answer.as_bytes());
}

/// More than is sent at once.
const UPLOAD: usize = 1 << 20;

/// Lies between the client and `server`, and sends the first byte of a record of application data
/// (RFC 8446 section 5.1) as soon as the one before it has passed.
fn precede(server: &Server) -> u16 {
    between(server, |near, far| {
        let mut next = None;
        loop {
            let mut record = read_record(far)?;
            if record.first() == next.as_ref() {
                record.remove(0);
            }
            near.write_all(&record)?;
            next = (record.last().is_some() && record[0] == 23).then_some(23);
            near.write_all(next.as_slice())?;
        }
    })
}

/// Lies between the client and `server`, and changes one byte of the second record of
/// application data that the server sends.
fn tamper(server: &Server) -> u16 {
    between(server, |near, far| {
        let mut seen = 0;
        loop {
            let mut record = read_record(far)?;
            seen += u32::from(record[0] == 23);
            if seen == 2 {
                if let Some(last) = record.last_mut() {
                    *last ^= 1;
                }
            }
            near.write_all(&record)?;
        }
    })
}

/// A port that leads to `server`. What the client says passes as it is; `back` carries the answers.
fn between(server: &Server, back: fn(&mut TcpStream, &mut TcpStream) -> io::Result<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let there = server.address();
    thread::spawn(move || -> io::Result<()> {
        let (mut near, mut far) = (listener.accept()?.0, TcpStream::connect(there)?);
        let (mut from, mut to) = (near.try_clone()?, far.try_clone()?);
        thread::spawn(move || io::copy(&mut from, &mut to));
        back(&mut near, &mut far)
    });
    port
}

/// One whole TLS record.
fn read_record(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut record = vec![0; 5];
    stream.read_exact(&mut record)?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    stream.read_exact(&mut record[5..])?;
    Ok(record)
}

#[test]
fn a_record_that_was_tampered_with_is_not_taken_for_a_hang_up() {
    let server = serve(Security::Tls, echo);
    let there = endpoint("localhost", tamper(&server), Security::Tls);
    let mut connection = connector().connect(&there).unwrap();
    assert_eq!(connection.read_line().unwrap(), b"+OK ready");
    connection.write_line("hello").unwrap();
    let error = failure(connection.read_line());
    assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
}
