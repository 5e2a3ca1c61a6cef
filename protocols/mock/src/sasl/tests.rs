//! Exchanges as text, with the examples of the RFCs.

use super::*;

fn users() -> Vec<(String, String)> {
    let users = [
        ("user", "pencil"),
        ("tim", "tanstaaftanstaaf"),
        ("a,b=c", "x"),
    ];
    users
        .map(|(name, password)| (name.to_owned(), password.to_owned()))
        .to_vec()
}

/// How an exchange goes: what the server says to each message, the first of which may be missing.
fn turns(mechanism: Mechanism, messages: &[&str]) -> Turn {
    let users = users();
    let guard = Guard {
        users: &users,
        ..Guard::default()
    };
    let mut exchange = Exchange::new(mechanism, guard);
    let mut turn = exchange.begin();
    for message in messages {
        turn = exchange.answer(message.as_bytes());
    }
    turn
}

fn challenge(text: &str) -> Turn {
    Turn::Challenge(text.into())
}

fn welcome(user: &str) -> Turn {
    Turn::Welcome(user.to_owned())
}

#[test]
fn every_mechanism_has_its_name() {
    for mechanism in MECHANISMS {
        assert_eq!(
            Mechanism::named(&mechanism.name().to_lowercase()),
            Some(mechanism)
        );
    }
    assert_eq!(Mechanism::named("GSSAPI"), None);
}

#[test]
fn passwords_are_compared() {
    use Mechanism::{Login, Plain};
    assert_eq!(turns(Plain, &[]), challenge(""));
    assert_eq!(turns(Plain, &["\0user\0pencil"]), welcome("user"));
    assert_eq!(turns(Plain, &["user\0user\0pencil"]), welcome("user"));
    assert_eq!(
        turns(Plain, &["\0user\0pen"]),
        Turn::Refused("wrong password")
    );
    assert_eq!(
        turns(Plain, &["\0me\0pencil"]),
        Turn::Refused("no such user")
    );
    assert!(matches!(
        turns(Plain, &["tim\0user\0pencil"]),
        Turn::Refused(_)
    ));
    assert!(matches!(turns(Plain, &["user\0pencil"]), Turn::Broken(_)));
    assert!(matches!(
        turns(Plain, &["\0user\0pencil\0"]),
        Turn::Broken(_)
    ));
    assert_eq!(turns(Login, &[]), challenge("Username:"));
    assert_eq!(turns(Login, &["user"]), challenge("Password:"));
    assert_eq!(turns(Login, &["user", "pencil"]), welcome("user"));
    assert_eq!(
        turns(Login, &["user", "pen"]),
        Turn::Refused("wrong password")
    );
    assert!(matches!(
        turns(Login, &["user", "pencil", ""]),
        Turn::Broken(_)
    ));
}

#[test]
fn cram_md5_does_the_example_of_its_rfc() {
    let users = users();
    let guard = Guard {
        users: &users,
        ..Guard::default()
    };
    let answered = |answer: &str| {
        let mut exchange = Exchange::new(Mechanism::CramMd5, guard.clone());
        assert!(matches!(exchange.begin(), Turn::Challenge(_)));
        exchange.state = State::CramMd5 {
            challenge: "<1896.697170952@postoffice.reston.mci.net>".to_owned(),
        };
        exchange.answer(answer.as_bytes())
    };
    assert_eq!(
        answered("tim b913a602c7eda7a495b4e6e7334d3890"),
        welcome("tim")
    );
    assert_eq!(
        answered("tim B913A602C7EDA7A495B4E6E7334D3890"),
        Turn::Refused("wrong digest")
    );
    assert_eq!(answered("me 0"), Turn::Refused("no such user"));
    assert!(matches!(answered("tim"), Turn::Broken(_)));
    let mut early = Exchange::new(Mechanism::CramMd5, guard.clone());
    assert!(matches!(early.answer(b""), Turn::Broken(_)));
}

/// An exchange whose server's nonce and salt are those of an example.
fn example<'g>(mechanism: Mechanism, guard: Guard<'g>, nonce: &str, salt: &str) -> Exchange<'g> {
    let mut exchange = Exchange::new(mechanism, guard);
    exchange.nonce = nonce.to_owned();
    exchange.salt = BASE64_STANDARD.decode(salt).unwrap();
    exchange
}

#[test]
fn scram_does_the_examples_of_its_rfcs() {
    let users = users();
    let guard = Guard {
        users: &users,
        ..Guard::default()
    };
    // RFC 5802 section 5.
    let mut exchange = example(
        Mechanism::ScramSha1,
        guard.clone(),
        "3rfcNHYJY1ZVvWVs7j",
        "QSXCR+Q6sek8bf92",
    );
    assert_eq!(exchange.begin(), challenge(""));
    assert_eq!(
        exchange.answer(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"),
        challenge("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
    );
    assert_eq!(
        exchange.answer(
            b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        ),
        challenge("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")
    );
    assert_eq!(exchange.answer(b""), welcome("user"));
    // RFC 7677 section 3.
    let again = || {
        let nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let mut exchange = example(
            Mechanism::ScramSha256,
            guard.clone(),
            nonce,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
        );
        exchange.answer(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        exchange
    };
    let first = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let last = format!("{first},p={proof}");
    let mut exchange = again();
    assert_eq!(
        exchange.answer(last.as_bytes()),
        challenge("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    );
    assert!(matches!(exchange.answer(b"x"), Turn::Broken(_)));
    for (wrong, expected) in [
        (last.replace("dHzb", "dHzc"), Turn::Refused("wrong proof")),
        (
            last.replace("rOpr", "sOpr"),
            Turn::Refused("the nonce is another one"),
        ),
        (
            last.replace("biws", "eSws"),
            Turn::Refused("the channel binding is another one"),
        ),
    ] {
        assert_eq!(again().answer(wrong.as_bytes()), expected, "{wrong}");
    }
    assert!(matches!(again().answer(first.as_bytes()), Turn::Broken(_)));
}

#[test]
fn scram_looks_at_the_binding() {
    let users = users();
    let first = |mechanism, offers_binding, message: &str| {
        let guard = Guard {
            users: &users,
            end_point: Some(b"end point".to_vec()),
            offers_binding,
        };
        Exchange::new(mechanism, guard).answer(message.as_bytes())
    };
    use Mechanism::{ScramSha1, ScramSha256Plus};
    let is_challenged = |turn| matches!(turn, Turn::Challenge(_));
    let is_refused = |turn| matches!(turn, Turn::Refused(_));
    let is_broken = |turn| matches!(turn, Turn::Broken(_));
    assert!(is_challenged(first(ScramSha1, true, "n,,n=user,r=x")));
    assert!(is_challenged(first(ScramSha1, false, "y,,n=user,r=x")));
    assert!(is_refused(first(ScramSha1, true, "y,,n=user,r=x")));
    assert!(is_broken(first(
        ScramSha1,
        true,
        "p=tls-server-end-point,,n=user,r=x"
    )));
    assert!(is_challenged(first(
        ScramSha256Plus,
        true,
        "p=tls-server-end-point,,n=user,r=x"
    )));
    assert!(is_refused(first(
        ScramSha256Plus,
        true,
        "p=tls-unique,,n=user,r=x"
    )));
    assert!(is_broken(first(ScramSha256Plus, true, "n,,n=user,r=x")));
    assert!(is_challenged(first(
        ScramSha1,
        false,
        "n,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=x,ext=1"
    )));
    assert!(is_refused(first(ScramSha1, false, "n,a=tim,n=user,r=x")));
    for broken in [
        "",
        "n,,",
        "n,,n=user",
        "n,,n=a=b,r=x",
        "n,,n=user,r=",
        "n,x,n=user,r=x",
        "n,,m=1,n=user,r=x",
        "n,,n=,r=x",
    ] {
        assert!(is_broken(first(ScramSha1, false, broken)), "{broken}");
    }
}

#[test]
fn tokens_have_two_forms() {
    use Mechanism::{OAuthBearer, XOAuth2};
    let bearer = "n,a=user,\x01host=x\x01port=1\x01auth=Bearer pencil\x01\x01";
    assert_eq!(turns(OAuthBearer, &[bearer]), welcome("user"));
    assert_eq!(
        turns(OAuthBearer, &[&bearer.replace("a=user", "")]),
        welcome("user")
    );
    let wrong = bearer.replace("pencil", "x");
    assert!(
        matches!(turns(OAuthBearer, &[&wrong]), Turn::Challenge(json) if json.starts_with(b"{"))
    );
    assert_eq!(
        turns(OAuthBearer, &[&wrong, "\x01"]),
        Turn::Refused("wrong token")
    );
    assert!(matches!(turns(OAuthBearer, &[&wrong, ""]), Turn::Broken(_)));
    for broken in [
        "n,a=user,",
        "n,a=user\x01auth=Bearer pencil\x01\x01",
        "n,a=user,\x01auth=Bearer pencil\x01",
        "n,,\x01host=x\x01\x01",
    ] {
        assert!(
            matches!(turns(OAuthBearer, &[broken]), Turn::Broken(_)),
            "{broken:?}"
        );
    }
    let token = "user=user\x01auth=Bearer pencil\x01\x01";
    assert_eq!(turns(XOAuth2, &[token]), welcome("user"));
    let wrong = token.replace("user=user", "user=tim");
    assert_eq!(turns(XOAuth2, &[&wrong, ""]), Turn::Refused("wrong token"));
    assert!(matches!(
        turns(XOAuth2, &["user=user\x01auth=pencil\x01\x01"]),
        Turn::Broken(_)
    ));
}

#[test]
fn others_are_believed() {
    use Mechanism::{Anonymous, External};
    assert_eq!(turns(External, &[""]), welcome("external"));
    assert_eq!(turns(External, &["tim"]), welcome("tim"));
    assert_eq!(turns(External, &["me"]), Turn::Refused("no such user"));
    assert_eq!(turns(Anonymous, &["me@here"]), welcome("anonymous"));
}
