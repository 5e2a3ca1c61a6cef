//! What the server offers, what we pass over, and what we take for granted.

use super::*;
use proto_mock::Options;

const ALL: [&str; 10] = [
    "PIPELINING",
    "SIZE",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "CHUNKING",
    "BINARYMIME",
    "ENHANCEDSTATUSCODES",
    "STARTTLS",
    "AUTH",
];

fn lacking(names: &[&str]) -> Mail {
    let mut mta = mta(&[]);
    mta.without = names.iter().map(|name| (*name).to_owned()).collect();
    Mail::with(mta, Options::default())
}

#[test]
fn a_plain_letter_needs_no_extension() {
    for name in ALL {
        let mail = Mail::ruled(&[]);
        send(&mail, &["--without", name]).exits(0);
        send(&mail, &["--without", &name.to_lowercase()]).exits(0);
        assert_eq!(mail.letters().len(), 2);
        let mail = lacking(&[name]);
        send(&mail, &[]).exits(0);
        mail.letter();
    }
    for mail in [lacking(&ALL), lacking(&["EHLO"])] {
        send(&mail, &[]).exits(0);
        let letter = mail.letter();
        assert_eq!(letter.mail_parameters, [""; 0]);
        assert!(!letter.by_chunks);
    }
}

#[test]
fn what_is_passed_over_is_not_said() {
    for (name, said) in [("SIZE", "SIZE="), ("CHUNKING", "BDAT")] {
        let mail = Mail::ruled(&[]);
        send(&mail, &["--without", name]).exits(0);
        let heard = mail.heard().join("\n");
        assert!(!heard.contains(said), "{heard}");
    }
}

#[test]
fn what_the_server_does_not_offer_is_not_asked_of_it() {
    for (name, message, options) in [
        ("8BITMIME", "eight-bit-utf-8.eml", &[][..]),
        ("8BITMIME", "eight-bit-latin-1.eml", &[]),
        ("SMTPUTF8", "utf-8-header.eml", &[]),
        ("SMTPUTF8", "plain.eml", &["--to", "jörg@example.org"]),
        ("DSN", "plain.eml", &["--notify", "never"]),
        ("DSN", "plain.eml", &["--return", "full"]),
        ("DSN", "plain.eml", &["--envelope-id", "x"]),
        ("BINARYMIME", "plain.eml", &["--binary"]),
        ("CHUNKING", "plain.eml", &["--binary"]),
        ("AUTH", "plain.eml", &["--submitter", "<>"]),
    ] {
        for mail in [lacking(&[name]), Mail::ruled(&[])] {
            let mut options = options.to_vec();
            options.extend(["--without", name]);
            let run = send_message(&mail, &sample(message), &options).exits(69);
            assert!(
                run.text().contains(name) || run.text().contains("BINARYMIME"),
                "{run:?}"
            );
            assert!(run.text().starts_with("not-sent"), "{run:?}");
            assert_eq!(mail.letters(), []);
            let heard = mail.heard();
            assert!(
                !heard.iter().any(|line| line.starts_with("MAIL")),
                "{heard:?}"
            );
        }
    }
}

#[test]
fn what_is_assumed_is_used() {
    let mail = lacking(&["SIZE"]);
    send(&mail, &["--assume", "SIZE"]).exits(69);
    let heard = mail.heard().join("\n");
    assert!(heard.contains("MAIL FROM:<a@example.org> SIZE="), "{heard}");
    // A server that only forgot to say so.
    let mail = Mail::ruled(&["ehlo reply=250 localhost"]);
    send(&mail, &["--assume", "CHUNKING", "--assume", "pipelining"]).exits(0);
    assert!(mail.mta.letters()[0].by_chunks);
}

#[test]
fn eight_bits_are_declared_only_where_there_are_some() {
    for (message, declared) in [
        ("plain.eml", &[][..]),
        ("eight-bit-utf-8.eml", &["BODY=8BITMIME"]),
        ("eight-bit-latin-1.eml", &["BODY=8BITMIME"]),
        ("utf-8-header.eml", &["BODY=8BITMIME", "SMTPUTF8"]),
    ] {
        let mail = Mail::ruled(&[]);
        send_message(&mail, &sample(message), &[]).exits(0);
        let mut parameters = mail.letter().mail_parameters;
        parameters.retain(|parameter| !parameter.starts_with("SIZE="));
        assert_eq!(parameters, declared, "{message}");
    }
}

#[test]
fn a_message_over_the_servers_limit_stays_here() {
    let mut mta = mta(&[]);
    mta.max_size = 100;
    let mail = Mail::with(mta, Options::default());
    let run = send(&mail, &[]).exits(69);
    assert!(run.text().contains("takes 100 at most"), "{run:?}");
    assert_eq!(mail.letters(), []);
    // Without the extension the server says so itself.
    let run = send(&mail, &["--without", "SIZE"]).exits(69);
    assert!(run.text().contains("552"), "{run:?}");
}

#[test]
fn unknown_extensions_and_words_are_mistakes() {
    let mail = Mail::ruled(&[]);
    for options in [
        ["--without", "NONSENSE"],
        ["--assume", "CHUNKIN"],
        ["--notify", "sometimes"],
        ["--return", "half"],
        ["--until", "never"],
        ["--auth", "NTLM"],
    ] {
        send(&mail, &options).exits(64);
    }
    assert_eq!(mail.server.connections(), 0);
}
