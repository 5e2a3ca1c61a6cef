//! Replies at random: what the client reports must be what a server that said so must think.

use proptest::prelude::*;
use proto_smtp::{Delivery, Fate};

use crate::conversations::check;
use crate::kit::{after_hello, lines, Mail, Mode};
use crate::model::Event;
use crate::oracle::{Oracle, Seen};

fn mode() -> impl Strategy<Value = Mode> {
    any::<[bool; 4]>().prop_map(|[lmtp, pipelining, chunking, all_or_nothing]| Mode {
        lmtp,
        pipelining,
        chunking,
        all_or_nothing,
    })
}

/// Mostly what servers say when all is well, so that conversations come far.
fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        30 => Just(Event::Reply(250)),
        8 => Just(Event::Reply(354)),
        3 => Just(Event::Reply(450)),
        3 => Just(Event::Reply(550)),
        1 => Just(Event::Reply(421)),
        1 => (100..600_u16).prop_map(Event::Reply),
        1 => Just(Event::Garbage),
        1 => Just(Event::Nul),
    ]
}

fn mail() -> impl Strategy<Value = Mail> {
    let small = Just(b"a: b\r\n\r\n..\r\n.\r\nc\r\n".to_vec());
    let content = prop_oneof![9 => small, 1 => (0..400_000_usize).prop_map(lines)];
    (1..4_usize, content).prop_map(|(recipients, content)| Mail::new(recipients, content))
}

fn is_yes(code: Option<u16>) -> bool {
    code.is_some_and(|code| code / 100 == 2)
}

/// What a report may be, given what the server had and said.
fn judge(mode: Mode, mail: &Mail, delivery: &Delivery, seen: Option<&Seen>, last: Option<u16>) {
    let nothing = Seen::default();
    let seen = seen.unwrap_or(&nothing);
    let mut place = 0;
    for (number, outcome) in delivery.outcomes.iter().enumerate() {
        let asked = seen.recipients.get(number).copied().flatten();
        let end = match mode.lmtp {
            true => seen.end.get(place),
            false => seen.end.first(),
        };
        place += usize::from(is_yes(asked));
        let end = end.copied().flatten();
        let took = seen.is_whole && is_yes(seen.mail) && is_yes(asked) && is_yes(end);
        let took = took
            && seen
                .leave
                .iter()
                .all(|code| is_yes(*code) || *code == Some(354));
        let case = || format!("{mode:?} {outcome:?} {seen:?} {last:?}");
        match outcome.fate {
            Fate::Accepted => assert!(took && seen.content == mail.at_the_server(), "{}", case()),
            Fate::Unknown => assert!(seen.is_whole && !took, "{}", case()),
            Fate::NotSent => assert!(!seen.is_whole, "{}", case()),
            Fate::RefusedForNow | Fate::RefusedForGood => {
                let code = outcome.reply.as_ref().unwrap().code;
                let mut replies = vec![seen.mail, asked, end, last];
                // A farewell is for all who had no answer yet.
                replies.extend(seen.recipients.iter().filter(|code| **code == Some(421)));
                replies.extend(&seen.leave);
                assert!(!took && replies.contains(&Some(code)), "{}", case());
            }
            Fate::Willing => panic!("{}", case()),
        }
    }
}

/// Sends messages one after another, also after failures, and judges what is reported of each.
pub fn send_and_judge(mode: Mode, mails: &[Mail], pieces: &[Vec<u8>], events: &[Event]) {
    let (mut session, said) = mode.session(pieces);
    let mut done: Vec<Delivery> = Vec::new();
    let mut given = 0;
    session.send_all(
        &mut || {
            given += 1;
            mails.get(given - 1).cloned()
        },
        &mut |mail, delivery| {
            assert_eq!(mail.content, mails[done.len()].content);
            assert_eq!(delivery.outcomes.len(), mail.envelope.recipients.len());
            done.push(delivery);
        },
    );
    assert_eq!(done.len(), given.min(mails.len()), "each is answered for");
    let said = after_hello(&said);
    let seen = Oracle::read(mode.lmtp, &said, events);
    let last = match events.last() {
        Some(Event::Reply(421)) => Some(421),
        _ => None,
    };
    for (number, (mail, delivery)) in mails.iter().zip(&done).enumerate() {
        judge(mode, mail, delivery, seen.get(number), last);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_message_becomes_what_the_model_says(
        mode in mode(),
        mail in mail(),
        events in prop::collection::vec(event(), 0..12),
    ) {
        check(mode, &mail, &events);
    }

    #[test]
    fn many_messages_become_what_the_server_thinks(
        mode in mode(),
        mails in prop::collection::vec(mail(), 1..6),
        events in prop::collection::vec(event(), 0..50),
    ) {
        let pieces: Vec<_> = events.iter().map(|event| event.wire()).collect();
        send_and_judge(mode, &mails, &pieces, &events);
    }

    #[test]
    fn noise_hurts_nobody(
        mode in mode(),
        mails in prop::collection::vec(mail(), 1..4),
        start in 0..8_usize,
        noise in prop::collection::vec("(250|354|421|550|9)?[ -]?[a\r\n\0]{0,4}\r?\n?", 0..20),
    ) {
        let (mut session, _) = mode.session(
            vec!["250 ok\r\n".to_owned(); start].iter().chain(&noise),
        );
        let mut mails = mails.into_iter();
        session.send_all(&mut || mails.next(), &mut |mail, delivery| {
            assert_eq!(delivery.outcomes.len(), mail.envelope.recipients.len());
            assert!(!delivery.outcomes.iter().any(|one| one.fate == Fate::Willing));
        });
    }
}
