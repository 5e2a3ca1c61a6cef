//! What is recorded of a conversation can be read, holds no secret, and can be played.

use std::sync::Arc;

use proto_mock::{Options, Replay, Server};
use proto_transport::session::{Session, Side, Step};
use proto_transport::{
    Connection, Connector, Dotted, Length, Result, Security, SessionWriter, Transcript, UntilClose,
};

use crate::kit::{assert_says, connector, endpoint, serve, whole, Heard};

const CANARY: &str = "canary-hunter2";

/// How the canary looks to someone who searches for it.
fn disguises() -> [String; 4] {
    use base64::engine::general_purpose::STANDARD;
    use base64::Engine;
    [
        CANARY.to_owned(),
        STANDARD.encode(CANARY),
        STANDARD.encode(format!("\0fred\0{CANARY}")),
        proto_transport::certificate::hexadecimal(CANARY.as_bytes()),
    ]
}

/// A connector that records, and its record.
fn recording(show_secrets: bool) -> (Connector, Heard) {
    let record = Heard::default();
    let writer = SessionWriter::new(record.clone(), "proto test").unwrap();
    let mut connector = connector();
    connector.transcript = Some(Transcript::new(vec![Box::new(writer)], show_secrets));
    (connector, record)
}

/// What the client under test does. It says all that a line can hold, secrets in several forms,
/// and hears lines, bodies of every framing and bytes that no terminal should see.
fn client(connection: &mut Connection) -> Result<()> {
    let [_, base64, plain, hexadecimal] = disguises();
    connection.blank_replies(&["334"]);
    assert!(connection.read_line()?.starts_with(b"+OK"));
    if connection.is_encrypted() {
        connection.write_line("NOOP")?;
        connection.read_line()?;
    }
    connection.write_secret_line("PASS ", CANARY)?;
    connection.read_line()?;
    connection.write_secret_line("", &plain)?;
    connection.read_line()?;
    connection.write_secret_line("TOKEN ", &base64)?;
    connection.read_line()?;
    connection.write_secret_line("APOP fred ", &hexadecimal)?;
    connection.read_line()?;
    connection.write_line("CHALLENGE")?;
    assert!(connection.read_line()?.starts_with(b"334 "));
    connection.write_line("")?;
    connection.read_line()?;
    connection.write_line("GRÜSSE \u{9b}31m (secret) \\ # C: ")?;
    connection.read_line()?;
    connection.write_line("TEXT")?;
    assert_eq!(
        whole(connection, Dotted::default())?,
        b".dots\r\n\r\nend\r\n"
    );
    connection.write_line("BYTES")?;
    assert_eq!(whole(connection, Length::new(256))?.len(), 256);
    connection.write_line("DATA")?;
    connection.read_line()?;
    connection.send_dotted(&mut &b".one\ntwo \n\n"[..])?;
    connection.read_line()?;
    connection.write_line("QUIT")?;
    whole(connection, UntilClose).map(|_| ())
}

/// The server of the first conversation, the one that is recorded.
fn server(security: Security) -> Server {
    let every_byte: Vec<u8> = (0..=255).collect();
    serve(security, move |peer, _| {
        peer.write_all(b"+OK \x1b[2J ready \r\n")?;
        while let Some(line) = peer.read_line()? {
            match line.as_slice() {
                b"CHALLENGE" => peer.write_line(format!("334 {}", disguises()[1]))?,
                b"TEXT" => peer.write_all(b"..dots\r\n\r\nend\r\n.\r\n")?,
                b"BYTES" => peer.write_all(&every_byte)?,
                b"DATA" => {
                    peer.write_line("+ go")?;
                    while peer.read_line()?.is_some_and(|line| line != b".") {}
                    peer.write_line("+OK")?;
                }
                b"QUIT" => return peer.write_all(b"bye\r\n\nwithout a line end"),
                _ => peer.write_line("+OK")?,
            }
        }
        Ok(())
    })
}

fn connect(connector: &Connector, port: u16, security: Security) -> Connection {
    let there = endpoint("localhost", port, security);
    connector.connect(&there).unwrap()
}

/// Records one conversation.
fn record(security: Security, show_secrets: bool) -> String {
    let (connector, record) = recording(show_secrets);
    let server = server(security);
    let mut connection = connect(&connector, server.port(), security);
    client(&mut connection).unwrap();
    record.text()
}

/// Plays a record to the client.
fn play(session: &str, security: Security, client: impl Fn(&Connector, u16)) {
    let folder = std::env::temp_dir();
    let replay = Arc::new(Replay::new(Session::parse(session).unwrap(), folder));
    // The session itself says when TLS starts.
    let options = Options {
        security,
        ..Options::default()
    };
    let server = Server::start(options, replay.clone()).unwrap();
    client(&connector(), server.port());
    let outcome = replay.outcome();
    assert!(outcome.is_ok(), "{outcome}\n{session}");
}

#[test]
fn a_recorded_conversation_can_be_played_to_the_same_client() {
    for security in [Security::Plain, Security::Tls] {
        let session = record(security, false);
        let steps = Session::parse(&session).unwrap().steps;
        let tls = steps.iter().filter(|(_, step)| *step == Step::Tls).count();
        assert_eq!(tls, usize::from(security == Security::Tls));
        play(&session, security, |connector, port| {
            client(&mut connect(connector, port, security)).unwrap();
        });
    }
}

#[test]
fn a_client_that_says_something_else_is_found_out() {
    let session = record(Security::Plain, false);
    let session = session.replace("C: BYTES", "C: BITES");
    let replay = Replay::new(Session::parse(&session).unwrap(), std::env::temp_dir());
    let replay = Arc::new(replay);
    let server = Server::start(Options::default(), replay.clone()).unwrap();
    client(&mut connect(&connector(), server.port(), Security::Plain)).unwrap_err();
    assert_says(&replay.outcome().to_string(), "BYTES");
}

#[test]
fn no_secret_is_recorded_in_any_disguise() {
    for security in [Security::Plain, Security::Tls] {
        let session = record(security, false);
        for disguise in disguises() {
            assert!(!session.contains(&disguise), "{disguise}\n{session}");
        }
        assert_says(&session, "\nC: PASS (secret)\n");
        assert_says(&session, "\nC: APOP fred (secret)\n");
        assert_says(&session, "\nS: 334 (secret)\n");
        let harmless = |c: char| c == '\n' || !c.is_control();
        assert!(session.chars().all(harmless), "{session:?}");
    }
}

#[test]
fn secrets_are_recorded_when_asked_for_and_then_expected() {
    let session = record(Security::Plain, true);
    assert_says(&session, &format!("\nC: PASS {CANARY}\n"));
    play(&session, Security::Plain, |connector, port| {
        client(&mut connect(connector, port, Security::Plain)).unwrap();
    });
}

#[test]
fn conversations_that_take_turns_are_told_apart_and_played_apart() {
    let both = |connector: &Connector, port: u16| {
        let mut one = connect(connector, port, Security::Plain);
        one.read_line().unwrap();
        let mut two = connect(connector, port, Security::Tls);
        two.read_line().unwrap();
        one.write_line("ONE").unwrap();
        one.read_line().unwrap();
        two.write_line("TWO").unwrap();
        two.read_line().unwrap();
        one.write_line("QUIT").unwrap();
        whole(&mut one, UntilClose).unwrap();
        two.write_line("QUIT").unwrap();
        whole(&mut two, UntilClose).unwrap();
    };
    let (connector, record) = recording(false);
    // The second connection of this server begins with TLS.
    let server = serve(Security::StartTls, |peer, connection| {
        if connection == 2 {
            peer.start_tls()?;
        }
        peer.write_line("+OK ready")?;
        while peer.read_line()?.is_some_and(|line| line != b"QUIT") {
            peer.write_line("+OK")?;
        }
        peer.write_line("+OK bye")
    });
    both(&connector, server.port());
    let session = Session::parse(&record.text()).unwrap();
    let said: Vec<Vec<String>> = session
        .connections()
        .iter()
        .map(|steps| {
            let lines = steps.iter().filter_map(|(_, step)| match step {
                Step::Line(Side::Client, line) => Some(line.clone()),
                Step::Tls => Some("tls".to_owned()),
                _ => None,
            });
            lines.collect()
        })
        .collect();
    assert_eq!(said, [vec!["ONE", "QUIT"], vec!["tls", "TWO", "QUIT"]]);
    play(&record.text(), Security::StartTls, both);
}

#[test]
fn a_record_that_cannot_be_written_ends_the_conversation() {
    let (mut connector, _) = recording(false);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let writer = SessionWriter::new(full, "").unwrap();
    connector.transcript = Some(Transcript::new(vec![Box::new(writer)], false));
    let server = server(Security::Plain);
    let mut connection = connect(&connector, server.port(), Security::Plain);
    let error = crate::kit::failure(connection.read_line());
    crate::assert_error!(error, proto_transport::Error::Io { .. });
}
