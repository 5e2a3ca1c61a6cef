//! Every wait ends: with the overall deadline, or when silence has lasted too long.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto_mock::{Peer, Server, Trap};
use proto_transport::{Connection, Connector, Error, Result, Security, Socket, Stream, UntilClose};

use crate::assert_error;
use crate::kit::{
    assert_says, connector, echo, endpoint, failure, serve, start, whole, PATIENCE, SHORT,
};

const BOTH: [Security; 2] = [Security::Plain, Security::Tls];

fn connect(connector: &Connector, server: &Server, security: Security) -> Result<Connection> {
    connector.connect(&endpoint("localhost", server.port(), security))
}

/// A connector whose silence may last, and whose end is near.
fn ending_soon() -> Connector {
    let mut connector = connector();
    connector.timeouts.deadline = Some(Instant::now() + Duration::from_secs(1));
    connector
}

fn drip(peer: &mut Peer, _connection: usize) -> io::Result<()> {
    loop {
        peer.write_all(b"x")?;
        peer.wait(Duration::from_millis(5))?;
    }
}

#[test]
fn the_deadline_ends_a_line_and_a_body_that_drip() {
    for security in BOTH {
        let server = serve(security, drip);
        let mut connection = connect(&ending_soon(), &server, security).unwrap();
        connection.doing("reading the greeting");
        let error = failure(connection.read_line());
        let text = assert_error!(error, Error::TimedOut { .. });
        assert_says(&text, "reading the greeting");
        let mut connection = connect(&ending_soon(), &server, security).unwrap();
        let error = failure(whole(&mut connection, UntilClose));
        assert_error!(error, Error::TimedOut { .. });
        // The deadline is a point in time: it does not start again.
        assert_error!(failure(connection.start_tls()), _);
    }
}

#[test]
fn the_deadline_and_silence_each_end_sending_to_a_peer_that_never_reads() {
    let never_reads = |peer: &mut Peer, _: usize| peer.wait(PATIENCE);
    for security in BOTH {
        let mut quiet = connector();
        quiet.timeouts.silence = SHORT;
        for connector in [ending_soon(), quiet] {
            let server = serve(security, never_reads);
            let mut connection = connect(&connector, &server, security).unwrap();
            connection.doing("sending the message");
            let error = failure(connection.send_exactly(&mut io::repeat(b'x'), 1 << 30));
            let text = assert_error!(error, Error::TimedOut { .. });
            assert_says(&text, "sending the message");
        }
    }
}

#[test]
fn silence_begins_again_with_each_byte() {
    for security in BOTH {
        let server = serve(security, |peer: &mut Peer, _| {
            for byte in b"0123456789\r\n" {
                peer.wait(Duration::from_millis(150))?;
                peer.write_all(&[*byte])?;
            }
            Ok(())
        });
        let mut connection = connect(&connector(), &server, security).unwrap();
        // Shorter than the whole line takes, longer than each of its bytes.
        connection.set_silence(Duration::from_millis(1500));
        assert_eq!(connection.read_line().unwrap(), b"0123456789");
    }
}

#[test]
fn silence_that_lasts_too_long_is_a_time_out_that_says_how_long() {
    for security in BOTH {
        let server = start(security, "localhost", &[], Arc::new(echo));
        let mut connection = connect(&connector(), &server, security).unwrap();
        connection.read_line().unwrap();
        connection.set_silence(SHORT);
        let error = failure(connection.read_line());
        let Error::TimedOut { after, .. } = error else {
            panic!("{error:?}");
        };
        assert!(after >= SHORT, "{after:?}");
        // Nothing was lost: a more patient caller can go on.
        connection.set_silence(PATIENCE);
        connection.write_line("still here").unwrap();
        assert_eq!(connection.read_line().unwrap(), b"still here");
    }
}

#[test]
fn a_deadline_in_the_past_fails_before_anybody_is_bothered() {
    let trap = Trap::set().unwrap();
    let mut connector = connector();
    connector.timeouts.deadline = Some(Instant::now());
    for host in ["127.0.0.1", "localhost"] {
        for security in BOTH {
            let error = failure(connector.connect(&endpoint(host, trap.port(), security)));
            assert_error!(error, Error::TimedOut { .. });
        }
    }
    assert!(!trap.was_touched());
}

#[test]
fn a_wait_shorter_than_the_kernel_can_count_is_a_time_out_like_any_other() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _far = listener.accept().unwrap();
    let mut socket = Socket::tcp(near).unwrap();
    // Nobody reads, so that writes wait as well once the buffers are full.
    for microseconds in (0..3_000).step_by(50) {
        let span = Duration::from_micros(microseconds);
        socket.set_deadline(Some(Instant::now() + span));
        let error = socket.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{span:?}: {error}");
        let error = loop {
            socket.set_deadline(Some(Instant::now() + span));
            if let Err(error) = socket.write_all(&[0; 65_536]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{span:?}: {error}");
    }
    let mut connection = Connection::over(socket);
    for nanoseconds in [0, 1, 999, 999_999, 1_000_001] {
        connection.set_silence(Duration::from_nanos(nanoseconds));
        assert_error!(failure(connection.read_line()), Error::TimedOut { .. });
    }
}

#[test]
fn no_deadline_at_all_waits_again_after_a_short_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let mut socket = Socket::tcp(near).unwrap();
    socket.set_deadline(Some(Instant::now() + Duration::from_millis(2)));
    socket.read(&mut [0; 8]).unwrap_err();
    socket.set_deadline(None);
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        far.write_all(b"late").unwrap();
    });
    let mut bytes = [0; 4];
    socket.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"late");
    late.join().unwrap();
}
