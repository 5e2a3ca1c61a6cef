//! Handshakes that do not come about.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use proto_mock::{Peer, Server, Service};
use proto_transport::{Connector, Error, Security, HANDSHAKE};

use crate::assert_error;
use crate::kit::{assert_says, connector, echo, endpoint, failure, serve, start, PATIENCE, SHORT};

/// The error of a handshake with a server that should get no further.
fn refused_by(connector: &Connector, server: &Server) -> Error {
    let there = endpoint("localhost", server.port(), Security::Tls);
    failure(connector.connect(&there))
}

#[test]
fn a_handshake_that_nobody_answers_ends_with_the_time_for_connecting() {
    let server = start(Security::Tls, "localhost", &["silence"], Arc::new(echo));
    let mut connector = connector();
    connector.timeouts.connect = SHORT;
    let error = refused_by(&connector, &server);
    let Error::TimedOut { peer, doing, after } = error else {
        panic!("{error:?}");
    };
    assert_eq!(peer, format!("localhost:{}", server.port()));
    assert_eq!(doing, HANDSHAKE);
    assert!(after < PATIENCE);
}

#[test]
fn a_handshake_that_drips_ends_with_the_clock_that_is_shorter() {
    // Some 900 bytes at 30 ms each.
    let server = start(Security::Tls, "localhost", &["drip=30ms"], Arc::new(echo));
    for overall in [false, true] {
        let mut connector = connector();
        match overall {
            true => connector.timeouts.deadline = Some(Instant::now() + SHORT),
            false => connector.timeouts.connect = SHORT,
        }
        let error = refused_by(&connector, &server);
        assert_error!(error, Error::TimedOut { ref doing, .. } if doing == HANDSHAKE);
    }
}

#[test]
fn a_server_that_speaks_in_the_clear_is_quoted_and_its_escapes_are_defused() {
    let server = serve(Security::Plain, |peer: &mut Peer, _| {
        peer.write_all(b"220 \x1b[2Jwelcome\r\n")?;
        peer.flush()?;
        peer.read_line().map(|_| ())
    });
    let error = refused_by(&connector(), &server);
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_says(&text, "220 \\x1b[2Jwelcome\\r\\n");
    assert_says(&text, "does not speak TLS");
    assert!(!text.contains('\x1b'));
}

#[test]
fn a_server_that_speaks_in_the_clear_one_byte_at_a_time_is_told_apart_too() {
    let server = start(Security::Plain, "localhost", &["split"], Arc::new(echo));
    let error = refused_by(&connector(), &server);
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_says(&text, "it said \"+");
}

#[test]
fn a_connection_that_ends_during_the_handshake_is_closed() {
    let after_hello = |peer: &mut Peer, _: usize| peer.read_some(&mut [0; 1]).map(|_| ());
    let half_a_record = |peer: &mut Peer, _: usize| -> io::Result<()> {
        peer.read_some(&mut [0; 1])?;
        peer.write_all(&[22, 3, 3])
    };
    let reset = |peer: &mut Peer, _: usize| -> io::Result<()> {
        peer.read_some(&mut [0; 1])?;
        peer.reset();
        Ok(())
    };
    let services: [Arc<dyn Service>; 3] = [
        Arc::new(after_hello),
        Arc::new(half_a_record),
        Arc::new(reset),
    ];
    for service in services {
        let server = start(Security::Plain, "localhost", &[], service);
        let error = refused_by(&connector(), &server);
        assert_error!(error, Error::Closed { ref doing, .. } if doing == HANDSHAKE);
    }
    let server = start(Security::Tls, "localhost", &["reset"], Arc::new(echo));
    assert_error!(refused_by(&connector(), &server), Error::Closed { .. });
}

#[test]
fn bytes_that_only_look_like_tls_are_an_error_and_no_hang() {
    let server = serve(Security::Plain, |peer: &mut Peer, _| {
        peer.write_all(&[[22, 3, 3, 0, 200].as_slice(), &[0xa5; 200]].concat())?;
        peer.flush()?;
        peer.wait(PATIENCE)
    });
    let error = refused_by(&connector(), &server);
    assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
}
