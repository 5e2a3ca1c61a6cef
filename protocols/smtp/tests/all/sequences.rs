//! Messages one after another: what is said between them, and what one may do to the next.

use std::io::{self, Read, Write};
use std::time::Instant;

use proto_smtp::{Delivery, Envelope, Fate, Outgoing, Step, Survey};
use proto_transport::{Error, Memory, Result, Stream};

use crate::kit::{after_hello, client, fates, lines, Mail, Mode};

const DATA: Mode = Mode {
    lmtp: false,
    pipelining: true,
    chunking: false,
    all_or_nothing: false,
};

const BDAT: Mode = Mode {
    chunking: true,
    ..DATA
};

/// Sends messages in these modes, with all replies each in a read of its own.
fn converse(mode: Mode, mails: Vec<Mail>, replies: &[&str]) -> (Vec<Delivery>, String) {
    let (mut session, said) = mode.session(replies.iter().map(|reply| format!("{reply}\r\n")));
    let (mut mails, mut done) = (mails.into_iter(), Vec::new());
    session.send_all(&mut || mails.next(), &mut |_, delivery| done.push(delivery));
    session.quit();
    (done, String::from_utf8(after_hello(&said)).unwrap())
}

fn hello_and(text: &str) -> Mail {
    Mail::new(1, format!("a: b\n\n{text}\n"))
}

#[test]
fn the_next_group_follows_the_content() {
    let replies = "250 250 354 250 250 250 354 550 221";
    let replies: Vec<&str> = replies.split(' ').collect();
    let (done, said) = converse(DATA, vec![hello_and(".x"), hello_and("y")], &replies);
    assert_eq!(fates(&done[0]), [Fate::Accepted]);
    assert_eq!(fates(&done[1]), [Fate::RefusedForGood]);
    let envelope = "MAIL FROM:<sender@example.org>\r\nRCPT TO:<r0@example.org>\r\nDATA\r\n";
    let expected =
        format!("{envelope}a: b\r\n\r\n..x\r\n.\r\n{envelope}a: b\r\n\r\ny\r\n.\r\nQUIT\r\n");
    assert_eq!(said, expected);
}

#[test]
fn a_message_in_chunks_that_follows_another_begins_with_a_reset() {
    let replies = "250 250 250 250 250 250 250 221";
    let replies: Vec<&str> = replies.split(' ').collect();
    let (done, said) = converse(BDAT, vec![hello_and(".x"), hello_and("y")], &replies);
    assert!(done.iter().all(|delivery| delivery.is_all(Fate::Accepted)));
    let envelope = "MAIL FROM:<sender@example.org>\r\nRCPT TO:<r0@example.org>\r\n";
    let expected = format!(
        "{envelope}BDAT 12 LAST\r\na: b\r\n\r\n.x\r\nRSET\r\n{envelope}BDAT 11 LAST\r\na: b\r\n\r\ny\r\n\
         QUIT\r\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn whoever_was_refused_leaves_nothing_to_the_next() {
    for (mode, replies) in [
        // Nobody, with and without leave to send.
        (DATA, "250 550 554 | 250 250 250 354 250 221"),
        (DATA, "250 550 354 554 | 250 250 250 354 250 221"),
        // The sender, which leaves nothing open.
        (DATA, "550 503 503 | 250 250 354 250 221"),
        // Leave to send.
        (DATA, "250 250 451 | 250 250 250 354 250 221"),
        // In chunks, at every place.
        (BDAT, "550 503 503 | 250 250 250 250 221"),
        (BDAT, "250 550 503 | 250 250 250 250 221"),
        (BDAT, "250 250 451 | 250 250 250 250 221"),
    ] {
        let replies: Vec<&str> = replies.split(' ').filter(|word| *word != "|").collect();
        let (done, said) = converse(mode, vec![hello_and("x"), hello_and("y")], &replies);
        assert!(!done[0].is_all(Fate::Accepted), "{replies:?}");
        assert!(
            done[1].is_all(Fate::Accepted),
            "{replies:?} {done:?} {said}"
        );
        assert!(said.ends_with("QUIT\r\n"), "{said}");
    }
}

#[test]
fn a_lost_reply_is_not_made_up_for_by_the_next() {
    // All of the second message is under way when the answer to the first is lost. If the replies
    // that follow were taken for the second, it would be accepted by an answer to its recipient.
    for lost in ["what?", "250-a\r\n251 b", "354 go on", "25", "250x"] {
        let replies = ["250", "250", lost, "250", "250", "250", "250", "250"];
        let mails = vec![hello_and("x"), hello_and("y"), hello_and("z")];
        let (done, said) = converse(BDAT, mails, &replies);
        assert_eq!(fates(&done[0]), [Fate::Unknown], "{lost}");
        assert_eq!(fates(&done[1]), [Fate::Unknown], "{lost}");
        assert!(!said.contains("QUIT"), "{said}");
        // One that was fetched and never said is not sent, and may be tried elsewhere.
        assert_eq!(fates(&done[2]), [Fate::NotSent]);
        assert!(matches!(done[2].error, Some(Error::Closed { .. })));
    }
}

#[test]
fn who_goes_on_after_a_farewell_is_not_believed_to_have_gone() {
    // 421 for one recipient, leave to send for the others, and then no answer: it may be there.
    let replies = ["250", "421", "250", "354"];
    let (done, _) = converse(DATA, vec![Mail::new(2, "x\r\n")], &replies);
    assert_eq!(fates(&done[0]), [Fate::RefusedForNow, Fate::Unknown]);
}

#[test]
fn a_farewell_to_one_recipient_of_lmtp_says_nothing_of_the_next() {
    let lmtp = Mode { lmtp: true, ..DATA };
    let replies = ["250", "250", "250", "250", "354", "250", "421"];
    let (done, _) = converse(lmtp, vec![Mail::new(3, "x\r\n")], &replies);
    let expected = [Fate::Accepted, Fate::RefusedForNow, Fate::Unknown];
    assert_eq!(fates(&done[0]), expected);
}

#[test]
fn replies_are_kept_only_so_far() {
    let long = format!("550-{}\r\n", "x".repeat(10_000)).repeat(90) + "550 end\r\n";
    let (mut session, _) = DATA.session([long]);
    let delivery = session.send(Mail::new(1_000, "x\r\n"));
    assert!(delivery.is_all(Fate::RefusedForGood));
    for outcome in &delivery.outcomes {
        let kept: usize = outcome
            .reply
            .iter()
            .flat_map(|reply| &reply.lines)
            .map(Vec::len)
            .sum();
        assert!((1..20_000).contains(&kept), "{kept}");
    }
}

/// A message that cannot be read any more, or any further.
struct Lost(Mail, &'static [u8]);

impl Outgoing for Lost {
    fn envelope(&self) -> &Envelope {
        &self.0.envelope
    }

    fn survey(&self) -> &Survey {
        &self.0.survey
    }

    fn content(&self) -> Result<Box<dyn Read + '_>> {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        match self.0.content.as_slice() {
            b"" => Ok(Box::new(self.1.chain(Broken))),
            whole => Ok(Box::new(whole)),
        }
    }
}

#[test]
fn a_message_that_cannot_be_read_does_not_take_the_one_before_with_it() {
    for mode in [DATA, BDAT] {
        for rest in [&b""[..], b"half a line", b"bare\rCR"] {
            let replies = if mode.chunking {
                "250 250 250"
            } else {
                "250 250 354 250 250 250 354"
            };
            let replies: Vec<String> = replies
                .split(' ')
                .map(|code| format!("{code}\r\n"))
                .collect();
            let (mut session, said) = mode.session(replies);
            let mut mails =
                vec![Lost(hello_and("x"), b""), Lost(Mail::new(1, ""), rest)].into_iter();
            let mut done = Vec::new();
            session.send_all(&mut || mails.next(), &mut |_, delivery| done.push(delivery));
            let said = String::from_utf8(after_hello(&said)).unwrap();
            assert_eq!(fates(&done[0]), [Fate::Accepted], "{said}");
            assert!(said.contains("a: b\r\n\r\nx\r\n"), "{said}");
            assert_eq!(fates(&done[1]), [Fate::NotSent]);
            let is_ours = matches!(
                done[1].error,
                Some(Error::Io { .. } | Error::Illegal { .. })
            );
            assert!(is_ours, "{:?}", done[1].error);
            // Neither an end nor half of it.
            assert!(!said.contains("half") && !said.contains("bare"), "{said}");
            assert!(!session.is_usable());
        }
    }
}

/// A server that takes so many bytes and no more.
struct Full(Memory, usize);

impl Read for Full {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.1);
        if taken == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.1 -= taken;
        self.0.write(&bytes[..taken])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Full {
    fn set_deadline(&mut self, _: Option<Instant>) {}

    fn is_encrypted(&self) -> bool {
        false
    }

    fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    fn is_readable(&mut self) -> bool {
        self.0.is_readable()
    }

    fn end_writing(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends messages to a server that takes only so much of them.
fn send_into(room: usize, mode: Mode, mails: Vec<Mail>, replies: &[&str]) -> Vec<Delivery> {
    let hello = if mode.chunking {
        "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
    } else {
        "250-x\r\n250 PIPELINING\r\n"
    };
    let mut pieces = vec!["220 hello\r\n".to_owned(), hello.to_owned()];
    pieces.extend(replies.iter().map(|reply| format!("{reply}\r\n")));
    let stream = Full(Memory::in_pieces(pieces), room);
    let mut client = client(stream, &mode.target());
    client.hello(false).unwrap();
    let (mut mails, mut done) = (mails.into_iter(), Vec::new());
    client
        .into_session()
        .send_all(&mut || mails.next(), &mut |_, delivery| done.push(delivery));
    done
}

#[test]
fn the_answer_to_a_message_is_not_taken_for_the_one_that_could_not_follow() {
    let large = || Mail::new(1, lines(65_536));
    for (code, fate) in [("250", Fate::Accepted), ("552", Fate::RefusedForGood)] {
        // The chunk has a reply of its own.
        let replies = ["250", "250", "250", code];
        let done = send_into(66_000, BDAT, vec![large(), large()], &replies);
        assert_eq!(fates(&done[0]), [fate], "{done:?}");
        assert_eq!(fates(&done[1]), [Fate::NotSent], "{done:?}");
    }
}

#[test]
fn a_server_that_takes_no_more_of_a_message_may_have_said_why() {
    let mail = Mail::new(2, lines(1_000_000));
    let done = send_into(
        100_000,
        DATA,
        vec![mail],
        &["250", "250", "550", "354", "552 too much"],
    );
    assert_eq!(fates(&done[0]), [Fate::RefusedForGood; 2]);
    let codes: Vec<_> = done[0]
        .outcomes
        .iter()
        .map(|one| one.reply.as_ref().unwrap().code)
        .collect();
    assert_eq!(codes, [552, 550]);
    let mail = Mail::new(2, lines(1_000_000));
    let done = send_into(100_000, DATA, vec![mail], &["250", "250", "550", "354"]);
    assert_eq!(fates(&done[0]), [Fate::NotSent, Fate::RefusedForGood]);
}

#[test]
fn content_can_be_refused_before_it_is_seen() {
    for mode in crate::kit::modes().filter(|mode| !mode.chunking) {
        let group = "250\r\n250\r\n354\r\n550 no\r\n";
        let single = ["250\r\n", "250\r\n", "354\r\n550 no\r\n"];
        let (mut session, said) = match mode.pipelining && !mode.all_or_nothing {
            true => mode.session([group]),
            false => mode.session(single),
        };
        let delivery = session.send(Mail::new(1, "secret\r\n"));
        assert_eq!(fates(&delivery), [Fate::RefusedForGood], "{mode:?}");
        assert!(!said.text().contains("secret"));
        assert!(!session.is_usable());
    }
}

#[test]
fn a_rehearsal_ends_where_it_should() {
    for (step, replies, expected) in [
        (Step::Mail, "250 221", "MAIL QUIT"),
        (Step::Rcpt, "250 250 550 221", "MAIL RCPT RCPT QUIT"),
        (Step::Data, "250 250 550 354", "MAIL RCPT RCPT DATA"),
        (Step::Data, "250 550 550 221", "MAIL RCPT RCPT QUIT"),
        (
            Step::Data,
            "250 250 250 451 221",
            "MAIL RCPT RCPT DATA QUIT",
        ),
    ] {
        for mode in crate::kit::modes() {
            let replies = replies.split(' ').map(|code| format!("{code}\r\n"));
            let (mut session, said) = mode.session(replies);
            let delivery = session.rehearse(Mail::new(2, "x\r\n"), step);
            assert!(delivery.error.is_none(), "{delivery:?}");
            session.quit();
            let said = String::from_utf8(after_hello(&said)).unwrap();
            let verbs: Vec<_> = said
                .lines()
                .filter_map(|line| line.split(' ').next())
                .collect();
            assert_eq!(verbs.join(" "), expected, "{mode:?}");
        }
    }
}

#[test]
fn a_rehearsal_can_follow_another() {
    let replies = ["250\r\n", "250\r\n", "550\r\n", "221\r\n"];
    let (mut session, said) = DATA.session(replies);
    let mail = Mail::new(1, "x\r\n");
    assert!(session
        .rehearse(mail.clone(), Step::Mail)
        .sender_reply
        .unwrap()
        .is(250));
    assert!(session
        .rehearse(mail, Step::Mail)
        .sender_reply
        .unwrap()
        .is(550));
    session.quit();
    let said = String::from_utf8(after_hello(&said)).unwrap();
    let verbs: Vec<_> = said
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(verbs, ["MAIL", "RSET", "MAIL", "QUIT"]);
}
