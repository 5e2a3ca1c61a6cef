//! Under TLS, a server of another protocol may hold a certificate that is valid for the host, and
//! somebody on the way may lead us to it (ALPACA, CVE-2021-3618). What we speak is said in the
//! handshake (RFC 7301), and nothing is said to a server that chooses something else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use openssl::pkey::PKey;
use openssl::ssl::{AlpnError, SslAcceptor, SslMethod};
use openssl::x509::X509;

use crate::harness::{authority, proto, repository};

/// What a server does with the protocols that it is offered.
#[derive(Clone, Copy)]
enum Choice {
    /// It does not know of such things.
    None,
    /// Takes the first.
    First,
    /// Says another, whatever was offered.
    Other(&'static [u8]),
    /// Ends the handshake, as RFC 7301 section 3.2 wants it.
    Refuse,
}

/// What a server saw: what it was offered in the handshake, and what was said then.
struct Seen {
    offered: Vec<u8>,
    heard: String,
}

/// Serves one connection over TLS, with a certificate that is valid, and says `greeting` in it.
fn serve(choice: Choice, greeting: &'static str) -> (u16, JoinHandle<Seen>) {
    let offered = Arc::new(Mutex::new(Vec::new()));
    let acceptor = acceptor(choice, Arc::clone(&offered));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        let mut heard = Vec::new();
        if let Ok(mut stream) = acceptor.accept(stream) {
            let _ = stream.write_all(greeting.as_bytes());
            let mut line = [0; 1000];
            // The first thing that is said is enough; the client is on its own then.
            let length = stream.read(&mut line).unwrap_or(0);
            heard.extend_from_slice(&line[..length]);
        }
        Seen {
            offered: offered.lock().unwrap().clone(),
            heard: String::from_utf8(heard).unwrap(),
        }
    });
    (port, thread)
}

fn acceptor(choice: Choice, seen: Arc<Mutex<Vec<u8>>>) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    let sample =
        |name| std::fs::read(repository().join("samples/certificates").join(name)).unwrap();
    let certificate = X509::from_pem(&sample("localhost.crt")).unwrap();
    builder.set_certificate(&certificate).unwrap();
    let key = PKey::private_key_from_pem(&sample("localhost.key")).unwrap();
    builder.set_private_key(&key).unwrap();
    builder.set_alpn_select_callback(move |_, offered| {
        *seen.lock().unwrap() = offered.to_vec();
        match choice {
            Choice::None => Err(AlpnError::NOACK),
            Choice::First => Ok(&offered[1..=usize::from(offered[0])]),
            Choice::Other(name) => Ok(name),
            Choice::Refuse => Err(AlpnError::ALERT_FATAL),
        }
    });
    builder.build()
}

/// What is run against a server of its protocol: the scheme, the command, the name that RFC 7301's
/// registry has for it, and a greeting.
const SERVICES: [(&str, &str, &str, &str); 4] = [
    (
        "imaps",
        "imap-list",
        "imap",
        "* OK [CAPABILITY IMAP4rev1] hi\r\n",
    ),
    ("pop3s", "pop3-list", "pop3", "+OK hi\r\n"),
    ("nntps", "nntp-groups", "nntp", "200 hi\r\n"),
    ("ftps", "ftp-list", "ftp", "220 hi\r\n"),
];

fn run(
    choice: Choice,
    (scheme, command, _, greeting): (&str, &str, &str, &'static str),
) -> (crate::harness::Run, Seen) {
    let (port, thread) = serve(choice, greeting);
    let url = format!("{scheme}://fred:pencil@localhost:{port}/");
    let run = proto(&[command, &url, "--ca", &authority(), "--deadline", "20s"]);
    (run, thread.join().unwrap())
}

#[test]
fn a_server_that_chooses_another_protocol_hears_nothing() {
    for service in SERVICES {
        for other in [&b"http/1.1"[..], b"smtp", b"\x1b[2J"] {
            let (run, seen) = run(Choice::Other(other), service);
            assert_eq!(run.code, 76, "{service:?}: {}", run.stderr);
            assert_eq!(seen.heard, "", "{service:?}");
            assert!(!run.stderr.contains('\x1b'), "{}", run.stderr);
        }
        let (run, seen) = run(Choice::Refuse, service);
        assert_eq!(run.code, 76, "{service:?}: {}", run.stderr);
        assert_eq!(seen.heard, "", "{service:?}");
    }
}

#[test]
fn each_protocol_says_its_name_and_no_other() {
    for service in SERVICES {
        let (_, _, name, _) = service;
        for choice in [Choice::First, Choice::None] {
            let (run, seen) = run(choice, service);
            let length = u8::try_from(name.len()).unwrap();
            assert_eq!(
                seen.offered,
                [&[length], name.as_bytes()].concat(),
                "{service:?}"
            );
            // It is talked to, though it breaks off then.
            assert_ne!(seen.heard, "", "{service:?}: {}", run.stderr);
        }
    }
}
