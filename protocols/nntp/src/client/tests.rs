use super::*;
use crate::reply::No;
use proto_transport::{Memory, Said};

/// A bar ends what comes in one piece.
fn client(heard: &str) -> (Result<Client>, Said) {
    let memory = Memory::in_pieces(heard.split('|'));
    let said = memory.said();
    let target = Target::parse("nntp://localhost").unwrap();
    (Client::over(Connection::over(memory), &target), said)
}

fn fred() -> SaslCredentials {
    SaslCredentials::Password {
        user: "fred".to_owned(),
        password: "flintstone".into(),
    }
}

const GREETS: &str = "200 NNTP Service Ready, posting permitted\r\n|";
const KNOWS_NO_CAPABILITIES: &str = "500 What?\r\n|";

fn offers(lines: &str) -> String {
    format!("101 Capability list:\r\nVERSION 2\r\n{lines}.\r\n|")
}

fn logs_in(heard: &str, method: Option<Method>, is_private: bool) -> (Result<Session>, String) {
    let (client, said) = client(heard);
    let mut client = client.unwrap();
    client.ask_capabilities().unwrap();
    let result = client.log_in(&fred(), method, is_private);
    (result, said.text())
}

#[test]
fn greetings_of_the_rfc() {
    // RFC 3977 section 5.1.3.
    assert!(client(GREETS).0.unwrap().may_post());
    let (prohibited, _) = client("201 NNTP Service Ready, posting prohibited\r\n");
    assert!(!prohibited.unwrap().may_post());
    let refused = |heard| client(heard).0.err().unwrap();
    assert!(refused("400 NNTP Service temporarily unavailable\r\n").is_transient());
    let error = refused("502 NNTP Service permanently unavailable\r\n");
    assert!(matches!(error, Error::Refused { .. }) && !error.is_transient());
    for wrong in [
        "220 mail\r\n",
        "+OK\r\n",
        "101 x\r\n",
        "200-x\r\n",
        "2\r\n",
        "281 in\r\n",
    ] {
        assert!(matches!(refused(wrong), Error::Malformed { .. }), "{wrong}");
    }
    for length in 0..GREETS.len() - 2 {
        assert!(matches!(refused(&GREETS[..length]), Error::Closed { .. }));
    }
}

#[test]
fn capabilities_are_asked_for_and_old_servers_have_none() {
    let (session, said) = client(&format!("{GREETS}{}", offers("READER\r\nOVER MSGID\r\n")));
    let mut session = session.unwrap();
    session.ask_capabilities().unwrap();
    assert!(session.capabilities().offers_with("OVER", "MSGID"));
    assert_eq!(said.text(), "CAPABILITIES\r\n");
    let (old, _) = client(&format!("{GREETS}{KNOWS_NO_CAPABILITIES}"));
    let mut old = old.unwrap();
    old.ask_capabilities().unwrap();
    assert!(!old.capabilities().are_told());
}

#[test]
fn an_endless_list_of_capabilities_ends() {
    let (session, _) = client(&format!("{GREETS}{}", offers(&"X\r\n".repeat(2_000))));
    let error = session.unwrap().ask_capabilities().unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn a_server_for_servers_is_made_one_for_readers() {
    // RFC 3977 section 5.3.3.
    let first = offers("IHAVE\r\nMODE-READER\r\n");
    let then = offers("READER\r\nNEWNEWS\r\nSTARTTLS\r\n");
    let heard = format!("{GREETS}{first}201 Reader mode\r\n|{then}");
    let (switched, said) = client(&heard);
    let mut switched = switched.unwrap();
    switched.ask_capabilities().unwrap();
    switched.mode_reader().unwrap();
    assert!(switched.capabilities().offers("STARTTLS") && !switched.may_post());
    assert_eq!(
        said.text(),
        "CAPABILITIES\r\nMODE READER\r\nCAPABILITIES\r\n"
    );

    for (capabilities, reply, is_asked, is_good) in [
        (offers("READER\r\n"), "", false, true),
        (offers("IHAVE\r\n"), "", false, true),
        (
            KNOWS_NO_CAPABILITIES.to_owned(),
            "200 Hello\r\n",
            true,
            true,
        ),
        (
            KNOWS_NO_CAPABILITIES.to_owned(),
            "500 What?\r\n",
            true,
            true,
        ),
        (
            offers("MODE-READER\r\n"),
            "502 Transit service only\r\n",
            true,
            false,
        ),
    ] {
        let (client, said) = client(&format!("{GREETS}{capabilities}{reply}"));
        let mut client = client.unwrap();
        client.ask_capabilities().unwrap();
        assert_eq!(
            client.mode_reader().is_ok(),
            is_good,
            "{capabilities} {reply}"
        );
        assert_eq!(
            said.text().contains("MODE READER"),
            is_asked,
            "{capabilities} {reply}"
        );
    }
}

#[test]
fn starttls_must_be_offered_and_be_answered_with_382() {
    for (heard, why) in [
        (offers("READER\r\n"), "does not offer"),
        (
            offers("STARTTLS\r\n") + "580 Can not initiate TLS negotiation\r\n",
            "refused STARTTLS",
        ),
        (offers("STARTTLS\r\n") + "200 fine\r\n", "refused STARTTLS"),
        (
            KNOWS_NO_CAPABILITIES.to_owned() + "502 no\r\n",
            "refused STARTTLS",
        ),
        (
            offers("STARTTLS\r\n") + "382 go\r\n281 injected\r\n",
            "14 bytes",
        ),
    ] {
        let (client, _) = client(&format!("{GREETS}{heard}"));
        let mut client = client.unwrap();
        client.ask_capabilities().unwrap();
        let Err(error @ Error::Insecure { .. }) = client.start_tls() else {
            panic!("{why}");
        };
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn logins_of_the_rfc() {
    // RFC 4643 section 2.3.3.
    let heard = format!(
        "{GREETS}{KNOWS_NO_CAPABILITIES}381 Enter passphrase\r\n|281 Authentication accepted\r\n"
    );
    let (result, said) = logs_in(&heard, None, true);
    result.unwrap();
    let users = "CAPABILITIES\r\nAUTHINFO USER fred\r\nAUTHINFO PASS flintstone\r\n";
    assert_eq!(said, users);
    let heard = format!("{GREETS}{KNOWS_NO_CAPABILITIES}281 Authentication accepted\r\n");
    let (result, said) = logs_in(&heard, None, true);
    result.unwrap();
    assert_eq!(said, "CAPABILITIES\r\nAUTHINFO USER fred\r\n");
    let (result, said) = logs_in(&heard, None, false);
    assert!(matches!(result, Err(Error::Insecure { .. })));
    assert_eq!(said, "CAPABILITIES\r\nQUIT\r\n");
}

#[test]
fn refused_logins_have_their_kind() {
    for (reply, credentials, transient) in [
        ("481 Authentication failed", true, false),
        ("482 out of sequence", true, false),
        ("502 no", true, false),
        ("400 going down", false, true),
        ("500 what?", false, false),
    ] {
        let heard = format!("{GREETS}{KNOWS_NO_CAPABILITIES}381 go on\r\n|{reply}\r\n|205 bye\r\n");
        let (result, said) = logs_in(&heard, None, true);
        let Err(Error::Refused { refusal, .. }) = result else {
            panic!("{reply}");
        };
        assert_eq!(refusal == Refusal::Credentials, credentials, "{reply}");
        assert_eq!(refusal == Refusal::Transient, transient, "{reply}");
        assert!(said.ends_with("QUIT\r\n"));
    }
    let needs = "483 Encryption or stronger authentication required\r\n";
    let (result, said) = logs_in(
        &format!("{GREETS}{KNOWS_NO_CAPABILITIES}{needs}"),
        None,
        true,
    );
    assert_eq!(No::of(&result.err().unwrap()), Some(No::NeedsTls));
    assert!(!said.contains("flintstone"));
    let wrong = format!("{GREETS}{KNOWS_NO_CAPABILITIES}200 hm\r\n");
    assert!(matches!(
        logs_in(&wrong, None, true).0,
        Err(Error::Malformed { .. })
    ));
}

#[test]
fn sasl_is_preferred_and_capabilities_are_asked_again() {
    let first = offers("AUTHINFO USER SASL\r\nSASL PLAIN\r\n");
    let then = offers("READER\r\nPOST\r\n");
    let heard = format!("{GREETS}{first}281 Authentication accepted\r\n|{then}");
    let (result, said) = logs_in(&heard, None, true);
    let session = result.unwrap();
    assert!(session.capabilities().offers("POST") && !session.capabilities().offers("SASL"));
    assert_eq!(
        said,
        "CAPABILITIES\r\nAUTHINFO SASL PLAIN AGZyZWQAZmxpbnRzdG9uZQ==\r\nCAPABILITIES\r\n"
    );
    let login = session.into_client().log_in(&fred(), None, true);
    assert!(matches!(login, Err(Error::Illegal { .. })));
}

#[test]
fn a_mechanism_that_the_server_does_not_know_is_followed_by_user() {
    let first = offers("AUTHINFO USER SASL\r\nSASL PLAIN LOGIN\r\n");
    let no = "503 Mechanism not recognized\r\n|";
    let heard = format!(
        "{GREETS}{first}{no}{no}381 go on\r\n|281 in\r\n|{}",
        offers("")
    );
    let (result, said) = logs_in(&heard, None, true);
    result.unwrap();
    assert!(said.contains("SASL LOGIN\r\nAUTHINFO USER fred\r\nAUTHINFO PASS flintstone\r\n"));
}

#[test]
fn users_of_sasl_may_be_others_than_those_of_user() {
    let refused = |heard: &str, method, is_private| {
        let (result, said) = logs_in(heard, method, is_private);
        assert!(matches!(result, Err(Error::Refused { .. })), "{said}");
        said
    };
    let first = offers("AUTHINFO USER SASL\r\nSASL PLAIN LOGIN\r\n");
    let heard = format!(
        "{GREETS}{first}481 generic failure\r\n|381 go on\r\n|281 in\r\n|{}",
        offers("")
    );
    let (result, said) = logs_in(&heard, None, true);
    result.unwrap();
    assert!(said.contains("AUTHINFO USER fred\r\n") && !said.contains("LOGIN"));
    let no = format!("{GREETS}{first}481 wrong\r\n|381 go on\r\n|481 wrong\r\n|205 bye\r\n");
    assert_eq!(refused(&no, None, true).matches("PASS").count(), 1);
    // Not where one way was demanded, nor where there is no other.
    let no = format!("{GREETS}{first}481 wrong\r\n|205 bye\r\n");
    assert!(!refused(&no, Method::from_name("PLAIN"), true).contains("USER"));
    let first = offers("AUTHINFO SASL\r\nSASL PLAIN\r\n");
    let no = format!("{GREETS}{first}481 wrong\r\n|205 bye\r\n");
    assert!(!refused(&no, None, true).contains("USER"));
    // Nor where others would hear the password.
    let first = offers("AUTHINFO USER SASL\r\nSASL SCRAM-SHA-256\r\n");
    let no = format!("{GREETS}{first}481 wrong\r\n|205 bye\r\n");
    assert!(!refused(&no, None, false).contains("USER"));
}

#[test]
fn exchanges_say_nothing_as_an_equals_sign() {
    let first = offers("AUTHINFO SASL\r\nSASL LOGIN EXTERNAL\r\n");
    let heard = format!(
        "{GREETS}{first}383 =\r\n|383 UGFzc3dvcmQ6\r\n|281 in\r\n|{}",
        offers("")
    );
    let method = Method::from_name("login");
    let (result, said) = logs_in(&heard, method, true);
    result.unwrap();
    assert!(
        said.contains("AUTHINFO SASL LOGIN\r\nZnJlZA==\r\nZmxpbnRzdG9uZQ==\r\n"),
        "{said}"
    );

    let heard = format!("{GREETS}{first}281 in\r\n|{}", offers(""));
    let (client, said) = client(&heard);
    let mut client = client.unwrap();
    client.ask_capabilities().unwrap();
    let nobody = SaslCredentials::Nothing {
        identity: String::new(),
    };
    let external = Method::from_name("EXTERNAL");
    client.log_in(&nobody, external, true).unwrap();
    assert!(said.text().contains("AUTHINFO SASL EXTERNAL =\r\n"));
}

#[test]
fn a_challenge_that_is_no_base64_is_cancelled() {
    let first = offers("AUTHINFO SASL\r\nSASL LOGIN\r\n");
    let heard = format!("{GREETS}{first}383 ???\r\n|481 cancelled\r\n|205 bye\r\n");
    let (result, said) = logs_in(&heard, None, true);
    assert!(matches!(result, Err(Error::Malformed { .. })));
    assert!(said.contains("\r\n*\r\n"), "{said}");
}

#[test]
fn success_without_proof_is_none() {
    let first = offers("AUTHINFO SASL\r\nSASL SCRAM-SHA-256\r\n");
    let heard = format!("{GREETS}{first}281 come in\r\n|205 bye\r\n");
    let (result, _) = logs_in(&heard, None, false);
    assert!(matches!(result, Err(Error::Malformed { .. })));
}

#[test]
fn a_reply_before_the_question_is_refused() {
    let heard = format!("{GREETS}{KNOWS_NO_CAPABILITIES}381 go on\r\n281 early\r\n");
    let (result, said) = logs_in(&heard, None, true);
    assert!(matches!(result, Err(Error::Malformed { .. })));
    assert!(!said.contains("PASS"), "{said}");
}
