//! Logging in over real connections, with what a client computes for itself.

use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{Engine, BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use proto_transport::certificate::hexadecimal;
use proto_transport::{Connection, Connector, Endpoint, Security, TlsPolicy};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Mta;
use crate::identity::AUTHORITY;
use crate::server::{Options, Server};

fn start(change: impl FnOnce(&mut Mta)) -> (Server, Arc<Mta>) {
    let mut mta = Mta::default();
    mta.users.push(("fred".to_owned(), "pencil".to_owned()));
    change(&mut mta);
    let mta = Arc::new(mta);
    let server = Server::start(Options::default(), mta.clone()).unwrap();
    (server, mta)
}

fn connect(server: &Server) -> Connection {
    let mut connector = Connector::default();
    let policy = TlsPolicy {
        roots: Some(AUTHORITY.to_owned()),
        ..TlsPolicy::default()
    };
    connector.tls = Arc::new(policy.into());
    connector.timeouts.silence = Duration::from_secs(5);
    let endpoint = Endpoint {
        scheme: "smtp".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        security: Security::StartTls,
    };
    let mut connection = connector.connect(&endpoint).unwrap();
    hear(&mut connection);
    ask(&mut connection, "EHLO me");
    connection
}

/// The last line of a reply.
fn hear(connection: &mut Connection) -> String {
    loop {
        let line = String::from_utf8(connection.read_line().unwrap().to_vec()).unwrap();
        if line.as_bytes()[3] == b' ' {
            return line;
        }
    }
}

fn ask(connection: &mut Connection, line: &str) -> String {
    connection.write_line(line).unwrap();
    hear(connection)
}

fn start_tls(connection: &mut Connection) {
    assert!(ask(connection, "STARTTLS").starts_with("220 "));
    connection.start_tls().unwrap();
    ask(connection, "EHLO me");
}

/// Sends a message of an exchange; what is decoded from the challenge, or else the reply.
fn turn(connection: &mut Connection, start: &str, message: &str) -> Result<String, String> {
    let line = format!("{start}{}", BASE64_STANDARD.encode(message));
    let reply = ask(connection, &line);
    match reply.strip_prefix("334 ") {
        Some(challenge) => {
            Ok(String::from_utf8(BASE64_STANDARD.decode(challenge).unwrap()).unwrap())
        }
        None => Err(reply),
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &str) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Logs in with SCRAM as RFC 5802 section 3 writes it. The reply at the end.
fn scram(
    connection: &mut Connection,
    name: &str,
    header: &str,
    binding: &[u8],
    password: &str,
) -> String {
    let is_sha1 = name.starts_with("SCRAM-SHA-1");
    let hash = |data: &[u8]| match is_sha1 {
        true => Sha1::digest(data).to_vec(),
        false => Sha256::digest(data).to_vec(),
    };
    let mac = |key: &[u8], data: &str| match is_sha1 {
        true => mac::<Hmac<Sha1>>(key, data),
        false => mac::<Hmac<Sha256>>(key, data),
    };
    let bare = "n=fred,r=abc";
    let start = format!("AUTH {name} ");
    let server_first = match turn(connection, &start, &format!("{header}{bare}")) {
        Ok(challenge) => challenge,
        Err(reply) => return reply,
    };
    let attribute = |name: &str| {
        let mut attributes = server_first.split(',');
        attributes
            .find_map(|one| one.strip_prefix(name))
            .unwrap()
            .to_owned()
    };
    let nonce = attribute("r=");
    assert!(nonce.starts_with("abc") && nonce.len() > 20, "{nonce}");
    let salt = BASE64_STANDARD.decode(attribute("s=")).unwrap();
    let iterations = attribute("i=").parse().unwrap();
    let salted = match is_sha1 {
        true => {
            pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password.as_bytes(), &salt, iterations).to_vec()
        }
        false => {
            pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), &salt, iterations).to_vec()
        }
    };
    let bound = BASE64_STANDARD.encode([header.as_bytes(), binding].concat());
    let unproved = format!("c={bound},r={nonce}");
    let signed = format!("{bare},{server_first},{unproved}");
    let client_key = mac(&salted, "Client Key");
    let signature = mac(&hash(&client_key), &signed);
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(a, b)| a ^ b)
        .collect();
    let proof = BASE64_STANDARD.encode(proof);
    match turn(connection, "", &format!("{unproved},p={proof}")) {
        Ok(server_final) => {
            let verifier = mac(&mac(&salted, "Server Key"), &signed);
            let verifier = BASE64_STANDARD.encode(verifier);
            assert_eq!(server_final, format!("v={verifier}"));
            ask(connection, "")
        }
        Err(reply) => reply,
    }
}

#[test]
fn scram_with_and_without_a_binding() {
    let (server, mta) = start(|_| {});
    for name in ["SCRAM-SHA-1", "SCRAM-SHA-256"] {
        let mut connection = connect(&server);
        // Without TLS nothing bound is offered, and a client may say that it noticed.
        let refused = scram(&mut connection, name, "n,,", b"", "pen");
        assert_eq!(refused, "535 5.7.8 wrong proof");
        let welcome = scram(&mut connection, name, "y,,", b"", "pencil");
        assert_eq!(welcome, "235 2.7.0 Welcome");

        let mut connection = connect(&server);
        start_tls(&mut connection);
        let plus = format!("{name}-PLUS");
        let tls = connection.facts().tls.clone().unwrap();
        let end_point = tls.end_point.unwrap();
        assert_eq!(end_point, Sha256::digest(&tls.certificate).to_vec());
        let header = "p=tls-server-end-point,,";
        let downgraded = scram(&mut connection, name, "y,,", b"", "pencil");
        assert!(
            downgraded.starts_with("535 5.7.8 the client believes"),
            "{downgraded}"
        );
        let elsewhere = scram(&mut connection, &plus, header, &[0; 32], "pencil");
        assert!(
            elsewhere.starts_with("535 5.7.8 the channel binding"),
            "{elsewhere}"
        );
        let welcome = scram(&mut connection, &plus, header, &end_point, "pencil");
        assert_eq!(welcome, "235 2.7.0 Welcome");
        ask(&mut connection, "MAIL FROM:<a@b>");
        ask(&mut connection, "RCPT TO:<a@b>");
        connection.write_line("BDAT 0 LAST").unwrap();
        assert!(hear(&mut connection).starts_with("250 "));
        let letter = mta.letters().pop().unwrap();
        assert_eq!(letter.user.as_deref(), Some("fred"));
        assert_eq!(letter.mechanism, Some(plus));
        assert!(letter.is_encrypted);
    }
    assert_eq!(mta.violations(), [""; 0]);
}

#[test]
fn without_plus_nobody_is_suspicious() {
    let (server, _) = start(|mta| {
        mta.without = vec![
            "AUTH=SCRAM-SHA-256-PLUS".to_owned(),
            "auth=scram-sha-1-plus".to_owned(),
        ];
    });
    let mut connection = connect(&server);
    start_tls(&mut connection);
    let welcome = scram(&mut connection, "SCRAM-SHA-256", "y,,", b"", "pencil");
    assert_eq!(welcome, "235 2.7.0 Welcome");
}

#[test]
fn cram_md5_digests_its_challenge() {
    let (server, _) = start(|_| {});
    let mut connection = connect(&server);
    for (password, expected) in [
        ("pen", "535 5.7.8 wrong digest"),
        ("pencil", "235 2.7.0 Welcome"),
    ] {
        connection.write_line("AUTH CRAM-MD5").unwrap();
        let reply = hear(&mut connection);
        let challenge = BASE64_STANDARD.decode(&reply[4..]).unwrap();
        let challenge = String::from_utf8(challenge).unwrap();
        assert!(challenge.starts_with('<') && challenge.ends_with("@localhost>"));
        let digest = hexadecimal(&mac::<Hmac<Md5>>(password.as_bytes(), &challenge));
        let reply = turn(&mut connection, "", &format!("fred {digest}"));
        assert_eq!(reply, Err(expected.to_owned()));
    }
}

#[test]
fn tls_forgets_what_was_before_it() {
    let (server, mta) = start(|_| {});
    let mut connection = connect(&server);
    assert!(ask(&mut connection, "AUTH ANONYMOUS =").starts_with("235 "));
    ask(&mut connection, "MAIL FROM:<a@b>");
    assert!(
        ask(&mut connection, "STARTTLS").starts_with("503 "),
        "a message is under way"
    );
    ask(&mut connection, "RSET");
    assert!(ask(&mut connection, "STARTTLS").starts_with("220 "));
    connection.start_tls().unwrap();
    assert!(ask(&mut connection, "MAIL FROM:<a@b>").starts_with("503 say EHLO"));
    ask(&mut connection, "EHLO me");
    assert!(ask(&mut connection, "STARTTLS").starts_with("503 "));
    assert!(
        ask(&mut connection, "AUTH ANONYMOUS =").starts_with("235 "),
        "nobody is logged in"
    );
    assert_eq!(mta.violations().len(), 3, "{:?}", mta.violations());
}
