//! Every reply of a conversation, replaced by every other one.

use memchr::memmem;
use proto_smtp::Fate;

use crate::kit::{after_hello, fates, lines, modes, Mail, Mode};
use crate::model::{self, Event, Message};

/// What a message looks like to the model: chunks are of 64 KiB.
pub fn message(mode: Mode, mail: &Mail) -> Message {
    let size = mail.content.len();
    Message {
        recipients: mail.envelope.recipients.len(),
        chunks: if mode.chunking { size / 65_536 } else { 0 },
        is_small: size <= 65_536,
    }
}

/// All replies of a conversation in which everything goes well.
pub fn all_well(mode: Mode, message: Message) -> Vec<Event> {
    let mut codes = vec![250; 1 + message.recipients];
    match mode.chunking {
        true => codes.extend(vec![250; message.chunks]),
        false => codes.push(354),
    }
    codes.extend(vec![250; if mode.lmtp { message.recipients } else { 1 }]);
    codes.into_iter().map(Event::Reply).collect()
}

/// Holds a conversation and compares all that became of it with the model.
pub fn check(mode: Mode, mail: &Mail, events: &[Event]) {
    let message = message(mode, mail);
    let (mut session, said) = mode.session(events.iter().map(|event| event.wire()));
    let delivery = session.send(mail.clone());
    let case = || format!("{mode:?} {message:?} {events:?}: {delivery:?}");
    let expected = model::fates(mode, message, events);
    assert_eq!(fates(&delivery), expected, "{}", case());

    let to = delivery.outcomes.iter().map(|outcome| &outcome.recipient);
    assert!(to.eq(&mail.envelope.recipients), "{}", case());
    for outcome in &delivery.outcomes {
        let class = outcome.reply.as_ref().map(|reply| reply.code / 100);
        match outcome.fate {
            Fate::Accepted => assert_eq!(class, Some(2), "{}", case()),
            Fate::RefusedForNow => assert_eq!(class, Some(4), "{}", case()),
            Fate::RefusedForGood => assert_eq!(class, Some(5), "{}", case()),
            Fate::NotSent => assert!(
                mode.all_or_nothing || delivery.error.is_some(),
                "{}",
                case()
            ),
            Fate::Unknown => assert!(class.is_none() && delivery.error.is_some(), "{}", case()),
            Fate::Willing => panic!("{}", case()),
        }
    }
    // The end of the content has gone exactly where somebody may have it, or where it went ahead.
    let is_ended = has_end(mode, &after_hello(&said));
    let has = |fate| expected.contains(&fate);
    assert!(!has(Fate::Accepted) || is_ended, "{}", case());
    assert!(!has(Fate::NotSent) || !is_ended, "{}", case());
    assert!(
        delivery.error.is_none() || !session.is_usable(),
        "{}",
        case()
    );
}

fn has_end(mode: Mode, said: &[u8]) -> bool {
    let has = |part: &str| memmem::find(said, part.as_bytes()).is_some();
    match mode.chunking {
        true => has(" LAST\r\n"),
        false => has("\r\n.\r\n") && !has("DATA\r\n.\r\n"),
    }
}

/// What can stand in the place of a reply; nothing is the end of the conversation.
const INSTEAD: [&[Event]; 16] = [
    &[],
    &[Event::Reply(250)],
    &[Event::Reply(251)],
    &[Event::Reply(299)],
    &[Event::Reply(354)],
    &[Event::Reply(334)],
    &[Event::Reply(150)],
    &[Event::Reply(450)],
    &[Event::Reply(452)],
    &[Event::Reply(550)],
    &[Event::Reply(554)],
    &[Event::Reply(421)],
    &[Event::Garbage],
    &[Event::Nul],
    &[Event::Garbage, Event::Reply(250)],
    &[Event::Reply(421), Event::Reply(250)],
];

fn check_every_reply(mail: &Mail) {
    for mode in modes() {
        let well = all_well(mode, message(mode, mail));
        check(mode, mail, &well);
        for place in 0..well.len() {
            for instead in INSTEAD {
                // The conversation goes on as if nothing had been, or ends there.
                let start = [&well[..place], instead].concat();
                check(mode, mail, &start);
                check(mode, mail, &[&start, &well[place + 1..]].concat());
            }
        }
    }
}

#[test]
fn every_reply_to_a_small_message_can_be_any_other() {
    for recipients in 1..=3 {
        check_every_reply(&Mail::new(recipients, "Subject: x\r\n\r\n.\r\nbody\r\n"));
    }
}

#[test]
fn every_reply_to_a_message_in_several_chunks_can_be_any_other() {
    check_every_reply(&Mail::new(2, lines(6 * 65_536 + 10)));
}

#[test]
fn every_reply_to_a_message_of_exactly_one_block_can_be_any_other() {
    check_every_reply(&Mail::new(2, lines(65_536)));
}

#[test]
fn every_pair_of_replies_can_be_refusals() {
    let mail = Mail::new(3, "a: b\r\n\r\nc\r\n");
    for mode in modes() {
        let well = all_well(mode, message(mode, &mail));
        for first in 0..well.len() {
            for second in first..well.len() {
                for (one, two) in [(450, 550), (550, 451), (550, 421), (421, 550), (421, 421)] {
                    let mut events = well.clone();
                    (events[second], events[first]) = (Event::Reply(two), Event::Reply(one));
                    check(mode, &mail, &events);
                }
            }
        }
    }
}

#[test]
fn a_message_without_recipients_hurts_nobody() {
    for mode in modes() {
        let mail = Mail::new(0, "x\r\n");
        for code in [250, 354, 503] {
            let replies = vec![Event::Reply(250).wire(), Event::Reply(code).wire()];
            let (mut session, _) = mode.session(replies);
            assert!(session.send(mail.clone()).outcomes.is_empty());
        }
    }
}

#[test]
fn a_thousand_recipients_have_their_own_replies() {
    for mode in modes().filter(|mode| !mode.all_or_nothing) {
        let mail = Mail::new(1_000, "a: b\r\n\r\nc\r\n");
        let mut events = all_well(mode, message(mode, &mail));
        for place in (1..1_000).step_by(7) {
            events[place] = Event::Reply(550);
        }
        check(mode, &mail, &events);
    }
}
