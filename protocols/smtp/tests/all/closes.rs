//! A server that falls silent at any byte.

use crate::conversations::{all_well, message};
use crate::kit::{fates, lines, modes, Mail};
use crate::model::{self, Event};

#[test]
fn a_close_at_every_byte_is_a_close_after_the_last_whole_reply() {
    for mail in [
        Mail::new(2, "a: b\r\n\r\nc\r\n"),
        Mail::new(2, lines(70_000)),
    ] {
        for mode in modes() {
            let well = all_well(mode, message(mode, &mail));
            let wire: Vec<Vec<u8>> = well.iter().map(|event| event.wire()).collect();
            let whole = wire.concat();
            for length in 0..=whole.len() {
                let (mut complete, mut end) = (0, 0);
                for reply in &wire {
                    end += reply.len();
                    complete += usize::from(end <= length);
                }
                // Each byte arrives alone.
                let (mut session, _) = mode.session(whole[..length].chunks(1));
                let delivery = session.send(mail.clone());
                let expected = model::fates(mode, message(mode, &mail), &well[..complete]);
                assert_eq!(fates(&delivery), expected, "{mode:?} {length}");
            }
        }
    }
}

#[test]
fn what_a_server_says_unasked_is_not_taken_for_an_answer() {
    // Everything at once: no reply can be one to content that was not sent yet.
    for mode in modes() {
        let mail = Mail::new(1, "a: b\r\n\r\nc\r\n");
        let well = all_well(mode, message(mode, &mail));
        let wire: Vec<Vec<u8>> = well.iter().map(|event| event.wire()).collect();
        let (mut session, _) = mode.session([wire.concat()]);
        let delivery = session.send(mail.clone());
        let is_pipelined = mode.pipelining && mode.chunking && !mode.all_or_nothing;
        let fate = match is_pipelined {
            true => proto_smtp::Fate::Accepted,
            false => proto_smtp::Fate::NotSent,
        };
        assert_eq!(fates(&delivery), [fate], "{mode:?}");
    }
}

#[test]
fn a_farewell_that_was_said_unasked_is_heard() {
    for mode in modes() {
        let mail = Mail::new(2, "a: b\r\n\r\nc\r\n");
        let mut wire: Vec<Vec<u8>> = Vec::new();
        wire.extend(
            all_well(mode, message(mode, &mail))
                .iter()
                .map(|event| event.wire()),
        );
        // With the reply to the message, in one segment.
        let farewell = Event::Reply(421).wire();
        wire.last_mut().unwrap().extend(farewell);
        let (mut session, _) = mode.session(wire);
        let first = session.send(mail.clone());
        assert!(
            first.is_all(proto_smtp::Fate::Accepted),
            "{mode:?} {first:?}"
        );
        let second = session.send(mail.clone());
        assert!(
            second.is_all(proto_smtp::Fate::RefusedForNow),
            "{mode:?} {second:?}"
        );
        assert!(matches!(
            second.error,
            Some(proto_transport::Error::Closed { .. })
        ));
        assert!(!session.is_usable());
    }
}
