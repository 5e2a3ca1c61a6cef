//! The way through proxies over real sockets, with TLS inside.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto_mock::{Peer, Server, Trap};
use proto_transport::{
    Connector, Error, Family, NoProxy, Proxies, Proxy, Refusal, Security, TlsPolicy, UntilClose,
};

use crate::assert_error;
use crate::kit::{
    assert_says, connector, connector_with, echo, endpoint, failure, policy, serve, start, talk,
    whole, Heard, SHORT,
};

/// `fred:open sesame` in base64 (RFC 7617 section 2), and as a URL holds it.
const BASIC: &str = "ZnJlZDpvcGVuIHNlc2FtZQ==";
const FRED: &str = "fred:open%20sesame@";

/// Carries bytes between a client and the origin in turns, until the origin hangs up.
fn relay(peer: &mut Peer, origin: SocketAddr) -> io::Result<()> {
    const TURN: Duration = Duration::from_millis(5);
    let mut far = TcpStream::connect(origin)?;
    far.set_read_timeout(Some(TURN))?;
    let mut buffer = [0; 16_384];
    loop {
        peer.set_deadline(Some(Instant::now() + TURN));
        match peer.read_some(&mut buffer) {
            Ok(0) => far.shutdown(Shutdown::Write)?,
            Ok(count) => far.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error),
        }
        peer.set_deadline(None);
        match far.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                peer.write_all(&buffer[..count])?;
                peer.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// An HTTP proxy that goes to `origin` whatever it is asked for.
fn http_proxy(security: Security, origin: SocketAddr, asked: &Heard) -> Server {
    let asked = asked.clone();
    serve(security, move |peer: &mut Peer, _| {
        while let Some(line) = peer.read_line()? {
            asked.push(&[&line[..], b"\n"].concat());
            if line.is_empty() {
                break;
            }
        }
        peer.write_all(b"HTTP/1.1 200 Connected\r\nVia: 1.1 mock\r\n\r\n")?;
        peer.flush()?;
        relay(peer, origin)
    })
}

/// A proxy that answers the first thing it hears with these bytes, and goes nowhere.
fn answering(answer: &'static [u8]) -> Server {
    serve(Security::Plain, move |peer: &mut Peer, _| {
        peer.read_some(&mut [0; 4096])?;
        peer.write_all(answer)?;
        peer.flush()?;
        peer.read_some(&mut [0; 1]).map(|_| ())
    })
}

/// A SOCKS5 proxy (RFC 1928) that goes to `origin` whatever it is asked for.
fn socks_proxy(origin: SocketAddr, asked: &Heard) -> Server {
    let asked = asked.clone();
    serve(Security::Plain, move |peer: &mut Peer, _| {
        let greeting = peer.read_exactly(2)?;
        let methods = peer.read_exactly(greeting[1].into())?;
        if methods.contains(&2) {
            peer.write_all(&[5, 2])?;
            let user = peer.read_exactly(2)?;
            asked.push(&peer.read_exactly(user[1].into())?);
            let password = peer.read_exactly(1)?;
            asked.push(b":");
            asked.push(&peer.read_exactly(password[0].into())?);
            asked.push(b" ");
            peer.write_all(&[1, 0])?;
        } else {
            peer.write_all(&[5, 0])?;
        }
        let head = peer.read_exactly(4)?;
        asked.push(format!("kind {} ", head[3]).as_bytes());
        match head[3] {
            1 => asked.push(format!("{:?}", peer.read_exactly(4)?).as_bytes()),
            4 => asked.push(format!("{:?}", peer.read_exactly(16)?).as_bytes()),
            _ => {
                let length = peer.read_exactly(1)?;
                asked.push(&peer.read_exactly(length[0].into())?);
            }
        }
        asked.push(format!(" {:?}", peer.read_exactly(2)?).as_bytes());
        // The bound address has the form that is least usual: a name.
        peer.write_all(&[&[5, 0, 0, 3, 4][..], b"mock", &[0, 0]].concat())?;
        peer.flush()?;
        relay(peer, origin)
    })
}

fn through(url: &str) -> Connector {
    with_proxy(connector(), url)
}

fn with_proxy(mut connector: Connector, url: &str) -> Connector {
    connector.proxies.all = Some(Proxy::parse(url).unwrap());
    connector
}

/// An origin that is `other.example` and keeps what it hears.
fn origin(heard: &Heard) -> Server {
    let heard = heard.clone();
    start(
        Security::Tls,
        "wrong",
        &[],
        Arc::new(move |peer: &mut Peer, _: usize| {
            peer.write_line("+OK ready")?;
            while let Some(line) = peer.read_line()? {
                heard.push(&[&line[..], b"\n"].concat());
                match line.as_slice() {
                    b"QUIT" => return peer.write_line("+OK bye"),
                    line => peer.write_line(line)?,
                }
            }
            Ok(())
        }),
    )
}

#[test]
fn through_connect_the_target_proves_its_name_and_never_sees_the_proxys_credentials() {
    for (scheme, security) in [("http", Security::Plain), ("https", Security::Tls)] {
        let (asked, heard) = (Heard::default(), Heard::default());
        let origin = origin(&heard);
        let proxy = http_proxy(security, origin.address(), &asked);
        let connector = through(&format!("{scheme}://{FRED}localhost:{}", proxy.port()));
        let there = endpoint("other.example", 993, Security::Tls);
        let mut connection = connector.connect(&there).unwrap();
        let facts = connection.facts().clone();
        assert_eq!(facts.peer, "other.example:993");
        let told = format!("{scheme}://localhost:{}", proxy.port());
        assert_eq!(facts.proxy, Some(told));
        assert_eq!(facts.address, Some(proxy.address().to_string()));
        let certificate = facts.tls.unwrap().certificate().unwrap();
        assert_eq!(certificate.names, ["other.example"]);
        talk(&mut connection).unwrap();
        assert_eq!(
            asked.text(),
            format!(
                "CONNECT other.example:993 HTTP/1.1\nHost: other.example:993\n\
                 Proxy-Authorization: Basic {BASIC}\n\n"
            )
        );
        assert_eq!(heard.text(), "hello\nQUIT\n");
    }
}

#[test]
fn through_connect_a_certificate_of_the_proxys_name_is_not_the_targets() {
    let asked = Heard::default();
    let origin = start(Security::Tls, "localhost", &[], Arc::new(echo));
    for (scheme, security) in [("http", Security::Plain), ("https", Security::Tls)] {
        let proxy = http_proxy(security, origin.address(), &asked);
        let connector = through(&format!("{scheme}://localhost:{}", proxy.port()));
        let there = endpoint("other.example", 993, Security::Tls);
        let text = assert_error!(
            failure(connector.connect(&there)),
            Error::Insecure {
                certificate: true,
                ..
            }
        );
        assert_says(&text, "hostname mismatch");
    }
}

#[test]
fn a_tls_proxy_that_does_not_prove_its_name_learns_nothing() {
    let heard = Heard::default();
    let log = heard.clone();
    let hear = Arc::new(move |peer: &mut Peer, _: usize| log.all_of(peer));
    let proxy = start(Security::Tls, "wrong", &[], hear);
    let connector = through(&format!("https://{FRED}localhost:{}", proxy.port()));
    let error = failure(connector.connect(&endpoint("other.example", 993, Security::Tls)));
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: true,
            ..
        }
    );
    assert_says(&text, &format!("localhost:{}", proxy.port()));
    proxy.stop();
    assert_eq!(heard.text(), "");
}

#[test]
fn an_end_inside_a_tls_proxy_without_the_targets_close_notify_is_a_loss() {
    for (faults, whole_text) in [(&[][..], true), (&["no-close-notify"], false)] {
        let say = Arc::new(|peer: &mut Peer, _: usize| peer.write_all(b"half of it"));
        let origin = start(Security::Tls, "wrong", faults, say);
        // The proxy itself says goodbye as it should.
        let proxy = http_proxy(Security::Tls, origin.address(), &Heard::default());
        let connector = through(&format!("https://localhost:{}", proxy.port()));
        let there = endpoint("other.example", 993, Security::Tls);
        let mut connection = connector.connect(&there).unwrap();
        let result = whole(&mut connection, UntilClose);
        if whole_text {
            assert_eq!(result.unwrap(), b"half of it");
        } else {
            let text = assert_error!(failure(result), Error::Closed { .. });
            assert_says(&text, "close_notify");
        }
    }
}

#[test]
fn start_tls_works_through_a_proxy_with_the_targets_name() {
    let origin = start(Security::StartTls, "wrong", &[], Arc::new(echo));
    let proxy = http_proxy(Security::Plain, origin.address(), &Heard::default());
    let connector = through(&format!("http://localhost:{}", proxy.port()));
    let there = endpoint("other.example", 143, Security::StartTls);
    let mut connection = connector.connect(&there).unwrap();
    connection.read_line().unwrap();
    connection.write_line("STLS").unwrap();
    connection.read_line().unwrap();
    connection.start_tls().unwrap();
    connection.write_line("hello").unwrap();
    assert_eq!(connection.read_line().unwrap(), b"hello");
    assert!(connection.is_encrypted());
}

#[test]
fn socks_gets_an_address_or_a_name_as_its_scheme_says() {
    for (scheme, family, host, expected) in [
        ("socks5", Family::V4, "localhost", "kind 1 [127, 0, 0, 1]"),
        (
            "socks5",
            Family::Any,
            "::1",
            "kind 4 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]",
        ),
        ("socks5h", Family::V4, "localhost", "kind 3 localhost"),
        ("socks5h", Family::V4, "127.0.0.1", "kind 1 [127, 0, 0, 1]"),
    ] {
        let asked = Heard::default();
        let origin = start(Security::Tls, "localhost", &[], Arc::new(echo));
        let proxy = socks_proxy(origin.address(), &asked);
        let mut connector = through(&format!("{scheme}://127.0.0.1:{}", proxy.port()));
        connector.family = family;
        // Port 993 is 3 * 256 + 225.
        let there = endpoint(host, 993, Security::Tls);
        let mut connection = connector.connect(&there).unwrap();
        talk(&mut connection).unwrap();
        assert_eq!(asked.text(), format!("{expected} [3, 225]"));
    }
}

#[test]
fn socks_with_names_asks_no_resolver_here() {
    let (asked, heard) = (Heard::default(), Heard::default());
    let origin = origin(&heard);
    let proxy = socks_proxy(origin.address(), &asked);
    let address = format!("127.0.0.1:{}", proxy.port());
    let there = endpoint("other.example", 993, Security::Tls);
    let connector = through(&format!("socks5h://{FRED}{address}"));
    talk(&mut connector.connect(&there).unwrap()).unwrap();
    let expected = "fred:open sesame kind 3 other.example [3, 225]";
    assert_eq!(asked.text(), expected);
    assert_eq!(heard.text(), "hello\nQUIT\n");
    // With local resolution, a name that has no address does not get as far as the proxy.
    let before = proxy.connections();
    let nowhere = endpoint("host.invalid", 993, Security::Tls);
    let error = failure(through(&format!("socks5://{address}")).connect(&nowhere));
    assert_error!(error, Error::Unreachable { .. });
    assert_eq!(proxy.connections(), before);
}

#[test]
fn bytes_behind_the_proxys_yes_are_refused() {
    for (scheme, answer) in [
        ("http", &b"HTTP/1.1 200 OK\r\n\r\n+OK fake\r\n"[..]),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
        ("http", b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"),
    ] {
        let proxy = answering(answer);
        for security in [Security::Plain, Security::StartTls, Security::Tls] {
            let connector = through(&format!("{scheme}://127.0.0.1:{}", proxy.port()));
            let error = failure(connector.connect(&endpoint("other.example", 993, security)));
            let text = assert_error!(error, Error::Malformed { .. });
            assert_says(&text, "behind its yes");
        }
    }
    let proxy = serve(Security::Plain, |peer: &mut Peer, _| {
        peer.read_exactly(3)?;
        peer.write_all(&[5, 0])?;
        peer.read_exactly(10)?;
        peer.write_all(&[&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"+OK fake\r\n"].concat())?;
        peer.flush()?;
        peer.read_some(&mut [0; 1]).map(|_| ())
    });
    let connector = through(&format!("socks5://127.0.0.1:{}", proxy.port()));
    let error = failure(connector.connect(&endpoint("127.0.0.1", 993, Security::Plain)));
    assert_says(&assert_error!(error, Error::Malformed { .. }), "+OK fake");
}

#[test]
fn a_no_of_the_proxy_is_the_end_and_nobody_else_is_asked() {
    let trap = Trap::set().unwrap();
    for (scheme, answer, wanted) in [
        (
            "http",
            &b"HTTP/1.1 407 Who are you?\r\nContent-Length: 2\r\n\r\nno"[..],
            Refusal::Credentials,
        ),
        (
            "http",
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            Refusal::Transient,
        ),
        ("http", b"HTTP/1.1 403 \x1b[2JNo\r\n\r\n", Refusal::Lasting),
        ("socks5h", b"\x05\xff", Refusal::Credentials),
    ] {
        let proxy = answering(answer);
        let connector = through(&format!("{scheme}://127.0.0.1:{}", proxy.port()));
        let there = endpoint("127.0.0.1", trap.port(), Security::Plain);
        let text = assert_error!(
            failure(connector.connect(&there)),
            Error::Refused { ref refusal, .. } if *refusal == wanted
        );
        assert!(!text.contains('\x1b'));
        assert_eq!(proxy.connections(), 1, "asked once");
    }
    assert!(!trap.was_touched());
}

#[test]
fn a_proxy_that_says_nothing_or_too_slowly_ends_with_the_time_for_connecting() {
    let silent = start(Security::Plain, "localhost", &["silence"], Arc::new(echo));
    let slow = serve(Security::Plain, |peer: &mut Peer, _| {
        peer.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            peer.write_all(b"X: y\r\n")?;
            peer.wait(Duration::from_millis(50))?;
        }
    });
    for (scheme, proxy) in [("http", &silent), ("socks5h", &silent), ("http", &slow)] {
        let mut connector = through(&format!("{scheme}://127.0.0.1:{}", proxy.port()));
        connector.timeouts.connect = SHORT;
        let error = failure(connector.connect(&endpoint("other.example", 993, Security::Tls)));
        let text = assert_error!(error, Error::TimedOut { .. });
        assert_says(&text, "the proxy");
    }
}

#[test]
fn a_host_that_is_an_exception_is_reached_directly() {
    let trap = Trap::set().unwrap();
    let proxy = Proxy::parse(&format!("http://127.0.0.1:{}", trap.port())).unwrap();
    let server = serve(Security::Plain, echo);
    let mut connector = connector();
    connector.proxies = Proxies {
        all: Some(proxy),
        except: NoProxy::parse("localhost,127.0.0.0/8"),
        ..Proxies::default()
    };
    for host in ["localhost", "127.0.0.1", "sub.localhost"] {
        let there = endpoint(host, server.port(), Security::Plain);
        let mut connection = connector.connect(&there).unwrap();
        assert_eq!(connection.facts().proxy, None);
        talk(&mut connection).unwrap();
    }
    assert!(!trap.was_touched());
    // All others are not.
    connector.timeouts.connect = SHORT;
    connector.timeouts.silence = SHORT;
    failure(connector.connect(&endpoint("other.example", 25, Security::Plain)));
    assert!(trap.was_touched());
}

#[test]
fn a_scheme_with_a_proxy_of_its_own_does_not_ask_the_other() {
    let trap = Trap::set().unwrap();
    let asked = Heard::default();
    let origin = serve(Security::Plain, echo);
    let proxy = http_proxy(Security::Plain, origin.address(), &asked);
    let mut connector = through(&format!("http://127.0.0.1:{}", trap.port()));
    let own = Proxy::parse(&format!("http://127.0.0.1:{}", proxy.port()));
    connector.proxies.http = Some(own.unwrap());
    let mut there = endpoint("other.example", 80, Security::Plain);
    there.scheme = "http".to_owned();
    talk(&mut connector.connect(&there).unwrap()).unwrap();
    assert!(asked.text().starts_with("CONNECT other.example:80 "));
    assert!(!trap.was_touched());
}

#[test]
fn a_proxys_password_is_in_no_error() {
    let proxy = answering(b"HTTP/1.1 407 No\r\n\r\n");
    let url = format!("http://fred:canary@127.0.0.1:{}", proxy.port());
    let error = failure(through(&url).connect(&endpoint("other.example", 1, Security::Tls)));
    assert!(!format!("{error:?} {error}").contains("canary"));
    assert!(!format!("{:?}", Proxy::parse(&url)).contains("canary"));
}

#[test]
fn a_tls_proxy_does_without_the_targets_pins() {
    let heard = Heard::default();
    let origin = origin(&heard);
    let proxy = http_proxy(Security::Tls, origin.address(), &Heard::default());
    let there = endpoint("other.example", 993, Security::Tls);
    let pinned = |pin| {
        let policy = TlsPolicy {
            pins: vec![pin],
            ..policy()
        };
        let url = format!("https://localhost:{}", proxy.port());
        with_proxy(connector_with(policy), &url).connect(&there)
    };
    let right = crate::tls::pin_of("wrong");
    talk(&mut pinned(right).unwrap()).unwrap();
    // The proxy's own key is not the pinned one, and a wrong pin is still wrong for the target.
    let error = failure(pinned(crate::tls::pin_of("localhost")));
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: true,
            ..
        }
    );
    assert_says(&text, "other.example:993");
}
