//! The conversation before the first message: greeting, EHLO, STARTTLS, AUTH.

use proto_auth::{decode, SaslCredentials, SaslMechanism};
use proto_smtp::{Client, Extension, Preferences, Target};
use proto_transport::{Connection, Error, Memory, Refusal, Result};

use crate::kit::client;

fn target() -> Target {
    Target::parse("smtp://host").unwrap()
}

fn encoded(bytes: &[u8]) -> String {
    proto_auth::encode(bytes).reveal().to_owned()
}

fn password() -> SaslCredentials {
    SaslCredentials::Password {
        user: "tim".to_owned(),
        password: "tanstaaftanstaaf".into(),
    }
}

fn token() -> SaslCredentials {
    SaslCredentials::Token {
        user: "tim".to_owned(),
        token: "ya29".into(),
    }
}

fn nobody() -> SaslCredentials {
    SaslCredentials::Nothing {
        identity: "tim".to_owned(),
    }
}

/// Logs in at a server that offers these mechanisms and says these lines; what came of it, and what
/// was said after EHLO.
fn log_in(
    mechanisms: &str,
    credentials: &SaslCredentials,
    demanded: Option<SaslMechanism>,
    replies: &[&str],
) -> (Result<()>, Vec<String>) {
    let mut pieces = vec![
        "220 hello\r\n".to_owned(),
        format!("250-x\r\n250 AUTH {mechanisms}\r\n"),
    ];
    pieces.extend(replies.iter().map(|reply| format!("{reply}\r\n")));
    let memory = Memory::in_pieces(pieces);
    let said = memory.said();
    let mut client = client(memory, &target());
    client.hello(false).unwrap();
    let result = client
        .log_in(credentials, demanded, true)
        .map(|session| session.quit());
    let lines = said.text().lines().skip(1).map(str::to_owned).collect();
    (result, lines)
}

#[test]
fn every_mechanism_says_what_its_document_says() {
    let plain = format!("AUTH PLAIN {}", encoded(b"\0tim\0tanstaaftanstaaf"));
    let xoauth2 = format!(
        "AUTH XOAUTH2 {}",
        encoded(b"user=tim\x01auth=Bearer ya29\x01\x01")
    );
    // RFC 2195 section 2.
    let challenge = format!(
        "334 {}",
        encoded(b"<1896.697170952@postoffice.reston.mci.net>")
    );
    let answer = encoded(b"tim b913a602c7eda7a495b4e6e7334d3890");
    let (user, secret) = (encoded(b"tim"), encoded(b"tanstaaftanstaaf"));
    for (mechanism, credentials, replies, expected) in [
        ("PLAIN", password(), vec!["235 ok"], vec![plain.as_str()]),
        (
            "LOGIN",
            password(),
            vec!["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"],
            vec!["AUTH LOGIN", &user, &secret],
        ),
        (
            "CRAM-MD5",
            password(),
            vec![challenge.as_str(), "235 ok"],
            vec!["AUTH CRAM-MD5", &answer],
        ),
        ("XOAUTH2", token(), vec!["235 ok"], vec![xoauth2.as_str()]),
        (
            "EXTERNAL",
            nobody(),
            vec!["235 ok"],
            vec!["AUTH EXTERNAL dGlt"],
        ),
        (
            "ANONYMOUS",
            nobody(),
            vec!["235 ok"],
            vec!["AUTH ANONYMOUS dGlt"],
        ),
    ] {
        let demanded = SaslMechanism::from_name(mechanism);
        let replies: Vec<&str> = replies.into_iter().chain(["221 bye"]).collect();
        let (result, said) = log_in(mechanism, &credentials, demanded, &replies);
        assert!(result.is_ok(), "{mechanism}: {result:?}");
        assert_eq!(said, [expected, vec!["QUIT"]].concat(), "{mechanism}");
    }
}

#[test]
fn an_empty_initial_response_is_an_equals_sign() {
    let nothing = SaslCredentials::Nothing {
        identity: String::new(),
    };
    let demanded = Some(SaslMechanism::External);
    let (result, said) = log_in("EXTERNAL", &nothing, demanded, &["235 ok"]);
    assert!(result.is_ok());
    assert_eq!(said[0], "AUTH EXTERNAL =");
}

#[test]
fn a_success_that_nobody_has_proved_is_none() {
    for name in ["SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5", "LOGIN"] {
        let demanded = SaslMechanism::from_name(name);
        let (result, _) = log_in(name, &password(), demanded, &["235 welcome"]);
        assert!(
            matches!(result, Err(Error::Malformed { .. })),
            "{name}: {result:?}"
        );
    }
    // The second of two replies that came at once.
    let (result, said) = log_in(
        "LOGIN",
        &password(),
        None,
        &["334 VXNlcm5hbWU6\r\n235 welcome"],
    );
    assert!(matches!(result, Err(Error::Malformed { .. })), "{result:?}");
    assert_eq!(said, ["AUTH LOGIN"]);
}

#[test]
fn what_is_no_challenge_is_cancelled() {
    for (name, replies) in [
        ("PLAIN", &["334 ", "501 cancelled", "221"][..]),
        ("LOGIN", &["334 x", "501 cancelled", "221"]),
        ("SCRAM-SHA-256", &["334 cj1h", "501 cancelled", "221"]),
        ("CRAM-MD5", &["334 !!!!", "501 cancelled", "221"]),
        (
            "LOGIN",
            &["334 VQ==", "334 UA==", "334 VQ==", "501 cancelled", "221"],
        ),
    ] {
        let demanded = SaslMechanism::from_name(name);
        let (result, said) = log_in(name, &password(), demanded, replies);
        assert!(
            matches!(result, Err(Error::Malformed { .. })),
            "{name}: {result:?}"
        );
        assert_eq!(said[said.len() - 2..], ["*", "QUIT"], "{name}");
    }
}

#[test]
fn another_mechanism_is_tried_only_if_this_one_was_the_reason() {
    for (reply, goes_on) in [
        ("504 no such mechanism", true),
        ("504 5.5.4 no such mechanism", true),
        ("534 5.7.9 too weak", true),
        ("538 5.7.11 not without encryption", true),
        ("535 5.7.8 no", false),
        ("535 no", false),
        ("504 5.7.8 no", false),
        ("454 4.7.0 later", false),
        ("432 4.7.12 change your password", false),
        ("421 bye", false),
        ("500 what?", false),
        ("530 5.7.0 TLS first", false),
    ] {
        let (result, said) = log_in(
            "LOGIN PLAIN",
            &password(),
            None,
            &[reply, "334 VQ==", "334 UA==", "235"],
        );
        let tries: Vec<_> = said
            .iter()
            .filter(|line| line.starts_with("AUTH "))
            .collect();
        assert_eq!(
            tries.len(),
            if goes_on { 2 } else { 1 },
            "{reply}: {said:?}"
        );
        assert_eq!(result.is_ok(), goes_on, "{reply}");
        let Err(error) = result else { continue };
        let expected = if reply.starts_with('4') {
            Refusal::Transient
        } else {
            Refusal::Credentials
        };
        assert!(
            matches!(error, Error::Refused { refusal, .. } if refusal == expected),
            "{error}"
        );
        assert!(!error.to_string().contains("tanstaaf"));
    }
}

#[test]
fn odd_replies_to_a_login_are_errors() {
    for reply in [
        "250 ok",
        "220 hello",
        "354 go on",
        "150",
        "334-VQ==\r\n334 VQ==",
        "what?",
        "",
    ] {
        let (result, _) = log_in("PLAIN", &password(), None, &[reply]);
        assert!(
            matches!(result, Err(Error::Malformed { .. } | Error::Closed { .. })),
            "{reply:?}"
        );
    }
}

#[test]
fn a_token_that_was_refused_is_told_why() {
    let why = encoded(br#"{"status":"invalid_token"}"#);
    let challenge = format!("334 {}", why);
    let (result, said) = log_in(
        "OAUTHBEARER",
        &token(),
        None,
        &[&challenge, "535 5.7.8 no", "221"],
    );
    let text = result.unwrap_err().to_string();
    assert!(
        text.contains("invalid_token") && !text.contains("ya29"),
        "{text}"
    );
    assert_eq!(decode(said[1].as_bytes()).as_deref(), Some(&b"\x01"[..]));
}

#[test]
fn passwords_do_not_go_where_somebody_listens() {
    let memory = Memory::in_pieces([
        "220 hello\r\n",
        "250-x\r\n250 AUTH PLAIN LOGIN\r\n",
        "221\r\n",
    ]);
    let said = memory.said();
    let mut client = client(memory, &target());
    client.hello(false).unwrap();
    let error = client.log_in(&password(), None, false).err().unwrap();
    assert!(matches!(error, Error::Insecure { .. }), "{error}");
    assert_eq!(said.text(), "EHLO me.example\r\nQUIT\r\n");
}

#[test]
fn what_comes_with_the_reply_to_starttls_is_not_read_under_tls() {
    let injected = "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n";
    let memory = Memory::in_pieces(["220 hello\r\n", "250-x\r\n250 STARTTLS\r\n", injected]);
    let said = memory.said();
    let mut client = client(memory, &target());
    client.hello(false).unwrap();
    let error = client.start_tls().err().unwrap();
    assert!(error.to_string().contains("23 bytes"), "{error}");
    assert_eq!(said.text(), "EHLO me.example\r\nSTARTTLS\r\n");
}

#[test]
fn tls_is_had_or_the_conversation_is_over() {
    for reply in [
        "454 not now",
        "501 x",
        "502 what?",
        "354 go on",
        "221 bye",
        "250 ok",
        "235 ok",
    ] {
        let pieces = ["220 hello\r\n", "250-x\r\n250 STARTTLS\r\n", reply, "\r\n"];
        let mut client = client(Memory::in_pieces(pieces), &target());
        client.hello(false).unwrap();
        let error = client.start_tls().err().unwrap();
        assert!(matches!(error, Error::Insecure { .. }), "{reply}: {error}");
    }
    let memory = Memory::in_pieces(["220 hello\r\n", "250-x\r\n250 AUTH PLAIN\r\n"]);
    let said = memory.said();
    let mut client = client(memory, &target());
    client.hello(false).unwrap();
    assert!(matches!(
        client.start_tls().err(),
        Some(Error::Insecure { .. })
    ));
    assert_eq!(said.text(), "EHLO me.example\r\n");
}

#[test]
fn only_who_needs_no_extensions_falls_back_to_helo() {
    for (reply, may_fall_back, expected) in [
        ("502 what?", true, "EHLO me.example\r\nHELO me.example\r\n"),
        ("500 what?", true, "EHLO me.example\r\nHELO me.example\r\n"),
        ("502 what?", false, "EHLO me.example\r\n"),
        ("421 bye", true, "EHLO me.example\r\n"),
        ("450 later", true, "EHLO me.example\r\n"),
        ("354 go on", true, "EHLO me.example\r\n"),
        ("220 x", true, "EHLO me.example\r\n"),
    ] {
        let reply = format!("{reply}\r\n");
        let memory = Memory::in_pieces(["220 hello\r\n", &reply, "250-x\r\n250 PIPELINING\r\n"]);
        let said = memory.said();
        let mut client = client(memory, &target());
        assert_eq!(
            client.hello(may_fall_back).is_ok(),
            expected.contains("HELO"),
            "{reply}"
        );
        assert_eq!(said.text(), expected, "{reply}");
        assert!(!client.extensions().offers(Extension::Pipelining));
    }
}

#[test]
fn only_220_is_a_greeting() {
    for (greeting, is_right) in [
        ("220 hello", true),
        ("220-hello\r\n220 again", true),
        ("220", true),
        ("250 hello", false),
        ("221 hello", false),
        ("421 busy", false),
        ("554 no", false),
        ("354 go on", false),
        ("220 a\0b", false),
        ("SSH-2.0-x", false),
        ("+OK", false),
        ("", false),
    ] {
        let memory = Memory::new(format!("{greeting}\r\n"));
        let result = Client::over(Connection::over(memory), &target(), &Preferences::default());
        assert_eq!(result.is_ok(), is_right, "{greeting:?}");
    }
    // A second greeting is no answer to EHLO, and neither is one that came before it.
    for second in ["220 hello again", "250 x"] {
        let memory = Memory::new(format!("220 hello\r\n{second}\r\n"));
        let said = memory.said();
        assert!(client(memory, &target()).hello(true).is_err());
        assert_eq!(said.text(), "");
    }
}

#[test]
fn a_name_that_is_none_is_not_said() {
    for name in ["", "a b", "a\r\nMAIL FROM:<>", "é", "a\0"] {
        let memory = Memory::in_pieces(["220 hello\r\n", "250 x\r\n"]);
        let said = memory.said();
        let preferences = Preferences {
            name: Some(name.to_owned()),
            ..Preferences::default()
        };
        let client = Client::over(Connection::over(memory), &target(), &preferences);
        assert!(
            matches!(client.unwrap().hello(true), Err(Error::Illegal { .. })),
            "{name:?}"
        );
        assert_eq!(said.text(), "");
    }
}
