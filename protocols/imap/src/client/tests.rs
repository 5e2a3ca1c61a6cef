//! Conversations before the account opens.

use super::*;
use proto_transport::{Memory, Said};

fn client_of(heard: &str, url: &str) -> (Result<Client>, Said) {
    // A bar keeps lines together that come in one piece.
    let memory = match heard.contains('|') {
        true => Memory::in_pieces(heard.split('|')),
        false => Memory::in_pieces(heard.split_inclusive('\n')),
    };
    let said = memory.said();
    let target = Target::parse(url).unwrap();
    let tags = Tags::with_prefix("a");
    (
        Client::over_with_tags(Connection::over(memory), &target, tags),
        said,
    )
}

fn me(password: &str) -> SaslCredentials {
    SaslCredentials::Password {
        user: "me".to_owned(),
        password: password.into(),
    }
}

fn logs_in(heard: &str, method: Option<Method>, is_private: bool) -> (Result<Session>, String) {
    logs_in_at("imap://localhost", heard, &me("secret"), method, is_private)
}

fn logs_in_at(
    url: &str,
    heard: &str,
    credentials: &SaslCredentials,
    method: Option<Method>,
    is_private: bool,
) -> (Result<Session>, String) {
    let (client, said) = client_of(heard, url);
    let result = client.unwrap().log_in(credentials, method, is_private);
    (result, said.text())
}

fn greets(capabilities: &str) -> String {
    format!("* OK [CAPABILITY IMAP4rev1 {capabilities}] hi\r\n")
}

#[test]
fn greetings() {
    assert!(client_of("* OK IMAP4rev2 server ready\r\n", "a").0.is_ok());
    assert!(client_of("* ok\r\n", "a").0.is_ok());
    for wrong in [
        "",
        "* OK",
        "+OK\r\n",
        "a1 OK\r\n",
        "* NO\r\n",
        "* 1 EXISTS\r\n",
        "220 hi\r\n",
        "* CAPABILITY X\r\n",
    ] {
        assert!(client_of(wrong, "a").0.is_err(), "{wrong:?}");
    }
    let Err(error) = client_of("* BYE [UNAVAILABLE] \x1b[2J busy\r\n", "a").0 else {
        panic!();
    };
    assert!(error.is_transient());
    assert!(error.to_string().contains("\\x1b[2J busy"), "{error}");
}

#[test]
fn login_where_nobody_overhears_it() {
    let heard = format!("{}a1 OK in\r\n* CAPABILITY MOVE\r\na2 OK\r\n", greets(""));
    let (result, said) = logs_in(&heard, None, true);
    assert!(result.unwrap().capabilities().offers("MOVE"));
    assert_eq!(said, "a1 LOGIN me \"secret\"\r\na2 CAPABILITY\r\n");
    let (result, said) = logs_in(&heard, None, false);
    assert!(matches!(result, Err(Error::Insecure { .. })));
    assert_eq!(said, "a1 LOGOUT\r\n");
}

#[test]
fn login_with_a_password_that_is_a_literal() {
    let heard = format!("{}+ go\r\na1 OK [CAPABILITY X] in\r\n", greets(""));
    let credentials = me("gehéim");
    let (result, said) = logs_in_at("a", &heard, &credentials, None, true);
    result.unwrap();
    assert_eq!(said, "a1 LOGIN me {7}\r\ngehéim\r\n");
    let heard = format!("{}a1 OK [CAPABILITY X] in\r\n", greets("LITERAL-"));
    let (_, said) = logs_in_at("a", &heard, &credentials, None, true);
    assert_eq!(said, "a1 LOGIN me {7+}\r\ngehéim\r\n");
    let heard = format!(
        "{}a1 NO [UNAVAILABLE] later\r\n* BYE\r\na2 OK\r\n",
        greets("")
    );
    let (result, said) = logs_in_at("a", &heard, &credentials, None, true);
    assert!(matches!(result, Err(error) if error.is_transient()));
    assert_eq!(said, "a1 LOGIN me {7}\r\na2 LOGOUT\r\n");
}

#[test]
fn mechanisms_with_and_without_first_words() {
    let plain = "AG1lAHNlY3JldA==";
    let heard = format!(
        "{}a1 OK [CAPABILITY X] in\r\n",
        greets("AUTH=PLAIN SASL-IR")
    );
    let (result, said) = logs_in(&heard, None, true);
    result.unwrap();
    assert_eq!(said, format!("a1 AUTHENTICATE PLAIN {plain}\r\n"));
    let heard = format!("{}+ \r\na1 OK [CAPABILITY X] in\r\n", greets("AUTH=PLAIN"));
    let (result, said) = logs_in(&heard, None, true);
    result.unwrap();
    assert_eq!(said, format!("a1 AUTHENTICATE PLAIN\r\n{plain}\r\n"));
    let heard = format!(
        "{}+ ???\r\na1 BAD\r\n* BYE\r\na2 OK\r\n",
        greets("AUTH=LOGIN")
    );
    let (result, said) = logs_in(&heard, None, true);
    assert!(matches!(result, Err(Error::Malformed { .. })));
    assert_eq!(said, "a1 AUTHENTICATE LOGIN\r\n*\r\na2 LOGOUT\r\n");
}

#[test]
fn no_password_goes_where_anybody_could_hear_it() {
    for capabilities in [
        "AUTH=PLAIN",
        "AUTH=PLAIN LOGINDISABLED",
        "",
        "AUTH=CRAM-MD5",
    ] {
        for method in [None, Some(Method::Login)] {
            let heard = format!("{}* BYE\r\na1 OK\r\n", greets(capabilities));
            let (result, said) = logs_in(&heard, method, false);
            assert!(result.is_err());
            assert_eq!(said, "a1 LOGOUT\r\n", "{capabilities}");
        }
    }
}

#[test]
fn login_disabled_is_obeyed() {
    let heard = format!("{}* BYE\r\na1 OK\r\n", greets("LOGINDISABLED"));
    let (result, said) = logs_in(&heard, None, true);
    let Err(error) = result else { panic!() };
    assert!(error.to_string().contains("LOGINDISABLED"), "{error}");
    assert_eq!(said, "a1 LOGOUT\r\n");
}

#[test]
fn the_mechanism_of_the_url_is_a_restriction() {
    let heard = format!("{}* BYE\r\na1 OK\r\n", greets("AUTH=PLAIN SASL-IR"));
    for (url, private) in [
        ("imap://me;AUTH=SCRAM-SHA-256@a", true),
        ("imap://me;AUTH=*@a", false),
        ("imap://me;AUTH=X-ODD@a", true),
    ] {
        let (result, said) = logs_in_at(url, &heard, &me("secret"), None, private);
        assert!(result.is_err(), "{url}");
        assert_eq!(said, "a1 LOGOUT\r\n", "{url}");
    }
}

#[test]
fn refusals_have_their_kind() {
    for (reply, transient, credentials) in [
        ("NO no", false, true),
        ("NO [ALERT] Invalid credentials", false, true),
        ("NO [AUTHENTICATIONFAILED] no", false, true),
        ("NO [UNAVAILABLE] later", true, false),
        ("NO [CONTACTADMIN] no", false, false),
    ] {
        let heard = format!("{}a1 {reply}\r\n* BYE\r\na2 OK\r\n", greets(""));
        let (result, _) = logs_in(&heard, None, true);
        let Err(error) = result else { panic!() };
        let about = matches!(
            &error,
            Error::Refused {
                refusal: Refusal::Credentials,
                ..
            }
        );
        assert_eq!(
            (error.is_transient(), about),
            (transient, credentials),
            "{reply}"
        );
    }
}

#[test]
fn preauthenticated_servers_get_no_command_in_the_clear() {
    let heard = "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n";
    let (result, said) = logs_in(heard, None, false);
    assert!(matches!(result, Err(Error::Insecure { .. })));
    assert_eq!(said, "");
    let (client, said) = client_of(heard, "a");
    assert!(matches!(
        client.unwrap().start_tls(),
        Err(Error::Insecure { .. })
    ));
    assert_eq!(said.text(), "");
    let memory = Memory::new(heard);
    let said = memory.said();
    let mut target = Target::parse("imap://far.example").unwrap();
    target.endpoint.security = Security::StartTls;
    assert!(matches!(
        Client::over(Connection::over(memory), &target),
        Err(Error::Insecure { .. })
    ));
    assert_eq!(said.text(), "");
    let (result, said) = logs_in(&format!("{heard}* CAPABILITY X\r\na1 OK\r\n"), None, true);
    result.unwrap();
    assert_eq!(said, "a1 CAPABILITY\r\n");
}

#[test]
fn starttls_must_be_offered_and_be_answered_with_yes() {
    let offered = greets("STARTTLS");
    for (heard, why) in [
        (greets(""), "does not offer"),
        (format!("{offered}a1 NO\r\n"), "refused STARTTLS"),
        (format!("{offered}a1 BAD\r\n"), "refused STARTTLS"),
        (
            format!("{offered}|a1 OK go\r\n* CAPABILITY X\r\n"),
            "16 bytes",
        ),
        (format!("{offered}|a1 OK go\r\na2 OK\r\n"), "7 bytes"),
        // The answer comes with the greeting.
        (format!("{offered}a1 OK go\r\n|x"), "only when asked"),
        (format!("{offered}+ go\r\n"), "under way"),
        (format!("{offered}b1 OK\r\n"), "under way"),
    ] {
        let (client, said) = client_of(&heard, "a");
        let Err(error) = client.unwrap().start_tls() else {
            panic!("{why}");
        };
        assert!(error.to_string().contains(why), "{error}");
        assert!(matches!(said.text().as_str(), "" | "a1 STARTTLS\r\n"));
    }
}

#[test]
fn answers_that_come_early_are_none() {
    let early: String = (1..10)
        .map(|number| format!("a{number} OK early\r\n"))
        .collect();
    let (client, said) = client_of(&format!("{}{early}|x", greets("")), "a");
    let result = client.unwrap().log_in(&me("secret"), None, true);
    assert!(matches!(result, Err(Error::Malformed { .. })));
    assert_eq!(said.text(), "");
}

#[test]
fn what_was_said_in_the_clear_is_forgotten() {
    let heard =
        "* OK [CAPABILITY LOGINDISABLED] hi\r\n* OK [ALERT] call me\r\n* 9 EXISTS\r\na1 OK\r\n";
    let (client, _) = client_of(heard, "a");
    let mut client = client.unwrap();
    client.ask_capabilities().unwrap();
    assert!(client.capabilities().offers("LOGINDISABLED"));
    client.wire.forget();
    assert!(client.capabilities().is_empty());
    assert!(client.take_alerts().is_empty());
    assert_eq!(client.wire.next_event(), None);
}
