//! Against the mock server, which takes nothing that is not right and remembers what it took.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proto_auth::{SaslCredentials, SaslMechanism};
use proto_mock::smtp::{Letter, Mta};
use proto_mock::{Options, Server};
use proto_smtp::{Client, Delivery, Fate, Preferences, Session, Target};
use proto_transport::Connector;

use crate::kit::{lines, modes, Mail, Mode};

fn start(mta: Mta) -> (Server, Arc<Mta>) {
    let mta = Arc::new(mta);
    let server = Server::start(Options::default(), mta.clone()).unwrap();
    (server, mta)
}

fn in_mode(mode: Mode, rules: &[String]) -> Mta {
    let mut mta = Mta::default();
    mta.lmtp = mode.lmtp;
    mta.rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    for (has, name) in [(mode.pipelining, "PIPELINING"), (mode.chunking, "CHUNKING")] {
        if !has {
            mta.without.push(name.to_owned());
        }
    }
    mta
}

fn greeted(server: &Server, lmtp: bool) -> Client {
    let scheme = if lmtp { "lmtp" } else { "smtp" };
    let target = Target::parse(&format!("{scheme}://{}", server.address())).unwrap();
    let mut connector = Connector::default();
    connector.timeouts.silence = Duration::from_secs(20);
    let mut client = Client::connect(&connector, &target, &Preferences::default()).unwrap();
    client.hello(false).unwrap();
    client
}

fn session(server: &Server, mode: Mode) -> Session {
    let mut session = greeted(server, mode.lmtp).into_session();
    session.all_or_nothing = mode.all_or_nothing;
    session
}

/// A message that can be told from all others.
fn numbered(number: usize, recipients: usize, size: usize) -> Mail {
    let mut content = format!("X-Number: {number}\r\n\r\n").into_bytes();
    content.extend(lines(size));
    Mail::new(recipients, content)
}

/// Sends messages over as many connections as it takes.
fn send(server: &Server, mode: Mode, mails: &[Mail]) -> Vec<Delivery> {
    let mut done = Vec::new();
    let mut given = 0;
    while given < mails.len() {
        let mut session = session(server, mode);
        session.send_all(
            &mut || {
                given += 1;
                mails.get(given - 1).cloned()
            },
            &mut |_, delivery| done.push(delivery),
        );
        given = given.min(mails.len());
        session.quit();
    }
    done
}

/// That what was accepted is there once, byte for byte, and nothing else is.
fn compare(mails: &[Mail], done: &[Delivery], letters: &[Letter]) {
    assert_eq!(mails.len(), done.len());
    for (mail, delivery) in mails.iter().zip(done) {
        let expected = mail.at_the_server();
        let mine: Vec<_> = letters
            .iter()
            .filter(|letter| letter.content == expected)
            .collect();
        for outcome in &delivery.outcomes {
            let address = outcome.recipient.address.to_string();
            let to = |letter: &&&Letter| letter.recipients.iter().any(|(to, _)| *to == address);
            let count = mine.iter().filter(to).count();
            match outcome.fate {
                Fate::Accepted => assert_eq!(count, 1, "{delivery:?}"),
                Fate::Unknown => assert!(count <= 1, "{delivery:?}"),
                _ => assert_eq!(count, 0, "{delivery:?}"),
            }
        }
    }
    let contents: Vec<_> = mails.iter().map(Mail::at_the_server).collect();
    assert!(letters
        .iter()
        .all(|letter| contents.contains(&letter.content)));
}

#[test]
fn messages_of_all_sizes_arrive_as_they_were() {
    let sizes = [0, 1, 63, 65_500, 65_536, 65_600, 131_000, 300_000];
    let mails: Vec<Mail> = sizes
        .iter()
        .enumerate()
        .map(|(number, size)| numbered(number, 2, *size))
        .collect();
    for mode in modes() {
        let (server, mta) = start(in_mode(mode, &[]));
        let done = send(&server, mode, &mails);
        assert!(
            done.iter().all(|delivery| delivery.is_all(Fate::Accepted)),
            "{done:?}"
        );
        compare(&mails, &done, &mta.letters());
        assert_eq!(mta.violations(), [""; 0], "{mode:?}");
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_message_has_ten_thousand_recipients() {
    for mode in modes().filter(|mode| mode.pipelining) {
        let rule = "rcpt=r*7@* reply=550 5.1.1 No".to_owned();
        let (server, mta) = start(in_mode(mode, &[rule]));
        let mails = [numbered(0, 10_000, 100)];
        let done = send(&server, mode, &mails);
        compare(&mails, &done, &mta.letters());
        let refused = done[0]
            .outcomes
            .iter()
            .filter(|one| one.fate == Fate::RefusedForGood);
        assert_eq!(refused.count(), 1_000);
        assert_eq!(mta.violations(), [""; 0]);
    }
}

/// Something that goes wrong.
fn rule() -> impl Strategy<Value = String> {
    let event = prop::sample::select(vec![
        "mail",
        "rcpt=r0@*",
        "rcpt=r1@*",
        "rcpt",
        "data",
        "dot",
        "dot=r1@*",
    ]);
    let what = prop::sample::select(vec![
        "reply=450 4.0.0 Later",
        "reply=550 5.0.0 No",
        "reply=552 5.0.0 No\\nnever",
        "reply=421 4.0.0 Bye",
        "drop",
        "drop-after",
        "drop-after reply=451 4.0.0 Later",
        "reset",
    ]);
    (event, what, 0..6_usize, 1..3_usize).prop_map(|(event, what, after, count)| {
        format!("{event} after={after} count={count} {what}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_goes_wrong_the_report_is_right(
        bits in 0..16_usize,
        rules in prop::collection::vec(rule(), 0..4),
        sizes in prop::collection::vec(prop_oneof![4 => 0..500_usize, 1 => 0..300_000_usize], 1..8),
    ) {
        let mode = modes().nth(bits).unwrap();
        // RFC 2033 section 4.3 has a reply to the last chunk for each recipient, also where it is
        // refused at once; the mock server has one then.
        prop_assume!(!(mode.lmtp && mode.chunking && rules.iter().any(|rule| rule.starts_with("data"))));
        let (server, mta) = start(in_mode(mode, &rules));
        let mails: Vec<Mail> = sizes
            .iter()
            .enumerate()
            .map(|(number, size)| numbered(number, 1 + size % 3, *size))
            .collect();
        let done = send(&server, mode, &mails);
        server.stop();
        compare(&mails, &done, &mta.letters());
        prop_assert_eq!(mta.violations(), [""; 0]);
    }
}

#[test]
fn every_mechanism_logs_in_at_a_server() {
    for mechanism in SaslMechanism::all() {
        let credentials = match mechanism.name() {
            "OAUTHBEARER" | "XOAUTH2" => SaslCredentials::Token {
                user: "tim".to_owned(),
                token: "secret".into(),
            },
            _ => SaslCredentials::Password {
                user: "tim".to_owned(),
                password: "secret".into(),
            },
        };
        let mut mta = Mta::default();
        mta.users = vec![("tim".to_owned(), "secret".to_owned())];
        mta.requires_login = true;
        let (server, mta) = start(mta);
        let client = greeted(&server, false);
        let offered = client.extensions().mechanisms();
        if !offered.iter().any(|name| name == mechanism.name()) {
            continue;
        }
        let mut session = match client.log_in(&credentials, Some(*mechanism), true) {
            Ok(session) => session,
            // Who is not known by a certificate cannot rely on one.
            Err(_) if *mechanism == SaslMechanism::External => continue,
            Err(error) => panic!("{}: {error}", mechanism.name()),
        };
        assert!(session.send(Mail::new(1, "x\r\n")).is_all(Fate::Accepted));
        assert_eq!(
            mta.letters()[0].mechanism.as_deref(),
            Some(mechanism.name())
        );
        assert_eq!(mta.violations(), [""; 0], "{}", mechanism.name());
    }
}
