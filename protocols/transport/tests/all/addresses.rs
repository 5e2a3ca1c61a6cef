//! Names, addresses, families and Unix sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proto_mock::{Options, Peer, Server};
use proto_transport::{Error, Family, Security, Unreachable};
use socket2::{Domain, Socket, Type};

use crate::assert_error;
use crate::kit::{
    assert_says, connector, echo, endpoint, failure, has_ipv6, serve, start, talk, Heard, PATIENCE,
    SHORT,
};

const BOTH: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

fn listen(bind: SocketAddr) -> std::io::Result<Server> {
    let options = Options {
        bind,
        ..Options::default()
    };
    Server::start(options, Arc::new(echo))
}

/// One server on each loopback address, on the same port.
fn on_both() -> (Server, Server) {
    for _ in 0..100 {
        let four = listen((BOTH[0], 0).into()).unwrap();
        if let Ok(six) = listen((BOTH[1], four.port()).into()) {
            return (four, six);
        }
    }
    panic!("no port is free on both loopback addresses");
}

/// Holds a port on ::1 where nobody answers, because the queue is full, with a live server on
/// 127.0.0.1 of the same port.
fn on_one_of_two() -> (Server, Socket, Vec<TcpStream>) {
    for _ in 0..100 {
        let live = listen((BOTH[0], 0).into()).unwrap();
        let address = SocketAddr::from((BOTH[1], live.port()));
        let tarpit = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        tarpit.set_only_v6(true).unwrap();
        if tarpit.bind(&address.into()).is_err() {
            continue;
        }
        tarpit.listen(0).unwrap();
        let queue = (0..4)
            .filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok())
            .collect();
        return (live, tarpit, queue);
    }
    panic!("no port is free on both loopback addresses");
}

#[test]
fn of_two_addresses_the_one_that_answers_is_taken() {
    // Refused at once.
    let server = serve(Security::Plain, echo);
    let there = endpoint("localhost", server.port(), Security::Plain);
    let mut connection = connector().connect(&there).unwrap();
    assert_eq!(
        connection.facts().address,
        Some(server.address().to_string())
    );
    talk(&mut connection).unwrap();
    // Never answered.
    if !has_ipv6() {
        return;
    }
    let (live, _tarpit, _queue) = on_one_of_two();
    let there = endpoint("localhost", live.port(), Security::Plain);
    let mut connection = connector().connect(&there).unwrap();
    assert_eq!(connection.facts().address, Some(live.address().to_string()));
    talk(&mut connection).unwrap();
}

#[test]
fn an_address_that_never_answers_is_a_time_out() {
    if !has_ipv6() {
        return;
    }
    let (live, _tarpit, _queue) = on_one_of_two();
    let mut connector = connector();
    connector.timeouts.connect = SHORT;
    let there = endpoint("::1", live.port(), Security::Plain);
    let text = assert_error!(failure(connector.connect(&there)), Error::TimedOut { .. });
    assert_says(&text, "connecting");
    assert_eq!(live.connections(), 0);
}

#[test]
fn the_family_that_was_asked_for_is_the_only_one_used() {
    if !has_ipv6() {
        return;
    }
    let (four, six) = on_both();
    for (family, wanted, other) in [(Family::V4, &four, &six), (Family::V6, &six, &four)] {
        let before = other.connections();
        let mut connector = connector();
        connector.family = family;
        let there = endpoint("localhost", wanted.port(), Security::Plain);
        let mut connection = connector.connect(&there).unwrap();
        assert_eq!(
            connection.facts().address,
            Some(wanted.address().to_string())
        );
        talk(&mut connection).unwrap();
        assert_eq!(other.connections(), before);
        // An address of the other family is none at all.
        let there = endpoint(
            &other.address().ip().to_string(),
            other.port(),
            Security::Plain,
        );
        let error = failure(connector.connect(&there));
        assert_error!(
            error,
            Error::Unreachable {
                because: Unreachable::NoSuchHost,
                ..
            }
        );
    }
}

#[test]
fn a_port_where_nobody_listens_is_told_with_every_address_that_was_tried() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = failure(connector().connect(&endpoint("localhost", port, Security::Tls)));
    let text = assert_error!(
        error,
        Error::Unreachable {
            because: Unreachable::NobodyAnswers,
            ..
        }
    );
    assert_says(&text, &format!("[::1]:{port}"));
    assert_says(&text, &format!("127.0.0.1:{port}"));
    assert_says(&text, "refused");
}

#[test]
fn a_name_that_cannot_exist_is_no_such_host() {
    let error = failure(connector().connect(&endpoint("host.invalid", 25, Security::Plain)));
    let text = assert_error!(
        error,
        Error::Unreachable {
            because: Unreachable::NoSuchHost,
            ..
        }
    );
    assert_says(&text, "host.invalid");
}

#[test]
fn connecting_elsewhere_keeps_the_name_that_tls_verifies() {
    let mut connector = connector();
    let server = start(Security::Tls, "wrong", &[], Arc::new(echo));
    connector.connect_to = Some(("127.0.0.1".to_owned(), server.port()));
    let mut connection = connector
        .connect(&endpoint("other.example", 993, Security::Tls))
        .unwrap();
    assert_eq!(connection.facts().host, "other.example");
    assert_eq!(connection.peer(), "other.example:993");
    assert_eq!(
        connection.facts().address,
        Some(server.address().to_string())
    );
    talk(&mut connection).unwrap();
    // The name of the place that is dialled counts for nothing.
    let server = start(Security::Tls, "localhost", &[], Arc::new(echo));
    connector.connect_to = Some(("localhost".to_owned(), server.port()));
    let error = failure(connector.connect(&endpoint("other.example", 993, Security::Tls)));
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: true,
            ..
        }
    );
    assert_says(&text, "hostname mismatch");
}

#[test]
fn the_local_address_is_the_one_that_was_chosen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut connector = connector();
    connector.bind = Some("127.0.0.5".parse().unwrap());
    // Of the two addresses of the name, ::1 cannot be reached from there.
    connector
        .connect(&endpoint("localhost", port, Security::Plain))
        .unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), connector.bind.unwrap());
    // An address that is not ours (RFC 5737).
    connector.bind = Some("192.0.2.1".parse().unwrap());
    let error = failure(connector.connect(&endpoint("127.0.0.1", port, Security::Plain)));
    assert_error!(
        error,
        Error::Unreachable {
            because: Unreachable::NobodyAnswers,
            ..
        }
    );
}

#[test]
fn a_conversation_over_a_unix_socket_is_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let heard = Heard::default();
    let server = {
        let heard = heard.clone();
        thread::spawn(move || -> std::io::Result<()> {
            let (mut far, _) = listener.accept()?;
            far.write_all(b"+OK ready\r\n")?;
            for line in BufReader::new(far.try_clone()?).lines() {
                let line = line?;
                heard.push(line.as_bytes());
                match line.as_str() {
                    "QUIT" => return far.write_all(b"+OK bye\r\n"),
                    line => far.write_all(format!("{line}\r\n").as_bytes())?,
                }
            }
            Ok(())
        })
    };
    let mut connector = connector();
    connector.unix_socket = Some(path.clone());
    // Neither the name nor a proxy matters.
    connector.proxies.all = Some(proto_transport::Proxy::parse("http://host.invalid").unwrap());
    let there = endpoint("host.invalid", 1, Security::Plain);
    let mut connection = connector.connect(&there).unwrap();
    assert_eq!(connection.facts().address, Some(path.display().to_string()));
    talk(&mut connection).unwrap();
    assert_error!(failure(connection.read_line()), Error::Closed { .. });
    server.join().unwrap().unwrap();
    assert_eq!(heard.text(), "helloQUIT");
}

#[test]
fn a_unix_socket_has_deadlines_and_tls_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut connector = connector();
    connector.unix_socket = Some(path);
    connector.timeouts.connect = SHORT;
    connector.timeouts.silence = SHORT;
    let error = failure(connector.connect(&endpoint("localhost", 1, Security::Tls)));
    assert_error!(error, Error::TimedOut { .. });
    let mut connection = connector
        .connect(&endpoint("localhost", 1, Security::Plain))
        .unwrap();
    assert_error!(failure(connection.read_line()), Error::TimedOut { .. });
    drop(listener);
}

#[test]
fn a_unix_socket_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no-such-socket");
    let mut connector = connector();
    connector.unix_socket = Some(path);
    let error = failure(connector.connect(&endpoint("localhost", 1, Security::Plain)));
    let text = assert_error!(
        error,
        Error::Unreachable {
            because: Unreachable::NobodyAnswers,
            ..
        }
    );
    assert_says(&text, "no-such-socket");
}

#[test]
fn a_peer_that_hangs_up_is_not_worth_another_request() {
    let server = serve(Security::Plain, |peer: &mut Peer, connection| {
        peer.write_line("+OK ready")?;
        match connection {
            1 => peer.wait(PATIENCE),
            _ => Ok(()),
        }
    });
    let there = endpoint("localhost", server.port(), Security::Plain);
    let mut idle = connector().connect(&there).unwrap();
    idle.read_line().unwrap();
    assert!(idle.is_reusable());
    let mut over = connector().connect(&there).unwrap();
    over.read_line().unwrap();
    assert_error!(failure(over.read_line()), Error::Closed { .. });
    assert!(!over.is_reusable());
}
