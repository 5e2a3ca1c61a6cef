//! Bodies on their way to files.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use proto_mock::{Peer, Server};
use proto_transport::session::{Session, Step};
use proto_transport::{
    Connection, Error, Framing, Length, Result, Security, SessionWriter, Transcript, UntilClose,
};

use crate::assert_error;
use crate::kit::{assert_says, connector, endpoint, failure, serve, whole, Heard};

/// Not a multiple of any buffer.
const SIZE: usize = 5 * 1024 * 1024 + 17;

/// Bytes that tell where they belong.
fn body() -> Vec<u8> {
    (0..SIZE as u32 / 4 + 1)
        .flat_map(u32::to_be_bytes)
        .take(SIZE)
        .collect()
}

/// Hears a line, and answers with a line and the body; in one write if the line says so.
fn server(security: Security) -> Server {
    serve(security, |peer: &mut Peer, _| {
        let together = peer.read_line()?.is_some_and(|line| line == b"together");
        peer.write_line("+OK")?;
        if !together {
            peer.flush()?;
            peer.read_line()?;
        }
        peer.write_all(&body())?;
        Ok(())
    })
}

/// Asks for the body. Afterwards its first bytes are already buffered if `together`.
fn ask(connection: &mut Connection, together: bool) {
    connection
        .write_line(if together { "together" } else { "apart" })
        .unwrap();
    assert_eq!(connection.read_line().unwrap(), b"+OK");
    if !together {
        connection.write_line("go").unwrap();
    }
}

fn connect(server: &Server, security: Security) -> Connection {
    let there = endpoint("localhost", server.port(), security);
    connector().connect(&there).unwrap()
}

fn save(connection: &mut Connection, framing: impl Framing, file: &mut File) -> Result<u64> {
    let mut total = 0;
    let mut body = connection.body(framing);
    while let Some(count) = body.next_part_to(file)? {
        assert!(count > 0);
        total += count;
    }
    // It stays at its end.
    assert_eq!(body.next_part_to(file)?, None);
    Ok(total)
}

/// Saves the body both ways and compares.
fn check<F: Framing>(security: Security, together: bool, framing: impl Fn() -> F) {
    let server = server(security);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    let mut connection = connect(&server, security);
    ask(&mut connection, together);
    let mut file = File::create(&path).unwrap();
    let count = save(&mut connection, framing(), &mut file).unwrap();
    assert_eq!(count, SIZE as u64);
    assert!(std::fs::read(&path).unwrap() == body(), "the file differs");
    let mut connection = connect(&server, security);
    ask(&mut connection, together);
    assert!(whole(&mut connection, framing()).unwrap() == body());
}

#[test]
fn a_file_gets_the_same_bytes_as_a_reader() {
    for security in [Security::Plain, Security::Tls] {
        for together in [false, true] {
            check(security, together, || Length::new(SIZE as u64));
            check(security, together, || UntilClose);
        }
    }
}

#[test]
fn what_follows_the_body_is_still_there() {
    let server = serve(Security::Plain, |peer: &mut Peer, _| {
        peer.read_line()?;
        peer.write_line("+OK")?;
        peer.flush()?;
        peer.read_line()?;
        peer.write_all(&body())?;
        peer.write_line("+OK that was all")
    });
    let mut connection = connect(&server, Security::Plain);
    ask(&mut connection, false);
    let mut file = tempfile::tempfile().unwrap();
    save(&mut connection, Length::new(SIZE as u64), &mut file).unwrap();
    assert_eq!(connection.read_line().unwrap(), b"+OK that was all");
}

/// A file that takes writes only at its end, as a shell opens it for `>>`.
#[test]
fn a_file_that_is_appended_to_keeps_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    std::fs::write(&path, "before").unwrap();
    let server = server(Security::Plain);
    let mut connection = connect(&server, Security::Plain);
    ask(&mut connection, false);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    save(&mut connection, Length::new(SIZE as u64), &mut file).unwrap();
    assert!(std::fs::read(&path).unwrap() == [b"before", &body()[..]].concat());
}

#[test]
fn a_body_that_breaks_off_is_a_loss_also_on_its_way_to_a_file() {
    let server = server(Security::Plain);
    let mut connection = connect(&server, Security::Plain);
    ask(&mut connection, false);
    let mut file = tempfile::tempfile().unwrap();
    let more = Length::new(SIZE as u64 + 1);
    let error = failure(save(&mut connection, more, &mut file));
    let text = assert_error!(error, Error::Closed { .. });
    assert_says(&text, "1 bytes are missing");
}

#[test]
fn a_disk_that_is_full_is_our_error_and_not_the_peers() {
    for security in [Security::Plain, Security::Tls] {
        for together in [false, true] {
            let server = server(security);
            let mut connection = connect(&server, security);
            ask(&mut connection, together);
            let mut file = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let error = failure(save(&mut connection, Length::new(SIZE as u64), &mut file));
            let Error::Io { source, .. } = &error else {
                panic!("{error:?}");
            };
            assert_eq!(source.kind(), io::ErrorKind::StorageFull, "{error}");
            // The rest of the body is still on its way.
            assert_error!(failure(connection.read_line()), Error::Illegal { .. });
        }
    }
}

#[test]
fn a_file_that_cannot_be_written_is_our_error() {
    let server = server(Security::Plain);
    let mut connection = connect(&server, Security::Plain);
    ask(&mut connection, false);
    let mut file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let error = failure(save(&mut connection, Length::new(SIZE as u64), &mut file));
    assert_error!(error, Error::Io { .. });
}

#[test]
fn with_a_transcript_the_bytes_are_recorded_on_their_way() {
    let record = Heard::default();
    let mut connector = connector();
    let writer = SessionWriter::new(record.clone(), "").unwrap();
    connector.transcript = Some(Transcript::new(vec![Box::new(writer)], false));
    let server = server(Security::Plain);
    let there = endpoint("localhost", server.port(), Security::Plain);
    let mut connection = connector.connect(&there).unwrap();
    ask(&mut connection, false);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    let mut file = File::create(&path).unwrap();
    save(&mut connection, UntilClose, &mut file).unwrap();
    assert!(std::fs::read(&path).unwrap() == body());
    let session = Session::parse(&record.text()).unwrap();
    let recorded: Vec<u8> = session
        .steps
        .into_iter()
        .filter_map(|(_, step)| match step {
            Step::Bytes(_, bytes) => Some(bytes),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(recorded == body());
}
