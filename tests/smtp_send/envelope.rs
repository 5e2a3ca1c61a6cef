//! Who gets it, from whom, and what is asked for with it.

use super::*;

fn recipients(mail: &Mail) -> Vec<String> {
    let letter = mail.letter();
    letter.recipients.into_iter().map(|(to, _)| to).collect()
}

#[test]
fn everybody_is_named_once() {
    let mail = Mail::ruled(&[]);
    compose(
        &mail,
        &[
            "--to",
            "B <b@example.org>, c@example.org",
            "--to",
            "\"D, E\" <d@example.org>",
            "--cc",
            "b@EXAMPLE.org",
            "--bcc",
            "e@example.org",
            "--text",
            "x",
        ],
    )
    .exits(0);
    assert_eq!(
        recipients(&mail),
        [
            "b@example.org",
            "c@example.org",
            "d@example.org",
            "e@example.org"
        ]
    );
}

#[test]
fn recipients_come_from_the_header_where_that_is_asked_for() {
    let mail = Mail::ruled(&[]);
    let run = send_message(
        &mail,
        &sample("blind-copy.eml"),
        &["--recipients-from-headers"],
    );
    run.exits(0).says("its Bcc field is not sent");
    let letter = mail.letter();
    assert_eq!(letter.sender, "ann@a.example");
    let mut all = recipients(&mail);
    all.sort();
    assert_eq!(
        all,
        [
            "bob@b.example",
            "carl@c.example",
            "dora@d.example",
            "eve@e.example",
            "fred@f.example"
        ]
    );
    let text = String::from_utf8(letter.content).unwrap();
    assert!(!text.contains("carl") && !text.contains("dora") && !text.contains("fred"));
    assert!(
        text.ends_with("\r\n\r\nBcc: this line is text\r\n"),
        "{text}"
    );
}

#[test]
fn a_blind_copy_stays_where_that_is_asked_for() {
    let mail = Mail::ruled(&[]);
    let path = sample("blind-copy.eml");
    let run = send_message(&mail, &path, &["--keep-bcc"]).exits(0);
    assert_eq!(run.stderr, "");
    assert_eq!(mail.letter().content, std::fs::read(path).unwrap());
}

#[test]
fn a_message_that_is_sent_on_goes_to_whom_it_is_sent_on() {
    let mail = Mail::ruled(&[]);
    send_message(&mail, &sample("resent.eml"), &["--recipients-from-headers"]).exits(0);
    let header = std::fs::read_to_string(sample("resent.eml")).unwrap();
    for to in recipients(&mail) {
        let line = header.lines().find(|line| line.contains(&to)).unwrap();
        assert!(line.to_ascii_lowercase().starts_with("resent-"), "{line}");
    }
}

#[test]
fn the_sender_of_the_envelope_may_be_another_or_nobody() {
    for (sender, said) in [("<>", ""), ("bounces@example.org", "bounces@example.org")] {
        let mail = Mail::ruled(&[]);
        send(&mail, &["--sender", sender]).exits(0);
        assert_eq!(mail.letter().sender, said);
    }
    let mail = Mail::ruled(&[]);
    let url = mail.url();
    let path = sample("plain.eml");
    let arguments = [
        "smtp-send",
        &url,
        "--from",
        "<>",
        "--to",
        "b@example.org",
        "--message",
        &path,
    ];
    proto(&arguments).exits(0);
    assert_eq!(mail.letter().sender, "");
}

#[test]
fn reports_are_asked_for_in_the_words_of_the_extension() {
    let mail = Mail::ruled(&[]);
    send(
        &mail,
        &[
            "--notify",
            "success,delay",
            "--return",
            "full",
            "--envelope-id",
            "a b+c=d",
        ],
    )
    .exits(0);
    let letter = mail.letter();
    for parameter in ["RET=FULL", "ENVID=a+20b+2Bc+3Dd"] {
        assert!(
            letter.mail_parameters.contains(&parameter.to_owned()),
            "{letter:?}"
        );
    }
    let [(_, parameters)] = &letter.recipients[..] else {
        panic!("{letter:?}")
    };
    assert_eq!(
        parameters,
        &["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;b@example.org"]
    );
}

#[test]
fn the_submitter_is_named_where_somebody_logged_in() {
    for (submitter, said) in [
        ("e=mc2@example.com", "AUTH=e+3Dmc2@example.com"),
        ("<>", "AUTH=<>"),
    ] {
        let mail = Mail::ruled(&[]);
        send(&mail, &["--submitter", submitter]).exits(0);
        let letter = mail.letter();
        assert!(
            letter.mail_parameters.contains(&said.to_owned()),
            "{letter:?}"
        );
    }
}

#[test]
fn our_name_is_what_we_say_or_our_address() {
    for (options, name) in [
        (&[][..], "[127.0.0.1]"),
        (&["--ehlo", "me.example.org"], "me.example.org"),
    ] {
        let mail = Mail::ruled(&[]);
        send(&mail, options).exits(0);
        assert_eq!(mail.letter().hello, name);
    }
}

#[test]
fn international_addresses_go_as_they_are_and_domains_as_a_labels() {
    let mail = Mail::ruled(&[]);
    compose(
        &mail,
        &[
            "--to",
            "jörg@müller.example, b@bücher.example",
            "--text",
            "x",
        ],
    )
    .exits(0);
    let letter = mail.letter();
    assert!(
        letter.mail_parameters.contains(&"SMTPUTF8".to_owned()),
        "{letter:?}"
    );
    let all = recipients(&mail);
    assert!(all[0].starts_with("jörg@"), "{all:?}");
    assert!(
        all[1] == "b@xn--bcher-kva.example" || all[1] == "b@bücher.example",
        "{all:?}"
    );
}

#[test]
fn a_quoted_local_part_is_one_address() {
    let mail = Mail::ruled(&[]);
    compose(&mail, &["--to", "\"a b, c@d\"@example.org", "--text", "x"]).exits(0);
    assert_eq!(recipients(&mail), ["\"a b, c@d\"@example.org"]);
}

#[test]
fn without_sender_or_recipient_nothing_is_sent() {
    let mail = Mail::ruled(&[]);
    let url = mail.url();
    let path = sample("plain.eml");
    for arguments in [
        &["--to", "b@x", "--message", &path][..],
        &["--from", "a@x", "--message", &path],
        &["--from", "a@x", "--text", "x"],
        &["--to", "b@x", "--text", "x"],
    ] {
        proto(&[&["smtp-send", &url], arguments].concat()).exits(64);
    }
    assert_eq!(mail.server.connections(), 0);
}
