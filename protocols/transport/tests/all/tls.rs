//! Whose certificate is accepted, whose is not, and what a handshake tells.

use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use proto_mock::{Options, Server};
use proto_transport::{certificate, Connector, Error, Result, Security, TlsPolicy, TlsVersion};
use sha2::{Digest, Sha256};

use crate::assert_error;
use crate::kit::{
    assert_says, connector, connector_with, echo, endpoint, failure, has_ipv6, policy, sample,
    serve, start, talk,
};

/// Whom the tests connect to, by the name of the server's certificate.
fn connect(connector: &Connector, certificate: &str, host: &str) -> Result<()> {
    let server = start(Security::Tls, certificate, &[], Arc::new(echo));
    talk(&mut connector.connect(&endpoint(host, server.port(), Security::Tls))?)
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted_for_each_of_its_names() {
    for host in ["localhost", "127.0.0.1", "LOCALHOST"] {
        connect(&connector(), "localhost", host).unwrap();
    }
    if !has_ipv6() {
        return;
    }
    let options = Options {
        bind: (Ipv6Addr::LOCALHOST, 0).into(),
        security: Security::Tls,
        ..Options::default()
    };
    let server = Server::start(options, Arc::new(echo)).unwrap();
    let there = endpoint("::1", server.port(), Security::Tls);
    talk(&mut connector().connect(&there).unwrap()).unwrap();
}

#[test]
fn a_name_that_ends_in_a_dot_is_the_same_name() {
    connect(&connector(), "localhost", "localhost.").unwrap();
}

#[test]
fn a_certificate_that_proves_nothing_is_refused_with_the_reason_before_anything_is_said() {
    let nobody = TlsPolicy::default();
    for (policy, certificate, host, reason) in [
        (
            &nobody,
            "localhost",
            "localhost",
            "unable to get local issuer certificate",
        ),
        (&policy(), "wrong", "localhost", "hostname mismatch"),
        (&policy(), "wrong", "127.0.0.1", "IP address mismatch"),
        (&policy(), "localhost", "127.0.0.2", "IP address mismatch"),
        (&policy(), "expired", "localhost", "certificate has expired"),
        (
            &policy(),
            "selfsigned",
            "localhost",
            "self-signed certificate",
        ),
    ] {
        let mut connector = connector_with(policy.clone());
        connector.connect_to = Some(("127.0.0.1".to_owned(), 0));
        let served = Arc::new(AtomicUsize::new(0));
        let service = {
            let served = Arc::clone(&served);
            move |peer: &mut proto_mock::Peer, connection: usize| {
                served.fetch_add(1, Ordering::SeqCst);
                echo(peer, connection)
            }
        };
        let server = start(Security::Tls, certificate, &[], Arc::new(service));
        connector.connect_to = Some(("127.0.0.1".to_owned(), server.port()));
        let error = failure(connector.connect(&endpoint(host, 443, Security::Tls)));
        let text = assert_error!(
            error,
            Error::Insecure {
                certificate: true,
                ..
            }
        );
        assert_says(&text, reason);
        assert_says(&text, &format!("{host}:443"));
        server.stop();
        assert_eq!(served.load(Ordering::SeqCst), 0, "{reason}");
    }
}

/// A policy that finds the test authority only in a file that it reads last.
fn policy_with_a_bundle(text: &str) -> (TlsPolicy, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let policy = TlsPolicy {
        more_roots: Some(file.path().to_owned()),
        ..TlsPolicy::default()
    };
    (policy, file)
}

#[test]
fn an_authority_from_the_large_bundle_is_found_and_then_known() {
    let (policy, _bundle) = policy_with_a_bundle(&sample("authority.crt"));
    let connector = connector_with(policy.clone());
    let server = serve(Security::Tls, echo);
    let there = endpoint("localhost", server.port(), Security::Tls);
    // Once in vain, and again.
    talk(&mut connector.connect(&there).unwrap()).unwrap();
    assert_eq!(server.connections(), 2);
    talk(&mut connector.connect(&there).unwrap()).unwrap();
    assert_eq!(server.connections(), 3);
    // An upgrade needs another connection too, and then no more.
    let server = serve(Security::StartTls, echo);
    let there = endpoint("localhost", server.port(), Security::StartTls);
    let connector = connector_with(policy);
    let upgrade = || {
        let mut connection = connector.connect(&there)?;
        connection.read_line()?;
        connection.write_line("STLS")?;
        connection.read_line()?;
        connection.start_tls()
    };
    assert!(upgrade().is_err());
    connector.once_more(upgrade).unwrap();
    assert_eq!(server.connections(), 3);
    connector.once_more(upgrade).unwrap();
    assert_eq!(server.connections(), 4);
    assert!(connector
        .once_more(|| -> Result<()> { Err(Error::illegal("no")) })
        .is_err());
}

#[test]
fn the_large_bundle_helps_nobody_whom_it_does_not_vouch_for() {
    let (policy, bundle) = policy_with_a_bundle(&sample("authority.crt"));
    for (certificate, host) in [
        ("wrong", "localhost"),
        ("expired", "localhost"),
        ("selfsigned", "localhost"),
    ] {
        let error = failure(connect(&connector_with(policy.clone()), certificate, host));
        assert_error!(
            error,
            Error::Insecure {
                certificate: true,
                ..
            }
        );
    }
    std::fs::write(bundle.path(), "no certificate").unwrap();
    let error = failure(connect(&connector_with(policy), "localhost", "localhost"));
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_says(&text, &bundle.path().display().to_string());
}

#[test]
fn insecure_accepts_any_certificate() {
    let connector = connector_with(TlsPolicy {
        insecure: true,
        ..TlsPolicy::default()
    });
    for certificate in ["localhost", "wrong", "expired", "selfsigned"] {
        connect(&connector, certificate, "localhost").unwrap();
    }
}

/// The digest of a P-256 key inside a certificate, found by the fixed bytes that such a key starts
/// with (RFC 5480 section 2) and not by a parser of certificates.
pub fn pin_of(name: &str) -> [u8; 32] {
    const START: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    let start = certificate::from_hexadecimal(START).unwrap();
    let der = der(name);
    let at = der.windows(start.len()).position(|w| w == start).unwrap();
    Sha256::digest(&der[at..at + 91]).into()
}

fn der(name: &str) -> Vec<u8> {
    certificate::from_pem(sample(&format!("{name}.crt")).as_bytes())
        .unwrap()
        .remove(0)
}

#[test]
fn a_pin_holds_beside_the_authorities_and_also_without_them() {
    let pinned = |insecure: bool, pins: &[&str]| {
        connector_with(TlsPolicy {
            insecure,
            pins: pins.iter().map(|name| pin_of(name)).collect(),
            ..policy()
        })
    };
    for insecure in [false, true] {
        connect(&pinned(insecure, &["localhost"]), "localhost", "localhost").unwrap();
        let either = pinned(insecure, &["wrong", "localhost"]);
        connect(&either, "localhost", "localhost").unwrap();
        let error = failure(connect(
            &pinned(insecure, &["wrong"]),
            "localhost",
            "localhost",
        ));
        let text = assert_error!(
            error,
            Error::Insecure {
                certificate: true,
                ..
            }
        );
        // What to pin instead can be copied from the error.
        assert_says(&text, &certificate::hexadecimal(&pin_of("localhost")));
    }
    // A pin does not make up for a certificate that nobody vouches for.
    let error = failure(connect(
        &pinned(false, &["expired"]),
        "expired",
        "localhost",
    ));
    assert_error!(
        error,
        Error::Insecure {
            certificate: true,
            ..
        }
    );
}

#[test]
fn the_facts_tell_whom_we_talk_to() {
    let server = serve(Security::Tls, echo);
    let there = endpoint("localhost", server.port(), Security::Tls);
    let mut connection = connector().connect(&there).unwrap();
    assert!(connection.is_encrypted());
    let facts = connection.facts().clone();
    assert_eq!(facts.peer, format!("localhost:{}", server.port()));
    assert_eq!(facts.host, "localhost");
    assert_eq!(facts.address, Some(server.address().to_string()));
    assert_eq!(facts.proxy, None);
    assert!(facts.handshake.unwrap() > Duration::ZERO);
    let tls = facts.tls.unwrap();
    assert_eq!(
        (tls.alpn.as_ref(), &tls.certificate),
        (None, &der("localhost"))
    );
    let seen = tls.certificate().unwrap();
    assert_eq!(seen.subject, "CN=localhost");
    assert_eq!(seen.issuer, "CN=proto test authority");
    assert_eq!(seen.names, ["localhost", "127.0.0.1", "::1"]);
    // From 2020 to the last second of 2049.
    assert_eq!(
        (seen.not_before, seen.not_after),
        (1_577_836_800, 2_524_607_999)
    );
    let digest = Sha256::digest(der("localhost"));
    assert_eq!(seen.sha256, certificate::hexadecimal(&digest));
    let pin = certificate::parse_pin(&format!("sha256:{}", seen.key_sha256));
    assert_eq!(pin, Ok(pin_of("localhost")));
    talk(&mut connection).unwrap();
}

#[test]
fn a_conversation_in_the_clear_has_no_facts_about_tls() {
    let server = serve(Security::Plain, echo);
    let there = endpoint("localhost", server.port(), Security::Plain);
    let connection = connector().connect(&there).unwrap();
    assert!(!connection.is_encrypted());
    assert!(connection.facts().tls.is_none() && connection.facts().handshake.is_none());
}

#[test]
fn a_server_that_stops_at_an_older_version_than_demanded_is_refused() {
    let demanding = |minimum| {
        connector_with(TlsPolicy {
            minimum: Some(minimum),
            ..policy()
        })
    };
    connect(&demanding(TlsVersion::V1_2), "localhost", "localhost").unwrap();
    let error = failure(connect(
        &demanding(TlsVersion::V1_3),
        "localhost",
        "localhost",
    ));
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_says(&text, "version");
}

#[test]
fn authorities_that_cannot_be_read_are_an_error_that_says_so() {
    let broken = sample("authority.crt").replace("MI", "!!");
    for (roots, reason) in [
        ("", "no certificate"),
        ("this is not PEM\n", "no certificate"),
        (&sample("authority.key"), "no certificate"),
        (&broken, "cannot be read"),
    ] {
        let connector = connector_with(TlsPolicy {
            roots: Some(roots.to_owned()),
            ..TlsPolicy::default()
        });
        // The failure is remembered, not only met once.
        for _ in 0..2 {
            let error = failure(connect(&connector, "localhost", "localhost"));
            let text = assert_error!(
                error,
                Error::Insecure {
                    certificate: false,
                    ..
                }
            );
            assert_says(&text, reason);
        }
    }
}

#[test]
fn a_client_key_that_cannot_be_used_is_an_error_that_says_so() {
    let with = |chain: &str, key: &str| {
        let connector = connector_with(TlsPolicy {
            identity: Some((chain.to_owned(), key.to_owned())),
            ..policy()
        });
        connect(&connector, "localhost", "localhost")
    };
    let (chain, key) = (sample("client.crt"), sample("client.key"));
    with(&chain, &key).unwrap();
    let traditional = key.replace("PRIVATE KEY", "EC PRIVATE KEY");
    for (chain, key) in [
        (chain.as_str(), traditional.as_str()),
        (&chain, "no key at all"),
        ("no certificate at all", &key),
    ] {
        let error = failure(with(chain, key));
        let text = assert_error!(
            error,
            Error::Insecure {
                certificate: false,
                ..
            }
        );
        assert_says(&text, "client certificate or its key");
        assert_says(&text, "PKCS#8");
        assert!(!text.contains("BEGIN EC"), "the key is not shown");
    }
    let error = failure(with(&chain, &sample("wrong.key")));
    let text = assert_error!(
        error,
        Error::Insecure {
            certificate: false,
            ..
        }
    );
    assert_says(&text, "mismatch");
}

#[test]
fn connections_share_what_was_built_once() {
    let server = serve(Security::Tls, echo);
    let there = endpoint("localhost", server.port(), Security::Tls);
    let connector = connector();
    let (mut one, mut two) = (
        connector.connect(&there).unwrap(),
        connector.clone().connect(&there).unwrap(),
    );
    talk(&mut two).unwrap();
    talk(&mut one).unwrap();
    assert_eq!(server.connections(), 2);
}
