use super::*;
use proto_transport::{Memory, Said};

fn client(heard: &str) -> (Result<Client>, Said) {
    // A bar keeps lines together that come in one piece.
    let memory = match heard.contains('|') {
        true => Memory::in_pieces(heard.split('|')),
        false => Memory::in_pieces(heard.split_inclusive('\n')),
    };
    let said = memory.said();
    let target = Target::parse("ftp://ftp.example.org").unwrap();
    let connection = Connection::over(memory);
    (
        Client::over(connection, &Connector::default(), &target),
        said,
    )
}

fn fred() -> Login {
    Login {
        user: "fred".to_owned(),
        password: "secret".into(),
        account: Some("staff".into()),
    }
}

fn logs_in(heard: &str, login: &Login, is_private: bool) -> (Result<Session>, String) {
    let (client, said) = client(&format!("220 hi\r\n{heard}"));
    let result = client.unwrap().log_in(login, is_private);
    (result, said.text())
}

const UNKNOWN: &str = "502 FEAT?\r\n";

#[test]
fn greetings() {
    for yes in [
        "220 hi\r\n",
        "220-free\r\n text 220 no end\r\n221 nor this\r\n220 end\r\n",
        "120 in 5 minutes\r\n220 hi\r\n",
    ] {
        assert!(client(yes).0.is_ok(), "{yes}");
    }
    for no in [
        "421 too many\r\n",
        "530 go away\r\n",
        "120 wait\r\n421 no\r\n",
    ] {
        assert!(matches!(client(no).0, Err(Error::Refused { .. })), "{no}");
    }
    for wrong in [
        "230 in\r\n",
        "SSH-2.0-x\r\n",
        "120 a\r\n120 b\r\n120 c\r\n120 d\r\n220 hi\r\n",
    ] {
        assert!(
            matches!(client(wrong).0, Err(Error::Malformed { .. })),
            "{wrong}"
        );
    }
    let whole = "220-free\r\n220 end\r\n";
    for length in 0..whole.len() {
        assert!(
            matches!(client(&whole[..length]).0, Err(Error::Closed { .. })),
            "{length}"
        );
    }
}

#[test]
fn logins_of_every_length() {
    for (replies, said) in [
        ("230 in\r\n", "USER fred\r\nFEAT\r\n"),
        (
            "331 pass?\r\n230 in\r\n",
            "USER fred\r\nPASS secret\r\nFEAT\r\n",
        ),
        (
            "331 pass?\r\n202 no need\r\n",
            "USER fred\r\nPASS secret\r\nFEAT\r\n",
        ),
        (
            "331 ?\r\n332 ?\r\n230 in\r\n",
            "USER fred\r\nPASS secret\r\nACCT staff\r\nFEAT\r\n",
        ),
        ("332 ?\r\n230 in\r\n", "USER fred\r\nACCT staff\r\nFEAT\r\n"),
    ] {
        let (result, told) = logs_in(&format!("{replies}{UNKNOWN}"), &fred(), true);
        assert!(result.is_ok(), "{replies}");
        assert_eq!(told, said);
    }
}

#[test]
fn refused_logins_say_why() {
    let without = Login {
        account: None,
        ..fred()
    };
    for (replies, refusal) in [
        ("331 ?\r\n530 no\r\n221 bye\r\n", Refusal::Credentials),
        ("331 ?\r\n332 account?\r\n221 bye\r\n", Refusal::Credentials),
        ("331 ?\r\n421 busy\r\n", Refusal::Transient),
        ("500 OOPS: cannot\r\n", Refusal::Lasting),
    ] {
        let (result, _) = logs_in(replies, &without, true);
        match result {
            Err(Error::Refused { refusal: found, .. }) => assert_eq!(found, refusal, "{replies}"),
            other => panic!("{replies}: {:?}", other.map(|_| ())),
        }
    }
    for wrong in [
        "150 go\r\n",
        "331 ?\r\n331 ?\r\n220 x\r\n",
        "220 hi again\r\n",
    ] {
        assert!(logs_in(wrong, &without, true).0.is_err(), "{wrong}");
    }
}

#[test]
fn a_password_is_not_said_in_the_clear() {
    let (result, said) = logs_in("221 bye\r\n", &fred(), false);
    assert!(matches!(result, Err(Error::Insecure { .. })));
    assert_eq!(said, "QUIT\r\n");
    let (result, _) = logs_in(&format!("230 in\r\n{UNKNOWN}"), &Login::anonymous(), false);
    assert!(result.is_ok());
}

#[test]
fn an_answer_before_the_question_is_refused() {
    let (client, said) = client("220 hi\r\n230 in\r\n|502 ?\r\n");
    assert!(matches!(
        client.unwrap().log_in(&fred(), true),
        Err(Error::Malformed { .. })
    ));
    assert_eq!(said.text(), "");
}

#[test]
fn without_a_clear_yes_there_is_no_tls_and_no_login() {
    for reply in [
        "500 ?",
        "502 no",
        "504 what?",
        "534 no",
        "421 bye",
        "200 ok",
        "334 go on",
        "120 x",
    ] {
        let (client, said) = client(&format!("220 hi\r\n{reply}\r\n"));
        let error = client.unwrap().start_tls().err().unwrap();
        assert!(matches!(error, Error::Insecure { .. }), "{reply}: {error}");
        assert_eq!(said.text(), "AUTH TLS\r\n");
    }
    let (client, _) = client("220 hi\r\n|234 go\r\n200 injected\r\n");
    let error = client.unwrap().start_tls().err().unwrap();
    assert!(matches!(error, Error::Insecure { .. }), "{error}");
}

#[test]
fn what_is_not_protected_is_not_gone_on_with() {
    for (replies, said) in [
        ("533 no\r\n", "PBSZ 0\r\n"),
        ("200 ok\r\n536 no\r\n", "PBSZ 0\r\nPROT P\r\n"),
        ("200 ok\r\n150 x\r\n", "PBSZ 0\r\nPROT P\r\n"),
    ] {
        let (client, told) = client(&format!("220 hi\r\n{replies}"));
        let error = client.unwrap().protect().err().unwrap();
        assert!(matches!(error, Error::Insecure { .. }), "{error}");
        assert_eq!(told.text(), said);
    }
}

#[test]
fn the_name_of_the_host_is_told_to_those_who_ask() {
    for (heard, wanted) in [
        (
            "220 hi\r\n|211-x\r\n HOST\r\n211 end\r\n|220 hi\r\n",
            "FEAT\r\nHOST ftp.example.org\r\n",
        ),
        (
            "220 hi\r\n|211-x\r\n HOST\r\n211 end\r\n|504 who?\r\n",
            "FEAT\r\nHOST ftp.example.org\r\n",
        ),
        ("220 hi\r\n|530 log in first\r\n", "FEAT\r\n"),
    ] {
        let (client, said) = client(heard);
        client.unwrap().host().unwrap();
        assert_eq!(said.text(), wanted);
    }
}
