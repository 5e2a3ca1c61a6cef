//! A second connection resumes the TLS session of the first, or is verified as any other.
//!
//! The mock servers' library stops at TLS 1.2 and does not tell what was resumed, so these tests have
//! a server of their own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use openssl::ssl::{ShutdownState, SslAcceptor, SslMethod, SslStream, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use proto_transport::certificate::public_key_digest;
use proto_transport::{Connection, Connector, Error, Security, TlsPolicy, UntilClose};

use crate::assert_error;
use crate::kit::{
    assert_says, connector, connector_with, endpoint, failure, policy, sample, whole, SHORT,
};

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

/// One server process: connections to any of its ports may resume each other's sessions.
fn acceptor(certificate: &str, version: SslVersion) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    builder.set_min_proto_version(Some(version)).unwrap();
    builder.set_max_proto_version(Some(version)).unwrap();
    builder.set_session_id_context(b"test").unwrap();
    let pem = |name: String| sample(&name).into_bytes();
    let certificates = X509::stack_from_pem(&pem(format!("{certificate}.crt"))).unwrap();
    builder.set_certificate(&certificates[0]).unwrap();
    let key = pem(format!("{certificate}.key"));
    let key = openssl::pkey::PKey::private_key_from_pem(&key).unwrap();
    builder.set_private_key(&key).unwrap();
    builder.build()
}

type Served = SslStream<TcpStream>;

/// Serves one connection; what `serve` makes of it is the thread's result.
fn once<T: Send + 'static>(
    acceptor: &SslAcceptor,
    serve: impl FnOnce(&mut Served) -> T + Send + 'static,
) -> (u16, JoinHandle<Option<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = acceptor.clone();
    let thread = thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        let mut stream = acceptor.accept(stream).ok()?;
        Some(serve(&mut stream))
    });
    (port, thread)
}

/// Greets, and stays until the client ends.
fn greet(stream: &mut Served) {
    stream.write_all(b"220 ready\r\n").unwrap();
    let _ = stream.read(&mut [0]);
}

/// Says whether the session was resumed, and the same to its own side.
fn tell(stream: &mut Served) -> bool {
    let resumed = stream.ssl().session_reused();
    // A client that has gone already need not hear it.
    let _ = stream.write_all(format!("{resumed}").as_bytes());
    let _ = stream.shutdown();
    let _ = stream.read(&mut [0]);
    resumed
}

/// A control connection over which the greeting has come.
fn control(connector: &Connector, acceptor: &SslAcceptor) -> (Connection, JoinHandle<Option<()>>) {
    let (port, thread) = once(acceptor, greet);
    let mut control = connector
        .connect(&endpoint("localhost", port, Security::Tls))
        .unwrap();
    assert_eq!(control.read_line().unwrap(), b"220 ready");
    (control, thread)
}

/// A data connection, before TLS.
fn data(connector: &Connector, port: u16) -> Connection {
    connector
        .connect(&endpoint("localhost", port, Security::Plain))
        .unwrap()
}

fn is_resumed(connection: &Connection) -> bool {
    connection.facts().tls.as_ref().unwrap().resumed
}

#[test]
fn each_data_connection_resumes_the_session_of_the_control_connection() {
    for version in VERSIONS {
        let acceptor = acceptor("localhost", version);
        let connector = connector().keeping_sessions();
        let (control, greeter) = control(&connector, &acceptor);
        assert!(!is_resumed(&control));
        for _ in 0..3 {
            let (port, thread) = once(&acceptor, tell);
            let mut data = data(&connector, port);
            data.resume_tls(&control).unwrap();
            assert!(is_resumed(&data) && data.is_encrypted());
            // The certificate is known of a session that is resumed, too.
            let certificate = |of: &Connection| of.facts().tls.clone().unwrap().certificate;
            assert_eq!(certificate(&data), certificate(&control));
            assert_eq!(whole(&mut data, UntilClose).unwrap(), b"true");
            drop(data);
            assert_eq!(thread.join().unwrap(), Some(true));
        }
        drop(control);
        greeter.join().unwrap();
    }
}

#[test]
fn a_session_outlives_transfers_that_were_cut() {
    for version in VERSIONS {
        let acceptor = acceptor("localhost", version);
        let connector = connector().keeping_sessions();
        let (control, greeter) = control(&connector, &acceptor);
        // The server goes away without a word, then the client does, then all is well.
        for cut in [0, 1, 2] {
            let (port, thread) = once(&acceptor, move |stream| match cut {
                0 => stream.ssl().session_reused(),
                _ => tell(stream),
            });
            let mut data = data(&connector, port);
            data.resume_tls(&control).unwrap();
            match cut {
                0 => assert_error!(failure(whole(&mut data, UntilClose)), Error::Closed { .. }),
                1 => String::new(),
                _ => String::from_utf8(whole(&mut data, UntilClose).unwrap()).unwrap(),
            };
            drop(data);
            assert_eq!(thread.join().unwrap(), Some(true), "{cut}");
        }
        drop(control);
        greeter.join().unwrap();
    }
}

#[test]
fn sessions_that_are_not_kept_are_not_resumed() {
    let acceptor = acceptor("localhost", SslVersion::TLS1_3);
    let (control, greeter) = control(&connector(), &acceptor);
    let (port, thread) = once(&acceptor, tell);
    let mut data = data(&connector(), port);
    data.resume_tls(&control).unwrap();
    assert!(!is_resumed(&data));
    drop((control, data));
    assert_eq!(thread.join().unwrap(), Some(false));
    greeter.join().unwrap();
}

/// What becomes of a data connection with a server that knows nothing of the session.
fn stranger(policy: TlsPolicy, version: SslVersion, certificate: &str) -> Result<(), Error> {
    let connector = connector_with(policy).keeping_sessions();
    let (control, greeter) = control(&connector, &acceptor("localhost", version));
    let (port, thread) = once(&acceptor(certificate, version), tell);
    let mut data = data(&connector, port);
    let result = data.resume_tls(&control);
    if result.is_ok() {
        assert!(!is_resumed(&data));
    } else {
        // Nothing can be said on it any more, least of all in plaintext.
        assert!(data
            .write_line("secret")
            .and_then(|()| data.flush())
            .is_err());
    }
    drop((control, data));
    let _ = (thread.join(), greeter.join());
    result
}

#[test]
fn a_server_that_does_not_know_the_session_is_verified_as_any_other() {
    for version in VERSIONS {
        stranger(policy(), version, "localhost").unwrap();
        for (certificate, reason) in [
            ("wrong", "hostname mismatch"),
            ("expired", "certificate has expired"),
            ("selfsigned", "self-signed certificate"),
        ] {
            let error = failure(stranger(policy(), version, certificate));
            let text = assert_error!(
                error,
                Error::Insecure {
                    certificate: true,
                    ..
                }
            );
            assert_says(&text, reason);
        }
        let blind = TlsPolicy {
            insecure: true,
            ..TlsPolicy::default()
        };
        stranger(blind, version, "wrong").unwrap();
    }
}

#[test]
fn the_pins_hold_for_data_connections_too() {
    let certificate = X509::from_pem(sample("localhost.crt").as_bytes()).unwrap();
    let pinned = TlsPolicy {
        insecure: true,
        pins: vec![public_key_digest(&certificate.to_der().unwrap()).unwrap()],
        ..TlsPolicy::default()
    };
    stranger(pinned.clone(), SslVersion::TLS1_3, "localhost").unwrap();
    let error = failure(stranger(pinned, SslVersion::TLS1_3, "selfsigned"));
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: true,
            ..
        }
    );
    assert_says(&text, "not the pinned one");
}

#[test]
fn an_own_certificate_is_shown_where_sessions_are_kept() {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    let plain = acceptor("localhost", SslVersion::TLS1_3);
    let context = plain.context();
    builder
        .set_certificate(context.certificate().unwrap())
        .unwrap();
    builder
        .set_private_key(context.private_key().unwrap())
        .unwrap();
    builder.set_session_id_context(b"test").unwrap();
    let authority = X509::from_pem(sample("authority.crt").as_bytes()).unwrap();
    builder.cert_store_mut().add_cert(authority).unwrap();
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let acceptor = builder.build();
    let own = TlsPolicy {
        identity: Some((sample("client.crt"), sample("client.key"))),
        ..policy()
    };
    let connector = connector_with(own).keeping_sessions();
    let (control, greeter) = control(&connector, &acceptor);
    let (port, thread) = once(&acceptor, tell);
    let mut data = data(&connector, port);
    data.resume_tls(&control).unwrap();
    assert!(is_resumed(&data));
    assert_eq!(whole(&mut data, UntilClose).unwrap(), b"true");
    drop((control, data));
    assert_eq!(thread.join().unwrap(), Some(true));
    greeter.join().unwrap();
}

#[test]
fn a_handshake_that_resumes_fails_as_any_other() {
    let acceptor = acceptor("localhost", SslVersion::TLS1_3);
    let mut connector = connector().keeping_sessions();
    let (control, greeter) = control(&connector, &acceptor);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Nobody answers.
    connector.timeouts.connect = SHORT;
    let error = failure(data(&connector, port).resume_tls(&control));
    assert_error!(error, Error::TimedOut { .. });
    // Somebody answers, but not TLS.
    let thread = thread::spawn(move || {
        drop(listener.accept());
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"drwxr-xr-x\r\n").unwrap();
        let _ = stream.read(&mut [0; 4096]);
        drop(listener.accept());
    });
    connector.timeouts.connect = crate::kit::PATIENCE;
    let error = failure(data(&connector, port).resume_tls(&control));
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_says(&text, "drwxr-xr-x");
    // Somebody hangs up.
    let error = failure(data(&connector, port).resume_tls(&control));
    assert_error!(error, Error::Closed { .. });
    thread.join().unwrap();
    drop(control);
    greeter.join().unwrap();
}

#[test]
fn a_connection_that_the_peer_made_resumes_too() {
    let acceptor = acceptor("localhost", SslVersion::TLS1_3);
    let connector = connector().keeping_sessions();
    let (control, greeter) = control(&connector, &acceptor);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut stream = acceptor.accept(TcpStream::connect(there).unwrap()).unwrap();
        tell(&mut stream)
    });
    let mut data = connector
        .accepted(listener.accept().unwrap().0, &control)
        .unwrap();
    assert_eq!(data.peer(), control.peer());
    data.resume_tls(&control).unwrap();
    assert_eq!(whole(&mut data, UntilClose).unwrap(), b"true");
    drop((control, data));
    assert!(server.join().unwrap());
    greeter.join().unwrap();
}

#[test]
fn an_upload_arrives_whole_and_ends_with_close_notify() {
    const SIZE: usize = 3_000_000;
    for version in VERSIONS {
        let acceptor = acceptor("localhost", version);
        let connector = connector().keeping_sessions();
        let (control, greeter) = control(&connector, &acceptor);
        // The server has something to say that nobody reads but `finish`, and reads slowly.
        let (port, thread) = once(&acceptor, |stream| {
            stream.write_all(b"noise").unwrap();
            let mut heard = 0;
            let mut part = [0; 100_000];
            loop {
                match stream.read(&mut part) {
                    Ok(0) => break,
                    Ok(count) => heard += count,
                    Err(_) => return (heard, false),
                }
                thread::sleep(std::time::Duration::from_millis(1));
            }
            let told = stream.get_shutdown().contains(ShutdownState::RECEIVED);
            (heard, told)
        });
        let mut data = data(&connector, port);
        data.resume_tls(&control).unwrap();
        data.write_block(&vec![b'x'; SIZE]).unwrap();
        data.finish().unwrap();
        assert_eq!(thread.join().unwrap(), Some((SIZE, true)));
        drop(control);
        greeter.join().unwrap();
    }
}

#[test]
fn a_peer_that_does_not_end_is_not_waited_for_longer_than_all_else() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut connector = connector();
    connector.timeouts.deadline = Some(Instant::now() + SHORT);
    let mut data = data(&connector, listener.local_addr().unwrap().port());
    data.write_block(b"all").unwrap();
    let mut there = listener.accept().unwrap().0;
    data.finish().unwrap();
    let mut heard = Vec::new();
    there.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"all");
}
