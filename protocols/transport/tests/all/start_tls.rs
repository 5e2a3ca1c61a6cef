//! From plaintext into TLS, and what must never cross.

use std::io;
use std::time::Duration;

use proto_mock::{Peer, Server};
use proto_transport::{Connection, Error, Security, HANDSHAKE};

use crate::assert_error;
use crate::kit::{
    assert_says, connector, echo, endpoint, failure, serve, start, talk, Heard, PATIENCE, SHORT,
};

/// Connects, hears the greeting and asks for TLS; the reply is left to be read.
fn ask(server: &Server) -> Connection {
    let there = endpoint("localhost", server.port(), Security::StartTls);
    let mut connector = connector();
    connector.timeouts.connect = PATIENCE;
    let mut connection = connector.connect(&there).unwrap();
    assert!(!connection.is_encrypted());
    assert_eq!(connection.read_line().unwrap(), b"+OK ready");
    connection.write_line("STLS").unwrap();
    connection
}

/// What was wanted after TLS must not go out without it, and nothing may come in.
#[track_caller]
fn assert_dead(mut connection: Connection) {
    assert!(!connection.is_encrypted());
    let said = connection.write_line("PASS canary");
    assert_error!(
        failure(said.and_then(|()| connection.flush())),
        Error::Closed { .. }
    );
    assert_error!(failure(connection.read_line()), Error::Closed { .. });
    assert!(!connection.has_unread());
    assert!(!connection.is_reusable());
    assert_error!(failure(connection.start_tls()), Error::Closed { .. });
    assert!(connection.facts().tls.is_none());
}

/// Greets, hears one line and answers with these bytes in one write; hears the rest out.
fn answering(answer: &'static [u8], heard: &Heard) -> Server {
    let heard = heard.clone();
    serve(Security::StartTls, move |peer: &mut Peer, _| {
        peer.write_line("+OK ready")?;
        peer.read_line()?;
        peer.write_all(answer)?;
        peer.flush()?;
        heard.all_of(peer)
    })
}

#[test]
fn the_conversation_goes_on_inside_tls() {
    let server = serve(Security::StartTls, |peer: &mut Peer, _| {
        peer.write_line("+OK ready")?;
        peer.read_line()?;
        peer.write_line("+OK go")?;
        peer.start_tls()?;
        echo(peer, 1)
    });
    let mut connection = ask(&server);
    assert_eq!(connection.read_line().unwrap(), b"+OK go");
    connection.start_tls().unwrap();
    assert!(connection.is_encrypted());
    let facts = connection.facts().clone();
    assert!(facts.handshake.is_some());
    let certificate = facts.tls.unwrap().certificate().unwrap();
    assert_eq!(certificate.subject, "CN=localhost");
    talk(&mut connection).unwrap();
}

#[test]
fn bytes_behind_the_yes_in_the_same_write_are_refused_and_counted() {
    let heard = Heard::default();
    let server = answering(b"+OK go\r\n+OK injected\r\n", &heard);
    let mut connection = ask(&server);
    assert_eq!(connection.read_line().unwrap(), b"+OK go");
    let error = failure(connection.start_tls());
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_says(&text, "14 bytes");
    assert_dead(connection);
    server.stop();
    assert_eq!(heard.text(), "", "not even a handshake began");
}

#[test]
fn bytes_that_come_after_the_yes_but_before_the_server_speaks_tls_fail_the_handshake() {
    let server = serve(Security::StartTls, |peer: &mut Peer, _| {
        peer.write_line("+OK ready")?;
        peer.read_line()?;
        peer.write_line("+OK go")?;
        peer.wait(Duration::from_millis(50))?;
        peer.write_line("+OK injected")?;
        peer.start_tls()
    });
    let mut connection = ask(&server);
    assert_eq!(connection.read_line().unwrap(), b"+OK go");
    let error = failure(connection.start_tls());
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_says(&text, "+OK injected");
    assert_dead(connection);
}

#[test]
fn the_mock_servers_own_injection_is_met_as_well() {
    let faults = ["inject=+OK evil\\r\\n"];
    let server = start(
        Security::StartTls,
        "localhost",
        &faults,
        std::sync::Arc::new(echo),
    );
    let mut connection = ask(&server);
    assert_eq!(connection.read_line().unwrap(), b"+OK go");
    assert_says(&failure(connection.start_tls()).to_string(), "10 bytes");
    assert_dead(connection);
}

#[test]
fn a_no_is_for_the_caller_to_see_and_nothing_is_encrypted() {
    let heard = Heard::default();
    let server = answering(b"-ERR not here\r\n", &heard);
    let mut connection = ask(&server);
    assert_eq!(connection.read_line().unwrap(), b"-ERR not here");
    assert!(!connection.is_encrypted() && connection.facts().tls.is_none());
    drop(connection);
    server.stop();
    assert_eq!(heard.text(), "");
}

#[test]
fn silence_after_the_yes_runs_into_the_clock() {
    let heard = Heard::default();
    let server = answering(b"+OK go\r\n", &heard);
    let there = endpoint("localhost", server.port(), Security::StartTls);
    let mut connector = connector();
    connector.timeouts.connect = SHORT;
    let mut connection = connector.connect(&there).unwrap();
    connection.read_line().unwrap();
    connection.write_line("STLS").unwrap();
    assert_eq!(connection.read_line().unwrap(), b"+OK go");
    let error = failure(connection.start_tls());
    assert_error!(error, Error::TimedOut { ref doing, .. } if doing == HANDSHAKE);
    assert_dead(connection);
    server.stop();
    assert!(!heard.text().contains("canary"));
}

/// Says more than it was asked: a line that could pass for the reply to the next command.
fn forward(peer: &mut Peer, _connection: usize) -> io::Result<()> {
    peer.write_line("+OK ready")?;
    peer.write_line("+OK you are in already")?;
    peer.read_line()?;
    peer.write_line("+OK go")?;
    peer.start_tls()
}

#[test]
fn a_line_before_the_question_is_found_before_the_question_is_asked() {
    let server = serve(Security::StartTls, forward);
    let there = endpoint("localhost", server.port(), Security::StartTls);
    let mut connection = connector().connect(&there).unwrap();
    connection.read_line().unwrap();
    let text = assert_error!(failure(connection.expect_quiet()), Error::Malformed { .. });
    assert_says(&text, "you are in already");
}

#[test]
fn a_line_before_the_question_that_passes_for_the_yes_leaves_the_real_one_to_fail_the_handshake() {
    let server = serve(Security::StartTls, forward);
    let mut connection = ask(&server);
    connection.flush().unwrap();
    assert_eq!(connection.read_line().unwrap(), b"+OK you are in already");
    let error = failure(connection.start_tls());
    assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_dead(connection);
    // As long as the question has not gone out, nothing starts either.
    let mut connection = ask(&server);
    assert_eq!(connection.read_line().unwrap(), b"+OK you are in already");
    assert_error!(failure(connection.start_tls()), Error::Illegal { .. });
    assert_dead(connection);
}

#[test]
fn a_certificate_of_another_host_is_refused_and_no_secret_follows() {
    let heard = Heard::default();
    let log = heard.clone();
    let service = move |peer: &mut Peer, _: usize| -> io::Result<()> {
        peer.write_line("+OK ready")?;
        peer.read_line()?;
        peer.write_line("+OK go")?;
        // It fails, and what might follow in plaintext is kept.
        let _ = peer.start_tls();
        log.all_of(peer)
    };
    for certificate in ["wrong", "expired", "selfsigned"] {
        let service = std::sync::Arc::new(service.clone());
        let server = start(Security::StartTls, certificate, &[], service);
        let mut connection = ask(&server);
        assert_eq!(connection.read_line().unwrap(), b"+OK go");
        let error = failure(connection.start_tls());
        assert_error!(
            error,
            Error::Insecure {
                certificate: true,
                ..
            }
        );
        assert_dead(connection);
        server.stop();
    }
    assert_eq!(heard.text(), "");
}

#[test]
fn what_was_queued_in_plaintext_does_not_cross() {
    let heard = Heard::default();
    let server = answering(b"+OK go\r\n", &heard);
    let mut connection = ask(&server);
    assert_eq!(connection.read_line().unwrap(), b"+OK go");
    connection.write_line("USER too-early").unwrap();
    assert_error!(failure(connection.start_tls()), Error::Illegal { .. });
    assert_dead(connection);
    server.stop();
    assert_eq!(heard.text(), "");
}
